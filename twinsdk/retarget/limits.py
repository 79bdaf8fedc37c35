"""Limits: how far joints of a body go, and a soft end to what goes further.

A joint's turn against the one before it, measured from the T-pose, is split into swing and twist
about its bone. Inside its range nothing changes; outside, the rest is eased to an end. Corrections
may bend wrists and ankles, since hands and feet keep their turn in the world: those are held to
the range, or to what the source itself does where that is wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.retarget.anatomy import parent_role
from twinsdk.retarget.transfer import Rig

__all__ = ["Limits"]

_SOFT = np.radians(8)  # how far beyond its range a joint can be brought at most
# Degrees about the body's left (X), up (Y) and front (Z) in the T-pose, left side; the axis along
# the bone is the twist. Active ranges of healthy adults (AAOS 1965, "Joint motion: method of
# measuring and recording"), widened to what recorded motion shows on rigs whose elbows and knees
# hinge about a tilted axis.
_RANGES = {
    "LowerArm": ((-120, 120), (-155, 12), (-25, 95)),  # elbows bend about -Y
    "Hand": ((-115, 100), (-50, 60), (-90, 90)),
    "LowerLeg": ((-12, 160), (-45, 45), (-45, 25)),  # knees bend about +X
    "Foot": ((-60, 60), (-50, 55), (-45, 45)),
    "UpperLeg": ((-145, 45), (-65, 65), (-50, 80)),
}
_BONE = {"LowerArm": 0, "Hand": 0, "LowerLeg": 1, "Foot": 1, "UpperLeg": 1}
_ENDS = ("Hand", "Foot")
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Limit:
    """One joint's range.

    Attributes:
        joint: Which.
        left, right: (4,) posture against the joint before = left * local rotation * right.
        axis: Of X, Y, Z the one along the bone.
        low, high: (3,) radians about X, Y and Z.
        end: Whether it is a hand or a foot.
    """

    joint: int
    left: F64
    right: F64
    axis: int
    low: F64
    high: F64
    end: bool

    def hold(self, rotations: F32, free: F32 | None = None) -> None:
        """Bring the joint of rotations (T, J, 4) into its range, in place.

        Args:
            rotations: Local.
            free: (T, J, 4) what is no fault: the range is widened to that.
        """
        angles = self._angles(rotations)
        low, high = self.low, self.high
        if free is not None:
            own = self._angles(free)
            low, high = np.minimum(low, own), np.maximum(high, own)
        over, under = np.maximum(angles - high, 0), np.maximum(low - angles, 0)
        out = np.flatnonzero((over + under).max(-1) > 0)
        if not len(out):
            return
        kept = np.clip(angles, low, high) + _eased(over) - _eased(under)
        posture = self._posture(kept[out])
        local = quat.multiply(
            quat.multiply(quat.conjugate(self.left), posture), quat.conjugate(self.right)
        )
        rotations[out, self.joint] = quat.positive(local)

    def _angles(self, rotations: F32) -> Array:
        """Return (T, 3): swing about two axes, and the twist in the place of the bone's."""
        local = rotations[:, self.joint].astype(np.float64)
        posture = quat.multiply(quat.multiply(self.left, local), self.right)
        axis = np.eye(3)[self.axis]
        swing, twist = quat.swing_twist(posture, axis)
        out = quat.to_rotation_vector(swing)
        out[:, self.axis] = quat.to_rotation_vector(twist)[:, self.axis]
        return out

    def _posture(self, angles: Array) -> Array:
        axis = np.eye(3)[self.axis]
        swing = quat.from_rotation_vector(angles * (1 - axis))
        return quat.multiply(swing, quat.from_rotation_vector(angles * axis))


class Limits:
    """The ranges of one rig's limbs."""

    def __init__(self, target: Rig) -> None:
        self.limits = [
            _limit(target, side, part)
            for part in ("UpperLeg", "LowerLeg", "Foot", "LowerArm", "Hand")
            for side in _SIDES
        ]

    @property
    def plan(self) -> dict[str, object]:
        """The ranges as the kernel takes them."""
        return {"limits": [vars(limit) for limit in self.limits], "soft": float(_SOFT)}

    def hold_all(self, rotations: F32) -> None:
        """Bring limbs in rotations (T, J, 4) into their ranges, in place."""
        for limit in self.limits:
            limit.hold(rotations)

    def hold_ends(self, rotations: F32, free: F32, kernel: Any | None = None) -> None:
        """Bring hands and feet into their ranges, widened to `free` (T, J, 4), in place.

        Without a `kernel` (`native.CompiledStep.kernel`) NumPy does it.
        """
        if kernel is not None:
            kernel.limit_ends(np.ascontiguousarray(free), rotations)
            return
        for limit in self.limits:
            if limit.end:
                limit.hold(rotations, free)


def _eased(beyond: Array) -> Array:
    """Return what is left of `beyond` a limit: as it is at first, never more than `_SOFT`."""
    return np.asarray(_SOFT * -np.expm1(-beyond / _SOFT))


def _limit(target: Rig, side: str, part: str) -> Limit:
    roles, parents = target.roles, target.skeleton.parents
    role = f"{side}{part}"
    joint = roles[role]
    above = parent_role(role, roles)
    start = -1 if above is None else roles[above]
    turn = np.array([0.0, 0.0, 0.0, 1.0])
    between = int(parents[joint])
    while between not in (start, -1):
        turn = quat.multiply(target.skeleton.rest_rotations[between].astype(np.float64), turn)
        between = int(parents[between])
    low, high = np.radians(np.array(_RANGES[part], np.float64)).T
    if side == "right":  # mirrored at the middle: about Y and Z the other way
        low, high = np.array([low[0], -high[1], -high[2]]), np.array([high[0], -low[1], -low[2]])
    before = target.tpose.world[start] if start >= 0 else np.array([0.0, 0.0, 0.0, 1.0])
    return Limit(
        joint=joint,
        left=quat.multiply(before, turn),
        right=quat.conjugate(target.tpose.world[joint]),
        axis=_BONE[part],
        low=np.ascontiguousarray(low),
        high=np.ascontiguousarray(high),
        end=part in _ENDS,
    )
