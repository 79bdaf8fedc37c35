"""From one source to another, and from more trackers to fewer: nothing jumps, hands stay exact.

What changes is the trunk, by its joints, and where hands and feet are in the world; arms and legs
are solved anew between them, so that neither a hand nor an elbow jolts however its arm twists.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.motion.filters.inertia import Crossing
from twinsdk.motion.filters.swivel import Swivel
from twinsdk.motion.model.pins import Pins

__all__ = ["Handover"]

_ENDS = ("leftHand", "rightHand", "leftFoot", "rightFoot")
_TRACKERS = np.array([TRACKER_NAMES.index(name) for name in _ENDS])
_HEAD = TRACKER_NAMES.index("head")
_TURN_RAD_S2, _END_TURN_RAD_S2 = 12.0, 30.0
_ROOT_M_S2, _END_M_S2 = 4.0, 10.0


class Handover:
    """Shows one person on one skeleton through all changes.

    Attributes:
        shown: Rotations (J, 4) and root (3,) that were shown last.
    """

    def __init__(self, skeleton: Skeleton, pins: Pins) -> None:
        count = len(skeleton)
        self._skeleton, self._pins = skeleton, pins
        self._rows = np.array([skeleton.joint(name) for name in _ENDS])
        self._head = skeleton.joint("head")
        self._crossing = Crossing(
            np.repeat([_TURN_RAD_S2, _END_TURN_RAD_S2], [count, len(_ENDS)]),
            np.repeat([_ROOT_M_S2, _END_M_S2], [1, len(_ENDS)]),
        )
        self._swivels = {"Hand": Swivel(), "Foot": Swivel(knees=True)}
        self._exact = np.ones(len(TRACKER_NAMES), bool)
        self._before: tuple[Array, Array, float] | None = None
        self.shown: tuple[Array, Array] | None = None

    def begin(self, lasting: Array) -> None:
        """Something changed: go on from what was shown.

        Args:
            lasting: (6,) bool: trackers that were there before and are followed exactly meanwhile.
        """
        if self.shown is None:
            return
        rotations, points = self._described(*self.shown)
        spin, speed = np.zeros((len(rotations), 3)), np.zeros((len(points), 3))
        if self._before is not None:
            was, there = self._described(*self._before[:2])
            turned = quat.multiply(rotations, quat.conjugate(was))
            spin = quat.to_rotation_vector(turned) / self._before[2]
            speed = (points - there) / self._before[2]
        self._crossing.begin(rotations, spin, points, speed)
        self._exact = self._exact & lasting
        for swivel in self._swivels.values():  # what was shown is where limbs bend from
            swivel.forget()

    def step(
        self,
        rotations: Array,
        root: Array,
        step_s: float,
        *,
        seen: Array,
        positions: Array,
        turns: Array,
    ) -> tuple[F32, F32]:
        """Return the pose to show, `step_s` seconds after the last, and remember it.

        Args:
            rotations: (J, 4) to be shown, local.
            root: (3,) metres.
            step_s: Seconds.
            seen: (6,) bool: trackers that joints are to be put to.
            positions: (6, 3) metres, world.
            turns: (6, 4) world.
        """
        busy = self._crossing.busy
        whole, place = rotations.astype(np.float32), root.astype(np.float32)
        if busy or seen.any():
            goals, aims, put = positions[_TRACKERS], turns[_TRACKERS], seen[_TRACKERS]
            if busy:
                whole, place, goals, aims = self._crossed(whole, place, goals, aims, put, step_s)
                exact = (self._exact & seen)[_TRACKERS, None]
                goals = np.where(exact, positions[_TRACKERS], goals)
                aims = np.where(exact, turns[_TRACKERS], aims)
                put = np.ones(len(_ENDS), bool)
                if self._exact[_HEAD] and seen[_HEAD]:
                    at = self._skeleton.forward(whole, np.zeros(3, np.float32))[1][self._head]
                    place = positions[_HEAD].astype(np.float32) - at
            else:
                self._exact = seen.copy()
            whole = self._put(whole, place, goals, aims, put.astype(np.float32), step_s)
            if self._exact[_HEAD] and seen[_HEAD]:
                above = self._skeleton.forward(whole, place)[0][self._skeleton.parents[self._head]]
                whole[self._head] = quat.multiply(quat.conjugate(above), turns[_HEAD])
        self.remember(whole, place, step_s)
        return whole, place

    def remember(self, rotations: Array, root: Array, step_s: float) -> None:
        """Take note of what is shown, where it was made elsewhere."""
        last, self.shown = self.shown, (rotations, root)
        if last is not None:
            self._before = (*last, step_s)

    def _crossed(
        self, whole: F32, place: F32, goals: Array, aims: Array, put: Array, step_s: float
    ) -> tuple[F32, F32, Array, Array]:
        """Return rotations, root, and where hands and feet are on their way."""
        rotations, points = self._described(whole, place)
        count = len(whole)
        rotations[count:] = np.where(put[:, None], aims, rotations[count:])
        points[1:] = np.where(put[:, None], goals, points[1:])
        rotations, points = self._crossing.step(rotations, points, step_s)
        return (
            rotations[:count].astype(np.float32),
            points[0].astype(np.float32),
            points[1:],
            rotations[count:],
        )

    def _put(
        self, whole: F32, place: F32, goals: Array, aims: Array, weights: Array, step_s: float
    ) -> F32:
        for end, part in (("Hand", slice(0, 2)), ("Foot", slice(2, 4))):
            whole = self._pins.hold(
                whole,
                place,
                end,
                positions=goals[part],
                turns=aims[part],
                weights=weights[part],
                swivel=(self._swivels[end], step_s) if weights[part].any() else None,
            )
        return whole

    def _described(self, rotations: Array, root: Array) -> tuple[Array, Array]:
        """Return local rotations and the ends' in the world (J + 4, 4); root and ends (5, 3)."""
        world, places = self._skeleton.forward(
            rotations.astype(np.float32), root.astype(np.float32)
        )
        turns = np.concatenate([rotations, world[self._rows]]).astype(np.float64)
        points = np.concatenate([root[None], places[self._rows]]).astype(np.float64)
        return turns, points
