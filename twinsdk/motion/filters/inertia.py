"""Differences that die away: how motion goes from one source to another without a jump.

At a switch the difference between what was shown and what is to be shown, and its speed, are taken
over and brought to zero like a critically damped spring. Source: D. Bollo 2018, "Inertialization";
D. Holden 2021, "Spring-It-On".
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array

__all__ = ["Fading", "RotationFading"]

_LN2 = 0.6931471805599453


class Fading:
    """A difference (..., D) of points that dies away.

    Args:
        half_life_s: Seconds in which half of it is gone.
    """

    def __init__(self, shape: tuple[int, ...], half_life_s: float) -> None:
        self.value = np.zeros(shape)
        self.speed = np.zeros(shape)
        self._rate = 2 * _LN2 / half_life_s

    def begin(self, value: Array, speed: Array | float = 0.0) -> None:
        """Take over a difference and how fast it changes."""
        self.value = np.array(value, np.float64)
        self.speed = np.zeros_like(self.value) + speed

    def step(self, step_s: float) -> Array:
        """Return what is left `step_s` seconds later."""
        y = self._rate
        eased = float(np.exp(-y * step_s))
        change = (self.speed + y * self.value) * step_s
        self.speed = eased * (self.speed - y * change)
        self.value = eased * (self.value + change)
        return self.value


class RotationFading:
    """The same for rotations (J, 4): differences as rotation vectors, applied from the left."""

    def __init__(self, count: int, half_life_s: float) -> None:
        self._fading = Fading((count, 3), half_life_s)

    def begin(self, shown: Array, coming: Array, speed: Array | float = 0.0) -> None:
        """Take over from `shown` (J, 4) to `coming` (J, 4); `speed` (J, 3) rad/s between them."""
        apart = quat.multiply(shown.astype(np.float64), quat.conjugate(coming.astype(np.float64)))
        self._fading.begin(quat.to_rotation_vector(apart), speed)

    def step(self, coming: Array, step_s: float) -> Array:
        """Return what to show for `coming` (J, 4), `step_s` seconds after the last call."""
        left = quat.from_rotation_vector(self._fading.step(step_s))
        return quat.multiply(left, coming.astype(np.float64))
