"""Light: the colour of a lit surface, and the studio around it. Linear RGB throughout.

Three lights that follow the camera (key from the upper left, fill from the right, rim from behind)
over an ambient that is brighter from above: the portrait photographer's set-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twinsdk.core.arrays import F32, U8, Array
from twinsdk.render.camera import Camera
from twinsdk.render.texture import encode_srgb, linear_from_srgb

__all__ = [
    "Lights",
    "Studio",
    "backdrop",
    "backdrop_bytes",
    "dot",
    "ground_points",
    "pixel_centres",
    "shade",
]

Rgb = tuple[int, int, int]

_KEY = np.array([1.00, 0.965, 0.91], np.float32) * np.float32(0.92)
_FILL = np.array([0.80, 0.90, 1.00], np.float32) * np.float32(0.20)
_RIM = np.array([0.93, 0.97, 1.00], np.float32) * np.float32(0.55)
_SKY = np.array([0.95, 0.98, 1.04], np.float32) * np.float32(0.31)
_EARTH = np.array([0.98, 0.93, 0.88], np.float32) * np.float32(0.13)
_WRAP = np.float32(0.18)  # how far the key light reaches round an edge: skin scatters


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What is around the person; colours are sRGB bytes.

    Attributes:
        top, horizon, floor: Backdrop above, at eye level, and the floor under the person.
        ground_m: Height of the floor, metres; None for no floor and no shadow on it.
        shadow: How dark the shadow on the floor is, in [0, 1].
    """

    top: Rgb = (150, 163, 181)
    horizon: Rgb = (221, 226, 232)
    floor: Rgb = (196, 199, 204)
    ground_m: float | None = 0.0
    shadow: float = 0.62

    @classmethod
    def plain(cls, color: Rgb) -> Studio:
        """Return a studio of one colour, without floor."""
        return cls(top=color, horizon=color, floor=color, ground_m=None)


@dataclass(frozen=True)
class Lights:
    """Unit directions towards the three lights, (3,) each, world."""

    key: F32
    fill: F32
    rim: F32

    @classmethod
    def of(cls, camera: Camera) -> Lights:
        """Return the lights that go with a camera; high and low never depend on its tilt."""
        right, _, forward = camera.axes()
        level = np.array([forward[0], 0, forward[2]], np.float32)
        if np.linalg.norm(level) < 1e-3:  # looking straight down or up
            level = np.cross(np.array([0, 1, 0], np.float32), right)
        back = -level / np.linalg.norm(level)
        up = np.array([0, 1, 0], np.float32)
        return cls(
            key=_unit(-0.55 * right + 0.85 * up + 0.80 * back),
            fill=_unit(0.95 * right + 0.15 * up + 0.55 * back),
            rim=_unit(0.45 * right + 0.55 * up - 0.85 * back),
        )


def shade(normals: F32, to_eye: F32, albedo: F32, roughness: F32, lit: F32, lights: Lights) -> F32:
    """Return the light (N, 3) that surfaces send to the eye.

    Args:
        normals: (N, 3) unit, facing the eye.
        to_eye: (N, 3) unit.
        albedo: (N, 3) linear.
        roughness: (N,) in [0, 1].
        lit: (N,) in [0, 1]: how much of the key light arrives.
        lights: Where light comes from.
    """
    key = np.clip((normals @ lights.key + _WRAP) / (1 + _WRAP), 0, None) * lit
    fill = np.clip(normals @ lights.fill, 0, None)
    height = normals[:, 1:2] * np.float32(0.5) + np.float32(0.5)
    light = _EARTH + (_SKY - _EARTH) * height
    light += key[:, None] * _KEY
    light += fill[:, None] * _FILL
    facing = dot(normals, to_eye)
    edge = np.clip(1 - facing, 0, 1)
    rim = edge * edge * edge * np.clip(normals @ lights.rim + np.float32(0.35), 0, None)
    half = to_eye + lights.key
    half /= np.sqrt(dot(half, half))[:, None]
    # Blinn-Phong with the exponent that matches a microfacet roughness (Karis 2013, eq. 4).
    alpha = np.clip(roughness, 0.15, 1) ** 2
    exponent = 2 / (alpha * alpha) - 1
    lobe = np.clip(dot(normals, half), 1e-4, 1) ** exponent
    shine = np.float32(0.04) * (exponent + 2) / 8 * lobe * key
    colour: F32 = albedo * light
    colour += rim[:, None] * _RIM * (np.float32(0.25) + np.float32(0.75) * albedo)
    colour += shine[:, None] * _KEY
    return colour


@lru_cache(maxsize=8)
def backdrop(camera: Camera, studio: Studio, size_px: tuple[int, int]) -> F32:
    """Return the empty studio (H, W, 3), linear, read-only."""
    directions = camera.directions(pixel_centres(size_px), size_px)
    slope = directions[..., 1] / np.sqrt(directions[..., 0] ** 2 + directions[..., 2] ** 2 + 1e-9)
    rise = _smooth(slope, -0.10, 0.55)[..., None]
    top, horizon, floor = (
        linear_from_srgb(np.array(color, np.float32) / 255)
        for color in (studio.top, studio.horizon, studio.floor)
    )
    picture: F32 = horizon + (top - horizon) * rise
    if studio.ground_m is not None:
        points, on_floor = ground_points(camera, studio.ground_m, size_px)
        distance = np.linalg.norm(points - np.array(camera.target, np.float32)[[0, 2]], axis=-1)
        reach = float(np.linalg.norm(np.subtract(camera.target, camera.position)))
        far = _smooth(distance, 0.05 * reach, 1.1 * reach)[..., None]
        ground = floor + (picture - floor) * far
        picture = np.where(on_floor[..., None], ground, picture)
    picture.flags.writeable = False
    return picture


@lru_cache(maxsize=8)
def backdrop_bytes(camera: Camera, studio: Studio, size_px: tuple[int, int]) -> U8:
    """Return the empty studio (H, W, 3) as sRGB bytes, read-only."""
    picture = encode_srgb(backdrop(camera, studio, size_px))
    picture.flags.writeable = False
    return picture


@lru_cache(maxsize=8)
def ground_points(camera: Camera, ground_m: float, size_px: tuple[int, int]) -> tuple[F32, Array]:
    """Return where each pixel meets the floor, x and z (H, W, 2), and whether it does (H, W)."""
    directions = camera.directions(pixel_centres(size_px), size_px)
    above = np.float32(camera.position[1] - ground_m)
    down = -directions[..., 1]
    meets = (down > 1e-4) & (above > 0)
    steps = above / np.where(meets, down, 1)
    points = np.array(camera.position, np.float32)[[0, 2]] + directions[..., ::2] * steps[..., None]
    return points.astype(np.float32), meets


@lru_cache(maxsize=4)
def pixel_centres(size_px: tuple[int, int]) -> F32:
    """Return column and row of every pixel's middle (H, W, 2)."""
    width, height = size_px
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    centres: F32 = np.stack([columns, rows], axis=-1).astype(np.float32)
    centres.flags.writeable = False
    return centres


def dot(a: F32, b: F32) -> F32:
    """Return the scalar products (N,) of rows."""
    out: F32 = np.einsum("ij,ij->i", a, b)
    return out


def _smooth(value: Array, low: float, high: float) -> F32:
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    out: F32 = t * t * (3 - 2 * t)
    return out


def _unit(vector: Array) -> F32:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
