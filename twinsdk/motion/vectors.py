"""Small vector algebra on stacks of directions and frames, in rotation matrices.

The fit works on a handful of vectors at a time, where the cost is numpy calls and not arithmetic;
these helpers take stacks so that both sides and all fingers go through one call. Matrices are
(..., 3, 3), act on columns, and their columns are the images of the joint's own axes.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array

__all__ = [
    "arc_angle_vector",
    "columns",
    "cross",
    "dot",
    "mirror_x",
    "rotation_of",
    "smoothstep",
    "turn_x",
    "unit",
]

_TINY = 1e-9


def dot(a: Array, b: Array) -> Array:
    """Return the scalar products (...) of (..., 3)."""
    product: Array = (a * b).sum(-1)
    return product


def cross(a: Array, b: Array) -> Array:
    """Return the vector products (..., 3), written out: np.cross is ten times slower here."""
    out = np.zeros(np.broadcast_shapes(a.shape, b.shape))
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    out[..., 0] = ay * bz - az * by
    out[..., 1] = az * bx - ax * bz
    out[..., 2] = ax * by - ay * bx
    return out


def unit(v: Array, fallback: Array | None = None) -> Array:
    """Return `v` (..., 3) with unit length; where it has none, `fallback` (or zero)."""
    length = np.sqrt((v * v).sum(-1, keepdims=True))
    ok = length > _TINY
    scaled: Array = v / np.where(ok, length, 1)
    if fallback is None or ok.all():
        return scaled
    return np.where(ok, scaled, fallback)


def columns(x: Array, y: Array, z: Array) -> Array:
    """Return the matrices (..., 3, 3) whose columns are x, y, z (..., 3)."""
    return np.stack([x, y, z], axis=-1)


def rotation_of(vector: Array) -> Array:
    """Return the matrices (..., 3, 3) of rotation vectors (..., 3), radians.

    Source: Rodrigues 1840.
    """
    angle_sq = (vector * vector).sum(-1)[..., None, None]
    angle = np.sqrt(angle_sq)
    small = angle < 1e-5
    safe = np.where(small, 1, angle)
    sine = np.where(small, 1, np.sin(safe) / safe)
    versine = np.where(small, 0.5, (1 - np.cos(safe)) / (safe * safe))
    k = np.zeros((*vector.shape, 3))
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    k[..., 0, 1], k[..., 0, 2], k[..., 1, 2] = -z, y, -x
    k[..., 1, 0], k[..., 2, 0], k[..., 2, 1] = z, -y, x
    outer = vector[..., :, None] * vector[..., None, :]
    rotation: Array = (1 - versine * angle_sq) * np.eye(3) + sine * k + versine * outer
    return rotation


def arc_angle_vector(u: Array, v: Array) -> Array:
    """Return the rotation vectors (..., 3) of the shortest arcs from unit `u` to unit `v`."""
    axis = cross(u, v)
    sine = np.sqrt((axis * axis).sum(-1, keepdims=True))
    cosine = (u * v).sum(-1, keepdims=True)
    angle = np.arctan2(sine, cosine)
    scaled: Array = axis * (angle / np.where(sine > _TINY, sine, 1))
    return scaled


def turn_x(radians: float) -> Array:
    """Return the matrix (3, 3) of a turn about +X."""
    c, s = float(np.cos(radians)), float(np.sin(radians))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def mirror_x(rotations: Array) -> Array:
    """Return quaternions (..., 4) as seen in a mirror across the body's middle plane x = 0."""
    return np.asarray(rotations) * np.array([1.0, -1.0, -1.0, 1.0])


def smoothstep(value: Array | float, low: float, high: float) -> Array:
    """Return 0 below `low`, 1 above `high`, and a smooth rise between (...)."""
    t = np.clip((np.asarray(value, np.float64) - low) / (high - low), 0, 1)
    eased: Array = t * t * (3 - 2 * t)
    return eased
