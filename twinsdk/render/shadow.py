"""The soft shadow a mesh throws on the floor, without a ray: light-ward area gathered on a grid."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, U32
from twinsdk.render.camera import Camera
from twinsdk.render.light import Lights, Studio, ground_points

__all__ = ["FloorShadow"]

_CELL_M = 0.02
_MAX_CELLS = 384
_SAMPLE_AREA_M2 = 2e-4  # two samples a grid cell
_LEAST_SAMPLES, _MAX_SAMPLES = 2000, 20000
# Height bands (m) and how far the penumbra blurs each (m): the higher, the softer.
_BANDS = ((0.0, 0.10, 0.035), (0.10, 0.50, 0.06), (0.50, np.inf, 0.12))


class FloorShadow:
    """Gathers shadows of one mesh as its vertices move."""

    def __init__(self, vertices: F32, triangles: U32) -> None:
        corners = vertices[triangles]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(cross, axis=-1) / 2
        total = float(area.sum())
        count = int(np.clip(total / _SAMPLE_AREA_M2, _LEAST_SAMPLES, _MAX_SAMPLES)) if total else 0
        # Samples at equal steps of area along the list of triangles: large ones get many.
        steps = (np.arange(count) + 0.5) * (total / max(count, 1))
        owner = np.minimum(np.searchsorted(np.cumsum(area), steps), len(triangles) - 1)
        self._corners = triangles[owner].astype(np.int64)
        self._weights = _spread(count)
        self._area = total / max(count, 1)

    def darkness(
        self, vertices: F32, camera: Camera, studio: Studio, size_px: tuple[int, int]
    ) -> F32 | None:
        """Return how much light each pixel's floor loses (H, W) in [0, 1], or None for no floor."""
        import cv2

        if studio.ground_m is None or len(self._corners) == 0:
            return None
        points, on_floor = ground_points(camera, studio.ground_m, size_px)
        if not on_floor.any():
            return None
        a, b, c = (vertices[self._corners[:, i]] * self._weights[:, i, None] for i in range(3))
        samples = a + b + c
        height = np.maximum(samples[:, 1] - np.float32(studio.ground_m), 0)
        light = Lights.of(camera).key
        # A light that is half spread over the sky: bodies shade straight down as well.
        lean = 0.5 * light[[0, 2]] / light[1]
        place = samples[:, ::2] - height[:, None] * lean
        x, z = place[:, 0], place[:, 1]
        low = np.array([x.min(), z.min()], np.float32) - np.float32(0.4)
        high = np.array([x.max(), z.max()], np.float32) + np.float32(0.4)
        cell = max(_CELL_M, float((high - low).max()) / _MAX_CELLS)
        shape = np.ceil((high - low) / cell).astype(int) + 1
        index = ((place - low) / cell).astype(np.int64)
        flat = index[:, 1] * shape[0] + index[:, 0]
        clear = np.ones((shape[1], shape[0]), np.float32)
        for floor, ceiling, blur in _BANDS:
            inside = (height >= floor) & (height < ceiling)
            if not inside.any():
                continue
            gathered = np.bincount(flat[inside], minlength=shape[0] * shape[1]) * self._area
            cover = gathered.reshape(shape[1], shape[0]).astype(np.float32) / np.float32(
                cell * cell
            )
            cover = 1 - np.exp(-1.5 * cv2.GaussianBlur(cover, (0, 0), max(blur / cell, 0.6)))
            clear *= 1 - cover * np.float32(0.9 if ceiling <= 0.5 else 0.55)
        spot = ((points - low) / np.float32(cell) - np.float32(0.5)).astype(np.float32)
        looked_up = cv2.remap(
            1 - clear, spot[..., 0], spot[..., 1], cv2.INTER_LINEAR, borderValue=0
        )
        out: F32 = np.where(on_floor, looked_up, 0) * np.float32(studio.shadow)
        return out


def _spread(count: int) -> F32:
    """Return barycentric weights (S, 3) that fill triangles evenly.

    Source: the R2 low-discrepancy sequence (Roberts 2018), folded onto the triangle.
    """
    rank = np.arange(count)
    u = (0.5 + rank * 0.7548776662466927) % 1
    v = (0.5 + rank * 0.5698402909980532) % 1
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return np.stack([1 - u - v, u, v], axis=-1).astype(np.float32)
