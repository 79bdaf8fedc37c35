"""A person's bone lengths, learnt over a session, and how sure they are.

Every frame tells something of the lengths: much of a bone seen in full, nothing of one that points
at the camera. What frames tell adds up; people's proportions and the height asked for are where it
begins. One camera cannot tell a small person from a distant one, so the height is held.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.body_solver import BodySolution
from twinsdk.core.turning import turns_between
from twinsdk.errors import ShapeError, ValueRangeError
from twinsdk.motion.fitting.body import MODEL, OFFSETS, SEGMENTS, row

__all__ = ["SessionLengths"]

# Deviation of each length's share of the height among people.
_SPREADS = {"hips": 0.1, "trunk": 0.05, "neck": 0.07, "shoulders": 0.05}
_LIMB_SPREAD = 0.10
_HEIGHT_SPREAD = 0.01
_EVERY_S = 0.1
# Frames that follow each other err alike: a tenth of what they tell is news.
_NEWS = 0.1
_EASE_S = 0.5
_FIRST, _NEW_RAD = 8, 0.15  # views that count whatever they show; what a joint turns to a new one
_LEAST, _MOST = -0.25, 0.25
_SUREST = 0.01  # deviation that another session is believed to have at least


def _stature() -> Array:
    """Return how the height grows with the log of each length, in shares of the height (K,)."""
    shares = np.zeros(len(SEGMENTS))
    for name in ("spine", "chest", "upperChest", "neck", "head"):
        shares[MODEL.segment[row(name)]] += OFFSETS[row(name)][1]
    for name in ("LowerLeg", "Foot"):
        j = row(f"left{name}")
        shares[MODEL.segment[j]] -= OFFSETS[j][1]
    # The head above its joint and the foot below the ankle keep their size.
    return np.asarray(shares / 1.70)


class SessionLengths:
    """Learns the lengths of `SEGMENTS`.

    Attributes:
        logs: (K,) natural logs of each length over that of a skeleton of the same height.
    """

    def __init__(self) -> None:
        self._prior = np.diag([_SPREADS.get(name, _LIMB_SPREAD) ** -2.0 for name in SEGMENTS])
        stature = _stature()
        self._stature = np.outer(stature, stature) / _HEIGHT_SPREAD**2
        self._prior += self._stature
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self.logs = np.zeros(len(SEGMENTS))
        self._goal = np.zeros(len(SEGMENTS))
        self._information = self._prior.copy()
        self._sum = np.zeros(len(SEGMENTS))
        self._since_s = 0.0
        self._views = 0
        self._view: Array | None = None

    def begin_with(self, logs: Array, deviations: Array) -> None:
        """Start from the logs (K,) that another session learnt, as sure as it was of them.

        Raises:
            ShapeError: There are not K of each.
            ValueRangeError: A log is not finite, or a deviation is not above 0.
        """
        for name, given in (("logs", logs), ("deviations", deviations)):
            if np.shape(given) != (len(SEGMENTS),):
                raise ShapeError(f"{name}: expected ({len(SEGMENTS)},), got {np.shape(given)}")
        if not np.isfinite(logs).all():
            raise ValueRangeError(f"logs: expected finite ones, got {logs}")
        if not ((deviations > 0) & np.isfinite(deviations)).all():
            raise ValueRangeError(f"deviations: expected above 0, got {deviations}")
        # Shoes and cameras change between sessions.
        self._information = np.diag(np.maximum(deviations, _SUREST) ** -2.0) + self._stature
        self.logs = np.clip(np.asarray(logs, np.float64), _LEAST, _MOST)
        self._sum = self._information @ self.logs
        self._goal = self.logs.copy()

    def add(self, told: BodySolution, step_s: float) -> None:
        """Take what one frame tells, `step_s` after the last.

        Somebody who stands still tells the same again and again, errors included: only views that
        are new count, after the first few.
        """
        self._since_s += step_s
        if self._since_s >= _EVERY_S and self._is_new(told.rotations):
            self._since_s = 0.0
            information, downhill = told.information, told.downhill
            self._information += _NEWS * information
            self._sum += _NEWS * (information @ self.logs + downhill)
            goal = np.linalg.solve(self._information, self._sum)
            self._goal = np.minimum(np.maximum(goal, _LEAST), _MOST)
        self.logs = self.logs + min(step_s / _EASE_S, 1.0) * (self._goal - self.logs)

    def _is_new(self, rotations: Array) -> bool:
        if self._views < _FIRST or self._view is None:
            new = True
        else:
            new = float((turns_between(self._view, rotations) ** 2).sum(-1).max()) > _NEW_RAD**2
        if new:
            self._views, self._view = self._views + 1, rotations
        return new

    def deviations(self) -> Array:
        """Return the standard deviations (K,) of the logs."""
        return np.asarray(np.sqrt(np.diag(np.linalg.inv(self._information))))

    def stretched(self, offsets: Array) -> Array:
        """Return the offsets (N, 3) with each length as learnt."""
        grown = np.exp(self.logs)[MODEL.segment]
        return np.asarray(offsets * np.where(MODEL.segment >= 0, grown, 1.0)[:, None])
