"""Measures of a retargeted clip: how well the body was kept and how well the feet stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.clip import MotionClip
from twinsdk.retarget.retargeter import Retargeter

__all__ = ["ClipMeasures", "measure"]

_SIDES = ("left", "right")
_GRAZING_M = 0.002
_LIMBS = (
    ("UpperArm", "LowerArm"),
    ("LowerArm", "Hand"),
    ("UpperLeg", "LowerLeg"),
    ("LowerLeg", "Foot"),
)


@dataclass(frozen=True, kw_only=True)
class ClipMeasures:
    """What was measured on one clip.

    Attributes:
        limb_error_mean_deg, limb_error_max_deg: Angle between the directions of the eight limb
            bones in source and result.
        slide_m_s: Mean speed of feet that stand, on the avatar; None where none stands.
        source_slide_m_s: The same in the source, in the avatar's scale.
        standing: Share of foot and frame that stands.
        sunk_m: How far standing ankles are below their level, on average over those below.
        arms_in_trunk: Share of frames with a forearm or hand more than 2 mm inside the avatar's
            trunk or head; None without a mesh.
        legs_in_legs: Share of frames with the legs more than 2 mm in one another; None without.
        jerk_ratio: Mean third difference of wrists and ankles over the source's, scaled.
    """

    limb_error_mean_deg: float
    limb_error_max_deg: float
    slide_m_s: float | None
    source_slide_m_s: float | None
    standing: float
    sunk_m: float
    arms_in_trunk: float | None
    legs_in_legs: float | None
    jerk_ratio: float


def measure(made: Retargeter, source: MotionClip, result: MotionClip) -> ClipMeasures:
    """Return measures of `result`, which `made` got from `source`."""
    from_roles, to_roles = made.source.roles, made.target.roles
    there = quat.rotate(made.world, source.world()[1].astype(np.float64))
    here = result.world()[1].astype(np.float64)
    errors = []
    for side in _SIDES:
        for a, b in _LIMBS:
            u = there[:, from_roles[side + b]] - there[:, from_roles[side + a]]
            v = here[:, to_roles[side + b]] - here[:, to_roles[side + a]]
            errors.append(_angle(u, v))
    angles = np.degrees(np.stack(errors))
    feet = made.feet(source)
    slide, source_slide, sunk = [], [], [np.zeros(1)]
    for i, side in enumerate(_SIDES):
        down = feet.heel_down[i]
        ankle = here[:, to_roles[f"{side}Foot"]]
        slide.append(_speed(ankle, result.fps)[down])
        source_slide.append(_speed(feet.ankles[i], source.fps)[down])
        depth = made.ankle_height - ankle[down, 1]
        sunk.append(depth[depth > 0])
    moving, still = np.concatenate(slide), np.concatenate(source_slide)
    jerks = [
        _jerk(here[:, to_roles[side + end]])
        / max(_jerk(there[:, from_roles[side + end]]) * made.scale, 1e-12)
        for side in _SIDES
        for end in ("Hand", "Foot")
    ]
    arms, legs = made.arm_depth(result), made.leg_depth(result)
    return ClipMeasures(
        limb_error_mean_deg=float(angles.mean()),
        limb_error_max_deg=float(angles.max()),
        slide_m_s=float(moving.mean()) if len(moving) else None,
        source_slide_m_s=float(still.mean()) if len(still) else None,
        standing=float(feet.heel_down.mean()),
        sunk_m=float(np.concatenate(sunk).mean()),
        arms_in_trunk=None if arms is None else float((arms > _GRAZING_M).mean()),
        legs_in_legs=None if legs is None else float((legs > _GRAZING_M).mean()),
        jerk_ratio=float(np.mean(jerks)) if len(source) > 3 else 1.0,
    )


def _angle(u: Array, v: Array) -> Array:
    cross = np.linalg.norm(np.cross(u, v), axis=-1)
    return np.arctan2(cross, np.einsum("ti,ti->t", u, v))


def _speed(points: Array, fps: float) -> Array:
    if len(points) < 2:
        return np.zeros(len(points))
    return np.asarray(np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps)


def _jerk(points: Array) -> float:
    if len(points) < 4:
        return 0.0
    return float(np.linalg.norm(np.diff(points, n=3, axis=0), axis=-1).mean())
