"""Texture coordinates of the skin, and pictures whose pixels know where on the body they lie.

The base's own atlas gives a face a fifth of its width. The head's island is therefore spread over
a picture of its own, the more the nearer to the middle of the face; hands and arms keep theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse.csgraph
from scipy import ndimage, sparse

from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import vertex_normals
from twinsdk.core.arrays import F32, F64, Array

__all__ = ["FACE_PX", "SKIN_PX", "PixelMap", "concavity", "pixel_map", "skin_regions"]

FACE_PX = 1536
SKIN_PX = 1024
_FACE_CENTRE = (0.884, 0.516)  # between nose and mouth, in the base's atlas
_MOUTH_CENTRE = (0.84, 0.92)
_SPREAD = 0.62  # exponent of the distance from there: 1 keeps the atlas as it is
_PADDING_PX = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelMap:
    """For each pixel of a picture, where on the template it lies.

    Attributes:
        covered: (S, S) whether a triangle covers the pixel (or one beside it does).
        place: (S, S, 3) metres on the template.
        hollow: (S, S) of `concavity`.
        atlas: (S, S, 2) uv in the base's own atlas, for its masks.
    """

    covered: Array
    place: F32
    hollow: F32
    atlas: F32


def skin_regions(base: Base) -> dict[str, tuple[Array, F64]]:
    """Return name -> (quad indices, uv of their corners (Q, 4, 2)) of face, skin and mouth."""
    quads = base.group("body")
    uvs = base.uvs[base.quad_uvs[quads]].astype(np.float64)
    islands = _islands(base.quad_uvs[quads].astype(np.int64), len(base.uvs))

    def island_at(place: tuple[float, float]) -> Array:
        near = np.abs(uvs.mean(1) - place).max(-1).argmin()
        return islands == islands[near]

    face, mouth = island_at(_FACE_CENTRE), island_at(_MOUTH_CENTRE)
    spread = _spread(uvs[face])
    return {
        "face": (quads[face], spread),
        "skin": (quads[~face & ~mouth], uvs[~face & ~mouth]),
        "mouth": (quads[mouth], uvs[mouth]),
    }


@lru_cache(maxsize=2)
def pixel_map(base: Base, region: str) -> PixelMap:
    """Return the pixel map of "face" or "skin"."""
    size = FACE_PX if region == "face" else SKIN_PX
    quads, uvs = skin_regions(base)[region]
    corners = base.quads[quads].astype(np.int64)
    values = np.concatenate(
        [
            base.template[corners],
            concavity(base)[corners][..., None],
            base.uvs[base.quad_uvs[quads]],
        ],
        axis=-1,
    )
    picture = np.zeros((size, size, values.shape[-1]), np.float32)
    covered = np.zeros((size, size), bool)
    for split in ([0, 1, 2], [0, 2, 3]):
        _fill(picture, covered, uvs[:, split] * size, values[:, split])
    distance, nearest = ndimage.distance_transform_edt(~covered, return_indices=True)
    picture = picture[nearest[0], nearest[1]]  # padding: filtering must not bleed over a border
    return PixelMap(
        covered=distance < _PADDING_PX,
        place=picture[..., :3],
        hollow=picture[..., 3],
        atlas=picture[..., 4:],
    )


@lru_cache(maxsize=1)
def concavity(base: Base) -> F32:
    """Return (V,) how hollow the template is at each vertex: 0 flat or bulging, 1 deep."""
    quads = base.quads[base.group("body")].astype(np.int64)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    place = base.template.astype(np.float64)
    normals = vertex_normals(place, triangles)
    total, count = np.zeros_like(place), np.zeros(len(place))
    for i in range(4):
        for j in ((i + 1) % 4, (i + 3) % 4):
            np.add.at(total, quads[:, i], place[quads[:, j]])
            np.add.at(count, quads[:, i], 1)
    pull = total / np.maximum(count, 1)[:, None] - place
    edge = np.linalg.norm(place[quads[:, 0]] - place[quads[:, 1]], axis=1).mean()
    hollow = np.clip((pull * normals).sum(1) / (0.12 * edge), 0, 1)
    for _ in range(2):  # a crease darkens its banks too
        total = np.zeros(len(place))
        for i in range(4):
            for j in ((i + 1) % 4, (i + 3) % 4):
                np.add.at(total, quads[:, i], hollow[quads[:, j]])
        hollow = 0.5 * hollow + 0.5 * total / np.maximum(count, 1)
    return hollow.astype(np.float32)


def _islands(quad_uvs: Array, count: int) -> Array:
    """Return for each quad which connected piece of the atlas it belongs to."""
    a, b = quad_uvs[:, [0, 1, 2]].ravel(), quad_uvs[:, [1, 2, 3]].ravel()
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    _, labels = scipy.sparse.csgraph.connected_components(links, directed=False)
    out: Array = labels[quad_uvs[:, 0]]
    return out


def _spread(uvs: F64) -> F64:
    """Return the uvs moved away from the face's middle, filling the unit square."""
    away = uvs - _FACE_CENTRE
    far = np.abs(away).reshape(-1, 2).max(0)
    away = away / far
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    moved = away * np.maximum(distance, 1e-9) ** (_SPREAD - 1)
    low, high = moved.reshape(-1, 2).min(0), moved.reshape(-1, 2).max(0)
    return 0.01 + 0.98 * (moved - low) / (high - low)


def _fill(picture: F32, covered: Array, corners: F64, values: Array) -> None:
    """Draw triangles (N, 3, 2) in pixels, interpolating `values` (N, 3, C), into `picture`."""
    size = len(picture)
    for triangle, value in zip(corners, values, strict=True):
        x0, y0 = np.maximum(np.floor(triangle.min(0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(triangle.max(0)).astype(int) + 1, size)
        (ax, ay), (bx, by), (cx, cy) = triangle
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0 or x1 <= x0 or y1 <= y0:
            continue
        x, y = np.arange(x0, x1) + 0.5, (np.arange(y0, y1) + 0.5)[:, None]
        v = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        w = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        inside = (v >= -1e-6) & (w >= -1e-6) & (v + w <= 1 + 1e-6)
        if not inside.any():
            continue
        share = np.stack([1 - v - w, v, w], -1)[inside]
        picture[y0:y1, x0:x1][inside] = share @ value
        covered[y0:y1, x0:x1][inside] = True
