"""Laws of the One Euro filters."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.errors import ValueRangeError
from twinsdk.motion import OneEuroConfig, PointFilter, RotationFilter


def about_z(radians):
    radians = np.asarray(radians, float)
    zero = np.zeros_like(radians)
    return np.stack([zero, zero, np.sin(radians / 2), np.cos(radians / 2)], -1)


def angle_z(q):
    return 2 * np.arctan2(q[..., 2], q[..., 3])


def test_what_is_still_stays_where_it_is():
    points, rotations = PointFilter(), RotationFilter()
    p, q = np.array([[1.0, -2.0, 3.0]]), about_z([0.7])
    for _ in range(20):
        np.testing.assert_allclose(points.step(p, 1 / 30), p)
        np.testing.assert_allclose(rotations.step(q, 1 / 30), q, atol=1e-12)


@pytest.mark.parametrize("fps", [15, 60, 240])
def test_a_step_without_speed_gain_decays_by_time_and_not_by_frames(fps):
    plain = OneEuroConfig(min_cutoff_hz=1.0, speed_gain=0.0)
    points, rotations = PointFilter(plain), RotationFilter(plain)
    points.step(np.zeros((1, 3)), 0)
    rotations.step(about_z([0.0]), 0)
    for _ in range(fps // 5):
        p = points.step(np.ones((1, 3)), 1 / fps)
        q = rotations.step(about_z([0.4]), 1 / fps)
    expected = 1 - np.exp(-2 * np.pi * 0.2)  # first-order low-pass after 0.2 s
    np.testing.assert_allclose(p, expected, atol=1e-9)
    # nlerp instead of slerp: within 1 % of the arc at 0.4 rad.
    np.testing.assert_allclose(angle_z(q) / 0.4, expected, atol=0.01)


def test_a_moving_joint_lags_less_than_two_frames_and_noise_at_rest_shrinks():
    rng = np.random.default_rng(1)
    fast, still = RotationFilter(), RotationFilter()
    noise, left = [], []
    for k in range(90):
        t = k / 30
        lag = 3.0 * t - np.unwrap([angle_z(fast.step(about_z([3.0 * t]), 1 / 30))[0], 3.0 * t])[0]
        jitter = rng.normal(0, 0.05)
        noise.append(jitter)
        left.append(angle_z(still.step(about_z([jitter]), 1 / 30))[0])
    lag = (lag + np.pi) % (2 * np.pi) - np.pi
    assert 0 <= lag < 3.0 * 2 / 30
    assert np.std(left[10:]) < 0.5 * np.std(noise[10:])


def test_both_signs_of_a_quaternion_are_one_rotation():
    rng = np.random.default_rng(2)
    a, b = RotationFilter(), RotationFilter()
    q = about_z([0.3])
    for _ in range(30):
        q = quat.normalize(q + rng.normal(0, 0.02, (1, 4)))
        plain = a.step(q, 1 / 30)
        flipped = b.step(q * rng.choice([-1, 1]), 1 / 30)
        assert abs((plain * flipped).sum()) == pytest.approx(1, abs=1e-9)


def test_no_joint_turns_faster_than_its_limit_and_all_stay_unit():
    smooth = RotationFilter(max_speed=np.array([2.0, 1e9]))
    last = smooth.step(about_z([0.0, 0.0]), 0)
    for k in range(1, 20):
        now = smooth.step(about_z([2.5 * (k % 2), 2.5 * (k % 2)]), 1 / 30)
        np.testing.assert_allclose(np.linalg.norm(now, axis=1), 1, atol=1e-9)
        # A step is a straight cut through the arc, at most twice the part of it asked for.
        assert quat.angle(now, last)[0] < 2 * 2.0 / 30
        last = now


def test_no_time_or_time_backwards_moves_nothing():
    points, rotations = PointFilter(), RotationFilter()
    points.step(np.zeros((1, 3)), 0)
    rotations.step(about_z([0.0]), 0)
    for step_s in (0.0, -1.0):
        np.testing.assert_array_equal(points.step(np.ones((1, 3)), step_s), 0)
        np.testing.assert_array_equal(rotations.step(about_z([1.0]), step_s), about_z([0.0]))


def test_points_that_are_not_numbers_leave_the_last_value():
    points = PointFilter()
    points.step(np.ones((2, 3)), 0)
    bad = np.array([[np.nan, 1, 1], [np.inf, 1, 1]])
    np.testing.assert_allclose(points.step(bad, 1 / 30), 1)
    first = PointFilter()
    assert np.isfinite(first.step(bad, 0)).all()


def test_a_reset_filter_takes_the_next_value_as_it_is():
    points = PointFilter()
    points.step(np.zeros((1, 3)), 0)
    points.reset()
    np.testing.assert_array_equal(points.step(np.full((1, 3), 5.0), 1 / 30), 5)


def test_impossible_cutoffs_are_refused():
    with pytest.raises(ValueRangeError, match="cutoffs above 0 Hz"):
        OneEuroConfig(min_cutoff_hz=0)
