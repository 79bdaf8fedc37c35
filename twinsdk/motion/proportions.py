"""A person's bone lengths: running medians of what was measured on frames that were sure of it.

A tracker's bones change length by 4 to 14 percent from frame to frame. Fixing them gives the scale
of the person (for the root) and shows how far a foreshortened bone points away from the camera.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.points import BODY, REST

__all__ = ["SEGMENTS", "Proportions"]


def _sides(a: str, b: str) -> tuple[tuple[int, int], tuple[int, int]]:
    return (BODY[f"left{a}"], BODY[f"left{b}"]), (BODY[f"right{a}"], BODY[f"right{b}"])


SEGMENTS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "upperArm": _sides("Shoulder", "Elbow"),
    "forearm": _sides("Elbow", "Wrist"),
    "trunk": _sides("Shoulder", "Hip"),
    "thigh": _sides("Hip", "Knee"),
    "shank": _sides("Knee", "Ankle"),
}
"""Pairs of body points, left and right, whose distance is one length."""

_FROM = np.array([[side[0] for side in pair] for pair in SEGMENTS.values()])
_TO = np.array([[side[1] for side in pair] for pair in SEGMENTS.values()])
_JOINTS = {
    "Shoulder": "leftUpperArm",
    "Elbow": "leftLowerArm",
    "Wrist": "leftHand",
    "Hip": "leftUpperLeg",
    "Knee": "leftLowerLeg",
    "Ankle": "leftFoot",
}


def _canonical() -> Array:
    ends = (
        ("Shoulder", "Elbow"),
        ("Elbow", "Wrist"),
        ("Shoulder", "Hip"),
        ("Hip", "Knee"),
        ("Knee", "Ankle"),
    )
    return np.array([np.linalg.norm(REST[_JOINTS[a]] - REST[_JOINTS[b]]) for a, b in ends])


CANONICAL_LENGTHS: Array = _canonical()
"""(5,) metres of each segment on the 1.70 m skeleton."""

_WINDOW = 90  # samples kept
_FIRST = 8  # samples before a length is believed
_EVERY_S = 1 / 15  # one sample this often at most, so that the window spans time and not frames
_SURE = 0.6


class Proportions:
    """Learns the lengths of `SEGMENTS`, the same left and right.

    Attributes:
        lengths: (5,) metres, NaN where not yet known.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self.lengths = np.full(len(SEGMENTS), np.nan)
        self._samples = np.full((_WINDOW, len(SEGMENTS)), np.nan)
        self._taken = 0
        self._since_s = np.inf

    def add(self, points: Array, seen: Array, step_s: float) -> None:
        """Measure one frame.

        Args:
            points: (33, 3) metres.
            seen: (33,) in [0, 1].
            step_s: Seconds since the last frame.
        """
        self._since_s += step_s
        if self._since_s < _EVERY_S:
            return
        self._since_s = 0.0
        bones = points[_TO] - points[_FROM]
        measured = np.sqrt((bones * bones).sum(-1))
        sure = (seen[_FROM] > _SURE) & (seen[_TO] > _SURE)
        count = sure.sum(1)
        mean = (measured * sure).sum(1) / np.maximum(count, 1)
        self._samples[self._taken % _WINDOW] = np.where(count > 0, mean, np.nan)
        self._taken += 1
        if self._taken <= 2 * _FIRST or self._taken % 8 == 0:
            self._settle()

    @property
    def scale(self) -> float:
        """How many metres of the 1.70 m skeleton one metre of this person's points is."""
        known = np.isfinite(self.lengths)
        if not known.any():
            return 1.0
        return float(CANONICAL_LENGTHS[known].sum() / self.lengths[known].sum())

    def _settle(self) -> None:
        enough = np.isfinite(self._samples).sum(0) >= min(_FIRST, self._taken)
        if enough.any():
            self.lengths[enough] = np.nanmedian(self._samples[:, enough], axis=0)
