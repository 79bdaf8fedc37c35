"""Which unit a file of unknown unit is in: the one in which its figure is a person."""

from __future__ import annotations

import math

__all__ = ["CMU_UNIT_M", "REACH_OF_HEIGHT", "UNITS_M", "guess_unit"]

CMU_UNIT_M = 0.0254 / 0.45
UNITS_M = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
    "CMU units": CMU_UNIT_M,
}
# The longest way along bones from hips to a leaf is 0.65 to 0.85 of a person's height, in any pose.
REACH_OF_HEIGHT = 0.75
_TYPICAL_REACH_M = 1.25
_ODD_UNIT_PENALTY = 0.35  # in log length: an odd unit must fit clearly better than a metric one


def guess_unit(reach: float) -> tuple[float, str]:
    """Return metres per unit and the reason in words.

    Args:
        reach: Longest way along bones from the root to a leaf, in the file's unit.
    """
    if reach <= 1e-9:
        return 1.0, "no bone has a length; taken as metres"

    def cost(name: str) -> float:
        odd = 0.0 if name.endswith("metres") else _ODD_UNIT_PENALTY
        return abs(math.log(reach * UNITS_M[name] / _TYPICAL_REACH_M)) + odd

    name = min(UNITS_M, key=cost)
    height = reach * UNITS_M[name] / REACH_OF_HEIGHT
    return UNITS_M[name], f"{name}: the figure is then about {height:.2f} m tall"
