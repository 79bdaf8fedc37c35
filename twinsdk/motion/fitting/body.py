"""The tree of joints that the solver turns, and where a tracker's points lie on it.

Its twenty joints are those of the canonical skeleton that body points tell of: trunk, head and
limbs down to wrists and ankles. Left and right are mirror images, so tables hold the left side.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F64, Array
from twinsdk.core.body_solver import FIRST_TURN, BodyModel
from twinsdk.core.humanoid import HUMANOID_PARENTS
from twinsdk.motion.fitting.points import BODY, JOINT

__all__ = [
    "JOINTS",
    "MODEL",
    "NEUTRAL_WEIGHTS",
    "OFFSETS",
    "POINTS",
    "POINT_OFFSETS",
    "ROWS",
    "SEGMENTS",
    "row",
]

_CENTRE = ("hips", "spine", "chest", "upperChest", "neck", "head")
_SIDE = ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
JOINTS: tuple[str, ...] = (
    *_CENTRE,
    *(f"{side}{part}" for side in ("left", "right") for part in _SIDE),
)
"""The solver's joints; a parent comes before its children."""

ROWS: Array = np.array([JOINT[name] for name in JOINTS])
"""(N,) the joints' rows on the canonical skeleton."""


def row(name: str) -> int:
    """Return a joint's index in `JOINTS`."""
    return JOINTS.index(name)


SEGMENTS: tuple[str, ...] = (
    "hips",
    "trunk",
    "neck",
    "shoulders",
    "upperArm",
    "forearm",
    "thigh",
    "shank",
)
"""What has one length, the same left and right."""
_SEGMENT_OF = {
    "spine": "trunk",
    "chest": "trunk",
    "upperChest": "trunk",
    "neck": "neck",
    "head": "neck",
    "Shoulder": "trunk",
    "UpperArm": "shoulders",
    "LowerArm": "upperArm",
    "Hand": "forearm",
    "UpperLeg": "hips",
    "LowerLeg": "thigh",
    "Foot": "shank",
}

# Joint: axes that turn, lowest and highest rotation vector (radians), deviation from neutral by
# axis (0: any). Ranges after Kapandji, "The physiology of the joints"; a third of the spine's and
# two and three fifths of the neck's each.
_WIDE = 9.0
_TABLE: dict[str, tuple[str, tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "hips": ("xyz", (-_WIDE,) * 3, (_WIDE,) * 3, (0, 0, 0)),
    "spine": ("xyz", (-0.30, -0.35, -0.30), (0.50, 0.35, 0.30), (0.07, 0.20, 0.16)),
    "neck": ("xyz", (-0.45, -0.55, -0.35), (0.45, 0.55, 0.35), (0.4, 0.5, 0.3)),
    "Shoulder": ("yz", (0, -0.40, -0.15), (0, 0.25, 0.60), (0, 0.08, 0.10)),
    "UpperArm": ("xyz", (-2.4, -2.8, -2.2), (2.4, 1.6, 2.4), (0.5, 0, 0)),
    "LowerArm": ("y", (0, -2.6, 0), (0, 0.0, 0), (0, 0, 0)),
    "Hand": ("", (-_WIDE,) * 3, (_WIDE,) * 3, (0, 0, 0)),
    "UpperLeg": ("xyz", (-2.4, -0.9, -0.7), (0.7, 0.9, 1.2), (0, 0.35, 0)),
    "LowerLeg": ("x", (0.0, 0, 0), (2.6, 0, 0), (0, 0, 0)),
    "Foot": ("xy", (-0.8, -0.6, -_WIDE), (1.1, 0.6, _WIDE), (0.5, 0.25, 0)),
}
_TURNS_WITH = {"chest": "spine", "upperChest": "spine", "head": "neck"}
_SHARE = {"spine": 1 / 3, "chest": 1 / 3, "upperChest": 1 / 3, "neck": 0.4, "head": 0.6}
# A mirror image of a rotation vector is (x, -y, -z).
_MIRROR = np.array([1.0, -1.0, -1.0])


def _part(name: str) -> str:
    return name.removeprefix("left").removeprefix("right")


def _ranges(name: str) -> tuple[Array, Array, Array]:
    part = _TURNS_WITH.get(_part(name), _part(name))
    _, low, high, deviation = _TABLE[part]
    a, b, d = (np.array(v, np.float64) for v in (low, high, deviation))
    if name.startswith("right"):
        a, b = np.minimum(a * _MIRROR, b * _MIRROR), np.maximum(a * _MIRROR, b * _MIRROR)
    if name == "head":
        a, b, d = 1.5 * a, 1.5 * b, 1.5 * d
    return a, b, np.divide(1.0, d, out=np.zeros(3), where=d > 0)


def _unknown() -> tuple[Array, Array]:
    unknown, share = np.full((len(JOINTS), 3), -1), np.zeros((len(JOINTS), 3))
    first: dict[str, int] = {}
    following = FIRST_TURN
    for j, name in enumerate(JOINTS):
        lead = _TURNS_WITH.get(name, name)
        if lead not in first:
            first[lead] = following
            following += len(_TABLE[_part(lead)][0])
        for k, axis in enumerate(_TABLE[_part(lead)][0]):
            unknown[j, "xyz".index(axis)] = first[lead] + k
            share[j, "xyz".index(axis)] = _SHARE.get(name, 1.0)
    return unknown, share


# Point: the joint that carries it and where it lies from there, left side, metres on the 1.70 m
# skeleton. A tracker's points are not joints; least squares on rendered people of known pose.
_CARRIED: dict[str, tuple[str, tuple[float, float, float]]] = {
    "nose": ("head", (0.0, 0.011, 0.108)),
    "Eye": ("head", (0.031, 0.040, 0.095)),
    "Ear": ("head", (0.060, 0.027, 0.060)),
    "mouth": ("head", (0.0235, -0.023, 0.089)),
    "Shoulder": ("Shoulder", (0.142, 0.003, 0.006)),
    "Elbow": ("LowerArm", (-0.006, 0.0, 0.0)),
    "Wrist": ("Hand", (0.005, 0.0, 0.003)),
    "Hip": ("hips", (0.094, -0.008, 0.029)),
    "Knee": ("LowerLeg", (-0.004, -0.017, 0.009)),
    "Ankle": ("Foot", (-0.003, 0.018, 0.008)),
    "Heel": ("Foot", (-0.003, -0.047, -0.036)),
    "FootIndex": ("Foot", (-0.025, -0.059, 0.172)),
}
_FACE = ("nose", "leftEye", "rightEye", "leftEar", "rightEar", "mouthLeft", "mouthRight")
_LIMBS = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Heel", "FootIndex")
_USED = (*_FACE, *(f"{side}{part}" for side in ("left", "right") for part in _LIMBS))
POINTS: Array = np.array([BODY[name] for name in _USED])
"""(P,) the tracker's points that are used, by their place among its 33."""


def _point_offsets() -> tuple[list[int], Array]:
    joints, offsets = [], []
    for name in _USED:
        joint, offset = _CARRIED[_part(name).removesuffix("Left").removesuffix("Right")]
        right = name.startswith("right") or name.endswith("Right")
        paired = joint if joint in _CENTRE else ("right" if right else "left") + joint
        joints.append(row(paired))
        offsets.append(np.array(offset) * (-1.0 if right else 1.0, 1.0, 1.0))
    return joints, np.array(offsets)


_POINT_JOINTS, POINT_OFFSETS = _point_offsets()

_PARENT_NAMES = [HUMANOID_PARENTS[name] for name in JOINTS]
# Joint from its parent, left side, metres at 1.70 m: means over rendered people, whose joints lie
# where anatomy has them; the canonical skeleton's trunk is straight and a tenth longer.
_FROM_PARENT: dict[str, tuple[float, float, float]] = {
    "hips": (0.0, 0.0, 0.0),
    "spine": (0.0, 0.075, -0.039),
    "chest": (0.0, 0.148, 0.018),
    "upperChest": (0.0, 0.136, -0.009),
    "neck": (0.0, 0.175, 0.026),
    "head": (0.0, 0.101, 0.035),
    "Shoulder": (0.023, 0.102, 0.043),
    "UpperArm": (0.155, -0.022, -0.003),
    "LowerArm": (0.260, 0.0, 0.0),
    "Hand": (0.231, 0.0, 0.0),
    "UpperLeg": (0.103, -0.014, -0.005),
    "LowerLeg": (0.0, -0.385, 0.0),
    "Foot": (0.0, -0.419, 0.0),
}
OFFSETS: F64 = np.array(
    [
        np.array(_FROM_PARENT[_part(name)]) * (-1.0 if name.startswith("right") else 1.0, 1.0, 1.0)
        for name in JOINTS
    ]
)
"""(N, 3) parent_from_joint of the mean person at 1.70 m."""

_LOW, _HIGH, NEUTRAL_WEIGHTS = (
    np.array(values) for values in zip(*(_ranges(name) for name in JOINTS), strict=True)
)
_UNKNOWN, _SHARES = _unknown()
MODEL = BodyModel(
    parents=np.array([-1 if up is None else JOINTS.index(up) for up in _PARENT_NAMES], np.int32),
    unknown=_UNKNOWN,
    share=_SHARES,
    low=_LOW,
    high=_HIGH,
    segment=np.array(
        [
            SEGMENTS.index(_SEGMENT_OF[_part(name)]) if _part(name) in _SEGMENT_OF else -1
            for name in JOINTS
        ]
    ),
    point_joints=np.array(_POINT_JOINTS),
)
