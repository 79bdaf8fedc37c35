"""Anatomy: how each joint of a rig is turned when the body stands in the canonical T-pose.

Rest poses differ: A-pose, arms down, thighs splayed, Z-up, facing anywhere, bones rolled as their
maker liked. What all rigs share is the body. So every joint gets the rotation that brings the body
itself, seen from outside, into the T-pose: the trunk upright and facing +Z, each limb along the
canonical direction, soles level, palms down. A rotation measured from there means the same on any
rig.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError

__all__ = ["TPose", "body_frame", "joint_places", "parent_role", "virtual_tpose"]

_SIDES = ("left", "right")
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
_SNAP_COSINE = np.cos(np.radians(15))  # rest poses are made along the axes of their world
_IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


@dataclass(frozen=True)
class TPose:
    """A rig standing in the canonical T-pose; J joints of the rig, canonical axes.

    Attributes:
        world: (J, 4) world_from_joint.
        local: (J, 4) parent_from_joint; the root's is world_from_joint.
        positions: (J, 3) in the rig's own unit, root joint at the origin.
        frame: (4,) canonical_from_rest: turns the rest pose upright and to the front.
    """

    world: F64
    local: F64
    positions: F64
    frame: F64


def virtual_tpose(
    skeleton: Skeleton, roles: Mapping[str, int], pose: tuple[Array, Array] | None = None
) -> TPose:
    """Return the T-pose of a rig, found from the places of its joints.

    Args:
        skeleton: The rig.
        roles: Canonical joint -> joint index.
        pose: World rotations (J, 4) and positions (J, 3) to start from; the rest pose where None.

    Raises:
        NotHumanoidError: The joints it needs coincide, so the body has no directions.
    """
    rotations, positions = skeleton.rest_world() if pose is None else pose
    rotations, positions = rotations.astype(np.float64), positions.astype(np.float64)
    frame = body_frame(positions, roles, snap=pose is None)
    upright = quat.rotate(frame, positions)
    turns = _turns(upright, roles)
    world = np.zeros((len(skeleton), 4))
    local = np.zeros((len(skeleton), 4))
    index_of = {joint: role for role, joint in roles.items()}
    rest = skeleton.rest_rotations.astype(np.float64)
    for j in range(len(skeleton)):
        above = int(skeleton.parents[j])
        role = index_of.get(j)
        if role is not None:
            world[j] = quat.multiply(quat.multiply(turns[role], frame), rotations[j])
        elif above < 0:
            world[j] = quat.multiply(frame, rotations[j])
        else:
            world[j] = quat.multiply(world[above], rest[j])
        local[j] = world[j] if above < 0 else quat.multiply(quat.conjugate(world[above]), world[j])
    places = joint_places(skeleton, world)
    return TPose(world=world, local=local, positions=places, frame=frame)


def joint_places(skeleton: Skeleton, world: Array) -> F64:
    """Return where joints are (J, 3) when they are turned to `world` (J, 4); the root at 0."""
    places = np.zeros((len(skeleton), 3))
    offsets = skeleton.rest_translations.astype(np.float64)
    for j in range(1, len(skeleton)):
        above = int(skeleton.parents[j])
        places[j] = places[above] + quat.rotate(world[above], offsets[j])
    return places


def body_frame(positions: Array, roles: Mapping[str, int], *, snap: bool) -> F64:
    """Return the rotation (4,) that turns a body of joint `positions` (J, 3) upright, facing +Z.

    Up runs from between the hips to between the shoulders, left along hips and shoulders. With
    `snap`, directions within 15 degrees of a world axis are taken to be that axis: a rest pose's
    spine is curved, its world is not.

    Raises:
        NotHumanoidError: The joints coincide or lie in a line.
    """
    at = {role: positions[joint] for role, joint in roles.items()}
    hips = (at["leftUpperLeg"] + at["rightUpperLeg"]) / 2
    shoulders = (at["leftUpperArm"] + at["rightUpperArm"]) / 2
    up = shoulders - hips
    left = _unit(at["leftUpperLeg"] - at["rightUpperLeg"]) + _unit(
        at["leftUpperArm"] - at["rightUpperArm"]
    )
    size = np.linalg.norm(up)
    if size < 1e-6 or np.linalg.norm(np.cross(_unit(up), _unit(left))) < 0.2:
        raise NotHumanoidError(
            "skeleton: expected the hips and shoulders of a body, got joints in one place or line"
        )
    up, left = _unit(up), _unit(left)
    if snap:
        up = _snapped(up)
        left = _unit(left - up * (left @ up))
        left = _snapped(left)
    # from_frame puts x on `left` first; the trunk's up must win, so build it from up.
    left = _unit(left - up * (left @ up))
    matrix = np.stack([left, up, np.cross(left, up)])  # rows: canonical_from_rest
    out: F64 = quat.from_matrix(matrix)
    return out


def parent_role(role: str, present: Mapping[str, int]) -> str | None:
    """Return the nearest canonical ancestor of `role` that is in `present`."""
    above = HUMANOID_PARENTS[role]
    while above is not None and above not in present:
        above = HUMANOID_PARENTS[above]
    return above


def _turns(at_rest: F64, roles: Mapping[str, int]) -> dict[str, F64]:
    """Return, for each role, the rotation (4,) from the upright rest pose to the T-pose."""
    ideal = _ideal()
    at = {role: at_rest[joint] for role, joint in roles.items()}
    turns: dict[str, F64] = {}
    for role in HUMANOID_NAMES:
        if role not in roles:
            continue
        above = parent_role(role, roles)
        inherited = _IDENTITY if above is None else turns[above]
        side = next((side for side in _SIDES if role.startswith(side)), None)
        part = role.removeprefix(side or "")
        if side is None or part in ("Eye", "Shoulder"):
            turns[role] = _IDENTITY  # the trunk keeps its curve, shoulders their slope
        elif part == "Foot":
            turns[role] = _sole(at, ideal, side)
        elif part == "Hand":
            turns[role] = _palm(at, ideal, side, inherited)
        else:
            turns[role] = _swing(role, at, ideal, inherited)
    return turns


def _swing(role: str, at: Mapping[str, F64], ideal: Mapping[str, F64], inherited: F64) -> F64:
    """Lay the bone that starts at `role` along its canonical direction, by the shortest arc."""
    below = _below(role, at)
    if below is None:
        return inherited
    bone = quat.rotate(inherited, at[below] - at[role])
    if np.linalg.norm(bone) < 1e-6:
        return inherited
    turn: F64 = quat.multiply(quat.between(bone, ideal[below] - ideal[role]), inherited)
    return turn


def _sole(at: Mapping[str, F64], ideal: Mapping[str, F64], side: str) -> F64:
    """Turn a foot about the vertical until it points forward; a rest pose stands on its soles."""
    if f"{side}Toes" not in at:
        return _IDENTITY
    forward = at[f"{side}Toes"] - at[f"{side}Foot"]
    ahead = ideal[f"{side}Toes"] - ideal[f"{side}Foot"]
    forward[1], ahead[1] = 0, 0
    if np.linalg.norm(forward) < 0.2 * np.linalg.norm(at[f"{side}Toes"] - at[f"{side}Foot"]):
        return _IDENTITY
    turn: F64 = quat.between(forward, ahead)
    return turn


def _palm(at: Mapping[str, F64], ideal: Mapping[str, F64], side: str, inherited: F64) -> F64:
    """Lay a hand along the arm, palm down, from its knuckles; without any, as the forearm."""
    knuckles = [f for f in _FINGERS[1:] if f"{side}{f}Proximal" in at]
    if not knuckles:
        return inherited
    wrist, ideal_wrist = at[f"{side}Hand"], ideal[f"{side}Hand"]
    rows = [f"{side}{finger}Proximal" for finger in knuckles]
    along = np.mean([at[row] for row in rows], axis=0) - wrist
    ahead = np.mean([ideal[row] for row in rows], axis=0) - ideal_wrist
    across = at[rows[-1]] - at[rows[0]]
    beside = ideal[rows[-1]] - ideal[rows[0]]
    flat = np.linalg.norm(np.cross(along, across)) > 0.15 * np.linalg.norm(along) ** 2
    if len(knuckles) < 2 or not flat:
        if np.linalg.norm(along) < 1e-6:
            return inherited
        arc = quat.between(quat.rotate(inherited, along), ahead)
        swung: F64 = quat.multiply(arc, inherited)
        return swung
    from_rest = quat.conjugate(quat.from_frame(along, across))
    turn: F64 = quat.multiply(quat.from_frame(ahead, beside), from_rest)
    return turn


def _below(role: str, at: Mapping[str, F64]) -> str | None:
    """Return the role at the far end of the bone that starts at `role`."""
    for name, above in HUMANOID_PARENTS.items():
        if above == role and name in at:
            return name
    return None


def _ideal() -> dict[str, F64]:
    skeleton = humanoid_skeleton()
    _, positions = skeleton.rest_world()
    return dict(zip(HUMANOID_NAMES, positions.astype(np.float64), strict=True))


def _snapped(direction: F64) -> F64:
    axis = int(np.argmax(np.abs(direction)))
    if abs(direction[axis]) < _SNAP_COSINE:
        return direction
    out = np.zeros(3)
    out[axis] = np.sign(direction[axis])
    return out


def _unit(vector: Array) -> F64:
    length = float(np.linalg.norm(vector))
    out: F64 = np.asarray(vector, np.float64) / (length or 1.0)
    return out
