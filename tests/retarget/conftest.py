"""Bodies under other rigs: the truth is known because the body is the same."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton, matrices


@dataclass
class Body:
    """The canonical body under another rig.

    skeleton: The rig. frames: (J, 4) its world rotations when the body is in the T-pose.
    joints: canonical joint -> index in the rig.
    """

    skeleton: Skeleton
    frames: np.ndarray
    joints: dict


def rest_bend(degrees_by_joint):
    """Local rotations (55, 4) of the canonical skeleton: degrees about Z, left side given."""
    local = np.tile(quat.IDENTITY.astype(np.float64), (len(HUMANOID_NAMES), 1))
    for joint, degrees in degrees_by_joint.items():
        for side, sign in (("left", -1), ("right", 1)):
            j = HUMANOID_NAMES.index(side + joint)
            local[j] = quat.from_axis_angle(np.array([0.0, 0, sign]), np.radians(degrees))
    return local


def other_rig(rest=None, *, seed=None, drop=(), world=None, scale=1.0, names=None):
    """Return the canonical body with another rest pose, bone rolls, world and unit.

    rest: local rotations of the rest pose; seed: random joint frames; drop: joints left out;
    world: rotation of the rest pose's world; names: canonical -> new name.
    """
    canon = humanoid_skeleton()
    count = len(canon)
    local = canon.rest_rotations if rest is None else rest
    turns, places = canon.forward(local, canon.rest_translations[0])
    turns, places = turns.astype(np.float64), places.astype(np.float64)
    toes = HUMANOID_NAMES.index("leftToes")
    places[:, 1] += canon.rest_world()[1][toes, 1] - places[toes, 1]  # splayed, still on the floor
    frames = np.tile(quat.IDENTITY.astype(np.float64), (count, 1))
    if seed is not None:
        rng = np.random.default_rng(seed)
        frames = quat.normalize(rng.normal(size=(count, 4)))
    if world is not None:
        turns, places = quat.multiply(world, turns), quat.rotate(world, places)
    rig_world = quat.multiply(turns, frames)
    kept = [name for name in HUMANOID_NAMES if name not in drop]
    index = {name: i for i, name in enumerate(kept)}
    parents, offsets, rotations = [], [], []
    for name in kept:
        above = HUMANOID_PARENTS[name]
        while above is not None and above not in index:
            above = HUMANOID_PARENTS[above]
        j = HUMANOID_NAMES.index(name)
        if above is None:
            parents.append(-1)
            offsets.append(places[j])
            rotations.append(rig_world[j])
        else:
            p = HUMANOID_NAMES.index(above)
            back = quat.conjugate(rig_world[p])
            parents.append(index[above])
            offsets.append(quat.rotate(back, places[j] - places[p]))
            rotations.append(quat.multiply(back, rig_world[j]))
    chosen = [HUMANOID_NAMES.index(name) for name in kept]
    skeleton = Skeleton(
        names=tuple((names or {}).get(name, name) for name in kept),
        parents=np.array(parents),
        rest_translations=np.array(offsets) * scale,
        rest_rotations=quat.normalize(np.array(rotations)),
    )
    return Body(skeleton=skeleton, frames=frames[chosen], joints=index)


def random_clip(skeleton, frames=40, seed=1, spread=0.5):
    """Return a clip of random rotations on an identity-rest skeleton."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(frames, len(skeleton), 3)) * spread
    roots = rng.normal(size=(frames, 3)) * 0.3 + [0.0, 0.9, 0.0]
    return MotionClip(
        skeleton=skeleton,
        fps=30,
        rotations=quat.from_rotation_vector(vectors),
        root_translations=roots,
    )


A_POSE = {"UpperArm": 45.0, "UpperLeg": -8.0, "Foot": 8.0}  # on level soles


@pytest.fixture
def canon():
    return humanoid_skeleton()


def tube(start, end, radius, rows=10):
    """Return points of a tube of `radius` (one number, or two: at start and end)."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = (end - start) / np.linalg.norm(end - start)
    one = np.cross(axis, [0.3, 0.5, 0.8])
    one /= np.linalg.norm(one)
    other = np.cross(axis, one)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)[None, :, None]
    along = np.linspace(0, 1, rows)[:, None, None]
    radii = np.interp(along, [0, 1], np.broadcast_to(radius, 2))
    points = start + along * (end - start) + radii * (np.cos(angle) * one + np.sin(angle) * other)
    return points.reshape(-1, 3)


def skinned(trunk=(0.2, 0.14), head=0.1, legs=(0.08, 0.05)):
    """Return the canonical body with an elliptic trunk, a round head, forearms and legs.

    trunk: half width and depth; head: radius; legs: radii of thighs and shins, metres.
    """
    canon = humanoid_skeleton()
    places = canon.rest_world()[1].astype(float)
    parts = []
    circle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    stack = ["hips", "spine", "chest", "upperChest"]
    heights = places[[canon.joint(name) for name in stack], 1]
    for y in np.linspace(0.85, 1.40, 40):
        ring = np.stack([trunk[0] * np.cos(circle), 0 * circle + y, trunk[1] * np.sin(circle)], -1)
        parts.append((stack[max(int(np.sum(heights <= y)) - 1, 0)], ring))
    turn = np.linspace(-1, 1, 400)
    spiral = np.sqrt(1 - turn**2)
    ball = np.stack([spiral * np.cos(40 * turn), turn, spiral * np.sin(40 * turn)], -1)
    parts.append(("head", places[canon.joint("head")] + [0, 0.08, 0] + head * ball))
    for side in ("left", "right"):
        at = {part: places[canon.joint(side + part)] for part in PARTS}
        parts.append((f"{side}LowerArm", tube(at["LowerArm"], at["Hand"], 0.03)))
        parts.append((f"{side}UpperLeg", tube(at["UpperLeg"], at["LowerLeg"], legs[0])))
        parts.append((f"{side}LowerLeg", tube(at["LowerLeg"], at["Foot"], legs[1])))
    points = np.concatenate([points for _, points in parts])
    joints = np.concatenate([np.full(len(points), canon.joint(name)) for name, points in parts])
    count = len(points)
    return Avatar(
        skeleton=canon,
        mesh=Mesh(
            vertices=points,
            normals=np.tile([0, 1.0, 0], (count, 1)),
            uvs=np.zeros((count, 2)),
            triangles=[[0, 1, 2]],
        ),
        skin=Skin(
            joints=joints[:, None].astype(np.uint16),
            weights=np.ones((count, 1)),
            inverse_bind=np.linalg.inv(matrices(*canon.rest_world())),
        ),
        morphs=Morphs(names=(), offsets=np.zeros((0, count, 3))),
        humanoid={name: name for name in HUMANOID_NAMES},
    )


PARTS = ("LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")


@pytest.fixture
def figure():
    return skinned


@pytest.fixture
def bodies():
    return SimpleNamespace(
        other_rig=other_rig, rest_bend=rest_bend, random_clip=random_clip, A_POSE=A_POSE
    )
