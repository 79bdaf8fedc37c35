"""Body: keeps forearms and hands out of the trunk and head of an avatar wider than the person was.

Where a forearm or a hand is inside one of the body's shapes, the wrist is moved out to the surface
and the arm solved again; a hand that lay on the person's belly then lies on the avatar's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.ik import two_bone
from twinsdk.retarget.shapes import limb_radii, trunk_and_head
from twinsdk.retarget.temporal import Temporal
from twinsdk.retarget.transfer import Rig

__all__ = ["Trunk", "arm_plan", "move_wrists"]

_SIDES = ("left", "right")
_ALONG = (0.5, 1.0, 1.35)  # places along the forearm that are kept out; beyond 1 is the hand
_MIDDLE = 0.05  # of the half axes: no way out is the nearest
_GIVE_M = 0.01  # cloth and flesh give way
_ARM_M = 0.03  # half the thickness of an arm whose skin is not found
_MOST_PUSH_M = 0.15  # what is deeper is no grazing, but another pose than the body can take
_EASE_S = 0.08
_LEAST_M = 1e-4
_ROUNDS = 2


class Trunk:
    """Keeps the arms of one avatar out of its trunk and head.

    Args:
        target: The rig.
        avatar: Its mesh; without vertices on the trunk nothing is ever moved.
    """

    def __init__(self, target: Rig, avatar: Avatar) -> None:
        self._target = target
        self.shapes = trunk_and_head(target, avatar)
        self.arm_m = max(_arm_radius(target, avatar) - _GIVE_M, 0.0)

    def __bool__(self) -> bool:
        return bool(self.shapes)

    @property
    def plan(self) -> dict[str, object]:
        """What the kernel needs."""
        world = self._target.tpose.world
        return {
            "shapes": [
                {**vars(shape), "back": quat.conjugate(world[shape.joint])} for shape in self.shapes
            ],
            "along": np.array(_ALONG),
            "arm_m": self.arm_m,
            "most_m": _MOST_PUSH_M,
            "ease_s": _EASE_S,
        }

    def apply(
        self, rotations: F32, roots: F32, temporal: Temporal, kernel: Any | None = None
    ) -> F32:
        """Return rotations (T, J, 4) with forearms and hands outside the trunk.

        Without a `kernel` (`native.CompiledStep.kernel`) NumPy does it.
        """
        skeleton = self._target.skeleton
        turns, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
        if kernel is None:
            wide = turns.astype(np.float64), places.astype(np.float64)
            pushes = np.stack([self._pushes(side, *wide) for side in _SIDES], axis=1)
        else:
            pushes = np.empty((len(rotations), 2, 3))
            kernel.pushes(turns, places, pushes)
        pushes = temporal.held("arms", pushes, _EASE_S)
        return move_wrists(self._target, rotations, turns, places, pushes, kernel)

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

    def _pushes(self, side: str, turns: Array, places: Array) -> Array:
        """Return how far the wrist must move (T, 3) for its arm to be outside."""
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
        return np.asarray(total * np.minimum(1, _MOST_PUSH_M / np.maximum(length, 1e-9)))

    def _push(self, points: Array, turns: Array, places: Array) -> Array:
        """Return (T, 3) the way out of the trunk for points (T, 3); zero for those outside."""
        out = np.zeros_like(points)
        world = self._target.tpose.world
        for shape in self.shapes:
            posture = quat.multiply(turns[:, shape.joint], quat.conjugate(world[shape.joint]))
            local = quat.rotate(quat.conjugate(posture), points - places[:, shape.joint])
            local -= shape.middle
            half = shape.half + np.array([self.arm_m, self.arm_m if shape.round else 0, self.arm_m])
            flat = local if shape.round else local * [1, 0, 1]
            radius = np.sqrt(((flat / half) ** 2).sum(-1))
            inside = (radius < 1) & (np.abs(local[:, 1]) < half[1])
            if not inside.any():
                continue
            # Straight out from the middle; a point in the very middle leaves to the front.
            outward = np.where(radius[:, None] > _MIDDLE, flat, [0.0, 0.0, 1.0])
            reach = 1 / np.sqrt(((outward / half) ** 2).sum(-1)) - (radius > _MIDDLE)
            moved = quat.rotate(posture, outward * reach[:, None])
            deeper = inside & (np.linalg.norm(moved, axis=-1) > np.linalg.norm(out, axis=-1))
            out = np.where(deeper[:, None], moved, out)
        return out


def _arm_radius(target: Rig, avatar: Avatar) -> float:
    """Return the mean distance of forearm skin from the bone, metres."""
    found = [limb_radii(target, avatar, f"{side}LowerArm", f"{side}Hand") for side in _SIDES]
    radii = [np.mean(radius) for radius in found if radius is not None]
    return float(np.mean(radii)) if radii else _ARM_M


def move_wrists(
    target: Rig, rotations: F32, turns: F32, places: F32, moves: Array, kernel: Any | None
) -> F32:
    """Return rotations (T, J, 4) with the wrists moved by `moves` (T, 2, 3), left and right.

    The same array comes back where none is moved. `turns` (T, J, 4) and `places` (T, J, 3) are
    where its joints are in the world; without a `kernel` NumPy does it.
    """
    if np.linalg.norm(moves, axis=-1).max(initial=0) <= _LEAST_M:
        return rotations
    out = rotations.copy()
    if kernel is not None:
        kernel.move_wrists(turns, places, np.ascontiguousarray(moves), out)
        return out
    wide = turns.astype(np.float64), places.astype(np.float64)
    for i, side in enumerate(_SIDES):
        goal = wide[1][:, target.roles[f"{side}Hand"]] + moves[:, i]
        _solve_arm(target, side, out, *wide, goal)
    return out


def _solve_arm(target: Rig, side: str, out: F32, turns: Array, places: Array, goal: Array) -> None:
    """Bring a wrist to `goal` (T, 3) by turning shoulder and elbow in `out` (T, J, 4), in place.

    The hand keeps its turn in the world. `turns` (T, J, 4) and `places` (T, J, 3) are where the
    joints of `out` are in the world.
    """
    roles, parents = target.roles, target.skeleton.parents
    upper, lower, hand = (roles[f"{side}{part}"] for part in ("UpperArm", "LowerArm", "Hand"))
    moved = np.flatnonzero(np.linalg.norm(goal - places[:, hand], axis=-1) > _LEAST_M)
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


def arm_plan(target: Rig, side: str) -> dict[str, object]:
    """Return what the kernel needs to do what `move_wrists` does."""
    roles, parents = target.roles, target.skeleton.parents
    upper, lower, hand = (roles[f"{side}{part}"] for part in ("UpperArm", "LowerArm", "Hand"))
    rest = target.skeleton.rest_rotations.astype(np.float64)
    inner = []
    for start, end in ((upper, lower), (lower, hand)):
        turn = np.array([0.0, 0.0, 0.0, 1.0])
        for between in _inside(parents, start, end):
            turn = quat.multiply(turn, rest[between])
        inner.append(turn)
    hinge = np.array([0, -1.0 if side == "left" else 1.0, 0])
    return {
        "upper": upper,
        "above": int(parents[upper]),
        "lower": lower,
        "hand": hand,
        "inner_arm": inner[0],
        "inner_fore": inner[1],
        "hinge": quat.rotate(quat.conjugate(target.tpose.world[upper]), hinge),
    }


def _inside(parents: Array, start: int, end: int) -> list[int]:
    """Return the joints between `start` and `end`, nearest the start first."""
    way = []
    joint = int(parents[end])
    while joint not in (start, -1):
        way.append(joint)
        joint = int(parents[joint])
    return way[::-1]
