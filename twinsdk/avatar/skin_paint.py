"""Paint for skin: tone, blush, lips, brows, lids and scalp, placed on the template in metres.

All features are functions of the place on the template, so they land on the same spot of every
body and meet without a seam where two pictures border on each other.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from twinsdk.avatar.atlas import PixelMap
from twinsdk.avatar.base import Base
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F32, Array

__all__ = ["hairline", "hairline_height", "paint_face", "paint_skin", "rgb_of"]

# Template places, metres, +Y up: see `Base.template`.
_CHEEK = (0.043, 0.695, 0.125)
_NOSE_TIP = (0.0, 0.693, 0.165)
_CHIN = (0.0, 0.628, 0.145)
_EYE = (0.033, 0.729, 0.138)
# The hairline: its height over the azimuth about the head's axis, 0 ahead, 180 behind.
_AXIS_Z = 0.05
_HAIRLINE_DEG = (0, 14, 30, 44, 56, 66, 73, 77, 83, 90, 100, 108, 118, 135, 160, 180)
_HAIRLINE_M = (
    0.803, 0.805, 0.807, 0.796, 0.776, 0.758, 0.738, 0.722,
    0.728, 0.739, 0.740, 0.722, 0.695, 0.675, 0.666, 0.664,
)  # fmt: skip
# The brow's middle line and half width over x, from the inner end to the tail.
_BROW_X = (0.0115, 0.018, 0.028, 0.038, 0.047, 0.056)
_BROW_Y = (0.7478, 0.7487, 0.7502, 0.7514, 0.7502, 0.7464)
_BROW_HALF = (0.0022, 0.0031, 0.0033, 0.0028, 0.0019, 0.0006)


def rgb_of(color: str) -> F32:
    """Return "#rrggbb" as sRGB (3,) in [0, 1]."""
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def hairline(place: Array) -> Array:
    """Return how far above the hairline places (..., 3) on the template's head lie, metres."""
    above: Array = place[..., 1] - hairline_height(
        np.arctan2(place[..., 0], place[..., 2] - _AXIS_Z)
    )
    return above


def hairline_height(azimuth: Array) -> Array:
    """Return the hairline's height on the template, metres, at azimuths in radians, 0 ahead."""
    return np.asarray(np.interp(np.degrees(np.abs(azimuth)), _HAIRLINE_DEG, _HAIRLINE_M))


def paint_skin(spec: AvatarSpec, pixels: PixelMap) -> F32:
    """Return the picture (S, S, 3), sRGB in [0, 1], of the body's skin but the face."""
    tone = rgb_of(spec.colors.skin)
    picture = np.broadcast_to(tone, pixels.place.shape).astype(np.float32).copy()
    _tint(picture, _redder(tone), 0.35 * _knuckles(pixels))
    _grain(picture, 0.012)
    _tint(picture, _shadow(tone), 0.30 * pixels.hollow)
    return picture


def paint_face(base: Base, spec: AvatarSpec, pixels: PixelMap) -> F32:
    """Return the picture (S, S, 3), sRGB in [0, 1], of the head and the neck."""
    tone = rgb_of(spec.colors.skin)
    place = pixels.place
    picture = np.broadcast_to(tone, place.shape).astype(np.float32).copy()
    red, dark = _redder(tone), _shadow(tone)
    _tint(picture, red, 0.55 * _ball(place, _CHEEK, 0.024))
    _tint(picture, red, 0.40 * _ball(place, _NOSE_TIP, 0.014))
    _tint(picture, red, 0.22 * _ball(place, _CHIN, 0.018))
    _tint(picture, red, 0.45 * _masked(base, "ears", pixels))
    _tint(picture, dark, 0.22 * _ball(place, (0.031, 0.739, 0.137), 0.0105))  # above the lid
    _tint(picture, dark, 0.13 * _ball(place, (0.031, 0.717, 0.137), 0.009))  # under the eye
    _grain(picture, 0.012)
    _tint(picture, dark, 0.55 * pixels.hollow * _not_near_eyes(place))
    if spec.gender > 0.6 and spec.age_years > 16:
        _tint(picture, dark, 0.30 * (spec.gender - 0.6) / 0.4 * _beard(place))
    _paint_lips(picture, base, spec, pixels)
    _paint_lids(picture, base, spec, pixels)
    _paint_brows(picture, spec, place)
    _paint_scalp(picture, spec, place)
    return np.clip(picture, 0, 1)


def _paint_lips(picture: F32, base: Base, spec: AvatarSpec, pixels: PixelMap) -> None:
    tone = rgb_of(spec.colors.skin)
    lips = rgb_of(spec.colors.lips) if spec.colors.lips else tone * [0.90, 0.66, 0.64]
    amount = _masked(base, "lips", pixels)
    _tint(picture, lips, 0.75 * amount)
    slit = np.exp(-(((pixels.place[..., 1] - 0.6605) / 0.0022) ** 2))
    _tint(picture, lips * 0.55, 0.6 * amount * slit)
    _tint(
        picture, lips * 0.45 + 0.55, 0.12 * amount * _ball(pixels.place, (0.0, 0.654, 0.155), 0.008)
    )


def _paint_lids(picture: F32, base: Base, spec: AvatarSpec, pixels: PixelMap) -> None:
    """Darken the lids' margin, where lashes grow."""
    from scipy.spatial import KDTree

    lashes = np.unique(base.quads[base.group(*(f"helper-{s}-eyelashes-2" for s in "lr"))])
    near = _not_near_eyes(pixels.place) < 0.9
    distance, _ = KDTree(base.template[lashes]).query(
        pixels.place[near], distance_upper_bound=0.004
    )
    amount = np.zeros(near.shape, np.float32)
    amount[near] = np.exp(-((np.minimum(distance, 1.0) / 0.0012) ** 2))
    _tint(picture, rgb_of(spec.colors.hair) * 0.35, 0.75 * amount)
    pink = rgb_of(spec.colors.skin) * [0.95, 0.70, 0.66]
    corner = _ball(pixels.place, (0.0185, 0.7265, 0.131), 0.0028)
    _tint(picture, pink, 0.7 * corner)


def _paint_brows(picture: F32, spec: AvatarSpec, place: F32) -> None:
    x, y, ahead = np.abs(place[..., 0]), place[..., 1], place[..., 2] > 0.1
    half = np.interp(x, _BROW_X, _BROW_HALF, left=0, right=0)
    across = (y - np.interp(x, _BROW_X, _BROW_Y)) / np.maximum(half, 1e-6)
    edge = np.clip((x - _BROW_X[0] + 0.002) / 0.006, 0, 1) * np.clip(
        (_BROW_X[-1] - x) / 0.004, 0, 1
    )
    body = np.exp(-(np.abs(across) ** 3)) * edge * (half > 0) * ahead
    # Hairs lean outwards: stripes over x, sheared by the place across the brow.
    table = np.random.default_rng(3).random(512).astype(np.float32)
    at = (x * 2600 - across * 2.0) % 511
    hairs = np.interp(at, np.arange(512), table).astype(np.float32)
    _tint(picture, rgb_of(spec.colors.hair) * 0.85, body * (0.50 + 0.34 * hairs))


def _paint_scalp(picture: F32, spec: AvatarSpec, place: F32) -> None:
    above = hairline(place)
    table = np.random.default_rng(5).random(2048).astype(np.float32)
    azimuth = np.arctan2(place[..., 0], place[..., 2] - _AXIS_Z)
    hairs = np.interp((azimuth * 180) % 2047, np.arange(2048), table).astype(np.float32)
    amount = np.clip((above + 0.004 * (hairs - 0.3)) / 0.008, 0, 1) * (place[..., 1] > 0.655)
    full = 0.62 if spec.hair == "shaved" else 0.92
    _tint(picture, rgb_of(spec.colors.hair), full * amount)


def _tint(picture: F32, color: Array, amount: Array) -> None:
    """Move a picture (S, S, 3) towards a colour by `amount` (S, S) in [0, 1], in place."""
    picture += (np.asarray(color, np.float32) - picture) * np.clip(amount, 0, 1)[..., None].astype(
        np.float32
    )


def _ball(place: F32, centre: tuple[float, float, float], radius: float) -> F32:
    """Return a soft spot around `centre` and its mirror image."""
    x = np.abs(place[..., 0]) - centre[0]
    far = x**2 + (place[..., 1] - centre[1]) ** 2 + (place[..., 2] - centre[2]) ** 2
    spot: F32 = np.exp(-far / radius**2).astype(np.float32)
    return spot


def _not_near_eyes(place: F32) -> F32:
    return 1 - np.minimum(2 * _ball(place, _EYE, 0.016), 1)


def _beard(place: F32) -> F32:
    low = np.clip((0.690 - place[..., 1]) / 0.02, 0, 1) * np.clip(
        (place[..., 1] - 0.605) / 0.02, 0, 1
    )
    return low * np.clip((place[..., 2] - 0.06) / 0.03, 0, 1)


def _knuckles(pixels: PixelMap) -> Array:
    return np.clip((np.abs(pixels.place[..., 0]) - 0.40) / 0.06, 0, 1) * 0.6


def _masked(base: Base, name: str, pixels: PixelMap) -> F32:
    """Return the base's mask of that name, seen through the picture's pixels."""
    mask = base.masks[name].astype(np.float32)
    mask = ndimage.gaussian_filter(mask / max(float(mask.max()), 1.0), 0.8)
    size = len(mask)
    at = np.moveaxis(pixels.atlas * size - 0.5, -1, 0)[::-1]
    seen: F32 = ndimage.map_coordinates(mask, at, order=1, mode="nearest")
    return np.clip(seen * 1.3, 0, 1)


def _grain(picture: F32, strength: float) -> None:
    """Add soft mottling and fine pores, the same for every skin."""
    rng = np.random.default_rng(11)
    size = len(picture)
    coarse = ndimage.zoom(rng.standard_normal((size // 32, size // 32)), 32, order=1)
    fine = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.0, truncate=2.0)
    picture += (strength * (0.8 * coarse + 1.2 * fine))[..., None].astype(np.float32)


def _redder(tone: F32) -> F32:
    return np.asarray(tone * [0.97, 0.76, 0.72], np.float32)


def _shadow(tone: F32) -> F32:
    return np.asarray(tone * [0.62, 0.48, 0.44], np.float32)
