"""Where the fields of a pose message lie: a bounds-checked walk over one FlatBuffer.

Messages of one publisher have one layout, so the walk is done once: `Layout.fits` then proves by
a few byte comparisons that another message has it too, and every field is read at a known place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from typing import Any

from twinsdk.bridge.endpoints import MAX_POSE_BYTES
from twinsdk.core.skeleton import MAX_JOINTS
from twinsdk.errors import WireError

__all__ = ["IDENTIFIER", "PREFIX_BYTES", "SCALARS", "Codec", "Layout", "read_layout"]

PREFIX_BYTES = 16
IDENTIFIER = b"TWNP"


class Codec(IntEnum):
    """How rotations and expressions are stored; the numbers are the wire's.

    Source: schema/twin.fbs, table PoseFrame.
    """

    FLOAT32 = 0
    """Rotations and expressions exactly, 4 bytes a number."""
    PACKED48 = 1
    """Rotations in 48 bits (within 0.0085 degrees), expressions in 8."""
    PACKED32 = 2
    """Rotations in 32 bits (within 0.27 degrees), expressions in 8."""


SCALARS: tuple[tuple[str, int, str, Any], ...] = (
    # name, slot of the field in the schema, struct code, default
    ("session", 0, "Q", 0),
    ("avatar", 1, "I", 0),
    ("sequence", 2, "I", 0),
    ("t_capture_ns", 3, "q", 0),
    ("t_send_ns", 4, "q", 0),
    ("descriptor", 5, "Q", 0),
    ("state", 6, "B", 0),
    ("confidence", 7, "f", 0.0),
    ("root", 8, "fff", (0.0, 0.0, 0.0)),
)
_ROTATION_SLOTS = {
    Codec.FLOAT32: (9, 4, 4),  # slot, bytes an item, items a joint
    Codec.PACKED48: (10, 2, 3),
    Codec.PACKED32: (11, 4, 1),
}
_EXPRESSION_SLOTS = {Codec.FLOAT32: (12, 4), Codec.PACKED48: (13, 1), Codec.PACKED32: (13, 1)}
_JOINT_CONFIDENCE_SLOT = 14
_MAX_EXPRESSIONS = 4096

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Byte positions in a pose message, from the start of its prefix.

    Attributes:
        size: Bytes of the message.
        codec, joints, expressions: What it holds.
        rotations_at, expressions_at: First byte of each vector.
        confidence_at: The same of the joint confidence; 0 where it is absent.
        scalars, scalars_at: One reader over all scalars, and where it starts.
        pick: Turns what `scalars` reads into the order of `SCALARS`, the root as three numbers.
        places: First byte of each scalar that is there, by name.
        marks, marked: One reader over the bytes that make it this layout, and what they are.
        mask: As long as a message, 255 at those bytes and 0 elsewhere.
    """

    size: int
    codec: Codec
    joints: int
    expressions: int
    rotations_at: int
    expressions_at: int
    confidence_at: int
    scalars: struct.Struct
    scalars_at: int
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    defaults: tuple[Any, ...]
    places: dict[str, int]
    marks: struct.Struct
    marked: tuple[bytes, ...]
    mask: bytes

    def fits(self, message: bytes) -> bool:
        """Return whether `message` has exactly this layout."""
        return len(message) == self.size and self.marks.unpack_from(message) == self.marked

    def read_scalars(self, message: bytes) -> tuple[Any, ...]:
        """Return the values of `SCALARS` in order, the root as its three numbers at the end."""
        values = self.scalars.unpack_from(message, self.scalars_at)
        return self.pick(values + self.defaults)


class _Walk:
    """Reads one message and notes which bytes are structure."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.spans: list[tuple[int, int]] = []
        base = PREFIX_BYTES
        if not base + 12 <= len(message) <= MAX_POSE_BYTES:
            raise WireError(
                f"pose message: expected {base + 12} to {MAX_POSE_BYTES} bytes, got {len(message)}"
            )
        if message[base + 4 : base + 8] != IDENTIFIER:
            raise WireError(
                f"pose message: expected the identifier {IDENTIFIER!r}, "
                f"got {bytes(message[base + 4 : base + 8])!r}"
            )
        self.table = base + self.number(_U32, base)
        self.spans.append((base, base + 8))
        self.vtable = self.table - self.number(_I32, self.table)
        self.spans.append((self.table, self.table + 4))
        if self.vtable < base:
            raise WireError("pose message: the field table lies before the message")
        self.vtable_bytes = self.number(_U16, self.vtable)
        self.table_bytes = self.number(_U16, self.vtable + 2)
        if self.vtable_bytes < 4 or self.table_bytes < 4:
            raise WireError("pose message: the field table is too short")
        self.inside(self.vtable, self.vtable_bytes)
        self.inside(self.table, self.table_bytes)
        self.spans.append((self.vtable, self.vtable + self.vtable_bytes))

    def inside(self, start: int, count: int) -> None:
        if start < PREFIX_BYTES or start + count > len(self.message):
            raise WireError(
                f"pose message: byte {start + count} is beyond its {len(self.message)} bytes"
            )

    def number(self, kind: struct.Struct, at: int) -> int:
        self.inside(at, kind.size)
        return int(kind.unpack_from(self.message, at)[0])

    def field(self, slot: int, size: int) -> int:
        """Return where the field lies, 0 where it is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self.vtable_bytes:
            return 0
        offset = self.number(_U16, self.vtable + entry)
        if offset and not 4 <= offset <= self.table_bytes - size:
            raise WireError(f"pose message: field {slot} is outside its table")
        return self.table + offset if offset else 0

    def vector(self, slot: int, item: int) -> tuple[int, int]:
        """Return the first byte and the item count of a vector, (0, 0) where it is absent."""
        at = self.field(slot, 4)
        if not at:
            return 0, 0
        start = at + self.number(_U32, at)
        count = self.number(_U32, start)
        self.inside(start + 4, count * item)
        self.spans += [(at, at + 4), (start, start + 4)]
        return start + 4, count

    def marks(self) -> struct.Struct:
        """Return a reader over the structure's bytes."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self.spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        layout, position = "<", 0
        for start, end in merged:
            layout += f"{start - position}x{end - start}s"
            position = end
        return struct.Struct(layout)

    def mask(self) -> bytes:
        """Return a byte for each of the message's, 255 where it is structure."""
        mask = bytearray(len(self.message))
        for start, end in self.spans:
            mask[start:end] = b"\xff" * (end - start)
        return bytes(mask)


def read_layout(message: bytes) -> Layout:
    """Return the layout of a pose message, every position proven to lie inside it.

    Raises:
        WireError: It is no pose message, is cut short, or its sizes disagree.
    """
    walk = _Walk(message)
    found = [
        (codec, *walk.vector(slot, item), per_joint)
        for codec, (slot, item, per_joint) in _ROTATION_SLOTS.items()
    ]
    present = [entry for entry in found if entry[1]]
    if len(present) != 1:
        raise WireError(f"pose message: expected one rotation vector, got {len(present)}")
    codec, rotations_at, numbers, per_joint = present[0]
    joints, rest = divmod(numbers, per_joint)
    if rest or not 1 <= joints <= MAX_JOINTS:
        raise WireError(
            f"pose message: expected 1 to {MAX_JOINTS} joints of {per_joint} numbers, got {numbers}"
        )
    expressions_at, expressions = walk.vector(*_EXPRESSION_SLOTS[codec])
    if expressions > _MAX_EXPRESSIONS:
        raise WireError(
            f"pose message: expected up to {_MAX_EXPRESSIONS} expressions, got {expressions}"
        )
    confidence_at, sure = walk.vector(_JOINT_CONFIDENCE_SLOT, 1)
    if sure not in (0, joints):
        raise WireError(f"pose message: expected {joints} joint confidences, got {sure}")
    scalars, scalars_at, pick, defaults = _scalar_reader(walk)
    marks = walk.marks()
    return Layout(
        size=len(message),
        codec=codec,
        joints=joints,
        expressions=expressions,
        rotations_at=rotations_at,
        expressions_at=expressions_at,
        confidence_at=confidence_at if sure else 0,
        scalars=scalars,
        scalars_at=scalars_at,
        pick=pick,
        defaults=defaults,
        places={
            name: at
            for name, slot, code, _ in SCALARS
            if (at := walk.field(slot, struct.calcsize("<" + code)))
        },
        marks=marks,
        marked=marks.unpack_from(message),
        mask=walk.mask(),
    )


def _scalar_reader(
    walk: _Walk,
) -> tuple[struct.Struct, int, Callable[[tuple[Any, ...]], tuple[Any, ...]], tuple[Any, ...]]:
    """Return one struct over all scalars, its place, the re-ordering, and values of absent ones."""
    placed: list[tuple[int, str, str]] = []
    for name, slot, code, _ in SCALARS:
        at = walk.field(slot, struct.calcsize("<" + code))
        if at:
            placed.append((at, name, code))
    placed.sort()
    start = placed[0][0] if placed else walk.table
    layout, where, position, count = "<", {}, start, 0
    for at, name, code in placed:
        if at < position:
            raise WireError(f"pose message: the field {name} overlaps another")
        layout += f"{at - position}x{code}"
        where[name] = count
        position, count = at + struct.calcsize("<" + code), count + len(code)
    order: list[int] = []
    defaults: list[Any] = []
    for name, _, code, default in SCALARS:
        if name in where:
            order += range(where[name], where[name] + len(code))
        else:
            values = default if isinstance(default, tuple) else (default,)
            order += range(count + len(defaults), count + len(defaults) + len(values))
            defaults += values
    return struct.Struct(layout), start, itemgetter(*order), tuple(defaults)
