"""What the parts look like: materials and the pictures painted for them."""

from __future__ import annotations

import io

import numpy as np

from twinsdk.avatar.atlas import pixel_map
from twinsdk.avatar.base import Base
from twinsdk.avatar.skin_paint import paint_face, paint_skin, rgb_of
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F32, Array
from twinsdk.core.avatar import Material

__all__ = ["linear_rgba", "paint_materials"]

_EYE_PX = 512
# Of the eye's disc, whose edge lies 90 degrees from the line of sight: see `face._eye`.
_IRIS, _PUPIL = 0.150, 0.058
# Where one tooth ends and the next begins, from the middle of the arch outwards.
_TOOTH_EDGES_DEG = np.array([0.0, 9.0, 16.0, 24.0, 33.0, 43.0, 58.0, 76.0])
_WHITE = (1.0, 1.0, 1.0, 1.0)


def paint_materials(base: Base, spec: AvatarSpec) -> dict[str, Material]:
    """Return the materials of a spec's parts by name."""
    colors = spec.colors
    flat = {
        "tongue": "#a85a5c",
        "mouth": "#4a2023",
        "lashes": "#1a1412",
        "top": colors.top,
        "bottom": colors.bottom,
        "shoes": colors.shoes,
        "soles": "#f4f2ee",
    }
    open_sheets = ("lashes", "top", "bottom", "shoes")
    out = {
        name: Material(name=name, base_color=linear_rgba(color), double_sided=name in open_sheets)
        for name, color in flat.items()
    }
    pictures = {
        "face": (_jpeg(paint_face(base, spec, pixel_map(base, "face"))), 0.55),
        "skin": (_jpeg(paint_skin(spec, pixel_map(base, "skin"))), 0.6),
        "eyes": (_jpeg(_eye(rgb_of(colors.eyes))), 0.15),
        "teeth": (_jpeg(_teeth()), 0.25),
        "hair": (_jpeg(_strands(rgb_of(colors.hair))), 0.5),
    }
    for name, (picture, roughness) in pictures.items():
        out[name] = Material(
            name=name,
            base_color=_WHITE,
            texture=picture,
            roughness=roughness,
            double_sided=name == "hair",
        )
    return out


def linear_rgba(color: str) -> tuple[float, float, float, float]:
    """Return "#rrggbb" (sRGB) as linear RGBA."""
    s = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in s)
    return r, g, b, 1.0


def _eye(iris: F32) -> F32:
    """Return the picture (S, S, 3) of an eyeball seen along its line of sight."""
    at = (np.arange(_EYE_PX) + 0.5) / _EYE_PX - 0.5
    x, y = np.meshgrid(at, at)
    r = np.hypot(x, y)
    around = np.arctan2(y, x)
    rng = np.random.default_rng(2)
    fibres = np.interp((around + np.pi) * 40 % 255, np.arange(256), rng.random(256))
    out = np.empty((_EYE_PX, _EYE_PX, 3))
    # The white: warm towards the corners, shaded by the lid above.
    far = np.clip((r - _IRIS) / 0.25, 0, 1)[..., None]
    out[:] = np.array([0.93, 0.92, 0.90]) * (1 - far) + np.array([0.86, 0.74, 0.70]) * far
    out *= 1 - 0.28 * np.clip((-y - 0.02) / 0.16, 0, 1)[..., None]
    ring = np.clip(r / _IRIS, 0, 1)
    glow = 0.75 + 0.45 * ring**2 * (1 - ring**6) + 0.22 * (fibres - 0.5)
    shade = 1 - 0.35 * np.clip((-y) / _IRIS, 0, 1)  # the lid's shadow falls on the iris too
    colour = np.clip(iris * (glow * shade)[..., None] * 1.15, 0, 1)
    colour *= 1 - 0.65 * _step(r, _IRIS * 0.86, _IRIS)[..., None]
    out = _over(out, colour, 1 - _step(r, _IRIS * 0.97, _IRIS * 1.03))
    out = _over(out, np.array([0.03, 0.025, 0.025]), 1 - _step(r, _PUPIL * 0.9, _PUPIL * 1.1))
    for cx, cy, size, strength in ((-0.045, -0.055, 0.024, 0.95), (0.05, 0.055, 0.014, 0.35)):
        spot = 1 - _step(np.hypot(x - cx, y - cy), size * 0.7, size)
        out = _over(out, np.ones(3), strength * spot)
    return np.asarray(out, np.float32)


def _teeth() -> F32:
    """Return the picture (128, 512, 3) of a row of teeth: u along the arch, v from edge to root."""
    v, u = np.meshgrid((np.arange(128) + 0.5) / 128, (np.arange(512) + 0.5) / 512, indexing="ij")
    angle = np.abs(u - 0.5) * 180
    nearest = _TOOTH_EDGES_DEG[np.abs(angle[..., None] - _TOOTH_EDGES_DEG).argmin(-1)]
    apart = np.abs(angle - nearest)
    ivory, gap, gum = (rgb_of(color) for color in ("#f1ebdc", "#8d7768", "#b5625f"))
    out = _over(np.broadcast_to(ivory, (*u.shape, 3)), gap, 0.6 * (1 - _step(apart, 0.2, 0.9)))
    out = _over(out, np.array([0.86, 0.80, 0.72]), 0.5 * _step(v, 0.2, 0.6))
    gums = 0.62 - 0.10 * (1 - _step(apart, 0.0, 3.0))  # reach down between the teeth
    out = _over(out, gum, _step(v - gums, -0.03, 0.03))
    # The cheeks' shadow: what lies deep in the mouth is dark.
    return np.asarray(out * (1 - 0.6 * _step(angle, 20, 80))[..., None], np.float32)


def _strands(color: F32) -> F32:
    """Return the picture (512, 1024, 3) of hair: u across the strands, v along them."""
    rng = np.random.default_rng(4)
    fine = rng.standard_normal(1024)
    broad = np.convolve(np.tile(rng.standard_normal(1024), 3), np.ones(24) / 24**0.5, "same")[
        1024:2048
    ]
    along = np.linspace(0, 1, 512)[:, None]
    light = 1 + 0.10 * fine + 0.14 * broad
    sheen = 0.16 * np.exp(-(((along - 0.42) / 0.13) ** 2)) * (1 + 0.4 * fine)
    level = light * (0.90 + 0.16 * along) + sheen
    return np.clip(color * level[..., None] + 0.10 * sheen[..., None], 0, 1).astype(np.float32)


def _over(under: Array, colour: Array, amount: Array) -> Array:
    return under + (colour - under) * amount[..., None]


def _step(value: Array, low: float, high: float) -> Array:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _jpeg(picture: F32) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    eight_bit = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(eight_bit).save(stream, "JPEG", quality=90, subsampling=0)
    return stream.getvalue()
