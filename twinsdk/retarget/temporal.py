"""Temporal: the same corrections over a whole clip and a frame at a time.

What hands, arms and legs are moved by is found from one frame alone; only how a correction comes
and goes needs its neighbours. `WholeClip` sees those on both sides and delays nothing, `AsItComes`
only the past. On a body that keeps still both give the same.
"""

from __future__ import annotations

from math import exp
from typing import Protocol

import numpy as np

from twinsdk.core.arrays import Array

__all__ = ["AsItComes", "Temporal", "WholeClip"]

_SPEED_S = 0.08  # over which velocity is averaged


class Temporal(Protocol):
    """How corrections flow; `key` names what is filtered, T is 1 for a frame at a time."""

    def smooth(self, key: str, values: Array, seconds: float) -> Array:
        """Return values (T, ...) without what is faster than `seconds`."""

    def held(self, key: str, vectors: Array, seconds: float) -> Array:
        """Return vectors (T, ..., 3) that are at once as long as given, let go of in `seconds`."""

    def speed(self, key: str, points: Array) -> Array:
        """Return (T, ...) how fast points (T, ..., 3) move, lengths a second."""


class WholeClip:
    """Filters that look both ways: nothing lags."""

    def __init__(self, fps: float) -> None:
        self._fps = fps

    def smooth(self, key: str, values: Array, seconds: float) -> Array:  # noqa: ARG002
        """Return values (T, ...) through a Gaussian of `seconds`."""
        from scipy.ndimage import gaussian_filter1d

        return np.asarray(gaussian_filter1d(values, seconds * self._fps, axis=0, mode="nearest"))

    def held(self, key: str, vectors: Array, seconds: float) -> Array:  # noqa: ARG002
        """Return vectors (T, ..., 3) as long as the longest in `seconds`, eased on both sides."""
        from scipy.ndimage import gaussian_filter1d, maximum_filter1d

        length = np.linalg.norm(vectors, axis=-1)
        if length.max(initial=0) <= 0:
            return vectors
        ease = max(1, round(seconds * self._fps))
        wide = maximum_filter1d(length, 2 * ease + 1, axis=0, mode="nearest")
        amount = gaussian_filter1d(wide, ease * 0.6, axis=0, mode="nearest")
        way = gaussian_filter1d(vectors, ease, axis=0, mode="nearest")
        way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
        return np.asarray(way * amount[..., None])

    def speed(self, key: str, points: Array) -> Array:
        """Return central differences, averaged as vectors, so that trembling cancels out."""
        if len(points) < 2:
            return np.zeros(points.shape[:-1])
        velocity = np.gradient(points, axis=0) * self._fps
        return np.asarray(np.linalg.norm(self.smooth(key, velocity, 0.5 * _SPEED_S), axis=-1))


class AsItComes:
    """Filters of the past alone, a frame at a time; one for each person.

    `elapsed_s` is set before each frame; None treats it by itself and remembers nothing.
    """

    def __init__(self) -> None:
        self.elapsed_s: float | None = None
        self._before: dict[str, Array] = {}

    def smooth(self, key: str, values: Array, seconds: float) -> Array:
        """Return values (1, ...) through a first-order low pass."""
        return self._towards(f"{key}, smooth", values, seconds)

    def held(self, key: str, vectors: Array, seconds: float) -> Array:
        """Return vectors (1, ..., 3): longer at once, shorter only in `seconds`."""
        if self.elapsed_s is None:
            return vectors
        length = np.linalg.norm(vectors, axis=-1)
        kept = self._before.get(f"{key}, length", length) * exp(-self.elapsed_s / seconds)
        amount = self._before[f"{key}, length"] = np.maximum(length, kept)
        way = self._towards(f"{key}, way", vectors, 0.5 * seconds)
        size = np.linalg.norm(way, axis=-1)
        return np.asarray(way * (amount / np.maximum(size, 1e-9))[..., None])

    def speed(self, key: str, points: Array) -> Array:
        """Return backward differences, averaged as vectors; 0 in the first frame."""
        if self.elapsed_s is None:
            return np.zeros(points.shape[:-1])
        before = self._before.get(f"{key}, place", points)
        self._before[f"{key}, place"] = points
        if self.elapsed_s <= 0:
            velocity = self._before.get(f"{key}, velocity", np.zeros_like(points))
        else:
            now = (points - before) / self.elapsed_s
            velocity = self._towards(f"{key}, velocity", now, _SPEED_S)
        return np.asarray(np.linalg.norm(velocity, axis=-1))

    def _towards(self, key: str, values: Array, seconds: float) -> Array:
        if self.elapsed_s is None:
            return values
        before = self._before.get(key, values)
        out = before + (values - before) * (1 - exp(-self.elapsed_s / seconds))
        self._before[key] = out
        return np.asarray(out)
