"""Figure: a file as something motion can be put on, its joints mapped where it names none."""

from __future__ import annotations

from pathlib import Path

from twinsdk.core.avatar import Avatar
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.formats import load_avatar, load_clip
from twinsdk.formats.dispatch import AVATAR_READERS, CLIP_READERS, extension
from twinsdk.retarget.mapping import humanoid_map

__all__ = ["load_figure"]

_GLTF = (".glb", ".gltf", ".vrm")


def load_figure(path: str | Path) -> Avatar | Skeleton:
    """Return the avatar in a file, or the skeleton of a motion file.

    A GLB that does not say which joint is which is mapped as `humanoid_map` finds it.

    Raises:
        FileMissingError, FormatError: The file is not there or cannot be read.
        NotHumanoidError: It holds no humanoid.
    """
    kind = extension(path)
    if kind in _GLTF:
        return _gltf(path)
    if kind in AVATAR_READERS and kind not in CLIP_READERS:
        return load_avatar(path)
    if kind == ".npz":  # the one extension that is both
        try:
            return load_avatar(path)
        except NotHumanoidError:
            raise
        except ValueError:
            return load_clip(path).skeleton
    return load_clip(path).skeleton


def _gltf(path: str | Path) -> Avatar | Skeleton:
    from twinsdk.core.files import existing_file
    from twinsdk.formats.gltf_read import read_rig

    existing_file(path, what="avatar")
    rig = read_rig(path)
    if rig.humanoid:
        return rig.avatar()
    try:
        found = humanoid_map(rig.skeleton)
    except NotHumanoidError as error:
        raise NotHumanoidError(f"{error}: {path}") from error
    return rig.avatar({joint: role for role, joint in found.roles.items()})
