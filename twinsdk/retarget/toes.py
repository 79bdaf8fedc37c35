"""Toes: what the floor does to toes that nobody captured.

Many captures end at the ankle or the ball of the foot. When such a heel lifts, stiff toes would go
through the floor; here they stay on it, as toes do.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.transfer import Rig

__all__ = ["bend_toes"]

_TIP_OF_FOOT = 0.5  # ball to tip over ankle to ball
_MOST_BEND = np.radians(65)


def bend_toes(
    target: Rig, role: str, rotations: F32, roots: F32, floor: Array, length: float
) -> None:
    """Bend the toes of one foot up where their tip would be under the floor, in place.

    Args:
        target: The rig.
        role: "leftToes" or "rightToes".
        rotations: (T, J, 4) local.
        roots: (T, 3).
        floor: (T,) height of the ball of the foot when it stands.
        length: From ankle to ball.
    """
    skeleton, toes = target.skeleton, target.roles[role]
    turns, places = (
        array.astype(np.float64)
        for array in forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
    )
    tip = max(_TIP_OF_FOOT * length, 1e-6)
    free = np.clip((places[:, toes, 1] - floor) / tip, 0, 1)
    least = -np.arcsin(free)  # how far down they may point
    posture = quat.multiply(turns[:, toes], quat.conjugate(target.tpose.world[toes]))
    ahead = quat.rotate(posture, np.array([0.0, 0.0, 1.0]))
    pitch = np.arcsin(np.clip(ahead[:, 1], -1, 1))
    low = np.flatnonzero(pitch < least - 1e-4)
    if not len(low):
        return
    across = np.cross(ahead[low], [0.0, 1.0, 0.0])
    bend = quat.from_axis_angle(across, np.minimum((least - pitch)[low], _MOST_BEND))
    above = turns[low, skeleton.parents[toes]]
    bent = quat.multiply(bend, turns[low, toes])
    rotations[low, toes] = quat.positive(quat.multiply(quat.conjugate(above), bent))
