"""What swings: chains of extra joints in hair and skirts, and the round bodies they rest on.

The chains hang on humanoid joints and are no part of the humanoid. Runtimes of VRM move them
(VRMC_springBone-1.0); in a pose that says nothing of them they follow the joint they hang on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twinsdk.avatar.parts import Chain
from twinsdk.avatar.rig import TPose
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.skeleton import Skeleton

__all__ = ["chain_weights", "spring_meta", "strongest", "with_chains"]


def chain_weights(angles: F64, along: F64, at_deg: Sequence[float], joints: int) -> F32:
    """Return the weights (N, chains x joints) of points among chains that stand around an axis.

    A point is shared by the two chains beside it and follows the joint above it; the last joint of
    a chain is its end and moves nothing.

    Args:
        angles: (N,) radians around the axis.
        along: (N,) 0 at the chains' first joints, 1 at their ends.
        at_deg: Each chain's angle, rising; beyond the first and last the nearest one has all,
            unless they go all the way round.
        joints: Of each chain, evenly spaced.
    """
    places = np.radians(np.asarray(at_deg, np.float64))
    closed = places[-1] - places[0] > np.radians(360 * (1 - 1.5 / len(places)))
    if closed:
        places = np.concatenate([places, places[:1] + 2 * np.pi])
    wrapped = (angles - places[0]) % (2 * np.pi) + places[0]
    if not closed:  # what lies in the gap belongs to the nearer end
        gap = places[0] + 2 * np.pi - places[-1]
        wrapped = np.where(wrapped > places[-1] + gap / 2, places[0], wrapped)
    position = np.interp(wrapped, places, np.arange(len(places)))
    left = np.minimum(position.astype(np.int64), len(places) - 2)
    right_share = _ease((position - left - 0.2) / 0.6)
    step = np.clip(along, 0, 1) * (joints - 1)
    upper = np.minimum(step.astype(np.int64), joints - 2)
    # Above a joint's middle the joint before still has a part: bends are round.
    before = np.where(upper > 0, 0.5 * _ease(1 - (step - upper) / 0.5), 0.0)
    out = np.zeros((len(angles), len(at_deg), joints), np.float32)
    row = np.arange(len(angles))
    for chain, share in ((left, 1 - right_share), (left + 1, right_share)):
        chosen = chain % len(at_deg)
        out[row, chosen, upper] += share * (1 - before)
        out[row, chosen, np.maximum(upper - 1, 0)] += share * before
    return out.reshape(len(angles), -1)


def strongest(weights: Array, count: int = 4) -> F32:
    """Return weights (N, J) of which each row keeps its `count` largest, with sum 1."""
    least = np.sort(weights, axis=1)[:, -count, None]
    kept = np.where(weights >= least, weights, 0)
    return np.asarray(kept / kept.sum(1, keepdims=True), np.float32)


def with_chains(skeleton: Skeleton, chains: Sequence[Chain]) -> Skeleton:
    """Return the skeleton with the chains' joints after its own; itself where there are none."""
    if not chains:
        return skeleton
    names, parents = list(skeleton.names), [int(p) for p in skeleton.parents]
    offsets = list(np.asarray(skeleton.rest_translations, np.float64))
    places = skeleton.rest_world()[1]
    for chain in chains:
        above = skeleton.joint(chain.above)
        last = places[above].astype(np.float64)
        for i, place in enumerate(chain.places):
            parents.append(above)
            above = len(names)
            names.append(f"{chain.name}{i}")
            offsets.append(place - last)
            last = place
    return Skeleton(
        names=tuple(names),
        parents=np.array(parents),
        rest_translations=np.array(offsets, np.float32),
        rest_rotations=np.tile(np.array([0, 0, 0, 1], np.float32), (len(names), 1)),
    )


def spring_meta(chains: Sequence[Chain], pose: TPose) -> dict[str, Any]:
    """Return VRMC_springBone with joint names for node numbers: springs, colliders, groups."""
    colliders = _colliders(pose)
    springs = [
        {
            "name": chain.name,
            "joints": [
                {
                    "node": f"{chain.name}{i}",
                    "hitRadius": round(chain.radius_m, 4),
                    "stiffness": chain.stiffness,
                    "gravityPower": chain.gravity,
                    "gravityDir": [0.0, -1.0, 0.0],
                    "dragForce": chain.drag,
                }
                for i in range(len(chain.places))
            ],
            "colliderGroups": [0 if chain.name.startswith("hair") else 1],
        }
        for chain in chains
    ]
    upper = [i for i, (name, _) in enumerate(colliders) if "Leg" not in name and name != "hips"]
    lower = [i for i in range(len(colliders)) if i not in upper]
    return {
        "specVersion": "1.0",
        "colliders": [{"node": node, "shape": shape} for node, shape in colliders],
        "colliderGroups": [
            {"name": "upper body", "colliders": upper},
            {"name": "legs", "colliders": lower},
        ],
        "springs": springs,
    }


def _colliders(pose: TPose) -> list[tuple[str, dict[str, Any]]]:
    """Return joint names and shapes in their joint's axes, sized after the body."""
    size = float(pose.joint("head")[1] - pose.joint("hips")[1]) / 0.6

    def capsule(node: str, tail: Array, radius: float, start: Array | None = None) -> Any:
        first = np.zeros(3) if start is None else start
        shape = {"offset": _rounded(first), "radius": round(radius * size, 4)}
        return node, {"capsule": {**shape, "tail": _rounded(tail)}}

    chest, neck, head = (pose.joint(j) for j in ("upperChest", "neck", "head"))
    out = [
        ("head", {"sphere": {"offset": [0.0, round(0.09 * size, 4), 0.0], "radius": 0.085 * size}}),
        capsule("neck", head - neck, 0.052),
    ]
    out[0][1]["sphere"]["radius"] = round(out[0][1]["sphere"]["radius"], 4)
    shoulders = [pose.joint(f"{side}UpperArm") - chest for side in ("left", "right")]
    out.append(capsule("upperChest", shoulders[1], 0.06, shoulders[0]))
    out.append(capsule("upperChest", neck - chest, 0.095))
    for side in ("left", "right"):
        hip, knee = pose.joint(f"{side}UpperLeg"), pose.joint(f"{side}LowerLeg")
        out.append(capsule(f"{side}UpperLeg", knee - hip, 0.062))
    return out


def _rounded(vector: Array) -> list[float]:
    return [round(float(x), 4) for x in vector]


def _ease(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
