"""Which module reads or writes a file, by its extension; modules load when a file needs them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import existing_file
from twinsdk.errors import FormatError, OutputError

__all__ = [
    "AVATAR_READERS",
    "AVATAR_WRITERS",
    "CLIP_READERS",
    "CLIP_WRITERS",
    "extension",
    "load_avatar",
    "load_clip",
    "read_npz",
    "save_avatar",
    "save_clip",
]

# extension -> "module:function"; each takes (path) or (value, path).
CLIP_READERS: dict[str, str] = {
    ".amc": "acclaim:read_clip",
    ".amc.gz": "acclaim:read_clip",
    ".bvh": "bvh:read_clip",
    ".bvh.gz": "bvh:read_clip",
    ".c3d": "points:read_c3d_clip",
    ".fbx": "fbx:read_clip",
    ".glb": "animation:read_clip",
    ".gltf": "animation:read_clip",
    ".npz": "dispatch:read_npz",
    ".trc": "points:read_trc_clip",
    ".twinclip": "journal:read_clip",
    ".usd": "usd_read:read_clip",
    ".usda": "usd_read:read_clip",
    ".usdc": "usd_read:read_clip",
    ".usdz": "usd_read:read_clip",
    ".vrm": "animation:read_clip",
    ".vrma": "vrma:read_clip",
}
CLIP_WRITERS: dict[str, str] = {
    ".bvh": "bvh:write_clip",
    ".bvh.gz": "bvh:write_clip",
    ".csv": "csv_write:write_clip",
    ".glb": "animation:write_clip",
    ".gltf": "animation:write_clip",
    ".npz": "npz:write_clip",
    ".trc": "markers:write_trc",
    ".usd": "usd:write_clip",
    ".usda": "usd:write_clip",
    ".usdc": "usd:write_clip",
    ".usdz": "usd:write_clip",
    ".vrma": "vrma:write_clip",
}
AVATAR_READERS: dict[str, str] = {
    ".glb": "gltf_read:read_avatar",
    ".gltf": "gltf_read:read_avatar",
    ".npz": "npz:read_avatar",
    ".vrm": "gltf_read:read_avatar",
}
AVATAR_WRITERS: dict[str, str] = {
    ".glb": "gltf_write:write_avatar",
    ".gltf": "gltf_write:write_avatar",
    ".npz": "npz:write_avatar",
    ".obj": "surface_write:write_obj",
    ".ply": "surface_write:write_ply",
    ".usdz": "usd:write_avatar",
    ".vrm": "gltf_write:write_avatar",
}
# These can name a person's joints inside the file.
_TAKES_HUMANOID = (".glb", ".gltf", ".vrma")


def load_clip(path: str | Path) -> MotionClip:
    """Read a motion file; its extension says which kind it is.

    Raises:
        FileMissingError: There is no such file.
        FormatError: The extension is unknown, or the file is not what it says.
    """
    reader = _choose(path, CLIP_READERS, "load_clip", existing=True)
    clip: MotionClip = reader(path)
    return clip


def save_clip(
    clip: MotionClip, path: str | Path, *, humanoid: Mapping[str, str] | None = None
) -> None:
    """Write a motion file; its extension says which kind.

    Args:
        clip: The motion.
        path: Where to; complete or not there at all.
        humanoid: This skeleton's joint name -> VRM humanoid name, for .vrma and .glb; not needed
            where the joints already have VRM's names.

    Raises:
        OutputError: The extension is unknown, or the file cannot be written.
        NotHumanoidError: A .vrma is asked for and the joints a humanoid needs are not known.
    """
    writer = _choose(path, CLIP_WRITERS, "save_clip", existing=False)
    if humanoid is not None and extension(path) in _TAKES_HUMANOID:
        writer(clip, path, humanoid=humanoid)
    else:
        writer(clip, path)


def load_avatar(path: str | Path) -> Avatar:
    """Read an avatar file; its extension says which kind it is.

    Raises:
        FileMissingError: There is no such file.
        FormatError: The extension is unknown, or the file is not what it says.
        NotHumanoidError: The file holds a figure but not which joints make it a person.
    """
    reader = _choose(path, AVATAR_READERS, "load_avatar", existing=True)
    avatar: Avatar = reader(path)
    return avatar


def save_avatar(avatar: Avatar, path: str | Path) -> None:
    """Write an avatar file; its extension says which kind (.vrm is VRM 1.0).

    Raises:
        OutputError: The extension is unknown, or the file cannot be written.
    """
    _choose(path, AVATAR_WRITERS, "save_avatar", existing=False)(avatar, path)


def read_npz(path: str | Path) -> MotionClip:
    """Read a clip from an .npz: our own, or of AMASS.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is neither.
    """
    from twinsdk.formats import amass, npz

    return amass.read_clip(path) if amass.is_amass(path) else npz.read_clip(path)


def extension(path: str | Path) -> str:
    """Return the lower-case extension, ".bvh.gz" counted as one."""
    file = Path(path)
    if file.suffix.lower() == ".gz":
        return Path(file.stem).suffix.lower() + ".gz"
    return file.suffix.lower()


def _choose(path: str | Path, table: dict[str, str], verb: str, *, existing: bool) -> Any:
    kind = extension(path)
    if kind not in table:
        known = " ".join(table)
        kind_of_error = FormatError if existing else OutputError
        raise kind_of_error(
            f"{verb}: expected one of {known}, got {kind or 'no extension'}: {path}"
        )
    if existing:
        existing_file(path, what=verb)
    module, function = table[kind].split(":")
    return getattr(import_module(f"twinsdk.formats.{module}"), function)
