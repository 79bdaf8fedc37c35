"""MakeHuman's skeletons as bodies of the retargeting evaluation: one mesh, four rigs of others."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from twinsdk.avatar.makehuman_rigs import MakeHumanRig, load_rigs
from twinsdk.retarget.evaluation import Body, rested

__all__ = ["makehuman_bodies", "makehuman_pairs"]

_MARKERS = {
    "clavicle": "Shoulder",
    "shoulder": "UpperArm",
    "elbow": "LowerArm",
    "hand": "Hand",
    "upper-leg": "UpperLeg",
    "knee": "LowerLeg",
    "ankle": "Foot",
}
# What turns with the joints above it, so that all skeletons can show the same: a trunk in one
# piece, which has other joints in each, and hands and feet that are stiff.
_PIECES = ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")


def makehuman_bodies() -> list[Body]:
    """Return the four skeletons at rest.

    Raises:
        DependencyError: The body data is not here and cannot be fetched.
    """
    return [_body(rig) for rig in load_rigs()]


def makehuman_pairs(bodies: list[Body]) -> list[tuple[Body, Body]]:
    """Return every pair of two skeletons: as they are, in another rest pose, in another world."""
    pairs = list(permutations(bodies, 2))
    changed = []
    for i, (source, target) in enumerate(pairs):
        rest, turned = ("arms down", "thighs splayed")[i % 2], i % 3 == 0
        name = f"{target.name}, {rest}" + (", Z-up, cm" if turned else "")
        metres = 0.01 if turned else 1.0
        changed.append((source, rested(target, rest, z_up=turned, metres=metres, name=name)))
    return pairs + changed


def _body(rig: MakeHumanRig) -> Body:
    names = rig.skeleton.names
    roles = {"hips": next((name for name in names if name == "pelvis"), names[0])}
    for name, cube in zip(rig.skeleton.names, rig.cubes, strict=True):
        for letter, side in (("l", "left"), ("r", "right")):
            for marker, part in _MARKERS.items():
                if cube == f"joint-{letter}-{marker}":
                    roles.setdefault(f"{side}{part}", name)
        if cube == "joint-neck":
            roles.setdefault("neck", name)
    role_of = {name: role for role, name in roles.items()}
    pieces: list[str] = []
    for name, above in zip(rig.skeleton.names, rig.skeleton.parents.tolist(), strict=True):
        role = role_of.get(name, "")
        moves = role == "neck" or role.removeprefix("left").removeprefix("right") in _PIECES
        pieces.append(role if moves else (pieces[above] if above >= 0 else "hips"))
    return Body(
        name=rig.name,
        skeleton=rig.skeleton,
        roles=roles,
        pieces=tuple(pieces),
        reference=rig.skeleton.rest_world()[0].astype(np.float64),
    )
