"""Depth of a body's points from how they lie on the picture, and how sure it is.

A tracker's own depth is off by 40 to 150 mm at the limbs. How people move says more: a small
network, trained on captured motion of people of many proportions seen by many cameras, takes the
points on the picture and the tracker's points in space and gives every point's depth. The body
solver takes it as a weak hint. Trained by `benchmarks/depth_hints.py`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.points import BODY

__all__ = ["depth_hints", "features", "line_of_sight_frame"]

_TRUNK = [
    POINTS.tolist().index(BODY[f"{side}{part}"])
    for part in ("Shoulder", "Hip")
    for side in ("left", "right")
]
_SEEN = 0.3
_LEAST_SIGMA = 0.02


def line_of_sight_frame(rays: Array) -> Array:
    """Return the rotations (..., 3, 3), camera_from_sight, of frames that look along `rays`.

    Args:
        rays: (..., 2) right and up at depth 1.
    """
    right, up = rays[..., 0], rays[..., 1]
    yaw, pitch = np.arctan(right), np.arctan2(up, np.hypot(1.0, right))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    zero = np.zeros_like(cy)
    rows = [[cy, -sy * sp, -sy * cp], [zero, cp, -sp], [sy, cy * sp, cy * cp]]
    return np.stack([np.stack(one, -1) for one in rows], -2)


def features(rays: Array, space: Array, sure: Array) -> tuple[Array, Array, Array, Array]:
    """Return what the network is told and the frame it is told in.

    Args:
        rays: (..., P, 2) right and up at depth 1, camera axes.
        space: (..., P, 3) the tracker's points in space, its own axes, any unit and origin.
        sure: (..., P) in [0, 1].

    Returns:
        features (..., 6 P); camera_from_sight (..., 3, 3); the points on the picture seen along
        the sight, right and up at depth 1 (..., P, 2); their spread (...,).
    """
    mask = (sure > _SEEN) * 1.0
    trunk = mask[..., _TRUNK] + 1e-3
    share = (trunk / trunk.sum(-1, keepdims=True))[..., None]
    frame = line_of_sight_frame((rays[..., _TRUNK, :] * share).sum(-2))
    turned = np.concatenate([rays, -np.ones_like(rays[..., :1])], -1) @ frame
    flat = turned[..., :2] / np.maximum(-turned[..., 2:], 0.1)
    flat = flat - (flat[..., _TRUNK, :] * share).sum(-2, keepdims=True)
    deep = space - (space[..., _TRUNK, :] * share).sum(-2, keepdims=True)
    count = np.maximum(mask.sum(-1), 1.0)
    spread = np.sqrt(((flat**2).sum(-1) * mask).sum(-1) / count) + 1e-6
    unit = np.sqrt(((deep[..., :2] ** 2).sum(-1) * mask).sum(-1) / count) + 1e-6
    told = np.concatenate(
        [
            (flat / spread[..., None, None]) * mask[..., None],
            (deep / unit[..., None, None]) * mask[..., None],
            mask[..., None],
        ],
        -1,
    )
    return told.reshape(*told.shape[:-2], -1), frame, flat, spread


def depth_hints(rays: Array, space: Array, sure: Array, *, away_m: float) -> tuple[Array, Array]:
    """Return each point's z (P,) in the camera's axes from the trunk's, and its deviation, metres.

    Args:
        rays: (P, 2) right and up at depth 1.
        space: (P, 3) the tracker's points in space.
        sure: (P,) in [0, 1].
        away_m: Distance of the person.
    """
    told, frame, flat, spread = features(rays, space, sure)
    depth, sigma = _network(told)
    metres = spread * away_m
    z = depth * metres
    point = np.concatenate([flat * (away_m - z)[:, None], z[:, None]], -1)
    return point @ frame[2], np.maximum(sigma * metres, _LEAST_SIGMA)


def _network(told: Array) -> tuple[Array, Array]:
    weights = _weights()
    x = (told - weights["mean"]) * weights["scale"]
    x = _soft(x @ weights["w0"] + weights["b0"])
    for k in ("1", "2"):
        x = x + _soft(x @ weights[f"w{k}"] + weights[f"b{k}"])
    out = x @ weights["w3"] + weights["b3"]
    depth, log_sigma = out.reshape(*out.shape[:-1], 2, -1).swapaxes(0, -2)
    return depth, np.exp(np.minimum(np.maximum(log_sigma, -4.0), 1.0))


def _soft(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0.0) + 0.1 * np.minimum(x, 0.0))


@lru_cache(maxsize=1)
def _weights() -> dict[str, Array]:
    with (files("twinsdk.motion.fitting") / "depth.npz").open("rb") as stream:
        stored = np.load(stream)
        return {name: stored[name].astype(np.float64) for name in stored.files}
