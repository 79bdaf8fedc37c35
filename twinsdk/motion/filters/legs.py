"""Ankles brought where they should be: both legs solved anew by two bones each."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.limbs import Limbs
from twinsdk.motion.filters.swivel import Swivel

__all__ = ["LegPair"]

_NEAR_M = 1e-5


class LegPair:
    """Both legs of a skeleton with VRM's joint names.

    Args:
        skeleton: See above.
        eased: Whether knees of goals that follow one another turn no quicker than people's.

    Attributes:
        ankles: (2,) joint indices, left then right.
    """

    def __init__(self, skeleton: Skeleton, *, eased: bool = False) -> None:
        self._skeleton = skeleton
        self._limbs = Limbs(skeleton, "Foot")
        self._swivel = Swivel(knees=True) if eased else None
        self.ankles = self._limbs.rows[2]

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
        if np.abs(goals - places[self.ankles]).max() < _NEAR_M:
            if self._swivel is not None:
                self._swivel.forget()
            return rotations
        out = np.array(rotations, np.float64)
        swivel = None if self._swivel is None else (self._swivel, step_s)
        self._limbs.reach(out, turns, places, goals, swivel=swivel)
        return out
