"""Avatars by name or path; generated ones are kept in the cache."""

from __future__ import annotations

from pathlib import Path

from twinsdk import formats
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.avatar import Avatar
from twinsdk.core.files import cache_dir
from twinsdk.errors import AvatarError, TwinError

__all__ = ["GENERATOR_VERSION", "cached_avatar", "load_avatar"]

# Part of the cache's key: raise it whenever a spec gives another avatar than before.
GENERATOR_VERSION = "1.11"
_NAMES = ("default",)


def load_avatar(path_or_name: str | Path = "default", *, progress: bool = True) -> Avatar:
    """Return an avatar by name, by its spec's JSON file, or read from an avatar file.

    Args:
        path_or_name: "default", a .json of `AvatarSpec`, or a file that `twinsdk.formats` reads.
        progress: Whether to show a bar where something is baked.

    Raises:
        AvatarError: It is neither a name nor a file.
        FileMissingError, FormatError, NotHumanoidError: The file is missing or no humanoid avatar.
    """
    if str(path_or_name) in _NAMES:
        return cached_avatar(AvatarSpec(), progress=progress)
    path = Path(path_or_name)
    if not path.exists() and not path.suffix:
        raise AvatarError(f"avatar: expected a file or one of {list(_NAMES)}, got {path_or_name!s}")
    if path.suffix.lower() == ".json":
        return cached_avatar(AvatarSpec.load(path), progress=progress)
    return formats.load_avatar(path)


def cached_avatar(spec: AvatarSpec, *, progress: bool = True) -> Avatar:
    """Return the avatar of a spec, generated once and kept in the cache.

    A cache file that cannot be read is made again.

    Raises:
        AvatarError, DependencyError: As `generate_avatar`.
    """
    path = cache_dir("avatars") / f"avatar-{GENERATOR_VERSION}-{spec.digest()[:24]}.npz"
    if path.is_file():
        try:
            return formats.load_avatar(path)
        except TwinError:
            path.unlink(missing_ok=True)
    from twinsdk.avatar.generate import generate_avatar

    avatar = generate_avatar(spec, progress=progress)
    formats.save_avatar(avatar, path)
    return avatar
