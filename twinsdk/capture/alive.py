"""Whether what is followed ever moves: a poster of a person never does."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, Array

__all__ = ["Alive"]

_MOVED = 0.02  # of the extent: people sway and turn their heads by more, a tracker trembles by less
_TELLING = 3  # points, the mean of whose ways counts: one alone may be a mix-up
_AVERAGED_S = 0.3  # over which a tracker's trembling is averaged
_LIFELESS_S = 10.0


class Alive:
    """Follows one body's points; once it has moved it is alive for good.

    Attributes:
        moved: Whether it has ever moved.
    """

    def __init__(self) -> None:
        self.moved = False
        self._first: Array | None = None
        self._mean: Array = np.zeros(0)
        self._begun_ns = self._last_ns = 0

    def see(self, pixels: F32, seen: Array, extent: float, now_ns: int) -> None:
        """Take the next picture's points.

        Args:
            pixels: (L, 2).
            seen: (L,) bool, those to believe.
            extent: Of the body, pixels.
            now_ns: When.
        """
        if self.moved:
            return
        at = pixels.astype(np.float64)
        if self._first is None:
            self._first, self._mean, self._begun_ns = at, at, now_ns
        step_s = max(now_ns - self._last_ns, 0) / 1e9
        self._last_ns = now_ns
        self._mean = self._mean + (1 - np.exp(-step_s / _AVERAGED_S)) * (at - self._mean)
        ways = np.sort(np.linalg.norm(self._mean - self._first, axis=-1)[seen])
        if len(ways) >= _TELLING:
            self.moved = bool(ways[-_TELLING:].mean() > _MOVED * extent)

    def lifeless(self, now_ns: int) -> bool:
        """Return whether it has been followed for ten seconds and never moved."""
        return (
            not self.moved
            and self._first is not None
            and now_ns - self._begun_ns > _LIFELESS_S * 1e9
        )
