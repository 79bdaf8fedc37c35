"""Linear blend skinning as a torch operator, `torch.ops.twinsdk.linear_blend_skin`.

On the CPU in float32 it runs forward and backward in C++; on CUDA in float32 in a Triton kernel
where Triton is installed, but for the gradient by the matrices; else in torch operations. Fake
tensors, autograd and torch.compile know it.
"""

# ruff: noqa: ARG001  # torch fixes the parameters of an operator's parts
from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from itertools import count
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from twinsdk.core.arrays import F32
from twinsdk.core.rig import Rig

__all__ = ["blended", "linear_blend_skin", "register"]

# An operator takes tensors and numbers only, so a rig travels as the number it is kept under.
_RIGS: WeakValueDictionary[int, Rig] = WeakValueDictionary()
_NUMBERS = count(1)


def register(rig: Rig) -> int:
    """Return the number under which the operator finds `rig` as long as the caller keeps it."""
    number = next(_NUMBERS)
    _RIGS[number] = rig
    return number


def blended(matrices: Tensor, joints: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum (T, V, 3, 4) of each vertex's joint matrices (T, J, 3, 4).

    One influence slot at a time: all at once would hold K copies of the result.
    """
    total = matrices[:, joints[:, 0]] * weights[:, 0, None, None]
    for k in range(1, joints.shape[1]):
        total = total + matrices[:, joints[:, k]] * weights[:, k, None, None]
    return total


@torch.library.custom_op("twinsdk::linear_blend_skin", mutates_args=())
def linear_blend_skin(
    points: Tensor, matrices: Tensor, joints: Tensor, weights: Tensor, rig: int, bound: bool
) -> Tensor:
    """Return the vertices (T, V, 3) skinned by matrices (T, J, 3, 4).

    Args:
        points: (V, 3) or (T, V, 3) at bind.
        matrices: World_from_joint times inverse bind.
        joints: (V, K) int64.
        weights: (V, K), rows sum to 1.
        rig: From `register`: the same skin, bound for C++.
        bound: Whether `points` are the vertices the rig was bound with.
    """
    if _in_cpp(points, matrices):
        found = _RIGS[rig].skin(_array(matrices), points=_cpp_points(points, bound))
        return torch.from_numpy(found)
    return _moved(points, matrices, joints, weights)


@linear_blend_skin.register_fake
def _(
    points: Tensor, matrices: Tensor, joints: Tensor, weights: Tensor, rig: int, bound: bool
) -> Tensor:
    return matrices.new_empty((matrices.shape[0], points.shape[-2], 3))


@torch.library.custom_op("twinsdk::linear_blend_skin_backward", mutates_args=())
def _backward_op(
    grad: Tensor,
    points: Tensor,
    matrices: Tensor,
    joints: Tensor,
    weights: Tensor,
    rig: int,
    bound: bool,
    by_points: bool,
) -> tuple[Tensor, Tensor]:
    if _in_cpp(points, matrices):
        for_points, for_matrices = map(
            torch.from_numpy,
            _RIGS[rig].gradients(
                _array(matrices),
                _array(grad),
                points=_cpp_points(points, bound),
            ),
        )
    else:
        for_matrices = _matrix_gradients(grad, points, matrices.shape[1], joints, weights)
        if by_points:
            back = torch.nn.functional.pad(matrices[..., :3].transpose(-1, -2), (0, 1))
            for_points = _moved(grad, back, joints, weights)
    if not by_points:
        return points.new_empty(0), for_matrices
    return (for_points.sum(0) if points.dim() == 2 else for_points), for_matrices


@_backward_op.register_fake
def _(
    grad: Tensor,
    points: Tensor,
    matrices: Tensor,
    joints: Tensor,
    weights: Tensor,
    rig: int,
    bound: bool,
    by_points: bool,
) -> tuple[Tensor, Tensor]:
    return points.new_empty(points.shape if by_points else 0), matrices.new_empty(matrices.shape)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]  # torch gives no types
    points, matrices, joints, weights, ctx.rig, ctx.bound = inputs
    ctx.save_for_backward(points, matrices, joints, weights)


def _gradients(ctx, grad):  # type: ignore[no-untyped-def]
    points, matrices, joints, weights = ctx.saved_tensors
    by_points = ctx.needs_input_grad[0]
    for_points, for_matrices = _backward_op(
        grad, points, matrices, joints, weights, ctx.rig, ctx.bound, by_points
    )
    return for_points if by_points else None, for_matrices, None, None, None, None


linear_blend_skin.register_autograd(_gradients, setup_context=_keep)


def _moved(points: Tensor, matrices: Tensor, joints: Tensor, weights: Tensor) -> Tensor:
    """Return the skinned vertices (T, V, 3) where C++ does not make them."""
    if points.is_cuda and points.dtype == matrices.dtype == torch.float32 and _has_triton():
        from twinsdk.skinning import triton_kernel

        by_triton: Tensor = triton_kernel.skin(points, matrices, joints, weights)
        return by_triton
    transforms = blended(matrices, joints, weights)
    return (transforms[..., :3] @ points[..., None])[..., 0] + transforms[..., 3]


def _matrix_gradients(
    grad: Tensor, points: Tensor, count: int, joints: Tensor, weights: Tensor
) -> Tensor:
    """Return the gradient (T, J, 3, 4) by the matrices.

    As products with the weights of all joints (V, J): adding each vertex to its joints has
    thousands of threads wait for the same few numbers.
    """
    dense = weights.new_zeros((len(weights), count)).scatter_add_(1, joints, weights)
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    if points.dim() == 2:  # one product for all frames
        spread = (dense[:, :, None] * homogeneous[:, None]).flatten(1)
        product = grad.mT.reshape(-1, len(dense)) @ spread
        return product.view(len(grad), 3, count, 4).transpose(1, 2).contiguous()
    outer = (grad[..., :, None] * homogeneous[..., None, :]).flatten(2)
    return (dense.T @ outer).view(len(grad), count, 3, 4)


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _in_cpp(points: Tensor, matrices: Tensor) -> bool:
    return points.device.type == "cpu" and points.dtype == matrices.dtype == torch.float32


def _cpp_points(points: Tensor, bound: bool) -> F32 | None:
    return None if bound else _array(points)


def _array(tensor: Tensor) -> F32:
    """Return a float32 CPU tensor's own memory as an array."""
    array: F32 = tensor.detach().contiguous().numpy()
    return array
