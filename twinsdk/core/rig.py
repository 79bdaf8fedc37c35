"""Rig and MeshNormals: a mesh bound once for the kernels, skinned and lit many times."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from twinsdk.core import kernel
from twinsdk.core.arrays import F32, I32, U16, Dim, as_array, as_f32
from twinsdk.errors import ShapeError, UsageError, ValueRangeError

__all__ = ["BLOCK", "METHODS", "MeshNormals", "Rig", "seam_owners"]

BLOCK = 16
"""Vertices in a block of a rig's own order."""

METHODS = ("linear", "dual")
"""How joints are blended: matrices, or dual quaternions, which keep the volume at twists."""

MAX_JOINTS = 65536
MAX_THREADS = 64
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
        # A compiled rig takes arrays that need no change and answers None where it cannot: looking
        # at them here first would cost more than skinning a small mesh does.
        self._compiled = self.isa != "numpy"
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
        points: npt.ArrayLike | None = None,
        out: F32 | None = None,
        normals_out: F32 | None = None,
        method: str = "linear",
        block_order: bool = False,
        threads: int = 1,
    ) -> F32:
        """Return the vertices (..., V, 3) skinned by `matrices`; `...` is nothing or frames T.

        Args:
            matrices: (..., J, 3, 4), world_from_joint times inverse bind.
            morph_weights: (..., E), or None for none.
            points: (V, 3) or (..., V, 3) to skin instead of the bound vertices.
            out: (..., V, 3) float32, C-contiguous; filled and returned when given.
            normals_out: The same for unit normals, the rest normals turned with the skin.
            method: "linear", or "dual" for dual quaternions, which keep the volume at twists.
            block_order: Rows are `order`'s instead of the user's, and V is `block_rows`.
            threads: At most so many work on a batch; a small one stays on the caller's.

        Raises:
            ShapeError, ValueRangeError, UsageError: An argument cannot be used; named.
        """
        if self._compiled:
            done = self._rig.skin(
                matrices, morph_weights, points, out, normals_out, method, block_order, threads
            )
            if done is not None:
                return done
        frames = _as_frames("matrices", matrices, (self.joint_count, 3, 4))
        lead = frames.shape[:-3]
        out, normals_out = self._outputs(lead, out, normals_out, block_order)
        return self._rig.skin(
            frames,
            self._morphs(lead, morph_weights),
            None if points is None else self._points(lead, points),
            out,
            normals_out,
            _checked_method(method),
            bool(block_order),
            _checked_threads(threads),
        )

    def pose(
        self,
        rotations: F32,
        root_translations: F32,
        *,
        morph_weights: npt.ArrayLike | None = None,
        out: F32 | None = None,
        normals_out: F32 | None = None,
        method: str = "linear",
        block_order: bool = False,
        threads: int = 1,
    ) -> F32:
        """Return the vertices (..., V, 3) in a pose or in the T poses of a clip.

        Args:
            rotations: (..., J, 4) xyzw parent_from_joint, unit, float32.
            root_translations: (..., 3) metres, world.
            morph_weights: As in `skin`, like the five that follow.
            out: (..., V, 3) float32 to fill.
            normals_out: (..., V, 3) float32 to fill.
            method: "linear" or "dual".
            block_order: Whether rows are `order`'s.
            threads: At most so many.

        Raises:
            ShapeError, ValueRangeError, UsageError: An argument cannot be used; named.
        """
        if self._compiled:
            done = self._rig.pose(
                rotations,
                root_translations,
                morph_weights,
                out,
                normals_out,
                method,
                block_order,
                threads,
            )
            if done is not None:
                return done
        if not self.has_skeleton:
            raise ShapeError("rig: expected one bound with a skeleton, got none; use skin()")
        local = _as_frames("rotations", rotations, (self.joint_count, 4))
        lead = local.shape[:-2]
        out, normals_out = self._outputs(lead, out, normals_out, block_order)
        return self._rig.pose(
            local,
            kernel.checked_f32("root_translations", root_translations, (*lead, 3)),
            self._morphs(lead, morph_weights),
            out,
            normals_out,
            _checked_method(method),
            bool(block_order),
            _checked_threads(threads),
        )

    def gradients(
        self,
        matrices: npt.ArrayLike,
        grad: npt.ArrayLike,
        *,
        points: npt.ArrayLike | None = None,
        threads: int = 1,
    ) -> tuple[F32, F32]:
        """Return the gradients of linear skinning by its points and its matrices.

        Sums run in a fixed order, in double: the same on every run and number of threads.

        Args:
            matrices: (T, J, 3, 4) that were skinned with.
            grad: (T, V, 3) gradient by the skinned vertices.
            points: (V, 3) or (T, V, 3) that were skinned; None for the bound vertices.
            threads: At most so many, each on its own frames.

        Returns:
            (T, V, 3) by the points and (T, J, 3, 4) by the matrices.

        Raises:
            ShapeError, ValueRangeError: An array cannot be used; named.
        """
        frames = as_f32("matrices", matrices, ("T", self.joint_count, 3, 4))
        lead = frames.shape[:1]
        by_positions = as_f32("grad", grad, (*lead, self.vertex_count, 3))
        by_points = np.empty_like(by_positions)
        by_matrices = np.empty_like(frames)
        self._rig.gradients(
            matrices=frames,
            points=None if points is None else self._points(lead, points),
            grad_positions=by_positions,
            grad_points=by_points,
            grad_matrices=by_matrices,
            threads=_checked_threads(threads),
        )
        return by_points, by_matrices

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

    def _points(self, lead: tuple[int, ...], points: npt.ArrayLike) -> F32:
        own = lead if np.ndim(points) == 3 else ()
        return kernel.checked_f32("points", points, (*own, self.vertex_count, 3))

    def _morphs(self, lead: tuple[int, ...], weights: npt.ArrayLike | None) -> F32 | None:
        if weights is None:
            return None
        return kernel.checked_f32("morph_weights", weights, (*lead, self.morph_count))


class MeshNormals:
    """Vertex normals of a mesh, recomputed from its triangles, each weighted by its area.

    Args:
        triangles: (F, 3) vertex indices, counter-clockwise seen from outside.
        vertex_count: V.
        owners: (V,) for each vertex the one whose surface it is part of, so that the copies of a
            vertex along a texture seam share a normal; None for each its own. See `seam_owners`.
        isa: A variant of `kernel.isas()`; None is `kernel.isa()`.

    Raises:
        ShapeError, ValueRangeError: An array cannot be used; named.
    """

    def __init__(
        self,
        triangles: npt.ArrayLike,
        vertex_count: int,
        *,
        owners: npt.ArrayLike | None = None,
        isa: str | None = None,
    ) -> None:
        corners = as_array("triangles", triangles, ("F", 3), np.uint32)
        if corners.size and corners.max() >= vertex_count:
            raise ValueRangeError(
                f"triangles: expected vertex indices below {vertex_count}, got {corners.max()}"
            )
        owner = None if owners is None else as_array("owners", owners, (vertex_count,), np.int32)
        if owner is not None and owner.size and not 0 <= owner.min() <= owner.max() < vertex_count:
            raise ValueRangeError(f"owners: expected vertex indices below {vertex_count}")
        self.vertex_count = vertex_count
        name = kernel.checked_isa(isa)
        self._compiled = name != "numpy"
        self._normals: Any = kernel.implementation(name).MeshNormals(
            triangles=corners, vertex_count=vertex_count, owners=owner, isa=name
        )

    def of(self, vertices: npt.ArrayLike, out: F32 | None = None, *, threads: int = 1) -> F32:
        """Return unit normals (..., V, 3) of vertices (..., V, 3); a vertex without area gets 0.

        The same on any number of threads.

        Raises:
            ShapeError, ValueRangeError: An array cannot be used; named.
        """
        if self._compiled:
            done = self._normals.recompute(vertices, out, threads)
            if done is not None:
                return done
        frames = _as_frames("vertices", vertices, (self.vertex_count, 3))
        if out is None:
            out = np.empty_like(frames)
        else:
            kernel.check_output("out", out, frames.shape)
        return self._normals.recompute(frames, out, _checked_threads(threads))


def seam_owners(vertices: npt.ArrayLike, normals: npt.ArrayLike) -> I32:
    """Return for each vertex (V,) the first with the same place and normal at rest.

    Exporters repeat a vertex where its texture coordinates jump; place and normal tell that it is
    one surface. Vertices that differ in normal are a hard edge and stay apart.
    """
    points = as_f32("vertices", vertices, ("V", 3))
    keys = np.concatenate([points, as_f32("normals", normals, points.shape)], axis=1) + np.float32(
        0
    )
    rows = np.ascontiguousarray(keys).view(f"V{keys.itemsize * 6}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    owners: I32 = first[inverse.ravel()].astype(np.int32)
    return owners


def _checked_method(method: str) -> str:
    if method not in METHODS:
        raise UsageError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    return method


def _checked_threads(threads: int) -> int:
    if not 1 <= threads <= MAX_THREADS:
        raise UsageError(f"threads: expected 1 to {MAX_THREADS}, got {threads}")
    return index(threads)


def _maybe(name: str, value: npt.ArrayLike | None, shape: tuple[Dim, ...]) -> F32 | None:
    return None if value is None else as_f32(name, value, shape)


def _as_frames(name: str, value: npt.ArrayLike, tail: tuple[int, ...]) -> F32:
    array = np.asarray(value)
    lead = array.shape[:1] if array.ndim == len(tail) + 1 else ()
    return as_f32(name, array, (*lead, *tail))


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
