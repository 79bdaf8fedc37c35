"""The kernels in NumPy, with the signatures of the compiled module: their definition and fallback.

Each function computes in float64 and rounds once, so that it can stand as the oracle of every
compiled variant. Written to be read, not to be fast.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, I32, U16, Array
from twinsdk.errors import ShapeError

__all__ = ["Rig", "forward_kinematics", "supported_isas"]


def supported_isas() -> tuple[str, ...]:
    """Return the instruction sets of this module: none but NumPy's own."""
    return ("numpy",)


def forward_kinematics(
    *,
    parents: I32,
    rest_translations: F32,
    rotations: F32,
    root_translations: F32,
    world_rotations: Array,
    world_positions: Array,
) -> None:
    """Fill the world transforms of (T, J, 4) local rotations; see `kernel.forward_kinematics`."""
    world_q = rotations.astype(np.float64)
    offsets = rest_translations.astype(np.float64)
    world_p = np.zeros((*world_q.shape[:2], 3))
    world_p[:, 0] = root_translations
    for j in range(1, len(parents)):
        above = world_q[:, parents[j]]
        world_q[:, j] = quat.multiply(above, world_q[:, j])
        world_p[:, j] = world_p[:, parents[j]] + quat.rotate(above, offsets[j])
    world_rotations[:] = world_q
    world_positions[:] = world_p


class Rig:
    """A skin in the user's order, one dense (V, J) weight matrix; see `kernel.Rig`."""

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
        rows = np.arange(count)[:, None]
        np.add.at(dense, (rows, joints.astype(np.int64)), weights.astype(np.float64))
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
        *,
        matrices: F32,
        morph_weights: F32 | None,
        positions: F32,
        normals: F32 | None,
        block_order: bool,
    ) -> None:
        """Fill positions (T, V, 3) and unit normals of (T, J, 3, 4) matrices."""
        for t, frame in enumerate(matrices.astype(np.float64)):
            blended = (self._weights @ frame.reshape(-1, 12)).reshape(-1, 3, 4)
            points = self._vertices
            if morph_weights is not None and self._offsets is not None:
                points = points + np.einsum("e,evd->vd", morph_weights[t], self._offsets)
            moved = np.einsum("vab,vb->va", blended[..., :3], points) + blended[..., 3]
            self._write(positions[t], moved, block_order)
            if normals is not None and self._normals is not None:
                turned = np.einsum("vab,vb->va", blended[..., :3], self._normals)
                length = np.sqrt((turned * turned).sum(-1, keepdims=True))
                unit = turned / np.where(length > 0, length, 1)
                self._write(normals[t], unit, block_order)

    def pose(
        self,
        *,
        rotations: F32,
        root_translations: F32,
        morph_weights: F32 | None,
        positions: F32,
        normals: F32 | None,
        block_order: bool,
    ) -> None:
        """Fill the outputs from (T, J, 4) local rotations and (T, 3) root translations."""
        parents, rest_translations, inverse_bind = self._skeleton
        if parents is None or rest_translations is None or inverse_bind is None:
            raise ShapeError("rig: expected one bound with a skeleton, got none; use skin()")
        world_q = np.zeros(rotations.shape)
        world_p = np.zeros((*rotations.shape[:2], 3))
        forward_kinematics(
            parents=parents,
            rest_translations=rest_translations,
            rotations=rotations,
            root_translations=root_translations,
            world_rotations=world_q,
            world_positions=world_p,
        )
        matrices = quat.to_matrix(world_q) @ inverse_bind.astype(np.float64)
        matrices[..., 3] += world_p
        self.skin(
            matrices=matrices,
            morph_weights=morph_weights,
            positions=positions,
            normals=normals,
            block_order=block_order,
        )

    def _write(self, out: F32, rows: F64, block_order: bool) -> None:
        if block_order:
            out[: self.vertex_count], out[self.vertex_count :] = rows, 0
        else:
            out[:] = rows
