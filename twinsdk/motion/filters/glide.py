"""Filters that go on as things move: what moves steadily is not late, what jumps is caught up.

Place and speed are carried from frame to frame; of what a new frame shows besides, a share goes to
each. The share rises with speed, so that what is still is held still. The step is exact for any
frame interval. Source: Morrison 1969, "Introduction to sequential smoothing and prediction", the
critically damped filter of degree one, and its like with less damping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat, turning
from twinsdk.core.arrays import Array
from twinsdk.errors import ValueRangeError
from twinsdk.motion.filters.smooth import blend_amount

__all__ = ["GlideConfig", "PointGlide", "RotationGlide"]


@dataclass(frozen=True, kw_only=True)
class GlideConfig:
    """How stiffly to follow.

    Attributes:
        min_hz: Of what is still.
        gain: What a radian (or metre) a second adds to it, Hz.
        speed_hz: How fast the speed that counts for that follows.
        damping: (0, 1]. 1, critical, overshoots least; 0.7 is as prompt with less of the trembling.
    """

    min_hz: float = 1.0
    gain: float = 1.0
    speed_hz: float = 1.5
    damping: float = 1.0

    def __post_init__(self) -> None:
        if not (self.min_hz > 0 and self.gain >= 0 and self.speed_hz > 0):
            raise ValueRangeError(
                f"GlideConfig: expected rates above 0 Hz and a gain of 0 or more, got {self}"
            )
        if not 0 < self.damping <= 1:
            raise ValueRangeError(
                f"GlideConfig: expected a damping above 0 and at most 1, got {self.damping}"
            )


class _Glide:
    """What both filters remember."""

    def __init__(self, config: GlideConfig | None = None) -> None:
        self._config = config or GlideConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next value passes as it is."""
        self._at: Array | None = None
        self._velocity: Array = np.zeros(0)
        self._speed: Array = np.zeros(0)

    def _start(self, value: Array) -> Array:
        self._at = value
        self._velocity, self._speed = np.zeros((len(value), 3)), np.zeros(len(value))
        return value


class PointGlide(_Glide):
    """Follows points (P, 3)."""

    def step(self, points: Array, step_s: float) -> Array:
        """Return the smoothed points, `step_s` seconds after the last."""
        given = np.asarray(points, np.float64)
        if self._at is None:
            return self._start(given)
        if not step_s > 0:
            return self._at
        ahead = self._at + step_s * self._velocity
        place, pace = self._shares(step_s)
        self._at = ahead + place * (given - ahead)
        self._velocity = self._velocity + pace / step_s * (given - ahead)
        return self._at

    def _shares(self, step_s: float) -> tuple[Array, Array]:
        speed = np.sqrt((self._velocity**2).sum(-1))
        c = self._config
        self._speed = self._speed + blend_amount(c.speed_hz, step_s) * (speed - self._speed)
        place, pace = turning.glide_shares(step_s * (c.min_hz + c.gain * self._speed), c.damping)
        return place[:, None], pace[:, None]


class RotationGlide(_Glide):
    """Follows rotations (J, 4) xyzw, each by its own angular speed, and never flips them."""

    def step(
        self, rotations: Array, step_s: float, *, haste: Array | float, max_speed: Array
    ) -> Array:
        """Return the smoothed rotations (J, 4), `step_s` seconds after the last.

        Args:
            rotations: (J, 4) xyzw, unit.
            step_s: Seconds; 0 or less returns the last value.
            haste: (J,) factor on the rates, below 1 for joints that are less surely seen.
            max_speed: (J,) rad/s: no joint turns faster. It is what a limb can do, so that a
                tracker's mix-up becomes a quick move instead of a jump.
        """
        given = np.asarray(rotations, np.float64)
        if self._at is None:
            return self._start(quat.normalize(given))
        if not step_s > 0:
            return self._at
        # What was given out stays as it was.
        at = self._at.copy()
        turning.glide(
            given,
            at=at,
            velocity=self._velocity,
            speed=self._speed,
            step_s=step_s,
            rates_hz=(self._config.min_hz, self._config.gain, self._config.speed_hz),
            damping=self._config.damping,
            haste=np.broadcast_to(haste, max_speed.shape),
            max_speed=max_speed,
        )
        self._at = at
        return at
