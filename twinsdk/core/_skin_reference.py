"""Skinning and vertex normals in NumPy: the definition of the compiled ones, see `core.rig`.

Computed in float64 and rounded once. Part of `_kernel_reference`.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, I32, U16, U32, Array
from twinsdk.errors import ShapeError

__all__ = ["MeshNormals", "Rig"]

_RIGID = 1e-4


class Rig:
    """A skin in the user's order, one dense (V, J) weight matrix."""

    def __init__(
        self,
        *,
        vertices: F32,
        normals: F32 | None,
        joints: U16,
        weights: F32,
        joint_count: int,
        morph_offsets: F32 | None,
        parents: I32 | None,
        rest_translations: F32 | None,
        inverse_bind: F32 | None,
        isa: str,  # noqa: ARG002  # one variant only
    ) -> None:
        count = len(vertices)
        dense = np.zeros((count, joint_count))
        used = weights > 0
        np.add.at(dense, (np.nonzero(used)[0], joints[used].astype(np.int64)), weights[used])
        self._weights: F64 = dense / dense.sum(1, keepdims=True)
        self._vertices: F64 = vertices.astype(np.float64)
        self._normals = None if normals is None else normals.astype(np.float64)
        self._offsets = None if morph_offsets is None else morph_offsets.astype(np.float64)
        self._skeleton = (parents, rest_translations, inverse_bind)
        self.vertex_count = count
        self.block_count = -(-count // 16)
        self.listed_joints = int((dense > 0).sum())
        self.morph_count = 0 if morph_offsets is None else len(morph_offsets)

    @property
    def order(self) -> I32:
        """Return the vertex in each slot: the user's order, padded to blocks of 16 with -1."""
        order = np.full(16 * self.block_count, -1, np.int32)
        order[: self.vertex_count] = np.arange(self.vertex_count)
        return order

    def skin(
        self,
        matrices: Array,
        morph_weights: F32 | None,
        points: F32 | None,
        out: F32,
        normals_out: F32 | None,
        method: str,
        block_order: bool,
        threads: int,  # noqa: ARG002
    ) -> F32:
        """Fill and return positions (..., V, 3), and unit normals, of (..., J, 3, 4) matrices."""
        blend = self._linear if method == "linear" else self._dual
        lead = matrices.shape[:-3]
        for t in np.ndindex(lead):
            start = self._vertices
            if points is not None:
                start = (points[t] if points.ndim > 2 else points).astype(np.float64)
            if morph_weights is not None and self._offsets is not None:
                start = start + np.einsum("e,evd->vd", morph_weights[t], self._offsets)
            moved, turned = blend(matrices[t].astype(np.float64), start)
            self._write(out[t], moved, block_order)
            if normals_out is not None:
                length = np.sqrt((turned * turned).sum(-1, keepdims=True))
                self._write(normals_out[t], turned / np.where(length > 0, length, 1), block_order)
        return out

    def pose(
        self,
        rotations: F32,
        root_translations: F32,
        morph_weights: F32 | None,
        out: F32,
        normals_out: F32 | None,
        method: str,
        block_order: bool,
        threads: int,
    ) -> F32:
        """Fill the outputs from (..., J, 4) local rotations and (..., 3) root translations."""
        parents, rest_translations, inverse_bind = self._skeleton
        if parents is None or rest_translations is None or inverse_bind is None:
            raise ShapeError("rig: expected one bound with a skeleton, got none; use skin()")
        world_q = rotations.astype(np.float64)
        world_p = np.zeros((*rotations.shape[:-1], 3))
        world_p[..., 0, :] = root_translations
        for j in range(1, len(parents)):
            above = world_q[..., parents[j], :]
            world_q[..., j, :] = quat.multiply(above, world_q[..., j, :])
            offset = rest_translations[j].astype(np.float64)
            world_p[..., j, :] = world_p[..., parents[j], :] + quat.rotate(above, offset)
        matrices = quat.to_matrix(world_q) @ inverse_bind.astype(np.float64)
        matrices[..., 3] += world_p
        return self.skin(
            matrices, morph_weights, None, out, normals_out, method, block_order, threads
        )

    def gradients(
        self,
        *,
        matrices: F32,
        points: F32 | None,
        grad_positions: F32,
        grad_points: F32 | None,
        grad_matrices: F32 | None,
        threads: int,  # noqa: ARG002
    ) -> None:
        """Fill the gradients of linear skinning by points (T, V, 3) and matrices (T, J, 3, 4)."""
        for t, (frame, given) in enumerate(zip(matrices, grad_positions, strict=True)):
            start = self._vertices
            if points is not None:
                start = (points[t] if points.ndim > 2 else points).astype(np.float64)
            gradient = given.astype(np.float64)
            if grad_points is not None:
                blended = np.einsum("vj,jab->vab", self._weights, frame[..., :3].astype(np.float64))
                grad_points[t] = np.einsum("vab,va->vb", blended, gradient)
            if grad_matrices is not None:
                homogeneous = np.concatenate([start, np.ones((len(start), 1))], axis=1)
                outer = np.einsum("va,vb->vab", gradient, homogeneous)
                grad_matrices[t] = np.einsum("vj,vab->jab", self._weights, outer)

    def _linear(self, frame: F64, points: F64) -> tuple[F64, F64]:
        blended = (self._weights @ frame.reshape(-1, 12)).reshape(-1, 3, 4)
        return self._moved(blended[..., :3], points, blended[..., 3])

    def _dual(self, frame: F64, points: F64) -> tuple[F64, F64]:
        """Blend dual quaternions on the side of each vertex's dominant joint (Kavan 2008).

        Sides are told by the rotation parts. Scale is blended linearly beforehand.
        """
        left, singular, right = np.linalg.svd(frame[..., :3])
        mirror = np.where(np.linalg.det(left @ right) < 0, -1.0, 1.0)[:, None, None]
        rotation = mirror * (left @ right)
        scale = np.swapaxes(rotation, -1, -2) @ frame[..., :3]
        rigid = (np.abs(singular**2 - 1).max(-1) < _RIGID) & (mirror[:, 0, 0] > 0)
        scale[rigid] = np.eye(3)
        real = quat.from_matrix(rotation)
        translation = np.concatenate([frame[..., 3], np.zeros((len(frame), 1))], axis=1)
        dual = 0.5 * quat.multiply(translation, real)
        side = np.where(real[self._weights.argmax(1)] @ real.T < 0, -1.0, 1.0)
        weights = self._weights * side
        real, dual = weights @ real, weights @ dual
        length = np.sqrt((real * real).sum(-1, keepdims=True))
        real, dual = real / length, dual / length
        stretched = (self._weights @ scale.reshape(-1, 9)).reshape(-1, 3, 3)
        shift = 2 * quat.multiply(dual, quat.conjugate(real))[:, :3]
        return self._moved(quat.to_matrix(real) @ stretched, points, shift)

    def _moved(self, linear: F64, points: F64, shift: F64) -> tuple[F64, F64]:
        normals = points if self._normals is None else self._normals
        return (
            np.einsum("vab,vb->va", linear, points) + shift,
            np.einsum("vab,vb->va", linear, normals),
        )

    def _write(self, out: F32, rows: F64, block_order: bool) -> None:
        if block_order:
            out[: self.vertex_count], out[self.vertex_count :] = rows, 0
        else:
            out[:] = rows


class MeshNormals:
    """Area-weighted vertex normals."""

    def __init__(
        self,
        *,
        triangles: U32,
        vertex_count: int,
        owners: I32 | None,
        isa: str,  # noqa: ARG002
    ) -> None:
        self._triangles = triangles.astype(np.int64)
        self._owners = np.arange(vertex_count) if owners is None else owners.astype(np.int64)

    def recompute(self, vertices: F32, out: F32, threads: int) -> F32:  # noqa: ARG002
        """Fill and return unit normals (..., V, 3) of vertices (..., V, 3); no area gives 0."""
        for t in np.ndindex(vertices.shape[:-2]):
            frame = vertices[t].astype(np.float64)
            a, b, c = (frame[self._triangles[:, k]] for k in range(3))
            area = np.cross(b - a, c - a)
            sums = np.zeros_like(frame)
            for k in range(3):
                np.add.at(sums, self._owners[self._triangles[:, k]], area)
            length = np.sqrt((sums * sums).sum(-1, keepdims=True))
            out[t] = (sums / np.where(length > 0, length, 1))[self._owners]
        return out
