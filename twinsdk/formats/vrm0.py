"""What VRM 0.x says of springs and gaze, in the words of VRM 1.0 and with joints by name.

A model of VRM 0.x faces -Z and is turned to +Z, so places in a joint's frame change two signs; its
files also have the z of such places mirrored. What has no counterpart is left out: the tail of 7 cm
that VRM 0.x thinks beyond the last joint, which stays stiff in VRM 1.0.
Source: vrm-c/vrm-specification 0.0; how three-vrm reads both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twinsdk.formats.glb import whole

__all__ = ["chains", "gaze", "spring_nodes", "springs"]

_RANGES = {
    "HorizontalInner": "lookAtHorizontalInner",
    "HorizontalOuter": "lookAtHorizontalOuter",
    "VerticalDown": "lookAtVerticalDown",
    "VerticalUp": "lookAtVerticalUp",
}


def spring_nodes(raw: Mapping[str, Any], children: list[list[int]]) -> list[int]:
    """Return the nodes that swing, collide or stand for rest, which must become joints.

    Raises:
        FormatError: A group names no node.
    """
    secondary, count = raw.get("secondaryAnimation", {}), len(children)
    found = [n for group in secondary.get("boneGroups", []) for c in chains(group, children)
             for n in c]  # fmt: skip
    for group in secondary.get("boneGroups", []):
        if group.get("center", -1) != -1:
            found.append(whole(group["center"], count, "spring bone: center"))
    for group in secondary.get("colliderGroups", []):
        found.append(whole(group.get("node"), count, "collider group: node"))
    return found


def chains(group: Mapping[str, Any], children: list[list[int]]) -> list[list[int]]:
    """Return the ways outwards from a group's bones; at a fork each child but the first is a start.

    Raises:
        FormatError: A bone is no node.
    """
    starts = [whole(bone, len(children), "spring bone: bones") for bone in group.get("bones", [])]
    found, seen = [], set[int]()
    for start in starts:  # grows while it is walked
        chain, node = [], start
        while node not in seen:
            seen.add(node)
            chain.append(node)
            below = children[node]
            starts.extend(below[1:])
            if not below:
                break
            node = below[0]
        if len(chain) > 1:
            found.append(chain)
    return found


def springs(
    raw: Mapping[str, Any], children: list[list[int]], named: Callable[[int], str]
) -> dict[str, Any] | None:
    """Return VRMC_springBone with joints by name, None where nothing swings."""
    secondary = raw.get("secondaryAnimation", {})
    colliders: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    for group in secondary.get("colliderGroups", []):
        spheres = group.get("colliders", [])
        first = len(colliders)
        for sphere in spheres:
            place, radius = _place(sphere.get("offset")), float(sphere.get("radius", 0))
            shape = {"sphere": {"offset": place, "radius": radius}}
            colliders.append({"node": named(group["node"]), "shape": shape})
        groups.append({"colliders": list(range(first, len(colliders)))})
    made: list[dict[str, Any]] = []
    for group in secondary.get("boneGroups", []):
        down = group.get("gravityDir", {})
        setting = {
            "hitRadius": float(group.get("hitRadius", 0)),
            "stiffness": float(group.get("stiffiness", 1)),  # spelt so there
            "gravityPower": float(group.get("gravityPower", 0)),
            "gravityDir": [
                -float(down.get("x", 0)),
                float(down.get("y", -1)),
                -float(down.get("z", 0)),
            ],
            "dragForce": float(group.get("dragForce", 0.5)),
        }
        for chain in chains(group, children):
            spring: dict[str, Any] = {
                "name": str(group.get("comment", "") or named(chain[0])),
                "joints": [{"node": named(node), **setting} for node in chain],
            }
            # A group without a sphere has no counterpart.
            touched = [i for i in group.get("colliderGroups", []) if groups[i]["colliders"]]
            if touched:
                spring["colliderGroups"] = touched
            if group.get("center", -1) != -1:
                spring["center"] = named(group["center"])
            made.append(spring)
    if not made:
        return None
    out: dict[str, Any] = {"specVersion": "1.0", "springs": made}
    if colliders:
        out |= {"colliders": colliders, "colliderGroups": groups}
    return _without_empty_groups(out)


def gaze(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return VRM 1.0's lookAt, None where the file says nothing of it."""
    person = raw.get("firstPerson", {})
    if "lookAtTypeName" not in person:
        return None
    out: dict[str, Any] = {
        "offsetFromHeadBone": _place(person.get("firstPersonBoneOffset")),
        "type": "expression" if person["lookAtTypeName"] == "BlendShape" else "bone",
    }
    for ours, theirs in _RANGES.items():
        reach = person.get(theirs, {})
        out[f"rangeMap{ours}"] = {
            "inputMaxValue": float(reach.get("xRange", 90)),
            "outputScale": float(reach.get("yRange", 10)),
        }
    return out


def _place(offset: Any) -> list[float]:
    x, y, z = (float((offset or {}).get(axis, 0)) for axis in "xyz")
    return [-x, y, z]  # z mirrored in the file, then the half turn about Y


def _without_empty_groups(spring_bones: dict[str, Any]) -> dict[str, Any]:
    """Return it with groups that hold no collider dropped and the others renumbered."""
    groups = spring_bones.get("colliderGroups", [])
    kept = [i for i, group in enumerate(groups) if group["colliders"]]
    if len(kept) < len(groups):
        spring_bones["colliderGroups"] = [groups[i] for i in kept]
        for spring in spring_bones["springs"]:
            if "colliderGroups" in spring:
                spring["colliderGroups"] = [kept.index(i) for i in spring["colliderGroups"]]
    return spring_bones
