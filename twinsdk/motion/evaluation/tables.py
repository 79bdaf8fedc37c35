"""The evaluation's figures as Markdown tables and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twinsdk.motion.evaluation.protocol import Row

__all__ = ["alone_markdown", "as_json", "as_markdown"]

# Heading -> measure, decimals; a column nobody has is left out.
_COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("MPJRE °", "rotation_deg", 1),
    ("MPJPE cm", "position_cm", 1),
    ("upper", "upper_cm", 1),
    ("lower", "lower_cm", 1),
    ("hands", "hand_cm", 1),
    ("MPJVE cm/s", "velocity_cm_s", 0),
    ("jerk / true", "jerk_ratio", 2),
    ("foot cm/s", "foot_speed", 1),
    ("foot / true", "foot_ratio", 2),
    ("contact F1", "contact_f1", 2),
    ("hands to controllers cm", "hands_cm", 2),
    ("+100 ms cm", "ahead_cm", 1),
    ("held cm", "held_cm", 1),
    ("straight on cm", "straight_cm", 1),
    ("+100 ms, movement cm", "ahead_move_cm", 1),
    ("held", "held_move_cm", 1),
    ("straight on", "straight_move_cm", 1),
    ("hands while lost cm", "lost_cm", 1),
    ("on return", "arrived_cm", 1),
    ("peak m/s²", "switch_peak", 0),
    ("peak / normal", "peak_ratio", 2),
)


def as_markdown(rows: Sequence[Row], *, over: str = "frames") -> str:
    """Return one table a task, a line a method; means over frames or over clips."""
    parts = []
    for task in dict.fromkeys(row.task for row in rows):
        mine = [row for row in rows if row.task == task]
        values = [_values(row, over) for row in mine]
        columns = [c for c in _COLUMNS if any(math.isfinite(v.get(c[1], math.nan)) for v in values)]
        head = ["method", *(title for title, _, _ in columns)]
        lines = [
            f"### {task} ({mine[0].frames} frames)",
            "",
            "| " + " | ".join(head) + " |",
            "|---" * len(head) + "|",
        ]
        for row, found in zip(mine, values, strict=True):
            cells = [_cell(found.get(name, math.nan), places) for _, name, places in columns]
            lines.append(f"| {row.method} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


_ALONE: tuple[tuple[str, str, int], ...] = (
    ("below 2 cm/s", "still_share", 2),
    ("median cm/s", "speed_median", 2),
    ("95th", "speed_p95", 1),
    ("sway cm", "sway_cm", 1),
    ("posture °", "posture_deg", 1),
    ("drift cm", "drift_cm", 0),
    ("longest motionless s", "motionless_s", 1),
    ("foot cm/s", "foot_speed", 2),
    ("jerk m/s³", "jerk", 1),
    ("Fréchet", "frechet", 2),
    ("diversity / data", "diversity", 2),
)


def alone_markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the table of motion that nobody did beside motion that somebody did."""
    lines = [
        "### nobody in view",
        "",
        "| motion | " + " | ".join(title for title, _, _ in _ALONE) + " |",
        "|---" * (len(_ALONE) + 1) + "|",
    ]
    for name, values in found.items():
        cells = [_cell(values.get(key, math.nan), places) for _, key, places in _ALONE]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_json(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything measured, joint by joint, with what it was measured on."""
    return {
        **about,
        "rows": [
            {
                "task": row.task,
                "method": row.method,
                "frames": row.frames,
                "over_frames": _plain(_values(row, "frames")),
                "over_clips": _plain(_values(row, "clips")),
                "joint_rotation_deg": row.joint_rotation_deg,
            }
            for row in rows
        ],
    }


def _values(row: Row, over: str) -> dict[str, float]:
    values = dict(row.over_clips if over == "clips" else row.over_frames)
    if values.get("normal_peak"):
        values["peak_ratio"] = values["switch_peak"] / values["normal_peak"]
    return values


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: round(v, 4) if math.isfinite(v) else None for name, v in values.items()}


def _cell(value: float, places: int) -> str:
    return f"{value:.{places}f}" if math.isfinite(value) else "-"
