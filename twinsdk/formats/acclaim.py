"""Acclaim ASF (skeleton) and AMC (motion), the form CMU's motion capture database is kept in.

A bone's motion is told in its own axes C: as a turn of world-aligned rest frames it is C M C^-1,
so the skeleton has identity rest rotations. A joint carries the name of the bone that begins there.
Source: Acclaim, "ASF/AMC file specification"; J. Lander, "Working with motion capture file
formats", Game Developer, January 1998.
"""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.kernel import parse_numbers
from twinsdk.core.skeleton import MAX_JOINTS, Skeleton
from twinsdk.errors import FileMissingError, FormatError
from twinsdk.formats.guard import MAX_FILE_BYTES, read_bytes, reading
from twinsdk.formats.units import guess_unit

__all__ = ["AsfSkeleton", "find_asf", "read", "read_asf", "read_clip"]

_DEFAULT_FPS = 120.0  # CMU's; the format has no place for a frame rate
_INCH_M = 0.0254
_LINE_NAME = re.compile(rb"^[ \t]*([A-Za-z_][^\s]*)", re.MULTILINE)
_PLAUSIBLE_REACH_M = (0.3, 2.5)
_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz", "l")


@dataclass(kw_only=True)
class _Bone:
    name: str = ""
    direction: tuple[float, ...] = (0.0, 0.0, 0.0)
    length: float = 0.0
    axis: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: str = "XYZ"
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, eq=False)
class AsfSkeleton:
    """An .asf file: joints at the beginnings of bones.

    Attributes:
        skeleton: Metres, identity rest rotations.
        axes: (J, 4) the frame C in which a bone's angles are told.
        channels: Of each joint, in the order an .amc line gives them ("rx").
        unit_m: Metres in one unit of the file.
        degrees: Whether angles are degrees.
    """

    skeleton: Skeleton
    axes: F64
    channels: tuple[tuple[str, ...], ...]
    unit_m: float
    degrees: bool


def read_clip(path: str | Path) -> MotionClip:
    """Read an .amc (or .amc.gz) with the .asf that lies beside it; see `find_asf`, `read`."""
    return read(path, find_asf(path))


def find_asf(path: str | Path) -> Path:
    """Return the .asf of an .amc: of the same name, of its subject (07_01 -> 07), or the only one.

    Raises:
        FileMissingError: There is none, or several fit equally.
    """
    motion = Path(path)
    stem = motion.name.split(".")[0]
    beside = sorted(p for p in motion.parent.glob("*") if p.suffix.lower() == ".asf")
    for wanted in (stem, stem.split("_")[0]):
        for candidate in beside:
            if candidate.stem.lower() == wanted.lower():
                return candidate
    if len(beside) == 1:
        return beside[0]
    raise FileMissingError(
        f"AMC: expected its skeleton {stem}.asf beside it, got {[p.name for p in beside][:8]}; "
        f"name it with twinsdk.formats.acclaim.read: {motion}"
    )


def read(path: str | Path, skeleton_path: str | Path, *, fps: float = _DEFAULT_FPS) -> MotionClip:
    """Read an .amc on the skeleton of an .asf.

    Args:
        path: The .amc or .amc.gz.
        skeleton_path: The .asf.
        fps: Frames a second, which the format does not hold; 120 is CMU's.

    Raises:
        FileMissingError: One of them is not there.
        FormatError: One of them is malformed; the message names the line.
    """
    asf = read_asf(skeleton_path)
    with reading(path, "AMC"):
        data = read_bytes(path, what="AMC")
        if data.startswith(b"\x1f\x8b"):
            data = _inflated(data)
        return _motion(data, asf, fps)


def read_asf(path: str | Path) -> AsfSkeleton:
    """Read an .asf.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is malformed; the message names the line.
    """
    with reading(path, "ASF"):
        text = read_bytes(path, what="ASF", limit=64 << 20).decode("utf-8", "replace")
        return _Asf(text).build()


def _inflated(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        text = stream.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise FormatError(f"expected at most {MAX_FILE_BYTES} bytes of text, got more")
    return text


class _Asf:
    """Reads section by section, line by line."""

    def __init__(self, text: str) -> None:
        self._line = 0
        self._bones: dict[str, _Bone] = {"root": _Bone(name="root")}
        self._parents: dict[str, str] = {}
        self._length_unit, self._degrees = 0.0, True
        self._position: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._orientation: tuple[float, ...] = (0.0, 0.0, 0.0)
        section, bone = "", _Bone()
        for self._line, raw in enumerate(text.splitlines(), 1):
            words = raw.split("#")[0].split()
            if not words:
                continue
            if words[0].startswith(":"):
                section = words[0][1:].lower()
                continue
            bone = self._take(section, words, bone)

    def build(self) -> AsfSkeleton:
        """Return the skeleton with joints parents first."""
        order = ["root"]
        children: dict[str, list[str]] = {}
        for child, above in self._parents.items():
            children.setdefault(above, []).append(child)
        for name in order:
            order += children.get(name, [])
        if len(order) < 2:
            raise FormatError("expected a :hierarchy below root, got none")
        if len(order) > MAX_JOINTS:
            raise FormatError(f"expected at most {MAX_JOINTS} bones, got {len(order)}")
        index = {name: j for j, name in enumerate(order)}
        bones = [self._bones[name] for name in order]
        ends = np.array([np.multiply(b.direction, b.length) for b in bones])
        parents = np.array([-1, *(index[self._parents[name]] for name in order[1:])], np.int32)
        offsets = np.zeros((len(order), 3))
        offsets[1:] = ends[parents[1:]]
        reach = np.linalg.norm(ends, axis=1)
        for j in range(1, len(order)):
            reach[j] += reach[parents[j]]
        unit = _INCH_M / self._length_unit if self._length_unit > 0 else 0.0
        low, high = _PLAUSIBLE_REACH_M
        if not low < reach.max() * unit < high:
            unit, _ = guess_unit(float(reach.max()))
        offsets[0] = self._position
        return AsfSkeleton(
            skeleton=Skeleton(
                names=tuple(order),
                parents=parents,
                rest_translations=(offsets * unit).astype(np.float32),
                rest_rotations=np.tile(quat.IDENTITY, (len(order), 1)),
            ),
            axes=np.stack([self._axes(bone) for bone in bones]),
            channels=tuple(tuple(bone.channels) for bone in bones),
            unit_m=unit,
            degrees=self._degrees,
        )

    def _axes(self, bone: _Bone) -> F64:
        angles = self._orientation if bone.name == "root" else bone.axis
        return _stacked(np.array(angles), bone.order.lower(), degrees=self._degrees)

    def _take(self, section: str, words: list[str], bone: _Bone) -> _Bone:
        key = words[0].lower()
        if section == "units":
            if key == "length":
                (self._length_unit,) = self._numbers(words[1:2], 1)
            elif key == "angle":
                self._degrees = words[-1].lower().startswith("deg")
        elif section == "root":
            self._root(key, words)
        elif section == "bonedata":
            return self._bone(key, words, bone)
        elif section == "hierarchy" and key not in ("begin", "end"):
            self._below(words)
        return bone

    def _root(self, key: str, words: list[str]) -> None:
        root = self._bones["root"]
        if key == "order":
            root.channels = self._channels(words[1:])
        elif key == "axis":
            root.order = self._order(words[-1])
        elif key == "position":
            self._position = self._numbers(words[1:], 3)
        elif key == "orientation":
            self._orientation = self._numbers(words[1:], 3)

    def _bone(self, key: str, words: list[str], bone: _Bone) -> _Bone:
        if key == "begin":
            return _Bone()
        if key == "end":
            if not bone.name or bone.name in self._bones:
                raise FormatError(f"line {self._line}: expected a new bone, got {bone.name!r}")
            if len(self._bones) > MAX_JOINTS:
                raise FormatError(f"line {self._line}: expected at most {MAX_JOINTS} bones")
            self._bones[bone.name] = bone
        elif key == "name":
            bone.name = words[-1]
        elif key == "direction":
            x, y, z = self._numbers(words[1:], 3)
            size = float(np.linalg.norm((x, y, z)))
            bone.direction = (x / size, y / size, z / size) if size > 1e-9 else (0.0, 0.0, 0.0)
        elif key == "length":
            (bone.length,) = self._numbers(words[1:], 1)
        elif key == "axis":
            bone.axis = self._numbers(words[1:4], 3)
            bone.order = self._order(words[4]) if len(words) > 4 else "XYZ"
        elif key == "dof":
            bone.channels = self._channels(words[1:])
        return bone

    def _below(self, words: list[str]) -> None:
        for name in words:
            if name not in self._bones:
                raise FormatError(f"line {self._line}: expected a bone of :bonedata, got {name!r}")
        for child in words[1:]:
            if child in self._parents or child == "root":
                raise FormatError(f"line {self._line}: expected one parent of {child!r}, got two")
            self._parents[child] = words[0]

    def _numbers(self, words: list[str], count: int) -> tuple[float, ...]:
        try:
            values = tuple(float(word) for word in words[:count])
        except ValueError:
            raise FormatError(f"line {self._line}: expected numbers, got {words[:4]}") from None
        if len(values) != count or not np.isfinite(values).all() or max(map(abs, values)) > 1e9:
            raise FormatError(
                f"line {self._line}: expected {count} finite numbers, got {words[:4]}"
            )
        return values

    def _channels(self, words: list[str]) -> list[str]:
        channels = [word.lower() for word in words]
        unknown = [word for word in channels if word not in _CHANNELS]
        if unknown or len(set(channels)) != len(channels):
            raise FormatError(f"line {self._line}: expected channels such as rx, got {words}")
        return channels

    def _order(self, word: str) -> str:
        if sorted(word.upper()) != ["X", "Y", "Z"]:
            raise FormatError(
                f"line {self._line}: expected an axis order such as XYZ, got {word!r}"
            )
        return word.upper()


def _motion(data: bytes, asf: AsfSkeleton, fps: float) -> MotionClip:
    # Comments and keywords are few and at line starts; what is left is names and numbers.
    data = re.sub(rb"(?m)^[ \t]*[#:][^\n]*", b"", data)
    names = [name.decode("utf-8", "replace") for name in _LINE_NAME.findall(data)]
    if not names:
        raise FormatError("expected lines such as 'root 0 0 0 ...', got none")
    per_frame = names.index(names[0], 1) if names.count(names[0]) > 1 else len(names)
    pattern, skeleton = names[:per_frame], asf.skeleton
    unknown = [name for name in pattern if not skeleton.has(name)]
    if unknown or len(set(pattern)) != len(pattern):
        raise FormatError(f"expected bones of the .asf, got {unknown[:4] or pattern[:4]}")
    frames = len(names) // per_frame
    for i, name in enumerate(names):
        if name != pattern[i % per_frame]:
            raise FormatError(
                f"frame {i // per_frame + 1}: expected bone {pattern[i % per_frame]!r}, "
                f"got {name!r}"
            )
    if len(names) % per_frame:
        raise FormatError(f"frame {frames + 1}: expected {per_frame} bones, the file ends before")
    widths = [len(asf.channels[skeleton.joint(name)]) for name in pattern]
    columns = 1 + sum(widths)  # the frame number first
    values = parse_numbers(_LINE_NAME.sub(b"", data)).reshape(-1)
    if len(values) != frames * columns:
        raise FormatError(
            f"expected {frames} frames of {columns} numbers, got {len(values)} numbers in all; "
            "is this the right .asf?"
        )
    return _posed(values.reshape(frames, columns), pattern, asf, fps)


def _posed(values: F64, pattern: list[str], asf: AsfSkeleton, fps: float) -> MotionClip:
    skeleton, frames = asf.skeleton, len(values)
    rotations = np.tile(quat.IDENTITY, (frames, len(skeleton), 1))
    root = np.repeat(skeleton.rest_translations[:1], frames, 0).astype(np.float64)
    column = 1
    for name in pattern:
        j = skeleton.joint(name)
        told = values[:, column : column + len(asf.channels[j])]
        column += told.shape[1]
        turning = [i for i, channel in enumerate(asf.channels[j]) if channel.startswith("r")]
        order = "".join(asf.channels[j][i][1] for i in turning)
        local = _stacked(told[:, turning], order, degrees=asf.degrees)
        axes = np.broadcast_to(asf.axes[j], local.shape)
        turned = quat.multiply(quat.multiply(axes, local), quat.conjugate(axes))
        rotations[:, j] = quat.positive(turned)
        if j == 0:
            for i, channel in enumerate(asf.channels[j]):
                if channel.startswith("t"):
                    root[:, "xyz".index(channel[1])] += told[:, i] * asf.unit_m
    return MotionClip(
        skeleton=skeleton, fps=fps, rotations=rotations, root_translations=root.astype(np.float32)
    )


def _stacked(angles: F64, order: str, *, degrees: bool) -> F64:
    """Return the rotation (..., 4) that turns about each axis of `order` in turn, fixed axes."""
    radians = np.radians(angles) if degrees else np.asarray(angles)
    result = np.zeros((*radians.shape[:-1], 4))
    result[..., 3] = 1
    for i, letter in enumerate(order):
        axis = np.eye(3)["xyz".index(letter)]
        turn = quat.from_axis_angle(
            np.broadcast_to(axis, (*radians.shape[:-1], 3)), radians[..., i]
        )
        result = quat.multiply(turn, result)
    return result
