"""Arms and legs: two bones and a hinge; feet.

The directions of the two bones decide everything but the roll of the upper bone when the limb is
straight. Roll is measured from the limb's *neutral* roll, that of the shortest arc from the rest
direction. A bent limb shows its roll (the elbow and knee are hinges); a straight leg takes it from
the foot; otherwise it is neutral. Every weight is continuous, and one that would flip fades to zero
where it would.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.fitting.points import SOLE_DROP
from twinsdk.motion.vectors import columns, cross, dot, rotation_of, smoothstep, unit

__all__ = ["solve_feet", "solve_limbs"]

# Rest direction of both bones, and the axis about which the hinge flexes: the forearm forwards,
# the shank backwards. Left arm, right arm, left leg, right leg.
_REST = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, -1.0, 0], [0, -1.0, 0]])
_HINGE = np.array([[0, -1.0, 0], [0, 1.0, 0], [1.0, 0, 0], [1.0, 0, 0]])
_FROM_REST = np.swapaxes(columns(_REST, _HINGE, cross(_REST, _HINGE)), -1, -2)
_LEGS = slice(2, 4)
_DROP, _LEVEL = float(np.sin(SOLE_DROP)), float(np.cos(SOLE_DROP))
_TOES_AT_REST = np.array([0.0, -_DROP, _LEVEL])
_MOST_TURN = 0.75  # sine of the most a foot turns in or out
_ANKLE_PITCH = (-0.8, 1.1)  # radians, toes up and toes down
# Sine of the flexion below which the bend plane says nothing and above which it says all.
_BEND = (0.17, 0.5)
# Cosine of the roll from neutral: beyond about 165 degrees a joint seems to bend backwards, which
# is noise; within 115 it is believed.
_SIDE_LOW, _SIDE_HIGH = -0.966, -0.42


def solve_limbs(
    parents: Array, upper: Array, lower: Array, *, toes_ahead: Array
) -> tuple[Array, Array]:
    """Return the world rotations of upper and lower bones (4, 3, 3) along the given directions.

    Order: left arm, right arm, left leg, right leg. Forearms have no twist.

    Args:
        parents: (4, 3, 3) world rotations of the collar bones and, twice, the pelvis.
        upper: (4, 3) unit directions of upper arms and thighs, world.
        lower: (4, 3) unit directions of forearms and shanks.
        toes_ahead: (2, 3) direction from heel to toes of both feet.
    """
    local = (upper[:, None, :] @ parents)[:, 0]
    opening = 1 + dot(local, _REST)
    # A shortest arc from u to d takes a vector h across u to h - (h.d)/(1 + u.d) (u + d).
    lean = dot(_HINGE, local) / np.maximum(opening, 1e-6)
    neutral = unit(_HINGE - lean[:, None] * (local + _REST), _HINGE)
    neutral = (parents @ neutral[..., None])[..., 0]
    neutral = unit(neutral - dot(neutral, upper)[:, None] * upper)
    aside = cross(upper, neutral)

    plane = cross(upper, lower)
    flexion = np.sqrt(dot(plane, plane))
    seen_cos, seen_sin = dot(plane, neutral), dot(plane, aside)
    seen = np.arctan2(seen_sin, seen_cos)
    side = seen_cos / np.where(flexion > 1e-9, flexion, 1)
    certainty = smoothstep(flexion, *_BEND) * smoothstep(side, _SIDE_LOW, _SIDE_HIGH)
    shown, by_feet = _roll_from_feet(lower[_LEGS], neutral[_LEGS], aside[_LEGS], toes_ahead)
    # A knee that seems to bend against the foot's direction is noise as well.
    along = smoothstep(np.cos(seen[_LEGS] - shown), -0.3, 0.4)
    certainty[_LEGS] *= 1 - by_feet * (1 - along)
    roll = certainty * seen
    roll[_LEGS] += by_feet * (1 - certainty[_LEGS]) * _wrap(shown - roll[_LEGS])

    axis = np.cos(roll)[:, None] * neutral + np.sin(roll)[:, None] * aside
    ahead = cross(axis, upper)
    # A hinge opens one way only: what would bend it backwards is taken out.
    backwards = np.minimum(dot(lower, ahead), 0)
    lower = unit(lower - backwards[:, None] * ahead, upper)
    lower_axis = unit(axis - dot(axis, lower)[:, None] * lower, axis)
    return (
        columns(upper, axis, cross(upper, axis)) @ _FROM_REST,
        columns(lower, lower_axis, cross(lower, lower_axis)) @ _FROM_REST,
    )


def solve_feet(shanks: Array, toes_ahead: Array) -> Array:
    """Return the world rotations (2, 3, 3) of feet whose points lie along `toes_ahead` (2, 3).

    The points of a foot lie too close together to show its roll: a foot pitches about the shank's
    X and turns about its own Y, both within what an ankle can do.
    """
    ahead = unit((toes_ahead[:, None, :] @ shanks)[:, 0], _TOES_AT_REST)
    turn = np.arcsin(np.minimum(np.maximum(ahead[:, 0] / _LEVEL, -_MOST_TURN), _MOST_TURN))
    pitch = np.arctan2(ahead[:, 2], ahead[:, 1]) - np.arctan2(_LEVEL * np.cos(turn), -_DROP)
    pitch = np.minimum(np.maximum(_wrap(pitch), _ANKLE_PITCH[0]), _ANKLE_PITCH[1])
    vectors = np.zeros((2, 2, 3))
    vectors[0, :, 0], vectors[1, :, 1] = pitch, turn
    pitched, turned = rotation_of(vectors)
    return shanks @ pitched @ turned


def _roll_from_feet(
    shanks: Array, neutral: Array, aside: Array, toes_ahead: Array
) -> tuple[Array, Array]:
    """Return the roll (2,) that has the knees point where the toes do, and its certainty (2,)."""
    # The knee's axis is across shank and foot: forward x down is the person's left, +X.
    axis = cross(toes_ahead, shanks)
    length = np.sqrt(dot(axis, axis))
    scale = np.maximum(np.sqrt(dot(toes_ahead, toes_ahead)), 1e-9)
    shown = np.arctan2(dot(axis, aside), dot(axis, neutral))
    return shown, smoothstep(length / scale, 0.3, 0.6) * smoothstep(np.cos(shown), -0.7, 0.0)


def _wrap(radians: Array) -> Array:
    wrapped: Array = (radians + np.pi) % (2 * np.pi) - np.pi
    return wrapped
