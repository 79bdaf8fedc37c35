"""One person's landmarks, frame by frame, to a smooth pose on the canonical skeleton."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.errors import ValueRangeError
from twinsdk.motion.gravity import CameraPitch
from twinsdk.motion.head import NeutralFace, face_rotation, line_of_sight
from twinsdk.motion.limits import SPEED_LIMITS, speed_limits
from twinsdk.motion.points import BODY, FACE_POINTS, HAND, JOINT
from twinsdk.motion.presence import Presence, group_confidence
from twinsdk.motion.proportions import Proportions
from twinsdk.motion.rest import GROUP_OF_JOINT, GROUPS, idle_rotations, upright_thigh
from twinsdk.motion.root import RootFollower
from twinsdk.motion.sides import Sides
from twinsdk.motion.smooth import OneEuroConfig, RotationFilter
from twinsdk.motion.solve import Hints, points_of, solve
from twinsdk.motion.vectors import smoothstep, turn_x, turn_y

__all__ = ["BodyFitter", "Fit", "FitConfig"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How landmarks become a pose.

    Attributes:
        height_m: Height of the skeleton fitted; avatars of other sizes are reached by retargeting.
        fov_deg: The camera's horizontal field of view; 60 is a usual webcam.
        seen_above: Visibility above which a part counts as seen.
        unseen_below: Visibility below which it counts as unseen; the gap keeps it from flickering.
        fade_in_s: Seconds from rest to what is seen.
        fade_out_s: Seconds from what was last seen to rest.
        hold_s: Seconds a lost person's pose is held before it eases to rest.
        smoothing: Filter of the joint rotations.
        camera_pitch_deg: How far the camera looks down; None learns it from people who stand.
        roll_memory_s: Seconds in which the remembered roll of a straight limb decays to neutral.
    """

    height_m: float = 1.70
    fov_deg: float = 60.0
    seen_above: float = 0.6
    unseen_below: float = 0.4
    fade_in_s: float = 0.25
    fade_out_s: float = 0.4
    hold_s: float = 0.7
    smoothing: OneEuroConfig = field(
        default_factory=lambda: OneEuroConfig(min_cutoff_hz=1.0, speed_gain=1.5)
    )
    camera_pitch_deg: float | None = None
    roll_memory_s: float = 2.0

    def __post_init__(self) -> None:
        checks = (
            ("height_m", 0.3 <= self.height_m <= 3.0, "0.3 to 3 m"),
            ("fov_deg", 10 <= self.fov_deg <= 150, "10 to 150 degrees"),
            ("seen_above", 0 < self.unseen_below <= self.seen_above < 1, "0 < off <= on < 1"),
            ("fade_in_s", self.fade_in_s > 0 and self.fade_out_s > 0, "above 0 s"),
            ("hold_s", self.hold_s >= 0, "0 s or more"),
            ("camera_pitch_deg", abs(self.camera_pitch_deg or 0) <= 60, "-60 to 60 degrees"),
            ("roll_memory_s", self.roll_memory_s > 0, "above 0 s"),
        )
        for name, ok, wanted in checks:
            if not ok:
                raise ValueRangeError(f"{name}: expected {wanted}, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What one observation says of a person.

    Attributes:
        pose: On `humanoid_skeleton(height_m)`; the root in the world, feet on y = 0.
        joint_confidence: (55,) in [0, 1]; 0 is a joint at rest because it is unseen.
        confidence: In [0, 1], the mean over the body's parts.
        state: TRACKING, PARTIAL, HOLDING or IDLE.
        expressions: (52,); the last seen while the face is briefly lost, zeros before.
    """

    pose: Pose
    joint_confidence: F32
    confidence: float
    state: TrackingState
    expressions: F32


_TORSO = [BODY[n] for n in ("leftShoulder", "rightShoulder")]
_HIPS = [BODY["leftHip"], BODY["rightHip"]]
_TRUNK = [*_TORSO, *_HIPS]
_EARS = [BODY["leftEar"], BODY["rightEar"]]
_HANGING = 0.35  # cosine: a head hangs at most 20 degrees below level with the trunk upright
_THIGHS = [JOINT["leftUpperLeg"], JOINT["rightUpperLeg"]]
_FEET = [GROUPS.index("leftFoot"), GROUPS.index("rightFoot")]
_SHANKS = [GROUPS.index("leftShank"), GROUPS.index("rightShank")]
_FINGERS = [GROUPS.index("leftFingers"), GROUPS.index("rightFingers")]
_PALMS = [GROUPS.index("leftPalm"), GROUPS.index("rightPalm")]
_LONGEST_STEP_S = 1.0


class BodyFitter:
    """Follows one person: give it every observation in order, get a pose each time.

    A frame with the same timestamp as the last, or an earlier one, changes nothing: the last fit is
    returned, and time goes on from there.
    """

    def __init__(self, config: FitConfig | None = None) -> None:
        self.config = config or FitConfig()
        self._skeleton = humanoid_skeleton(self.config.height_m)
        self._idle = idle_rotations()
        self._presence = Presence(
            on=self.config.seen_above,
            off=self.config.unseen_below,
            fade_in_s=self.config.fade_in_s,
            fade_out_s=self.config.fade_out_s,
        )
        self._filter = RotationFilter(self.config.smoothing, max_speed=SPEED_LIMITS)
        self._pitch = CameraPitch(fixed_deg=self.config.camera_pitch_deg)
        self._neutral = NeutralFace()
        self._sides = Sides()
        self._half_width = float(np.tan(np.radians(self.config.fov_deg) / 2))
        self._proportions = Proportions()
        self._root = RootFollower(
            fov_deg=self.config.fov_deg, scale=self.config.height_m / _SKELETON_M
        )
        self.reset()

    def reset(self) -> None:
        """Forget the person: the next one seen starts at the origin."""
        for part in (
            self._presence,
            self._filter,
            self._sides,
            self._pitch,
            self._neutral,
            self._proportions,
            self._root,
        ):
            part.reset()
        self._good = self._idle.copy()
        self._roll = np.zeros(4)
        self._hand_trust = np.ones(2)
        self._hand_haste = np.ones(2)
        self._expressions = np.zeros(EXPRESSION_COUNT, np.float32)
        self._last_ns: int | None = None
        self._last: Fit | None = None
        self._unseen_s = np.inf

    def step(self, observation: Observation) -> Fit:
        """Return the pose at the observation's time.

        Raises:
            LandmarkError: Landmarks are not those of a body or a hand.
        """
        step_s = self._elapsed(observation.timestamp_ns)
        if self._last is not None and step_s <= 0:
            return self._last
        observation = self._sides.put_right(observation, step_s)
        body = observation.body
        seen = self._seen_points(observation)
        if body is None or (seen[_TORSO[0]] + seen[_TORSO[1]]) / 2 < self.config.unseen_below:
            return self._unseen(step_s)
        points = points_of(body, BODY_NAMES)
        if not _upright_in_itself(points):
            return self._unseen(step_s)
        self._pitch.add(points, seen, step_s)
        if self._last is None:
            self._pitch.start()
        hands = (_hand(observation.left_hand), _hand(observation.right_hand))
        self._look(seen, hands, observation.image_face is not None, step_s)
        self._proportions.add(points, seen, step_s)
        sidewards = self._sidewards(observation, seen)
        world = self._pitch.upright() @ sidewards
        settled = self._proportions.apply(points) @ world.T
        self._solve(settled, seen, hands, observation, world, step_s)
        if observation.expressions is not None:
            self._expressions = np.clip(observation.expressions, 0, 1)
        self._unseen_s = 0.0
        state = (
            TrackingState.TRACKING if self._presence.seen[_MAIN].all() else TrackingState.PARTIAL
        )
        return self._finish(state, observation, points @ sidewards.T, seen, step_s)

    def _elapsed(self, timestamp_ns: int) -> float:
        last, self._last_ns = self._last_ns, timestamp_ns
        if last is None:
            return 0.0
        return min((timestamp_ns - last) / 1e9, _LONGEST_STEP_S)

    def _seen_points(self, observation: Observation) -> Array:
        """Return how surely each body point is seen (33,): visible and within the image."""
        if observation.body is None:
            return np.zeros(len(BODY_NAMES))
        seen = observation.body.visibility.astype(np.float64)
        if observation.image_body is not None:
            seen = seen * observation.image_body.inside()
        return seen

    def _look(
        self, seen: Array, hands: tuple[Array | None, Array | None], face: bool, step_s: float
    ) -> None:
        found = np.array([hand is not None for hand in hands]) * (self._hand_trust > _TRUSTED)
        confidence = group_confidence(seen, found, face)
        if self._last is None:
            self._presence.start(confidence)
        else:
            self._presence.step(confidence, step_s)

    def _solve(
        self,
        points: Array,
        seen: Array,
        hands: tuple[Array | None, Array | None],
        observation: Observation,
        world: Array,
        step_s: float,
    ) -> None:
        """Refresh the rotations of what is seen; what is not keeps its last good ones.

        `points` are in the world's axes; `world` (3, 3) turns the tracker's axes to them.
        """
        present = self._presence.fresh
        turned = [None if hand is None else hand @ world.T for hand in hands]
        hand_px = _palm_px(observation)
        solution = solve(
            _with_hips(points, float(seen[_HIPS[0]] + seen[_HIPS[1]]) / 2),
            seen,
            (turned[0], turned[1]),
            head=self._head(observation.image_face, step_s),
            expressions=observation.expressions,
            hints=Hints(
                roll=self._roll,
                step_s=None if self._last is None else step_s,
                feet=present[_FEET] * 1.0,
                palms=present[_PALMS],
                hand_px=hand_px,
            ),
        )
        self._hand_trust = np.where([h is None for h in hands], 1.0, solution.hand_trust)
        self._hand_haste = _STIFFEST + (1 - _STIFFEST) * smoothstep(hand_px, *_SMALL_HAND_PX)
        trusted = solution.hand_trust > _TRUSTED
        kept = np.exp(-step_s * (1 - solution.roll_certainty) / self.config.roll_memory_s)
        self._roll = solution.roll * kept
        fresh = present[GROUP_OF_JOINT]
        fresh[_FINGERS_OF[0]] &= trusted[0]
        fresh[_FINGERS_OF[1]] &= trusted[1]
        self._good = np.where(fresh[:, None], solution.rotations, self._good)

    def _sidewards(self, observation: Observation, seen: Array) -> Array:
        """Return the turn (3, 3) from the line of sight to the camera's axis, about its upright."""
        image = observation.image_body
        if image is None:
            return np.eye(3)
        sure = seen[_TRUNK]
        u = float(sure @ image.uv[_TRUNK, 0] / max(sure.sum(), 1e-6))
        right, _ = line_of_sight(u, 0.5, half_width=self._half_width, aspect=1.0)
        return turn_y(-right)

    def _head(self, face: ImageLandmarks | None, step_s: float) -> Array | None:
        """Return the head's world rotation (3, 3) from the face's own points, or None."""
        seen = None if face is None else face_rotation(face)
        if face is None or seen is None:
            return None
        u, v = (float(x) for x in face.uv[FACE_POINTS].mean(0))
        width, height = face.size_px
        right, up = line_of_sight(u, v, half_width=self._half_width, aspect=width / height)
        return self._neutral.level(
            self._pitch.upright() @ turn_y(-right) @ turn_x(up) @ seen, step_s
        )

    def _unseen(self, step_s: float) -> Fit:
        self._unseen_s += step_s
        held = self._last is not None and self._unseen_s <= self.config.hold_s
        if not held:
            self._presence.step(np.zeros(len(GROUPS)), step_s)
            self._expressions = self._expressions * np.float32(np.exp(-step_s / 0.3))
        state = TrackingState.HOLDING if held else TrackingState.IDLE
        return self._finish(state, None, None, np.zeros(len(BODY_NAMES)), step_s)

    def _finish(
        self,
        state: TrackingState,
        observation: Observation | None,
        points: Array | None,
        seen: Array,
        step_s: float,
    ) -> Fit:
        weights = self._presence.weights
        shown = self._fade(weights[GROUP_OF_JOINT])
        smooth = self._filter.step(
            shown,
            step_s,
            haste=self._haste()[GROUP_OF_JOINT],
            max_speed=speed_limits(None if self._last is None else self._last.pose, shown),
        )
        root = self._root.step(
            smooth,
            points=None if points is None else points * self._proportions.scale,
            image=None if observation is None else observation.image_body,
            seen=seen,
            legs=float(weights[_SHANKS].min()),
            upright=self._pitch.upright(),
            step_s=step_s,
        )
        sure = weights * self._presence.confidence * (0.0 if points is None else 1.0)
        fit = Fit(
            pose=Pose(
                skeleton=self._skeleton,
                rotations=quat.positive(smooth).astype(np.float32),
                root_translation=root.astype(np.float32),
            ),
            joint_confidence=np.clip(sure[GROUP_OF_JOINT], 0, 1).astype(np.float32),
            confidence=float(np.clip(sure.mean(), 0, 1)),
            state=state,
            expressions=self._expressions,
        )
        self._last = fit
        return fit

    def _haste(self) -> Array:
        """Return how quickly each of `GROUPS` follows (16,): what is less sure is held stiller."""
        haste = _STIFFEST + (1 - _STIFFEST) * self._presence.confidence
        haste[_FINGERS] = np.minimum(haste[_FINGERS], self._hand_haste)
        haste[_PALMS] = np.minimum(haste[_PALMS], self._hand_haste)
        # What is fading moves by its weight, which is smooth already.
        return np.where(self._presence.seen, haste, 1.0)

    def _fade(self, weights: Array) -> Array:
        """Return the last good rotations (55, 4), drawn to rest where their weight (55,) is low."""
        if (weights == 1).all():
            return self._good
        rest = self._idle.copy()
        rest[_THIGHS] = upright_thigh(_mixed(rest[:1], self._good[:1], weights[:1])[0])
        return _mixed(rest, self._good, weights)


def _hand(hand: Landmarks | None) -> Array | None:
    return None if hand is None else points_of(hand, HAND_NAMES)


def _mixed(a: Array, b: Array, share: Array) -> Array:
    """Return the rotations (J, 4) on the way from `a` to `b`, `share` (J,) of it, in [0, 1]."""
    near = np.where(((a * b).sum(-1) < 0)[:, None], -b, b)
    mixed = a + share[:, None] * (near - a)
    unit: Array = mixed / np.sqrt((mixed * mixed).sum(-1, keepdims=True))
    return unit


def _upright_in_itself(points: Array) -> bool:
    """Return whether the head is on the shoulders and not below, as in bodies seen in hands."""
    hips, shoulders = points[_HIPS].sum(0), points[_TORSO].sum(0)
    trunk, neck = shoulders - hips, points[_EARS].sum(0) - shoulders
    return bool(trunk @ neck > -_HANGING * np.sqrt((trunk @ trunk) * (neck @ neck)))


def _palm_px(observation: Observation) -> Array:
    """Return the length of each palm on the image (2,), pixels; without an image, large."""
    out = np.full(2, 1e3)
    for side, image in enumerate((observation.image_left_hand, observation.image_right_hand)):
        if image is not None:
            span = (image.uv[_KNUCKLE] - image.uv[0]) * image.size_px
            out[side] = float(np.hypot(span[0], span[1]))
    return out


def _with_hips(points: Array, sure: float) -> Array:
    """Return the points with hips that are not seen put upright below the shoulders."""
    weight = min(max((sure - 0.3) / 0.4, 0.0), 1.0)
    if weight >= 1:
        return points
    left, right = points[_TORSO]
    across = (left - right) * (1.0, 0.0, 1.0)
    width = float(np.hypot(across[0], across[2]))
    across = across / width if width > 1e-6 else np.array([1.0, 0.0, 0.0])
    below = (left + right) / 2 - (0.0, _TRUNK_M, 0.0)
    upright = np.stack([below + 0.09 * across, below - 0.09 * across])
    out = points.copy()
    out[_HIPS] = weight * points[_HIPS] + (1 - weight) * upright
    return out


_SKELETON_M = 1.70
_KNUCKLE = HAND["middleMcp"]
_TRUSTED = 0.25
_STIFFEST = 0.25
_SMALL_HAND_PX = (15.0, 60.0)  # palms of few pixels are held still, of many follow at once
_TRUNK_M = 0.495
_MAIN = [i for i, name in enumerate(GROUPS) if not name.endswith(("Fingers", "Palm", "Foot"))]
_FINGERS_OF = [GROUPS.index(f"{side}Fingers") == GROUP_OF_JOINT for side in ("left", "right")]
