"""Fingers: which chains of a hand are which fingers, and which of their joints is which."""

from __future__ import annotations

import numpy as np

from twinsdk.retarget.names import finger_of, is_helper, words_of
from twinsdk.retarget.topology import Limb, Tree

__all__ = ["finger_roles"]

_NAMES = ("Thumb", "Index", "Middle", "Ring", "Little")
_THUMB_PARTS = ("Metacarpal", "Proximal", "Distal")
_FINGER_PARTS = ("Proximal", "Intermediate", "Distal")


def finger_roles(tree: Tree, arm: Limb, side: str) -> dict[str, int]:
    """Return canonical finger joint -> joint index of the hand at the end of `arm`."""
    where = arm.chain.index(arm.end)
    chains = []
    for start in tree.branches(arm.end, arm.chain[where - 1]):
        if is_helper(tree.names[start]):
            continue
        chains.extend(_chains(tree, start, arm.end))
    named = {}
    for chain in chains:
        finger = next((f for f in map(finger_of, (tree.names[j] for j in chain)) if f), None)
        if finger and finger not in named:
            named[finger] = chain
    if not named and len(chains) == 5 and all(len(chain) >= 2 for chain in chains):
        named = _by_place(tree, arm.end, chains)
    if len(set(named) - {"Thumb"}) < 2:
        return {}  # one bone for all fingers, a mitten, is no finger
    roles: dict[str, int] = {}
    for finger, chain in named.items():
        parts = _THUMB_PARTS if finger == "Thumb" else _FINGER_PARTS
        for part, joint in zip(parts, _segments(tree, arm.end, finger, chain), strict=False):
            roles[f"{side}{finger}{part}"] = joint
    return roles


def _chains(tree: Tree, start: int, back: int) -> list[list[int]]:
    """Return the chains beyond `start`; a joint of the palm that fans out is split."""
    chain = [start]
    before = back
    while True:
        onward = [b for b in tree.branches(chain[-1], before) if not is_helper(tree.names[b])]
        if not onward:
            return [chain]
        if len(onward) > 1 and len(chain) == 1:
            return [c for branch in onward for c in _chains(tree, branch, start)]
        before = chain[-1]
        chain.append(onward[0])


def _segments(tree: Tree, hand: int, finger: str, chain: list[int]) -> list[int]:
    """Return the joints that bend: without a metacarpal in the palm and without end markers."""
    joints = [joint for joint in chain if not is_helper(tree.names[joint])]
    if finger == "Thumb":
        return joints[:3]
    words = [words_of(tree.names[joint]) for joint in joints]
    if len(joints) >= 2 and any(w.startswith(("meta", "carpal")) for w in words[0]):
        return joints[1:4]
    if len(joints) >= 4:
        # A bone in the palm starts at the wrist and is long; a knuckle is a palm's length away.
        first = tree.bone(joints[1], joints[0])
        away = float(np.linalg.norm(tree.places[joints[0]] - tree.places[hand]))
        if away < 0.8 * first:
            return joints[1:4]
    return joints[:3]


def _by_place(tree: Tree, hand: int, chains: list[list[int]]) -> dict[str, list[int]]:
    """Return fingers by their place across the palm; the thumb starts nearest to the wrist."""
    at = tree.places
    starts = np.array([at[chain[0]] - at[hand] for chain in chains])
    tips = np.array([at[chain[-1]] - at[hand] for chain in chains])
    along = tips.mean(0) / (np.linalg.norm(tips.mean(0)) or 1.0)
    reach = tips @ along
    thumb = int(np.argmin(reach))
    others = [i for i in range(len(chains)) if i != thumb]
    gap = np.linalg.norm(starts[others] - starts[thumb], axis=-1)
    order = [thumb, *(others[i] for i in np.argsort(gap, kind="stable"))]
    return {finger: chains[i] for finger, i in zip(_NAMES, order, strict=True)}
