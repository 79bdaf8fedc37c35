"""Ankles brought where they should be: both legs solved anew by two bones each."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.swivel import Bends, Swivel

__all__ = ["LegPair"]

_NEAR_M = 1e-5


class LegPair:
    """Both legs of a skeleton with VRM's joint names.

    Args:
        skeleton: See above.
        eased: Whether knees of goals that follow one another turn no quicker than people's.

    Attributes:
        hips, knees, ankles: (2,) joint indices, left then right.
    """

    def __init__(self, skeleton: Skeleton, *, eased: bool = False) -> None:
        self._skeleton = skeleton
        self._swivel = Swivel(knees=True) if eased else None
        self.hips, self.knees, self.ankles = (
            np.array([skeleton.joint(f"{side}{part}") for side in ("left", "right")])
            for part in ("UpperLeg", "LowerLeg", "Foot")
        )

    def forward(self, rotations: Array, root: Array) -> tuple[F32, F32]:
        """Return world rotations (J, 4) and places (J, 3) of local `rotations` (J, 4)."""
        return self._skeleton.forward(np.asarray(rotations, np.float32), root)

    def reached(
        self, rotations: Array, turns: Array, places: Array, goals: Array, step_s: float = 0.0
    ) -> Array:
        """Return the local rotations (J, 4) with both ankles at `goals` (2, 3), feet turned as is.

        Args:
            rotations: (J, 4) local.
            turns: (J, 4) what `forward` gives for them.
            places: (J, 3) likewise, metres.
            goals: Metres; beyond a leg's reach it points there.
            step_s: Seconds since the last call, for legs that are eased.
        """
        hips, knees, ankles = self.hips, self.knees, self.ankles
        if np.abs(goals - places[ankles]).max() < _NEAR_M:
            if self._swivel is not None:
                self._swivel.forget()
            return rotations
        above = self._skeleton.parents[hips]
        bends = Bends(turns[hips], places[[hips, knees, ankles]], goals, ahead=1)
        ways = bends.ways
        if self._swivel is not None:
            ways = self._swivel.step(bends, turns[above[0]], step_s)
        upper, lower = bends.turns(ways).astype(np.float32)
        out = np.array(rotations, np.float64)
        thigh = quat.multiply(upper, turns[hips])
        shin = quat.multiply(lower, turns[knees])
        out[hips] = quat.multiply(quat.conjugate(turns[above]), thigh)
        out[knees] = quat.multiply(quat.conjugate(thigh), shin)
        out[ankles] = quat.multiply(quat.conjugate(shin), turns[ankles])
        return out
