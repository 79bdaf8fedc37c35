"""How a person stands when nobody is seen, and which joints fade together."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.motion.fitting.hands import FINGERS, relaxed_fingers
from twinsdk.motion.fitting.points import JOINT
from twinsdk.motion.vectors import multiply, quaternion_of, quaternion_of_vector, rotation_of

__all__ = ["GROUPS", "GROUP_OF_JOINT", "idle_rotations", "upright_thigh"]

GROUPS: tuple[str, ...] = (
    "torso",
    "head",
    *(
        f"{side}{part}"
        for part in ("Arm", "Forearm", "Palm", "Fingers")
        for side in ("left", "right")
    ),
    *(f"{side}{part}" for part in ("Thigh", "Shank", "Foot") for side in ("left", "right")),
)
"""What is seen or not seen as one; order: trunk outwards, left before right."""

_MEMBERS = {
    "Arm": ("Shoulder", "UpperArm"),
    "Forearm": ("LowerArm",),
    "Palm": ("Hand",),
    "Fingers": FINGERS,
    "Thigh": ("UpperLeg",),
    "Shank": ("LowerLeg",),
    "Foot": ("Foot", "Toes"),
}


def _group_of(joint: str) -> str:
    for side in ("left", "right"):
        for group, parts in _MEMBERS.items():
            if joint.startswith(tuple(side + part for part in parts)):
                return side + group
    if joint in ("hips", "spine", "chest", "upperChest"):
        return "torso"
    return "head"


GROUP_OF_JOINT: Array = np.array([GROUPS.index(_group_of(name)) for name in HUMANOID_NAMES])
"""(55,) index into `GROUPS`."""


def idle_rotations() -> Array:
    """Return the rotations (55, 4) of a person standing with hanging arms and relaxed hands."""
    out = np.tile([0.0, 0.0, 0.0, 1.0], (len(HUMANOID_NAMES), 1))
    fingers = relaxed_fingers()
    for i, (side, s) in enumerate((("left", 1.0), ("right", -1.0))):
        hang = rotation_of(np.array([[0.0, 0.0, -s * 1.25], [0.0, -s * 0.1, 0.0]]))
        out[JOINT[f"{side}UpperArm"]] = quaternion_of((hang[1] @ hang[0])[None])[0]
        out[JOINT[f"{side}LowerArm"]] = quaternion_of_vector(np.array([0.0, -s * 0.25, 0.0]))
        for f, finger in enumerate(FINGERS):
            parts = (
                ("Metacarpal", "Proximal", "Distal")
                if finger == "Thumb"
                else ("Proximal", "Intermediate", "Distal")
            )
            for k, part in enumerate(parts):
                joint = JOINT[f"{side}{finger}{part}"]
                out[joint] = quaternion_of_vector(fingers[i, k, f])
    return out


def upright_thigh(hips: Array) -> Array:
    """Return the local rotation (4,) that lets a thigh hang straight down under turned `hips` (4,).

    It keeps the way the person faces, so that unseen legs stand under a leaning trunk.
    """
    x, y, z, w = (float(v) for v in hips)
    length = float(np.hypot(y, w))
    if length < 1e-9:  # upside down: no way to face
        return np.array([0.0, 0.0, 0.0, 1.0])
    turn = np.array([0.0, y / length, 0.0, w / length])
    return multiply(np.array([-x, -y, -z, w]), turn)
