"""The evaluation protocol: how far estimated motion is from the truth, and how it moves.

Truth and estimate are clips on one skeleton whose joints have VRM's names. Angles are degrees,
lengths centimetres, as the field reports them. Source of the measures: Jiang et al. 2022,
"AvatarPoser" (MPJRE, MPJPE, MPJVE); Du et al. 2023, "AGRoL" (jitter); the rest is stated below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import ShapeError, ValueRangeError

__all__ = [
    "FEET",
    "Measured",
    "accelerations",
    "aligned",
    "contact_f1",
    "contacts_of",
    "foot_speed_cm_s",
    "jerk_m_s3",
    "joints_of",
    "measure",
    "rotation_errors_deg",
    "summary",
    "velocity_errors_cm_s",
]

FEET: tuple[str, ...] = ("leftFoot", "leftToes", "rightFoot", "rightToes")
"""The order of contact labels."""

_PARTS: dict[str, tuple[str, ...]] = {
    "hand": ("Hand",),
    "lower": ("UpperLeg", "LowerLeg", "Foot", "Toes"),
}
_CONTACT_SPEED_M_S = 0.35
# Above where that point of a planted foot is: an ankle rises before its toes do.
_CONTACT_HEIGHT_M = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one clip gave.

    Attributes:
        frames: Its length.
        values: Measure -> number; see `measure`.
        joint_rotation_deg: (J,) mean rotation error of every joint.
        joint_names: J names.
    """

    frames: int
    values: Mapping[str, float]
    joint_rotation_deg: F64
    joint_names: tuple[str, ...]


def measure(
    truth: MotionClip,
    estimate: MotionClip,
    *,
    align: str = "head",
    contacts: Array | None = None,
    estimated_contacts: Array | None = None,
) -> Measured:
    """Return how far `estimate` is from `truth`, frame by frame.

    The measures: `rotation_deg` (MPJRE, local rotations), `position_cm` (MPJPE), of it `upper_cm`,
    `lower_cm` and `hand_cm`, `velocity_cm_s` (MPJVE), `jerk` and `true_jerk` (m/s^3),
    `foot_speed` and `true_foot_speed` (cm/s, horizontal, in true contacts; NaN without any) and
    `contact_f1`. Positions are compared with the joint `align` put on its true place.

    Args:
        truth: What was done.
        estimate: What was made of it, on the same skeleton at the same rate.
        align: The joint on whose true place the estimate is put.
        contacts: (T, 4) true contacts in the order of `FEET`; None labels the truth by speed and
            height, see `contacts_of`.
        estimated_contacts: (T, 4); None labels the estimate in the same way.

    Raises:
        ShapeError: Lengths or skeletons differ, or the clip has fewer than 4 frames.
    """
    if len(truth) != len(estimate) or truth.skeleton.names != estimate.skeleton.names:
        raise ShapeError(
            f"estimate: expected {len(truth)} frames of {len(truth.skeleton)} joints, got "
            f"{len(estimate)} of {len(estimate.skeleton)}"
        )
    if len(truth) < 4:
        raise ShapeError(f"truth: expected at least 4 frames, got {len(truth)}")
    skeleton, fps = truth.skeleton, truth.fps
    errors = rotation_errors_deg(truth.rotations, estimate.rotations)
    true = truth.world()[1].astype(np.float64)
    own = skeleton.forward(estimate.rotations, estimate.root_translations)[1].astype(np.float64)
    made = aligned(own, true, skeleton.joint(align))
    apart = 100 * np.linalg.norm(made - true, axis=-1)
    if contacts is None:
        contacts = contacts_of(skeleton, true, fps)
    if estimated_contacts is None:
        estimated_contacts = contacts_of(skeleton, own, fps)
    parts = {f"{part}_cm": apart[:, joints_of(skeleton, part)].mean() for part in _PARTS}
    upper = [j for j in range(len(skeleton)) if j not in set(joints_of(skeleton, "lower"))]
    values = {
        "rotation_deg": errors.mean(),
        "position_cm": apart.mean(),
        "upper_cm": apart[:, upper].mean(),
        **parts,
        "velocity_cm_s": velocity_errors_cm_s(made, true, fps).mean(),
        "jerk": jerk_m_s3(made, fps),
        "true_jerk": jerk_m_s3(true, fps),
        "foot_speed": foot_speed_cm_s(skeleton, made, contacts, fps),
        "true_foot_speed": foot_speed_cm_s(skeleton, true, contacts, fps),
        "contact_f1": contact_f1(contacts, estimated_contacts),
    }
    return Measured(
        frames=len(truth),
        values={name: float(value) for name, value in values.items()},
        joint_rotation_deg=errors.mean(0),
        joint_names=skeleton.names,
    )


def summary(clips: Sequence[Measured], *, over: str = "frames") -> dict[str, float]:
    """Return the mean of every measure over clips, and the ratios `jerk_ratio`, `foot_ratio`.

    Args:
        clips: At least one.
        over: "frames" weighs each clip by its length, "clips" all alike.

    Raises:
        ShapeError: There is no clip.
        ValueRangeError: `over` is neither.
    """
    if not clips:
        raise ShapeError("clips: expected at least one, got none")
    if over not in {"frames", "clips"}:
        raise ValueRangeError(f"over: expected frames or clips, got {over!r}")
    weights = np.array([clip.frames if over == "frames" else 1 for clip in clips], np.float64)
    means = {}
    for name in clips[0].values:
        values = np.array([clip.values.get(name, np.nan) for clip in clips])
        there = np.isfinite(values)
        total = weights[there].sum()
        means[name] = float(weights[there] @ values[there] / total) if total else float("nan")
    for ratio, name in (("jerk_ratio", "jerk"), ("foot_ratio", "foot_speed")):
        if name in means:
            true = means[f"true_{name}"]
            means[ratio] = means[name] / true if true > 0 else float("nan")
    return means


def joints_of(skeleton: Skeleton, part: str) -> list[int]:
    """Return the indices of the joints of "lower" (legs) or "hand"."""
    return [j for j, name in enumerate(skeleton.names) if name.endswith(_PARTS[part])]


def rotation_errors_deg(truth: Array, estimate: Array) -> F64:
    """Return the angle between rotations (..., 4), degrees in [0, 180]."""
    return np.degrees(quat.angle(truth, estimate))


def aligned(positions: Array, truth: Array, joint: int) -> F64:
    """Return positions (T, J, 3) moved so that `joint` is in every frame where the truth has it."""
    return positions + (truth[:, joint] - positions[:, joint])[:, None]


def velocity_errors_cm_s(positions: Array, truth: Array, fps: float) -> F64:
    """Return how far the velocities of points (T, J, 3) are apart, (T - 1, J), cm/s."""
    return 100 * fps * np.linalg.norm(np.diff(positions - truth, axis=0), axis=-1)


def accelerations(positions: Array, fps: float) -> F64:
    """Return the size of the acceleration of points (T, J, 3), (T - 2, J), m/s^2."""
    return fps**2 * np.linalg.norm(np.diff(positions, n=2, axis=0), axis=-1)


def jerk_m_s3(positions: Array, fps: float) -> float:
    """Return the mean size of the third derivative of points (T, J, 3), m/s^3."""
    return float(fps**3 * np.linalg.norm(np.diff(positions, n=3, axis=0), axis=-1).mean())


def contacts_of(skeleton: Skeleton, positions: Array, fps: float) -> Array:
    """Return which of `FEET` stand (T, 4) bool: slow, and about as low as that point gets.

    Slow is below 0.35 m/s. Low is less than 5 cm above the third percentile of that point's own
    height in the clip.
    """
    points = positions[:, [skeleton.joint(name) for name in FEET]]
    step = np.linalg.norm(np.diff(points, axis=0), axis=-1) * fps
    speed = np.concatenate([step[:1], step]) if len(step) else np.zeros(points.shape[:2])
    height = points[..., 1] - np.percentile(points[..., 1], 3, axis=0)
    return (speed < _CONTACT_SPEED_M_S) & (height < _CONTACT_HEIGHT_M)


def foot_speed_cm_s(skeleton: Skeleton, positions: Array, contacts: Array, fps: float) -> float:
    """Return how fast standing feet slide over the ground, cm/s; NaN where none ever stands.

    A step counts where the foot stands at both its ends.
    """
    points = positions[:, [skeleton.joint(name) for name in FEET]][..., [0, 2]]
    speed = 100 * fps * np.linalg.norm(np.diff(points, axis=0), axis=-1)
    standing = contacts[1:] & contacts[:-1]
    return float(speed[standing].mean()) if standing.any() else float("nan")


def contact_f1(truth: Array, estimate: Array) -> float:
    """Return the harmonic mean of precision and recall of contacts (T, 4); NaN without any."""
    both = float((truth & estimate).sum())
    either = float(truth.sum() + estimate.sum())
    return 2 * both / either if either else float("nan")
