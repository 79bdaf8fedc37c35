"""Labelled points over time, and TRC, the text form they are kept in.

Points are what a file holds; `twinsdk.formats.points` makes a clip of those that are a person's.
Source: Motion Analysis TRC as OpenSim documents it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import F32, F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.errors import FormatError
from twinsdk.formats.guard import read_bytes, reading

__all__ = ["MAX_MARKERS", "Markers", "filled", "read_trc", "unit_metres", "write_trc"]

MAX_MARKERS = 4096
_METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
_TRC_HEADER_LINES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Markers:
    """Labelled points over time.

    Attributes:
        names: M labels as written.
        positions: (T, M, 3) metres in the file's own axes; NaN where a marker was not seen.
        fps: Frames a second.
    """

    names: tuple[str, ...]
    positions: F32
    fps: float


def read_trc(path: str | Path) -> Markers:
    """Read a .trc.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no TRC, or malformed; the message names the line.
    """
    with reading(path, "TRC"):
        text = read_bytes(path, what="TRC").decode("utf-8-sig", "replace")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(lines) < _TRC_HEADER_LINES or not lines[0].startswith("PathFileType"):
            raise FormatError(f"line 1: expected PathFileType, got {lines[0][:40]!r}")
        header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
        fps, unit = _rate(header), unit_metres(header.get("Units", "mm"))
        names = [name.strip() for name in lines[3].split("\t")[2:] if name.strip()]
        if not 1 <= len(names) <= MAX_MARKERS:
            raise FormatError(f"line 4: expected 1 to {MAX_MARKERS} markers, got {len(names)}")
        rows = [
            _row(line, number, 3 * len(names))
            for number, line in enumerate(lines[4:], 5)
            if line[:1].strip().isdigit()
        ]
        if not rows:
            raise FormatError("expected at least one frame, got none")
        values = np.array(rows).reshape(len(rows), -1, 3) * unit
        return Markers(names=tuple(names), positions=values.astype(np.float32), fps=fps)


def write_trc(clip: MotionClip, path: str | Path) -> None:
    """Write joint positions as the markers of a .trc, millimetres, +Y up; rotations are lost.

    Raises:
        OutputError: The file cannot be written.
    """
    _, positions = clip.world()
    names, count = clip.skeleton.names, len(clip)
    title = Path(path).name
    columns = "\t".join(f"X{m}\tY{m}\tZ{m}" for m in range(1, len(names) + 1))
    keys = (
        "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame "
        "OrigNumFrames"
    )
    rate = f"{clip.fps:.9g}"
    head = [
        f"PathFileType\t4\t(X/Y/Z)\t{title}",
        "\t".join(keys.split()),
        "\t".join([rate, rate, str(count), str(len(names)), "mm", rate, "1", str(count)]),
        "Frame#\tTime\t" + "\t\t\t".join(" ".join(name.split()) for name in names) + "\t\t",
        f"\t\t{columns}",
        "",
    ]
    template = "\t".join(["%.6g"] * (3 * len(names)))
    flat = (positions.astype(np.float64) * 1000).reshape(count, -1).tolist()
    body = [f"{t + 1}\t{t / clip.fps:.6f}\t" + template % tuple(row) for t, row in enumerate(flat)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*head, *body, ""]), encoding="utf-8")


def _rate(header: dict[str, str]) -> float:
    try:
        fps = float(header.get("DataRate", ""))
    except ValueError:
        raise FormatError("line 3: expected DataRate to be a number") from None
    if not 0 < fps < 1e6:
        raise FormatError(f"line 3: DataRate: expected a positive number, got {fps}")
    return fps


def unit_metres(word: str) -> float:
    """Return metres in the unit called `word`.

    Raises:
        FormatError: There is no such unit.
    """
    if word.strip().lower() not in _METRES:
        raise FormatError(f"unit: expected one of {', '.join(_METRES)}, got {word!r}")
    return _METRES[word.strip().lower()]


def _row(line: str, number: int, count: int) -> list[float]:
    words = line.split("\t")[2:]
    if len(words) < count and len(line.split()) == count + 2:  # spaces instead of tabs
        words = line.split()[2:]
    words = words[:count] + [""] * (count - len(words))
    try:
        values = [float(word) if word.strip() else np.nan for word in words]
    except ValueError:
        raise FormatError(f"line {number}: expected numbers") from None
    if any(abs(value) > 1e9 for value in values):
        raise FormatError(f"line {number}: expected positions below 1e9")
    return values


def filled(positions: F64) -> F64:
    """Return points (T, M, 3) with gaps bridged in straight lines; ends are held."""
    out = positions.copy()
    frames = np.arange(len(out))
    for m in range(out.shape[1]):
        seen = np.isfinite(out[:, m]).all(-1)
        if seen.any() and not seen.all():
            for axis in range(3):
                out[:, m, axis] = np.interp(frames, frames[seen], out[seen, m, axis])
    return out
