"""Tracing: which ray meets which triangle (Open3D, Embree), and the light that comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.avatar import Mesh
from twinsdk.errors import DependencyError
from twinsdk.render.camera import Camera
from twinsdk.render.light import Lights, dot, shade
from twinsdk.render.texture import decode_texture, sample

__all__ = ["Surface", "View", "unit"]

_MAX_LAYERS = 5  # see-through surfaces in front of one another, hair cards mostly
_LEAST_LIGHT = 0.02  # of what is behind, worth another ray
_OFFSET_M = 2e-3  # shadow rays start this far off the surface


@dataclass(frozen=True)
class _Hits:
    """Where rays met the mesh; N hits of the rays `ray`."""

    ray: Array  # (N,)
    distance: F32  # (N,), in units of the ray's direction
    triangle: Array  # (N,)
    weights: F32  # (N, 3) barycentric
    behind: Array  # (N,) whether the back of the triangle was met


class Surface:
    """What of a mesh does not move: its triangles and materials.

    Raises:
        DependencyError: Open3D is not installed.
        FormatError: A texture cannot be read.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._o3d = _open3d()
        self._triangles = self._o3d.core.Tensor(np.ascontiguousarray(mesh.triangles))
        self.corners = mesh.triangles.astype(np.int64)
        self.materials = _Materials(mesh)

    def tensor(self, values: F32) -> Any:
        """Return an Open3D tensor over `values`."""
        return self._o3d.core.Tensor(np.ascontiguousarray(values))

    def scene(self, vertices: F32) -> Any:
        """Return the bounding hierarchy over the triangles at `vertices` (V, 3)."""
        scene = self._o3d.t.geometry.RaycastingScene()
        scene.add_triangles(self.tensor(vertices), self._triangles)
        return scene


class View:
    """One instant of a surface seen by one camera."""

    def __init__(
        self,
        surface: Surface,
        vertices: F32,
        normals: F32,
        camera: Camera,
        size_px: tuple[int, int],
        *,
        shadows: bool,
        lights: Lights | None = None,
    ) -> None:
        self._surface, self._normals = surface, normals
        self._camera, self._size_px, self._shadows = camera, size_px, shadows
        self._lights = lights or Lights.of(camera)
        self._scene = surface.scene(vertices)

    def trace(self, pixels: F32, behind: F32) -> tuple[Array, F32]:
        """Return which of `pixels` (N, 2) see the mesh, and their linear colour over `behind`."""
        eye = np.array(self._camera.position, np.float32)
        rays = _rays(eye, self._camera.directions(pixels, self._size_px))
        first = self._cast(rays)
        seen = first.ray
        colour, alpha = self._light(rays[seen], first)
        if (alpha >= 1).all():
            return seen, colour
        colour *= alpha[:, None]
        through, reached = 1 - alpha, first.distance
        for _ in range(_MAX_LAYERS - 1):
            more = np.flatnonzero(through > _LEAST_LIGHT)
            if not len(more):
                break
            reached[more] = reached[more] * np.float32(1.00001) + np.float32(1e-5)
            onward = rays[seen[more]]
            onward[:, :3] += onward[:, 3:] * reached[more, None]
            hits = self._cast(onward)
            rows = more[hits.ray]
            surface, alpha = self._light(onward[hits.ray], hits)
            colour[rows] += (through[rows] * alpha)[:, None] * surface
            reached[rows] += hits.distance
            through[more[np.setdiff1d(np.arange(len(more)), hits.ray)]] *= -1  # nothing further
            through[rows] *= 1 - alpha
        colour += np.abs(through)[:, None] * behind[seen]
        return seen, colour

    def _cast(self, rays: F32) -> _Hits:
        answer = self._scene.cast_rays(self._surface.tensor(rays))
        distance = answer["t_hit"].numpy()
        ray = np.flatnonzero(np.isfinite(distance))
        uv = answer["primitive_uvs"].numpy()[ray]
        weights = np.stack([1 - uv[:, 0] - uv[:, 1], uv[:, 0], uv[:, 1]], axis=-1)
        triangle = answer["primitive_ids"].numpy()[ray].astype(np.int64)
        behind = dot(answer["primitive_normals"].numpy()[ray], rays[ray, 3:]) > 0
        return _Hits(ray, distance[ray], triangle, weights.astype(np.float32), behind)

    def _light(self, rays: F32, hits: _Hits) -> tuple[F32, F32]:
        corners = self._surface.corners[hits.triangle]
        normals = unit(_blend(self._normals, corners, hits.weights))
        to_eye = unit(-rays[:, 3:])
        # Seen from behind (hair cards, an open mouth): the side that is seen is the one lit. The
        # triangle tells, not the smooth normal: that leans away at every silhouette.
        normals = np.where(hits.behind[:, None], -normals, normals)
        albedo, alpha, roughness = self._surface.materials.at(hits, corners)
        lit = self._lit(rays, hits, normals)
        return shade(normals, to_eye, albedo, roughness, lit, self._lights), alpha

    def _lit(self, rays: F32, hits: _Hits, normals: F32) -> F32:
        lit = np.ones(len(hits.ray), np.float32)
        if not self._shadows:
            return lit
        towards = normals @ self._lights.key > 0
        at = rays[towards, :3] + rays[towards, 3:] * hits.distance[towards, None]
        at += normals[towards] * np.float32(_OFFSET_M)
        tensor = self._surface.tensor(_rays(at, self._lights.key))
        blocked = self._scene.test_occlusions(tensor, tnear=_OFFSET_M, tfar=2.0).numpy()
        lit[towards] = np.where(blocked, np.float32(0.25), np.float32(1))
        return lit


class _Materials:
    """Colour, opacity and roughness at points of the mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._of = mesh.triangle_materials.astype(np.int64)
        self._uvs = mesh.uvs
        self._base = np.array([m.base_color for m in mesh.materials], np.float32)
        self._rough = np.array([m.roughness for m in mesh.materials], np.float32)
        self._modes = [m.alpha_mode for m in mesh.materials]
        used = set(np.unique(self._of).tolist())
        self._texels = [
            decode_texture(m.texture) if m.texture is not None and i in used else None
            for i, m in enumerate(mesh.materials)
        ]

    def at(self, hits: _Hits, corners: Array) -> tuple[F32, F32, F32]:
        part = self._of[hits.triangle]
        colour = self._base[part]
        for i, texels in enumerate(self._texels):
            if texels is None:
                continue
            rows = np.flatnonzero(part == i)
            if len(rows):
                uv = _blend(self._uvs, corners[rows], hits.weights[rows])
                colour[rows] *= sample(texels, uv)
        alpha = colour[:, 3]
        for i, mode in enumerate(self._modes):
            if mode == "MASK":
                alpha = np.where(part == i, (alpha >= 0.5).astype(np.float32), alpha)
            elif mode != "BLEND":
                alpha = np.where(part == i, np.float32(1), alpha)
        return colour[:, :3], alpha, self._rough[part]


def _open3d() -> Any:
    try:
        import open3d
    except ImportError as error:
        raise DependencyError(
            f"pictures need Open3D ({error}): pip install 'twinsdk[avatar]'"
        ) from error
    return open3d


def _rays(origin: F32, direction: F32) -> F32:
    shape = np.broadcast_shapes(origin.shape, direction.shape)
    out = np.zeros((shape[0], 6), np.float32)
    out[:, :3], out[:, 3:] = origin, direction
    return out


def _blend(values: F32, corners: Array, weights: F32) -> F32:
    out: F32 = values[corners[:, 0]] * weights[:, :1]
    out += values[corners[:, 1]] * weights[:, 1:2]
    out += values[corners[:, 2]] * weights[:, 2:]
    return out


def unit(v: F32) -> F32:
    """Return rows (N, 3) with unit length; zero rows stay zero."""
    length: F32 = np.maximum(np.sqrt(dot(v, v)), 1e-12).astype(np.float32)
    out: F32 = v / length[:, None]
    return out
