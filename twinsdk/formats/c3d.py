"""C3D points, read without a library: parameters, then frames of points, all in 512-byte blocks.

Integer and float data, Intel, DEC and MIPS numbers; analog channels are stepped over.
Source: the C3D file format user guide (c3d.org), 2008.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.errors import FormatError
from twinsdk.formats.guard import read_bytes, reading
from twinsdk.formats.markers import MAX_MARKERS, Markers, unit_metres

__all__ = ["read_c3d"]

_BLOCK = 512
_KEY = 0x50
_INTEL, _DEC, _MIPS = 84, 85, 86
_TYPES = {-1: 1, 1: 1, 2: 2, 4: 4}  # char, byte, integer, float: bytes each
_MAX_VALUES = 1 << 28


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """How this file's processor wrote numbers."""

    order: str  # of numpy and struct
    dec: bool

    def floats(self, raw: bytes | memoryview) -> Array:
        if not self.dec:
            return np.frombuffer(raw, f"{self.order}f4").astype(np.float64)
        # A DEC float is an IEEE one times four, with its 16-bit halves exchanged.
        halves = np.frombuffer(raw, "<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).view("<f4")[:, 0].astype(np.float64) / 4

    def integers(self, raw: bytes | memoryview) -> Array:
        return np.frombuffer(raw, f"{self.order}i2")


def read_c3d(path: str | Path) -> Markers:
    """Read the points of a .c3d.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no C3D, holds no points, or is cut off.
    """
    with reading(path, "C3D"):
        data = read_bytes(path, what="C3D")
        if len(data) < _BLOCK or data[1] != _KEY:
            raise FormatError("expected a C3D header (byte 2 is 0x50), got something else")
        start = (data[0] - 1) * _BLOCK
        if data[0] == 0 or start + 4 > len(data):
            raise FormatError(f"the parameters lie past the {len(data)} bytes of the file")
        processor = data[start + 3]
        if processor not in (_INTEL, _DEC, _MIPS):
            raise FormatError(f"expected processor type 84, 85 or 86, got {processor}")
        numbers = _Numbers(order=">" if processor == _MIPS else "<", dec=processor == _DEC)
        parameters = _parameters(data, start, numbers)
        return _points(data, parameters, numbers)


def _parameters(data: bytes, start: int, numbers: _Numbers) -> dict[str, Any]:
    """Return "GROUP:NAME" -> text, list of text, or array."""
    end = min(len(data), start + max(data[start + 2], 1) * _BLOCK)
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Any]] = []
    at = start + 4
    while at + 2 <= end:
        name_size, number = struct.unpack_from("<bb", data, at)
        name_size = abs(name_size)
        if name_size == 0 or number == 0:
            break
        place = at + 2 + name_size
        name = data[at + 2 : place].decode("latin-1").upper()
        if place + 2 > end:
            raise FormatError(f"byte {at}: a parameter reaches past byte {end}")
        (step,) = struct.unpack_from(f"{numbers.order}H", data, place)
        if number < 0:
            groups[-number] = name
        else:
            found.append((number, name, _value(data, place + 2, end, numbers)))
        if step == 0:
            break
        at = place + step
    return {f"{groups.get(number, number)}:{name}": value for number, name, value in found}


def _value(data: bytes, at: int, end: int, numbers: _Numbers) -> Any:
    if at + 2 > end:
        raise FormatError(f"byte {at}: a parameter reaches past byte {end}")
    kind, dimensions = struct.unpack_from("<bB", data, at)
    if kind not in _TYPES or dimensions > 7 or at + 2 + dimensions > end:
        raise FormatError(f"byte {at}: expected a parameter of type -1, 1, 2 or 4, got {kind}")
    shape = list(data[at + 2 : at + 2 + dimensions])
    count = math.prod(shape)
    start = at + 2 + dimensions
    raw = data[start : start + count * _TYPES[kind]]
    if start + len(raw) > end or len(raw) != count * _TYPES[kind]:
        raise FormatError(f"byte {at}: a parameter of {count} values reaches past byte {end}")
    if kind == -1:
        width = shape[0] if shape else 1
        cells = [raw[i : i + width] for i in range(0, len(raw), max(width, 1))]
        return [cell.decode("latin-1").strip("\0 ") for cell in cells]
    if kind == 4:
        return numbers.floats(raw)
    return numbers.integers(raw) if kind == 2 else np.frombuffer(raw, np.uint8)


def _points(data: bytes, parameters: dict[str, Any], numbers: _Numbers) -> Markers:
    words = numbers.integers(data[:_BLOCK]).view(f"{numbers.order}u2")
    count, analog = int(words[1]), int(words[2])
    scale, rate = (float(numbers.floats(data[at : at + 4])[0]) for at in (12, 20))
    frames = _frame_count(parameters, int(words[3]), int(words[4]))
    if not 1 <= count <= MAX_MARKERS or frames < 1:
        raise FormatError(f"expected points over time, got {count} points, {frames} frames")
    stated = parameters.get("POINT:RATE")
    if isinstance(stated, np.ndarray) and stated.size:
        rate = float(stated.reshape(-1)[0])
    if not (math.isfinite(rate) and 0 < rate < 1e6):
        raise FormatError(f"POINT:RATE: expected a positive number, got {rate}")
    is_float = scale < 0
    size = 4 if is_float else 2
    row = (4 * count + analog) * size
    start = (int(words[8]) - 1) * _BLOCK
    if start < 0 or start + frames * row > len(data) or frames * (count * 4) > _MAX_VALUES:
        raise FormatError(
            f"the file is cut off: {frames} frames of {row} bytes from byte {start} "
            f"expect {start + frames * row}, got {len(data)}"
        )
    raw = memoryview(data)[start : start + frames * row]
    flat = numbers.floats(raw) if is_float else numbers.integers(raw).astype(np.float64)
    points = flat.reshape(frames, -1)[:, : 4 * count].reshape(frames, count, 4)
    positions = points[..., :3] * (1.0 if is_float else abs(scale))
    unit = parameters.get("POINT:UNITS")
    positions = positions * unit_metres((unit or ["mm"])[0] or "mm")
    # A negative fourth word says that the point was not seen.
    lost = (points[..., 3] < 0) | ~np.isfinite(positions).all(-1)
    positions[lost] = np.nan
    return Markers(
        names=_labels(parameters, count), positions=positions.astype(np.float32), fps=rate
    )


def _frame_count(parameters: dict[str, Any], first: int, last: int) -> int:
    """Return the number of frames; more than 65535 are only told by TRIAL's two 16-bit halves."""
    ends = [parameters.get(f"TRIAL:ACTUAL_{which}_FIELD") for which in ("START", "END")]
    if all(isinstance(end, np.ndarray) and end.size == 2 for end in ends):
        low, high = (
            int(end.astype(np.uint16)[0]) + 65536 * int(end.astype(np.uint16)[1])  # type: ignore[union-attr]
            for end in ends
        )
        if high - low + 1 > 0:
            return high - low + 1
    return last - first + 1


def _labels(parameters: dict[str, Any], count: int) -> tuple[str, ...]:
    labels: list[str] = []
    for suffix in ("", *range(2, 20)):  # 255 to a parameter
        more = parameters.get(f"POINT:LABELS{suffix}")
        if not isinstance(more, list):
            break
        labels += more
    return tuple(
        labels[m] if m < len(labels) and labels[m] else f"point{m + 1}" for m in range(count)
    )
