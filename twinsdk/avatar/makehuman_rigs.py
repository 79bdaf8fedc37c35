"""The skeletons that MakeHuman has for its one mesh: what their bones are and where they rest.

They come with the body data (`source.py`); nothing of them is kept in this package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from twinsdk.avatar.base import end_vertices, load_mesh
from twinsdk.avatar.source import BodyData, open_body_data
from twinsdk.core import quat
from twinsdk.core.arrays import F64
from twinsdk.core.skeleton import Skeleton

__all__ = ["RIG_NAMES", "MakeHumanRig", "load_rigs"]

# With one root; Rigify's has several, and the others are these with a joint more or less.
RIG_NAMES = ("cmu_mb", "mixamo", "game_engine", "default")


@dataclass(frozen=True, kw_only=True, eq=False)
class MakeHumanRig:
    """A skeleton of the mesh at rest, its arms slanted; metres, glTF axes.

    Attributes:
        name: One of `RIG_NAMES`.
        skeleton: Its joints; +Y points along each bone.
        cubes: (J) the marker in the mesh at which each joint lies ("joint-l-knee"), "" where it
            lies elsewhere. Joints of different skeletons at one marker are one place of the body.
    """

    name: str
    skeleton: Skeleton
    cubes: tuple[str, ...]


def load_rigs(source: BodyData | None = None) -> list[MakeHumanRig]:
    """Return the skeletons named in `RIG_NAMES`.

    Raises:
        DependencyError: The body data is not here and cannot be fetched; see `open_body_data`.
    """
    data = open_body_data() if source is None else source
    mesh, groups = load_mesh(data)
    template = mesh["template"].astype(np.float64)
    rigs = []
    for name in RIG_NAMES:
        bones = json.loads(data.read(f"mpfb2/rigs/standard/rig.{name}.json"))
        bones = bones.get("bones", bones)
        order = [bone for bone, entry in bones.items() if not entry.get("parent")]
        for bone in order:  # grows while it is walked: parents come before children
            order.extend(sorted(c for c, entry in bones.items() if entry.get("parent") == bone))
        heads, tails = (
            np.stack([template[end_vertices(bones[b][end], mesh, groups)].mean(0) for b in order])
            for end in ("head", "tail")
        )
        rolls = np.array([float(bones[bone].get("roll", 0)) for bone in order])
        parents = [order.index(bones[b]["parent"]) if bones[b].get("parent") else -1 for b in order]
        rigs.append(
            MakeHumanRig(
                name=name,
                skeleton=_skeleton(order, parents, heads, _along(tails - heads, rolls)),
                cubes=tuple(str(bones[bone]["head"].get("cube_name", "")) for bone in order),
            )
        )
    return rigs


def _along(bones: F64, rolls: F64) -> F64:
    """Return (J, 4) turns that bring +Y onto each bone, rolled about it."""
    length = np.linalg.norm(bones, axis=1, keepdims=True)
    away = np.where(length > 1e-9, bones / np.maximum(length, 1e-9), [0.0, 1.0, 0.0])
    up = np.broadcast_to(np.array([0.0, 1.0, 0.0]), away.shape)
    turned: F64 = quat.multiply(quat.from_axis_angle(away, rolls), quat.between(up, away))
    return turned


def _skeleton(names: list[str], parents: list[int], places: F64, turns: F64) -> Skeleton:
    above = np.maximum(parents, 0)
    back = quat.conjugate(turns[above])
    rotations, offsets = quat.multiply(back, turns), quat.rotate(back, places - places[above])
    rotations[0], offsets[0] = turns[0], places[0]
    return Skeleton(
        names=tuple(names),
        parents=np.array(parents, np.int32),
        rest_translations=offsets.astype(np.float32),
        rest_rotations=quat.normalize(rotations),
    )
