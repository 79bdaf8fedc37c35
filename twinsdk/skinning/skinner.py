"""Skinner: an avatar bound once, posed many times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.kernel import check_output, checked_f32
from twinsdk.core.pose import Pose
from twinsdk.core.rig import METHODS, MeshNormals, Rig, seam_owners
from twinsdk.errors import SkeletonMismatchError, UsageError

if TYPE_CHECKING:
    from twinsdk.skinning.torch_backend import TorchSkinner

__all__ = ["Skinner"]

BACKENDS = ("native", "torch", "numpy")
NORMALS = ("skinned", "exact")


class Skinner:
    """An avatar's mesh, moved by poses and expressions.

    Any number of influences is exact. Expressions drive the morphs of the same name; expressions
    that the avatar lacks and morphs that are no expression stay at rest.

    Args:
        avatar: What is skinned; it is bound here and not kept in sync with later edits.
        backend: "native" (C++, or NumPy where it is not built), "torch" (`TorchSkinner`, for
            gradients and GPUs; linear only) or "numpy" (the float64 reference).
        method: "linear", or "dual" for dual quaternions, which keep the volume at twists.
        normals: "skinned" turns the rest normals with the skin; "exact" recomputes them from the
            triangles, so that they follow expressions and creases.
        threads: At most so many work on a clip; a single pose stays on the caller's thread.

    Raises:
        UsageError: There is no such backend, method or kind of normals.
    """

    def __init__(
        self,
        avatar: Avatar,
        *,
        backend: str = "native",
        method: str = "linear",
        normals: str = "skinned",
        threads: int = 1,
    ) -> None:
        for name, value, known in (
            ("backend", backend, BACKENDS),
            ("method", method, METHODS),
            ("normals", normals, NORMALS),
        ):
            if value not in known:
                raise UsageError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
        if backend == "torch" and method != "linear":
            raise UsageError(f"method: the torch backend knows linear, got {method!r}")
        self.avatar, self.backend, self.method, self.threads = avatar, backend, method, threads
        isa = "numpy" if backend == "numpy" else None
        mesh, skeleton = avatar.mesh, avatar.skeleton
        self._torch = _torch_skinner(avatar) if backend == "torch" else None
        self._rig = Rig(
            vertices=mesh.vertices,
            normals=mesh.normals,
            joints=avatar.skin.joints,
            weights=avatar.skin.weights,
            joint_count=len(skeleton),
            morph_offsets=_expression_offsets(avatar),
            parents=skeleton.parents,
            rest_translations=skeleton.rest_translations,
            inverse_bind=avatar.skin.inverse_bind,
            isa=isa,
        )
        self._mesh_normals = None
        if normals == "exact":
            owners = seam_owners(mesh.vertices, mesh.normals)
            self._mesh_normals = MeshNormals(
                mesh.triangles, len(mesh.vertices), owners=owners, isa=isa
            )

    @property
    def vertex_count(self) -> int:
        """Vertices of the mesh."""
        return self._rig.vertex_count

    @property
    def module(self) -> TorchSkinner:
        """The torch module of the "torch" backend: tensors in, tensors out, on its own device.

        Raises:
            UsageError: The backend is another.
        """
        if self._torch is None:
            raise UsageError(f'module: expected Skinner(backend="torch"), got {self.backend!r}')
        return self._torch

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
        return self._posed(on.rotations, on.root_translation, expressions, out)

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
        points, normals = (None, None) if out is None else out
        if self._mesh_normals is not None:
            moved = self._posed(on.rotations, on.root_translation, expressions, points)
            return moved, self._mesh_normals.of(moved, normals)
        if normals is None:
            normals = np.empty((self.vertex_count, 3), np.float32)
        moved = self._rig.pose(
            on.rotations,
            on.root_translation,
            morph_weights=self._weights(expressions, ()),
            out=points,
            normals_out=normals,
            method=self.method,
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
        return self._posed(clip.rotations, clip.root_translations, clip.expressions, out)

    def _posed(
        self, rotations: F32, roots: F32, expressions: npt.ArrayLike | None, out: F32 | None
    ) -> F32:
        lead = roots.shape[:-1]
        if self._torch is not None:
            face = None
            if expressions is not None:
                face = checked_f32("expressions", expressions, (*lead, EXPRESSION_COUNT))
            return self._posed_by_torch(self._torch, (rotations, roots, face), out)
        return self._rig.pose(
            rotations,
            roots,
            morph_weights=self._weights(expressions, lead),
            out=out,
            method=self.method,
            threads=self.threads,
        )

    def _posed_by_torch(
        self, module: TorchSkinner, given: tuple[F32, F32, F32 | None], out: F32 | None
    ) -> F32:
        import torch

        lead = given[1].shape[:-1]
        shape = (*lead, self.vertex_count, 3)
        if out is not None:
            check_output("out", out, shape)
        device = module.vertices.device
        batch = [
            None if a is None else torch.tensor(a.reshape(-1, *a.shape[len(lead) :]), device=device)
            for a in given
        ]
        with torch.no_grad():
            moved: F32 = module(*batch).cpu().numpy().reshape(shape)
        if out is None:
            return moved
        out[...] = moved
        return out

    def _weights(self, expressions: npt.ArrayLike | None, lead: tuple[int, ...]) -> F32 | None:
        if expressions is None:
            return None
        checked = checked_f32("expressions", expressions, (*lead, EXPRESSION_COUNT))
        return checked if self._rig.morph_count else None


def _expression_offsets(avatar: Avatar) -> F32 | None:
    """Return one morph (V, 3) an expression, still where the avatar has none of that name.

    All 52 are bound, so that a call's weights need no choosing; what does not move costs nothing.
    """
    morphs = avatar.morphs
    if morphs.names == EXPRESSION_NAMES:
        return morphs.offsets
    rows = {name: row for row, name in enumerate(morphs.names) if name in EXPRESSION_NAMES}
    if not rows:
        return None
    offsets = np.zeros((EXPRESSION_COUNT, len(avatar.mesh.vertices), 3), np.float32)
    for name, row in rows.items():
        offsets[EXPRESSION_NAMES.index(name)] = morphs.offsets[row]
    return offsets


def _torch_skinner(avatar: Avatar) -> TorchSkinner:
    from twinsdk.skinning.torch_backend import TorchSkinner

    return TorchSkinner(avatar)
