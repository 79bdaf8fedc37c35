"""What is odd about a valid avatar: scale, floor, sides, surface, textures, idle morphs."""

from __future__ import annotations

import io

import numpy as np

from twinsdk.core.avatar import Avatar, Mesh

__all__ = ["check_avatar"]

_TALL_M = (0.4, 2.8)
_FLOOR_M = 0.08
_LEAST_MOVE_M = 1e-5
_SAME_M = 1e-6


def check_avatar(avatar: Avatar) -> tuple[str, ...]:
    """Return what a user should know of an avatar before trusting it, in words; empty: nothing.

    Nothing of it stops the avatar from being used.
    """
    notes = [*_placement(avatar), *_surface(avatar.mesh), *_textures(avatar.mesh)]
    moves = np.linalg.norm(avatar.morphs.offsets, axis=-1).max(-1, initial=0.0)
    still = [n for n, m in zip(avatar.morphs.names, moves, strict=True) if m < _LEAST_MOVE_M]
    if still:
        notes.append(f"{len(still)} expressions move nothing: {', '.join(still[:6])}")
    return tuple(notes)


def _placement(avatar: Avatar) -> list[str]:
    notes = []
    heights = avatar.mesh.vertices[:, 1]
    tall = float(np.ptp(heights)) if len(heights) else 0.0
    low, high = _TALL_M
    if not low <= tall <= high:
        notes.append(
            f"it stands {tall:.3g} m tall, expected {low:g} to {high:g}: "
            "glTF counts in metres; scale it in the program that made it"
        )
    elif abs(float(heights.min())) > _FLOOR_M:
        notes.append(f"its lowest point is at {heights.min():.2f} m, expected the floor at 0")
    roles, places = avatar.roles(), avatar.skeleton.rest_world()[1]
    left, right = (
        places[avatar.skeleton.joint(roles[f"{side}UpperArm"])] for side in ("left", "right")
    )
    if left[0] < right[0]:
        notes.append("its left shoulder is on the right: it faces -Z, or sides are swapped")
    return notes


def _surface(mesh: Mesh) -> list[str]:
    if not len(mesh.triangles):
        return []
    _, welded = np.unique(np.round(mesh.vertices / _SAME_M), axis=0, return_inverse=True)
    corners = welded.reshape(-1)[mesh.triangles.astype(np.int64)]
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    _, count = np.unique(edges, axis=0, return_counts=True)
    shared = int((count > 2).sum())
    notes = []
    if shared > 0.02 * len(count):
        notes.append(
            f"{shared} of {len(count)} edges belong to more than two triangles: "
            "the surface is not one of solid parts, shadows and normals may show it"
        )
    alike = (corners == np.roll(corners, 1, axis=1)).any(1)
    if alike.sum() > 0.02 * len(corners):
        notes.append(f"{int(alike.sum())} of {len(corners)} triangles have no area")
    return notes


def _textures(mesh: Mesh) -> list[str]:
    from PIL import Image

    notes = []
    for material in mesh.materials:
        if material.texture is None:
            continue
        try:
            with Image.open(io.BytesIO(material.texture)) as picture:
                picture.verify()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            notes.append(f"the texture of {material.name!r} cannot be read: export it again")
    return notes
