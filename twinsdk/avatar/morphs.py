"""The 52 expressions as morphs of all parts: what the base gives, made as large as ARKit means it.

The base's shapes are MakeHuman's face units. Some are milder than ARKit's picture of a channel at
1, and its gazes push the eyeball aside where they should turn it.
"""

from __future__ import annotations

import numpy as np

from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Part
from twinsdk.avatar.rig import TPose
from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.avatar import Morphs
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["expression_morphs"]

# Morphs move the face only: they fade where the share of head, jaw, eyes and neck falls below the
# second figure and are gone at the first.
_FACE_SHARE = (0.5, 0.9)
_FACE_JOINTS = ("neck", "head", "jaw", "leftEye", "rightEye")
# Times the base's own: a pucker that narrows the mouth to two thirds, lips drawn off the teeth,
# brows that fold the forehead, upper lids that go with eyes turned twice as far as the base does.
_GAIN = {
    "mouthPucker": 1.4,
    "mouthLowerDown": 1.4,
    "mouthUpperUp": 1.3,
    "browInnerUp": 1.5,
    "noseSneer": 1.4,
    "eyeSquint": 1.2,
    "eyeLookUp": 1.4,
}
# Where the eyes look at weight 1, degrees left of the nose's way and up; motion/fitting/head.py
# turns eye bones by as much.
_OUT_DEG, _UP_DEG = 30.0, 22.0


def expression_morphs(base: Base, pose: TPose, parts: list[Part]) -> Morphs:
    """Return how far each of the 52 expressions at weight 1 moves each vertex of the parts.

    Args:
        base: The base.
        pose: The body in T-pose.
        parts: All parts of the mesh, in its order.
    """
    face = pose.weights[:, [HUMANOID_NAMES.index(name) for name in _FACE_JOINTS]].sum(1)
    movable = np.interp(face, _FACE_SHARE, (0.0, 1.0))[:, None]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    offsets: F32 = np.zeros((len(EXPRESSION_NAMES), int(starts[-1]), 3), np.float32)
    for e, name in enumerate(EXPRESSION_NAMES):
        gain = _GAIN.get(name.removesuffix("Left").removesuffix("Right"), 1.0)
        target = gain * movable * base.target(f"face/{name}")
        moved: Array = np.einsum("vij,vj->vi", pose.turns, target)
        for part, start in zip(parts, starts, strict=False):
            gaze = name.startswith("eyeLook") and part.name == f"{_side(name)} eye"
            own = _turned_eye(part, name) if gaze else part.mix @ moved
            offsets[e, start : start + len(part.vertices)] = own
    return Morphs(names=EXPRESSION_NAMES, offsets=offsets)


def _side(name: str) -> str:
    return "left" if name.endswith("Left") else "right"


def _turned_eye(part: Part, name: str) -> F64:
    """Return how far a gaze moves the vertices of an eyeball, which turns about its centre."""
    out = 1.0 if _side(name) == "left" else -1.0
    way = name.removeprefix("eyeLook").removesuffix("Left").removesuffix("Right")
    turns = {
        "Out": (0.0, out * _OUT_DEG, 0.0),
        "In": (0.0, -out * _OUT_DEG, 0.0),
        "Up": (-_UP_DEG, 0.0, 0.0),
        "Down": (_UP_DEG, 0.0, 0.0),
    }
    turn = quat.from_rotation_vector(np.radians(turns[way]))
    away = part.vertices - (part.vertices.min(0) + part.vertices.max(0)) / 2
    moved: F64 = quat.rotate(np.tile(turn, (len(away), 1)), away) - away
    return moved
