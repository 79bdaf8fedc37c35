"""The mean of a path over its last moments: evens out bursts at the price of half their length.

What jumps from one frame to the next is spread over the window, whatever the frame rate. Between
frames the path is a straight line.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from twinsdk.core.arrays import Array

__all__ = ["PathMean"]


class PathMean:
    """Follows an array of any shape.

    Args:
        window_s: How far back the mean reaches; 0 passes everything as it is.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next value passes as it is."""
        self._past: deque[tuple[float, Array]] = deque()

    def step(self, value: Array, step_s: float) -> Array:
        """Return the mean, `step_s` seconds after the last value."""
        past = deque([(0.0, value)])
        for age, before in self._past:
            past.append((age + step_s, before))
            if age + step_s >= self._window_s:
                break
        self._past = past
        if not self._window_s > 0:
            return value
        mean, left = np.zeros(value.shape), 1.0
        for (young, after), (old, before) in pairwise(past):
            part = min((old - young) / self._window_s, left)
            if part > 0:
                share = part * self._window_s / (old - young) / 2
                mean += part * (after + share * (before - after))
                left -= part
        return mean + left * past[-1][1]
