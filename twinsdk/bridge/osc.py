"""Open Sound Control 1.0: just enough to write and read VMC messages.

Source: opensoundcontrol.stanford.edu/spec-1_0.html. Big-endian; everything padded to 4 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

from twinsdk.errors import WireError

__all__ = ["Argument", "bundles", "message", "messages", "text"]

Argument: TypeAlias = "int | float | str | bool | None"

_BUNDLE = b"#bundle\0" + struct.pack(">Q", 1)  # 1 means at once
_MAX_DEPTH = 8


def text(value: str) -> bytes:
    """Return a string, ended by at least one zero, padded."""
    data = value.encode() + b"\0"
    return data + b"\0" * (-len(data) % 4)


def message(address: str, *arguments: float | str) -> bytes:
    """Return a message of int, float and string arguments."""
    tags, data = ",", b""
    for value in arguments:
        if isinstance(value, str):
            tags, data = tags + "s", data + text(value)
        elif isinstance(value, int):
            tags, data = tags + "i", data + struct.pack(">i", value)
        else:
            tags, data = tags + "f", data + struct.pack(">f", value)
    return text(address) + text(tags) + data


def bundles(parts: list[bytes], limit_bytes: int) -> list[bytes]:
    """Return datagrams that hold all messages in order, none longer than the limit if avoidable."""
    found, current = [], _BUNDLE
    for part in parts:
        element = struct.pack(">i", len(part)) + part
        if len(current) + len(element) > limit_bytes and current != _BUNDLE:
            found.append(current)
            current = _BUNDLE
        current += element
    return [*found, current]


def messages(datagram: bytes, _depth: int = 0) -> Iterator[tuple[str, list[Argument]]]:
    """Yield the address and arguments of each message in a datagram, bundles unpacked.

    Raises:
        WireError: It is no OSC.
    """
    if datagram.startswith(b"#bundle\0"):
        if _depth >= _MAX_DEPTH:
            raise WireError(f"osc: expected at most {_MAX_DEPTH} bundles inside each other")
        at = 16
        while at + 4 <= len(datagram):
            (size,) = struct.unpack_from(">i", datagram, at)
            if not 0 < size <= len(datagram) - at - 4:
                raise WireError(f"osc: an element of {size} bytes does not fit its datagram")
            yield from messages(datagram[at + 4 : at + 4 + size], _depth + 1)
            at += 4 + size
        return
    if not datagram.startswith(b"/"):
        raise WireError(f"osc: expected an address or a bundle, got {datagram[:8]!r}")
    address, at = _read_text(datagram, 0)
    tags, at = _read_text(datagram, at) if at < len(datagram) else (",", at)
    if not tags.startswith(","):
        raise WireError(f"osc: expected type tags, got {tags[:8]!r}")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        value, at = _read_argument(datagram, at, tag)
        arguments.append(value)
    yield address, arguments


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise WireError("osc: a string does not end")
    try:
        return data[at:end].decode(), end + 4 - (end - at) % 4
    except UnicodeDecodeError as error:
        raise WireError("osc: a string is not UTF-8") from error


def _read_argument(data: bytes, at: int, tag: str) -> tuple[Argument, int]:
    if tag == "s":
        return _read_text(data, at)
    if tag in "TFN":
        return {"T": True, "F": False, "N": None}[tag], at
    formats = {"f": ">f", "i": ">i", "d": ">d", "h": ">q"}
    if tag not in formats:
        raise WireError(f"osc: expected arguments i, f, s, d, h, T, F or N, got {tag!r}")
    kind = struct.Struct(formats[tag])
    if at + kind.size > len(data):
        raise WireError("osc: the arguments are cut short")
    return kind.unpack_from(data, at)[0], at + kind.size
