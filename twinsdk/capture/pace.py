"""Pace: how often hands and face are looked for when the machine is slower than the camera."""

from __future__ import annotations

__all__ = ["Pace"]

_SLOW_MS = 45.0  # 22 fresh frames a second
_QUICK_MS = 28.0  # leaves room for looking twice as often
_RATE = 0.1  # of the running mean
_PATIENCE = 20  # frames between changes, so that one busy moment changes nothing
_MOST = 4


class Pace:
    """Follows the time a frame takes; hands and face wait `every` times as long.

    The body is looked at in every frame, and what is not looked for is held.

    Attributes:
        every: 1 on a machine that keeps up, to 4.
    """

    def __init__(self) -> None:
        self.every = 1
        self._mean_ms: float | None = None
        self._since = 0

    def add(self, frame_ms: float) -> None:
        """Take the time of one more frame."""
        frame_ms = min(frame_ms, 2 * _SLOW_MS)  # one hitch is no slow machine
        if self._mean_ms is None:
            self._mean_ms = frame_ms
        self._mean_ms += _RATE * (frame_ms - self._mean_ms)
        self._since += 1
        if self._since < _PATIENCE:
            return
        if self._mean_ms > _SLOW_MS and self.every < _MOST:
            self.every, self._since = self.every + 1, 0
        elif self._mean_ms < _QUICK_MS and self.every > 1:
            self.every, self._since = self.every - 1, 0
