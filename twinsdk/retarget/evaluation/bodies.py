"""One body under many skeletons: what retargeting between them must give is then known.

A body is cut into rigid pieces, each named after the canonical joint that turns it. Every skeleton
of the body knows how each of its bones is turned in the reference pose, and so can show any motion
of the pieces, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton

__all__ = ["LIMBS", "Body", "canonical_bodies", "canonical_body", "reshaped", "rested"]

SIDES = ("left", "right")
LIMBS = tuple(
    (side + a, side + b)
    for side in SIDES
    for a, b in (
        ("UpperArm", "LowerArm"),
        ("LowerArm", "Hand"),
        ("UpperLeg", "LowerLeg"),
        ("LowerLeg", "Foot"),
    )
)
# Another rest pose: piece -> degrees about Z for the left side, the other way for the right.
_RESTS: Mapping[str, Mapping[str, float]] = {
    "T-pose": {},
    "A-pose": {"UpperArm": 45.0},
    "arms down": {"UpperArm": 85.0},
    "thighs splayed": {"UpperLeg": -20.0, "Foot": 20.0},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """A skeleton of a body.

    Attributes:
        name: For the tables.
        skeleton: In its own rest pose, world and unit.
        roles: Canonical joint -> joint name, where there is no doubt.
        pieces: (J) which piece each joint moves with, a canonical joint.
        reference: (J, 4) how each joint is turned in the reference pose, in our axes.
        metres: Metres in one unit of the skeleton.
    """

    name: str
    skeleton: Skeleton
    roles: Mapping[str, str]
    pieces: tuple[str, ...]
    reference: F64
    metres: float = 1.0

    def clip(self, motion: MotionClip) -> MotionClip:
        """Return this skeleton moving as the pieces of `motion`, on the canonical skeleton, do."""
        turns = motion.world()[0].astype(np.float64)
        columns = [HUMANOID_NAMES.index(piece) for piece in self.pieces]
        world = quat.multiply(turns[:, columns], self.reference)
        above = np.maximum(self.skeleton.parents, 0)
        local = quat.multiply(quat.conjugate(world[:, above]), world)
        local[:, 0] = world[:, 0]
        return MotionClip(
            skeleton=self.skeleton,
            fps=motion.fps,
            rotations=quat.positive(quat.normalize(local)),
            root_translations=motion.root_translations / self.metres,
        )

    def places(self, clip: MotionClip, roles: Sequence[str]) -> F64:
        """Return (T, R, 3) metres of the joints of `roles`, about the middle of the hip joints."""
        joints = [self.skeleton.joint(self.roles[role]) for role in roles]
        legs = [self.skeleton.joint(self.roles[f"{side}UpperLeg"]) for side in SIDES]
        places = clip.world()[1].astype(np.float64) * self.metres
        about: F64 = places[:, joints] - places[:, legs].mean(1)[:, None]
        return about


def canonical_body() -> Body:
    """Return the canonical skeleton, every joint a piece of its own."""
    canon = humanoid_skeleton()
    return Body(
        name="canonical",
        skeleton=canon,
        roles={name: name for name in canon.names},
        pieces=canon.names,
        reference=np.tile([0.0, 0, 0, 1], (len(canon), 1)),
    )


def canonical_bodies() -> list[Body]:
    """Return the canonical body in other rest poses, with other bone rolls, world and unit."""
    plain = canonical_body()
    rolled = _rolled(plain, seed=0)
    return [
        plain,
        rested(rolled, "T-pose", name="rolled bones"),
        *(rested(rolled, rest) for rest in ("A-pose", "arms down", "thighs splayed")),
        rested(rolled, "A-pose", z_up=True, metres=0.01, name="A-pose, Z-up, sideways, cm"),
    ]


def rested(
    body: Body, rest: str, *, z_up: bool = False, metres: float = 1.0, name: str | None = None
) -> Body:
    """Return the same body in another rest pose, and a Z-up world in which it faces sideways."""
    bends = np.tile([0.0, 0, 0, 1], (len(HUMANOID_NAMES), 1))
    for part, degrees in _RESTS[rest].items():
        for side, sign in (("left", -1.0), ("right", 1.0)):
            turn = quat.from_axis_angle(np.array([0, 0, sign]), np.radians(degrees))
            bends[HUMANOID_NAMES.index(side + part)] = turn
    canon = humanoid_skeleton()
    pose = MotionClip(
        skeleton=canon,
        fps=1.0,
        rotations=bends[None],
        root_translations=body.skeleton.rest_translations[:1] * body.metres,
    )
    shown = body.clip(pose)
    turns, places = (x[0].astype(np.float64) for x in shown.world())
    places[:, 1] -= places[:, 1].min()
    world = np.array([0.0, 0, 0, 1])
    if z_up:
        up = quat.from_axis_angle(np.array([1.0, 0, 0]), np.pi / 2)
        world = quat.multiply(up, quat.from_axis_angle(np.array([0, 1.0, 0]), np.pi / 2))
    turns, places = quat.multiply(world, turns), quat.rotate(world, places)
    skeleton = _skeleton(body.skeleton, turns, places * body.metres / metres)
    return replace(body, skeleton=skeleton, metres=metres, name=name or rest)


def reshaped(name: str, thigh: float, shin: float) -> Body:
    """Return the canonical body with other legs."""
    plain = canonical_body()
    canon = plain.skeleton
    offsets = canon.rest_translations.astype(np.float64)
    before = -sum(float(offsets[canon.joint(f"left{part}"), 1]) for part in ("LowerLeg", "Foot"))
    for side in SIDES:
        offsets[canon.joint(f"{side}LowerLeg")] *= thigh
        offsets[canon.joint(f"{side}Foot")] *= shin
    after = -sum(float(offsets[canon.joint(f"left{part}"), 1]) for part in ("LowerLeg", "Foot"))
    offsets[0, 1] += after - before
    skeleton = Skeleton(
        names=canon.names,
        parents=canon.parents,
        rest_translations=offsets.astype(np.float32),
        rest_rotations=canon.rest_rotations,
    )
    return replace(plain, skeleton=skeleton, name=name)


def _rolled(body: Body, *, seed: int) -> Body:
    rng = np.random.default_rng(seed)
    rolls = quat.normalize(rng.normal(size=(len(body.skeleton), 4)))
    turns, places = (x.astype(np.float64) for x in body.skeleton.rest_world())
    turns = quat.multiply(turns, rolls)
    return replace(
        body,
        skeleton=_skeleton(body.skeleton, turns, places),
        reference=quat.multiply(body.reference, rolls),
    )


def _skeleton(like: Skeleton, turns: Array, places: Array) -> Skeleton:
    """Return a skeleton of the same tree whose joints rest there, (J, 4) and (J, 3)."""
    above = np.maximum(like.parents, 0)
    back = quat.conjugate(turns[above])
    rotations, offsets = quat.multiply(back, turns), quat.rotate(back, places - places[above])
    rotations[0], offsets[0] = turns[0], places[0]
    return Skeleton(
        names=like.names,
        parents=like.parents,
        rest_translations=offsets.astype(np.float32),
        rest_rotations=quat.normalize(rotations),
    )
