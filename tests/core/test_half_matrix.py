"""Rows times matrices of float16: as the float32 product of the rounded matrix, for any size."""

import numpy as np
import pytest

from twinsdk.core import kernel
from twinsdk.core.half_matrix import HalfMatrix
from twinsdk.errors import ShapeError, ValueRangeError


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("inputs", "outputs"), [(1, 1), (3, 64), (141, 65), (512, 512), (7, 0), (0, 3)]
)
def test_a_row_is_multiplied_by_the_rounded_matrix(monkeypatch, compiled, inputs, outputs):
    rng = np.random.default_rng(inputs + outputs)
    matrix = rng.normal(size=(inputs, outputs)).astype(np.float32)
    matrix[:, ::5] *= 1e-6  # float16 tells so small numbers, less finely
    with monkeypatch.context() as patch:
        if not compiled:
            patch.setattr(kernel, "compiled", lambda: None)
        half = HalfMatrix(matrix)
    row = rng.normal(size=inputs).astype(np.float32)
    wanted = row.astype(np.float64) @ matrix.astype(np.float16).astype(np.float64)
    got = half.after(row)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=2e-7 * inputs, rtol=1e-5)


def test_what_is_no_finite_matrix_or_no_such_row_is_refused():
    with pytest.raises(ShapeError, match="matrix"):
        HalfMatrix(np.zeros(3))
    with pytest.raises(ValueRangeError, match="matrix"):
        HalfMatrix(np.full((2, 2), np.inf))
    with pytest.raises(ValueRangeError, match="matrix"):
        HalfMatrix(np.full((2, 2), 1e5))  # beyond float16
    with pytest.raises(ValueError, match=r"row|size"):
        HalfMatrix(np.zeros((3, 2))).after(np.zeros(4, np.float32))
