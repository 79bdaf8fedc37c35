"""Time: monotonic nanoseconds for live work, and a clock that tests wind by hand."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "now_ns"]


class Clock(Protocol):
    """Anything that, called, returns monotonic nanoseconds."""

    def __call__(self) -> int:
        """Return monotonic nanoseconds."""
        ...


def now_ns() -> int:
    """Return monotonic nanoseconds of this machine; the same clock in every process."""
    return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def __call__(self) -> int:
        """Return the time it was last wound to, nanoseconds."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now_ns += round(seconds * 1e9)
