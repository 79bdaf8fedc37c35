"""Files of weights: arrays sealed by a hash, refused in words where version or hash differ.

An .npz: `about` (JSON: version, sizes, the SHA-256 of the arrays, what else is said of them) and
the arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.errors import FormatError, ModelMissingError

__all__ = ["averaged_weights", "plain_weights", "read_sealed", "write_sealed"]


@lru_cache(maxsize=8)
def plain_weights(package: str, name: str) -> dict[str, F32]:
    """Return the arrays of a small network's .npz that lies in a package, float32."""
    with (files(package) / name).open("rb") as stream, np.load(stream) as stored:
        return {key: stored[key].astype(np.float32) for key in stored.files}


def averaged_weights(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays of a training checkpoint, averaged where it has averages, and its progress.

    Raises:
        OSError, KeyError, ValueError: It is no such file.
    """
    with np.load(existing_file(path, what="checkpoint"), allow_pickle=False) as data:

        def under(prefix: str) -> dict[str, Array]:
            return {
                key.removeprefix(prefix): data[key] for key in data.files if key.startswith(prefix)
            }

        arrays = under("tracker/weights/") | under("tracker/average/")
        return arrays, {name: value.item() for name, value in under("progress/").items()}


def read_sealed(
    path: str | Path,
    *,
    what: str,
    version: int,
    sizes: Sequence[str],
    names: Sequence[str] | None = None,
) -> tuple[dict[str, Any], dict[str, int], dict[str, Array]]:
    """Return what a file says of itself, its sizes and its arrays.

    Args:
        path: The file.
        what: What it is of, for messages.
        version: The one that is understood.
        sizes: Those it has to tell.
        names: Arrays, in the order they were written in; None: all, by name.

    Raises:
        ModelMissingError: It is not there.
        FormatError: It is no such file, of another version, or damaged.
    """
    file = Path(path)
    if not file.exists():
        raise ModelMissingError(f"{what}: no weights there: {file}")
    existing_file(file, what=what)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            about = json.loads(str(data["about"]))
            found = names or sorted(name for name in data.files if name != "about")
            arrays = {name: data[name] for name in found}
        numbers = {name: int(about["sizes"][name]) for name in sizes}
        got, stated = int(about["version"]), str(about["sha256"])
    except Exception as error:  # zip, zlib, JSON and NumPy each have their own
        words = " ".join(str(error).split())[:120]
        raise FormatError(f"{what}: not a weights file ({words}): {file}") from error
    if got != version:
        raise FormatError(f"{what}: expected weights of version {version}, got {got}: {file}")
    digest = _digest(arrays)
    if digest != stated:
        raise FormatError(
            f"{what}: damaged: expected arrays of SHA-256 {stated[:16]}..., got "
            f"{digest[:16]}...; fetch the file again: {file}"
        )
    return about, numbers, arrays


def write_sealed(
    path: str | Path,
    arrays: Mapping[str, Array],
    *,
    version: int,
    sizes: Mapping[str, int],
    trained: Mapping[str, Any],
    **said: Any,
) -> str:
    """Write a file by atomic rename; return the SHA-256 of its arrays.

    Args:
        path: Ends in .npz.
        arrays: In the order they are read in.
        version: Of what is written.
        sizes: Of the network.
        trained: Of the run: data hash, windows, minutes...
        said: What else stands in `about`.
    """
    digest = _digest(arrays)
    about = {
        "version": version,
        "sizes": dict(sizes),
        **said,
        "sha256": digest,
        "trained": dict(trained),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    return digest


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        whole = np.ascontiguousarray(array)
        digest.update(f"{name} {whole.dtype.str} {whole.shape}".encode())
        digest.update(whole.tobytes())
    return digest.hexdigest()
