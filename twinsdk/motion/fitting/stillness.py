"""Which limbs move at all: what rests can be held stiller than any filter could hold what moves.

A tracker trembles on somebody who stands still. How fast its points go, averaged over a few frames,
tells the two apart: trembling averages out.
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
_SPEED_HZ = 4.0
# On rendered people who stand still 99 points in a hundred go slower than the least, and 96 that
# truly go faster than 0.25 m/s go faster than halfway; metres a second on the picture and in space.
_LEAST, _MOST = np.array([0.04, 0.20]), np.array([0.12, 0.50])
_RANGE = _MOST - _LEAST
_KINDS = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]])  # on the picture; in space
_HALVED_S = 0.5  # at rest, after which a frame counts for half


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
        self._velocity = np.zeros((len(_USED), 5))

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
        self._velocity += blend_amount(_SPEED_HZ, step_s) * ((at - last) / step_s - self._velocity)
        speeds = np.sqrt((self._velocity * self._velocity) @ _KINDS)
        moves = smoothstep((speeds - _LEAST) / _RANGE, 0, 1).max(1) * seen[_USED]
        moving = (_LIMB * moves).max(1)
        # Who carries a limb moves it.
        moving = np.maximum(moving, moving[-1])
        self._rest_s = (1 - moving) * (self._rest_s + step_s)
        self.rest_s = (1 - moving) * (self.rest_s + step_s)
        self.haste = 1 / (1 + self._rest_s / _HALVED_S)
        return self.haste

    def restless(self) -> None:
        """Follow quickly for a while: what is followed has changed, though nobody moves."""
        self._rest_s = np.zeros(len(LIMBS))

    def of_groups(self) -> Array:
        """Return `haste` by `rest.GROUPS` (16,)."""
        return np.append(self.haste, 1.0)[_LIMB_OF_GROUP]
