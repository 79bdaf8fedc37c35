"""Shapes: what room the parts of an avatar take, measured on its skin.

The trunk is a stack of elliptic slabs, one a trunk joint, the head an ellipsoid, arms and legs are
capsules. A trunk is not round: on people a capsule a joint misses its skin by twice as much as a
slab (`benchmarks/retarget/shapes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Avatar
from twinsdk.retarget.transfer import Rig

__all__ = ["Shape", "limb_radii", "outline", "trunk_and_head", "trunk_skin"]

_SIDES = ("left", "right")
_TRUNK = ("hips", "spine", "chest", "upperChest")
_GIRDLE = ("neck", "leftShoulder", "rightShoulder")  # moves with the trunk
_MINE = 0.9  # share of a vertex's weight that makes it the part's
_MOSTLY = 0.6  # likewise for the trunk, whose skin is shared with arms and thighs
_LEAST_VERTICES = 24
_RINGS = 4
_BINS = 24  # directions an outline is looked at from
_OUTER = 0.9  # the outermost of a direction, but for stray vertices


@dataclass(frozen=True)
class Shape:
    """A solid of elliptic cross-section, in the canonical axes of the T-pose, about its joint.

    Attributes:
        joint: Which joint carries it.
        middle: (3,) its centre.
        half: (3,) its half axes; a slab's Y half axis is half its height.
        round: Whether it is an ellipsoid; a slab has the same section at every height.
    """

    joint: int
    middle: F64
    half: F64
    round: bool


def trunk_and_head(target: Rig, avatar: Avatar) -> list[Shape]:
    """Return the shapes of trunk and head; none where the mesh has no skin there."""
    upright, at = _standing(target, avatar)
    slabs = _slabs(target, avatar, upright, at)
    joint = target.roles["head"]
    rows = upright[_weights(avatar, [joint])[:, 0] > _MINE]
    if not slabs or len(rows) < _LEAST_VERTICES:
        return slabs
    edge = np.percentile(rows, [4, 96], axis=0)
    head = Shape(
        joint=joint, middle=edge.mean(0) - at[joint], half=(edge[1] - edge[0]) / 2, round=True
    )
    return [*slabs, head] if (head.half > 1e-4).all() else slabs


def limb_radii(target: Rig, avatar: Avatar, start: str, end: str) -> tuple[float, float] | None:
    """Return how far the skin of a limb bone is from its axis, metres, near its start and end.

    None without skin. The bone is named by its joints, "leftUpperLeg" and "leftLowerLeg".
    """
    upright, at = _standing(target, avatar)
    a, b = at[target.roles[start]], at[target.roles[end]]
    length = max(float(np.linalg.norm(b - a)), 1e-9)
    rows = upright[_weights(avatar, [target.roles[start]])[:, 0] > _MINE] - a
    if len(rows) < _LEAST_VERTICES:
        return None
    along = rows @ ((b - a) / length)
    away = np.linalg.norm(rows - np.outer(along, (b - a) / length), axis=-1)
    out = []
    for low, high in ((0.1, 0.5), (0.5, 0.9)):
        near = away[(along > low * length) & (along < high * length)]
        out.append(float(np.median(near)) if len(near) else float(np.median(away)))
    return out[0], out[1]


def _slabs(target: Rig, avatar: Avatar, upright: F64, at: F64) -> list[Shape]:
    joints = [target.roles[role] for role in _TRUNK if role in target.roles]
    mine = trunk_skin(target, avatar)
    tops = [*joints[1:], target.roles.get("neck", target.roles["head"])]
    shoulders = min(at[target.roles[f"{side}UpperArm"], 1] for side in _SIDES)
    slabs = []
    for i, (joint, top) in enumerate(zip(joints, tops, strict=True)):
        low, high = float(at[joint, 1]), min(float(at[top, 1]), float(shoulders))
        low -= 0.0 if i else 0.5 * (high - low)  # the hips' joint lies inside the pelvis
        rows = upright[mine & (upright[:, 1] >= low) & (upright[:, 1] <= high)]
        if len(rows) < _LEAST_VERTICES or high - low < 1e-4:
            continue
        cuts = np.linspace(low, high, _RINGS + 1)
        rings = [
            outline(ring[:, [0, 2]])
            for a, b in pairwise(cuts)
            if len(ring := rows[(rows[:, 1] >= a) & (rows[:, 1] <= b)]) >= _LEAST_VERTICES
        ]
        x, z, width, depth = _ellipse(np.concatenate(rings) if rings else outline(rows[:, [0, 2]]))
        middle = np.array([x, (low + high) / 2, z]) - at[joint]
        half = np.array([width, (high - low) / 2, depth])
        slabs.append(Shape(joint=joint, middle=middle, half=half, round=False))
    return slabs


def trunk_skin(target: Rig, avatar: Avatar) -> Array:
    """Return (V,) whether a vertex is the trunk's."""
    joints = [target.roles[role] for role in (*_TRUNK, *_GIRDLE) if role in target.roles]
    return np.asarray(_weights(avatar, joints).sum(1) > _MOSTLY)


def outline(points: Array) -> F64:
    """Return the outermost of points (N, 2) in each direction from their middle, (B, 2).

    What is inside (linings, joints of a doll) is no skin.
    """
    middle = np.percentile(points, [4, 96], axis=0).mean(0)
    offset = points - middle
    far = np.linalg.norm(offset, axis=-1)
    bins = ((np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5) * _BINS).astype(int)
    rows = []
    for i in range(_BINS):
        inside = np.flatnonzero(bins % _BINS == i)
        if len(inside):
            order = inside[np.argsort(far[inside])]
            rows.append(points[order[int(_OUTER * (len(order) - 1))]])
    out: F64 = np.array(rows, np.float64)
    return out


def _ellipse(points: Array) -> tuple[float, float, float, float]:
    """Return centre and half axes (x, z, a, b) of the upright ellipse nearest to points (B, 2)."""
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
    unit = (points - middle) / half
    # a x^2 + b z^2 + c x + d z = 1
    system = np.column_stack([unit**2, unit])
    a, b, c, d = np.linalg.lstsq(system, np.ones(len(unit)), rcond=None)[0]
    if len(points) < 8 or min(a, b) < 0.25:  # no ellipse: take the extent
        return float(middle[0]), float(middle[1]), float(half[0]), float(half[1])
    centre = -0.5 * np.array([c / a, d / b])
    size = np.sqrt((1 + a * centre[0] ** 2 + b * centre[1] ** 2) / np.array([a, b]))
    x, z = middle + half * centre
    width, depth = half * size
    return float(x), float(z), float(width), float(depth)


def _standing(target: Rig, avatar: Avatar) -> tuple[F64, F64]:
    """Return vertices and joints at bind, upright and facing +Z.

    Arms may hang as they do in the file: only the shape of each part itself is read.
    """
    bind = np.linalg.inv(avatar.skin.inverse_bind.astype(np.float64))[:, :3, 3]
    frame = target.tpose.frame
    return quat.rotate(frame, avatar.mesh.vertices.astype(np.float64)), quat.rotate(frame, bind)


def _weights(avatar: Avatar, joints: list[int]) -> Array:
    """Return (V, N) how much each vertex is weighted to each of `joints`."""
    out = np.zeros((len(avatar.mesh.vertices), len(joints)))
    for i, joint in enumerate(joints):
        out[:, i] = np.where(avatar.skin.joints == joint, avatar.skin.weights, 0).sum(-1)
    return out
