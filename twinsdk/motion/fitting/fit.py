"""One person's landmarks, frame by frame, to a smooth pose on the canonical skeleton."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.frame import TrackingState
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.errors import ValueRangeError
from twinsdk.motion.filters.average import PathMean
from twinsdk.motion.filters.glide import GlideConfig, RotationGlide
from twinsdk.motion.filters.play import rotation_play
from twinsdk.motion.fitting.body import ROWS
from twinsdk.motion.fitting.estimate import BodyEstimate, BodyEstimator
from twinsdk.motion.fitting.gravity import CameraPitch
from twinsdk.motion.fitting.head import NeutralFace, face_rotation, line_of_sight
from twinsdk.motion.fitting.learnt import Learnt
from twinsdk.motion.fitting.limits import speed_limits
from twinsdk.motion.fitting.palms import FollowedHands
from twinsdk.motion.fitting.person import OwnSkeleton
from twinsdk.motion.fitting.plausible import Plausible
from twinsdk.motion.fitting.points import BODY, FACE_POINTS, JOINT
from twinsdk.motion.fitting.presence import (
    Presence,
    group_confidence,
    guessed_groups,
    seen_points,
)
from twinsdk.motion.fitting.rest import GROUP_OF_JOINT, GROUPS, idle_rotations, upright_thigh
from twinsdk.motion.fitting.root import ANKLE_M, RootFollower, Soles
from twinsdk.motion.fitting.sides import Sides
from twinsdk.motion.fitting.solve import complete, points_of
from twinsdk.motion.vectors import turn_x, turn_y

__all__ = ["BodyFitter", "Fit", "FitConfig"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How landmarks become a pose.

    Attributes:
        height_m: Of the person, shoes on; asked for once, since one camera cannot tell a small
            person from a distant one.
        fov_deg: The camera's horizontal field of view; 60 is a usual webcam.
        seen_above: Visibility above which a part counts as seen.
        unseen_below: Visibility below which it counts as unseen; the gap keeps it from flickering.
        fade_in_s: Seconds from rest to what is seen.
        fade_out_s: Seconds from what was last seen to rest.
        hold_s: Seconds a lost person's pose is held before it eases to rest.
        smoothing: Filter of the joint rotations.
        evened_s: Seconds over which what comes out of it is averaged; half of them is its lag.
        camera_pitch_deg: How far the camera looks down; None learns it.
    """

    height_m: float = 1.70
    fov_deg: float = 60.0
    seen_above: float = 0.6
    unseen_below: float = 0.4
    fade_in_s: float = 0.25
    fade_out_s: float = 0.4
    hold_s: float = 0.7
    smoothing: GlideConfig = field(
        default_factory=lambda: GlideConfig(min_hz=2.4, gain=0.3, damping=0.7)
    )
    evened_s: float = 0.012
    camera_pitch_deg: float | None = None

    def __post_init__(self) -> None:
        checks = (
            ("height_m", 0.3 <= self.height_m <= 3.0, "0.3 to 3 m"),
            ("fov_deg", 10 <= self.fov_deg <= 150, "10 to 150 degrees"),
            ("seen_above", 0 < self.unseen_below <= self.seen_above < 1, "0 < off <= on < 1"),
            ("fade_in_s", self.fade_in_s > 0 and self.fade_out_s > 0, "above 0 s"),
            ("hold_s", self.hold_s >= 0, "0 s or more"),
            ("evened_s", 0 <= self.evened_s <= 1, "0 to 1 s"),
            ("camera_pitch_deg", abs(self.camera_pitch_deg or 0) <= 60, "-60 to 60 degrees"),
        )
        for name, ok, wanted in checks:
            if not ok:
                raise ValueRangeError(f"{name}: expected {wanted}, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What one observation says of a person.

    Attributes:
        pose: On the canonical joints with the person's own lengths as far as they are known: the
            skeleton is another object whenever they change, which is seldom. The root is in the
            world, soles on y = 0.
        joint_confidence: (55,) in [0, 1]; 0 is a joint at rest because it is unseen.
        confidence: In [0, 1], the mean over the body's parts.
        state: TRACKING, PARTIAL, HOLDING or IDLE.
        expressions: (52,); the last seen while the face is briefly lost, zeros before.
        standing: (2,) bool: which feet are seen to stand, left then right.
    """

    pose: Pose
    joint_confidence: F32
    confidence: float
    state: TrackingState
    expressions: F32
    standing: Array


_TORSO = [BODY[n] for n in ("leftShoulder", "rightShoulder")]
_THIGHS = [JOINT["leftUpperLeg"], JOINT["rightUpperLeg"]]
_SHANKS = [GROUPS.index("leftShank"), GROUPS.index("rightShank")]
_PALMS = [GROUPS.index("leftPalm"), GROUPS.index("rightPalm")]
_HANDS = [GROUPS.index("leftFingers"), GROUPS.index("rightFingers"), *_PALMS]
_LONGEST_STEP_S = 1.0
_LATELY_S = 1.2  # whose trunk has been at rest for longer does not move
_AT_REST = 0.05  # how quickly at least follows what has long been at rest, against what moves
_PLAY_RAD = 0.035  # and by how much it may be behind
_FADING = 1.5  # how quickly follows what fades, whose weight is smooth already


class BodyFitter:
    """Follows one person: give it every observation in order, get a pose each time.

    A frame with the same timestamp as the last, or an earlier one, changes nothing: the last fit is
    returned, and time goes on from there.
    """

    def __init__(self, config: FitConfig | None = None) -> None:
        self.config = config or FitConfig()
        self._own = OwnSkeleton(height_m=self.config.height_m)
        self._soles = Soles(self._own.skeleton, ANKLE_M * self.config.height_m / 1.70)
        self._idle = idle_rotations()
        self._presence = Presence(
            on=self.config.seen_above,
            off=self.config.unseen_below,
            fade_in_s=self.config.fade_in_s,
            fade_out_s=self.config.fade_out_s,
        )
        self._filter = RotationGlide(self.config.smoothing)
        self._mean = PathMean(self.config.evened_s)
        self._pitch = CameraPitch(fixed_deg=self.config.camera_pitch_deg)
        self._neutral = NeutralFace()
        self._sides = Sides()
        self._hands = FollowedHands()
        self._plausible = Plausible()
        self._half_width = float(np.tan(np.radians(self.config.fov_deg) / 2))
        self._estimator = BodyEstimator(height_m=self.config.height_m)
        self._root = RootFollower()
        self.reset()

    def reset(self) -> None:
        """Forget the person: the next one seen starts at the origin."""
        for part in (
            self._presence,
            self._filter,
            self._mean,
            self._sides,
            self._hands,
            self._plausible,
            self._pitch,
            self._neutral,
            self._estimator,
            self._own,
            self._root,
        ):
            part.reset()
        self._good = self._idle.copy()
        self._expressions = np.zeros(EXPRESSION_COUNT, np.float32)
        self._last_ns: int | None = None
        self._last: Fit | None = None
        self._shown: Array | None = None
        self._unseen_s = np.inf

    def learnt(self) -> Learnt:
        """Return what is known of the person and the camera by now."""
        return Learnt.of(self._estimator.lengths, self._pitch.learnt)

    def begin_with(self, learnt: Learnt) -> None:
        """Start from what another session learnt; to be called before the first step."""
        self._estimator.lengths.begin_with(*learnt.logs())
        self._own.take(self._estimator.lengths)
        if learnt.camera_pitch_deg is not None:
            self._pitch.begin_with(float(np.radians(learnt.camera_pitch_deg)))

    def relearn(self) -> None:
        """Forget the person's lengths and how they hold their head, not where they are."""
        for part in (self._estimator.lengths, self._own, self._neutral):
            part.reset()

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
        seen = seen_points(observation)
        if body is None or (seen[_TORSO[0]] + seen[_TORSO[1]]) / 2 < self.config.unseen_below:
            return self._unseen(step_s)
        points = points_of(body, BODY_NAMES)
        if not self._plausible.step(observation, points, seen):
            return self._unseen(step_s)
        if self._unseen_s > self.config.hold_s:
            self._estimator.forget_pose()
        hands = (_hand(observation.left_hand), _hand(observation.right_hand))
        self._look(observation, seen, step_s)
        image = observation.image_body or _pictured(points)
        estimate = self._estimator.step(
            points,
            image,
            seen,
            focal_px=image.size_px[0] / 2 / self._half_width,
            step_s=step_s,
            measured=observation.measured,
            up=self._pitch.upright()[1],
        )
        moving = bool(self._estimator.stillness.rest_s[-1] < _LATELY_S)
        self._pitch.add(estimate.points, seen, step_s, height_m=self.config.height_m, moving=moving)
        if self._last is None:
            self._pitch.start()
        if self._own.step(self._estimator.lengths, step_s, moving=moving):
            self._estimator.stillness.restless()
        self._solve(points, estimate, hands, observation, step_s)
        if observation.expressions is not None:
            self._expressions = np.clip(observation.expressions, 0, 1)
        self._unseen_s = 0.0
        whole = self._presence.seen[_MAIN].all()
        state = TrackingState.TRACKING if whole else TrackingState.PARTIAL
        there = None if observation.image_body is None else estimate.root
        return self._finish(state, there, step_s)

    def _elapsed(self, timestamp_ns: int) -> float:
        last, self._last_ns = self._last_ns, timestamp_ns
        if last is None:
            return 0.0
        return min((timestamp_ns - last) / 1e9, _LONGEST_STEP_S)

    def _look(self, observation: Observation, seen: Array, step_s: float) -> None:
        hands = (observation.left_hand, observation.right_hand)
        found = np.array([hand is not None for hand in hands]) * self._hands.believed
        confidence = group_confidence(seen, found, observation.image_face is not None)
        guessed = guessed_groups(observation, seen)
        if self._last is None:
            self._presence.start(confidence, guessed)
        else:
            self._presence.step(confidence, step_s, guessed)

    def _solve(
        self,
        points: Array,
        estimate: BodyEstimate,
        hands: tuple[Array | None, Array | None],
        observation: Observation,
        step_s: float,
    ) -> None:
        """Refresh the rotations of what is seen; what is not keeps its last good ones."""
        present = self._presence.fresh
        upright = self._pitch.upright()
        # The tracker's own axes lie along the line of sight.
        world = upright @ estimate.sight
        turned = [None if hand is None else hand @ world.T for hand in hands]
        joints = np.zeros((len(GROUP_OF_JOINT), 3, 3))
        joints[ROWS] = upright @ estimate.world
        rotations, trust = complete(
            joints,
            points @ world.T,
            (turned[0], turned[1]),
            head=self._head(observation.image_face, step_s),
            expressions=observation.expressions,
            palms=self._hands.palms(
                observation, present[_PALMS], step_s, anew=self._last is None or self._unseen_s > 0
            ),
        )
        self._hands.believe(hands, trust)
        fresh = present[GROUP_OF_JOINT]
        fresh[_FINGERS_OF[0]] &= self._hands.believed[0]
        fresh[_FINGERS_OF[1]] &= self._hands.believed[1]
        self._good = np.where(fresh[:, None], rotations, self._good)

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
            self._presence.step(np.zeros(len(GROUPS)), step_s, np.zeros(len(GROUPS), bool))
            self._expressions = self._expressions * np.float32(np.exp(-step_s / 0.3))
        state = TrackingState.HOLDING if held else TrackingState.IDLE
        return self._finish(state, None, step_s, seen=False)

    def _finish(
        self, state: TrackingState, place: Array | None, step_s: float, *, seen: bool = True
    ) -> Fit:
        weights = self._presence.weights
        shown = self._fade(weights[GROUP_OF_JOINT])
        smooth = self._filter.step(
            shown,
            step_s,
            haste=self._haste(),
            max_speed=speed_limits(None if self._last is None else self._last.pose, shown),
        )
        if self._shown is not None:
            smooth = rotation_play(self._shown, smooth, self._play())
        self._shown = smooth
        world = self._own.skeleton.forward(smooth.astype(np.float32), np.zeros(3, np.float32))
        root = self._root.step(
            place,
            sole=self._soles.lowest(*world),
            legs=float(weights[_SHANKS].min()),
            upright=self._pitch.upright(),
            rest=float(self._estimator.stillness.rest.min()),
            step_s=step_s,
        )
        # Rotations and root alike, or planted feet would slide; the root against how high these
        # legs hold it, or straight ones would bend where another skeleton comes in.
        high = self._own.skeleton.rest_translations[0]
        evened = self._mean.step(np.append(smooth.ravel(), root - high), step_s)
        smooth, root = quat.normalize(evened[:-3].reshape(-1, 4)), evened[-3:] + high
        sure = weights * self._presence.confidence * float(seen)
        fit = Fit(
            pose=Pose(
                skeleton=self._own.skeleton,
                rotations=quat.positive(smooth).astype(np.float32),
                root_translation=root.astype(np.float32),
            ),
            joint_confidence=np.minimum(np.maximum(sure, 0), 1)[GROUP_OF_JOINT].astype(np.float32),
            confidence=min(max(float(sure.mean()), 0.0), 1.0),
            state=state,
            expressions=self._expressions,
            standing=self._standing(weights[_SHANKS]) if seen else np.zeros(2, bool),
        )
        self._last = fit
        return fit

    def _standing(self, shown: Array) -> Array:
        """Return which feet stand (2,), their legs `shown` (2,) as they are seen."""
        was = self._last is not None and self._last.standing
        # A leg that fades in from rest moves, however still the person stands.
        return self._estimator.feet.held & (shown > np.where(was, 0.5, 0.98))

    def _haste(self) -> Array:
        """Return how quickly each joint follows (55,): what rests or leapt is held stiller."""
        haste = np.ones(len(GROUPS))
        haste[_HANDS] = np.concatenate([self._hands.haste] * 2)
        stillness = self._estimator.stillness
        haste = haste * np.maximum(stillness.of_groups(stillness.haste, other=1.0), _AT_REST)
        haste = np.where(self._presence.shown, haste, _FADING)[GROUP_OF_JOINT]
        haste[ROWS] *= 1 - self._estimator.leap
        return haste

    def _play(self) -> Array:
        """Return by how much each joint may be behind (55,), radians: nothing where it fades."""
        rest = self._estimator.stillness.of_groups(self._estimator.stillness.rest, other=0.0)
        return _PLAY_RAD * np.where(self._presence.shown, rest, 0.0)[GROUP_OF_JOINT]

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


def _pictured(points: Array) -> ImageLandmarks:
    """Return where points (33, 3) would lie on a picture: for trackers that give none."""
    away = _USUAL_M - points[:, 2]
    uv = np.asarray(0.5 + points[:, :2] / away[:, None] * (0.5, -0.5), np.float32)
    return ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=(1000, 1000))


_USUAL_M = 3.0
_MAIN = [i for i, name in enumerate(GROUPS) if not name.endswith(("Fingers", "Palm", "Foot"))]
_FINGERS_OF = [GROUPS.index(f"{side}Fingers") == GROUP_OF_JOINT for side in ("left", "right")]
