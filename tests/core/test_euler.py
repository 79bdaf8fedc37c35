"""Rotations from Euler angles: compiled and reference agree with one turn after another."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from twinsdk.core import kernel, quat
from twinsdk.errors import ValueRangeError


@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_three_turns_one_after_another(axes):
    rng = np.random.default_rng(2)
    degrees = rng.uniform(-900, 900, size=(200, 7))
    degrees[:9, :3] = np.arange(-4, 5)[:, None] * 90.0
    columns = np.array([[0, 1, 2], [6, 3, 4]])
    found = kernel.rotations_from_euler(degrees, columns, axes)
    wanted = np.zeros((200, 2, 4))
    wanted[..., 3] = 1
    for i, axis in enumerate(axes):
        turn = quat.from_axis_angle(np.eye(3)[axis], np.radians(degrees[:, columns[:, i]]))
        wanted = quat.multiply(wanted, turn)
    assert (found[..., 3] >= 0).all()
    assert quat.angle(found, wanted).max() < 2e-6  # float32


@pytest.mark.skipif(not kernel.is_native(), reason="no compiled kernel")
def test_compiled_and_reference_agree():
    rng = np.random.default_rng(3)
    degrees = rng.uniform(-400, 400, size=(50, 6))
    columns = np.array([[0, 1, 2], [3, 4, 5]], np.int64)
    ours, reference = (np.empty((50, 2, 4), np.float32) for _ in range(2))
    kernel.native.rotations_from_euler(degrees, columns, (2, 0, 1), ours)
    kernel.reference.rotations_from_euler(degrees, columns, (2, 0, 1), reference)
    assert quat.angle(ours, reference).max() < 3e-6
    with pytest.raises(ValueError, match="columns"):
        kernel.native.rotations_from_euler(degrees, columns + 5, (2, 0, 1), ours)


def test_columns_and_axes_that_are_not_there_are_named():
    with pytest.raises(ValueRangeError, match="columns: expected 0 to 2"):
        kernel.rotations_from_euler(np.zeros((1, 3)), [[0, 1, 3]], (0, 1, 2))
    with pytest.raises(ValueRangeError, match="axes"):
        kernel.rotations_from_euler(np.zeros((1, 3)), [[0, 1, 2]], (0, 1, 1))
