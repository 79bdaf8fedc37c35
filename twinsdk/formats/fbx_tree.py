"""The FBX container, binary and ASCII, as a tree of named records; nothing interpreted.

Source: the layout as Blender's foundation documents it, "FBX binary file format specification"
(code.blender.org, 2013); 64-bit records from version 7500 on.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinsdk.errors import FormatError

__all__ = ["Record", "parse"]

_MAGIC = b"Kaydara FBX Binary  \x00"
_SCALARS = {b"Y": "<h", b"C": "<?", b"I": "<i", b"F": "<f", b"D": "<d", b"L": "<q"}
_ARRAYS = {b"f": "<f4", b"d": "<f8", b"l": "<i8", b"i": "<i4", b"b": "|u1", b"c": "|u1"}
_MAX_DEPTH = 64
_MAX_RECORDS = 4_000_000
_MAX_INFLATED_BYTES = 4 << 30
_TOKEN = re.compile(
    r";[^\n]*|\"(?P<text>[^\"]*)\"|(?P<name>[A-Za-z_][\w|]*)[ \t]*:|(?P<mark>[{},])"
    r"|(?P<word>[^\s,{}\";]+)"
)


@dataclass
class Record:
    """One record: a name, values, and records below.

    Attributes:
        name: As written ("Model").
        values: Numbers, text, and numeric arrays.
        below: Child records in order.
    """

    name: str
    values: list[Any] = field(default_factory=list)
    below: list[Record] = field(default_factory=list)

    def first(self, name: str) -> Record | None:
        """Return the first child called `name`."""
        return next((record for record in self.below if record.name == name), None)

    def every(self, name: str) -> list[Record]:
        """Return all children called `name`."""
        return [record for record in self.below if record.name == name]

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """Return the numbers of a child as float64; empty where there is none."""
        child = self.first(name)
        if child is None:
            return np.zeros(0)
        if child.values and isinstance(child.values[0], np.ndarray):
            return child.values[0].astype(np.float64)
        inner = child.first("a")  # ASCII 7: `KeyTime: *2 { a: 0,1 }`
        values = inner.values if inner is not None else child.values
        return np.array([float(v) for v in values])


def parse(data: bytes) -> tuple[Record, int]:
    """Return the root record and the file's version (7400).

    Raises:
        FormatError: It is no FBX; the message names the byte or line.
    """
    if data.startswith(_MAGIC):
        if len(data) < 27:
            raise FormatError("the file is cut off within its header")
        (version,) = struct.unpack_from("<I", data, 23)
        return _Binary(data, version).root(), version
    text = data.decode("utf-8-sig", "replace")
    match = re.search(r"FBXVersion\s*:\s*(\d+)", text)
    if match is None:
        raise FormatError("expected FBX, got neither its binary magic nor 'FBXVersion:'")
    return _ascii(text), int(match[1])


class _Binary:
    def __init__(self, data: bytes, version: int) -> None:
        self._data, self._wide = data, version >= 7500
        self._head = struct.Struct("<QQQB" if self._wide else "<IIIB")
        self._records, self._inflated = 0, 0

    def root(self) -> Record:
        root = Record("")
        at = 27
        while at + self._head.size <= len(self._data):
            record, at = self._record(at, len(self._data), 0)
            if record is None:
                break
            root.below.append(record)
        return root

    def _record(self, at: int, limit: int, depth: int) -> tuple[Record | None, int]:
        end, count, size, name_size = self._head.unpack_from(self._data, at)
        start = at + self._head.size
        if end == 0:
            return None, start
        self._records += 1
        if depth > _MAX_DEPTH or self._records > _MAX_RECORDS:
            raise FormatError(f"byte {at}: records are nested too deep or too many")
        values_at = start + name_size
        if not values_at + size <= end <= limit or count > size:
            raise FormatError(f"byte {at}: a record reaches past byte {limit}")
        record = Record(self._data[start:values_at].decode("utf-8", "replace"))
        place = values_at
        for _ in range(count):
            value, place = self._value(place, values_at + size)
            record.values.append(value)
        place = values_at + size
        while place + self._head.size <= end:
            child, place = self._record(place, end, depth + 1)
            if child is None:
                break
            record.below.append(child)
        return record, end

    def _value(self, at: int, limit: int) -> tuple[Any, int]:
        kind = self._data[at : at + 1]
        at += 1
        if kind in _SCALARS:
            (value,) = struct.unpack_from(_SCALARS[kind], self._data, at)
            end = at + struct.calcsize(_SCALARS[kind])
        elif kind in (b"S", b"R"):
            (size,) = struct.unpack_from("<I", self._data, at)
            end = at + 4 + size
            raw = self._data[at + 4 : end]
            value = raw.decode("utf-8", "replace") if kind == b"S" else raw
        elif kind in _ARRAYS:
            value, end = self._array(kind, at, limit)
        else:
            raise FormatError(f"byte {at - 1}: expected a value type, got {kind!r}")
        if end > limit:
            raise FormatError(f"byte {at}: a value reaches past byte {limit}")
        return value, end

    def _array(self, kind: bytes, at: int, limit: int) -> tuple[Any, int]:
        count, encoding, size = struct.unpack_from("<III", self._data, at)
        dtype, start = np.dtype(_ARRAYS[kind]), at + 12
        wanted = count * dtype.itemsize
        end = start + (size if encoding else wanted)
        self._inflated += wanted
        if end > limit or encoding > 1 or self._inflated > _MAX_INFLATED_BYTES:
            raise FormatError(f"byte {at}: an array of {count} reaches past byte {limit}")
        raw = self._data[start:end]
        if encoding:
            raw = zlib.decompressobj().decompress(raw, wanted + 1)
        if len(raw) != wanted:
            raise FormatError(f"byte {at}: expected {wanted} bytes of array, got {len(raw)}")
        return np.frombuffer(raw, dtype), end


def _ascii(text: str) -> Record:
    root = Record("")
    stack, current = [root], root
    count = 0
    for match in _TOKEN.finditer(text):
        name, mark, word, quoted = match["name"], match["mark"], match["word"], match["text"]
        if name is not None:
            current = Record(name)
            stack[-1].below.append(current)
            count += 1
            if count > _MAX_RECORDS:
                raise FormatError(f"expected at most {_MAX_RECORDS} records, got more")
        elif mark == "{":
            if len(stack) > _MAX_DEPTH or current is stack[-1]:
                line = text.count("\n", 0, match.start()) + 1
                raise FormatError(f"line {line}: expected a record before the brace")
            stack.append(current)
        elif mark == "}":
            if len(stack) == 1:
                line = text.count("\n", 0, match.start()) + 1
                raise FormatError(f"line {line}: expected an open brace before this one")
            current = stack.pop()
        elif quoted is not None:
            current.values.append(quoted)
        elif word is not None:
            current.values.append(_word(word))
    if len(stack) > 1:
        raise FormatError(f"the file ends inside {stack[-1].name!r}")
    return root


def _word(word: str) -> Any:
    if word.startswith("*"):  # an array's length; its numbers follow in `a:`
        return word
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        return word
