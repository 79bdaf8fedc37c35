"""Both arms or both legs of a skeleton, brought to goals by two bones each."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.swivel import Bends, Swivel, numbers

__all__ = ["Limbs"]

_SIDES = ("left", "right")
_PARTS = {"Hand": ("UpperArm", "LowerArm", "Hand"), "Foot": ("UpperLeg", "LowerLeg", "Foot")}


class Limbs:
    """A pair of limbs; nothing of it changes.

    Args:
        skeleton: With VRM's joint names.
        end: "Hand" or "Foot".

    Attributes:
        rows: (3, 2) joint indices of upper bones, lower bones and tips, left then right.
    """

    def __init__(self, skeleton: Skeleton, end: str) -> None:
        parents = skeleton.parents
        rows = [[skeleton.joint(side + part) for side in _SIDES] for part in _PARTS[end]]
        self.rows: Array = np.array(rows, np.int32)
        self._above: Array = parents[self.rows[0]]
        # Bends are remembered in the axes of what carries both: hips, or what collar bones are on.
        carries = int(self._above[0])
        self._trunk = int(parents[carries]) if end == "Hand" else carries
        self._ahead = -1 if end == "Hand" else 1
        module = kernel.compiled()
        self._native: Any | None = None
        if module is not None:
            self._native = module.LimbPair(
                joints=len(skeleton),
                rows=self.rows,
                above=self._above,
                trunk=self._trunk,
                numbers=numbers(self._ahead),
            )

    def __deepcopy__(self, memo: object) -> Limbs:
        return self

    def reach(
        self,
        rotations: F64,
        world: Array,
        places: Array,
        goals: Array,
        *,
        ends: Array | None = None,
        swivel: tuple[Swivel, float] | None = None,
    ) -> None:
        """Set the local rotations of both limbs so that their tips are at the goals.

        Args:
            rotations: (J, 4) local, changed in place.
            world: (J, 4) float32, world rotations.
            places: (J, 3) float32, metres.
            goals: (2, 3) metres; beyond a limb's reach it points there.
            ends: (2, 4) world rotations of the tips; None keeps their own.
            swivel: What keeps limbs from turning over, and seconds since its last call.
        """
        goals = goals.astype(np.float64)
        ends = None if ends is None else ends.astype(np.float64)
        if self._native is None:
            self._reach(rotations, world.astype(np.float64), places, goals, ends, swivel)
            return
        given = world, places, goals, ends
        if swivel is None:
            self._native.reach(*given, None, None, None, True, 0.0, 0.0, rotations)
            return
        kept, step_s = swivel
        state = kept.aim, kept.bend, kept.speed, kept.fresh, kept.most_rad_s
        self._native.reach(*given, *state, step_s, rotations)
        kept.fresh = False

    def _reach(
        self,
        rotations: F64,
        world: F64,
        places: Array,
        goals: F64,
        ends: F64 | None,
        swivel: tuple[Swivel, float] | None,
    ) -> None:
        """The definition."""
        upper, lower, tip = self.rows
        bends = Bends(world[upper], places[self.rows], goals, ahead=self._ahead)
        ways = bends.ways
        if swivel is not None:
            ways = swivel[0].step(bends, world[self._trunk], swivel[1])
        first, second = bends.turns(ways)
        thigh = quat.multiply(first, world[upper])
        shin = quat.multiply(second, world[lower])
        foot = world[tip] if ends is None else ends
        rotations[upper] = quat.multiply(quat.conjugate(world[self._above]), thigh)
        rotations[lower] = quat.multiply(quat.conjugate(thigh), shin)
        rotations[tip] = quat.multiply(quat.conjugate(shin), foot)
