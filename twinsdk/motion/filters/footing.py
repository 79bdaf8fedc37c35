"""Feet that stand are held still: where they should be elsewhere, they step there."""

from __future__ import annotations

from math import pi, sin

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.inertia import Fading
from twinsdk.motion.filters.legs import LegPair

__all__ = ["FootHolder"]

_SLACK_M = 0.05  # a standing foot wanted further away steps there
_STEP_S, _LIFT_M = 0.4, 0.035
_RELEASE_HALF_LIFE_S = 0.08


class _Foot:
    """One foot: free, standing or stepping."""

    def __init__(self) -> None:
        self.held: Array | None = None
        self.stepping_s: float | None = None
        self.start = np.zeros(3)
        self.offset = Fading((3,), _RELEASE_HALF_LIFE_S)


class FootHolder:
    """Holds the ankles of poses on a skeleton; both legs are solved anew where they must.

    Args:
        skeleton: With VRM's joint names.
        slack_m: A standing foot wanted further away steps there.
    """

    def __init__(self, skeleton: Skeleton, *, slack_m: float = _SLACK_M) -> None:
        self._slack_m = slack_m
        self._legs = LegPair(skeleton, eased=True)
        self.reset()

    def reset(self) -> None:
        """Forget where the feet stand."""
        self._feet = (_Foot(), _Foot())

    def step(
        self,
        rotations: Array,
        root: Array,
        standing: Array,
        step_s: float,
        *,
        wanted: Array | None = None,
        world: tuple[Array, Array] | None = None,
    ) -> tuple[Array, Array]:
        """Return the pose with its standing feet where they stood.

        Args:
            rotations: (J, 4) local.
            root: (3,) metres.
            standing: (4,) bool, see `score.FEET`.
            step_s: Seconds since the last call.
            wanted: (2, 3) where the ankles should be, if not where the pose has them.
            world: The pose's world rotations (J, 4) and places (J, 3), where they are known.
        """
        turns, places = self._legs.forward(rotations, root) if world is None else world
        ankles = (places[self._legs.ankles] if wanted is None else wanted).astype(np.float64)
        goals = ankles.copy()
        for i, foot in enumerate(self._feet):
            other = self._feet[1 - i]
            goals[i] = self._goal(
                foot, ankles[i], bool(standing[2 * i]), other.stepping_s is None, step_s
            )
        return self._legs.reached(rotations, turns, places, goals, step_s), root

    def _goal(
        self, foot: _Foot, ankle: Array, standing: bool, may_step: bool, step_s: float
    ) -> Array:
        """Return where an ankle goes (3,) whose motion wants it at `ankle`."""
        if foot.stepping_s is not None:
            foot.stepping_s += step_s
            share = min(foot.stepping_s / _STEP_S, 1.0)
            eased = share * share * (3 - 2 * share)
            goal = foot.start + eased * (ankle - foot.start)
            goal[1] = ankle[1] + _LIFT_M * sin(pi * share)
            if share >= 1:
                foot.stepping_s, foot.held = None, ankle.copy()
            return goal
        if not standing:
            if foot.held is not None:
                foot.offset.begin(foot.held - ankle)
                foot.offset.value[1] = 0.0
                foot.held = None
            return ankle + foot.offset.step(step_s)
        if foot.held is None:
            foot.held = ankle + foot.offset.step(step_s)
        apart = np.hypot(ankle[0] - foot.held[0], ankle[2] - foot.held[2])
        if apart > self._slack_m and may_step:
            foot.stepping_s, foot.start, foot.held = 0.0, foot.held.copy(), None
            foot.offset.begin(np.zeros(3))
            return self._goal(foot, ankle, standing, may_step, step_s)
        foot.held[1] = ankle[1]
        return foot.held.copy()
