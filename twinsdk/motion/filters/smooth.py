"""One Euro filters that know the time: for points and for rotations.

A low-pass filter whose cutoff rises with speed: still things are held still, fast ones are not
delayed. The step is exact for any frame interval, so 15, 30 and 60 Hz give the same motion.
Source: Casiez, Roussel, Vogel 2012, "1 euro filter".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.errors import ValueRangeError
from twinsdk.motion.vectors import multiply

__all__ = ["OneEuroConfig", "PointFilter", "RotationFilter", "blend_amount"]


_CONJUGATE = np.array([-1.0, -1.0, -1.0, 1.0])
_BELIEVED_SPEED = 8.0  # rad/s


@dataclass(frozen=True, kw_only=True)
class OneEuroConfig:
    """How a filter trades stillness for delay.

    Attributes:
        min_cutoff_hz: Cutoff at rest; lower is stiller.
        speed_gain: Hertz of cutoff a unit of speed adds (m/s for points, rad/s for rotations).
        speed_cutoff_hz: Cutoff of the low-pass on the speed itself.
    """

    min_cutoff_hz: float = 1.0
    speed_gain: float = 1.5
    speed_cutoff_hz: float = 1.0

    def __post_init__(self) -> None:
        if not (self.min_cutoff_hz > 0 and self.speed_cutoff_hz > 0 and self.speed_gain >= 0):
            raise ValueRangeError(
                "one euro: expected cutoffs above 0 Hz and a gain of at least 0, got "
                f"{self.min_cutoff_hz}, {self.speed_cutoff_hz}, {self.speed_gain}"
            )


def blend_amount(cutoff_hz: Array | float, step_s: float) -> Array:
    """Return how far a first-order low-pass moves towards its input in `step_s`, [0, 1]."""
    amount: Array = -np.expm1(-2 * np.pi * np.asarray(cutoff_hz, np.float64) * step_s)
    return amount


class PointFilter:
    """Smooths points (..., D), each by its own speed."""

    def __init__(self, config: OneEuroConfig | None = None) -> None:
        self._config = config or OneEuroConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next points pass as they are."""
        self._given: Array | None = None
        self._smooth: Array | None = None
        self._velocity: Array | None = None

    def step(self, points: Array, step_s: float) -> Array:
        """Return the smoothed points, `step_s` seconds after the last; nothing moves in no time.

        Args:
            points: (..., D); not finite ones are left out: the last value stands.
            step_s: Seconds; 0 or less returns the last value.
        """
        given = np.asarray(points, np.float64)
        if self._smooth is None or self._given is None or self._velocity is None:
            self._smooth = np.where(np.isfinite(given), given, 0.0)
            self._given, self._velocity = self._smooth, np.zeros_like(self._smooth)
            return self._smooth
        if not step_s > 0:
            return self._smooth
        given = np.where(np.isfinite(given), given, self._smooth)
        velocity = (given - self._given) / step_s
        self._velocity = self._velocity + blend_amount(self._config.speed_cutoff_hz, step_s) * (
            velocity - self._velocity
        )
        speed = np.sqrt((self._velocity**2).sum(-1, keepdims=True))
        cutoff = self._config.min_cutoff_hz + self._config.speed_gain * speed
        self._smooth = self._smooth + blend_amount(cutoff, step_s) * (given - self._smooth)
        self._given = given
        return self._smooth


class RotationFilter:
    """Smooths rotations (J, 4) xyzw, each by its own angular speed, and never flips them.

    Args:
        config: Cutoffs; speeds are rad/s.
        max_speed: (J,) or one number, rad/s: no joint turns faster. It is what a limb can do, so
            that a tracker's mix-up becomes a quick move instead of a jump.
    """

    def __init__(
        self, config: OneEuroConfig | None = None, *, max_speed: Array | float = np.inf
    ) -> None:
        self._config = config or OneEuroConfig()
        self._max_speed = np.asarray(max_speed, np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next rotations pass as they are."""
        self._given: Array | None = None
        self._smooth: Array | None = None
        self._velocity: Array | None = None

    def step(
        self,
        rotations: Array,
        step_s: float,
        *,
        haste: Array | float = 1.0,
        max_speed: Array | None = None,
    ) -> Array:
        """Return the smoothed rotations (J, 4), `step_s` seconds after the last.

        Args:
            rotations: (J, 4) xyzw, unit.
            step_s: Seconds; 0 or less returns the last value.
            haste: (J,) factor on the cutoffs, below 1 for joints that are less surely seen.
            max_speed: (J,) rad/s for this step; None is that of the constructor.
        """
        given = np.asarray(rotations, np.float64)
        if self._smooth is None or self._given is None or self._velocity is None:
            self._smooth = quat.normalize(given)
            self._given, self._velocity = self._smooth, np.zeros((len(given), 3))
            return self._smooth
        if not step_s > 0:
            return self._smooth
        velocity = _turn(self._given, given) / step_s
        # One wild frame must not open the filter for itself.
        fastest = np.sqrt((velocity * velocity).sum(-1, keepdims=True))
        velocity *= _BELIEVED_SPEED / np.maximum(fastest, _BELIEVED_SPEED)
        self._velocity += blend_amount(self._config.speed_cutoff_hz, step_s) * (
            velocity - self._velocity
        )
        speed = np.sqrt((self._velocity**2).sum(-1))
        cutoff = self._config.min_cutoff_hz + self._config.speed_gain * speed
        amount = blend_amount(cutoff * haste, step_s)

        cosine = (self._smooth * given).sum(-1)
        target = np.where(cosine[:, None] < 0, -given, given)
        apart = 2 * np.arccos(np.minimum(np.abs(cosine), 1.0))
        reach = (self._max_speed if max_speed is None else max_speed) * step_s
        amount = np.minimum(amount, reach / np.maximum(apart, 1e-9))
        moved = self._smooth + amount[:, None] * (target - self._smooth)
        self._smooth = moved / np.sqrt((moved * moved).sum(-1, keepdims=True))
        self._given = given
        return self._smooth


def _turn(a: Array, b: Array) -> Array:
    """Return the turn (J, 3) from a to b as a rotation vector, close below 30 degrees."""
    between = multiply(a * _CONJUGATE, b)
    return np.copysign(2.0, between[..., 3:]) * between[..., :3]
