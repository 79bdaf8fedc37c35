"""Why a video file cannot be played, told from its bytes alone.

OpenCV says only "not opened". The boxes of MP4 and MOV (ISO 14496-12, section 4.2) are simple
enough to tell an interrupted recording, sound without picture, and text with a wrong name apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Mp4Boxes", "inspect_mp4", "why_unplayable"]

_SOUND_STARTS = (b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf1")
_MOST_BOXES = 10_000


@dataclass(frozen=True, kw_only=True)
class Mp4Boxes:
    """What the boxes of an MP4 or MOV file say.

    Attributes:
        has_index: Whether the `moov` box, without which nothing can be played, is whole.
        missing_bytes: How far the last box reaches beyond the end of the file.
        tracks: Handler of each track: "vide", "soun", ...
    """

    has_index: bool
    missing_bytes: int
    tracks: tuple[str, ...]


def inspect_mp4(path: Path) -> Mp4Boxes | None:
    """Return what the boxes say, or None when the file is not MP4 or MOV."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(8)[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return None
        has_index, missing, tracks = False, 0, []
        for kind, start, end in _boxes(stream, 0, size):
            missing = max(missing, end - size)
            if kind == b"moov" and end <= size:
                has_index = True
                tracks = list(_handlers(stream, start, end))
    return Mp4Boxes(has_index=has_index, missing_bytes=missing, tracks=tuple(tracks))


def why_unplayable(path: Path) -> str:
    """Return the reason, in words, that no picture can be read from the file."""
    boxes = inspect_mp4(path)
    if boxes is not None:
        if not boxes.has_index:
            return (
                "the recording was cut off before its index (moov box) was written; "
                "record it again or repair it"
            )
        if "vide" not in boxes.tracks:
            return f"it has no picture, only {' and '.join(_words(boxes.tracks)) or 'nothing'}"
        return "its picture cannot be decoded; convert it to H.264, VP9 or MPEG-4"
    return _why_other(path)


def _why_other(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(_SOUND_STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"WAVE"):
        return "it holds sound only, no picture"
    if _is_text(start):
        return "it is text, whatever its name says"
    if start.startswith(b"\x1aE\xdf\xa3"):
        return "this WebM or Matroska file has no picture that can be decoded"
    return "it is no video, or of a kind or codec that OpenCV does not read"


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start of the payload, end) of each box between two offsets."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        stream.seek(start)
        size, kind = struct.unpack(">I4s", stream.read(8))
        payload = start + 8
        if size == 1:
            long_size = stream.read(8)
            if len(long_size) < 8:
                return
            size, payload = struct.unpack(">Q", long_size)[0], payload + 8
        elif size == 0:  # to the end of the file
            size = end - start
        if size < payload - start:
            return
        yield kind, payload, start + size
        start += size


def _handlers(stream: BinaryIO, start: int, end: int) -> Iterator[str]:
    """Yield the handler of each track: moov / trak / mdia / hdlr."""
    for trak, trak_start, trak_end in _boxes(stream, start, end):
        if trak != b"trak":
            continue
        for mdia, mdia_start, mdia_end in _boxes(stream, trak_start, min(trak_end, end)):
            if mdia != b"mdia":
                continue
            for hdlr, inner, _ in _boxes(stream, mdia_start, min(mdia_end, end)):
                if hdlr == b"hdlr":
                    stream.seek(inner + 8)  # version, flags and a zero word come first
                    yield stream.read(4).decode("latin-1")


def _words(tracks: tuple[str, ...]) -> list[str]:
    known = {"soun": "sound", "text": "text", "sbtl": "subtitles", "subt": "subtitles"}
    return sorted({known.get(track, repr(track)) for track in tracks})


def _is_text(start: bytes) -> bool:
    try:
        text = start[:500].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)
