"""How long each stage takes: bounded memory, percentiles on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

__all__ = ["StageStats", "StageTimes"]

_WINDOW = 4096


@dataclass(frozen=True, kw_only=True)
class StageStats:
    """Milliseconds one stage took, over the newest 4096 runs.

    Attributes:
        count: Runs since the start.
        p50_ms, p99_ms, mean_ms: Of the window.
    """

    count: int
    p50_ms: float
    p99_ms: float
    mean_ms: float


class StageTimes:
    """Durations by stage name; adding allocates nothing once a stage is known."""

    def __init__(self) -> None:
        self._rings: dict[str, np.ndarray] = {}
        self._counts: dict[str, int] = {}

    def add(self, stage: str, milliseconds: float) -> None:
        """Record one run of `stage`."""
        if stage not in self._rings:
            self._rings[stage] = np.zeros(_WINDOW, np.float32)
            self._counts[stage] = 0
        count = self._counts[stage]
        self._rings[stage][count % _WINDOW] = milliseconds
        self._counts[stage] = count + 1

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time the body of a `with` statement as one run of `stage`."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            self.add(stage, (time.perf_counter_ns() - start) / 1e6)

    def recent(self, stage: str, runs: int) -> np.ndarray:
        """Return the newest `runs` durations of a stage, milliseconds, in no particular order."""
        count = self._counts.get(stage, 0)
        newest = np.arange(max(0, count - min(runs, _WINDOW)), count) % _WINDOW
        return self._rings[stage][newest] if count else np.zeros(0, np.float32)

    def stats(self) -> dict[str, StageStats]:
        """Return the statistics of every stage, in the order they were first seen."""
        out = {}
        for stage, count in self._counts.items():
            window = self._rings[stage][: min(count, _WINDOW)]
            p50, p99 = np.percentile(window, [50, 99])
            out[stage] = StageStats(
                count=count, p50_ms=float(p50), p99_ms=float(p99), mean_ms=float(window.mean())
            )
        return out
