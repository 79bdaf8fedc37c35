"""Two-bone inverse kinematics in closed form: bend the knee, then swing the leg.

Works on many frames at once. What bend there is keeps its plane; what is added, and all of a
straight limb's, is about the anatomical hinge. Near full reach the distance is eased, so that a
knee never snaps.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array

__all__ = ["reach", "two_bone"]

_SOFT = 0.01  # of full length: where the easing to full extension begins
_STRAIGHT = 0.05  # sine of the bend below which the anatomical hinge takes over


def reach(distance: Array, length: Array) -> Array:
    """Return `distance` (...) eased so that it never comes to `length`.

    Below 99 % nothing changes; above, the rest is approached exponentially.
    Source: soft IK, as in "Soft IK" by Andy Nicholas (2009).
    """
    soft = _SOFT * length
    start = length - soft
    over = np.maximum(distance - start, 0)
    return np.where(distance > start, length - soft * np.exp(-over / soft), distance)


def two_bone(
    hip: Array, knee: Array, ankle: Array, goal: Array, hinge: Array
) -> tuple[Array, Array, Array]:
    """Return world turns of upper and lower bone (..., 4) that bring the ankle to `goal`.

    Args:
        hip: (..., 3) where the upper bone begins.
        knee: (..., 3) where the bones meet.
        ankle: (..., 3) where the lower bone ends.
        goal: (..., 3) where the ankle shall be; out of reach it is eased.
        hinge: (..., 3) unit axis about which the lower bone flexes, for straight limbs.

    Returns:
        Turns to apply before (to the left of) the world rotations of the two bones, and where the
        ankle comes to be (..., 3).
    """
    thigh, shin, line = knee - hip, ankle - knee, ankle - hip
    a, b, d0 = _length(thigh), _length(shin), _length(line)
    wanted = goal - hip
    far = _length(wanted)
    # The limb may already be straighter than the easing allows; it is never shortened for that.
    limit = np.maximum(reach(far, a + b), np.minimum(far, d0))
    d1 = np.clip(limit, np.abs(a - b) + 1e-6, a + b - 1e-7)
    corner = _corner(a, d1, b)
    more = corner - _corner(a, d0, b) + _corner(b, d1, a) - _corner(b, d0, a)
    axis = np.cross(thigh, shin) / (a * b)[..., None]
    along = line / np.maximum(d0, 1e-12)[..., None]
    across = hinge - along * np.einsum("...i,...i->...", hinge, along)[..., None]
    hinged = _STRAIGHT * np.exp(-((_length(axis) / _STRAIGHT) ** 2)) + np.maximum(more, 0)
    axis = axis + hinged[..., None] * across
    axis = axis / np.maximum(_length(axis), 1e-12)[..., None]
    out = (a * np.sin(corner))[..., None] * np.cross(along, axis)
    bent = (a * np.cos(corner))[..., None] * along + out
    upper = quat.between(thigh, bent)
    lower = quat.between(shin, d1[..., None] * along - bent)
    swing = quat.between(line, wanted)
    reached = hip + wanted * (d1 / np.maximum(far, 1e-12))[..., None]
    return quat.multiply(swing, upper), quat.multiply(swing, lower), reached


def _corner(beside: Array, base: Array, opposite: Array) -> Array:
    """Return the angle between sides `beside` and `base` of a triangle; law of cosines."""
    cosine = (beside**2 + base**2 - opposite**2) / np.maximum(2 * beside * base, 1e-12)
    return np.arccos(np.clip(cosine, -1, 1))


def _length(vector: Array) -> Array:
    return np.sqrt(np.einsum("...i,...i->...", vector, vector))
