"""The laws of quaternion algebra, with scipy as the independent referee."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation, Slerp

from twinsdk.core import quat

EPS = 1e-9  # float64 throughout; a handful of operations on numbers near 1

raw = arrays(np.float64, (4,), elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1)
unit = raw.map(quat.normalize)
vector = arrays(np.float64, (3,), elements=st.floats(-10, 10))
direction = vector.filter(lambda v: np.linalg.norm(v) > 0.1)
lawful = settings(deadline=None, max_examples=150, derandomize=True)


def same(a, b, tolerance=1e-7):
    return quat.angle(a, b) < tolerance


@lawful
@given(unit, unit)
def test_product_of_unit_quaternions_is_unit(a, b):
    assert abs(np.linalg.norm(quat.multiply(a, b)) - 1) < EPS


@lawful
@given(unit, unit, unit)
def test_product_is_associative(a, b, c):
    left = quat.multiply(quat.multiply(a, b), c)
    right = quat.multiply(a, quat.multiply(b, c))
    np.testing.assert_allclose(left, right, atol=EPS)


@lawful
@given(unit)
def test_conjugate_is_the_inverse(q):
    np.testing.assert_allclose(quat.multiply(q, quat.conjugate(q)), [0, 0, 0, 1], atol=EPS)


@lawful
@given(unit, unit, vector)
def test_product_applies_the_right_factor_first(a, b, v):
    together = quat.rotate(quat.multiply(a, b), v)
    np.testing.assert_allclose(together, quat.rotate(a, quat.rotate(b, v)), atol=1e-7)


@lawful
@given(unit, vector)
def test_rotation_agrees_with_scipy(q, v):
    np.testing.assert_allclose(quat.rotate(q, v), Rotation.from_quat(q).apply(v), atol=1e-8)


@lawful
@given(unit, vector)
def test_opposite_quaternions_are_one_rotation(q, v):
    np.testing.assert_allclose(quat.rotate(q, v), quat.rotate(-q, v), atol=1e-8)
    assert same(q, -q)
    assert quat.positive(q)[3] >= 0


@lawful
@given(unit)
def test_matrix_round_trip(q):
    assert same(quat.from_matrix(quat.to_matrix(q)), q, 1e-6)


@lawful
@given(unit)
def test_rotation_vector_round_trip(q):
    vector_ = quat.to_rotation_vector(q)
    assert np.linalg.norm(vector_) <= np.pi + EPS
    assert same(quat.from_rotation_vector(vector_), q, 1e-6)


@lawful
@given(unit, unit)
def test_slerp_ends_where_it_should_and_is_symmetric(a, b):
    assert same(quat.slerp(a, b, 0.0), a, 1e-6)
    assert same(quat.slerp(a, b, 1.0), b, 1e-6)
    if quat.angle(a, b) < 3.1:  # at a half turn there are two shortest arcs
        assert same(quat.slerp(a, b, 0.3), quat.slerp(b, a, 0.7), 1e-5)


def test_slerp_moves_at_constant_speed_as_scipy_does(rng):
    a, b = quat.normalize(rng.normal(size=(2, 4)))
    times = np.linspace(0, 1, 11)
    ours = np.stack([quat.slerp(a, b, t) for t in times])
    theirs = Slerp([0, 1], Rotation.from_quat([a, b]))(times).as_quat()
    assert quat.angle(ours, theirs).max() < 1e-6


@lawful
@given(direction, direction)
def test_between_turns_one_direction_onto_the_other(u, v):
    turned = quat.rotate(quat.between(u, v), u)
    np.testing.assert_allclose(
        turned / np.linalg.norm(turned), v / np.linalg.norm(v), atol=2e-3
    )  # 1e-3 rad: within that of opposite a half turn is taken


def test_between_opposite_directions_is_a_half_turn():
    for u in np.eye(3):
        q = quat.between(u, -u)
        np.testing.assert_allclose(quat.rotate(q, u), -u, atol=1e-12)


@lawful
@given(unit, direction)
def test_swing_twist_factors_and_the_twist_keeps_the_axis(q, axis):
    axis = axis / np.linalg.norm(axis)
    swing, twist = quat.swing_twist(q, axis)
    assert same(quat.multiply(swing, twist), q, 1e-6)
    np.testing.assert_allclose(quat.rotate(twist, axis), axis, atol=1e-7)
    if abs(np.dot(q[:3], axis)) + abs(q[3]) > 1e-3:
        assert abs(np.dot(swing[:3], axis)) < 1e-6


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_euler_angles_agree_with_scipy_and_come_back(order, rng):
    angles = rng.uniform(-1.5, 1.5, size=(200, 3))
    ours = quat.from_euler(angles, order)
    theirs = Rotation.from_euler(order, angles).as_quat()
    assert quat.angle(ours, theirs).max() < 1e-7
    np.testing.assert_allclose(quat.to_euler(ours, order), angles, atol=1e-7)


def test_euler_angles_survive_gimbal_lock():
    locked = quat.from_euler(np.array([0.3, np.pi / 2, 0.4]), "ZXY")
    assert same(quat.from_euler(quat.to_euler(locked, "ZXY"), "ZXY"), locked, 1e-5)


def test_continuous_never_jumps_between_signs(rng):
    path = quat.from_rotation_vector(np.cumsum(rng.normal(scale=0.2, size=(100, 3)), axis=0))
    flipped = path * rng.choice([-1, 1], size=(100, 1))
    smooth = quat.continuous(flipped)
    assert ((smooth[1:] * smooth[:-1]).sum(-1) > 0).all()
    assert quat.angle(smooth, path).max() < 1e-6


def test_from_frame_puts_the_axes_where_asked(rng):
    primary, secondary = rng.normal(size=(2, 50, 3))
    q = quat.from_frame(primary, secondary)
    x, y = (quat.rotate(q, np.broadcast_to(axis, (50, 3))) for axis in np.eye(3)[:2])
    unit_primary = primary / np.linalg.norm(primary, axis=-1, keepdims=True)
    np.testing.assert_allclose(x, unit_primary, atol=1e-7)
    assert ((y * secondary).sum(-1) > 0).all()


def test_zero_quaternion_normalises_to_identity():
    np.testing.assert_array_equal(quat.normalize(np.zeros(4)), [0, 0, 0, 1])
