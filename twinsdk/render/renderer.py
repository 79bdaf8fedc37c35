"""Renderer: pictures of a mesh without a GPU or a display, by casting rays (Open3D, Embree).

Per frame: one bounding hierarchy over the moved vertices (8 ms for 27 000 triangles on a 2-core
machine), one ray a pixel where the mesh can be, one shadow ray a hit, shading in NumPy over the
hits alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twinsdk.core.arrays import F32, U8, Array, as_f32
from twinsdk.core.avatar import Mesh
from twinsdk.errors import ShapeError, ValueRangeError
from twinsdk.render.camera import Camera
from twinsdk.render.light import Lights, Studio, backdrop, backdrop_bytes, pixel_centres
from twinsdk.render.shadow import FloorShadow
from twinsdk.render.texture import encode_srgb, linear_from_srgb
from twinsdk.render.tracing import Surface, View, unit

__all__ = ["Renderer"]

_MAX_SIDE = 8192
_LEAST_SHADOW = 0.004  # of the floor's light: one byte
_EDGE_BYTES = 10  # a neighbour that differs by more is an edge


class Renderer:
    """Draws one mesh, moving or not.

    Args:
        mesh: Triangles, texture coordinates and materials; what moves are its vertices.
        width, height: Picture size, pixels.
        background: The studio around it, or one sRGB colour.
        antialias: 1 for none; n casts n x n rays at the pixels on edges only.
        shadows: Whether the mesh shades itself.
        scenery: A picture (height, width, 3) to stand before, for a camera that stays; the
            studio's floor then only takes the shadow.
        lights: Where light comes from; with the camera where None.

    Raises:
        DependencyError: Open3D is not installed.
        FormatError: A texture cannot be read.
        ShapeError: The scenery is of another size than the picture.
        ValueRangeError: A size is out of range.
    """

    def __init__(
        self,
        mesh: Mesh,
        width: int = 640,
        height: int = 480,
        *,
        background: Studio | tuple[int, int, int] | None = None,
        antialias: int = 1,
        shadows: bool = True,
        scenery: U8 | None = None,
        lights: Lights | None = None,
    ) -> None:
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            raise ValueRangeError(f"size: expected 1 to {_MAX_SIDE} pixels, got {width} x {height}")
        if not 1 <= antialias <= 8:
            raise ValueRangeError(f"antialias: expected 1 to 8, got {antialias}")
        self.mesh = mesh
        self.size_px = (int(width), int(height))
        self.studio = (
            Studio.plain(background) if isinstance(background, tuple) else background or Studio()
        )
        self._antialias = int(antialias)
        self._shadows = shadows
        self._floor = FloorShadow(mesh.vertices, mesh.triangles)
        self._normals_of = _normal_sums(mesh)
        self._surface = Surface(mesh)
        self._lights = lights
        self._scenery = None
        if scenery is not None:
            if scenery.shape != (height, width, 3) or scenery.dtype != np.uint8:
                raise ShapeError(
                    f"scenery: expected ({height}, {width}, 3) uint8, "
                    f"got {scenery.shape} {scenery.dtype}"
                )
            light = linear_from_srgb(scenery.reshape(-1, 3).astype(np.float32) / 255)
            self._scenery = scenery, light

    def draw(
        self,
        vertices: npt.ArrayLike | None = None,
        normals: npt.ArrayLike | None = None,
        camera: Camera | None = None,
    ) -> U8:
        """Return the picture (H, W, 3) uint8 sRGB.

        Args:
            vertices: (V, 3) metres; the mesh's own where None.
            normals: (V, 3) unit; computed where None and vertices are given.
            camera: Where from; from the front, all in view, where None.

        Raises:
            ShapeError, ValueRangeError: Vertices or normals do not fit the mesh.
        """
        mesh = self.mesh
        count = len(mesh.vertices)
        points = mesh.vertices if vertices is None else as_f32("vertices", vertices, (count, 3))
        if normals is not None:
            facing = as_f32("normals", normals, (count, 3))
        else:
            facing = mesh.normals if vertices is None else self.normals(points)
        if camera is None:
            width, height = self.size_px
            camera = Camera.front(points if count else np.zeros((1, 3)), aspect=width / height)
        empty, behind = self._empty(camera)
        out = empty.copy()
        if not len(mesh.triangles):
            return out
        dark = self._floor.darkness(points, camera, self.studio, self.size_px)
        if dark is not None:
            shaded = np.flatnonzero(dark > _LEAST_SHADOW)
            behind = behind.copy()
            behind[shaded] *= 1 - dark.ravel()[shaded, None]
            out.reshape(-1, 3)[shaded] = encode_srgb(behind[shaded])
        view = View(
            self._surface,
            points,
            facing,
            camera,
            self.size_px,
            shadows=self._shadows,
            lights=self._lights,
        )
        where = np.flatnonzero(self._reach(points, camera).ravel())
        pixels = pixel_centres(self.size_px).reshape(-1, 2)
        seen, colour = view.trace(pixels[where], behind[where])
        out.reshape(-1, 3)[where[seen]] = encode_srgb(colour)
        if self._antialias > 1:
            self._smooth_edges(out, behind, view)
        return out

    def normals(self, vertices: F32) -> F32:
        """Return vertex normals (V, 3) of moved vertices, smooth where the mesh's own are."""
        a, b, c = (vertices[self._surface.corners[:, i]] for i in range(3))
        faces = _cross(b - a, c - a)  # twice the area: large triangles count for more
        out: F32 = unit(self._normals_of @ faces)
        return out

    def _empty(self, camera: Camera) -> tuple[U8, F32]:
        """Return what is behind the mesh: bytes (H, W, 3) and light (H * W, 3)."""
        if self._scenery is not None:
            return self._scenery
        light = backdrop(camera, self.studio, self.size_px).reshape(-1, 3)
        return backdrop_bytes(camera, self.studio, self.size_px), light

    def _reach(self, points: F32, camera: Camera) -> Array:
        """Return (H, W) whether the mesh can be seen at a pixel: only those are worth a ray.

        Pixels are gathered in square tiles no smaller than the largest triangle on the picture, so
        a triangle touches only the tiles of its bounding box's corners.
        """
        width, height = self.size_px
        on_picture = camera.project(points, self.size_px)
        if (on_picture[:, 2] < 1e-3).any():
            return np.ones((height, width), bool)
        a, b, c = (on_picture[self._surface.corners[:, i], :2] for i in range(3))
        low = np.minimum(np.minimum(a, b), c) - 1
        high = np.maximum(np.maximum(a, b), c) + 1
        tile = int(np.clip(np.ceil((high - low).max()), 8, max(width, height)))
        columns, rows = -(-width // tile), -(-height // tile)
        touched = np.zeros((rows + 2, columns + 2), bool)
        limit = [columns, rows]
        low_tile = np.clip(np.floor(low / tile), -1, limit).astype(np.int64) + 1
        high_tile = np.clip(np.floor(high / tile), -1, limit).astype(np.int64) + 1
        for x in (low_tile, high_tile):
            for y in (low_tile, high_tile):
                touched[y[:, 1], x[:, 0]] = True
        inner = touched[1:-1, 1:-1]
        return np.repeat(np.repeat(inner, tile, 0), tile, 1)[:height, :width]

    def _smooth_edges(self, out: U8, behind: F32, view: View) -> None:
        import cv2

        grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)
        across = cv2.absdiff(grey[:, 1:], grey[:, :-1]) > _EDGE_BYTES
        along = cv2.absdiff(grey[1:], grey[:-1]) > _EDGE_BYTES
        edge = np.zeros(grey.shape, bool)
        edge[:, 1:] |= across
        edge[:, :-1] |= across
        edge[1:] |= along
        edge[:-1] |= along
        where = np.flatnonzero(edge.ravel())
        if not len(where):
            return
        n = self._antialias
        steps: F32 = ((np.arange(n) + 0.5) / n - 0.5).astype(np.float32)
        offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(1, n * n, 2)
        centres = pixel_centres(self.size_px).reshape(-1, 2)[where]
        rays: F32 = (centres[:, None] + offsets).reshape(-1, 2).astype(np.float32)
        colour = np.repeat(behind[where], n * n, axis=0)
        seen, surface = view.trace(rays, colour)
        colour[seen] = surface
        # Bytes, not light, are averaged: a bright edge pixel would otherwise eat its neighbours.
        encoded = encode_srgb(colour).reshape(len(where), n * n, 3)
        out.reshape(-1, 3)[where] = (encoded.sum(1, dtype=np.uint16) + n * n // 2) // (n * n)


def _normal_sums(mesh: Mesh) -> Any:
    """Return the sparse (V, F) sum over the triangles around each vertex.

    Vertices split for texture coordinates count as one where place and normal agree, so that no
    seam shows; at a hard edge the normals differ and it stays hard.
    """
    from scipy import sparse

    keys = np.round(np.concatenate([mesh.vertices * 1e5, mesh.normals * 1e2], axis=-1)).astype(
        np.int64
    )
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    faces = np.repeat(np.arange(len(mesh.triangles)), 3)
    corners = group[mesh.triangles.astype(np.int64).ravel()]
    groups = int(group.max(initial=-1)) + 1
    around = sparse.csr_matrix(
        (np.ones(len(faces), np.float32), (corners, faces)), (groups, len(mesh.triangles))
    )
    return around[group]


def _cross(a: F32, b: F32) -> F32:
    ax, ay, az, bx, by, bz = a[:, 0], a[:, 1], a[:, 2], b[:, 0], b[:, 1], b[:, 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
