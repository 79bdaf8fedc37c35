"""Pictures of an avatar for its own file and for people: the thumbnail and the turning film."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar
from twinsdk.render import Camera, Renderer, VideoWriter

__all__ = ["film_turn", "thumbnail", "with_thumbnail"]

_THUMBNAIL_PX = 512
_TURN_PX = (480, 720)
_TURN_S = 6.0
_TURN_FPS = 24


def with_thumbnail(avatar: Avatar) -> Avatar:
    """Return the avatar with its picture in `meta["thumbnail"]`, as VRM files carry it.

    Raises:
        DependencyError: Open3D is not installed.
    """
    return replace(avatar, meta={**avatar.meta, "thumbnail": thumbnail(avatar)})


def thumbnail(avatar: Avatar) -> bytes:
    """Return a JPEG of head and shoulders, square.

    Raises:
        DependencyError: Open3D is not installed.
    """
    from PIL import Image

    renderer = Renderer(avatar.mesh, _THUMBNAIL_PX, _THUMBNAIL_PX, antialias=2)
    camera = Camera.framing(_bust(avatar), 1.08, yaw_deg=18.0, pitch_deg=2.0, aspect=1.0)
    stream = io.BytesIO()
    Image.fromarray(renderer.draw(camera=camera)).save(stream, "JPEG", quality=88)
    return stream.getvalue()


def film_turn(avatar: Avatar, path: str | Path, *, progress: bool = True) -> Path:
    """Film the avatar in its rest pose from all around, once; return the path.

    The last frame is followed by the first without a jump.

    Args:
        avatar: Who is shown.
        path: .mp4 or .webm.
        progress: Whether to show a bar.

    Raises:
        OutputError: The film cannot be written.
        DependencyError: Open3D is not installed.
    """
    from tqdm import tqdm

    renderer = Renderer(avatar.mesh, *_TURN_PX, antialias=2)
    # A cylinder about the vertical axis, so that the distance is the same all around.
    low, high = avatar.mesh.vertices.min(0), avatar.mesh.vertices.max(0)
    radius = float(np.abs(avatar.mesh.vertices[:, [0, 2]]).max())
    corners = np.array([[x, y, 0] for x in (-radius, radius) for y in (low[1], high[1])])
    first = Camera.framing(corners, 1.08, aspect=_TURN_PX[0] / _TURN_PX[1])
    x, y, z = (float(part) for part in np.subtract(first.position, first.target))
    count = round(_TURN_S * _TURN_FPS)
    quiet = None if progress else True
    with VideoWriter(path, _TURN_FPS, _TURN_PX) as video:
        x0, y0, z0 = first.target
        for i in tqdm(range(count), desc=f"rendering {Path(path).name}", disable=quiet):
            angle = 2 * np.pi * i / count
            sine, cosine = float(np.sin(angle)), float(np.cos(angle))
            place = (x0 + cosine * x + sine * z, y0 + y, z0 + cosine * z - sine * x)
            camera = replace(first, position=place)
            video.write(renderer.draw(camera=camera))
    return Path(path)


def _bust(avatar: Avatar) -> F32:
    """Return the vertices (N, 3) of head and neck, by who moves them, and a little below."""
    roles = avatar.roles()
    places = avatar.skeleton.rest_world()[1]
    head = places[avatar.skeleton.joint(roles["head"])]
    hips = places[avatar.skeleton.joint(roles["hips"])]
    reach = float(np.linalg.norm(head - hips))
    points = avatar.mesh.vertices
    near = np.linalg.norm(points[:, [0, 2]] - head[[0, 2]], axis=1) < 0.42 * reach
    above = points[:, 1] > head[1] - 0.28 * reach
    chosen = points[near & above]
    return chosen if len(chosen) else points
