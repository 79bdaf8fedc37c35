"""Which way is down: the camera's pitch, learnt from how people hold themselves.

Trackers give points in the camera's axes. A camera that looks down by 20 degrees makes everybody
lean towards it by 20 degrees. How a whole body is held tells the two apart: who leans sets their
feet, knees and head otherwise than who stands before such a camera. A small network, taught by
captured motion with the errors of real trackers (`benchmarks/gravity_hints.py`), says of every
frame which way is up and how sure that is; the camera is held to stay where it is, so its pitch is
what the frames say together.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.depth import told_share
from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.vectors import turn_x, turn_y
from twinsdk.motion.weights_file import plain_weights

__all__ = ["CameraPitch", "features"]

_LEFT, _RIGHT = (
    [POINTS.tolist().index(BODY[f"{side}{part}"]) for part in ("Shoulder", "Hip")]
    for side in ("left", "right")
)
_TRUNK = [*_LEFT, *_RIGHT]
_LEAST, _MOST = np.radians(-25.0), np.radians(45.0)
_UNKNOWN = np.radians(15.0)  # deviation of pitches before anything was seen
_KNOWN = np.radians(3.0)  # of one that another session learnt: the camera may have been touched
_EVERY_S = 0.1
_ALIKE_S = 1.2  # frames this far apart err each in their own way, nearer ones together
_KEPT_S = 20.0  # after which a frame counts for 1 / e: the camera may be moved
_WORTH = np.radians(1.0)  # a smaller change would only tilt somebody who stands still


class CameraPitch:
    """Follows the camera's pitch.

    Attributes:
        radians: How far the camera looks down; 0 until somebody was seen.

    Args:
        fixed_deg: The pitch where it is known; None learns it.
    """

    def __init__(self, *, fixed_deg: float | None) -> None:
        self._fixed = None if fixed_deg is None else float(np.radians(fixed_deg))
        self.reset()

    def reset(self) -> None:
        """Forget what was learnt."""
        self.radians = 0.0 if self._fixed is None else self._fixed
        self._prior, self._prior_weight = 0.0, 1 / _UNKNOWN**2
        self._sum = self._weight = 0.0
        self._goal: float | None = None
        self._turning = False
        self._since_s = np.inf

    def add(
        self, points: Array, seen: Array, step_s: float, *, height_m: float, moving: bool = True
    ) -> None:
        """Take what one frame shows.

        Args:
            points: (33, 3) metres, the camera's axes.
            seen: (33,) in [0, 1].
            step_s: Seconds since the last frame.
            height_m: Of the person.
            moving: Whether the person moves; the pitch does not while they do not.
        """
        if self._fixed is not None:
            return
        self._since_s += step_s
        if self._since_s >= _EVERY_S:
            pitch, deviation = _seen_in(points[POINTS] / height_m, seen[POINTS])
            kept = float(np.exp(-min(self._since_s, _KEPT_S) / _KEPT_S))
            weight = min(self._since_s / _ALIKE_S, 1.0) / deviation**2
            self._since_s = 0.0
            self._sum = kept * self._sum + weight * pitch
            self._weight = kept * self._weight + weight
            goal = self._sum + self._prior_weight * self._prior
            goal /= self._weight + self._prior_weight
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
            self.radians = self._goal = self._prior = radians
            self._prior_weight, self._since_s = 1 / _KNOWN**2, 0.0

    def upright(self) -> Array:
        """Return the rotation (3, 3) that turns the camera's axes to the world's."""
        return turn_x(-self.radians)


def features(points: Array, seen: Array) -> tuple[Array, Array]:
    """Return what the network is told (..., 4 P + 2) and how far each body is turned (...,).

    Told are the points about the trunk's middle, turned about the camera's vertical to face the
    camera, how far each is seen, and the turn, since what is known least is along the line of
    sight.

    Args:
        points: (..., P, 3) of `POINTS`, the camera's axes, in heights of the person.
        seen: (..., P) in [0, 1].
    """
    told = told_share(seen)[..., None]
    across = points[..., _LEFT, :].sum(-2) - points[..., _RIGHT, :].sum(-2)
    facing = np.arctan2(-across[..., 2], across[..., 0])
    about = points - points[..., _TRUNK, :].mean(-2, keepdims=True)
    turned = about @ turn_y(facing)
    parts = np.concatenate([turned * told, told], -1)
    flat = parts.reshape(*parts.shape[:-2], -1)
    return np.concatenate([flat, np.sin(facing)[..., None], np.cos(facing)[..., None]], -1), facing


def _seen_in(points: Array, seen: Array) -> tuple[float, float]:
    """Return the pitch that one frame tells and its deviation, radians."""
    told, facing = features(points, seen)
    weights = plain_weights("twinsdk.motion.fitting", "gravity.npz")
    x = (told.astype(np.float32) - weights["mean"]) * weights["scale"]
    for k in ("0", "1"):
        x = x @ weights[f"w{k}"] + weights[f"b{k}"]
        x = np.maximum(x, 0.1 * x)
    side, ahead, log_side, log_ahead = (x @ weights["w2"] + weights["b2"]).tolist()
    s, c = float(np.sin(facing)), float(np.cos(facing))
    towards = c * ahead - s * side
    deviation = np.hypot(
        c * np.exp(min(max(log_ahead, -4.0), 1.0)), s * np.exp(min(max(log_side, -4.0), 1.0))
    )
    return float(np.arcsin(min(max(towards, -1.0), 1.0))), float(deviation)
