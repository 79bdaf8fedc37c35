"""How a run goes, in a few numbers: for the status line and the preview."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.capture import SourceStatus
from twinsdk.session.live import Session, Step

__all__ = ["Figures", "figures_of"]

_RECENT = 30
_RECENT_LATENCIES = 120


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What people who watch want to know.

    Attributes:
        fps: Frames put out a second, of late.
        fresh_fps: Those of them that were tracked.
        latency_ms, worst_ms: From picture to sent, median and 99th percentile.
        lost: Frames dropped since the start.
        state: Of the first person, in words; whether the camera is away.
        confidence: Of the first person.
    """

    fps: float
    fresh_fps: float
    latency_ms: float
    worst_ms: float
    lost: int
    state: str
    confidence: float

    def line(self) -> str:
        """Return all of it in one line."""
        fresh = "" if self.fps < 1.1 * self.fresh_fps else f" ({self.fresh_fps:.0f} fresh)"
        return (
            f"{self.fps:.0f} fps{fresh}  latency {self.latency_ms:.0f}/{self.worst_ms:.0f} ms  "
            f"lost {self.lost}  {self.state} {self.confidence:.0%}"
        )


def figures_of(session: Session, step: Step) -> Figures:
    """Return the figures of a running session, whose newest step is `step`."""
    recent = session.times.recent("latency", _RECENT_LATENCIES)
    p50, p99 = np.percentile(recent, [50, 99]).tolist() if len(recent) else (0.0, 0.0)
    frame = step.frames[0] if step.frames else None
    state = frame.state.value if frame else "nobody yet"
    if 0 in session.lifeless:
        state += ", never moved: a picture?"
    if session.source.status is SourceStatus.LOST:
        state = f"{session.source.name} is away, waiting for it; {state}"
    return Figures(
        fps=_rate(session, "output"),
        fresh_fps=_rate(session, "frame"),
        latency_ms=p50,
        worst_ms=p99,
        lost=session.dropped + session.source.dropped,
        state=state,
        confidence=frame.confidence if frame else 0.0,
    )


def _rate(session: Session, stage: str) -> float:
    spacing = session.times.recent(stage, _RECENT)
    return float(1e3 / spacing.mean()) if len(spacing) and spacing.any() else 0.0
