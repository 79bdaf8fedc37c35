"""How fast people turn their joints: what is faster is a tracker's mix-up."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.pose import Pose
from twinsdk.motion.fitting.rest import GROUP_OF_JOINT

__all__ = ["SPEED_LIMITS", "speed_limits"]

# What limbs can do, rad/s, in the order of GROUPS: a mix-up becomes a quick move, not a jump. In
# captured boxing and dance hips turn about the vertical by up to 7.3, arms 26, forearms 28.
SPEED_LIMITS: F64 = np.array(
    [10, 12, 24, 24, 28, 28, 20, 20, 20, 20, 18, 18, 24, 24, 18, 18], np.float64
)[GROUP_OF_JOINT]
_TUMBLE_SPEED = 16.0


def speed_limits(last: Pose | None, rotations: Array) -> F64:
    """Return the joints' speed limits (55,), rad/s, on the way from `last` to `rotations`.

    People somersault faster than they turn about; a quick turn of the whole person about the
    vertical is most often a tracker that takes front for back.

    Args:
        last: The pose of the last frame, None at the first.
        rotations: (55, 4) xyzw, where the joints are to go.
    """
    limits: F64 = SPEED_LIMITS.copy()
    if last is not None:
        turn = quat.multiply(rotations[0].astype(np.float32), quat.conjugate(last.rotations[0]))[:3]
        vertical = turn[1] ** 2 / max(float(turn @ turn), 1e-12)
        limits[0] += (_TUMBLE_SPEED - limits[0]) * (1 - vertical)
    return limits
