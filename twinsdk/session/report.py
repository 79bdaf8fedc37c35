"""What a run did, as numbers: for `--report`, `--benchmark` and the demo."""

from __future__ import annotations

import platform
from dataclasses import asdict
from os import cpu_count
from typing import Any

from twinsdk.bridge import Publisher
from twinsdk.session.live import Session

__all__ = ["benchmark_table", "report_of"]


def report_of(
    session: Session,
    *,
    frames: int,
    found: int,
    fps: float,
    publisher: Publisher | None = None,
    recorded: int = 0,
) -> dict[str, Any]:
    """Return counts, rate and the time of every stage of a finished run; JSON types only.

    Args:
        session: The run.
        frames: Source frames; those filled in between are counted besides.
        found: Those in which somebody was found.
        fps: Frames a second over the whole run.
        publisher: Where the frames were streamed, if they were.
        recorded: Frames that were recorded.
    """
    stages = {
        name: {key: round(value, 3) for key, value in asdict(stats).items()}
        for name, stats in session.stats().items()
    }
    return {
        "frames": frames,
        "frames_with_a_person": found,
        "lost": session.dropped + session.source.dropped,
        "streamed": stages.get("stream", {}).get("count", 0) if publisher else 0,
        "recorded": recorded,
        "filled": session.filled,
        "fps": round(fps, 2),
        "output_fps": round(fps * (1 + session.filled / max(frames, 1)), 2),
        "stages_ms": stages,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
    }


def benchmark_table(report: dict[str, Any]) -> str:
    """Return the stages of a report as a table for people."""
    rows = [f"{'stage':<16}{'runs':>7}{'p50 ms':>10}{'p99 ms':>10}{'mean ms':>10}"]
    for name, stats in report["stages_ms"].items():
        rows.append(
            f"{name:<16}{stats['count']:>7}{stats['p50_ms']:>10.2f}"
            f"{stats['p99_ms']:>10.2f}{stats['mean_ms']:>10.2f}"
        )
    ours = report["stages_ms"].get("ours", {}).get("mean_ms", 0.0)
    track = report["stages_ms"].get("track", {}).get("mean_ms", 0.0)
    share = ours / (ours + track) if ours + track else 0.0
    rows.append(
        f"{report['frames']} frames at {report['fps']:.1f} fps, {report['filled']} filled in, "
        f"{report['lost']} lost; "
        f"ours {share:.0%} of the time, the tracker the rest"
    )
    return "\n".join(rows)
