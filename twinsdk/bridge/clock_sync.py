"""How far the publisher's clock is from ours: four timestamps, the quickest answer wins."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinsdk.bridge.messages import Pong


__all__ = ["ClockOffset", "ClockSync"]


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """Publisher's clock minus ours, and half the round trip it was measured over, nanoseconds."""

    offset_ns: int
    uncertainty_ns: int


class ClockSync:
    """Keeps the last sixteen answers.

    Source: RFC 5905, section 8: offset ((t1 - t0) + (t2 - t3)) / 2, delay (t3 - t0) - (t2 - t1).
    """

    def __init__(self, window: int = 16) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=window)
        self._applied_ns = 0

    def add(self, pong: Pong, t3_ns: int) -> None:
        """Take an answer that arrived at `t3_ns`, our clock."""
        delay = (t3_ns - pong.t0_ns) - (pong.t2_ns - pong.t1_ns)
        if delay >= 0 and pong.t2_ns >= pong.t1_ns:  # an honest answer cannot arrive before it left
            offset = ((pong.t1_ns - pong.t0_ns) + (pong.t2_ns - t3_ns)) // 2
            self._samples.append((delay, offset))
            delay, offset = min(self._samples)
            self._applied_ns = offset if abs(offset) > delay // 2 else 0

    def reset(self) -> None:
        """Forget everything: the publisher was restarted, perhaps on another machine."""
        self._samples.clear()
        self._applied_ns = 0

    @property
    def best(self) -> ClockOffset | None:
        """The answer with the shortest round trip; None before the first."""
        if not self._samples:
            return None
        delay, offset = min(self._samples)
        return ClockOffset(offset_ns=offset, uncertainty_ns=delay // 2)

    def to_publisher(self, local_ns: int) -> int:
        """Return our time in the publisher's clock; unchanged where no difference is measured."""
        return local_ns + self._applied_ns

    def to_local(self, publisher_ns: int) -> int:
        """Return a publisher's time in our clock; unchanged where no difference is measured."""
        return publisher_ns - self._applied_ns
