"""Twist: the turn of a hand about its forearm shared out along the forearm's own joints.

A rig may have joints inside a bone, in line or beside it, so that skin wrings evenly and not all
at the wrist. What a hand or foot turns about the bone before it, such a joint takes in proportion
to its place along that bone; joints that hang from an upper bone give back what the shoulder or
hip turned. The joints that are mapped keep their place and turn in the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.retarget.anatomy import parent_role
from twinsdk.retarget.transfer import Rig

__all__ = ["Twists"]

_BONES = (
    ("UpperArm", "LowerArm"),
    ("LowerArm", "Hand"),
    ("UpperLeg", "LowerLeg"),
    ("LowerLeg", "Foot"),
)
_OFF_LINE = 0.03  # of the bone: an inner joint further off would move the end as it turns
_BESIDE = 0.15  # likewise for a joint that hangs free
_IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


@dataclass(frozen=True)
class _Bone:
    """One limb bone with joints inside it.

    start, end: Its joints. inner: The joints on the way between, nearest the start first.
    hanging: Joints beside it. shares: Places along the bone, by joint.
    above: The mapped joint before `start`, and the joints from there to it.
    """

    start: int
    end: int
    inner: tuple[int, ...]
    hanging: tuple[int, ...]
    shares: dict[int, float]
    axis: F64
    upper: bool
    above: int
    lead: tuple[int, ...]


class Twists:
    """Shares out the twist on one target rig."""

    def __init__(self, target: Rig) -> None:
        self._world = target.tpose.world
        self._bones = [
            bone
            for side in ("left", "right")
            for start, end in _BONES
            if (bone := _bone(target, f"{side}{start}", f"{side}{end}")) is not None
        ]

    def __bool__(self) -> bool:
        return bool(self._bones)

    def apply(self, rotations: F32) -> None:
        """Share out the twist in local rotations (..., J, 4), in place."""
        for bone in self._bones:
            if bone.upper:
                self._give_back(rotations, bone)
            else:
                self._share(rotations, bone)

    def _share(self, rotations: F32, bone: _Bone) -> None:
        turn = self._between(rotations, bone.start, (*bone.inner, bone.end))
        twist = _twist(turn, bone.axis)
        world, before, done = self._world, bone.start, 0.0
        for joint in bone.inner:
            share = _part(twist, bone.shares[joint] - done)
            rotations[..., joint, :] = _local(world[before], share, world[joint])
            before, done = joint, bone.shares[joint]
        if bone.inner:
            rest = quat.multiply(_part(twist, -done), turn)
            rotations[..., bone.end, :] = _local(world[before], rest, world[bone.end])
        for joint in bone.hanging:
            share = _part(twist, bone.shares[joint])
            rotations[..., joint, :] = _local(world[bone.start], share, world[joint])

    def _give_back(self, rotations: F32, bone: _Bone) -> None:
        twist = _twist(self._between(rotations, bone.above, bone.lead), bone.axis)
        for joint in bone.hanging:
            share = _part(twist, bone.shares[joint] - 1)
            rotations[..., joint, :] = _local(self._world[bone.start], share, self._world[joint])

    def _between(self, rotations: F32, start: int, line: tuple[int, ...]) -> Array:
        """Return the posture of the last joint of `line` against that of `start`."""
        turn = np.asarray(self._world[start])
        for joint in line:
            turn = quat.multiply(turn, rotations[..., joint, :].astype(np.float64))
        return quat.multiply(turn, quat.conjugate(self._world[line[-1]]))


def _bone(rig: Rig, start_role: str, end_role: str) -> _Bone | None:
    start, end = rig.roles[start_role], rig.roles[end_role]
    parents, at = rig.skeleton.parents, rig.tpose.positions
    line = at[end] - at[start]
    length = float(np.linalg.norm(line))
    if length < 1e-9:
        return None
    axis = line / length
    mapped = set(rig.roles.values())

    def place(joint: int) -> tuple[float, float]:
        offset = at[joint] - at[start]
        along = float(offset @ axis)
        return along / length, float(np.linalg.norm(offset - along * axis)) / length

    inner = _way(parents, start, end)[:-1]
    if any(place(joint)[1] > _OFF_LINE for joint in inner):
        inner = ()
    leaves = set(range(len(parents))) - set(parents.tolist())
    hanging = tuple(
        joint
        for joint in range(len(parents))
        if parents[joint] == start
        and joint in leaves
        and joint not in mapped
        and place(joint)[1] < _BESIDE
        and -0.02 <= place(joint)[0] <= 1.02
    )
    upper = start_role.endswith(("UpperArm", "UpperLeg"))
    role_above = parent_role(start_role, rig.roles)
    if role_above is None or not (hanging if upper else (*inner, *hanging)):
        return None
    above = rig.roles[role_above]
    return _Bone(
        start=start,
        end=end,
        inner=() if upper else inner,
        hanging=hanging,
        shares={j: min(max(place(j)[0], 0.0), 1.0) for j in (*inner, *hanging)},
        axis=axis,
        upper=upper,
        above=above,
        lead=_way(parents, above, start),
    )


def _way(parents: Array, start: int, end: int) -> tuple[int, ...]:
    """Return the joints after `start` down to `end`, included."""
    way = [end]
    while int(parents[way[-1]]) not in (start, -1):
        way.append(int(parents[way[-1]]))
    return tuple(way[::-1])


def _twist(turn: Array, axis: F64) -> Array:
    return np.asarray(quat.positive(quat.swing_twist(turn, axis)[1]))


def _part(twist: Array, share: float) -> Array:
    """Return `share` of a twist, which may be negative."""
    part = quat.slerp(np.broadcast_to(_IDENTITY, twist.shape), twist, abs(share))
    return quat.conjugate(part) if share < 0 else part


def _local(before: F64, turn: Array, own: F64) -> Array:
    return np.asarray(
        quat.positive(quat.multiply(quat.multiply(quat.conjugate(before), turn), own))
    )
