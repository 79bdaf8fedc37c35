"""Where a tracker's points lie on the canonical skeleton in its rest pose, and their indices.

The fit turns directions between points into rotations *from these rest directions*, so this is the
whole of what it assumes about a tracker's model. Positions are metres on the 1.70 m skeleton.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES

__all__ = [
    "BODY",
    "FACE_MODEL",
    "FACE_POINTS",
    "HAND",
    "HEAD_MODEL",
    "HEAD_POINTS",
    "JOINT",
    "PARENTS",
    "REST",
    "SOLE_DROP",
    "joints",
]

BODY: dict[str, int] = {name: i for i, name in enumerate(BODY_NAMES)}
HAND: dict[str, int] = {name: i for i, name in enumerate(HAND_NAMES)}
JOINT: dict[str, int] = {name: i for i, name in enumerate(HUMANOID_NAMES)}
PARENTS: Array = np.array(humanoid_skeleton().parents)

_REST_POSITIONS = np.array(humanoid_skeleton().rest_world()[1], np.float64)
REST: dict[str, Array] = {name: _REST_POSITIONS[j] for name, j in JOINT.items()}
"""Rest position (3,) of each joint."""


def joints(*names: str) -> Array:
    """Return the indices of the named canonical joints."""
    return np.array([JOINT[name] for name in names])


SOLE_DROP = float(np.radians(12.0))
"""How far the line from heel to toe points falls on a flat foot: the heel's point lies higher."""


# The eleven face points of the body tracker, relative to the head joint. Ears are at the ear
# canal's height; eyes agree with the skeleton's eye joints.
_HEAD: dict[str, tuple[float, float, float]] = {
    "nose": (0.0, 0.030, 0.118),
    "leftEyeInner": (0.016, 0.066, 0.090),
    "leftEye": (0.032, 0.066, 0.086),
    "leftEyeOuter": (0.047, 0.065, 0.076),
    "rightEyeInner": (-0.016, 0.066, 0.090),
    "rightEye": (-0.032, 0.066, 0.086),
    "rightEyeOuter": (-0.047, 0.065, 0.076),
    "leftEar": (0.078, 0.045, 0.0),
    "rightEar": (-0.078, 0.045, 0.0),
    "mouthLeft": (0.026, -0.004, 0.088),
    "mouthRight": (-0.026, -0.004, 0.088),
}
HEAD_POINTS: Array = np.array([BODY[name] for name in _HEAD])
HEAD_MODEL: Array = np.array(list(_HEAD.values()))

# Points of the 478-point face that expressions move little, in centimetres, +X the person's left.
# Source: MediaPipe's canonical face model (Apache-2.0), face_geometry/data.
_FACE: dict[int, tuple[float, float, float]] = {
    4: (0.0, -0.463, 7.587),
    6: (0.0, 2.473, 5.789),
    10: (0.0, 8.262, 4.482),
    168: (0.0, 3.271, 5.236),
    33: (-4.446, 2.664, 3.173),
    263: (4.446, 2.664, 3.173),
    133: (-1.856, 2.585, 3.758),
    362: (1.856, 2.585, 3.758),
    129: (-1.786, -0.978, 4.850),
    358: (1.786, -0.978, 4.850),
    54: (-6.279, 6.615, 1.426),
    284: (6.279, 6.615, 1.426),
    67: (-3.524, 8.006, 3.729),
    297: (3.524, 8.006, 3.729),
    127: (-7.743, 2.365, -2.005),
    356: (7.743, 2.365, -2.005),
    234: (-7.664, 0.673, -2.436),
    454: (7.664, 0.673, -2.436),
}
FACE_POINTS: Array = np.array(list(_FACE))
FACE_MODEL: Array = np.array(list(_FACE.values()))
