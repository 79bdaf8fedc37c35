"""Scenes: who is filmed, where, from where, doing what; each follows from a split and a number.

People of the splits "dev" and "test" are drawn from other seeds, so that what is tuned on the one
is judged on bodies it never met.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.avatar import AvatarSpec, Colors
from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.errors import ValueRangeError
from twinsdk.formats import load_clip
from twinsdk.render import Camera
from twinsdk.retarget import RetargetConfig, Retargeter
from twinsdk.session.choreography import close_up
from twinsdk.session.truth_motion import perform, resampled, with_face_and_fingers

__all__ = ["KINDS", "SPLITS", "Scene", "camera_of", "motion_of", "scene_of"]

SPLITS = ("dev", "test")
FPS = 30.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One sort of take: the motion and the shot.

    Attributes:
        motion: "clip" (a motion file), a performance, or "close-up".
        shot: "full", "knees" or "bust": how much of the body the picture shows.
        yaw_deg: The camera's place around the person, 0 in front, 90 at their left, give or take.
        absent_s: Seconds in the middle during which the person is away.
    """

    motion: str
    shot: str
    yaw_deg: float = 0.0
    absent_s: float = 0.0


# Takes go through these in turn; a clip's place is taken by a performance where there is no file.
KINDS: tuple[Kind, ...] = (
    Kind(motion="clip", shot="full"),
    Kind(motion="gestures", shot="full"),
    Kind(motion="seated", shot="bust"),
    Kind(motion="clip", shot="knees"),
    Kind(motion="still", shot="full"),
    Kind(motion="clip", shot="full", yaw_deg=70),
    Kind(motion="steps", shot="full"),
    Kind(motion="clip", shot="full"),
    Kind(motion="close-up", shot="bust"),
    Kind(motion="gestures", shot="knees", absent_s=5.0),
    Kind(motion="clip", shot="full"),
    Kind(motion="seated", shot="knees"),
)
_STAND_INS = ("steps", "gestures")
_SKINS = ("#d9a384", "#f0cdb4", "#a8714f", "#6f4730", "#8d5a3c", "#e8b898")
_SLIDERS = (
    "arms/measure-upperarm-length-incr",
    "arms/measure-lowerarm-length-incr",
    "legs/upperlegs-height-incr",
    "legs/lowerlegs-height-incr",
    "torso/measure-shoulder-dist-incr",
    "hip/hip-scale-horiz-incr",
    "torso/torso-scale-vert-incr",
)
_SIZES = ((640, 480), (640, 480), (512, 512), (480, 640))
_WIDEST_M = 2.5  # travel of a window of a clip: the camera stands still


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One take before it is filmed; `rng` streams follow from split and number.

    Attributes:
        split, number: Which take this is.
        kind: See `Kind`.
        spec: The person.
        size_px: Of the picture.
        fov_deg: Horizontal angle of view.
        pitch_deg: How far the camera looks down.
        yaw_deg: Where it stands around the person.
        duration_s: Of the motion.
        motion: The motion file, or None.
    """

    split: str
    number: int
    kind: Kind
    spec: AvatarSpec
    size_px: tuple[int, int]
    fov_deg: float
    pitch_deg: float
    yaw_deg: float
    duration_s: float
    motion: Path | None

    @property
    def name(self) -> str:
        """A file name, in order."""
        return f"{self.split}_{self.number:03d}_{self.kind.motion}_{self.kind.shot}"

    def rng(self, purpose: int) -> np.random.Generator:
        """Return a generator of this take's own for one purpose."""
        return np.random.default_rng((SPLITS.index(self.split), self.number, purpose))


def scene_of(
    split: str, number: int, *, motions: tuple[Path, ...] = (), duration_s: float = 8.0
) -> Scene:
    """Return the scene of a take.

    Args:
        split: "dev" or "test".
        number: Counts from 0.
        motions: Motion files to choose from; none: performances alone.
        duration_s: Seconds of motion.

    Raises:
        ValueRangeError: The split or a number is out of range.
    """
    if split not in SPLITS:
        raise ValueRangeError(f"split: expected one of {list(SPLITS)}, got {split!r}")
    if number < 0 or not 0.5 <= duration_s <= 600:
        raise ValueRangeError("take: expected a number from 0 and 0.5 to 600 s")
    rng = np.random.default_rng((SPLITS.index(split), number))
    kind = KINDS[number % len(KINDS)]
    motion = None
    if kind.motion == "clip":
        if motions:
            motion = motions[int(rng.integers(len(motions)))]
        else:
            kind = Kind(
                motion=_STAND_INS[number % 2],
                shot=kind.shot,
                yaw_deg=kind.yaw_deg,
                absent_s=kind.absent_s,
            )
    size = (640, 480) if kind.shot == "bust" else _SIZES[int(rng.integers(len(_SIZES)))]
    return Scene(
        split=split,
        number=number,
        kind=kind,
        spec=_person(rng, split, number),
        size_px=size,
        fov_deg=float(rng.uniform(45, 75)),
        pitch_deg=float(rng.uniform(-4, 8) if kind.shot == "bust" else rng.uniform(-5, 18)),
        yaw_deg=float(kind.yaw_deg * rng.choice([-1, 1]) + rng.uniform(-25, 25)),
        duration_s=duration_s,
        motion=motion,
    )


def motion_of(scene: Scene) -> MotionClip:
    """Return what happens in a scene, on the canonical skeleton, with fingers and face.

    Raises:
        FormatError, NotHumanoidError: The motion file cannot be read.
    """
    rng = scene.rng(1)
    if scene.motion is not None:
        clip = _window(_canonical(load_clip(scene.motion)), scene.duration_s, rng)
    elif scene.kind.motion == "close-up":
        clip = close_up(FPS)[: round(scene.duration_s * FPS)]
    else:
        clip = perform(scene.kind.motion, rng, duration_s=scene.duration_s, fps=FPS)
    still = scene.kind.motion == "still"
    return with_face_and_fingers(_towards_camera(clip), rng, still=still)


def camera_of(scene: Scene, avatar: Avatar, positions: F32) -> Camera:
    """Return the camera that has the shot in view all the time.

    Args:
        scene: Tells shot, angle of view, pitch and place.
        avatar: Whose joints they are; canonical names.
        positions: (T, J, 3) of the avatar's joints.
    """
    width, height = scene.size_px
    across = np.tan(np.radians(scene.fov_deg) / 2)
    upright = float(np.degrees(2 * np.arctan(across * height / width)))
    return Camera.framing(
        _framed(scene, avatar, positions),
        1.0 if scene.kind.shot == "bust" else 1.08,
        yaw_deg=scene.yaw_deg,
        pitch_deg=scene.pitch_deg,
        fov_deg=upright,
        aspect=width / height,
    )


def _framed(scene: Scene, avatar: Avatar, positions: F32) -> F32:
    names = avatar.skeleton.names
    head = positions[:, names.index("head")]
    size = 0.105 * scene.spec.height_m
    crown = head + np.array([0, 1.6 * size, 0])
    if scene.kind.shot == "bust":
        chest = positions[:, names.index("upperChest")].mean(0)
        reach = np.array([[3.2 * size, 0, 0], [-3.2 * size, 0, 0], [0, -1.2 * size, 0]])
        return np.concatenate([crown, chest + reach]).astype(np.float32)
    rows = [
        j
        for j, name in enumerate(names)
        if name in HUMANOID_NAMES
        and not (scene.kind.shot == "knees" and name.endswith(("Foot", "Toes")))
    ]
    points: F32 = np.concatenate([positions[:, rows].reshape(-1, 3), crown]).astype(np.float32)
    if scene.kind.shot == "full":
        floor = positions[:, [names.index("leftToes"), names.index("rightToes")]].reshape(-1, 3)
        points = np.concatenate([points, floor * (1, 0, 1)]).astype(np.float32)
    return points


def _person(rng: np.random.Generator, split: str, number: int) -> AvatarSpec:
    shares = rng.dirichlet((0.7, 0.7, 0.7))
    sliders = np.clip(rng.normal(0, 0.45, len(_SLIDERS)), -1, 1)
    tones = [f"#{rng.integers(0, 1 << 24):06x}" for _ in range(3)]
    return AvatarSpec(
        height_m=float(rng.uniform(1.5, 1.95)),
        age_years=float(rng.uniform(18, 70)),
        gender=float(rng.uniform()),
        muscle=float(rng.uniform(0.3, 0.8)),
        weight=float(rng.uniform(0.2, 0.85)),
        proportions=float(rng.uniform(0.3, 1)),
        african=float(shares[0]),
        asian=float(shares[1]),
        caucasian=float(shares[2]),
        local=dict(zip(_SLIDERS, sliders.tolist(), strict=True)),
        face_variety=0.7,
        style=str(rng.choice(["casual", "smart", "sporty"])),
        hair=str(rng.choice(["short", "bob", "long", "shaved"])),
        colors=Colors(
            skin=str(rng.choice(_SKINS)),
            hair=str(rng.choice(["#3b2a20", "#141210", "#8a5a2e", "#c9a86a", "#7a7672"])),
            top=tones[0],
            bottom=tones[1],
            shoes=tones[2],
        ),
        seed=7000 + 10_000 * SPLITS.index(split) + number,
        name=f"{split} {number}",
    )


def _canonical(clip: MotionClip) -> MotionClip:
    """Return any humanoid's clip on the canonical skeleton at `FPS`."""
    clip = resampled(clip, FPS) if abs(clip.fps - FPS) > 0.5 else clip
    config = RetargetConfig(plant_feet=False)
    return Retargeter(clip.skeleton, humanoid_skeleton(), config, sample=clip).clip(clip)


def _window(clip: MotionClip, duration_s: float, rng: np.random.Generator) -> MotionClip:
    """Return a stretch in which the person stays about one place, if there is one."""
    count = round(duration_s * clip.fps)
    if len(clip) <= count:
        return clip
    starts = np.arange(0, len(clip) - count + 1, max(1, round(clip.fps)))
    ways = [_travel(clip.root_translations[start : start + count]) for start in starts]
    near = [start for start, way in zip(starts, ways, strict=True) if way < _WIDEST_M]
    start = int(rng.choice(near) if near else starts[int(np.argmin(ways))])
    return clip[start : start + count]


def _travel(roots: Array) -> float:
    return float(np.ptp(roots[:, [0, 2]], axis=0).max())


def _towards_camera(clip: MotionClip) -> MotionClip:
    """Return the clip turned so that the person on the whole faces +Z about the origin."""
    facing = quat.rotate(clip.rotations[:, 0], np.tile([0.0, 0.0, 1.0], (len(clip), 1))).mean(0)
    turn = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -np.arctan2(facing[0], facing[2]))
    roots = clip.root_translations
    middle = np.array([1, 0, 1]) * (roots.min(0) + roots.max(0)) / 2
    rotations = clip.rotations.copy()
    rotations[:, 0] = quat.positive(quat.multiply(np.tile(turn, (len(clip), 1)), rotations[:, 0]))
    return MotionClip(
        skeleton=clip.skeleton,
        fps=clip.fps,
        rotations=rotations,
        root_translations=quat.rotate(np.tile(turn, (len(clip), 1)), roots - middle),
        expressions=clip.expressions,
    )
