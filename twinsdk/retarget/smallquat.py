"""Vectors and quaternions as tuples of floats: for a handful of them, ten times faster than arrays.

The algebra is `core.quat`'s, (x, y, z, w), unit.
"""

from __future__ import annotations

from math import sqrt

__all__ = [
    "Quat",
    "Vec",
    "add",
    "between",
    "conjugate",
    "cross",
    "dot",
    "length",
    "minus",
    "multiply",
    "rotate",
    "times",
]

Vec = tuple[float, ...]
Quat = tuple[float, ...]


def add(a: Vec, b: Vec) -> Vec:
    """Return a + b."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def minus(a: Vec, b: Vec) -> Vec:
    """Return a - b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def times(a: Vec, s: float) -> Vec:
    """Return s a."""
    return a[0] * s, a[1] * s, a[2] * s


def length(a: Vec) -> float:
    """Return |a|."""
    return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


def dot(a: Vec, b: Vec) -> float:
    """Return a . b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vec, b: Vec) -> Vec:
    """Return a x b."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def multiply(p: Quat, q: Quat) -> Quat:
    """Return the rotation that applies `q` first, then `p`."""
    px, py, pz, pw = p
    qx, qy, qz, qw = q
    return (
        pw * qx + qw * px + py * qz - pz * qy,
        pw * qy + qw * py + pz * qx - px * qz,
        pw * qz + qw * pz + px * qy - py * qx,
        pw * qw - px * qx - py * qy - pz * qz,
    )


def conjugate(q: Quat) -> Quat:
    """Return the inverse of a unit quaternion."""
    return -q[0], -q[1], -q[2], q[3]


def rotate(q: Quat, v: Vec) -> Vec:
    """Return `v` rotated by `q`."""
    x, y, z, w = q
    tx = 2 * (y * v[2] - z * v[1])
    ty = 2 * (z * v[0] - x * v[2])
    tz = 2 * (x * v[1] - y * v[0])
    return (
        v[0] + w * tx + y * tz - z * ty,
        v[1] + w * ty + z * tx - x * tz,
        v[2] + w * tz + x * ty - y * tx,
    )


def between(u: Vec, v: Vec) -> Quat:
    """Return the shortest arc from direction `u` to `v`; the identity for opposite ones."""
    x, y, z = cross(u, v)
    w = sqrt((u[0] ** 2 + u[1] ** 2 + u[2] ** 2) * (v[0] ** 2 + v[1] ** 2 + v[2] ** 2))
    w += u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
    norm = sqrt(x * x + y * y + z * z + w * w)
    return (x / norm, y / norm, z / norm, w / norm) if norm > 1e-12 else (0.0, 0.0, 0.0, 1.0)
