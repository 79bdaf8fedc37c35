"""Feet that stand, told by the picture: there a foot rests however little is known of its depth.

A foot whose points rest on the picture, not far above the other, stands where it came to rest. It
is let go at once when the picture shows it move, so steps and jumps are free.
"""

from __future__ import annotations

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
_RESTS_M_S, _MOVES_M_S = 0.30, 0.50
_AWAY_M = 0.06  # points this far from where they are held have left it
_RAISED_M = 0.15  # above the other foot: in the air
_REST_S = 0.02
_HELD_M = 0.015  # deviation of a held point
_SETTLE_HZ = 1.0  # how fast the place of a hold follows what is seen
_SPEED_HZ = 7.0
_SEEN = 0.4
_UP = np.array([0.0, 1.0, 0.0])


class PlantedFeet:
    """Remembers where both feet stand.

    Attributes:
        held: (2,) whether each foot stands.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """No foot stands."""
        self.held = np.zeros(2, bool)
        self._rested_s = np.zeros(2)
        self._rays: Array | None = None
        self._seen = np.zeros((2, 3), bool)
        self._velocity = np.zeros((2, 2))
        self._places = np.zeros((2, 3, 3))

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
        feet, seen = rays[_FEET], sure[_FEET] > _SEEN
        before, self._rays = self._rays, feet
        # An ankle may be in the picture when the toes are below it.
        both, self._seen = seen & self._seen, seen
        if before is None or not step_s > 0:
            return out
        places = last[_FEET]
        away = np.maximum(-places[..., 2], 0.3)
        moved = _mean((feet - before) * away[..., None], both) / step_s
        self._velocity += blend_amount(_SPEED_HZ, step_s) * (moved - self._velocity)
        speed = np.sqrt((self._velocity**2).sum(-1))
        low = (places @ up).min(1)
        told = seen[:, 0] & both.any(1) & (low < low.min() + _RAISED_M)
        self._rested_s = np.where((speed < _RESTS_M_S) & told, self._rested_s + step_s, 0.0)
        begins = ~self.held & (self._rested_s > _REST_S)
        self._places[begins] = places[begins]
        held_at = self._places[..., :2] / np.maximum(-self._places[..., 2:], 0.3)
        off = np.sqrt((_mean((feet - held_at) * away[..., None], seen) ** 2).sum(-1))
        self.held = begins | (self.held & (speed < _MOVES_M_S) & (off < _AWAY_M) & told)
        settle = blend_amount(_SETTLE_HZ, step_s) * self.held
        self._places += settle[:, None, None] * (places - self._places)
        for foot in np.flatnonzero(self.held):
            points = _FEET[foot][seen[foot]]
            out[points, :3] = self._places[foot][seen[foot]]
            out[points, 3:] = 1 / _HELD_M
        return out


def _mean(values: Array, chosen: Array) -> Array:
    """Return the means (2, D) of values (2, 3, D) over the points chosen (2, 3)."""
    count = np.maximum(chosen.sum(1), 1)[:, None]
    return np.asarray((values * chosen[..., None]).sum(1) / count)
