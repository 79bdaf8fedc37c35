"""Joint positions and angles as a table for spreadsheets and statistics; written only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.files import atomic_path
from twinsdk.core.kernel import format_numbers

__all__ = ["write_clip"]

_ORDER = "ZXY"
_DECIMALS = 6


def write_clip(clip: MotionClip, path: str | Path) -> None:
    """Write one row a frame: time, world positions, local angles, expressions.

    Columns: `time_s`; `joint.x_m`, `.y_m`, `.z_m` in the world, +Y up; `joint.z_deg`, `.x_deg`,
    `.y_deg`, intrinsic Z-X-Y angles of the rotation parent_from_joint; the 52 expressions where the
    clip has them. Commas between columns, points for decimals.

    Raises:
        OutputError: The file cannot be written.
    """
    count, names = len(clip), [_cell(name) for name in clip.skeleton.names]
    _, positions = clip.world()
    angles = np.degrees(quat.to_euler(clip.rotations, _ORDER))
    header = [
        "time_s",
        *(f"{name}.{axis}_m" for name in names for axis in "xyz"),
        *(f"{name}.{axis.lower()}_deg" for name in names for axis in _ORDER),
    ]
    columns: list[Array] = [
        np.arange(count)[:, None] / clip.fps,
        positions.reshape(count, -1),
        angles.reshape(count, -1),
    ]
    if clip.expressions is not None:
        header += EXPRESSION_NAMES
        columns.append(clip.expressions)
    rows = format_numbers(np.concatenate(columns, axis=1), decimals=_DECIMALS)
    with atomic_path(path) as temporary:
        temporary.write_bytes(",".join(header).encode() + b"\n" + rows.replace(b" ", b","))


def _cell(name: str) -> str:
    return " ".join(name.replace(",", " ").replace('"', " ").split())
