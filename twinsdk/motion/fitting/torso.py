"""Pelvis, spine and collar bones from the hips, shoulders and the directions of the upper arms.

What points decide: the hip line and the shoulder line, and how far the trunk leans. They leave open
how the lean is shared between pelvis and spine and how collar bones move; the convention is:

- the pelvis pitches with the trunk; the spine carries the sideways bend and the twist between hip
  line and shoulder line along the shortest arc, a third each on spine, chest and upperChest;
- a collar bone follows its upper arm: up to 20 degrees when the arm points up, 9 when forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, hypot, sin, sqrt

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.fitting.points import REST
from twinsdk.motion.vectors import rotation_of

__all__ = ["Torso", "solve_torso"]

_Vector = tuple[float, float, float]

_RAISE, _LOWER, _FORWARD = 0.35, 0.05, 0.16  # radians at full reach
_COLLAR_M = float(REST["leftUpperArm"][0] - REST["leftShoulder"][0])
_SHOULDERS_M = float(2 * REST["leftUpperArm"][0])
# Lengths along the trunk from the middle of the hips to the middle of the shoulders, by the joint
# that carries each piece: pelvis, spine, chest, upperChest.
_PIECES = [
    float(piece)
    for piece in np.diff(
        [REST[name][1] for name in ("leftUpperLeg", "spine", "chest", "upperChest", "leftUpperArm")]
    )
]
_THIRDS = np.array([[1.0], [2.0], [3.0]]) / 3
_PASSES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Torso:
    """World rotations, (3, 3) each; `collars` (2, 3, 3) left then right."""

    hips: Array
    spine: Array
    chest: Array
    upper_chest: Array
    collars: Array


def solve_torso(hips: Array, shoulders: Array, arms: Array) -> Torso:
    """Return the torso whose hip and shoulder points lie as given.

    The collar bones move the shoulders, and the chest's frame, from which they are measured, is
    found from the shoulders: a fixed point, contracting tenfold a pass. Written in plain numbers:
    on single vectors they are five times faster than arrays.

    Args:
        hips: (2, 3) metres, left then right.
        shoulders: (2, 3) metres, left then right.
        arms: (2, 3) unit directions of the upper arms, world.
    """
    left_hip, right_hip = hips.tolist()
    left, right = given = shoulders.tolist()
    left_arm, right_arm = arms.tolist()
    across_hips = _unit(_minus(left_hip, right_hip), (1.0, 0.0, 0.0))
    centre = _middle(left_hip, right_hip)
    scale = sqrt(_dot(*([_minus(left, right)] * 2))) / _SHOULDERS_M
    pitch = 0.0
    for _ in range(_PASSES):
        trunk = _minus(_middle(left, right), centre)
        across = _unit(_minus(left, right), across_hips)
        up = _unit(_mix(1.0, trunk, -_dot(trunk, across_hips), across_hips), (0.0, 1.0, 0.0))
        ahead = _cross(across_hips, up)
        c, s = cos(pitch), sin(pitch)
        up, ahead = _mix(c, up, -s, ahead), _mix(s, up, c, ahead)
        # The bend: the shortest arc from the hip line to the shoulder line, in the pelvis' frame.
        y, z = _dot(across, up), _dot(across, ahead)
        sine = hypot(y, z)
        bend = atan2(sine, _dot(across, across_hips))
        ny, nz = (-z / sine, y / sine) if sine > 1e-9 else (0.0, 1.0)
        pitch = _lean_of_chain(bend, ny, nz)
        chest = _turned(bend, ny, nz, across_hips, up, ahead)
        lift = _collar(_dot(left_arm, chest[1]), _dot(left_arm, chest[2]), 1.0)
        right_lift = _collar(_dot(right_arm, chest[1]), _dot(right_arm, chest[2]), -1.0)
        left = _less_collar(given[0], scale * _COLLAR_M, lift, chest)
        right = _less_collar(given[1], -scale * _COLLAR_M, right_lift, chest)
    pelvis = np.array([across_hips, up, ahead]).T
    turns = rotation_of(np.array([[0.0, bend * ny, bend * nz]]) * _THIRDS)
    spine, middle, upper = pelvis @ turns
    collars = upper @ rotation_of(np.array([(0.0, *lift), (0.0, *right_lift)]))
    return Torso(hips=pelvis, spine=spine, chest=middle, upper_chest=upper, collars=collars)


def _collar(height: float, reach: float, side: float) -> tuple[float, float]:
    """Return a collar bone's turn about Y and Z for an upper arm of that height and reach."""
    return -_FORWARD * reach * side, (_RAISE if height > 0 else _LOWER) * height * side


def _less_collar(
    point: _Vector, bone: float, turn: tuple[float, float], chest: tuple[_Vector, _Vector, _Vector]
) -> _Vector:
    """Return a shoulder with the collar bone's movement, `bone` metres long on X, taken out."""
    y, z = turn
    angle = hypot(y, z)
    grow = sin(angle) / angle if angle > 1e-9 else 1.0
    moved = (bone * (cos(angle) - 1), bone * grow * z, -bone * grow * y)
    shift = _mix(moved[0], chest[0], moved[1], chest[1])
    return _minus(point, _mix(1.0, shift, moved[2], chest[2]))


def _lean_of_chain(bend: float, ny: float, nz: float) -> float:
    """Return how far the bent spine's end leans forward in the pelvis' frame, radians."""
    up = _PIECES[0]
    ahead = 0.0
    for third, piece in enumerate(_PIECES[1:], start=1):
        c = cos(bend * third / 3)
        up += piece * (c + (1 - c) * ny * ny)
        ahead += piece * (1 - c) * ny * nz
    return atan2(ahead, up)


def _turned(
    angle: float, ny: float, nz: float, x: _Vector, y: _Vector, z: _Vector
) -> tuple[_Vector, _Vector, _Vector]:
    """Return the frame x, y, z turned by `angle` about its own axis (0, ny, nz)."""
    c, s = cos(angle), sin(angle)
    v = (1 - c) * ny * nz
    return (
        _mix(1.0, _mix(c, x, s * nz, y), -s * ny, z),
        _mix(1.0, _mix(-s * nz, x, c + (1 - c) * ny * ny, y), v, z),
        _mix(1.0, _mix(s * ny, x, v, y), c + (1 - c) * nz * nz, z),
    )


def _dot(a: _Vector, b: _Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _minus(a: _Vector, b: _Vector) -> _Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _middle(a: _Vector, b: _Vector) -> _Vector:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2


def _mix(s: float, a: _Vector, t: float, b: _Vector) -> _Vector:
    return s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]


def _cross(a: _Vector, b: _Vector) -> _Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _unit(v: _Vector, fallback: _Vector) -> _Vector:
    length = sqrt(_dot(v, v))
    return (v[0] / length, v[1] / length, v[2] / length) if length > 1e-9 else fallback
