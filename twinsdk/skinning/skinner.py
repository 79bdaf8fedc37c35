"""Skinner: an avatar bound once, posed many times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twinsdk.core.arrays import F32, as_f32
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.pose import Pose
from twinsdk.core.rig import Rig
from twinsdk.errors import SkeletonMismatchError, UsageError

__all__ = ["Skinner"]

BACKENDS = ("native", "numpy")


class Skinner:
    """An avatar's mesh, moved by poses and expressions.

    Any number of influences is exact. Normals are the rest normals turned with the skin.
    Expressions drive the morphs of the same name; expressions that the avatar lacks and morphs
    that are no expression stay at rest.

    Args:
        avatar: What is skinned; it is bound here and not kept in sync with later edits.
        backend: "native" (C++, or NumPy where it is not built) or "numpy" (the float64 reference).

    Raises:
        UsageError: There is no such backend.
    """

    def __init__(self, avatar: Avatar, *, backend: str = "native") -> None:
        if backend not in BACKENDS:
            raise UsageError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
        self.avatar = avatar
        self.backend = backend
        moved = [name for name in avatar.morphs.names if name in EXPRESSION_NAMES]
        rows = [avatar.morphs.names.index(name) for name in moved]
        self._expression_rows = np.array([EXPRESSION_NAMES.index(name) for name in moved], np.intp)
        skeleton = avatar.skeleton
        self._rig = Rig(
            vertices=avatar.mesh.vertices,
            normals=avatar.mesh.normals,
            joints=avatar.skin.joints,
            weights=avatar.skin.weights,
            joint_count=len(skeleton),
            # Morphs outside the 52 expressions are never driven here, so they are not bound.
            morph_offsets=avatar.morphs.offsets[rows] if moved else None,
            parents=skeleton.parents,
            rest_translations=skeleton.rest_translations,
            inverse_bind=avatar.skin.inverse_bind,
            isa="numpy" if backend == "numpy" else None,
        )

    @property
    def vertex_count(self) -> int:
        """Vertices of the mesh."""
        return self._rig.vertex_count

    def vertices(
        self,
        pose: Pose,
        expressions: npt.ArrayLike | None = None,
        out: F32 | None = None,
    ) -> F32:
        """Return the vertices (V, 3), metres, world, of the avatar in `pose`.

        Args:
            pose: On the avatar's skeleton.
            expressions: (52,) weights, or None for the face at rest.
            out: (V, 3) float32 to fill and return.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton.
            ShapeError, ValueRangeError: `expressions` or `out` cannot be used.
        """
        on = pose.on(self.avatar.skeleton)
        return self._rig.pose(
            on.rotations,
            on.root_translation,
            morph_weights=self._weights(expressions, ()),
            out=out,
        )

    def vertices_and_normals(
        self,
        pose: Pose,
        expressions: npt.ArrayLike | None = None,
        out: tuple[F32, F32] | None = None,
    ) -> tuple[F32, F32]:
        """Return the vertices and unit normals, each (V, 3); `out` is such a pair.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton.
            ShapeError, ValueRangeError: `expressions` or `out` cannot be used.
        """
        on = pose.on(self.avatar.skeleton)
        shape = (self.vertex_count, 3)
        points, normals = out if out is not None else (None, np.empty(shape, np.float32))
        moved = self._rig.pose(
            on.rotations,
            on.root_translation,
            morph_weights=self._weights(expressions, ()),
            out=points,
            normals_out=normals,
        )
        return moved, normals

    def clip_vertices(self, clip: MotionClip, out: F32 | None = None) -> F32:
        """Return the vertices of every frame (T, V, 3), metres, world; the clip's face included.

        Raises:
            SkeletonMismatchError: The clip is on another skeleton.
            ShapeError: `out` cannot be used.
        """
        if not clip.skeleton.matches(self.avatar.skeleton):
            raise SkeletonMismatchError(
                f"clip: expected one on the avatar's skeleton of {len(self.avatar.skeleton)} "
                f"joints, got one of {len(clip.skeleton)}; use twinsdk.retarget"
            )
        return self._rig.pose(
            clip.rotations,
            clip.root_translations,
            morph_weights=self._weights(clip.expressions, (len(clip),)),
            out=out,
        )

    def _weights(self, expressions: npt.ArrayLike | None, lead: tuple[int, ...]) -> F32 | None:
        if expressions is None:
            return None
        checked = as_f32("expressions", expressions, (*lead, EXPRESSION_COUNT))
        return checked[..., self._expression_rows] if self._expression_rows.size else None
