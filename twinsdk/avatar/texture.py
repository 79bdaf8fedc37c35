"""What the parts look like: materials and the pictures painted for them."""

from __future__ import annotations

from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.avatar import Material

__all__ = ["linear_rgba", "paint_materials"]


def paint_materials(spec: AvatarSpec) -> dict[str, Material]:
    """Return the materials of a spec's parts by name."""
    colors = spec.colors
    flat = {
        "skin": colors.skin,
        "eyes": "#ffffff",
        "teeth": "#f2efe6",
        "tongue": "#b5605f",
        "lashes": "#1a1412",
        "hair": colors.hair,
        "top": colors.top,
        "bottom": colors.bottom,
        "shoes": colors.shoes,
        "soles": "#f7f7f5",
    }
    open_sheets = ("lashes", "hair", "top", "bottom", "shoes")
    return {
        name: Material(name=name, base_color=linear_rgba(color), double_sided=name in open_sheets)
        for name, color in flat.items()
    }


def linear_rgba(color: str) -> tuple[float, float, float, float]:
    """Return "#rrggbb" (sRGB) as linear RGBA."""
    s = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in s)
    return r, g, b, 1.0
