"""Body: keeps forearms and hands out of the trunk of an avatar wider than the person was.

The trunk is a stack of elliptic slabs, one a trunk joint, measured on the mesh. Where a forearm or
a hand is inside, the wrist is moved out to the surface and the arm solved again; a hand that lay
on the person's belly then lies on the avatar's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.ik import two_bone
from twinsdk.retarget.temporal import Temporal
from twinsdk.retarget.transfer import Rig

__all__ = ["Trunk", "solve_arm"]

_SIDES = ("left", "right")
_TRUNK = ("hips", "spine", "chest", "upperChest")
_ALONG = (0.5, 1.0, 1.35)  # places along the forearm that are kept out; beyond 1 is the hand
_MINE = 0.9  # share of a vertex's weight that makes it the trunk's
_LEAST_VERTICES = 24
_MOST_PUSH_M = 0.15  # what is deeper is no grazing, but another pose than the body can take
_EASE_S = 0.08
_LEAST_M = 1e-4
_ROUNDS = 2


@dataclass(frozen=True)
class _Slab:
    """A piece of the trunk, in the canonical axes of the T-pose, about its joint.

    Attributes:
        joint: Which joint carries it.
        low, high: From where to where it reaches along +Y, metres.
        middle: (2,) its centre in X and Z.
        half: (2,) its half axes in X and Z.
    """

    joint: int
    low: float
    high: float
    middle: F64
    half: F64


class Trunk:
    """Keeps the arms of one avatar out of its trunk.

    Args:
        target: The rig.
        avatar: Its mesh; without vertices on the trunk nothing is ever moved.
    """

    def __init__(self, target: Rig, avatar: Avatar) -> None:
        self._target = target
        self._slabs = _slabs(target, avatar)
        self._arm_m = _arm_radius(target, avatar)

    def __bool__(self) -> bool:
        return bool(self._slabs)

    def apply(self, rotations: F32, roots: F32, temporal: Temporal) -> F32:
        """Return rotations (T, J, 4) with forearms and hands outside the trunk."""
        target = self._target
        skeleton = target.skeleton
        turns, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
        out = rotations
        for side in _SIDES:
            goal = self._goal(side, turns.astype(np.float64), places.astype(np.float64), temporal)
            if goal is not None:
                out = out.copy() if out is rotations else out
                solve_arm(target, side, out, turns.astype(np.float64), places, goal)
        return out

    def depth(self, rotations: F32, roots: F32) -> Array:
        """Return (T,) how deep forearms and hands are in the trunk, metres; 0 outside."""
        target = self._target
        skeleton = target.skeleton
        turns, places = (
            array.astype(np.float64)
            for array in forward_kinematics(
                skeleton.parents, skeleton.rest_translations, rotations, roots
            )
        )
        worst = np.zeros(len(places))
        for side in _SIDES:
            elbow, wrist = (
                places[:, target.roles[f"{side}{part}"]] for part in ("LowerArm", "Hand")
            )
            for share in _ALONG:
                push = self._push(elbow + (wrist - elbow) * share, turns, places)
                worst = np.maximum(worst, np.linalg.norm(push, axis=-1))
        return worst

    def _goal(self, side: str, turns: Array, places: Array, temporal: Temporal) -> Array | None:
        """Return where the wrist shall be (T, 3), None where it may stay all the time."""
        roles = self._target.roles
        elbow, wrist = places[:, roles[f"{side}LowerArm"]], places[:, roles[f"{side}Hand"]]
        total = np.zeros_like(wrist)
        for _ in range(_ROUNDS):
            worst = np.zeros_like(wrist)
            for share in _ALONG:
                point = elbow + (wrist + total - elbow) * share
                push = self._push(point, turns, places) / min(share, 1.0)
                deeper = np.linalg.norm(push, axis=-1) > np.linalg.norm(worst, axis=-1)
                worst = np.where(deeper[:, None], push, worst)
            total += worst
        length = np.linalg.norm(total, axis=-1, keepdims=True)
        total *= np.minimum(1, _MOST_PUSH_M / np.maximum(length, 1e-9))
        move = temporal.held(f"{side} arm", total, _EASE_S)
        return wrist + move if np.abs(move).max(initial=0) > _LEAST_M else None

    def _push(self, points: Array, turns: Array, places: Array) -> Array:
        """Return (T, 3) the way out of the trunk for points (T, 3); zero for those outside."""
        out = np.zeros_like(points)
        world = self._target.tpose.world
        for slab in self._slabs:
            posture = quat.multiply(turns[:, slab.joint], quat.conjugate(world[slab.joint]))
            local = quat.rotate(quat.conjugate(posture), points - places[:, slab.joint])
            flat = local[:, [0, 2]] - slab.middle
            half = slab.half + self._arm_m
            radius = np.sqrt(((flat / half) ** 2).sum(-1))
            inside = (radius < 1) & (local[:, 1] > slab.low) & (local[:, 1] < slab.high)
            if not inside.any():
                continue
            # Straight out from the middle; a point in the very middle leaves to the front.
            outward = np.where(radius[:, None] > 0.05, flat, [0.0, 1.0])
            reach = 1 / np.sqrt(((outward / half) ** 2).sum(-1)) - np.where(radius > 0.05, 1, 0)
            move = np.zeros_like(points)
            move[:, [0, 2]] = outward * reach[:, None]
            moved = quat.rotate(posture, move)
            deeper = inside & (np.linalg.norm(moved, axis=-1) > np.linalg.norm(out, axis=-1))
            out = np.where(deeper[:, None], moved, out)
        return out


def _slabs(target: Rig, avatar: Avatar) -> list[_Slab]:
    joints = [target.roles[role] for role in _TRUNK if role in target.roles]
    weights = _weights(avatar, joints)
    mine = weights.sum(1) > _MINE
    if mine.sum() < _LEAST_VERTICES:
        return []
    upright, at = _standing(target, avatar)
    tops = [*joints[1:], target.roles.get("neck", target.roles["head"])]
    slabs = []
    for i, (joint, top) in enumerate(zip(joints, tops, strict=True)):
        low, high = float(at[joint, 1]), float(at[top, 1])
        shoulders = min(at[target.roles[f"{side}UpperArm"], 1] for side in _SIDES)
        high = min(high, float(shoulders))
        low -= 0.0 if i else 0.5 * (high - low)  # the hips' joint lies inside the pelvis
        rows = upright[mine & (upright[:, 1] >= low) & (upright[:, 1] <= high)]
        if len(rows) < _LEAST_VERTICES or high - low < 1e-4:
            continue
        edge = np.percentile(rows[:, [0, 2]], [4, 96], axis=0)
        middle = edge.mean(0)
        slabs.append(
            _Slab(
                joint=joint,
                low=low - float(at[joint, 1]),
                high=high - float(at[joint, 1]),
                middle=middle - at[joint, [0, 2]],
                half=(edge[1] - edge[0]) / 2,
            )
        )
    return slabs


def _arm_radius(target: Rig, avatar: Avatar) -> float:
    """Return the mean distance of forearm skin from the bone, metres."""
    radii = []
    upright, at = _standing(target, avatar)
    for side in _SIDES:
        lower, hand = target.roles[f"{side}LowerArm"], target.roles[f"{side}Hand"]
        rows = upright[_weights(avatar, [lower])[:, 0] > _MINE]
        if len(rows):
            axis = at[hand] - at[lower]
            axis /= max(float(np.linalg.norm(axis)), 1e-9)
            offset = rows - at[lower]
            offset -= np.outer(offset @ axis, axis)
            radii.append(float(np.linalg.norm(offset, axis=-1).mean()))
    return float(np.mean(radii)) if radii else 0.03


def _standing(target: Rig, avatar: Avatar) -> tuple[F64, F64]:
    """Return vertices and joints at bind, upright and facing +Z.

    Arms may hang as they do in the file: only the trunk and the forearms' own shape are read.
    """
    bind = np.linalg.inv(avatar.skin.inverse_bind.astype(np.float64))[:, :3, 3]
    frame = target.tpose.frame
    return quat.rotate(frame, avatar.mesh.vertices.astype(np.float64)), quat.rotate(frame, bind)


def _weights(avatar: Avatar, joints: list[int]) -> F64:
    """Return (V, N) how much each vertex is weighted to each of `joints`."""
    out = np.zeros((len(avatar.mesh.vertices), len(joints)))
    for i, joint in enumerate(joints):
        out[:, i] = np.where(avatar.skin.joints == joint, avatar.skin.weights, 0).sum(-1)
    return out


def solve_arm(target: Rig, side: str, out: F32, turns: Array, places: Array, goal: Array) -> None:
    """Bring a wrist to `goal` (T, 3) by turning shoulder and elbow in `out` (T, J, 4), in place.

    The hand keeps its turn in the world. `turns` (T, J, 4) and `places` (T, J, 3) are where the
    joints of `out` are in the world.
    """
    roles, parents = target.roles, target.skeleton.parents
    upper, lower, hand = (roles[f"{side}{part}"] for part in ("UpperArm", "LowerArm", "Hand"))
    moved = np.flatnonzero(np.linalg.norm(goal - places[:, hand], axis=-1) > 1e-4)
    posture = quat.multiply(turns[moved, upper], quat.conjugate(target.tpose.world[upper]))
    # Elbows bend forward: about -Y on the left, +Y on the right.
    hinge = quat.rotate(posture, np.array([0, -1.0 if side == "left" else 1.0, 0]))
    shoulder, elbow, wrist = (places[moved, j].astype(np.float64) for j in (upper, lower, hand))
    first, second, _ = two_bone(shoulder, elbow, wrist, goal[moved], hinge)
    turned = turns[moved].copy()
    arm, forearm = (
        quat.multiply(first, turned[:, upper]),
        quat.multiply(second, turned[:, lower]),
    )
    rest = target.skeleton.rest_rotations.astype(np.float64)
    for joint, own, before, start in (
        (upper, arm, turned[:, parents[upper]], int(parents[upper])),
        (lower, forearm, arm, upper),
        (hand, turned[:, hand], forearm, lower),
    ):
        above = before
        for between in _inside(parents, start, joint):
            above = quat.multiply(above, rest[between])
        out[moved, joint] = quat.positive(quat.multiply(quat.conjugate(above), own))


def _inside(parents: Array, start: int, end: int) -> list[int]:
    """Return the joints between `start` and `end`, nearest the start first."""
    way = []
    joint = int(parents[end])
    while joint not in (start, -1):
        way.append(joint)
        joint = int(parents[joint])
    return way[::-1]
