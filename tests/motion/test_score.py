"""The measures of the evaluation protocol obey the laws their names promise."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import ShapeError
from twinsdk.motion.score import (
    FEET,
    accelerations,
    contact_f1,
    contacts_of,
    foot_speed_cm_s,
    jerk_m_s3,
    joints_of,
    measure,
    summary,
)

SKELETON = humanoid_skeleton()
FPS = 30.0


def swaying(frames=90, seed=7, size=0.3):
    """Return a smooth random clip: every joint on a sine of its own."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / FPS
    axes = rng.normal(size=(len(SKELETON), 3)) * size
    phase = rng.uniform(0, 6, (len(SKELETON), 1))
    rotations = quat.from_rotation_vector(axes * np.sin(3 * t + phase))
    root = np.array([0, 0.935, 0]) + 0.05 * np.sin(2 * t[:, :, 0] + np.array([0, 1, 2]))
    return MotionClip(skeleton=SKELETON, fps=FPS, rotations=rotations, root_translations=root)


def moved(clip, *, rotations=None, by=(0.0, 0.0, 0.0)):
    return MotionClip(
        skeleton=SKELETON,
        fps=clip.fps,
        rotations=clip.rotations if rotations is None else rotations,
        root_translations=clip.root_translations + np.asarray(by, np.float32),
    )


def test_the_truth_itself_has_no_error_and_its_own_jerk():
    clip = swaying()
    values = measure(clip, clip).values
    for name in ("rotation_deg", "position_cm", "hand_cm", "velocity_cm_s"):
        assert values[name] < 1e-3, name  # float32 forward kinematics
    means = summary([measure(clip, clip)])
    assert means["jerk_ratio"] == pytest.approx(1, rel=1e-6)


def test_where_the_estimate_stands_does_not_matter_once_heads_are_aligned():
    clip = swaying()
    assert measure(clip, moved(clip, by=(3, 0, -2))).values["position_cm"] < 1e-3


def test_turning_one_joint_by_ten_degrees_gives_ten_degrees_at_that_joint_alone():
    clip = swaying()
    rotations = clip.rotations.copy()
    j = SKELETON.joint("leftLowerArm")
    turn = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), np.radians(10)).astype(np.float32)
    rotations[:, j] = quat.multiply(rotations[:, j], np.tile(turn, (len(clip), 1)))
    found = measure(clip, moved(clip, rotations=rotations))
    assert found.joint_rotation_deg[j] == pytest.approx(10, abs=1e-2)
    assert found.values["rotation_deg"] == pytest.approx(10 / len(SKELETON), abs=1e-2)
    # The hand hangs 25 cm from the elbow: it moves at most 2 sin(5 deg) of that.
    assert 0 < found.values["hand_cm"] <= 25 * 2 * np.sin(np.radians(5)) + 1e-3
    assert found.values["lower_cm"] < 1e-3


def test_a_cubic_has_constant_jerk_and_a_parabola_constant_acceleration():
    t = np.arange(60)[:, None, None] / FPS
    path = np.concatenate([t**3, t * 0, t * 0], axis=-1)
    assert jerk_m_s3(path, FPS) == pytest.approx(6, rel=1e-6)
    np.testing.assert_allclose(accelerations(t * [2 * t[-1, 0, 0], 0, 0], FPS), 0, atol=1e-8)
    np.testing.assert_allclose(accelerations(np.repeat(t**2, 3, -1)[:, :, :1], FPS), 2, rtol=1e-6)


def test_feet_that_slide_at_a_known_speed_are_told_that_speed():
    clip = swaying(size=0.0)
    slide = np.zeros((len(clip), 3), np.float32)
    slide[:, 0] = 0.12 * np.arange(len(clip)) / FPS
    _, positions = moved(clip).skeleton.forward(clip.rotations, slide)
    contacts = np.ones((len(clip), 4), bool)
    assert foot_speed_cm_s(SKELETON, positions, contacts, FPS) == pytest.approx(12, rel=1e-3)
    assert np.isnan(foot_speed_cm_s(SKELETON, positions, ~contacts, FPS))


def test_a_standing_foot_is_in_contact_and_a_lifted_or_quick_one_is_not():
    points = np.zeros((60, len(SKELETON), 3))
    feet = [SKELETON.joint(name) for name in FEET]
    points[30:, feet[0], 1] = 0.2
    points[:, feet[2], 0] = np.arange(60) / FPS  # 1 m/s
    found = contacts_of(SKELETON, points, FPS)
    assert found[:29, 0].all()
    assert not found[31:, 0].any()
    assert found[:, 1].all()
    assert not found[:, 2].any()


def test_contact_f1_is_one_for_the_truth_and_falls_with_every_miss():
    rng = np.random.default_rng(3)
    truth = rng.random((50, 4)) < 0.6
    half = truth & (rng.random((50, 4)) < 0.5)
    assert contact_f1(truth, truth) == 1
    assert contact_f1(truth, half) == pytest.approx(2 * half.sum() / (truth.sum() + half.sum()))
    assert np.isnan(contact_f1(truth & False, truth & False))


def test_long_clips_weigh_more_over_frames_and_the_same_over_clips():
    long, short = swaying(frames=90), swaying(frames=30)
    turned = quat.multiply(short.rotations, short.rotations)
    bad = measure(short, moved(short, rotations=quat.normalize(turned)))
    good = measure(long, long)
    over = [summary([good, bad], over=kind)["rotation_deg"] for kind in ("frames", "clips")]
    wrong = bad.values["rotation_deg"]
    assert over[0] == pytest.approx(wrong / 4, abs=1e-3)
    assert over[1] == pytest.approx(wrong / 2, abs=1e-3)


def test_clips_of_other_lengths_are_refused_in_words():
    with pytest.raises(ShapeError, match="expected 90 frames"):
        measure(swaying(), swaying(frames=30))
    with pytest.raises(ShapeError, match="at least 4"):
        measure(swaying(frames=3), swaying(frames=3))


def test_arms_and_legs_are_told_apart_by_name():
    names = [SKELETON.names[j] for j in joints_of(SKELETON, "lower")]
    assert len(names) == 8
    assert "leftToes" in names
    assert len(joints_of(SKELETON, "hand")) == 2
