"""Rig: a skinned mesh bound for the kernels, posed by matrices or by joint rotations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twinsdk.core import kernel
from twinsdk.core.arrays import F32, I32, U16, Dim, as_array, as_f32
from twinsdk.errors import ShapeError, ValueRangeError

__all__ = ["BLOCK", "Rig"]

BLOCK = 16
"""Vertices in a block of a rig's own order."""

MAX_JOINTS = 65536
_WEIGHT_TOLERANCE = 1e-3


class Rig:
    """A skinned mesh bound for the kernels; immutable, so any number of threads may use it.

    Vertices are regrouped in blocks of `BLOCK` that share joints, exactly, for any number of
    influences. Weights within 0.001 of sum 1 are made exact; duplicates of a joint are added.

    Args:
        vertices: (V, 3) metres at bind.
        joints, weights: (V, K); a slot of weight 0 may name any joint.
        joint_count: J.
        normals: (V, 3) at bind, or None when they are never asked for.
        morph_offsets: (E, V, 3) metres, or None.
        parents, rest_translations, inverse_bind: (J,), (J, 3) and (J, 4, 4), all or none; with
            them `pose` works.
        isa: A variant of `kernel.isas()`; None is `kernel.isa()`.

    Raises:
        ShapeError, ValueRangeError: An array cannot be used; the message names it.
        UsageError: The variant does not run here.
    """

    def __init__(
        self,
        *,
        vertices: npt.ArrayLike,
        joints: npt.ArrayLike,
        weights: npt.ArrayLike,
        joint_count: int,
        normals: npt.ArrayLike | None = None,
        morph_offsets: npt.ArrayLike | None = None,
        parents: npt.ArrayLike | None = None,
        rest_translations: npt.ArrayLike | None = None,
        inverse_bind: npt.ArrayLike | None = None,
        isa: str | None = None,
    ) -> None:
        self.isa = kernel.checked_isa(isa)
        points = as_f32("vertices", vertices, ("V", 3))
        count = len(points)
        weight, joint = _checked_weights(weights, joints, count, joint_count)
        skeleton = (parents, rest_translations, inverse_bind)
        self.has_skeleton = any(part is not None for part in skeleton)
        if self.has_skeleton and any(part is None for part in skeleton):
            raise ShapeError(
                "rig: expected parents, rest_translations and inverse_bind together, got some"
            )
        self.joint_count = joint_count
        self.has_normals = normals is not None
        bind = _maybe("inverse_bind", inverse_bind, (joint_count, 4, 4))
        self._rig: Any = kernel.implementation(self.isa).Rig(
            vertices=points,
            normals=_maybe("normals", normals, (count, 3)),
            joints=joint,
            weights=weight,
            joint_count=joint_count,
            morph_offsets=_maybe("morph_offsets", morph_offsets, ("E", count, 3)),
            parents=None if parents is None else _checked_parents(parents, joint_count),
            rest_translations=_maybe("rest_translations", rest_translations, (joint_count, 3)),
            inverse_bind=None if bind is None else np.ascontiguousarray(bind[:, :3]),
            isa=self.isa,
        )
        self.vertex_count = count
        self.morph_count = self._rig.morph_count
        self.block_rows = BLOCK * self._rig.block_count
        self.joints_per_block = self._rig.listed_joints / max(1, self._rig.block_count)

    @property
    def order(self) -> I32:
        """The vertex in each row of the block order, -1 for padding, (block_rows,)."""
        order: I32 = self._rig.order
        return order

    def skin(
        self,
        matrices: npt.ArrayLike,
        *,
        morph_weights: npt.ArrayLike | None = None,
        out: F32 | None = None,
        normals_out: F32 | None = None,
        block_order: bool = False,
    ) -> F32:
        """Return the vertices (..., V, 3) skinned by `matrices`; `...` is nothing or frames T.

        Args:
            matrices: (..., J, 3, 4), world_from_joint times inverse bind.
            morph_weights: (..., E), or None for none.
            out: (..., V, 3) float32, C-contiguous; filled and returned when given.
            normals_out: The same for unit normals, the rest normals turned by the blended matrix.
            block_order: Rows are `order`'s instead of the user's, and V is `block_rows`.

        Raises:
            ShapeError, ValueRangeError: An array cannot be used; the message names it.
        """
        frames = _as_frames("matrices", matrices, (self.joint_count, 3, 4))
        lead = frames.shape[:-3]
        out, normals_out = self._outputs(lead, out, normals_out, block_order)
        self._rig.skin(
            matrices=frames if lead else frames[None],
            morph_weights=self._morphs(lead, morph_weights),
            positions=out if lead else out[None],
            normals=normals_out if lead or normals_out is None else normals_out[None],
            block_order=block_order,
        )
        return out

    def pose(
        self,
        rotations: F32,
        root_translations: F32,
        *,
        morph_weights: npt.ArrayLike | None = None,
        out: F32 | None = None,
        normals_out: F32 | None = None,
        block_order: bool = False,
    ) -> F32:
        """Return the vertices (..., V, 3) in a pose or in the T poses of a clip.

        Args:
            rotations: (..., J, 4) xyzw parent_from_joint, unit, float32.
            root_translations: (..., 3) metres, world.
            morph_weights: As in `skin`, like the three that follow.
            out: (..., V, 3) float32 to fill.
            normals_out: (..., V, 3) float32 to fill.
            block_order: Whether rows are `order`'s.

        Raises:
            ShapeError, ValueRangeError: An array cannot be used; the message names it.
        """
        if not self.has_skeleton:
            raise ShapeError("rig: expected one bound with a skeleton, got none; use skin()")
        local = _as_frames("rotations", rotations, (self.joint_count, 4))
        lead = local.shape[:-2]
        roots = as_f32("root_translations", root_translations, (*lead, 3))
        out, normals_out = self._outputs(lead, out, normals_out, block_order)
        self._rig.pose(
            rotations=local if lead else local[None],
            root_translations=roots if lead else roots[None],
            morph_weights=self._morphs(lead, morph_weights),
            positions=out if lead else out[None],
            normals=normals_out if lead or normals_out is None else normals_out[None],
            block_order=block_order,
        )
        return out

    def _outputs(
        self, lead: tuple[int, ...], out: F32 | None, normals_out: F32 | None, block_order: bool
    ) -> tuple[F32, F32 | None]:
        shape = (*lead, self.block_rows if block_order else self.vertex_count, 3)
        if out is None:
            out = np.empty(shape, np.float32)
        else:
            kernel.check_output("out", out, shape)
        if normals_out is not None:
            if not self.has_normals:
                raise ShapeError("normals_out: expected a rig bound with normals, got none")
            kernel.check_output("normals_out", normals_out, shape)
        return out, normals_out

    def _morphs(self, lead: tuple[int, ...], weights: npt.ArrayLike | None) -> F32 | None:
        if weights is None:
            return None
        checked = as_f32("morph_weights", weights, (*lead, self.morph_count))
        return checked if lead else checked[None]


def _maybe(name: str, value: npt.ArrayLike | None, shape: tuple[Dim, ...]) -> F32 | None:
    return None if value is None else as_f32(name, value, shape)


def _as_frames(name: str, value: npt.ArrayLike, tail: tuple[int, ...]) -> F32:
    array = np.asarray(value)
    shape: tuple[Dim, ...] = ("T", *tail) if array.ndim == len(tail) + 1 else tail
    return as_f32(name, array, shape)


def _checked_weights(
    weights: npt.ArrayLike, joints: npt.ArrayLike, count: int, joint_count: int
) -> tuple[F32, U16]:
    if not 1 <= joint_count <= MAX_JOINTS:
        raise ShapeError(f"joint_count: expected 1 to {MAX_JOINTS}, got {joint_count}")
    weight = as_f32("weights", weights, (count, "K"))
    joint: U16 = as_array("joints", joints, weight.shape, np.uint16)
    if weight.size and weight.min() < 0:
        raise ValueRangeError(f"weights: expected none negative, got {weight.min()}")
    used = joint[weight > 0]
    if used.size and used.max() >= joint_count:
        raise ValueRangeError(f"joints: expected indices below {joint_count}, got {used.max()}")
    sums = weight.sum(1, dtype=np.float64)
    wrong = np.abs(sums - 1) > _WEIGHT_TOLERANCE
    if wrong.any():
        v = int(np.argmax(wrong))
        raise ValueRangeError(f"weights: expected rows that sum to 1, got {sums[v]:.4f} at {v}")
    return weight, joint


def _checked_parents(parents: npt.ArrayLike, joint_count: int) -> I32:
    checked: I32 = as_array("parents", parents, (joint_count,), np.int32)
    if checked[0] != -1 or (checked[1:] < 0).any() or (checked >= np.arange(joint_count)).any():
        raise ValueRangeError("parents: expected -1 for joint 0, then each parent before its child")
    return checked
