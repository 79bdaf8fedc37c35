"""Matrices of small networks in float16, which are read twice as fast as in float32.

The door to `csrc/src/half_matrix.cpp`; where there is no kernel, NumPy multiplies in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twinsdk.core import kernel
from twinsdk.core.arrays import F32, Array, as_f32
from twinsdk.errors import ValueRangeError

__all__ = ["HalfMatrix"]

_LARGEST = float(np.finfo(np.float16).max)


class HalfMatrix:
    """A matrix that rows are multiplied by, one at a time.

    Args:
        matrix: (inputs, outputs); rounded to float16.

    Raises:
        ShapeError, ValueRangeError: It is no matrix, or a number is beyond float16.
    """

    def __init__(self, matrix: Array) -> None:
        whole = as_f32("matrix", matrix, ("inputs", "outputs"))
        if whole.size and np.abs(whole).max() > _LARGEST:
            raise ValueRangeError(f"matrix: expected up to {_LARGEST}, as float16 tells, got more")
        halves = whole.astype(np.float16)
        self._times: Callable[[F32], F32] = halves.astype(np.float32).__rmatmul__
        module = kernel.compiled()
        if module is not None and kernel.isa() != "base" and module.half_supported():
            self._times = module.HalfMatrix(halves.view(np.uint16)).times

    def after(self, row: F32) -> F32:
        """Return `row` (inputs,) times the matrix, (outputs,).

        Raises:
            ValueError: The row has another size.
        """
        return self._times(row)
