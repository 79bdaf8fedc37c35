"""Textures: encoded pictures to linear texels, sampled between texel centres, repeating."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from twinsdk.core.arrays import F32, U8, Array
from twinsdk.errors import FormatError

__all__ = ["decode_texture", "encode_srgb", "linear_from_srgb", "sample", "srgb_lut"]

_LUT_SIZE = 4096


def linear_from_srgb(value: Array) -> F32:
    """Return linear light in [0, 1] of sRGB values in [0, 1]. Source: IEC 61966-2-1."""
    value = np.asarray(value, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


@lru_cache(maxsize=1)
def srgb_lut() -> U8:
    """Return (4096,) uint8: the sRGB byte of linear light i / 4095, with a soft shoulder.

    Light up to 0.7 keeps its value; what is brighter (up to 2, the table's end) bends towards
    white instead of being cut off.
    """
    light = np.linspace(0, 2, _LUT_SIZE)
    over = np.maximum(light - 0.7, 0)
    bent = np.where(light <= 0.7, light, 0.7 + 0.3 * (1 - np.exp(-over / 0.3)))
    encoded = np.where(bent <= 0.0031308, 12.92 * bent, 1.055 * bent ** (1 / 2.4) - 0.055)
    table: U8 = np.round(np.clip(encoded, 0, 1) * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def encode_srgb(light: F32) -> U8:
    """Return the sRGB bytes of linear light (..., C), through `srgb_lut`."""
    steps = np.clip(light * np.float32((_LUT_SIZE - 1) / 2), 0, _LUT_SIZE - 1).astype(np.uint16)
    return srgb_lut()[steps]


@lru_cache(maxsize=32)
def decode_texture(encoded: bytes) -> F32:
    """Return a PNG or JPEG as linear RGBA (H, W, 4) float32 in [0, 1]; alpha is linear already.

    Raises:
        FormatError: The bytes are no picture that can be read.
    """
    import cv2

    raw = np.frombuffer(encoded, np.uint8)
    picture = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED) if raw.size else None
    if picture is None:
        raise FormatError(f"texture: expected a PNG or JPEG, got {raw.size} bytes that are neither")
    scale = 65535 if picture.dtype == np.uint16 else 255
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    colour = linear_from_srgb(picture[..., 2::-1] / np.float32(scale))
    if picture.shape[-1] == 4:
        alpha = picture[..., 3:].astype(np.float32) / scale
    else:
        alpha = np.ones_like(colour[..., :1])
    texels: F32 = np.concatenate([colour, alpha], axis=-1)
    texels.flags.writeable = False
    return texels


def sample(texels: F32, uv: F32) -> F32:
    """Return texels (N, C) at `uv` (N, 2), +v down, bilinear, repeating beyond [0, 1]."""
    height, width = texels.shape[:2]
    x = uv[:, 0] * np.float32(width) - np.float32(0.5)
    y = uv[:, 1] * np.float32(height) - np.float32(0.5)
    left, top = np.floor(x), np.floor(y)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    x0, y0 = left.astype(np.int64) % width, top.astype(np.int64) % height
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    flat = texels.reshape(-1, texels.shape[-1])
    upper = flat[y0 * width + x0] * (1 - fx) + flat[y0 * width + x1] * fx
    lower = flat[y1 * width + x0] * (1 - fx) + flat[y1 * width + x1] * fx
    out: F32 = upper * (1 - fy) + lower * fy
    return out
