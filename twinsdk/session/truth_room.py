"""Rooms to be filmed in, and what a cheap camera makes of the light: seeded, in NumPy alone."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, U8, Array
from twinsdk.render import Camera

__all__ = ["Sensor", "room_picture"]

_NOISES = 8
_OCTAVES = (4, 9, 22)


def room_picture(camera: Camera, size_px: tuple[int, int], rng: np.random.Generator) -> U8:
    """Return an empty room (H, W, 3): floor, walls with things on them, ceiling."""
    width, height = size_px
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels: F32 = np.stack([columns, rows], -1).astype(np.float32)
    ways = camera.directions(pixels, size_px)
    eye = np.array(camera.position, np.float32)
    low = np.minimum([-rng.uniform(2, 4), 0.0, -rng.uniform(1.5, 3.5)], eye - 0.5) * (1, 0, 1)
    high = np.maximum([rng.uniform(2, 4), rng.uniform(2.4, 3.2), 2.0], eye + 0.5)
    # Of the three planes each ray runs towards, it meets the nearest.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(ways > 0, (high - eye) / ways, (low - eye) / ways)
    reach[ways == 0] = np.inf
    plane = reach.argmin(-1)
    points = eye + ways * reach.min(-1)[..., None]
    face = plane * 2 + np.take_along_axis(ways > 0, plane[..., None], -1)[..., 0]
    picture = np.zeros((height, width, 3))
    for side in range(6):
        here = face == side
        if here.any():
            axes = [axis for axis in range(3) if axis != side // 2]
            picture[here] = _paint(points[here][:, axes], side, rng)
    # Corners are darker; the light comes from somewhere.
    near = np.minimum(points - low, high - points)
    corner = np.sort(near, -1)[..., 1]
    picture *= (0.72 + 0.28 * np.clip(corner / 0.8, 0, 1))[..., None]
    lamp = low + (high - low) * rng.uniform(0.1, 0.9, 3)
    far = np.linalg.norm(points - lamp, axis=-1)
    picture *= (0.55 + 0.6 / (1 + 0.12 * far * far))[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


class Sensor:
    """A camera chip: exposure, gamma, colour cast and noise.

    Args:
        size_px: Of the pictures.
        rng: Decides its faults.
    """

    def __init__(self, size_px: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size_px
        level = np.arange(256) / 255
        gains = rng.uniform(0.65, 1.2) * rng.uniform(0.92, 1.08, 3)
        curves = np.clip(gains * level[:, None] ** rng.uniform(0.85, 1.2), 0, 1)
        self._curve = np.round(curves * 255).astype(np.int16)
        sigma = rng.uniform(1.0, 5.0)
        noise = rng.normal(0, sigma, (_NOISES, height, width, 1)) + rng.normal(
            0, 0.5 * sigma, (_NOISES, height, width, 3)
        )
        self._noise = np.round(noise).astype(np.int8)
        self._rng = rng

    def expose(self, picture: U8) -> U8:
        """Return what the chip makes of a picture (H, W, 3)."""
        out = np.stack([self._curve[picture[..., c], c] for c in range(3)], -1)
        noise = self._noise[self._rng.integers(_NOISES)]
        shift = self._rng.integers(noise.shape[:2])
        out += np.roll(noise, tuple(shift), (0, 1))
        return np.clip(out, 0, 255).astype(np.uint8)


def _paint(points: Array, side: int, rng: np.random.Generator) -> Array:
    """Return colours (N, 3) of points (N, 2) of one face of the room, metres."""
    floor, ceiling = side == 2, side == 3
    base = rng.uniform(60, 200) if floor else rng.uniform(110, 235)
    colour = np.clip(base + rng.normal(0, 22, 3), 20, 250)
    out = np.tile(colour, (len(points), 1))
    out *= (1 + 0.10 * _clouds(points, rng))[:, None]
    if ceiling:
        return out
    if floor or rng.random() < 0.3:
        out *= _pattern(points, rng)[:, None]
    if not floor:
        for _ in range(int(rng.integers(2, 9))):
            _hang(out, points, rng)
    return out


def _clouds(points: Array, rng: np.random.Generator) -> Array:
    total = np.zeros(len(points))
    for octave in _OCTAVES:
        rates = rng.normal(0, octave / 3, (3, 2))
        total += np.sin(points @ rates.T + rng.uniform(0, 6.3, 3)).sum(-1) / octave
    return total


def _pattern(points: Array, rng: np.random.Generator) -> Array:
    """Return (N,) factors: planks, tiles, stripes or nothing."""
    kind, step = rng.integers(4), rng.uniform(0.12, 0.5)
    cells = np.floor(points / step).astype(int)
    if kind == 0:
        return np.ones(len(points))
    if kind == 1:
        return 0.8 + 0.4 * ((cells.sum(-1) % 2) == 0)
    if kind == 2:
        return 0.85 + 0.3 * rng.random(64)[cells[:, 0] % 64]
    edge = np.abs(points / step - np.round(points / step)).min(-1)
    return np.where(edge < 0.03, 0.7, 1.0)


def _hang(out: Array, points: Array, rng: np.random.Generator) -> None:
    """Paint one thing with a border on a wall: a picture, a shelf, a door, a window."""
    low, high = points.min(0), points.max(0)
    size = rng.uniform(0.2, 1.3, 2)
    middle = low + (high - low) * rng.uniform(0, 1, 2)
    away = np.abs(points - middle) - size / 2
    inside, border = (away < 0).all(-1), (away < rng.uniform(0.01, 0.08)).all(-1)
    out[border] = rng.uniform(20, 240, 3)
    out[inside] = rng.uniform(20, 250, 3) * (1 + 0.4 * _clouds(points[inside], rng))[:, None]
