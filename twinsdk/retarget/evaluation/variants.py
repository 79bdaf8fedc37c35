"""Skeletons that no rule was written for: a body renamed, re-ordered, thinned, added to, re-rooted.

Each is random but for its seed; which joint is which is known, since it was made from known ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, mirrored
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.retarget.evaluation.bodies import SIDES, canonical_body, rested
from twinsdk.retarget.mapping import humanoid_map

__all__ = ["CORE_ROLES", "KINDS", "MapScore", "score_maps", "variant"]

_ARM, _LEG = ("Shoulder", "UpperArm", "LowerArm", "Hand"), ("UpperLeg", "LowerLeg", "Foot", "Toes")
CORE_ROLES = (
    *("hips", "spine", "neck", "head"),
    *(side + part for side in SIDES for part in (*_ARM, *_LEG)),
)
KINDS = ("nonsense names", "mirrored names", "re-ordered", "joints left out", "joints added",
         "another root", "all of it")  # fmt: skip
_OPTIONAL = ("upperChest", "chest", "jaw", "leftEye", "rightEye")
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")


@dataclass
class _Joint:
    """A joint of a skeleton in the making."""

    name: str
    role: str | None
    above: str | None
    turn: F64
    place: F64


@dataclass(frozen=True, kw_only=True)
class MapScore:
    """How many of the core roles that are there were found.

    Attributes:
        right, total: Roles, over all variants.
        refused: Variants that were taken for no humanoid.
    """

    right: int
    total: int
    refused: int


def score_maps(
    kind: str,
    count: int = 50,
    *,
    mapper: Callable[[Skeleton], Mapping[str, str]] = lambda skeleton: humanoid_map(skeleton).roles,
) -> MapScore:
    """Return how well `mapper` (skeleton -> {canonical joint: joint name}) does on one kind."""
    right = total = refused = 0
    for seed in range(count):
        skeleton, truth = variant(kind, seed)
        try:
            found = mapper(skeleton)
        except NotHumanoidError:
            found, refused = {}, refused + 1
        wanted = [role for role in CORE_ROLES if role in truth]
        total += len(wanted)
        right += sum(found.get(role) == truth[role] for role in wanted)
    return MapScore(right=right, total=total, refused=refused)


def variant(kind: str, seed: int) -> tuple[Skeleton, dict[str, str]]:
    """Return a random skeleton and the truth, canonical joint -> joint name."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    every = kind == "all of it"
    rest = str(rng.choice(["T-pose", "A-pose", "arms down"]))
    skeleton = rested(canonical_body(), rest, z_up=bool(rng.random() < 0.3)).skeleton
    turns, places = (x.astype(np.float64) for x in skeleton.rest_world())
    turns = quat.multiply(turns, quat.normalize(rng.normal(size=turns.shape)))
    joints = [
        _Joint(name, name, HUMANOID_PARENTS[name], turns[j], places[j])
        for j, name in enumerate(HUMANOID_NAMES)
    ]
    if every or kind == "joints left out":
        joints = _thinned(joints, rng)
    if every or kind == "joints added":
        joints = _added(joints, rng)
    if every or kind == "another root":
        ground = joints[0].place * 0
        joints.insert(0, _Joint("root", None, None, np.array([0, 0, 0, 1.0]), ground))
        joints[1].above = "root"
    if every or kind == "re-ordered":
        joints = _shuffled(joints, rng)
    names = _renamed(joints, rng, "any" if every else kind)
    truth = {joint.role: names[joint.name] for joint in joints if joint.role is not None}
    return _built(joints, names), truth


def _thinned(joints: list[_Joint], rng: np.random.Generator) -> list[_Joint]:
    gone = {name for name in _OPTIONAL if rng.random() < 0.5}
    if "chest" in gone:
        gone.add("upperChest")
    if rng.random() < 0.5:
        gone |= {name for name in HUMANOID_NAMES if any(f in name for f in _FINGERS)}
    for part in ("neck", "Toes"):
        if rng.random() < 0.3:
            gone |= {part} if part == "neck" else {side + part for side in SIDES}
    above = {joint.name: joint.above for joint in joints}
    kept = [joint for joint in joints if joint.name not in gone]
    for joint in kept:
        while joint.above in gone:
            joint.above = above[joint.above]
    return kept


def _added(joints: list[_Joint], rng: np.random.Generator) -> list[_Joint]:
    """Add twist joints, ends, hair, and things that hang from chest and hips."""
    out: list[_Joint] = []
    by_name = {joint.name: joint for joint in joints}
    ends = [side + part for side in SIDES for part in ("LowerArm", "Hand", "LowerLeg", "Foot")]
    twist = {name for name in ends if rng.random() < 0.3}
    below = {joint.above for joint in joints}

    def beside(name: str, above: _Joint, place: F64) -> _Joint:
        return _Joint(name, None, above.name, above.turn, place)

    for joint in joints:
        if joint.name in twist and joint.above is not None:
            upper = by_name[joint.above]
            out.append(beside(f"{upper.name}Twist", upper, (upper.place + joint.place) / 2))
        out.append(joint)
        if joint.name not in below and joint.above is not None and rng.random() < 0.5:
            beyond = joint.place + 0.5 * (joint.place - by_name[joint.above].place)
            out.append(beside(f"{joint.name}End", joint, beyond))
    if rng.random() < 0.5:
        out += _strand("hair", by_name["head"], [0, 0.1, -0.1], [0, -0.12, -0.02], 4, beside)
    if rng.random() < 0.3:
        out += _strand("tail", by_name["hips"], [0, 0.0, -0.1], [0, -0.05, -0.15], 3, beside)
    if rng.random() < 0.3:
        chest = by_name.get("chest", by_name["spine"])
        for side, sign in (("left", 1.0), ("right", -1.0)):
            start = [0.08 * sign, 0.05, 0.1]
            out += _strand(f"{side}Breast", chest, start, [0, 0, 0.05], 1, beside)
    return out


def _strand(
    name: str,
    above: _Joint,
    start: list[float],
    step: list[float],
    count: int,
    beside: Callable[[str, _Joint, F64], _Joint],
) -> list[_Joint]:
    out: list[_Joint] = []
    for i in range(count):
        place = above.place + np.array(start) if i == 0 else out[-1].place + np.array(step)
        out.append(beside(f"{name}{i}", out[-1] if out else above, place))
    return out


def _shuffled(joints: list[_Joint], rng: np.random.Generator) -> list[_Joint]:
    """Return the joints in another order in which parents still come first."""
    waiting, out = list(joints), list[_Joint]()
    placed: set[str | None] = {None}
    while waiting:
        ready = [joint for joint in waiting if joint.above in placed]
        chosen = ready[int(rng.integers(len(ready)))]
        waiting.remove(chosen)
        out.append(chosen)
        placed.add(chosen.name)
    return out


def _renamed(joints: list[_Joint], rng: np.random.Generator, kind: str) -> dict[str, str]:
    how = kind if kind in KINDS[:2] else str(rng.choice(["plain", "nonsense names"]))
    if how == "mirrored names":
        return {joint.name: mirrored(joint.name) for joint in joints}
    if how == "nonsense names":
        return {joint.name: f"b{rng.integers(10**6)}_{i}" for i, joint in enumerate(joints)}
    return {joint.name: f"rig:{joint.name}" for joint in joints}


def _built(joints: list[_Joint], names: Mapping[str, str]) -> Skeleton:
    index = {joint.name: j for j, joint in enumerate(joints)}
    parents = [-1 if joint.above is None else index[joint.above] for joint in joints]
    turns = np.stack([joint.turn for joint in joints])
    places = np.stack([joint.place for joint in joints])
    above = np.maximum(parents, 0)
    back = quat.conjugate(turns[above])
    rotations, offsets = quat.multiply(back, turns), quat.rotate(back, places - places[above])
    rotations[0], offsets[0] = turns[0], places[0]
    return Skeleton(
        names=tuple(names[joint.name] for joint in joints),
        parents=np.array(parents, np.int32),
        rest_translations=offsets.astype(np.float32),
        rest_rotations=quat.normalize(rotations),
    )
