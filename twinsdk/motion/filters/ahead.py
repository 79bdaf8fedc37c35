"""Where joints will be if they go on as they do: forecasts without a model."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.pose import Pose
from twinsdk.motion.filters.smooth import blend_amount

__all__ = ["SteadyAhead"]

_CUTOFF_HZ = 4.0  # of the low-pass on velocities: noise must not be thrown ahead
_FADE_S = 0.07  # beyond it a velocity says little: the forecast slows down


class SteadyAhead:
    """Forecasts by smoothed velocities that die away; give it every pose in order.

    Args:
        cutoff_hz: Of the low-pass on velocities.
        fade_s: Time constant with which they die away.
    """

    def __init__(self, *, cutoff_hz: float = _CUTOFF_HZ, fade_s: float = _FADE_S) -> None:
        self._cutoff_hz, self._fade_s = cutoff_hz, fade_s
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._last: Pose | None = None
        self._spin: Array = np.zeros(3)
        self._speed: Array = np.zeros(3)

    def step(self, pose: Pose, step_s: float, ahead_s: float) -> Pose:
        """Return the pose `ahead_s` seconds after `pose`, which is `step_s` after the last."""
        last = self._last
        if last is None or last.skeleton is not pose.skeleton:
            self._spin, self._speed = np.zeros((len(pose.rotations), 3)), np.zeros(3)
        elif step_s > 0:
            share = blend_amount(self._cutoff_hz, step_s)
            between = quat.multiply(pose.rotations, quat.conjugate(last.rotations))
            spin = quat.to_rotation_vector(between) / step_s
            speed = (pose.root_translation - last.root_translation) / step_s
            self._spin = self._spin + share * (spin - self._spin)
            self._speed = self._speed + share * (speed - self._speed)
        self._last = pose
        way = self._fade_s * -float(np.expm1(-max(ahead_s, 0.0) / self._fade_s))
        turned = quat.from_rotation_vector((way * self._spin).astype(np.float32))
        return Pose(
            skeleton=pose.skeleton,
            rotations=quat.multiply(turned, pose.rotations),
            root_translation=pose.root_translation + (way * self._speed).astype(np.float32),
        )
