"""Small vector algebra on stacks of directions, frames and rotations.

The fit works on a handful of vectors at a time, where the cost is numpy calls and not arithmetic;
these helpers take stacks so that both sides and all fingers go through one call, and make of every
bilinear map (cross product, quaternion product, quaternion to matrix) one product with a constant
table. Matrices are (..., 3, 3), act on columns, and their columns are the images of the joint's own
axes; quaternions are (..., 4) xyzw. All float64.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array

__all__ = [
    "arc_angle_vector",
    "columns",
    "cross",
    "dot",
    "matrix_of",
    "multiply",
    "quaternion_of",
    "quaternion_of_vector",
    "rotation_of",
    "smoothstep",
    "turn_x",
    "turn_y",
    "unit",
]

_TINY = 1e-18  # squared length below which a vector has no direction
_ONES = np.ones(3)
_EYE = np.eye(3)


def _table(left: int, right: int, product: object) -> Array:
    """Return the (left * right, n) table of a bilinear map given on unit vectors."""
    rows = [
        np.ravel(product(np.eye(left)[i], np.eye(right)[j]))  # type: ignore[operator]
        for i in range(left)
        for j in range(right)
    ]
    return np.array(rows)


_CROSS = _table(3, 3, np.cross)
_MULTIPLY = _table(4, 4, quat.multiply)
_SKEW = np.array([np.cross(_EYE, axis).T.ravel() for axis in _EYE]) * -1.0


def _quadratic() -> Array:
    """Return the (16, 9) table from products q_i q_j to the matrix of unit q."""
    x, y, z, w = range(4)
    table = np.zeros((4, 4, 3, 3))
    for i in (x, y, z):
        for j in (x, y, z):
            sign = 1.0 if i == j else -1.0
            table[j, j, i, i] += sign
        table[w, w, i, i] += 1.0
    for i, j, k, sign in ((0, 1, 2, -1.0), (0, 2, 1, 1.0), (1, 2, 0, -1.0)):
        table[i, j, i, j] += 2.0
        table[i, j, j, i] += 2.0
        table[k, w, i, j] += 2.0 * sign
        table[k, w, j, i] -= 2.0 * sign
    return table.reshape(16, 9)


_MATRIX = _quadratic()


def _shepperd() -> tuple[Array, Array]:
    """Return the (9, 16) table and the (16,) constants of 4 q q^T as a function of q's matrix."""
    table, constant = np.zeros((3, 3, 4, 4)), np.zeros((4, 4))
    for i in range(3):
        for j in range(3):
            table[j, j, i, i] += 1.0 if i == j else -1.0
            if i != j:
                table[i, j, i, j] += 1.0
                table[j, i, i, j] += 1.0
        table[i, i, 3, 3] += 1.0
    for i, j, k in ((2, 1, 0), (0, 2, 1), (1, 0, 2)):
        for a, b in ((k, 3), (3, k)):
            table[i, j, a, b] += 1.0
            table[j, i, a, b] -= 1.0
    constant[range(4), range(4)] = 1.0
    return table.reshape(9, 16), constant.ravel()


_FROM_MATRIX, _FROM_CONSTANT = _shepperd()


def dot(a: Array, b: Array) -> Array:
    """Return the scalar products (...) of (..., 3)."""
    product: Array = (a * b) @ _ONES
    return product


def cross(a: Array, b: Array) -> Array:
    """Return the vector products (..., 3)."""
    pairs = a[..., :, None] * b[..., None, :]
    product: Array = pairs.reshape(*pairs.shape[:-2], 9) @ _CROSS
    return product


def unit(v: Array, fallback: Array | None = None) -> Array:
    """Return `v` (..., 3) with unit length; where it has none, `fallback` (or zero)."""
    square = ((v * v) @ _ONES)[..., None]
    scaled: Array = v / np.sqrt(np.maximum(square, _TINY))
    if fallback is None or square.min() > _TINY:
        return scaled
    return np.where(square > _TINY, scaled, fallback)


def columns(x: Array, y: Array, z: Array) -> Array:
    """Return the matrices (..., 3, 3) whose columns are x, y, z (..., 3)."""
    out = np.zeros((*x.shape, 3))
    out[..., 0], out[..., 1], out[..., 2] = x, y, z
    return out


def rotation_of(vector: Array) -> Array:
    """Return the matrices (..., 3, 3) of rotation vectors (..., 3), radians.

    Source: Rodrigues 1840.
    """
    square = ((vector * vector) @ _ONES)[..., None, None] + 1e-24
    angle = np.sqrt(square)
    cosine = np.cos(angle)
    skew = (vector @ _SKEW).reshape(*vector.shape, 3)
    outer = vector[..., :, None] * vector[..., None, :]
    rotation: Array = cosine * _EYE + np.sin(angle) / angle * skew + (1 - cosine) / square * outer
    return rotation


def arc_angle_vector(u: Array, v: Array) -> Array:
    """Return the rotation vectors (..., 3) of the shortest arcs from unit `u` to unit `v`."""
    axis = cross(u, v)
    sine = np.sqrt(np.maximum((axis * axis) @ _ONES, _TINY))
    scaled: Array = axis * (np.arctan2(sine, (u * v) @ _ONES) / sine)[..., None]
    return scaled


def turn_x(radians: float) -> Array:
    """Return the matrix (3, 3) of a turn about +X."""
    c, s = float(np.cos(radians)), float(np.sin(radians))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def turn_y(radians: Array | float) -> Array:
    """Return the matrices (..., 3, 3) of turns about +Y."""
    out = np.zeros((*np.shape(radians), 3, 3))
    c, s = np.cos(radians), np.sin(radians)
    out[..., 0, 0], out[..., 0, 2], out[..., 2, 0], out[..., 2, 2] = c, s, -s, c
    out[..., 1, 1] = 1
    return out


def multiply(a: Array, b: Array) -> Array:
    """Return the rotations (..., 4) that apply `b` first, then `a`."""
    pairs = a[..., :, None] * b[..., None, :]
    product: Array = pairs.reshape(*pairs.shape[:-2], 16) @ _MULTIPLY
    return product


def matrix_of(q: Array) -> Array:
    """Return the matrices (..., 3, 3) of unit quaternions (..., 4)."""
    pairs = q[..., :, None] * q[..., None, :]
    matrix: Array = (pairs.reshape(*q.shape[:-1], 16) @ _MATRIX).reshape(*q.shape[:-1], 3, 3)
    return matrix


def quaternion_of(matrix: Array) -> Array:
    """Return the unit quaternions (N, 4) of rotation matrices (N, 3, 3).

    Source: Shepperd 1978; the row of q q^T with the largest diagonal is the best conditioned.
    """
    square = (matrix.reshape(-1, 9) @ _FROM_MATRIX + _FROM_CONSTANT).reshape(-1, 4, 4)
    best = square[:, range(4), range(4)].argmax(1)
    row = square[np.arange(len(square)), best]
    unit_row: Array = row / np.sqrt((row * row) @ np.ones(4))[:, None]
    return unit_row


def quaternion_of_vector(vector: Array) -> Array:
    """Return the quaternions (..., 4) of rotation vectors (..., 3)."""
    angle = np.sqrt((vector * vector) @ _ONES + 1e-24)
    out = np.zeros((*vector.shape[:-1], 4))
    out[..., :3] = vector * (np.sin(angle / 2) / angle)[..., None]
    out[..., 3] = np.cos(angle / 2)
    return out


def smoothstep(value: Array, low: float, high: float) -> Array:
    """Return 0 below `low`, 1 above `high`, and a smooth rise between (...)."""
    t = np.minimum(np.maximum((value - low) * (1 / (high - low)), 0.0), 1.0)
    eased: Array = t * t * (3 - 2 * t)
    return eased
