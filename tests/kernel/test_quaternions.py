"""The float32 path of `core.quat` in C++: against the float64 formulas, shapes and edges."""

import numpy as np
import pytest

from twinsdk.core import kernel, quat
from twinsdk.core.skeleton import unit_quaternions
from twinsdk.errors import ShapeError, ValueRangeError

needs_build = pytest.mark.skipif(kernel.compiled() is None, reason="the formulas are in use")


def random(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("left", "right"),
    [((4,), (4,)), ((55, 4), (55, 4)), ((7, 55, 4), (55, 4)), ((3, 1, 4), (1, 5, 4)),
     ((0, 4), (4,)), ((5000, 4), (5000, 4))],
)  # fmt: skip
def test_multiplying_agrees_with_double_and_broadcasts(left, right):
    a, b = random(left), random(right, 2)
    got = quat.multiply(a, b)
    expected = quat.multiply(a.astype(np.float64), b.astype(np.float64))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=4e-6)


@pytest.mark.parametrize(
    ("turns", "vectors"),
    [((4,), (3,)), ((4,), (9, 3)), ((7, 55, 4), (55, 3)), ((6, 4), (2, 6, 3)), ((0, 4), (0, 3))],
)
def test_rotating_agrees_with_double_and_broadcasts(turns, vectors):
    q, v = quat.normalize(random(turns)), random(vectors, 2)
    got = quat.rotate(q, v)
    expected = quat.rotate(q.astype(np.float64), v.astype(np.float64))
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=4e-6)


def test_normalising_gives_unit_length_and_the_identity_for_nothing():
    q = random((6000, 4))
    q[3] = 0
    q[4] = [1e-20, 0, 0, 0]
    got = quat.normalize(q)
    expected = quat.normalize(q.astype(np.float64))
    expected[4] = [0, 0, 0, 1]  # below what float32 squares can tell from 0
    np.testing.assert_allclose(got, expected, atol=2e-7)
    np.testing.assert_array_equal(got[3], quat.IDENTITY)


def test_views_are_read_as_they_are_and_never_written():
    q = random((10, 8))[:, ::2]
    before = q.copy()
    np.testing.assert_array_equal(quat.multiply(q, q), quat.multiply(before, before))
    np.testing.assert_array_equal(quat.normalize(q), quat.normalize(before))
    np.testing.assert_array_equal(q, before)


@needs_build
def test_shapes_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match=r"expected shapes \(\.\.\., 4\)"):
        quat.multiply(random((5, 3)), random((5, 4)))
    with pytest.raises(ValueError, match="shape"):
        quat.multiply(random((5, 4)), random((6, 4)))
    with pytest.raises(ValueError, match=r"expected shapes \(\.\.\., 4\) and \(\.\.\., 3\)"):
        quat.rotate(random((5, 4)), random((5, 4)))


def test_what_is_nearly_unit_is_scaled_and_what_is_not_is_told_where():
    q = quat.normalize(random((7, 55, 4))) * np.float32(1.0005)
    got = unit_quaternions("turns", q, ("T", 55, 4))
    np.testing.assert_allclose(got, q / 1.0005, atol=3e-7)
    in_numpy = unit_quaternions("turns", q.astype(np.float64), got.shape)
    np.testing.assert_allclose(got, in_numpy, atol=2e-7)
    for once in (got, in_numpy):
        again = unit_quaternions("turns", once, once.shape)
        np.testing.assert_array_equal(again, once)
        assert not np.shares_memory(again, once)
    q[3, 20] *= 1.01
    with pytest.raises(ValueRangeError, match=r"turns: expected unit.* at \(3, 20\)"):
        unit_quaternions("turns", q, q.shape)
    q[3, 20] = np.nan
    with pytest.raises(ValueRangeError, match=r"turns: expected finite"):
        unit_quaternions("turns", q, q.shape)
    with pytest.raises(ShapeError, match="turns"):
        unit_quaternions("turns", q, (7, 54, 4))
