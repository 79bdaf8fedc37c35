"""Motion of any humanoid skeleton onto any avatar."""

from twinsdk.retarget.mapping import HumanoidMap, humanoid_map, load_map, save_map
from twinsdk.retarget.retargeter import RetargetConfig, Retargeter, retarget

__all__ = [
    "HumanoidMap",
    "RetargetConfig",
    "Retargeter",
    "humanoid_map",
    "load_map",
    "retarget",
    "save_map",
]
