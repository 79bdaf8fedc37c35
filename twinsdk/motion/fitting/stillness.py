"""Which limbs move at all: what rests can be held stiller than any filter could hold what moves.

A tracker trembles on somebody who stands still. How fast its points go, averaged over a few frames,
tells the two apart: trembling averages out. How much it trembles depends on light, camera and
distance, and is learnt.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.fitting.rest import GROUPS
from twinsdk.motion.vectors import smoothstep

__all__ = ["LIMBS", "Stillness"]

LIMBS = ("leftArm", "rightArm", "leftLeg", "rightLeg", "trunk")
"""What moves or rests as one."""

_PARTS = {"Arm": ("Elbow", "Wrist", "Index", "Pinky"), "Leg": ("Knee", "Ankle", "FootIndex")}
_MEMBERS = [
    [BODY[f"{side}{part}"] for part in _PARTS[kind]]
    for kind in ("Arm", "Leg")
    for side in ("left", "right")
] + [[BODY["nose"], *(BODY[f"{s}{p}"] for p in ("Shoulder", "Hip") for s in ("left", "right"))]]
_USED = sorted({point for limb in _MEMBERS for point in limb})
_LIMB = np.array([[float(point in limb) for point in _USED] for limb in _MEMBERS])
_LIMB_OF_PART = {"Arm": "Arm", "Forearm": "Arm", "Palm": "Arm", "Fingers": ""}


def _limb_of(group: str) -> int:
    """Return the limb a group is of; fingers may move on an arm at rest: one beyond the last."""
    for side in ("left", "right"):
        if group.startswith(side):
            limb = _LIMB_OF_PART.get(group.removeprefix(side), "Leg")
            return LIMBS.index(side + limb) if limb else len(LIMBS)
    return LIMBS.index("trunk")


_LIMB_OF_GROUP = np.array([_limb_of(group) for group in GROUPS])
_SPEED_HZ, _DRIFT_HZ = 4.0, 1.0
# On rendered people who stand still 99 points in a hundred go slower than the least, and 96 that
# truly go faster than 0.25 m/s go faster than halfway; metres a second on the picture and in space.
_LEAST, _MOST = np.array([0.04, 0.20]), np.array([0.12, 0.50])
# On eight more, in six sorts of light, the 99th points drifted 1.4 to 2.6 times what the middle one
# trembles from frame to frame, calm frames taken, and went 3.4 to 7.2 times as fast; of people who
# move they drifted 9 times and more.
_SPEED_PER_M, _DRIFT_PER_M = 240.0, 90.0
_LEAST_DRIFT = np.array([0.025, 0.08])
_STIRRED = 2.0  # times that drift: somebody moves
_QUIET_S = 0.3  # for so long nobody may have
# Trembling settles where one frame in five is calmer, metres. It is not believed to be worse than
# this, nor less: after a frozen picture it would take long to be heard again.
_USUAL_M = np.array([0.0004, 0.0013])
_LEAST_M, _WORST_M = np.array([0.0001, 0.0003]), np.array([0.0017, 0.0067])
_RISE, _FALL = 0.6, 2.4  # a second
_ENOUGH = 5  # points to tell it from
_KINDS = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]])  # on the picture; in space
_HALVED_S = 0.5  # at rest, after which a frame counts for half
_LOOSE = 0.5  # haste below which what rests may be behind


class Stillness:
    """Follows how long each limb has been at rest.

    Attributes:
        haste: (5,) of `LIMBS`, 1 of what moves, the less the longer a limb has been at rest: as
            an average takes less of each frame the more there were.
        rest_s: (5,) seconds each has been at rest.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everything may move."""
        self._rest_s = np.zeros(len(LIMBS))
        self.rest_s = self._rest_s
        self.haste = np.ones(len(LIMBS))
        self._last: Array | None = None
        self._step: Array | None = None
        self._velocity = np.zeros((len(_USED), 5))
        self._drift = np.zeros((len(_USED), 5))
        self._trembling_m = _USUAL_M.copy()
        self._quiet_s = 0.0

    @property
    def rest(self) -> Array:
        """How much each limb is at rest (5,), 0 of what moves or has but come to rest, to 1."""
        return np.maximum(1 - self.haste / _LOOSE, 0.0)

    def step(self, across: Array, points: Array, seen: Array, step_s: float) -> Array:
        """Return `haste` after another frame.

        Args:
            across: (33, 2) the points on the picture, in metres at the person's depth.
            points: (33, 3) the tracker's points in space, metres.
            seen: (33,) bool: those to believe.
            step_s: Seconds since the last.
        """
        at = np.concatenate([across[_USED], points[_USED]], axis=1)
        last, self._last = self._last, at
        if last is None or not step_s > 0:
            return self.haste
        step, there = at - last, seen[_USED]
        self._velocity += blend_amount(_SPEED_HZ, step_s) * (step / step_s - self._velocity)
        self._drift += blend_amount(_DRIFT_HZ, step_s) * (step / step_s - self._drift)
        self._listen(step, there, step_s)
        moves = self._moves(there, step_s) * there
        moving = (_LIMB * moves).max(1)
        # Who carries a limb moves it.
        moving = np.maximum(moving, moving[-1])
        self._rest_s = (1 - moving) * (self._rest_s + step_s)
        self.rest_s = (1 - moving) * (self.rest_s + step_s)
        self.haste = 1 / (1 + self._rest_s / _HALVED_S)
        return self.haste

    def _listen(self, step: Array, there: Array, step_s: float) -> None:
        """Learn how far points tremble: how differently they step from frame to frame."""
        before, self._step = self._step, step
        if before is None or there.sum() < _ENOUGH:
            return
        heard = np.median(_sizes(step - before)[there], axis=0)
        louder = np.where(heard < self._trembling_m, -_FALL, _RISE)
        trembling_m = self._trembling_m * np.exp(louder * step_s)
        self._trembling_m = np.minimum(np.maximum(trembling_m, _LEAST_M), _WORST_M)

    def _moves(self, there: Array, step_s: float) -> Array:
        """Return how much each of the points used moves, [0, 1].

        While nobody moves at all, what a tracker makes of poor light or a distant person does not
        pass for motion; once somebody does, small motions of theirs are not put down to it.
        """
        speeds = _sizes(self._velocity)
        drifts = _sizes(self._drift) / np.maximum(_LEAST_DRIFT, _DRIFT_PER_M * self._trembling_m)
        drift = drifts.max(1) * there
        self._quiet_s = self._quiet_s + step_s if drift.max() < _STIRRED else 0.0
        if self._quiet_s <= _QUIET_S:
            return _beyond(speeds, _LEAST)
        fast = _beyond(speeds, np.maximum(_LEAST, _SPEED_PER_M * self._trembling_m))
        return np.maximum(fast, smoothstep(drift, 1, 2))

    def restless(self) -> None:
        """Follow quickly for a while: what is followed has changed, though nobody moves."""
        self._rest_s = np.zeros(len(LIMBS))

    @staticmethod
    def of_groups(values: Array, *, other: float) -> Array:
        """Return what is given for `LIMBS` (5,) by `rest.GROUPS` (16,), `other` for fingers."""
        return np.append(values, other)[_LIMB_OF_GROUP]


def _sizes(vectors: Array) -> Array:
    """Return the lengths (N, 2) on the picture and in space of vectors (N, 5)."""
    return np.asarray(np.sqrt((vectors * vectors) @ _KINDS))


def _beyond(speeds: Array, least: Array) -> Array:
    """Return how much points move (N,) whose speeds (N, 2) are those, the slowest at `least`."""
    return np.asarray(smoothstep((speeds / least - 1) / (_MOST / _LEAST - 1), 0, 1).max(1))
