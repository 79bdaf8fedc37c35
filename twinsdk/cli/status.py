"""The status line: rate, latency, losses and confidence, for people watching a terminal."""

from __future__ import annotations

import shutil
import sys
import time

from twinsdk.session.figures import figures_of
from twinsdk.session.live import Session, Step

__all__ = ["StatusLine"]

_TERMINAL_EVERY_S = 0.25
_LOG_EVERY_S = 5.0


class StatusLine:
    """Counts what passes and says it: rewritten in place on a terminal, a line now and then else.

    Args:
        session: Whose losses and times are shown.
        endpoint: Where the twin is streamed, shown once.
        enabled: Whether to print at all; counting goes on.
    """

    def __init__(self, session: Session, *, endpoint: str | None, enabled: bool = True) -> None:
        self.frames = 0
        self.found = 0
        self._session = session
        self._enabled = enabled
        self._terminal = sys.stderr.isatty()
        self._started: float | None = None
        self._shown = 0.0
        self._last = 0.0
        if enabled and endpoint:
            print(f"streaming on {endpoint}", file=sys.stderr)

    def update(self, step: Step) -> None:
        """Count one step; print when it is time."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        self._last = now
        self.frames += not step.filled
        self.found += bool(step.observations) and not step.filled
        every = _TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S
        if self._enabled and now - self._shown >= every:
            self._shown = now
            self._print(self._line(step))

    @property
    def fps(self) -> float:
        """Tracked frames a second, from the second frame to the newest."""
        if self._started is None or self.frames < 2 or self._last <= self._started:
            return 0.0
        return (self.frames - 1) / (self._last - self._started)

    def close(self) -> None:
        """End the line."""
        if self._enabled and self._terminal:
            print(file=sys.stderr)

    def _line(self, step: Step) -> str:
        return f"{self.frames} frames  {figures_of(self._session, step).line()}"

    def _print(self, line: str) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns
            print(f"\r{line[: width - 1]:<{width - 1}}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)
