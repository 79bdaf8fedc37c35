"""An avatar's VRM file over the state plane: by content hash, in chunks, checked."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.core.files import cache_dir, existing_file, sha256_of
from twinsdk.errors import FormatError, OutputError, WireError

__all__ = [
    "CHUNK_BYTES",
    "MAX_FILE_BYTES",
    "AvatarFile",
    "FileChunk",
    "FileFetch",
    "FileRequest",
    "read_chunk",
    "read_request",
    "write_chunk",
    "write_request",
]

CHUNK_BYTES = 1 << 17
MAX_FILE_BYTES = 1 << 28
MAX_CACHE_BYTES = 1 << 30
"""Of received files together; beyond that the ones longest unused are removed."""
HASH_BYTES = 32
_MAGIC = b"glTF"  # a VRM is a binary glTF


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """Ask for the chunk of a file that starts at a byte."""

    sha256: bytes
    offset: int


@dataclass(frozen=True, kw_only=True)
class FileChunk:
    """Part of a file: `CHUNK_BYTES`, fewer only at its end."""

    sha256: bytes
    offset: int
    data: bytes


class AvatarFile:
    """A file to give away, held in memory so that what is sent is what was hashed.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no binary glTF, or larger than `MAX_FILE_BYTES`.
    """

    def __init__(self, path: str | Path) -> None:
        file = existing_file(path, what="avatar file")
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(
                f"avatar file: expected at most {MAX_FILE_BYTES >> 20} MiB, got "
                f"{size >> 20} MiB: {file}"
            )
        self._data = file.read_bytes()
        if self._data[:4] != _MAGIC:
            raise FormatError(
                f"avatar file: expected a .vrm or .glb, got a file that starts with "
                f"{self._data[:4]!r}; convert it with twinsdk avatar convert: {file}"
            )
        self.sha256 = hashlib.sha256(self._data).digest()

    def __len__(self) -> int:
        """Return its bytes."""
        return len(self._data)

    def chunk(self, request: FileRequest) -> FileChunk | None:
        """Return what was asked for, None where it is not of this file."""
        if request.sha256 != self.sha256 or not 0 <= request.offset < len(self._data):
            return None
        data = self._data[request.offset : request.offset + CHUNK_BYTES]
        return FileChunk(sha256=self.sha256, offset=request.offset, data=data)


class FileFetch:
    """A file on its way into the cache; begins where an earlier try stopped.

    Args:
        sha256: Of the whole file.
        size: Its bytes.

    Raises:
        WireError: The offer makes no sense, or is larger than `MAX_FILE_BYTES`.
    """

    def __init__(self, sha256: bytes, size: int) -> None:
        if len(sha256) != HASH_BYTES or not len(_MAGIC) <= size <= MAX_FILE_BYTES:
            raise WireError(
                f"avatar file: expected a SHA-256 and 4 bytes to {MAX_FILE_BYTES >> 20} MiB, got "
                f"{len(sha256)} bytes of hash and a file of {size} bytes"
            )
        self._sha256, self._size = sha256, size
        # The name is the hash's digits: nothing the sender says becomes part of a path.
        self.path = cache_dir("avatars", "received") / f"{sha256.hex()}.vrm"
        self._part = self.path.with_suffix(".part")
        self.is_done = self._is_whole(self.path)
        if self.is_done:
            _mark_used(self.path)
        else:
            _make_room(size, keep=self._part)
        self._have = self._part.stat().st_size if self._part.exists() else 0
        if self._have > size:
            self._part.unlink(missing_ok=True)
            self._have = 0
        if not self.is_done and self._have == size:
            self._finish()

    @property
    def request(self) -> FileRequest:
        """What to ask for next."""
        return FileRequest(sha256=self._sha256, offset=self._have)

    def add(self, chunk: FileChunk) -> bool:
        """Keep a chunk and return whether it was the one that was asked for.

        Raises:
            WireError: The file is whole and not what its hash says; the try is thrown away.
            OutputError: It cannot be written.
        """
        wanted = min(CHUNK_BYTES, self._size - self._have)
        if (
            self.is_done
            or chunk.sha256 != self._sha256
            or chunk.offset != self._have
            or len(chunk.data) != wanted
        ):
            return False
        # At its place and not appended: other receivers here write the same bytes to the same file.
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | (0 if self._have else os.O_CREAT)
        try:
            with os.fdopen(os.open(self._part, flags, 0o666), "r+b") as file:
                file.seek(chunk.offset)
                file.write(chunk.data)
        except FileNotFoundError:  # another receiver finished it, or somebody removed it
            self._have = 0
            self.is_done = self._is_whole(self.path)
            return True
        except OSError as error:
            raise OutputError(
                f"avatar file: cannot write ({error.strerror}): {self._part}"
            ) from error
        self._have += wanted
        if self._have == self._size:
            self._finish()
        return True

    def _is_whole(self, file: Path) -> bool:
        try:
            with file.open("rb") as opened:
                magic = opened.read(len(_MAGIC))
            return magic == _MAGIC and sha256_of(file) == self._sha256.hex()
        except OSError:
            return False

    def _finish(self) -> None:
        if self._is_whole(self._part):
            with suppress(FileNotFoundError):  # another receiver was faster
                self._part.replace(self.path)
        self.is_done = self._is_whole(self.path)
        if not self.is_done:
            self._part.unlink(missing_ok=True)
            self._have = 0
            raise WireError(
                f"avatar file: expected a VRM of SHA-256 {self._sha256.hex()[:16]}..., what came "
                "is another; ask again"
            )


def _mark_used(file: Path) -> None:
    with suppress(OSError):
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))


def _make_room(size: int, *, keep: Path) -> None:
    """Remove received files, longest unused first, until one of `size` bytes fits too."""
    found = []
    for file in keep.parent.glob("*.*"):
        with suppress(OSError):  # somebody else made room
            status = file.stat()
            if file != keep:
                last = max(status.st_atime_ns, status.st_mtime_ns)
                found.append((last, status.st_size, file))
    total = size + sum(entry[1] for entry in found)
    for _, bytes_, file in sorted(found):
        if total <= MAX_CACHE_BYTES:
            return
        with suppress(OSError):
            file.unlink()
            total -= bytes_


def write_request(builder: Any, message: FileRequest) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    sha256 = builder.CreateByteVector(message.sha256)
    fb.FileRequestStart(builder)
    fb.FileRequestAddSha256(builder, sha256)
    fb.FileRequestAddOffset(builder, message.offset)
    return int(fb.FileRequestEnd(builder))


def read_request(table: Any) -> FileRequest:
    """Return the message in a table.

    Raises:
        WireError: Its hash is none.
    """
    return FileRequest(
        sha256=read_hash(table.Sha256Length, table.Sha256AsNumpy), offset=table.Offset()
    )


def write_chunk(builder: Any, message: FileChunk) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    data = builder.CreateNumpyVector(np.frombuffer(message.data, np.uint8))
    sha256 = builder.CreateByteVector(message.sha256)
    fb.FileChunkStart(builder)
    fb.FileChunkAddSha256(builder, sha256)
    fb.FileChunkAddOffset(builder, message.offset)
    fb.FileChunkAddData(builder, data)
    return int(fb.FileChunkEnd(builder))


def read_chunk(table: Any) -> FileChunk:
    """Return the message in a table.

    Raises:
        WireError: Its hash is none, or it is empty or too long.
    """
    size = table.DataLength()
    if not 1 <= size <= CHUNK_BYTES:
        raise WireError(f"file chunk: expected 1 to {CHUNK_BYTES} bytes, got {size}")
    return FileChunk(
        sha256=read_hash(table.Sha256Length, table.Sha256AsNumpy),
        offset=table.Offset(),
        data=table.DataAsNumpy().tobytes(),
    )


def read_hash(length: Any, content: Any) -> bytes:
    """Return the SHA-256 a table holds.

    Raises:
        WireError: It has another length.
    """
    if length() != HASH_BYTES:
        raise WireError(f"state message: expected a hash of {HASH_BYTES} bytes, got {length()}")
    return bytes(content().tobytes())
