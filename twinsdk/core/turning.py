"""Rotations that turn: by a rotation vector, from one to another, and gliding; float64, xyzw.

The doors to `csrc/src/turning.cpp`; what NumPy does where there is no kernel is the definition.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F64, Array, as_array
from twinsdk.errors import ValueRangeError

__all__ = ["glide", "glide_shares", "turned", "turns_between"]


def turned(rotations: Array, vectors: Array) -> F64:
    """Return rotations (J, 4) turned about their own axes by rotation vectors (J, 3).

    Raises:
        ShapeError: The arrays do not go together.
    """
    q = as_array("rotations", rotations, ("J", 4), np.float64)
    v = as_array("vectors", vectors, (len(q), 3), np.float64)
    module = kernel.compiled()
    if module is None:
        return np.asarray(quat.normalize(quat.multiply(q, quat.from_rotation_vector(v))))
    out = np.empty_like(q)
    module.turned(q, v, out)
    return out


def turns_between(start: Array, end: Array) -> F64:
    """Return the rotation vectors (J, 3) that turn `start` (J, 4) about its own axes to `end`.

    Raises:
        ShapeError: The arrays do not go together.
    """
    a = as_array("start", start, ("J", 4), np.float64)
    b = as_array("end", end, (len(a), 4), np.float64)
    module = kernel.compiled()
    if module is None:
        return np.asarray(quat.to_rotation_vector(quat.multiply(quat.conjugate(a), b)))
    out = np.empty((len(a), 3))
    module.turns_between(a, b, out)
    return out


def glide(
    given: Array,
    *,
    at: F64,
    velocity: F64,
    speed: F64,
    step_s: float,
    rates_hz: tuple[float, float, float],
    damping: float,
    haste: Array,
    max_speed: Array,
) -> None:
    """Move a filter of degree one on by a step, in place: place and speed are followed.

    Args:
        given: (J, 4) the rotations followed.
        at: (J, 4) where they are taken to be.
        velocity: (J, 3) rad/s about their own axes.
        speed: (J,) rad/s, smoothed.
        step_s: Seconds, above 0.
        rates_hz: How fast what is still is followed, what a radian a second adds, and how fast the
            speed that counts for that follows.
        damping: (0, 1], of what is off; 1 is critical.
        haste: (J,) factor on the rates.
        max_speed: (J,) rad/s, which no joint exceeds.

    Raises:
        ShapeError: The arrays do not go together.
        ValueRangeError: The step is not above 0, or the damping out of its range.

    Source: Morrison 1969, "Introduction to sequential smoothing and prediction".
    """
    if not step_s > 0:
        raise ValueRangeError(f"step_s: expected above 0, got {step_s}")
    if not 0 < damping <= 1:
        raise ValueRangeError(f"damping: expected above 0 and at most 1, got {damping}")
    q = as_array("given", given, ("J", 4), np.float64)
    joints = len(q)
    eager = as_array("haste", haste, (joints,), np.float64)
    most = as_array("max_speed", max_speed, (joints,), np.float64)
    for name, state, shape in (
        ("at", at, (joints, 4)),
        ("velocity", velocity, (joints, 3)),
        ("speed", speed, (joints,)),
    ):
        as_array(name, state, shape, np.float64)
    module = kernel.compiled()
    if module is not None:
        module.glide(
            given=q,
            step_s=step_s,
            min_hz=rates_hz[0],
            gain=rates_hz[1],
            speed_hz=rates_hz[2],
            damping=damping,
            haste=eager,
            max_speed=most,
            at=at,
            velocity=velocity,
            speed=speed,
        )
        return
    ahead = turned(at, velocity * step_s)
    off = turns_between(ahead, q)
    follows = -np.expm1(-2 * np.pi * rates_hz[2] * step_s)
    speed += follows * (np.sqrt((velocity**2).sum(-1)) - speed)
    place, pace = glide_shares(step_s * eager * (rates_hz[0] + rates_hz[1] * speed), damping)
    velocity[:] = _shortened(velocity + pace[:, None] / step_s * off, most)
    turn = turns_between(at, turned(ahead, place[:, None] * off))
    at[:] = turned(at, _shortened(turn, most * step_s))


def glide_shares(turns: Array, damping: float) -> tuple[Array, Array]:
    """Return what shares of what is off go to the place and, a step, to the speed.

    Args:
        turns: How far an oscillator without damping would get in the step, in turns: Hz s.
        damping: (0, 1].

    Both poles of the filter are that oscillator's: the step is exact for any interval.
    """
    angle = 2 * np.pi * turns
    keep = np.exp(-damping * angle)
    swing = np.cos(np.sqrt(1 - damping * damping) * angle)
    return 1 - keep * keep, 1 - 2 * keep * swing + keep * keep


def _shortened(vectors: Array, most: Array) -> Array:
    length = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.asarray(vectors * np.minimum(1.0, most[:, None] / np.maximum(length, 1e-12)))
