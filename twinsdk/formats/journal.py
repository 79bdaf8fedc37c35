"""The recording journal (.twinclip): frames with timestamps that survive a killed process.

Layout, little-endian: `TWINCLIP`, version u16, frame size u32, header size u32, header (UTF-8 JSON:
skeleton, expression names, frame rate if known), its CRC-32 u32; then frames of one size, appended
whole: timestamp i64 ns, flags u32 (1: has expressions), root 3 f32, rotations J x 4 f32,
expressions 52 f32, CRC-32 u32 of all before it. Each append is one unbuffered write: what was
appended is the kernel's before `append` returns. A tail that is cut off, and a frame whose CRC is
wrong, are left out on reading and counted.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array, as_f32
from twinsdk.core.clip import MotionClip
from twinsdk.core.closing import Closing
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import MAX_JOINTS, Skeleton
from twinsdk.errors import FormatError, OutputError, ValueRangeError
from twinsdk.formats.guard import read_bytes, reading

__all__ = ["Journal", "JournalWriter", "read", "read_clip"]

_MAGIC = b"TWINCLIP"
_VERSION = 1
_FIXED = struct.Struct("<8sHII")
_STAMP = struct.Struct("<qI")
_HAS_EXPRESSIONS = 1
_MAX_HEADER_BYTES = 64 << 20
_MAX_CLIP_FLOATS = 1 << 30
_SPARE_FRAMES, _MOST_A_FRAME = 20_000, 100  # that may be filled in, and more for each recorded one
_NS = 1e9
# A camera that says 30 delivers 29.9 to 30.1.
_SNAP = 0.02


class JournalWriter(Closing):
    """Appends frames to a new journal; also a context manager.

    Args:
        path: The .twinclip to make; one that is there is replaced.
        skeleton: Of every pose to come.
        fps: The frame rate meant, if there is one; else it is found from the timestamps.

    Raises:
        OutputError: The file cannot be made.
    """

    def __init__(self, path: str | Path, skeleton: Skeleton, *, fps: float | None = None) -> None:
        self._path, self._skeleton = Path(path), skeleton
        self._last_ns: int | None = None
        self.frames = 0
        header = json.dumps(
            {
                "joints": list(skeleton.names),
                "parents": skeleton.parents.tolist(),
                "rest_translations": skeleton.rest_translations.tolist(),
                "rest_rotations": skeleton.rest_rotations.tolist(),
                "expressions": list(EXPRESSION_NAMES),
                "fps": fps,
            }
        ).encode()
        start = _FIXED.pack(_MAGIC, _VERSION, _frame_type(len(skeleton)).itemsize, len(header))
        try:
            self._stream = self._path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(f"journal: cannot write there ({error.strerror}): {path}") from error
        self._write(start + header + struct.pack("<I", zlib.crc32(header)))

    def append(self, pose: Pose, expressions: F32 | None, timestamp_ns: int) -> None:
        """Write one frame; when this returns, killing the process does not lose it.

        Args:
            pose: On the writer's skeleton.
            expressions: (52,) in [0, 1], or None.
            timestamp_ns: Later than that of the frame before.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton.
            ValueRangeError: The timestamp is not later.
            OutputError: The disk is full or gone, or the journal is closed.
        """
        pose = pose.on(self._skeleton)
        if self._last_ns is not None and timestamp_ns <= self._last_ns:
            raise ValueRangeError(
                f"timestamp_ns: expected later than {self._last_ns}, got {timestamp_ns}"
            )
        flags, weights = 0, np.zeros(EXPRESSION_COUNT, np.float32)
        if expressions is not None:
            flags, weights = (
                _HAS_EXPRESSIONS,
                as_f32("expressions", expressions, (EXPRESSION_COUNT,)),
            )
        body = (
            _STAMP.pack(timestamp_ns, flags)
            + pose.root_translation.astype("<f4").tobytes()
            + pose.rotations.astype("<f4").tobytes()
            + weights.astype("<f4").tobytes()
        )
        self._write(body + struct.pack("<I", zlib.crc32(body)))
        self._last_ns = timestamp_ns
        self.frames += 1

    def close(self) -> None:
        """Close the file; it is complete at any moment before, too."""
        self._stream.close()

    def _write(self, data: bytes) -> None:
        try:
            written = self._stream.write(data)
        except (OSError, ValueError) as error:  # ValueError: closed
            raise OutputError(f"journal: cannot write ({error}): {self._path}") from error
        if written != len(data):
            raise OutputError(f"journal: the disk is full: {self._path}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Journal:
    """A journal read.

    Attributes:
        skeleton: Of every frame.
        timestamps_ns: (T,) increasing.
        rotations: (T, J, 4).
        root_translations: (T, 3) metres.
        expressions: (T, 52), or None where no frame had any.
        fps: The frame rate meant, or None.
        damaged_frames: Frames left out because their checksum was wrong.
        cut_bytes: Bytes of an unfinished frame at the end.
    """

    skeleton: Skeleton
    timestamps_ns: Array
    rotations: F32
    root_translations: F32
    expressions: F32 | None
    fps: float | None
    damaged_frames: int
    cut_bytes: int

    def clip(self, fps: float | None = None) -> MotionClip:
        """Return the motion at a constant frame rate, interpolated between the frames.

        Args:
            fps: Frames a second; None takes the rate meant, else the median one.

        Raises:
            FormatError: The journal spans so long that the clip would not fit memory.
        """
        seconds = (self.timestamps_ns - self.timestamps_ns[0]) / _NS
        rate = fps or self.fps or _median_rate(seconds)
        count = int(np.floor(seconds[-1] * rate + 1e-3)) + 1
        # A damaged time or rate would be filled in frame by frame.
        few = count <= _SPARE_FRAMES + _MOST_A_FRAME * len(seconds)
        if not few or count * len(self.skeleton) * 4 > _MAX_CLIP_FLOATS:
            raise FormatError(f"{seconds[-1]:.0f} s at {rate:g} fps are too many frames")
        grid = np.minimum(np.arange(count) / rate, seconds[-1])
        left = np.clip(np.searchsorted(seconds, grid, "right") - 1, 0, max(len(seconds) - 2, 0))
        right = np.minimum(left + 1, len(seconds) - 1)
        gap = np.maximum(seconds[right] - seconds[left], 1e-12)
        share = np.clip((grid - seconds[left]) / gap, 0, 1).astype(np.float32)
        mix = share[:, None]
        faces = self.expressions
        return MotionClip(
            skeleton=self.skeleton,
            fps=rate,
            rotations=quat.slerp(self.rotations[left], self.rotations[right], mix),
            root_translations=_mixed(self.root_translations, left, right, mix),
            expressions=None if faces is None else _mixed(faces, left, right, mix),
        )


def read_clip(path: str | Path) -> MotionClip:
    """Read a journal as a clip at its own frame rate.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no journal, or has no whole frame.
    """
    with reading(path, "journal"):
        return read(path).clip()


def read(path: str | Path) -> Journal:
    """Read a journal, however its writing ended.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no journal, its header is damaged, or it has no whole frame.
    """
    with reading(path, "journal"):
        data = read_bytes(path, what="journal", limit=16 << 30)
        header, start = _header(data)
        skeleton = Skeleton(
            names=tuple(header["joints"]),
            parents=np.array(header["parents"]),
            rest_translations=np.array(header["rest_translations"], np.float32),
            rest_rotations=np.array(header["rest_rotations"], np.float32),
        )
        layout = _frame_type(len(skeleton))
        whole, cut = divmod(len(data) - start, layout.itemsize)
        frames = np.frombuffer(data, layout, whole, start)
        good = _sound(data, start, frames)
        kept = frames[good]
        if not len(kept):
            raise FormatError("expected at least one whole frame, got none")
        has_face = (kept["flags"] & _HAS_EXPRESSIONS) != 0
        fps = header.get("fps")
        return Journal(
            skeleton=skeleton,
            timestamps_ns=kept["timestamp"].astype(np.int64),
            rotations=kept["rotations"].astype(np.float32),
            root_translations=kept["root"].astype(np.float32),
            expressions=kept["expressions"].astype(np.float32) if has_face.any() else None,
            fps=None if fps is None else float(fps),
            damaged_frames=len(frames) - len(kept),
            cut_bytes=cut,
        )


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if not data.startswith(_MAGIC):
        raise FormatError(f"expected {_MAGIC.decode()}, got {data[:8]!r}")
    if len(data) < _FIXED.size:
        raise FormatError("the file is cut off within its header")
    _, version, frame_size, size = _FIXED.unpack_from(data)
    if version != _VERSION:
        raise FormatError(f"expected version {_VERSION}, got {version}; update twinsdk")
    end = _FIXED.size + size
    if size > _MAX_HEADER_BYTES or end + 4 > len(data):
        raise FormatError(f"the file is cut off within its header of {size} bytes")
    raw = data[_FIXED.size : end]
    (checksum,) = struct.unpack_from("<I", data, end)
    if zlib.crc32(raw) != checksum:
        raise FormatError("the header is damaged: its checksum is wrong")
    header: dict[str, Any] = json.loads(raw.decode())
    joints = len(header["joints"])
    if joints > MAX_JOINTS or frame_size != _frame_type(joints).itemsize:
        raise FormatError(f"expected frames of {joints} joints, got {frame_size} bytes each")
    if header.get("expressions") != list(EXPRESSION_NAMES):
        raise FormatError("expected the 52 ARKit expressions, got others")
    return header, end + 4


def _sound(data: bytes, start: int, frames: Array) -> Array:
    """Return which frames are whole and later than the one before."""
    size, view = frames.dtype.itemsize, memoryview(data)
    good = np.zeros(len(frames), bool)
    last: int | None = None
    stamps, checksums = frames["timestamp"].tolist(), frames["crc"].tolist()
    for i in range(len(frames)):
        at = start + i * size
        later = last is None or stamps[i] > last
        good[i] = later and zlib.crc32(view[at : at + size - 4]) == checksums[i]
        last = stamps[i] if good[i] else last
    return good


def _frame_type(joints: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("timestamp", "<i8"),
            ("flags", "<u4"),
            ("root", "<f4", (3,)),
            ("rotations", "<f4", (joints, 4)),
            ("expressions", "<f4", (EXPRESSION_COUNT,)),
            ("crc", "<u4"),
        ]
    )


def _median_rate(seconds: Array) -> float:
    if len(seconds) < 2:
        return 30.0
    rate = 1 / float(np.median(np.diff(seconds)))
    return float(round(rate)) if rate >= 1 and abs(rate - round(rate)) < _SNAP * rate else rate


def _mixed(values: F32, left: Array, right: Array, mix: F32) -> F32:
    mixed: F32 = values[left] + (values[right] - values[left]) * mix
    return mixed
