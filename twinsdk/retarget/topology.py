"""Topology: the plan of a human body looked for in a tree of joints, whatever its names.

A body is two hubs joined by a spine: at the lower one a pair of like chains (legs), at the upper
one another pair (arms) and a chain to the head. Bone lengths do not depend on the pose, so they
carry most of the evidence; places at rest only decide where lengths cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np

from twinsdk.core.arrays import F64
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget.names import finger_of, fit, is_helper, parts_of, side_of

__all__ = ["Body", "Limb", "Tree", "find_body"]

_NAME_WEIGHT = 0.2  # of one joint whose name fits, against the log ratio of bone lengths
_HELPER_PENALTY = 0.6
_SKIP_PENALTY = 0.15  # of a joint inside a bone
_ALIKE_BONUS = 0.6  # of two limbs that read the same way
# What keeps strange trees of thousands of joints from taking minutes:
_MOST_HUBS, _MOST_BRANCHES, _MOST_PAIRS = 32, 12, 6
_MOST_WAYS = 8
_LONGEST_LIMB = 14  # joints looked at
_ARM_RATIO = np.log(0.92)  # forearm over upper arm; Winter 2009, fig. 4.1: 0.146 / 0.186 to hand
_LEG_RATIO = np.log(1.0)  # 0.246 / 0.245


@dataclass(frozen=True)
class Limb:
    """One arm or leg: joint indices, from the hub outwards.

    Attributes:
        chain: All joints on the way from the hub to the far end.
        upper, lower, end: Joints of hip or shoulder, knee or elbow, ankle or wrist.
        score: How well lengths and names fit; higher is better.
        length: Upper plus lower bone.
    """

    chain: tuple[int, ...]
    upper: int
    lower: int
    end: int
    score: float
    length: float


@dataclass(frozen=True)
class Body:
    """The plan found; pairs are in no order of sides."""

    hips: int
    legs: tuple[Limb, Limb]
    trunk: tuple[int, ...]  # from above the hips to the joint the arms hang from
    arms: tuple[Limb, Limb]
    head: tuple[int, ...]
    score: float = field(compare=False)


class Tree:
    """The joints of a skeleton as a tree without direction."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.names = skeleton.names
        self.parents = [int(p) for p in skeleton.parents]
        self.near: list[list[int]] = [[] for _ in self.names]
        for joint, above in enumerate(self.parents):
            if above >= 0:
                self.near[joint].append(above)
                self.near[above].append(joint)
        lengths = np.linalg.norm(skeleton.rest_translations.astype(np.float64), axis=-1)
        self._bone = lengths
        self._ways: dict[tuple[int, int], list[tuple[tuple[int, ...], float]]] = {}
        self.pairs: dict[tuple[int, int, str], list[tuple[Limb, Limb]]] = {}
        self.places: F64 = skeleton.rest_world()[1].astype(np.float64)

    def bone(self, a: int, b: int) -> float:
        """Return the length between neighbours."""
        return float(self._bone[a] if self.parents[a] == b else self._bone[b])

    def branches(self, joint: int, back: int) -> list[int]:
        """Return the neighbours of `joint` but for the one it was reached from."""
        return [other for other in self.near[joint] if other != back]

    def longest(self, joint: int, back: int) -> tuple[list[int], float]:
        """Return the way from `joint` outwards that is longest, and its length."""
        way, length = self.ways(joint, back)[0]
        return list(way), length

    def ways(self, joint: int, back: int) -> list[tuple[tuple[int, ...], float]]:
        """Return all ways from `joint` to the joints at the ends, longest first."""
        key = (joint, back)
        if key in self._ways:
            return self._ways[key]
        stack: list[tuple[int, int, float, tuple[int, ...]]] = [(joint, back, 0.0, (joint,))]
        found = []
        while stack:
            at, before, length, way = stack.pop()
            onward = self.branches(at, before)
            if not onward:
                found.append((way, length))
            for other in onward:
                stack.append((other, at, length + self.bone(at, other), (*way, other)))
        found.sort(key=lambda entry: (-entry[1], -len(entry[0]), entry[0]))
        self._ways[key] = found[:_MOST_WAYS]
        return self._ways[key]

    def spread(self, joint: int, back: int) -> list[int]:
        """Return all joints reached through `joint`."""
        found, stack = [], [(joint, back)]
        while stack:
            at, before = stack.pop()
            found.append(at)
            stack.extend((other, at) for other in self.branches(at, before))
        return found

    def way(self, a: int, b: int) -> list[int]:
        """Return the joints from `a` to `b`, both included."""
        up = [a]
        while self.parents[up[-1]] >= 0:
            up.append(self.parents[up[-1]])
        down = [b]
        while down[-1] not in up:
            down.append(self.parents[down[-1]])
        return up[: up.index(down[-1])] + down[::-1]


def find_body(tree: Tree) -> Body | None:
    """Return the best body plan in the tree, or None where there is none."""
    hubs = [joint for joint in range(len(tree.names)) if len(tree.near[joint]) >= 3]
    if len(hubs) > _MOST_HUBS:
        hubs = sorted(hubs, key=lambda hub: -_reach(tree, hub))[:_MOST_HUBS]
    best: Body | None = None
    for hub in hubs:
        for legs in _pairs(tree, hub, -1, "leg"):
            for body in _uppers(tree, hub, legs, set(hubs)):
                if best is None or body.score > best.score:
                    best = body
    return best


def _reach(tree: Tree, hub: int) -> float:
    """Return how far the three longest branches of a hub go."""
    lengths = sorted(tree.bone(hub, b) + tree.longest(b, hub)[1] for b in tree.near[hub])
    return sum(lengths[-3:])


def limbs(tree: Tree, start: int, back: int, kind: str) -> dict[tuple[int, int, int], Limb]:
    """Return the best readings of the chains that begin at `start`, coming from `back`.

    Keys are the places of upper, lower and end joint in the chain; too short a chain has none.
    """
    found: dict[tuple[int, int, int], Limb] = {}
    for chain in _limb_chains(tree, start, back):
        for key, limb in _readings(tree, chain, kind).items():
            if key not in found or limb.score > found[key].score:
                found[key] = limb
    return found


def _readings(tree: Tree, chain: tuple[int, ...], kind: str) -> dict[tuple[int, int, int], Limb]:
    along = np.concatenate([[0.0], np.cumsum([tree.bone(a, b) for a, b in pairwise(chain)])])
    total = float(along[-1])
    if total < 1e-6:
        return {}
    parts = ("upperLeg", "lowerLeg", "foot") if kind == "leg" else ("upperArm", "lowerArm", "hand")
    ideal = _LEG_RATIO if kind == "leg" else _ARM_RATIO
    words = np.array([[fit(tree.names[j], part) for part in parts] for j in chain])
    helpers = np.array([is_helper(tree.names[j]) for j in chain])
    fits = _NAME_WEIGHT * words - _HELPER_PENALTY * helpers[:, None]
    found = {}
    for i, j, k in combinations(range(len(chain)), 3):
        upper, lower = along[j] - along[i], along[k] - along[j]
        if upper < 0.05 * total or lower < 0.05 * total:
            continue
        score = -2 * (float(np.log(lower / upper)) - ideal) ** 2
        score += 0.7 * float(np.log((upper + lower) / total))  # two bones are most of a limb
        score -= 0.1 * float(along[i] / total) + _SKIP_PENALTY * (k - i - 2)
        score -= 3 * (_bend(tree, chain, i, j, upper) + _bend(tree, chain, j, k, lower))
        score += float(fits[i, 0] + fits[j, 1] + fits[k, 2])
        # A wrist before a hand, an ankle before a foot: the limb ends at the first.
        score -= _NAME_WEIGHT * float(words[j + 1 : k, 2].max(initial=0))
        if kind == "leg":
            # A thigh in two bones, both called so, begins with the first of them. (A shoulder
            # before an upper arm is called like one, too, and is none.)
            score -= _NAME_WEIGHT * float(min(words[:i, 0].max(initial=0), words[i, 0]))
        if kind == "arm":
            fans = len(tree.branches(chain[k], chain[k - 1]))
            score += 0.25 * (fans >= 3) + 0.15 * (fans == 2)  # fingers leave a hand
            score -= _HELPER_PENALTY * (finger_of(tree.names[chain[k]]) is not None)
        found[i, j, k] = Limb(
            chain=chain,
            upper=chain[i],
            lower=chain[j],
            end=chain[k],
            score=float(score),
            length=float(upper + lower),
        )
    return found


def _limb_chains(tree: Tree, start: int, back: int) -> list[tuple[int, ...]]:
    """Return the longest ways outwards, cut where a hand fans out into fingers."""
    chains = {}
    for way, length in tree.ways(start, back)[:_MOST_WAYS]:
        cut = way[:_LONGEST_LIMB]
        for i in range(2, len(cut)):
            fans = [b for b in tree.branches(cut[i], cut[i - 1]) if tree.near[b][1:]]
            if len(fans) >= 4:
                cut = cut[: i + 1]
                break
        if len(cut) >= 3 and cut not in chains:
            chains[cut] = length
    return list(chains)


def _read_alike(
    one: dict[tuple[int, int, int], Limb], two: dict[tuple[int, int, int], Limb]
) -> tuple[Limb, Limb] | None:
    """Return the two limbs read the same way, or each at its best where that costs little."""
    if not one or not two:
        return None
    shared = [(one[key].score + two[key].score, key) for key in one if key in two]
    apart = max(one.values(), key=_score), max(two.values(), key=_score)
    if shared:
        score, key = max(shared)
        if score > apart[0].score + apart[1].score - _ALIKE_BONUS:
            return one[key], two[key]
    return apart


def _score(limb: Limb) -> float:
    return limb.score


def _bend(tree: Tree, chain: tuple[int, ...], start: int, end: int, length: float) -> float:
    """Return the log of how much longer the way along the joints is than the straight one.

    Joints within a bone, for its twist, lie on a line; a hip's or a heel's do not.
    """
    straight = float(np.linalg.norm(tree.places[chain[end]] - tree.places[chain[start]]))
    return min(float(np.log(length / max(straight, 1e-9))), 1.0)


def _pairs(tree: Tree, hub: int, back: int, kind: str) -> list[tuple[Limb, Limb]]:
    """Return the likeliest pairs of like chains that leave `hub`, best first."""
    key = (hub, back, kind)
    if key in tree.pairs:
        return tree.pairs[key]
    branches = [b for b in tree.branches(hub, back) if not is_helper(tree.names[b])]
    readings = {b: limbs(tree, b, hub, kind) for b in branches}
    likely = sorted(
        (b for b in branches if readings[b]),
        key=lambda b: -max(limb.length for limb in readings[b].values()),
    )[:_MOST_BRANCHES]
    found = []
    for a, b in combinations(likely, 2):
        pair = _read_alike(readings[a], readings[b])
        if pair is None:
            continue
        one, two = pair
        if abs(np.log(one.length / two.length)) > 0.2:
            continue
        sides = {side_of(tree.names[one.upper]), side_of(tree.names[two.upper])}
        if len(sides) == 1 and sides != {None}:
            continue  # two chains of one side are no pair
        found.append((one, two))
    found.sort(key=lambda pair: -(pair[0].score + pair[1].score + np.log(pair[0].length)))
    tree.pairs[key] = found[:_MOST_PAIRS]
    return tree.pairs[key]


def _uppers(tree: Tree, hub: int, legs: tuple[Limb, Limb], hubs: set[int]) -> Iterator[Body]:
    taken = {legs[0].chain[0], legs[1].chain[0]}
    stack: list[tuple[int, int, tuple[int, ...]]] = [
        (other, hub, (hub, other)) for other in tree.near[hub] if other not in taken
    ]
    while stack:
        at, before, way = stack.pop()
        if len(way) > 12:
            continue
        for arms in _pairs(tree, at, before, "arm") if at in hubs else ():
            body = _assembled(tree, legs, list(way), arms)
            if body is not None:
                yield body
        stack.extend((other, at, (*way, other)) for other in tree.branches(at, before))


def _assembled(
    tree: Tree, legs: tuple[Limb, Limb], way: list[int], arms: tuple[Limb, Limb]
) -> Body | None:
    chest = way[-1]
    # Legs on a pelvis of their own: the hips are where pelvis and spine part.
    top = min(range(len(way)), key=lambda i: _depth(tree, way[i]))
    hips_at = top if 0 < top < len(way) - 1 else 0
    trunk = tuple(way[hips_at + 1 :])
    arm_starts = {arms[0].chain[0], arms[1].chain[0]}
    heads = []
    for joint in reversed(way[max(hips_at, len(way) - 3) :]):
        for branch in tree.near[joint]:
            if branch in way or branch in arm_starts:
                continue
            if branch in (legs[0].chain[0], legs[1].chain[0]):
                continue
            if tree.parents[joint] == branch and hips_at == 0 and joint != chest:
                continue
            chain, length = tree.longest(branch, joint)
            heads.append((_head_score(tree, chain, joint == chest), chain, length))
    if not heads:
        return None
    head_score, head, _ = max(heads, key=lambda entry: entry[0])
    leg = (legs[0].length + legs[1].length) / 2
    arm = (arms[0].length + arms[1].length) / 2
    names = tree.names
    score = legs[0].score + legs[1].score + arms[0].score + arms[1].score + head_score
    score -= 1.0 * abs(float(np.log(arm / leg)) - np.log(0.65))
    score += _NAME_WEIGHT * ("hips" in parts_of(names[way[hips_at]]))
    score += _NAME_WEIGHT * bool({"spine", "chest", "neck"} & parts_of(names[chest]))
    score -= 0.05 * len(trunk)
    reach = tree.longest(0, -1)[1]
    score += 1.5 * float(np.log(max(leg + arm, 1e-9) / max(reach, 1e-9)))  # big beats small
    return Body(hips=way[hips_at], legs=legs, trunk=trunk, arms=arms, head=tuple(head), score=score)


def _head_score(tree: Tree, chain: list[int], at_chest: bool) -> float:
    parts = [parts_of(tree.names[joint]) for joint in chain]
    named = any("head" in p for p in parts) + 0.5 * any("neck" in p for p in parts)
    sided = side_of(tree.names[chain[0]]) is not None
    helper = is_helper(tree.names[chain[0]])
    return 0.5 * named + 0.2 * at_chest - 0.6 * sided - _HELPER_PENALTY * helper


def _depth(tree: Tree, joint: int) -> int:
    depth = 0
    while tree.parents[joint] >= 0:
        joint, depth = tree.parents[joint], depth + 1
    return depth
