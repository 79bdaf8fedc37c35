"""One way for every reader to fail: a FormatError that says what, where and in which file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from twinsdk.core.files import existing_file
from twinsdk.errors import (
    DependencyError,
    FileMissingError,
    FormatError,
    NotHumanoidError,
    OutputError,
    TwinError,
    UsageError,
)

__all__ = ["read_bytes", "reading"]

MAX_FILE_BYTES = 2 << 30
_WORDS = 160  # of an error that is not ours, on one line
_OURS = (DependencyError, FileMissingError, NotHumanoidError, OutputError, UsageError)
# What Python raises when bytes or JSON are not of the kind a reader took for granted.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever a malformed file provokes into one FormatError that ends in `path`.

    Args:
        path: The file being read.
        what: Its kind, first word of the message ("BVH").

    Raises:
        FormatError: Anything but the kinds that already say what to do.
    """
    try:
        # Numbers beyond float32 become infinite here and are refused by the types they go into.
        with np.errstate(all="ignore"):
            yield
    except _OURS as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{error}: {path}") from error
    except TwinError as error:
        text = str(error)
        if isinstance(error, FormatError) and text.endswith(str(path)):
            raise
        raise FormatError(f"{what}: {text}: {path}") from error
    except _MALFORMED as error:
        words = " ".join(str(error).split())[:_WORDS]
        raise FormatError(
            f"{what}: the file is malformed ({type(error).__name__}: {words}): {path}"
        ) from error
    except OSError as error:  # of a file that this one names
        words = error.strerror or "it cannot be read"
        raise FormatError(f"{what}: a file it refers to: {words}: {path}") from error
    except MemoryError as error:
        raise FormatError(f"{what}: the file asks for more memory than there is: {path}") from error


def read_bytes(path: str | Path, *, what: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return a file's bytes, unless there are more than `limit`.

    Raises:
        FileMissingError: It is not there, or is a folder or empty.
        FormatError: It is larger than `limit` or cannot be read.
    """
    file = existing_file(path, what=what)
    size = file.stat().st_size
    if size > limit:
        raise FormatError(f"{what}: expected at most {limit} bytes, got {size}: {file}")
    try:
        return file.read_bytes()
    except OSError as error:
        raise FormatError(f"{what}: cannot be read ({error.strerror}): {file}") from error
