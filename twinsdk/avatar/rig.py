"""T-pose: 55 joints placed in a shaped body, and the mesh with its weights brought into it.

The base's 163 bones fold onto the 55 humanoid joints; its twist bones take part in the bake, where
they spread the roll of arm, forearm and shank, and are folded afterwards: every canonical pose
then applies without drivers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twinsdk.avatar.base import Base
from twinsdk.avatar.body import bone_ends
from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS
from twinsdk.core.skeleton import Skeleton

__all__ = ["TPose", "bake_t_pose", "role_of_bone"]

_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
_CENTRE = {
    "root": "hips",
    "spine04": "spine",
    "spine02": "chest",
    "spine01": "upperChest",
    "neck01": "neck",
    "head": "head",
    "jaw": "jaw",
}
# Roles whose joint is not the head of the bone that starts them: the base's root sits at the back
# of the pelvis, so the hips take the joint at the pelvis' centre.
_HEAD_OF = {"hips": "spine05"}
_DOWN = np.array([0.0, -1.0, 0.0])
_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class TPose:
    """A body in T-pose, soles of the feet at y = `sole_m`.

    Attributes:
        vertices: (V, 3) metres, all vertices of the base.
        turns: (V, 3, 3) what the bake did to directions at each vertex, scale included.
        weights: (V, 55) in the order of `HUMANOID_NAMES`, rows sum to 1.
        skeleton: The 55 joints, identity rest rotations.
        joints: (55, 3) their places in the world.
        scale: Metres per metre of the shaped body.
    """

    vertices: F32
    turns: F32
    weights: F32
    skeleton: Skeleton
    joints: F32
    scale: float

    def joint(self, role: str) -> F32:
        """Return the place (3,) of a joint, metres."""
        place: F32 = self.joints[HUMANOID_NAMES.index(role)]
        return place


def role_of_bone(base: Base) -> list[str]:
    """Return for each of the base's bones the humanoid joint it folds onto."""
    starts = dict(_CENTRE)
    for letter, side in (("L", "left"), ("R", "right")):
        starts |= {
            f"eye.{letter}": f"{side}Eye",
            f"clavicle.{letter}": f"{side}Shoulder",
            f"upperarm01.{letter}": f"{side}UpperArm",
            f"lowerarm01.{letter}": f"{side}LowerArm",
            f"wrist.{letter}": f"{side}Hand",
            f"upperleg01.{letter}": f"{side}UpperLeg",
            f"lowerleg01.{letter}": f"{side}LowerLeg",
            f"foot.{letter}": f"{side}Foot",
        }
        starts |= {f"toe{n}-1.{letter}": f"{side}Toes" for n in range(1, 6)}
        for bone, role in _finger_bones(letter, side):
            starts[bone] = role
    roles: list[str] = []
    for bone, above in zip(base.bones, base.bone_parents, strict=True):
        roles.append(starts.get(bone) or roles[above])
    return roles


def bake_t_pose(base: Base, vertices: F32, *, height_m: float, sole_m: float) -> TPose:
    """Return a shaped body in T-pose, scaled so that ground to crown is `height_m`.

    Arms along +-X with the elbows' hinge vertical and the palms down, thumbs at 45 degrees, legs
    down, feet forward.

    Args:
        base: The base.
        vertices: (V, 3) of `body.shape_body`.
        height_m: With shoes.
        sole_m: Thickness of the shoes' sole.
    """
    heads, tails = bone_ends(base, vertices)
    roles = role_of_bone(base)
    rest = _rest_joints(base, heads, roles)
    turns = _role_turns(base, rest, heads, tails)
    joints = _posed_joints(rest, turns)
    bone_turns = np.stack(
        [_bone_turn(bone, role, turns) for bone, role in zip(base.bones, roles, strict=True)]
    )

    role_index = np.array([HUMANOID_NAMES.index(role) for role in roles])
    shifts = joints[role_index] - np.einsum("bij,bj->bi", bone_turns, rest[role_index])
    blended = np.einsum("vb,bij->vij", base.weights, bone_turns, optimize=True)
    posed = np.einsum("vij,vj->vi", blended, vertices) + base.weights @ shifts
    weights = np.zeros((len(posed), len(HUMANOID_NAMES)))
    for b, j in enumerate(role_index):
        weights[:, j] += base.weights[:, b]

    body = posed[np.unique(base.quads[base.group("body")]), 1]
    scale = (height_m - sole_m) / (body.max() - body.min())
    ground = np.array([0.0, sole_m - body.min() * scale, 0.0])
    placed = joints * scale + ground
    return TPose(
        vertices=(posed * scale + ground).astype(np.float32),
        turns=(blended * scale).astype(np.float32),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        skeleton=_skeleton(placed),
        joints=placed.astype(np.float32),
        scale=float(scale),
    )


def _finger_bones(letter: str, side: str) -> Iterator[tuple[str, str]]:
    for number, finger in enumerate(_FINGERS, start=1):
        segments = ("Metacarpal", "Proximal", "Distal")
        if finger != "Thumb":
            segments = ("Proximal", "Intermediate", "Distal")
        for part, segment in enumerate(segments, start=1):
            yield f"finger{number}-{part}.{letter}", f"{side}{finger}{segment}"


def _rest_joints(base: Base, heads: F64, roles: list[str]) -> F64:
    joints = np.zeros((len(HUMANOID_NAMES), 3))
    for j, role in enumerate(HUMANOID_NAMES):
        if role.endswith("Toes"):
            letter = "L" if role.startswith("left") else "R"
            toes = [base.bones.index(f"toe{n}-1.{letter}") for n in range(1, 6)]
            joints[j] = heads[toes].mean(0)
        else:
            bone = _HEAD_OF.get(role)
            joints[j] = heads[base.bones.index(bone) if bone else roles.index(role)]
    return joints


def _role_turns(base: Base, rest: F64, heads: F64, tails: F64) -> dict[str, F64]:
    """Return the world rotation (3, 3) of each joint that takes the rest pose to the T-pose."""
    at = dict(zip(HUMANOID_NAMES, rest, strict=True))
    turns: dict[str, F64] = {name: np.eye(3) for name in HUMANOID_NAMES}
    for letter, side, sign in (("L", "left", 1.0), ("R", "right", -1.0)):
        out = np.array([sign, 0.0, 0.0])
        upper, lower, hand = (at[f"{side}{part}"] for part in ("UpperArm", "LowerArm", "Hand"))
        middle, index, little = (at[f"{side}{f}Proximal"] for f in ("Middle", "Index", "Little"))
        # The rest arms are bent: their plane holds the hinge, which carries the hand forward.
        hinge = np.cross(lower - upper, hand - lower)
        flexion = np.cross(out, _FORWARD)
        turns[f"{side}UpperArm"] = _frame_turn(lower - upper, hinge, out, flexion)
        turns[f"{side}LowerArm"] = _frame_turn(hand - lower, hinge, out, flexion)
        palm = sign * np.cross(little - hand, index - hand)
        turns[f"{side}Hand"] = _frame_turn(middle - hand, palm, out, _DOWN)

        for bone, role in _finger_bones(letter, side):
            goal = out + _FORWARD if "Thumb" in role else out
            above = HUMANOID_PARENTS[role] or ""
            b = base.bones.index(bone)
            following = role.replace("Intermediate", "Distal")
            following = following.replace(
                "Proximal", "Distal" if "Thumb" in role else "Intermediate"
            )
            following = following.replace("Metacarpal", "Proximal")
            tip = tails[b] if following == role else at[following]
            turns[role] = _swing(turns[above] @ (tip - heads[b]), goal) @ turns[above]

        hip, knee, ankle, toes = (
            at[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot", "Toes")
        )
        ahead = (toes - ankle) * [1.0, 0.0, 1.0]
        yaw = _swing(ahead, _FORWARD)
        turns[f"{side}UpperLeg"] = _swing(knee - hip, _DOWN)
        turns[f"{side}LowerLeg"] = _swing(ankle - knee, _DOWN)
        turns[f"{side}Foot"] = turns[f"{side}Toes"] = yaw
    return turns


def _bone_turn(bone: str, role: str, turns: dict[str, F64]) -> F64:
    """Return the rotation of one bone: a twist bone shares the roll of the joint beyond it."""
    stem, _, letter = bone.partition(".")
    side = "left" if letter == "L" else "right"
    sideways = np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])
    if stem == "upperarm01":  # half of what the shoulder rolls; the lower half carries all
        return _halfway(_swing(turns[role].T @ sideways, sideways), turns[role])
    if stem == "lowerarm02":
        return _half_roll(turns[role], turns[f"{side}Hand"], sideways)
    if stem == "lowerleg02":
        return _half_roll(turns[role], turns[f"{side}Foot"], _DOWN)
    return turns[role]


def _half_roll(turn: F64, beyond: F64, axis: Array) -> F64:
    """Return `turn` and half of the roll about `axis` that parts it from `beyond`."""
    _, roll = quat.swing_twist(quat.from_matrix(beyond @ turn.T), axis)
    half = quat.slerp(np.array([0.0, 0.0, 0.0, 1.0]), roll, 0.5)
    return np.asarray(quat.to_matrix(half), np.float64) @ turn


def _halfway(a: F64, b: F64) -> F64:
    middle = quat.slerp(quat.from_matrix(a), quat.from_matrix(b), 0.5)
    return np.asarray(quat.to_matrix(middle), np.float64)


def _posed_joints(rest: F64, turns: dict[str, F64]) -> F64:
    posed = rest.copy()
    for j, above in enumerate(HUMANOID_PARENTS.values()):
        if above is not None:
            p = HUMANOID_NAMES.index(above)
            posed[j] = posed[p] + turns[above] @ (rest[j] - rest[p])
    return posed


def _skeleton(joints: F64) -> Skeleton:
    parents = np.array(
        [
            -1 if above is None else HUMANOID_NAMES.index(above)
            for above in HUMANOID_PARENTS.values()
        ]
    )
    offsets = joints.copy()
    offsets[1:] -= joints[parents[1:]]
    return Skeleton(
        names=HUMANOID_NAMES,
        parents=parents,
        rest_translations=offsets.astype(np.float32),
        rest_rotations=np.tile(np.array([0, 0, 0, 1], np.float32), (len(joints), 1)),
    )


def _swing(u: Array, v: Array) -> F64:
    """Return the shortest rotation (3, 3) that takes direction `u` to `v`."""
    return np.asarray(quat.to_matrix(quat.between(u, v)), np.float64)


def _frame_turn(primary: Array, secondary: Array, to_primary: Array, to_secondary: Array) -> F64:
    """Return the rotation that takes one pair of directions to another, the first one exactly."""
    return _frame(to_primary, to_secondary) @ _frame(primary, secondary).T


def _frame(primary: Array, secondary: Array) -> F64:
    x = primary / np.linalg.norm(primary)
    z = np.cross(x, secondary)
    z /= np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], -1)
