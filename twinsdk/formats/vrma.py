"""VRM Animation (.vrma): motion of a humanoid for any VRM avatar.

Bones are those of VRM's humanoid alone, in a T-pose with world-aligned frames; what lies between
two of them is folded in. Source: vrm-c/vrm-specification, VRMC_vrm_animation-1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError, NotHumanoidError
from twinsdk.formats.animation import AnimationFile, write_motion
from twinsdk.formats.guard import reading

__all__ = ["humanoid_clip", "read_clip", "write_clip"]


def read_clip(path: str | Path) -> MotionClip:
    """Read a .vrma as a clip on joints with VRM's names and identity rest rotations.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no VRMA, or malformed.
    """
    file = AnimationFile(path)
    with reading(path, "VRMA"):
        humanoid = file.humanoid
        if "hips" not in humanoid.values():
            raise FormatError("expected VRMC_vrm_animation with humanBones, got none with hips")
        return humanoid_clip(file.clip(0), humanoid)


def write_clip(
    clip: MotionClip, path: str | Path, *, humanoid: Mapping[str, str] | None = None
) -> None:
    """Write a .vrma.

    Args:
        clip: The motion of a person whose rest pose is a T-pose facing +Z.
        path: Where to.
        humanoid: Joint name -> VRM name; not needed where the joints have VRM's names.

    Raises:
        NotHumanoidError: A joint that VRM requires is not named.
        OutputError: The file cannot be written.
    """
    if humanoid is None:
        humanoid = {name: name for name in clip.skeleton.names if name in HUMANOID_NAMES}
    missing = sorted(set(REQUIRED_JOINTS) - set(humanoid.values()))
    if missing:
        raise NotHumanoidError(
            f"VRMA: expected all joints VRM requires, missing {', '.join(missing)}; "
            f"retarget to a humanoid first or pass humanoid=: {path}"
        )
    reduced = humanoid_clip(clip, humanoid)
    write_motion(reduced, path, {name: name for name in reduced.skeleton.names})


def humanoid_clip(clip: MotionClip, humanoid: Mapping[str, str]) -> MotionClip:
    """Return the clip on the humanoid joints alone, named as VRM names them.

    Every kept joint turns from rest as it did in the world, about world-aligned rest frames (VRM's
    normalized pose). Joints between two kept ones are folded into the lower one.

    Args:
        clip: The motion.
        humanoid: Joint name -> VRM name; must have hips, above all others.

    Raises:
        NotHumanoidError: There are no hips, or a joint is not below them.
    """
    skeleton = clip.skeleton
    role_of = {skeleton.joint(name): role for name, role in humanoid.items()}
    kept = sorted(role_of, key=lambda j: HUMANOID_NAMES.index(role_of[j]))
    if not kept or role_of[kept[0]] != "hips":
        raise NotHumanoidError("humanoid: expected hips, got none")
    above = {j: _nearest(skeleton, j, role_of) for j in kept}
    place = {j: i for i, j in enumerate(kept)}
    if any(place.get(above[j], len(kept)) >= place[j] for j in kept[1:]):
        kept = sorted(kept)  # a tree unlike VRM's: the file's own order has parents first
        place = {j: i for i, j in enumerate(kept)}
    loose = [role_of[j] for j in kept if above[j] < 0 and role_of[j] != "hips"]
    if loose or above[kept[0]] >= 0:
        raise NotHumanoidError(f"humanoid: expected all joints below hips, got {loose} elsewhere")
    rest, rest_places = skeleton.rest_world()
    _, places = clip.world()
    rotations = []
    for j in kept:
        # G_p^-1 G_j with G = W R^-1; telescoped over the joints between, so that nothing is lost
        # where there are none.
        local, upper = clip.rotations[:, j], int(skeleton.parents[j])
        while upper != above[j]:
            local = quat.multiply(clip.rotations[:, upper], local)
            upper = int(skeleton.parents[upper])
        if upper >= 0:
            local = quat.multiply(rest[upper], local)
        rotations.append(quat.multiply(local, quat.conjugate(rest[j])))
    hips = kept[0]
    offsets = rest_places[kept].copy()
    parents = np.array([place.get(above[j], -1) for j in kept], np.int32)
    offsets[1:] -= rest_places[kept][parents[1:]]
    return MotionClip(
        skeleton=Skeleton(
            names=tuple(role_of[j] for j in kept),
            parents=parents,
            rest_translations=offsets,
            rest_rotations=np.tile(quat.IDENTITY, (len(kept), 1)),
        ),
        fps=clip.fps,
        rotations=quat.positive(quat.normalize(np.stack(rotations, 1))),
        root_translations=places[:, hips],
        expressions=clip.expressions,
    )


def _nearest(skeleton: Skeleton, joint: int, kept: Mapping[int, str]) -> int:
    above = int(skeleton.parents[joint])
    while above >= 0 and above not in kept:
        above = int(skeleton.parents[above])
    return above
