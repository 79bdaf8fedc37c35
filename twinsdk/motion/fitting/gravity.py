"""Which way is down: the camera's pitch, learnt from how people stand.

Trackers give points in the camera's axes. A camera that looks down by 20 degrees makes everybody
lean towards it by 20 degrees. Two things tell: the line from ankles to shoulders of a person who
stands straight is upright, and soles lie flat. The median of many such frames is taken; the camera
is held to stay where it is.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.points import BODY, SOLE_DROP
from twinsdk.motion.vectors import dot, turn_x, unit

__all__ = ["CameraPitch"]


def _pair(part: str) -> list[int]:
    return [BODY[f"left{part}"], BODY[f"right{part}"]]


_SHOULDERS, _HIPS, _KNEES, _ANKLES = (_pair(p) for p in ("Shoulder", "Hip", "Knee", "Ankle"))
_HEELS, _TOES = _pair("Heel"), _pair("FootIndex")
_LEGS = [*_HIPS, *_KNEES, *_ANKLES]
_FEET = [*_HEELS, *_TOES]

_SURE = 0.65
_STRAIGHT = np.cos(np.radians(25.0))  # knees and hips of somebody who stands
_AHEAD = np.cos(np.radians(50.0))  # feet further to the side show no pitch
_ALIKE = np.radians(15.0)  # both soles lie flat only if they agree
_LEAST, _MOST = np.radians(-25.0), np.radians(45.0)
# Trackers let toes point down too much, so soles alone are believed by half.
_SOLES_SHARE = 0.5
_SAMPLES, _EVERY_S = 150, 0.1
_WORTH = np.radians(1.0)  # a smaller change would only tilt somebody who stands still
_BELIEVED = 20  # samples that the pitch of another session counts for


class CameraPitch:
    """Follows the camera's pitch.

    Attributes:
        radians: How far the camera looks down; 0 until somebody was seen to stand or their feet.

    Args:
        fixed_deg: The pitch where it is known; None learns it.
    """

    def __init__(self, *, fixed_deg: float | None) -> None:
        self._fixed = None if fixed_deg is None else float(np.radians(fixed_deg))
        self.reset()

    def reset(self) -> None:
        """Forget what was learnt."""
        self.radians = 0.0 if self._fixed is None else self._fixed
        self._standing: list[float] = []
        self._soles: list[float] = []
        self._goal: float | None = None
        self._turning = False
        self._since_s = np.inf

    def add(self, points: Array, seen: Array, step_s: float, *, moving: bool = True) -> None:
        """Take what one frame shows.

        Args:
            points: (33, 3) metres, the camera's axes.
            seen: (33,) in [0, 1].
            step_s: Seconds since the last frame.
            moving: Whether the person moves; the pitch does not while they do not.
        """
        if self._fixed is not None:
            return
        self._since_s += step_s
        if self._since_s >= _EVERY_S and seen[_LEGS].min() > _SURE:
            self._since_s = 0.0
            _remember(self._standing, _lean_of_one_who_stands(points))
            if seen[_FEET].min() > _SURE:
                _remember(self._soles, _pitch_of_soles(points))
            if self._standing:
                goal = float(median(self._standing))
            elif self._soles:
                goal = _SOLES_SHARE * float(median(self._soles))
            else:
                goal = 0.0
            self._goal = min(max(goal, _LEAST), _MOST)
        if self._goal is None or not moving:
            return
        off = self._goal - self.radians
        self._turning = abs(off) > (_WORTH / 6 if self._turning else _WORTH)
        if self._turning:
            self.radians += float(blend_amount(0.6, step_s)) * off

    def start(self) -> None:
        """Take what the first frame showed at once, so that a clip does not begin by tilting."""
        if self._goal is not None:
            self.radians = self._goal

    @property
    def learnt(self) -> float | None:
        """The pitch, radians; None where neither is it given nor has anything told it."""
        return self.radians if self._fixed is not None or self._goal is not None else None

    def begin_with(self, radians: float) -> None:
        """Start from what another session learnt; what is seen from now on outweighs it soon."""
        if self._fixed is None:
            self.radians = self._goal = radians
            self._standing = [radians] * _BELIEVED

    def upright(self) -> Array:
        """Return the rotation (3, 3) that turns the camera's axes to the world's."""
        return turn_x(-self.radians)


def _remember(samples: list[float], value: float | None) -> None:
    if value is not None:
        samples.append(value)
        if len(samples) > _SAMPLES:
            samples.pop(0)


def _lean_of_one_who_stands(points: Array) -> float | None:
    """Return how far a straight body leans to the camera, radians; None if it is not straight."""
    thighs = unit(points[_KNEES] - points[_HIPS])
    shanks = unit(points[_ANKLES] - points[_KNEES])
    hips = points[_HIPS].mean(0)
    shoulders = points[_SHOULDERS].mean(0)
    trunk = unit(shoulders - hips)
    if min(dot(thighs, shanks).min(), float((-thighs @ trunk).min())) < _STRAIGHT:
        return None
    line = shoulders - points[_ANKLES].mean(0)
    return float(np.arctan2(line[2], line[1]))


def _pitch_of_soles(points: Array) -> float | None:
    """Return the pitch at which both soles are flat, radians; None where feet cannot show it."""
    ahead = unit(points[_TOES] - points[_HEELS])
    if ahead[:, 2].min() < _AHEAD:
        return None
    down = np.arctan2(-ahead[:, 1], ahead[:, 2]) - SOLE_DROP
    if abs(down[0] - down[1]) > _ALIKE:
        return None
    return float(down.mean())
