"""Differences that die away: how motion goes from one source to another without a jump.

At a switch the difference between what was shown and what is to be shown, and its speed, are taken
over and brought to zero like a critically damped spring. Source: D. Bollo 2018, "Inertialization";
D. Holden 2021, "Spring-It-On".
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array

__all__ = ["Crossing", "Fading", "RotationFading"]

_LN2 = 0.6931471805599453
_MOST_SPIN, _MOST_SPEED = 12.0, 5.0  # rad/s and m/s that are believed of what was or is coming


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


class Crossing:
    """Goes from what was shown to what is to be shown so that nothing jumps or jolts.

    Where everything was and how fast it moved is taken over, and the difference to what is to be
    shown is brought to zero, place, speed and acceleration, by a polynomial of degree five. Its
    time is each one's own, chosen so that the difference accelerates it no more than it must.
    Source: D. Bollo 2018, "Inertialization".

    Args:
        turn: (R,) rad/s^2 that a difference may accelerate each of R rotations with.
        move: (P,) m/s^2, each of P points.
        shortest_s, longest_s: Bounds of the time; a difference too large for the longest is
            accelerated harder.
    """

    def __init__(
        self, turn: Array, move: Array, *, shortest_s: float = 0.2, longest_s: float = 0.8
    ) -> None:
        self._count = len(turn)
        self._most = np.concatenate([turn, move])
        self._fastest = np.repeat([_MOST_SPIN, _MOST_SPEED], [len(turn), len(move)])[:, None]
        self._bounds = (shortest_s, longest_s)
        self._shown: tuple[Array, Array] | None = None  # taken over, and not yet measured
        self._coming: tuple[Array, Array] | None = None  # of the step before: its speed is needed
        self._speed = np.zeros((len(self._most), 3))
        self._start = np.zeros((len(self._most), 3))
        self._lasting_s = np.zeros(len(self._most))
        self._gone_s = 0.0

    def begin(self, rotations: Array, spin: Array, points: Array, speed: Array) -> None:
        """Take over from what was shown last.

        Args:
            rotations: (R, 4) shown.
            spin: (R, 3) rad/s at which they turned, in the axes they are given in.
            points: (P, 3) metres.
            speed: (P, 3) m/s.
        """
        self._shown = (rotations.astype(np.float64), points.astype(np.float64))
        self._speed = _at_most(np.concatenate([spin, speed]), self._fastest)
        self._coming = None

    @property
    def busy(self) -> bool:
        """Whether anything of the difference is left."""
        return self._shown is not None or bool(self._gone_s < self._lasting_s.max())

    def step(self, rotations: Array, points: Array, step_s: float) -> tuple[Array, Array]:
        """Return what to show, `step_s` seconds after the last call, for what is to be shown."""
        rotations, points = rotations.astype(np.float64), points.astype(np.float64)
        if self._shown is not None:
            return self._taken_over(self._shown, rotations, points, step_s)
        self._gone_s += step_s
        lasting_s = np.maximum(self._lasting_s, 1e-6)[:, None]
        t = np.minimum(self._gone_s / lasting_s, 1.0)
        kept = 1 - t**3 * (10 - 15 * t + 6 * t * t)
        carried = t - t**3 * (6 - 8 * t + 3 * t * t)
        left = self._start * kept + self._speed * lasting_s * carried
        turned = quat.multiply(quat.from_rotation_vector(left[: self._count]), rotations)
        return quat.normalize(turned), points + left[self._count :]

    def _taken_over(
        self, shown: tuple[Array, Array], rotations: Array, points: Array, step_s: float
    ) -> tuple[Array, Array]:
        """Return the first two steps, which go on blindly; after them both speeds are known."""
        n = self._count
        ahead = quat.from_rotation_vector(self._speed[:n] * step_s)
        was = quat.normalize(quat.multiply(ahead, shown[0]))
        here = shown[1] + self._speed[n:] * step_s
        before, self._coming, self._shown = self._coming, (rotations, points), (was, here)
        if before is None:
            return was, here
        apart = quat.multiply(was, quat.conjugate(rotations))
        spin = quat.to_rotation_vector(quat.multiply(rotations, quat.conjugate(before[0])))
        pace = _at_most(np.concatenate([spin, points - before[1]]) / step_s, self._fastest)
        pace[:n] = quat.rotate(apart, pace[:n])
        self._start = np.concatenate([quat.to_rotation_vector(apart), here - points])
        self._speed = self._speed - pace
        far, fast = (np.sqrt((v * v).sum(-1)) for v in (self._start, self._speed))
        # The largest accelerations of the two polynomials over unit time: 10 / sqrt(3) and 3.94.
        times = np.maximum(np.sqrt(5.77 * far / self._most), 3.94 * fast / self._most)
        self._lasting_s = np.clip(times, *self._bounds)
        self._shown, self._gone_s = None, 0.0
        return was, here


def _at_most(vectors: Array, most: Array | float) -> Array:
    """Return vectors (..., 3) no longer than `most`."""
    size = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.asarray(vectors * np.minimum(1.0, most / np.maximum(size, 1e-12)))
