"""Where a body's points are, from how a tracker sees them, and how sure that is.

A tracker's own depth is off by 40 to 150 mm at the limbs, and its points lie elsewhere on a bent
elbow than on a straight one. A small network, trained on rendered people whose points are known,
takes the points on the picture and in space and corrects both. The body solver weighs what it says
by how sure it is. Trained by `benchmarks/depth_hints.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.half_matrix import HalfMatrix
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.weights_file import plain_weights

__all__ = ["Hints", "depth_hints", "features", "line_of_sight_frame", "told_share"]

_TRUNK = [
    POINTS.tolist().index(BODY[f"{side}{part}"])
    for part in ("Shoulder", "Hip")
    for side in ("left", "right")
]
_UNSEEN, _SEEN = 0.1, 0.5
_LEAST_DEEP = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Hints:
    """What the network makes of a frame, P points, metres unless said.

    Attributes:
        rays: (P, 2) right and up at depth 1, camera axes, corrected.
        across: (P,) deviation across the ray.
        z: (P,) in the camera's axes from the trunk's.
        deep: (P,) deviation of z.
    """

    rays: Array
    across: Array
    z: Array
    deep: Array

    def weighed(self, sure: Array, *, away_m: float, across_m: float, depth_share: float) -> Array:
        """Return the body solver's `seen` (P, 5).

        Args:
            sure: (P,) how surely each point is seen, in [0, 1]; 0 is not counted.
            away_m: Distance of the person.
            across_m: Least deviation across a ray.
            depth_share: Factor on the deviations of depths.
        """
        told = (sure > 0) * 1.0
        across = told * away_m / np.maximum(self.across, across_m)
        return np.column_stack([self.rays, across, self.z, told / (depth_share * self.deep)])


def line_of_sight_frame(rays: Array) -> Array:
    """Return the rotations (..., 3, 3), camera_from_sight, of frames that look along `rays`.

    Args:
        rays: (..., 2) right and up at depth 1.
    """
    right, up = rays[..., 0], rays[..., 1]
    yaw, pitch = np.arctan(right), np.arctan2(up, np.hypot(1.0, right))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    out = np.zeros((*right.shape, 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = cy, -sy * sp, -sy * cp
    out[..., 1, 1], out[..., 1, 2] = cp, -sp
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = sy, cy * sp, cy * cp
    return out


def told_share(sure: Array) -> Array:
    """Return how much of a point is told, in [0, 1]: without a step, so that nothing flickers."""
    return np.minimum(np.maximum((sure - _UNSEEN) / (_SEEN - _UNSEEN), 0.0), 1.0)


def features(rays: Array, space: Array, sure: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return what the network is told and the frame it is told in.

    Args:
        rays: (..., P, 2) right and up at depth 1, camera axes.
        space: (..., P, 3) the tracker's points in space, its own axes, any unit and origin.
        sure: (..., P) in [0, 1].

    Returns:
        features of each point (..., P, 6); where the trunk is on the picture and how large the
        person (..., 3); camera_from_sight (..., 3, 3); the points on the picture seen along the
        sight, right and up at depth 1 (..., P, 2); their spread (...,).
    """
    told = told_share(sure)
    trunk = told[..., _TRUNK] + 1e-3
    share = (trunk / trunk.sum(-1, keepdims=True))[..., None]
    way = (rays[..., _TRUNK, :] * share).sum(-2)
    frame = line_of_sight_frame(way)
    turned = np.concatenate([rays, -np.ones_like(rays[..., :1])], -1) @ frame
    flat = turned[..., :2] / np.maximum(-turned[..., 2:], 0.1)
    about = flat - (flat[..., _TRUNK, :] * share).sum(-2, keepdims=True)
    deep = space - (space[..., _TRUNK, :] * share).sum(-2, keepdims=True)
    count = np.maximum(told.sum(-1), 1.0)
    spread = np.sqrt(((about**2).sum(-1) * told).sum(-1) / count) + 1e-6
    unit = np.sqrt(((deep[..., :2] ** 2).sum(-1) * told).sum(-1) / count) + 1e-6
    # What is hidden in the picture is told as well: a tracker's guess beats none.
    weight = (sure > 0)[..., None].astype(np.float64)
    parts = (
        about / spread[..., None, None] * weight,
        deep / unit[..., None, None] * weight,
        sure[..., None],
    )
    # A tracker's points lean the more, the nearer the person is.
    whole = np.concatenate([way, np.log(spread)[..., None]], -1)
    return np.concatenate(parts, -1), whole, frame, flat, spread


def depth_hints(rays: Array, space: Array, sure: Array, *, away_m: float) -> Hints:
    """Return where the points are.

    Args:
        rays: (P, 2) right and up at depth 1.
        space: (P, 3) the tracker's points in space.
        sure: (P,) in [0, 1].
        away_m: Distance of the person.
    """
    told, whole, frame, flat, spread = features(rays, space, sure)
    off, z, across, deep = _network(told, whole)
    metres = spread * away_m
    flat = flat + off * spread
    z = z * metres
    way = np.concatenate([flat, -np.ones((len(flat), 1))], -1) @ frame.T
    middle = flat[_TRUNK].mean(0)
    point = np.concatenate([(flat - middle) * (away_m - z)[:, None], z[:, None]], -1)
    return Hints(
        rays=way[:, :2] / np.maximum(-way[:, 2:], 0.1),
        across=across * metres,
        z=point @ frame[2],
        deep=np.maximum(deep * metres, _LEAST_DEEP),
    )


@lru_cache(maxsize=1)
def _weights() -> tuple[dict[str, F32], tuple[HalfMatrix, ...]]:
    weights = plain_weights("twinsdk.motion.fitting", "depth.npz")
    return weights, tuple(HalfMatrix(weights[f"w{k}"]) for k in range(5))


def _network(told: Array, whole: Array) -> tuple[Array, Array, Array, Array]:
    """Return shifts on the picture (P, 2), depth and both deviations (P,), all in spreads."""
    weights, (first, *middle, last) = _weights()
    x = np.append(told.ravel(), whole).astype(np.float32)
    x = _soft(first.after((x - weights["mean"]) * weights["scale"]) + weights["b0"])
    for k, matrix in enumerate(middle, start=1):
        x = x + _soft(matrix.after(x) + weights[f"b{k}"])
    right, up, depth, across, deep = (last.after(x) + weights["b4"]).reshape(5, -1)
    deviations = np.exp(np.minimum(np.maximum(np.stack([across, deep]), -5.0), 1.0))
    # Depth is told as a correction of the tracker's own.
    return np.stack([right, up], -1), depth + told[:, 4], deviations[0], deviations[1]


def _soft(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0.0) + 0.1 * np.minimum(x, 0.0))
