"""Quaternion algebra: (x, y, z, w), unit, active; every function takes leading batch dims.

Convention: `rotate(multiply(a, b), v) == rotate(a, rotate(b, v))`; q and -q are one rotation, and
stored quaternions have w >= 0. Source: Shoemake 1985; Diebel 2006, "Representing attitude".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core.arrays import Array

__all__ = [
    "IDENTITY",
    "angle",
    "between",
    "conjugate",
    "continuous",
    "from_axis_angle",
    "from_euler",
    "from_frame",
    "from_matrix",
    "from_rotation_vector",
    "multiply",
    "normalize",
    "positive",
    "rotate",
    "slerp",
    "swing_twist",
    "to_euler",
    "to_matrix",
    "to_rotation_vector",
]

IDENTITY = np.array([0.0, 0.0, 0.0, 1.0], np.float32)
IDENTITY.flags.writeable = False


def multiply(a: Array, b: Array) -> Array:
    """Return the rotation that applies `b` first, then `a` (..., 4)."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype == np.float32 and b.dtype == np.float32 and (module := _compiled()) is not None:
        a, b = _together(a, b, 4)
        out = np.empty(a.shape, np.float32)
        module.multiply_quaternions(a, b, out)
        return out
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    vector = aw * bv + bw * av + _cross(av, bv)
    scalar = aw * bw - (av * bv).sum(-1, keepdims=True)
    return np.concatenate([vector, scalar], axis=-1)


def conjugate(q: Array) -> Array:
    """Return the inverse of a unit quaternion (..., 4)."""
    return np.asarray(q) * np.array([-1, -1, -1, 1], np.asarray(q).dtype)


def normalize(q: Array) -> Array:
    """Return `q` with unit length; a zero quaternion becomes the identity."""
    q = np.asarray(q)
    if q.dtype == np.float32 and q.shape[-1:] == (4,) and (module := _compiled()) is not None:
        out = np.empty(q.shape, np.float32)
        module.normalize_quaternions(np.ascontiguousarray(q), out)
        return out
    length = np.sqrt((q * q).sum(-1, keepdims=True))
    unit = q / np.where(length > 1e-12, length, 1)
    return np.where(length > 1e-12, unit, np.array([0, 0, 0, 1], q.dtype))


def positive(q: Array) -> Array:
    """Return the same rotation with w >= 0."""
    q = np.asarray(q)
    return np.where(q[..., 3:] < 0, -q, q)


def rotate(q: Array, v: Array) -> Array:
    """Return vectors `v` (..., 3) rotated by `q` (..., 4)."""
    q, v = np.asarray(q), np.asarray(v)
    if q.dtype == np.float32 and v.dtype == np.float32 and (module := _compiled()) is not None:
        q, v = _together(q, v, 3)
        out = np.empty(v.shape, np.float32)
        module.rotate_vectors(q, v, out)
        return out
    vector, w = q[..., :3], q[..., 3:]
    twice = 2 * _cross(vector, v)
    return v + w * twice + _cross(vector, twice)


def slerp(a: Array, b: Array, t: Array | float) -> Array:
    """Return the shortest-arc interpolation from `a` (t = 0) to `b` (t = 1), (..., 4)."""
    a, b = np.asarray(a), np.asarray(b)
    amount = np.asarray(t, dtype=np.result_type(a, b))[..., None]
    cosine = (a * b).sum(-1, keepdims=True)
    b = np.where(cosine < 0, -b, b)
    theta = np.arccos(np.clip(np.abs(cosine), 0, 1))
    sine = np.sin(theta)
    near = sine < 1e-4  # the arc is straight to float precision: interpolate linearly
    safe = np.where(near, 1, sine)
    weight_a = np.where(near, 1 - amount, np.sin((1 - amount) * theta) / safe)
    weight_b = np.where(near, amount, np.sin(amount * theta) / safe)
    return normalize(weight_a * a + weight_b * b)


def angle(a: Array, b: Array) -> Array:
    """Return the angle between two rotations, radians in [0, pi], (...)."""
    difference = multiply(conjugate(np.asarray(a, np.float64)), np.asarray(b, np.float64))
    sine = np.sqrt((difference[..., :3] ** 2).sum(-1))
    return 2 * np.arctan2(sine, np.abs(difference[..., 3]))


def between(u: Array, v: Array) -> Array:
    """Return the shortest arc that turns direction `u` onto direction `v` (..., 4).

    Opposite directions turn by pi about some axis perpendicular to `u`; a zero vector gives the
    identity.
    """
    u, v = np.asarray(u), np.asarray(v)
    scale = np.sqrt((u * u).sum(-1, keepdims=True) * (v * v).sum(-1, keepdims=True))
    dot = (u * v).sum(-1, keepdims=True)
    arc = np.concatenate([_cross(u, v), scale + dot], axis=-1)
    opposite = dot < -0.999999 * scale
    if opposite.any():
        helper = np.where(
            np.abs(u[..., :1]) < 0.8 * np.sqrt((u * u).sum(-1, keepdims=True)),
            np.array([1, 0, 0], u.dtype),
            np.array([0, 1, 0], u.dtype),
        )
        half_turn = np.concatenate([_cross(u, helper), np.zeros_like(dot)], axis=-1)
        arc = np.where(opposite & (scale > 0), half_turn, arc)
    return normalize(arc)


def from_axis_angle(axis: Array, radians: Array | float) -> Array:
    """Return the rotation by `radians` (...) about `axis` (..., 3), which need not be unit."""
    axis = np.asarray(axis)
    half = np.asarray(radians, dtype=np.result_type(axis, np.float32))[..., None] / 2
    length = np.sqrt((axis * axis).sum(-1, keepdims=True))
    unit = axis / np.where(length > 1e-12, length, 1)
    return normalize(np.concatenate([unit * np.sin(half), np.cos(half) * np.ones_like(length)], -1))


def from_rotation_vector(vector: Array) -> Array:
    """Return the rotation whose axis is `vector` (..., 3) and whose angle is its length."""
    vector = np.asarray(vector)
    theta = np.sqrt((vector * vector).sum(-1, keepdims=True))
    # sinc(x) = sin(pi x)/(pi x); exact at 0
    scale = 0.5 * np.sinc(theta / (2 * np.pi))
    return np.concatenate([vector * scale, np.cos(theta / 2)], axis=-1).astype(vector.dtype)


def to_rotation_vector(q: Array) -> Array:
    """Return axis times angle (..., 3), angle in [0, pi]."""
    q = positive(np.asarray(q))
    sine = np.sqrt((q[..., :3] ** 2).sum(-1, keepdims=True))
    theta = 2 * np.arctan2(sine, q[..., 3:])
    scale = np.where(sine > 1e-8, theta / np.where(sine > 1e-8, sine, 1), 2)
    return q[..., :3] * scale


def to_matrix(q: Array) -> Array:
    """Return rotation matrices (..., 3, 3) acting on columns."""
    q = np.asarray(q)
    x, y, z, w = (q[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(matrix: Array) -> Array:
    """Return the quaternions (..., 4), w >= 0, of proper rotation matrices (..., 3, 3).

    Source: Shepperd 1978: of the four equivalent forms the best conditioned is taken.
    """
    m = np.asarray(matrix)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    trace = m00 + m11 + m22
    candidates = np.stack(
        [
            _stack(
                1 + m00 - m11 - m22,
                m[..., 0, 1] + m[..., 1, 0],
                m[..., 0, 2] + m[..., 2, 0],
                m[..., 2, 1] - m[..., 1, 2],
            ),
            _stack(
                m[..., 0, 1] + m[..., 1, 0],
                1 - m00 + m11 - m22,
                m[..., 1, 2] + m[..., 2, 1],
                m[..., 0, 2] - m[..., 2, 0],
            ),
            _stack(
                m[..., 0, 2] + m[..., 2, 0],
                m[..., 1, 2] + m[..., 2, 1],
                1 - m00 - m11 + m22,
                m[..., 1, 0] - m[..., 0, 1],
            ),
            _stack(
                m[..., 2, 1] - m[..., 1, 2],
                m[..., 0, 2] - m[..., 2, 0],
                m[..., 1, 0] - m[..., 0, 1],
                1 + trace,
            ),
        ],
        axis=-2,
    )
    best = np.argmax(np.stack([m00, m11, m22, trace], axis=-1), axis=-1)
    chosen = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    return positive(normalize(chosen))


def from_frame(primary: Array, secondary: Array) -> Array:
    """Return the rotation taking +X onto `primary` and +Y towards `secondary` (..., 4).

    `secondary` is made perpendicular to `primary`; both (..., 3), of any length, not parallel.
    """
    x = _unit(np.asarray(primary))
    z = _unit(_cross(x, np.asarray(secondary)))
    return from_matrix(np.stack([x, _cross(z, x), z], axis=-1))


def swing_twist(q: Array, axis: Array) -> tuple[Array, Array]:
    """Return (swing, twist) with q = swing * twist and the twist about unit `axis` (..., 3).

    Where the swing is a half turn the twist is not defined and the identity is taken.
    """
    q, axis = np.asarray(q), np.asarray(axis)
    along = (q[..., :3] * axis).sum(-1, keepdims=True) * axis
    twist = normalize(np.concatenate([along, q[..., 3:]], axis=-1))
    return multiply(q, conjugate(twist)), twist


def continuous(q: Array) -> Array:
    """Return the same rotations (T, ..., 4) with signs chosen so that neighbours in time agree."""
    q = np.asarray(q)
    dots = (q[1:] * q[:-1]).sum(-1)
    flips = np.concatenate([np.ones_like(q[:1, ..., 0]), np.where(dots < 0, -1, 1)])
    return q * np.cumprod(flips, axis=0)[..., None].astype(q.dtype)


def from_euler(radians: Array, order: str) -> Array:
    """Return the rotation of intrinsic Euler angles (..., 3) about the axes of `order` ("ZXY").

    The first letter is applied outermost: q = q_first * q_second * q_third, as BVH stacks channels.
    """
    radians = np.asarray(radians)
    result = None
    for i, letter in enumerate(order.upper()):
        axis = np.eye(3, dtype=radians.dtype)["XYZ".index(letter)]
        turn = from_axis_angle(np.broadcast_to(axis, radians.shape), radians[..., i])
        result = turn if result is None else multiply(result, turn)
    if result is None:
        raise ValueError("order: expected three of X, Y, Z, got an empty string")
    return result


def to_euler(q: Array, order: str) -> Array:
    """Return intrinsic Euler angles (..., 3), radians, with q = q_first * q_second * q_third.

    Tait-Bryan orders only (three different letters). In gimbal lock the third angle is 0.
    """
    i, j, k = ("XYZ".index(letter) for letter in order.upper())
    if len({i, j, k}) != 3:
        raise ValueError(f"order: expected three different axes, got {order!r}")
    m = to_matrix(normalize(np.asarray(q, np.float64)))
    parity = 1.0 if (j - i) % 3 == 1 else -1.0
    sine = parity * np.clip(m[..., i, k], -1, 1)
    # An arcsine makes 3e-4 rad of float32's last digit near the lock.
    second = np.arctan2(sine, np.hypot(m[..., i, i], m[..., i, j]))
    locked = np.abs(sine) > 1 - 1e-10
    first = np.where(
        locked,
        np.arctan2(parity * m[..., k, j], m[..., j, j]),
        np.arctan2(-parity * m[..., j, k], m[..., k, k]),
    )
    third = np.where(locked, 0, np.arctan2(-parity * m[..., i, j], m[..., i, i]))
    return np.stack([first, second, third], axis=-1)


def _compiled() -> Any | None:
    # Float64 stays in NumPy: the kernels' reference is computed by the functions above. Imported
    # late, for the door to the kernels stands on this module.
    from twinsdk.core import kernel

    return kernel.compiled()


def _together(a: Array, b: Array, width: int) -> tuple[Array, Array]:
    """Return (..., 4) and (..., width) arrays with the leading dims of both, C-contiguous."""
    if a.shape[-1:] != (4,) or b.shape[-1:] != (width,):
        raise ValueError(
            f"expected shapes (..., 4) and (..., {width}), got {a.shape} and {b.shape}"
        )
    if a.shape[:-1] != b.shape[:-1]:
        lead = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        a, b = np.broadcast_to(a, (*lead, 4)), np.broadcast_to(b, (*lead, width))
    return np.ascontiguousarray(a), np.ascontiguousarray(b)


def _cross(a: Array, b: Array) -> Array:
    # Written out: np.cross costs ten times more on the small arrays of one pose.
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def _unit(v: Array) -> Array:
    length = np.sqrt((v * v).sum(-1, keepdims=True))
    return v / np.where(length > 1e-12, length, 1)


def _stack(x: Array, y: Array, z: Array, w: Array) -> Array:
    return np.stack([x, y, z, w], axis=-1)
