"""Feet that stand, told by the picture: there a foot rests however little is known of its depth.

A foot whose points rest on the picture, not far above the other, stands where it came to rest. It
is let go at once when the picture shows it move, so steps and jumps are free.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.points import BODY

__all__ = ["PlantedFeet"]

_FEET = np.array(
    [
        [POINTS.tolist().index(BODY[f"{side}{part}"]) for part in ("Ankle", "Heel", "FootIndex")]
        for side in ("left", "right")
    ]
)
_ROWS = _FEET.tolist()
_RESTS_M_S, _MOVES_M_S = 0.30, 0.50
_AWAY_M = 0.06  # points this far from where they are held have left it
_RAISED_M = 0.15  # above the other foot: in the air
_REST_S = 0.02
_HELD_M = 0.015  # deviation of a held point
_SETTLE_HZ = 1.0  # how fast the place of a hold follows what is seen
_SPEED_HZ = 7.0
_SEEN = 0.4
_NEAREST_M = 0.3
_UP = np.array([0.0, 1.0, 0.0])


class _Foot:
    """One foot, in plain numbers: on three points they are five times faster than arrays."""

    def __init__(self) -> None:
        self.held = False
        self._rested_s = 0.0
        self._rays: list[list[float]] | None = None
        self._seen = [False] * 3
        self._velocity = (0.0, 0.0)
        self.places: list[list[float]] = []

    def look(
        self,
        rays: list[list[float]],
        seen: list[bool],
        places: list[list[float]],
        *,
        low: bool,
        step_s: float,
    ) -> None:
        """Take another frame: points on the picture, which are seen, in space; if it is low."""
        before, self._rays = self._rays, rays
        # An ankle may be in the picture when the toes are below it.
        both = [a and b for a, b in zip(seen, self._seen, strict=True)]
        self._seen = seen
        if before is None or not step_s > 0:
            return
        away = [_far(place) for place in places]
        x, y = _apart(rays, before, away, both)
        follows = float(blend_amount(_SPEED_HZ, step_s))
        u, v = self._velocity
        self._velocity = (u + follows * (x / step_s - u), v + follows * (y / step_s - v))
        speed = hypot(*self._velocity)
        told = seen[0] and any(both) and low
        self._rested_s = self._rested_s + step_s if told and speed < _RESTS_M_S else 0.0
        if self.held:
            at = [[p[0] / _far(p), p[1] / _far(p)] for p in self.places]
            off = hypot(*_apart(rays, at, away, seen))
            self.held = told and speed < _MOVES_M_S and off < _AWAY_M
        elif self._rested_s > _REST_S:
            self.held, self.places = True, [list(place) for place in places]
        if self.held:
            settle = float(blend_amount(_SETTLE_HZ, step_s))
            for place, now in zip(self.places, places, strict=True):
                for axis in range(3):
                    place[axis] += settle * (now[axis] - place[axis])


class PlantedFeet:
    """Remembers where both feet stand."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """No foot stands."""
        self._feet = (_Foot(), _Foot())

    @property
    def held(self) -> Array:
        """Whether each foot stands (2,)."""
        return np.array([foot.held for foot in self._feet])

    def anchors(
        self, rays: Array, sure: Array, last: Array, step_s: float, up: Array = _UP
    ) -> Array:
        """Return where points are held and how firmly (P, 6), as the solver takes it.

        Args:
            rays: (P, 2) right and up at depth 1.
            sure: (P,) in [0, 1].
            last: (P, 3) where the points were, camera axes, metres.
            step_s: Seconds since then.
            up: (3,) away from the ground, camera axes.
        """
        out = np.zeros((len(rays), 6))
        seen = (sure[_FEET] > _SEEN).tolist()
        places = last[_FEET]
        lowest = (places @ up).min(1).tolist()
        floor = min(lowest)
        flat, deep = rays[_FEET].tolist(), places.tolist()
        for i, foot in enumerate(self._feet):
            foot.look(flat[i], seen[i], deep[i], low=lowest[i] < floor + _RAISED_M, step_s=step_s)
            if foot.held and step_s > 0:
                points = [p for p, there in zip(_ROWS[i], seen[i], strict=True) if there]
                out[points, :3] = [
                    p for p, there in zip(foot.places, seen[i], strict=True) if there
                ]
                out[points, 3:] = 1 / _HELD_M
        return out


def _far(place: list[float]) -> float:
    return max(-place[2], _NEAREST_M)


def _apart(
    rays: list[list[float]], other: list[list[float]], away: list[float], chosen: list[bool]
) -> tuple[float, float]:
    """Return by how many metres the chosen points lie apart on the picture, their mean."""
    x = y = 0.0
    for (u, v), (s, t), far, there in zip(rays, other, away, chosen, strict=True):
        if there:
            x, y = x + far * (u - s), y + far * (v - t)
    count = max(sum(chosen), 1)
    return x / count, y / count
