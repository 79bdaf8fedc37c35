"""Pelvis, spine and collar bones from the hips, shoulders and the directions of the upper arms.

What points decide: the hip line and the shoulder line, and how far the trunk leans. They leave open
how the lean is shared between pelvis and spine and how collar bones move; the convention is:

- the pelvis pitches with the trunk; the spine carries the sideways bend and the twist between hip
  line and shoulder line along the shortest arc, a third each on spine, chest and upperChest;
- a collar bone follows its upper arm: up to 20 degrees when the arm points up, 9 when forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.points import REST
from twinsdk.motion.vectors import arc_angle_vector, columns, cross, rotation_of, turn_x, unit

__all__ = ["Torso", "collar_rotations", "solve_torso"]

_X = np.array([1.0, 0.0, 0.0])
_UP = np.array([0.0, 1.0, 0.0])
_RAISE, _LOWER, _FORWARD = 0.35, 0.05, 0.16  # radians at full reach
_SIDES = np.array([1.0, -1.0])
_COLLAR_BONES = np.stack(
    [REST["leftUpperArm"] - REST["leftShoulder"], REST["rightUpperArm"] - REST["rightShoulder"]]
)
_HIP_CENTRE = (REST["leftUpperLeg"] + REST["rightUpperLeg"]) / 2
_SHOULDER_CENTRE = (REST["leftUpperArm"] + REST["rightUpperArm"]) / 2
# Lengths along the trunk from the middle of the hips to the middle of the shoulders, by the joint
# that carries each piece.
_PIECES = np.diff(
    [
        _HIP_CENTRE[1],
        REST["spine"][1],
        REST["chest"][1],
        REST["upperChest"][1],
        _SHOULDER_CENTRE[1],
    ]
)
_PASSES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Torso:
    """World rotations, (3, 3) each; `collars` (2, 3, 3) left then right."""

    hips: Array
    spine: Array
    chest: Array
    upper_chest: Array
    collars: Array


def collar_rotations(arms: Array) -> Array:
    """Return the rotations (2, 3, 3) of both collar bones for upper arms pointing along `arms`.

    Args:
        arms: (2, 3) unit directions in the upper chest's frame, left then right.
    """
    height, reach = arms[:, 1], arms[:, 2]
    vector = np.zeros((2, 3))
    vector[:, 1] = -_FORWARD * reach * _SIDES
    vector[:, 2] = np.where(height > 0, _RAISE, _LOWER) * height * _SIDES
    return rotation_of(vector)


def solve_torso(hips: Array, shoulders: Array, arms: Array) -> Torso:
    """Return the torso whose hip and shoulder points lie as given.

    The collar bones move the shoulders, and the chest's frame, from which they are measured, is
    found from the shoulders: a fixed point, contracting tenfold a pass.

    Args:
        hips: (2, 3) metres, left then right.
        shoulders: (2, 3) metres, left then right.
        arms: (2, 3) unit directions of the upper arms, world.
    """
    across_hips = unit(hips[0] - hips[1], _X)
    hip_centre = (hips[0] + hips[1]) / 2
    measured = shoulders
    scale = np.sqrt(((shoulders[0] - shoulders[1]) ** 2).sum()) / (2 * _SHOULDER_X)
    pitch = 0.0
    for _ in range(_PASSES):
        trunk = unit((measured[0] + measured[1]) / 2 - hip_centre, _UP)
        across = unit(measured[0] - measured[1], across_hips)
        up = unit(trunk - (trunk @ across_hips) * across_hips, _UP)
        pelvis = columns(across_hips, up, cross(across_hips, up)) @ turn_x(-pitch)
        bend = arc_angle_vector(_X, across @ pelvis)
        third, two_thirds, whole = rotation_of(bend * _THIRDS)
        chain = _PIECES[0] * _UP + (
            _PIECES[1] * third[:, 1] + _PIECES[2] * two_thirds[:, 1] + _PIECES[3] * whole[:, 1]
        )
        pitch = float(np.arctan2(chain[2], chain[1]))
        chest = pelvis @ whole
        collars = collar_rotations(arms @ chest)
        moved = (collars @ _COLLAR_BONES[..., None])[..., 0] - _COLLAR_BONES
        measured = shoulders - scale * (moved @ chest.T)
    return Torso(
        hips=pelvis,
        spine=pelvis @ third,
        chest=pelvis @ two_thirds,
        upper_chest=chest,
        collars=chest @ collars,
    )


_SHOULDER_X = float(REST["leftUpperArm"][0])
_THIRDS = np.array([[1.0], [2.0], [3.0]]) / 3
