"""Where files go: the cache and data folders, atomic writing, checksums."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinsdk.errors import FileMissingError, OutputError

__all__ = [
    "atomic_path",
    "cache_dir",
    "data_dir",
    "existing_file",
    "existing_folder",
    "sha256_of",
]


def cache_dir(*parts: str) -> Path:
    """Return (and make) the user's cache folder, or a folder inside it.

    `TWINSDK_CACHE` names another one; the default is `~/.cache/twinsdk`.

    Raises:
        OutputError: It cannot be made.
    """
    root = os.environ.get("TWINSDK_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "twinsdk"
    return _made(base.joinpath(*parts), what="cache", variable="TWINSDK_CACHE")


def data_dir(*parts: str) -> Path:
    """Return (and make) the folder of what is the user's own, or a folder inside it.

    `TWINSDK_DATA` names another one; the default is `twinsdk` in `XDG_DATA_HOME`, which is
    `~/.local/share` where it is not set.

    Raises:
        OutputError: It cannot be made.
    """
    root = os.environ.get("TWINSDK_DATA")
    shared = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    base = Path(root) if root else Path(shared) / "twinsdk"
    return _made(base.joinpath(*parts), what="data", variable="TWINSDK_DATA")


def _made(path: Path, *, what: str, variable: str) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{what}: cannot make the folder ({error.strerror}); set {variable}: {path}"
        ) from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed onto `path`, else removed.

    The temporary name keeps the suffix, since many writers choose their format by it.

    Raises:
        OutputError: The folder is missing or not writable.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"output: expected a file name, got a folder: {target}")
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:40]}-", suffix=target.suffix, dir=target.parent
        )
    except OSError as error:
        raise OutputError(f"output: cannot write there ({error.strerror}): {target}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp made it private
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def existing_file(path: str | Path, *, what: str) -> Path:
    """Return `path` when it is a readable, non-empty file.

    Raises:
        FileMissingError: It is not there, or is a folder or empty.
    """
    file = Path(path)
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise FileMissingError(f"{what}: no such file: {file}") from None
    except OSError as error:
        raise FileMissingError(f"{what}: no such file ({error.strerror}): {file}") from error
    if stat.S_ISDIR(found.st_mode):
        raise FileMissingError(f"{what}: expected a file, got a folder: {file}")
    if found.st_size == 0:
        raise FileMissingError(f"{what}: the file is empty: {file}")
    return file


def existing_folder(path: str | Path, *, what: str) -> Path:
    """Return `path` when it is a folder.

    Raises:
        FileMissingError: It is not there, or is a file.
    """
    folder = Path(path)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing there"
        raise FileMissingError(f"{what}: expected a folder, got {found}: {folder}")
    return folder


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
