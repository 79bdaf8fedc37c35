"""Laws of the filters that carry speed."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.errors import ValueRangeError
from twinsdk.motion.filters.glide import GlideConfig, PointGlide, RotationGlide

FREE = np.array([1e3])


def about_z(radians):
    return quat.from_rotation_vector(np.array([[0.0, 0.0, radians]]))


def turned(rotations, step_s, glide, **how):
    return glide.step(rotations, step_s, haste=1.0, max_speed=how.get("max_speed", FREE))


def test_what_is_still_stays_where_it_is():
    points, rotations = PointGlide(), RotationGlide()
    for _ in range(20):
        np.testing.assert_allclose(points.step(np.ones((2, 3)), 1 / 30), 1)
        np.testing.assert_allclose(turned(about_z(0.7), 1 / 30, rotations), about_z(0.7))


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_what_moves_steadily_is_not_late(fps):
    points, rotations = PointGlide(), RotationGlide()
    for k in range(2 * fps):
        t = k / fps
        p = points.step(np.array([[0.8 * t, 0.0, 0.0]]), 1 / fps)
        q = turned(about_z(1.5 * t), 1 / fps, rotations)
    assert p[0, 0] == pytest.approx(0.8 * t, abs=2e-3)
    assert quat.angle(q, about_z(1.5 * t))[0] < 4e-3


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("damping", [0.5, 0.7, 1.0])
def test_a_steady_turn_is_not_late_whatever_the_damping(fps, damping):
    glide = RotationGlide(GlideConfig(damping=damping))
    for k in range(3 * fps):
        q = turned(about_z(1.5 * k / fps), 1 / fps, glide)
    assert quat.angle(q, about_z(1.5 * (3 * fps - 1) / fps))[0] < 4e-3


@pytest.mark.parametrize("damping", [0.7, 1.0])
def test_a_step_is_taken_alike_at_all_frame_rates(damping):
    """How far a jump is overshot, as a filter that carries speed must."""
    tops = []
    for fps in (30, 60, 120):
        points = PointGlide(GlideConfig(min_hz=1, gain=0, damping=damping))
        points.step(np.zeros((1, 3)), 0)
        tops.append(max(points.step(np.ones((1, 3)), 1 / fps)[0, 0] for _ in range(2 * fps)))
    assert max(tops) - min(tops) < 0.03
    assert 1.05 < tops[0] < 1.30


def test_noise_shrinks():
    rng = np.random.default_rng(1)
    glide, out = RotationGlide(), []
    for _ in range(300):
        out.append(quat.to_rotation_vector(turned(about_z(rng.normal(0, 0.03)), 1 / 30, glide))[0])
    assert np.std(np.array(out)[60:, 2]) < 0.5 * 0.03


def test_no_joint_turns_faster_than_its_limit_and_a_jump_is_caught_up_without_one():
    glide, last, speeds = RotationGlide(), None, []
    for k in range(60):
        now = turned(about_z(2.0 if k > 5 else 0.0), 1 / 30, glide, max_speed=np.array([6.0]))
        if last is not None:
            speeds.append(quat.angle(now, last)[0] * 30)
        last = now
    assert max(speeds) < 6.0 + 1e-6
    assert quat.angle(last, about_z(2.0))[0] < 0.05


def test_both_signs_of_a_quaternion_are_one_rotation():
    rng = np.random.default_rng(2)
    a, b = RotationGlide(), RotationGlide()
    for k in range(30):
        q = about_z(0.05 * k)
        plain = turned(q, 1 / 30, a)
        flipped = turned(q * rng.choice([-1, 1]), 1 / 30, b)
        assert abs((plain * flipped).sum()) == pytest.approx(1, abs=1e-9)


def test_no_time_moves_nothing_and_bad_rates_are_refused():
    points = PointGlide()
    points.step(np.zeros((1, 3)), 0)
    np.testing.assert_array_equal(points.step(np.ones((1, 3)), 0.0), 0)
    with pytest.raises(ValueRangeError, match="GlideConfig"):
        GlideConfig(min_hz=0)
    with pytest.raises(ValueRangeError, match="damping"):
        GlideConfig(damping=1.5)
