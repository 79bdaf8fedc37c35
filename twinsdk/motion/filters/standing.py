"""Feet stay where they stand, whatever the rest of the body is taken for.

Where a foot that stands seems to go elsewhere, it is the person's place that is wrong: the root
gives way slowly, the leg the rest at once. A foot that is let go goes on from where it stood.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.inertia import Fading
from twinsdk.motion.filters.legs import LegPair
from twinsdk.motion.filters.smooth import blend_amount

__all__ = ["StandingFeet"]

_ROOT_HZ, _BACK_HZ = 0.5, 1.0  # how fast the root gives way to feet that stand; and goes back
_CREEP_M_S = 0.01  # a foot goes so fast to where it seems to stand: errors do not add up
_PLAY_M = 0.01  # and so far off it may stay: somebody who stands still does not creep
_LEVEL_HZ = 0.5  # and its height so fast
_LOST_M, _FOUND_M = 0.4, 0.1  # a foot that seems so far off stands no more; so near, again
_LET_GO_S = 0.06  # in which half of what differs is gone


class StandingFeet:
    """Holds the feet of one person.

    Args:
        skeleton: With VRM's joint names.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._legs = LegPair(skeleton)
        self.reset()

    def reset(self) -> None:
        """No foot stands."""
        self._held = np.zeros((2, 3))
        self._standing = np.zeros(2, bool)
        self._shift = np.zeros(3)
        self._left_over = Fading((2, 3), _LET_GO_S)

    def step(self, pose: Pose, standing: Array, step_s: float) -> Pose:
        """Return the pose with its standing feet where they stood.

        Args:
            pose: On the skeleton.
            standing: (2,) bool, left then right.
            step_s: Seconds since the last call.
        """
        lately = self._standing.any() or self._shift.any() or self._left_over.value.any()
        if not (standing.any() or lately):
            return pose
        turns, places = self._legs.forward(pose.rotations, pose.root_translation)
        ankles = places[self._legs.ankles].astype(np.float64)
        apart = self._held - ankles
        was = self._standing
        free = self._left_over.step(step_s) + self._shift
        self._standing = standing & (
            np.abs(np.where(was[:, None], apart, free)).max(1) < np.where(was, _LOST_M, _FOUND_M)
        )
        # A foot that comes to stand does so where it is shown.
        apart = np.where((self._standing & ~was)[:, None], free, apart)
        creep = _CREEP_M_S * step_s
        level = apart[:, ::2]
        far = np.sqrt((level * level).sum(1, keepdims=True))
        level *= 1 - np.minimum(np.maximum(far - _PLAY_M, 0), creep) / np.maximum(far, 1e-9)
        apart[:, 1] *= 1 - blend_amount(_LEVEL_HZ, step_s)
        self._held = ankles + apart
        self._give_way(apart, step_s)
        for foot in range(2):
            if self._standing[foot]:
                self._left_over.value[foot] = self._left_over.speed[foot] = 0.0
            elif was[foot]:
                self._left_over.value[foot] = apart[foot] - self._shift
        moved = np.where(self._standing[:, None], apart, self._left_over.value + self._shift)
        if not moved.any():
            return pose
        shift = self._shift.astype(np.float32)
        return replace(
            pose,
            rotations=self._legs.reached(pose.rotations, turns, places + shift, ankles + moved),
            root_translation=pose.root_translation + shift,
        )

    def _give_way(self, apart: Array, step_s: float) -> None:
        """Move the root's shift towards what the standing feet (2, 3) are apart by."""
        if self._standing.any():
            wanted, rate = apart[self._standing].mean(0), _ROOT_HZ
        else:
            wanted, rate = np.zeros(3), _BACK_HZ
        self._shift = self._shift + blend_amount(rate, step_s) * (wanted - self._shift)
