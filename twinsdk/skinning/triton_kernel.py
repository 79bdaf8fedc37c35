"""Linear blend skinning as one Triton kernel, for CUDA tensors where Triton is installed.

A program takes a run of vertices through a few frames: joints and weights are read once for all of
them, matrices come from the cache, and only the result goes to memory.
"""

# Triton reads these functions itself and has no types.
# mypy: ignore-errors
from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["skin"]

VERTICES = 128
FRAMES = 4


@triton.jit
def _skin_kernel(
    points,
    matrices,
    joints,
    weights,
    out,
    vertex_count,
    frame_count,
    joint_count,
    points_stride,
    influences: tl.constexpr,
    run: tl.constexpr,
    span: tl.constexpr,
):
    vertex = tl.program_id(0) * run + tl.arange(0, run)
    inside = vertex < vertex_count
    column = tl.arange(0, 4)[None, :]
    for step in range(span):
        frame = tl.program_id(1) * span + step
        mask = inside & (vertex * 0 + frame < frame_count)
        # 64 bits: a batch of bodies has more than 2^31 numbers.
        wide = frame.to(tl.int64)
        point = points + wide * points_stride + vertex[:, None] * 3 + column
        xyz1 = tl.load(point, mask=mask[:, None] & (column < 3), other=1.0)
        row_x = tl.zeros((run, 4), tl.float32)
        row_y = tl.zeros((run, 4), tl.float32)
        row_z = tl.zeros((run, 4), tl.float32)
        for k in tl.static_range(influences):
            weight = tl.load(weights + vertex * influences + k, mask=mask, other=0.0)[:, None]
            joint = tl.load(joints + vertex * influences + k, mask=mask, other=0)
            # A whole row of four at once: twelve numbers in three loads.
            m = matrices + ((wide * joint_count + joint) * 12)[:, None] + column
            row_x += weight * tl.load(m, mask=mask[:, None], other=0.0)
            row_y += weight * tl.load(m + 4, mask=mask[:, None], other=0.0)
            row_z += weight * tl.load(m + 8, mask=mask[:, None], other=0.0)
        to = out + wide * vertex_count * 3 + vertex * 3
        tl.store(to, tl.sum(row_x * xyz1, 1), mask=mask)
        tl.store(to + 1, tl.sum(row_y * xyz1, 1), mask=mask)
        tl.store(to + 2, tl.sum(row_z * xyz1, 1), mask=mask)


def skin(points: Tensor, matrices: Tensor, joints: Tensor, weights: Tensor) -> Tensor:
    """Return the vertices (T, V, 3); the arguments are those of `torch_op.linear_blend_skin`."""
    frames, vertices = matrices.shape[0], points.shape[-2]
    out = matrices.new_empty((frames, vertices, 3))
    if out.numel() == 0:
        return out
    matrices, points = matrices.contiguous(), points.contiguous()
    grid = (triton.cdiv(vertices, VERTICES), triton.cdiv(frames, FRAMES))
    with torch.cuda.device_of(points):
        _skin_kernel[grid](
            points,
            matrices,
            joints.contiguous(),
            weights.contiguous(),
            out,
            vertices,
            frames,
            matrices.shape[1],
            0 if points.dim() == 2 else vertices * 3,
            influences=joints.shape[1],
            run=VERTICES,
            span=FRAMES,
        )
    return out
