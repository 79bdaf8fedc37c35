"""The text of a BVH file: its joint tree and its block of numbers, exactly as written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from twinsdk.core.arrays import F64
from twinsdk.core.kernel import parse_numbers
from twinsdk.core.skeleton import MAX_JOINTS
from twinsdk.errors import FormatError

__all__ = ["BvhText", "Joint", "parse"]

_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_MOTION = re.compile(rb"^[ \t]*MOTION[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(r"[{}]|[^\s{}]+")
_NAMED = re.compile(r"[^\n{}]*")
_HEAD = re.compile(
    rb"\s*(?:Frames[ \t]*:?[ \t]*(?P<frames>[^\r\n]*)\s+)?"
    rb"(?:Frame[ \t]*Time[ \t]*:?[ \t]*(?P<time>[^\r\n]*)(?:[\r\n]+|$))?",
    re.IGNORECASE,
)
_COMMENT = (b"#", b"//", b";")
_LARGEST = 1e9
_DECIMAL_COMMA = re.compile(r"\d,\d")


@dataclass(kw_only=True)
class Joint:
    """One ROOT or JOINT block.

    Attributes:
        name: As written, or numbered when the file repeats it.
        parent: Index of the joint above, -1 for the root.
        offset: As written, file units.
        channels: (axis 0..2, is_rotation) in the file's order.
        end_site: Offset of its End Site, file units, if it has one.
    """

    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[tuple[int, bool]] = field(default_factory=list)
    end_site: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class BvhText:
    """A BVH file as written.

    Attributes:
        joints: In file order, parents first.
        frame_time_s: Seconds a frame.
        values: (T, C) all channels of a frame in a row.
        declared_frames: What "Frames:" says, None if it says nothing.
        notes: What was odd and how it was taken.
    """

    joints: list[Joint]
    frame_time_s: float
    values: F64
    declared_frames: int | None
    notes: list[str]


def parse(data: bytes) -> BvhText:
    """Take a BVH file apart.

    Raises:
        FormatError: It is not BVH; the message names the line.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data and b"\n" not in data:  # old Macintosh line ends
        data = data.replace(b"\r", b"\n")
    motion = _MOTION.search(data)
    head = data[: motion.start()] if motion else data
    if not re.match(rb"\s*HIERARCHY\b", head, re.IGNORECASE):
        first = head[:40].decode("utf-8", "replace").split("\n")[0].strip()
        raise FormatError(f"line 1: expected HIERARCHY, got {first!r}")
    notes: list[str] = []
    joints = _Hierarchy(head.decode("utf-8", "replace"), notes).joints
    if motion is None:
        raise FormatError("expected a MOTION line after the hierarchy, got the end of the file")
    line = data.count(b"\n", 0, motion.end()) + 1
    return _motion(data, motion.end(), line, joints, notes)


class _Hierarchy:
    """A hand-wound stack instead of recursion: depth is bounded by the joint count alone."""

    def __init__(self, text: str, notes: list[str]) -> None:
        self._text, self._at = text, 0
        self.joints: list[Joint] = []
        self._names: dict[str, int] = {}
        self._notes = notes
        self._word()  # HIERARCHY
        self._read()
        if not self.joints:
            self._fail("expected a ROOT, got none")

    def _read(self) -> None:
        stack: list[int] = []  # joint indices; -1 stands for an End Site
        while (word := self._word()) is not None:
            key = word.upper()
            if key == "ROOT" and not stack:
                if self.joints:
                    self._fail("expected one ROOT, got a second; split the file, one per person")
                stack.append(self._open("root", -1))
            elif key == "JOINT" and stack and stack[-1] >= 0:
                stack.append(self._open("joint", stack[-1]))
            elif key == "END" and stack and stack[-1] >= 0:
                self._name()
                self._expect("{")
                stack.append(-1 - stack[-1] - 1)
            elif key == "OFFSET" and stack:
                self._offset(stack[-1])
            elif key == "CHANNELS" and stack and stack[-1] >= 0:
                self._channels(self.joints[stack[-1]])
            elif key == "}" and stack:
                stack.pop()
            else:
                self._fail(f"expected JOINT, End Site, OFFSET, CHANNELS or a brace, got {word!r}")
        if stack:
            self._fail("expected a closing brace, got the end of the hierarchy")

    def _open(self, what: str, parent: int) -> int:
        if len(self.joints) >= MAX_JOINTS:
            self._fail(f"expected at most {MAX_JOINTS} joints, got more")
        name = self._name() or f"{what}{len(self.joints)}"
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        if count:
            fresh = f"{name}_{count + 1}"
            while fresh in self._names:
                count += 1
                fresh = f"{name}_{count + 1}"
            self._names[fresh] = 1
            self._notes.append(f"joint {name!r} appears again and is called {fresh!r}")
            name = fresh
        self._expect("{")
        self.joints.append(Joint(name=name, parent=parent))
        return len(self.joints) - 1

    def _offset(self, owner: int) -> None:
        x, y, z = self._number(), self._number(), self._number()
        if owner >= 0:
            self.joints[owner].offset = (x, y, z)
        else:
            self.joints[-2 - owner].end_site = (x, y, z)

    def _channels(self, joint: Joint) -> None:
        count = self._number()
        if count != int(count) or not 0 <= count <= 12:
            self._fail(f"expected 0 to 12 channels, got {count:g}")
        for _ in range(int(count)):
            word = self._word() or "the end"
            match = _CHANNEL.fullmatch(word)
            if match is None:
                self._fail(f"expected a channel such as Xrotation, got {word!r}")
            joint.channels.append(("xyz".index(match[1].lower()), match[2].lower() == "rotation"))

    def _word(self) -> str | None:
        match = _TOKEN.search(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _name(self) -> str:
        match = _NAMED.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0].strip()

    def _expect(self, brace: str) -> None:
        word = self._word()
        if word != brace:
            self._fail(f"expected {brace!r}, got {word!r}")

    def _number(self) -> float:
        word = self._word() or "the end"
        try:
            value = float(word)
        except ValueError:
            hint = "; write decimals with a point" if _DECIMAL_COMMA.search(word) else ""
            self._fail(f"expected a number, got {word!r}{hint}")
        if not math.isfinite(value) or abs(value) > _LARGEST:
            self._fail(f"expected a finite number, got {word!r}")
        return value

    def _fail(self, why: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise FormatError(f"line {line}: {why}")


def _motion(data: bytes, start: int, line: int, joints: list[Joint], notes: list[str]) -> BvhText:
    head = _HEAD.match(data, start)
    frames, time = (head["frames"], head["time"]) if head else (None, None)
    end = head.end() if head else start
    line += data.count(b"\n", start, end)
    columns = sum(len(joint.channels) for joint in joints)
    if columns == 0:
        raise FormatError("expected CHANNELS, got a hierarchy without any")
    if time is None:
        raise FormatError("expected 'Frame Time: seconds' after MOTION, got none")
    seconds = _scalar(time, "Frame Time", line - 1)
    if not 1e-5 <= seconds <= 3600:
        raise FormatError(
            f"line {line - 1}: Frame Time: expected a positive number of seconds, got {seconds:g}"
        )
    declared = None
    if frames is not None and frames.strip():
        count = _scalar(frames, "Frames", line - 2)
        declared = int(count)
    # A view: the numbers are nearly the whole file.
    values = _numbers(memoryview(data)[end:], line, columns, declared, notes)
    if len(values) == 0:
        raise FormatError(f"line {line}: expected a frame of {columns} numbers, got none")
    if declared is None:
        notes.append(f"no frame count is stated; {len(values)} frames are there")
    elif declared != len(values):
        notes.append(f"{declared} frames are stated; {len(values)} are there and were read")
    return BvhText(
        joints=joints,
        frame_time_s=seconds,
        values=values,
        declared_frames=declared,
        notes=notes,
    )


def _scalar(raw: bytes, what: str, line: int) -> float:
    text = raw.decode("utf-8", "replace").strip()
    try:
        value = float(text)
    except ValueError:
        hint = "; write decimals with a point" if _DECIMAL_COMMA.search(text) else ""
        raise FormatError(f"line {line}: {what}: expected a number, got {text!r}{hint}") from None
    if not math.isfinite(value):
        raise FormatError(f"line {line}: {what}: expected a finite number, got {text!r}")
    return value


def _numbers(
    block: memoryview, line: int, columns: int, declared: int | None, notes: list[str]
) -> F64:
    """Return (T, columns): at once where all is well, else line by line to name what is not."""
    stated = None if declared is None else declared * columns
    for count in dict.fromkeys((stated, None)):  # a right count saves a copy, a wrong one is common
        try:
            flat = parse_numbers(block, count)
        except FormatError:
            continue
        if flat.size and flat.size % columns == 0 and max(flat.max(), -flat.min()) <= _LARGEST:
            return flat.reshape(-1, columns)
    return _line_by_line(bytes(block), line, columns, notes)


def _line_by_line(block: bytes, line: int, columns: int, notes: list[str]) -> F64:
    rows = [
        (number, row.split())
        for number, row in enumerate(block.split(b"\n"), line)
        if row.strip() and not row.lstrip().startswith(_COMMENT)
    ]
    values: list[list[float]] = []
    for place, (number, words) in enumerate(rows):
        last = place == len(rows) - 1
        if len(words) != columns:
            if last and len(words) < columns and values:
                notes.append(f"line {number}: the last frame is cut off and was left out")
                break
            comma = any(b"," in word for word in words)
            hint = "; write decimals with a point and put spaces between" if comma else ""
            raise FormatError(f"line {number}: expected {columns} numbers, got {len(words)}{hint}")
        values.append([_value(word, number) for word in words])
    return np.array(values, np.float64).reshape(-1, columns)


def _value(word: bytes, line: int) -> float:
    text = word.decode("utf-8", "replace")
    try:
        value = float(text)
    except ValueError:
        hint = "; write decimals with a point" if "," in text else ""
        raise FormatError(f"line {line}: expected a number, got {text[:40]!r}{hint}") from None
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise FormatError(f"line {line}: expected a finite number, got {text[:40]!r}")
    return value
