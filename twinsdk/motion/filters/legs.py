"""Ankles brought where they should be: both legs solved anew by two bones each."""

from __future__ import annotations

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton

__all__ = ["LegPair"]

_AHEAD = np.tile(np.array([0, 0, 1], np.float32), (2, 1))
_NEAR_M = 1e-5


class LegPair:
    """Both legs of a skeleton with VRM's joint names.

    Args:
        skeleton: See above.

    Attributes:
        hips, knees, ankles: (2,) joint indices, left then right.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self.hips, self.knees, self.ankles = (
            np.array([skeleton.joint(f"{side}{part}") for side in ("left", "right")])
            for part in ("UpperLeg", "LowerLeg", "Foot")
        )

    def forward(self, rotations: Array, root: Array) -> tuple[F32, F32]:
        """Return world rotations (J, 4) and places (J, 3) of local `rotations` (J, 4)."""
        return self._skeleton.forward(np.asarray(rotations, np.float32), root)

    def reached(self, rotations: Array, turns: Array, places: Array, goals: Array) -> Array:
        """Return the local rotations (J, 4) with both ankles at `goals` (2, 3), feet turned as is.

        Args:
            rotations: (J, 4) local.
            turns: (J, 4) what `forward` gives for them.
            places: (J, 3) likewise, metres.
            goals: Metres; beyond a leg's reach it points there.
        """
        hips, knees, ankles = self.hips, self.knees, self.ankles
        if np.abs(goals - places[ankles]).max() < _NEAR_M:
            return rotations
        # Knees go on bending the way they do; a straight one bends the way the thigh faces.
        ahead = quat.rotate(turns[hips], _AHEAD)
        between = places[knees] - (places[hips] + places[ankles]) / 2
        upper, lower = kernel.two_bone(
            places[hips],
            places[knees],
            places[ankles],
            targets=goals.astype(np.float32),
            poles=ahead * np.float32(0.02) + between,
        )
        out = np.array(rotations, np.float64)
        above = self._skeleton.parents[hips]
        thigh = quat.multiply(upper, turns[hips])
        shin = quat.multiply(lower, turns[knees])
        out[hips] = quat.multiply(quat.conjugate(turns[above]), thigh)
        out[knees] = quat.multiply(quat.conjugate(thigh), shin)
        out[ankles] = quat.multiply(quat.conjugate(shin), turns[ankles])
        return out
