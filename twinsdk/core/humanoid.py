"""The canonical skeleton: the 55 joints of a VRM 1.0 humanoid, T-pose, identity rest rotations.

A pose on it is VRM's "normalized" pose. Source: VRMC_vrm-1.0, humanoid.md.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from twinsdk.core import quat
from twinsdk.core.skeleton import Skeleton

__all__ = [
    "HUMANOID_NAMES",
    "HUMANOID_PARENTS",
    "REQUIRED_JOINTS",
    "humanoid_skeleton",
    "mirrored",
]

_FINGERS = {
    "Thumb": ("Metacarpal", "Proximal", "Distal"),
    "Index": ("Proximal", "Intermediate", "Distal"),
    "Middle": ("Proximal", "Intermediate", "Distal"),
    "Ring": ("Proximal", "Intermediate", "Distal"),
    "Little": ("Proximal", "Intermediate", "Distal"),
}


def _parents() -> dict[str, str | None]:
    tree: dict[str, str | None] = {
        "hips": None,
        "spine": "hips",
        "chest": "spine",
        "upperChest": "chest",
        "neck": "upperChest",
        "head": "neck",
        "leftEye": "head",
        "rightEye": "head",
        "jaw": "head",
    }
    for side in ("left", "right"):
        tree[f"{side}UpperLeg"] = "hips"
        tree[f"{side}LowerLeg"] = f"{side}UpperLeg"
        tree[f"{side}Foot"] = f"{side}LowerLeg"
        tree[f"{side}Toes"] = f"{side}Foot"
    for side in ("left", "right"):
        tree[f"{side}Shoulder"] = "upperChest"
        tree[f"{side}UpperArm"] = f"{side}Shoulder"
        tree[f"{side}LowerArm"] = f"{side}UpperArm"
        tree[f"{side}Hand"] = f"{side}LowerArm"
    for side in ("left", "right"):
        for finger, segments in _FINGERS.items():
            above = f"{side}Hand"
            for segment in segments:
                tree[f"{side}{finger}{segment}"] = above
                above = f"{side}{finger}{segment}"
    return tree


HUMANOID_PARENTS: dict[str, str | None] = _parents()
HUMANOID_NAMES: tuple[str, ...] = tuple(HUMANOID_PARENTS)

REQUIRED_JOINTS: tuple[str, ...] = (
    "hips",
    "spine",
    "head",
    *(
        f"{side}{part}"
        for side in ("left", "right")
        for part in ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")
    ),
)

# World positions of the T-pose of a 1.70 m adult, left side; proportions after Winter 2009,
# "Biomechanics and motor control of human movement", fig. 4.1. Limbs are exactly along the axes so
# that a direction seen is a rotation from an axis.
_HEIGHT_M = 1.70
_CENTRE = {
    "hips": (0, 0.935, 0),
    "spine": (0, 1.03, 0),
    "chest": (0, 1.14, 0),
    "upperChest": (0, 1.26, 0),
    "neck": (0, 1.43, 0),
    "head": (0, 1.52, 0),
    "jaw": (0, 1.535, 0.025),
}
_LEFT = {
    "Eye": (0.032, 1.585, 0.085),
    "UpperLeg": (0.09, 0.90, 0),
    "LowerLeg": (0.09, 0.485, 0),
    "Foot": (0.09, 0.075, 0),
    "Toes": (0.09, 0.02, 0.135),
    "Shoulder": (0.025, 1.395, 0),
    "UpperArm": (0.175, 1.395, 0),
    "LowerArm": (0.452, 1.395, 0),
    "Hand": (0.702, 1.395, 0),
    "ThumbMetacarpal": (0.722, 1.385, 0.022),
    "ThumbProximal": (0.754, 1.385, 0.054),
    "ThumbDistal": (0.778, 1.385, 0.078),
    "IndexProximal": (0.792, 1.395, 0.028),
    "IndexIntermediate": (0.832, 1.395, 0.028),
    "IndexDistal": (0.857, 1.395, 0.028),
    "MiddleProximal": (0.794, 1.395, 0.005),
    "MiddleIntermediate": (0.838, 1.395, 0.005),
    "MiddleDistal": (0.866, 1.395, 0.005),
    "RingProximal": (0.788, 1.395, -0.017),
    "RingIntermediate": (0.829, 1.395, -0.017),
    "RingDistal": (0.856, 1.395, -0.017),
    "LittleProximal": (0.779, 1.395, -0.037),
    "LittleIntermediate": (0.811, 1.395, -0.037),
    "LittleDistal": (0.830, 1.395, -0.037),
}


@lru_cache(maxsize=64)
def humanoid_skeleton(height_m: float = _HEIGHT_M) -> Skeleton:
    """Return the canonical 55-joint skeleton of a person of `height_m`, in T-pose, soles at y = 0.

    The same height gives the same object, so poses on it compare by identity.
    """
    world = np.array([_position(name) for name in HUMANOID_NAMES]) * (height_m / _HEIGHT_M)
    parents = np.array(
        [-1 if up is None else HUMANOID_NAMES.index(up) for up in HUMANOID_PARENTS.values()],
        np.int32,
    )
    offsets = world.astype(np.float32)
    offsets[1:] = world[1:] - world[parents[1:]]
    return Skeleton(
        names=HUMANOID_NAMES,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(parents), 1)),
    )


def mirrored(name: str) -> str:
    """Return the name of the joint, expression or landmark on the other side of the body."""
    for a, b in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT")):
        for this, other in ((a, b), (b, a)):
            if name.startswith(this):
                return other + name[len(this) :]
            if name.endswith(this):
                return name[: -len(this)] + other
    return name


def _position(name: str) -> tuple[float, float, float]:
    if name in _CENTRE:
        return _CENTRE[name]
    if name.startswith("left"):
        return _LEFT[name.removeprefix("left")]
    x, y, z = _LEFT[name.removeprefix("right")]
    return -x, y, z
