"""Mapping: which joint of a skeleton is which joint of a humanoid, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import F64
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError, NotHumanoidError
from twinsdk.retarget.fingers import finger_roles
from twinsdk.retarget.names import is_helper, parts_of, side_of
from twinsdk.retarget.topology import Body, Limb, Tree, find_body

__all__ = ["HumanoidMap", "humanoid_map", "load_map", "save_map"]

_LEAST_SCORE = -3.2
_UPRIGHT_COSINE = -0.5  # trunk against legs; a quadruped's is near 0


@dataclass(frozen=True, kw_only=True)
class HumanoidMap:
    """What the joints of a skeleton are.

    Attributes:
        roles: Canonical joint -> this skeleton's joint name.
        confidence: Canonical joint -> how sure that is, in [0, 1].
    """

    roles: Mapping[str, str]
    confidence: Mapping[str, float]


def humanoid_map(skeleton: Skeleton) -> HumanoidMap:
    """Return which joints of a skeleton are which of a humanoid.

    Bone lengths and the shape of the tree find the limbs; names help where those leave a choice,
    and tell left from right where the rest pose does not. Where both tell and disagree, the shape
    wins and confidence drops.

    Raises:
        NotHumanoidError: There are no two legs, two arms, spine and head; the error says why.
    """
    tree = Tree(skeleton)
    body = find_body(tree)
    if body is None or body.score < _LEAST_SCORE:
        raise NotHumanoidError(
            f"skeleton: expected two legs, two arms, a spine and a head, found no such plan in "
            f"{len(skeleton)} joints ({', '.join(skeleton.names[:6])}...); give a joint map"
        )
    _refuse_quadruped(tree, body)
    roles: dict[str, int] = {"hips": body.hips}
    roles.update(_trunk(tree, body))
    roles.update(_head(tree, body))
    legs, sure_legs = _by_side(tree, body, body.legs)
    arms, sure_arms = _by_side(tree, body, body.arms)
    for side, leg in legs.items():
        roles.update(_leg(tree, leg, side))
    for side, arm in arms.items():
        roles.update(_arm(tree, arm, side))
        roles.update(finger_roles(tree, arm, side))
    missing = [role for role in REQUIRED_JOINTS if role not in roles]
    if missing:
        raise NotHumanoidError(f"skeleton: expected a humanoid, found no {', '.join(missing)}")
    sure = {
        role: _confidence(tree, body, role, joint) * _of(role, sure_legs, sure_arms)
        for role, joint in roles.items()
    }
    ordered = [role for role in HUMANOID_NAMES if role in roles]
    return HumanoidMap(
        roles={role: skeleton.names[roles[role]] for role in ordered},
        confidence={role: round(sure[role], 3) for role in ordered},
    )


def save_map(path: str | Path, mapping: HumanoidMap) -> None:
    """Write a map as JSON that people can edit: {"roles": {...}, "confidence": {...}}.

    Raises:
        OutputError: The path cannot be written.
    """
    text = json.dumps(
        {"roles": dict(mapping.roles), "confidence": dict(mapping.confidence)},
        indent=1,
        ensure_ascii=False,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load_map(path: str | Path) -> dict[str, str]:
    """Return canonical joint -> joint name from a JSON file, with or without the "roles" level.

    Raises:
        FileMissingError, FormatError: The file is not there, or is no such map.
    """
    file = existing_file(path, what="joint map")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"joint map: expected JSON, got {error}: {file}") from error
    roles = data.get("roles", data) if isinstance(data, dict) else data
    if not isinstance(roles, dict) or not all(isinstance(v, str) for v in roles.values()):
        raise FormatError(f"joint map: expected canonical joint -> joint name in words: {file}")
    unknown = sorted(set(roles) - set(HUMANOID_NAMES))
    if unknown:
        raise FormatError(f"joint map: expected humanoid joints, got {unknown[:5]}: {file}")
    return dict(roles)


def _refuse_quadruped(tree: Tree, body: Body) -> None:
    at = tree.places
    trunk = np.mean([at[arm.upper] for arm in body.arms], axis=0) - np.mean(
        [at[leg.upper] for leg in body.legs], axis=0
    )
    legs = [at[leg.end] - at[leg.upper] for leg in body.legs]
    leg = np.mean([_unit(v) for v in legs], axis=0)
    cosine = float(_unit(trunk) @ _unit(leg))
    if np.linalg.norm(trunk) < 1e-6 or cosine < _UPRIGHT_COSINE:
        return
    arms = np.mean([_unit(at[arm.end] - at[arm.upper]) for arm in body.arms], axis=0)
    if abs(cosine) < -_UPRIGHT_COSINE and float(_unit(arms) @ _unit(leg)) > 0.3:
        raise NotHumanoidError(
            "skeleton: expected arms on a trunk that rises from the legs, got four legs under a "
            f"level trunk ({np.degrees(np.arccos(-cosine)):.0f} degrees off): not a humanoid"
        )


def _trunk(tree: Tree, body: Body) -> dict[str, int]:
    joints = [j for j in body.trunk if not is_helper(tree.names[j])] or list(body.trunk)
    if len(joints) >= 2 and parts_of(tree.names[joints[-1]]) == {"neck"}:
        joints = joints[:-1]  # arms that hang from a neck: the neck itself is not the chest
    if not joints:
        return {}
    if len(joints) == 1:
        return {"spine": joints[0]}
    if len(joints) == 2:
        return {"spine": joints[0], "chest": joints[1]}
    along = np.cumsum([0.0, *(tree.bone(a, b) for a, b in pairwise(joints))])
    middle = 1 + int(np.argmin(np.abs(along[1:-1] - along[-1] / 2)))
    return {"spine": joints[0], "chest": joints[middle], "upperChest": joints[-1]}


def _head(tree: Tree, body: Body) -> dict[str, int]:
    chain, names = list(body.head), tree.names
    named = [i for i, joint in enumerate(chain) if "head" in parts_of(names[joint])]
    usable = [i for i in named if not is_helper(names[chain[i]])]
    if usable:
        at = usable[0]
    elif named:
        at = named[0]
    else:
        at = _unnamed_head(tree, body)
    roles = {"head": chain[at]}
    last = body.trunk[-1] if body.trunk else -1
    if at > 0:
        roles["neck"] = chain[0]
    elif len(body.trunk) >= 2 and parts_of(names[last]) == {"neck"}:
        roles["neck"] = last
    inside = tree.spread(chain[at], chain[at - 1] if at else _before(tree, chain[0], body))
    for joint in inside:
        parts, side = parts_of(names[joint]), side_of(names[joint])
        if joint == chain[at] or is_helper(names[joint]):
            continue
        if "eye" in parts and side and f"{side}Eye" not in roles:
            roles[f"{side}Eye"] = joint
        elif "jaw" in parts and "jaw" not in roles:
            roles["jaw"] = joint
    return roles


def _unnamed_head(tree: Tree, body: Body) -> int:
    """Return where in a nameless chain the head is: its last joint that is no mere end marker."""
    chain = body.head
    thigh = body.legs[0].length / 2
    for i, joint in enumerate(chain):
        before = chain[i - 1] if i else _before(tree, chain[0], body)
        if len(tree.branches(joint, before)) >= 2:
            return i  # eyes, jaw, hair: all hang from the head
    last = len(chain) - 1
    tip = tree.bone(chain[-1], chain[-2]) if last > 0 else 0.0
    return last - 1 if last > 0 and tip > 0.3 * thigh else last


def _before(tree: Tree, joint: int, body: Body) -> int:
    inner = {body.hips, *body.trunk}
    return next((other for other in tree.near[joint] if other in inner), tree.parents[joint])


def _leg(tree: Tree, leg: Limb, side: str) -> dict[str, int]:
    roles = {
        f"{side}UpperLeg": leg.upper,
        f"{side}LowerLeg": leg.lower,
        f"{side}Foot": leg.end,
    }
    toes = _toes(tree, leg)
    if toes is not None:
        roles[f"{side}Toes"] = toes
    return roles


def _toes(tree: Tree, leg: Limb) -> int | None:
    """Return the joint beyond an ankle that is the ball of the foot, or None."""
    before = leg.chain[leg.chain.index(leg.end) - 1]
    beyond = [
        joint
        for joint in tree.branches(leg.end, before)
        if 0.08 * leg.length < tree.bone(joint, leg.end) < 0.6 * leg.length
    ]
    named = [joint for joint in beyond if "toes" in parts_of(tree.names[joint])]
    usable = [joint for joint in beyond if not is_helper(tree.names[joint])]
    choice = named or usable
    return max(choice, key=lambda joint: tree.bone(joint, leg.end)) if choice else None


def _arm(tree: Tree, arm: Limb, side: str) -> dict[str, int]:
    roles = {
        f"{side}UpperArm": arm.upper,
        f"{side}LowerArm": arm.lower,
        f"{side}Hand": arm.end,
    }
    before = arm.chain[: arm.chain.index(arm.upper)]
    if before:
        named = [j for j in before if "shoulder" in parts_of(tree.names[j])]
        roles[f"{side}Shoulder"] = (named or list(before))[-1]
    return roles


def _by_side(tree: Tree, body: Body, pair: tuple[Limb, Limb]) -> tuple[dict[str, Limb], float]:
    """Return which limb is the left one, and how sure that is."""
    one, two = pair
    left = _left(tree, body)
    across = tree.places[one.upper] - tree.places[two.upper]
    if np.linalg.norm(across) < 1e-6 or abs(_unit(across) @ left) < 0.5:
        across = tree.places[one.end] - tree.places[two.end]
    shape = float(_unit(across) @ left)
    words = _side_words(tree, one) - _side_words(tree, two)
    if abs(shape) > 0.5:
        first_left = shape > 0
        sure = 1.0 if words == 0 or (words > 0) == first_left else 0.6
    elif words:
        first_left, sure = words > 0, 0.85
    else:
        first_left, sure = float(across[0]) > 0, 0.4
    return {"left": one if first_left else two, "right": two if first_left else one}, sure


def _left(tree: Tree, body: Body) -> F64:
    """Return the body's left at rest, unit, from where its feet point; zero where they do not."""
    at = tree.places
    up = at[body.trunk[-1] if body.trunk else body.head[0]] - at[body.hips]
    legs = _unit(np.mean([at[leg.upper] - at[leg.end] for leg in body.legs], axis=0))
    # A spine of no length, or a rest pose all in a line, tells nothing.
    up = _unit(up) if np.linalg.norm(up) > 1e-6 else legs
    if up @ legs < 0.3:
        return np.zeros(3)
    forward = np.zeros(3)
    for leg in body.legs:
        toes = _toes(tree, leg)
        if toes is not None:
            toe = at[toes] - at[leg.end]
            flat = toe - up * (toe @ up)
            if np.linalg.norm(flat) > 0.4 * np.linalg.norm(toe):
                forward += flat
    if np.linalg.norm(forward) < 1e-6:
        return np.zeros(3)
    return _unit(np.cross(up, _unit(forward)))


def _side_words(tree: Tree, limb: Limb) -> int:
    words = [side_of(tree.names[joint]) for joint in limb.chain]
    return words.count("left") - words.count("right")


def _confidence(tree: Tree, body: Body, role: str, joint: int) -> float:
    part = role.removeprefix("left").removeprefix("right")
    part = part[0].lower() + part[1:]
    finger = next((f for f in ("thumb", "index", "middle", "ring", "little") if f in part), None)
    known = parts_of(tree.names[joint])
    kind = "chest" if part == "upperChest" else part
    named = 0.9 if finger or kind in known else 0.0
    limbs = body.legs if "Leg" in part or part in ("foot", "toes") else body.arms
    shape = 0.75 * float(np.exp(min(0.0, (limbs[0].score + limbs[1].score) / 2 + 0.1)))
    if role in ("hips", "spine", "chest", "upperChest", "neck", "head"):
        shape = 0.7
    if part in ("eye", "jaw"):
        shape = 0.0
    return 1 - (1 - named) * (1 - shape)


def _of(role: str, legs: float, arms: float) -> float:
    if not role.startswith(("left", "right")) or role.endswith("Eye"):
        return 1.0
    return legs if "Leg" in role or role.endswith(("Foot", "Toes")) else arms


def _unit(vector: F64) -> F64:
    length = float(np.linalg.norm(vector))
    out: F64 = vector / (length or 1.0)
    return out
