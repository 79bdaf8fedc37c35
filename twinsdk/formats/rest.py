"""Change of rest pose: the same motion told on joints whose rest frames are the world's axes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton

__all__ = ["Carried", "carry_translations", "identity_rest_skeleton", "with_identity_rest"]

_IDENTITY_TOLERANCE = 1e-6
_PELVIS = re.compile(r"(^|[^a-z])(hips?|pelvis)$", re.IGNORECASE)
_SIDED = re.compile(r"(^|[^a-z])(l|r|left|right)([^a-z]|$)", re.IGNORECASE)  # "L_Hip" is a thigh


@dataclass(frozen=True, kw_only=True, eq=False)
class Carried:
    """Per-joint translations folded into what a clip can say.

    Attributes:
        rest_translations: (J, 3) metres, constant over the clip.
        root_translations: (T, 3) metres, world.
        residual_m: Largest joint translation, metres, that had to be dropped.
    """

    rest_translations: F32
    root_translations: F32
    residual_m: float

    def on(self, skeleton: Skeleton) -> Skeleton:
        """Return `skeleton` with these rest translations."""
        return Skeleton(
            names=skeleton.names,
            parents=skeleton.parents,
            rest_translations=self.rest_translations,
            rest_rotations=skeleton.rest_rotations,
        )


def identity_rest_skeleton(skeleton: Skeleton) -> Skeleton:
    """Return the same joints at the same rest places with world-aligned rest frames."""
    if np.abs(skeleton.rest_rotations[:, :3]).max() <= _IDENTITY_TOLERANCE:
        return skeleton
    _, positions = skeleton.rest_world()
    offsets = positions.copy()
    offsets[1:] -= positions[skeleton.parents[1:]]
    return Skeleton(
        names=skeleton.names,
        parents=skeleton.parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(skeleton), 1)),
    )


def with_identity_rest(clip: MotionClip) -> MotionClip:
    """Return the clip with every joint where it was, on `identity_rest_skeleton`.

    A joint at rest then has the identity rotation, as BVH and VRM's normalized pose want it.
    """
    skeleton = identity_rest_skeleton(clip.skeleton)
    if skeleton is clip.skeleton:
        return clip
    rest, _ = clip.skeleton.rest_world()
    above = np.concatenate([quat.IDENTITY[None], rest[clip.skeleton.parents[1:]]])
    # G_j = W_j R_j^-1 is the turn from rest, and G_p^-1 G_j = R_p (W_p^-1 W_j) R_j^-1.
    turned = quat.multiply(quat.multiply(above, clip.rotations), quat.conjugate(rest))
    return MotionClip(
        skeleton=skeleton,
        fps=clip.fps,
        rotations=quat.normalize(turned),
        root_translations=clip.root_translations,
        expressions=clip.expressions,
    )


def carry_translations(skeleton: Skeleton, rotations: Array, translations: Array) -> Carried:
    """Fold translations (T, J, 3) that a file gives to every joint into rest pose and root.

    A joint that keeps its place has it as rest translation. Along the trunk (from the root to the
    pelvis) a moving joint moves the root instead, so that the lowest of them is exactly
    where the file puts it. What other joints move is dropped and measured.

    Args:
        skeleton: The tree; its rest translations are replaced.
        rotations: (T, J, 4).
        translations: (T, J, 3) parent_from_joint, metres.
    """
    translations = np.asarray(translations, np.float32)
    centre = (translations.min(0) + translations.max(0)) / 2
    spread = np.abs(translations - centre).max((0, 2))
    size = max(float(np.abs(centre[1:]).sum()), 1e-6)
    rest = np.where((spread <= 1e-6 * size)[:, None], translations[0], translations.mean(0))
    rest = rest.astype(np.float32)
    trunk = _trunk(skeleton)
    moving = [j for j in trunk[1:] if spread[j] > 1e-5 * size]
    carried = trunk[: trunk.index(moving[-1]) + 1] if moving else trunk[:1]
    root = translations[:, 0].copy()
    turn = np.asarray(rotations, np.float32)[:, 0]
    for j in carried[1:]:
        root += quat.rotate(turn, translations[:, j] - rest[j])
        turn = quat.multiply(turn, np.asarray(rotations, np.float32)[:, j])
    rest[0] = skeleton.rest_translations[0]
    dropped = np.delete(np.abs(translations - rest).max(0), carried, axis=0)
    return Carried(
        rest_translations=rest,
        root_translations=root,
        residual_m=float(dropped.max(initial=0.0)),
    )


def _trunk(skeleton: Skeleton) -> list[int]:
    """Return the joints from the root to the pelvis: by its name, else to the first fork."""
    for j, name in enumerate(skeleton.names):
        if _PELVIS.search(name) and not _SIDED.search(name):
            path = [j]
            while path[0]:
                path.insert(0, int(skeleton.parents[path[0]]))
            return path
    sizes = np.ones(len(skeleton), np.int64)
    for j in range(len(skeleton) - 1, 0, -1):
        sizes[skeleton.parents[j]] += sizes[j]
    trunk = [0]
    while True:
        children = np.flatnonzero(skeleton.parents == trunk[-1])
        limbs = children[sizes[children] > 1]  # a lone helper joint beside the trunk is no fork
        onward = limbs if len(limbs) else children
        if len(onward) != 1:
            return trunk
        trunk.append(int(onward[0]))
