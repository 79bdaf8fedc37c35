"""A gated linear recurrence network that steps one frame at a time, without torch.

The network is defined in `csrc/include/twinsdk/recurrent.hpp` and, readably, in
`_recurrent_reference.py`. Its matrices are bfloat16: half the memory to read a frame, which is what
a step costs when the caches are cold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from twinsdk.core import _recurrent_reference as reference
from twinsdk.core import kernel
from twinsdk.core.arrays import F32, U16, Array, as_array, as_f32
from twinsdk.errors import ShapeError

__all__ = ["RecurrentNetwork", "Steps", "bfloat16", "packed"]

_BLOCK = reference.BLOCK


def bfloat16(values: Array) -> U16:
    """Return float32 values rounded to bfloat16, as their 16 bits."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    even = (bits >> 16) & 1
    return ((bits + 0x7FFF + even) >> 16).astype(np.uint16)


def packed(layers: Sequence[tuple[Array, Array]]) -> tuple[U16, F32]:
    """Return matrices (outputs, inputs) and biases (outputs,) in the kernel's layout.

    Args:
        layers: In the network's order.
    """
    matrices, biases = [], []
    for matrix, bias in layers:
        outputs, inputs = matrix.shape
        blocks = -(-outputs // _BLOCK)
        padded = np.zeros((blocks * _BLOCK, inputs), np.float32)
        padded[:outputs] = matrix
        bits = bfloat16(padded).reshape(blocks, _BLOCK, inputs)
        matrices.append(np.ascontiguousarray(bits.transpose(0, 2, 1)).ravel())
        own = np.zeros(blocks * _BLOCK, np.float32)
        own[:outputs] = bias
        biases.append(own)
    return np.concatenate(matrices), np.concatenate(biases)


class Steps(Protocol):
    """What runs a network frame by frame, wherever."""

    def fresh_state(self, people: int) -> F32:
        """Return the state (people, layers, hidden) before the first frame."""

    def step(self, rows: F32, ticks: F32, state: F32) -> F32:
        """Return the outputs (N, heads) of one frame and move `state` on, in place."""


class RecurrentNetwork:
    """Steps a network; holds its weights and no state.

    Args:
        sizes: `width`, `hidden`, `layers`, `heads`.
        matrices: As `packed` packs them.
        biases: The same.
        mean: (width,) of the inputs.
        scale: (width,) by which they are multiplied after.
        isa: Of the kernels; None is the best here, "numpy" the reference.

    Raises:
        ShapeError: An array has another size than `sizes` ask for.
    """

    def __init__(
        self,
        sizes: dict[str, int],
        *,
        matrices: Array,
        biases: Array,
        mean: Array,
        scale: Array,
        isa: str | None = None,
    ) -> None:
        self.sizes = dict(sizes)
        shapes = reference.layer_sizes(**self.sizes)
        padded = [-(-outputs // _BLOCK) * _BLOCK for _, outputs in shapes]
        count = sum(inputs * p for (inputs, _), p in zip(shapes, padded, strict=True))
        width = self.sizes["width"]
        self._weights = {
            "matrices": as_array("matrices", matrices, (count,), np.uint16),
            "biases": as_f32("biases", biases, (sum(padded),)),
            "mean": as_f32("mean", mean, (width,)),
            "scale": as_f32("scale", scale, (width,)),
        }
        if ((self._weights["matrices"] & 0x7F80) == 0x7F80).any():
            raise ShapeError("matrices: expected finite weights")
        self._isa = kernel.checked_isa(isa)
        self._module = reference if self._isa == "numpy" else kernel.implementation(self._isa)
        scratch = 0 if self._isa == "numpy" else self._module.recurrent_scratch_size(**self.sizes)
        self._scratch = np.zeros(scratch, np.float32)

    @property
    def mean(self) -> F32:
        """(width,) of the inputs."""
        return self._weights["mean"]

    @property
    def scale(self) -> F32:
        """(width,) by which inputs are multiplied after."""
        return self._weights["scale"]

    def layers(self) -> list[tuple[F32, F32]]:
        """Return matrices (outputs, inputs) and biases (outputs,), in the network's order."""
        sizes = reference.layer_sizes(**self.sizes)
        return reference.unpacked(sizes, self._weights["matrices"], self._weights["biases"])

    def fresh_state(self, people: int) -> F32:
        """Return the state (people, layers, hidden) before the first frame."""
        return np.zeros((people, self.sizes["layers"], self.sizes["hidden"]), np.float32)

    def step(self, rows: F32, ticks: F32, state: F32) -> F32:
        """Return the outputs (N, heads) of one frame and move `state` on, in place.

        Args:
            rows: (N, width) float32.
            ticks: (N,) float32, thirtieths of a second since the frame before.
            state: (N, layers, hidden) float32.

        Raises:
            ShapeError: Sizes differ.
        """
        count = len(ticks)
        wanted = (count, self.sizes["layers"], self.sizes["hidden"])
        if rows.shape != (count, self.sizes["width"]) or state.shape != wanted:
            raise ShapeError(
                f"rows, state: expected {(count, self.sizes['width'])} and {wanted}, "
                f"got {rows.shape} and {state.shape}"
            )
        out = np.empty((count, self.sizes["heads"]), np.float32)
        self._module.recurrent_step(
            **self.sizes,
            **self._weights,
            rows=np.ascontiguousarray(rows, np.float32),
            ticks=np.ascontiguousarray(ticks, np.float32),
            state=state,
            out=out,
            scratch=self._scratch,
            isa=self._isa,
        )
        return out
