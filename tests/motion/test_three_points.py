"""From a headset and two controllers to a body: exact where it is told, sane where it is not."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.trackers.stance import Limb, Stance, facing
from twinsdk.motion.trackers.three_points import TrackerSolver
from twinsdk.motion.vectors import matrix_of, turn_y

SKELETON = humanoid_skeleton(1.7)
ROWS = [SKELETON.joint(name) for name in TRACKER_NAMES]
STEP_S = 1 / 60


def worn(*, seen=(1, 1, 1, 0, 0, 0), yaw=0.0, by=(0.0, 0.0, 0.0), hands=None):
    """Return the trackers of somebody who stands with hanging, slightly bent arms."""
    _, places = SKELETON.rest_world()
    at = np.array(places[ROWS], np.float64)
    at[1:3] = [[0.28, 1.0, 0.15], [-0.28, 1.0, 0.15]] if hands is None else hands
    turn = turn_y(yaw)
    at = at @ turn.T + by
    rotation = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), yaw)
    return Trackers(positions=at, rotations=np.tile(rotation, (6, 1)), seen=np.array(seen, bool))


def test_head_and_hands_are_where_the_trackers_are():
    rng = np.random.default_rng(5)
    solver = TrackerSolver(SKELETON)
    for _ in range(50):
        hands = np.array([[0.3, 1.2, 0.2], [-0.3, 1.2, 0.2]]) + rng.uniform(-0.1, 0.1, (2, 3))
        trackers = worn(yaw=rng.uniform(-0.4, 0.4), hands=hands)
        turns, places = solver.step(trackers, STEP_S).world()
        np.testing.assert_allclose(places[ROWS[:3]], trackers.positions[:3], atol=2e-4)
        assert quat.angle(turns[ROWS[:3]], trackers.rotations[:3]).max() < 1e-3


def test_trackers_of_hips_and_feet_are_taken_exactly():
    trackers = worn(seen=(1, 1, 1, 1, 1, 1))
    lifted = np.array(trackers.positions)
    lifted[4] += (0.05, 0.2, 0.1)
    trackers = Trackers(positions=lifted, rotations=trackers.rotations, seen=trackers.seen)
    _, places = TrackerSolver(SKELETON).step(trackers, STEP_S).world()
    # The head may miss: hips and head together decide the trunk's length.
    np.testing.assert_allclose(places[ROWS[3:]], trackers.positions[3:], atol=2e-3)


def test_somebody_who_turns_about_is_followed_and_the_solution_turns_with_the_world():
    pose = [None, None]
    for i, yaw in enumerate((0.0, 2.0)):
        pose[i] = TrackerSolver(SKELETON).step(worn(yaw=yaw, by=(1.0 * i, 0, 3.0 * i)), STEP_S)
    local = [p.rotations[1:] for p in pose]
    assert quat.angle(*local).max() < 1e-3
    assert facing(matrix_of(pose[1].rotations[0].astype(float))) == pytest.approx(2.0, abs=1e-3)


def test_standing_feet_do_not_move_at_all_and_walking_feet_move_one_at_a_time():
    solver = TrackerSolver(SKELETON)
    feet = [SKELETON.joint("leftToes"), SKELETON.joint("rightToes")]
    steps = [0, 0]
    before = solver.step(worn(), STEP_S).world()[1][feet]
    for i in range(1, 240):
        sway = (0.02 * np.sin(i / 10), 0, 0) if i < 60 else (0, 0, 0.012 * (i - 60))
        now = solver.step(worn(by=sway), STEP_S).world()[1][feet]
        moved = np.linalg.norm(now - before, axis=-1) > 3e-4
        if i < 60:
            assert not moved.any()
        assert not moved.all()
        steps[0] += moved[0]
        steps[1] += moved[1]
        before = now
    assert min(steps) > 20
    assert np.abs(before[:, 2] - 0.012 * 179).max() < 0.45


def test_without_any_tracker_the_body_stays_as_it_was():
    solver = TrackerSolver(SKELETON)
    first = solver.step(worn(), STEP_S)
    lost = worn(seen=(0, 0, 0, 0, 0, 0), by=(4.0, 0, 0))
    after = solver.step(lost, STEP_S)
    j = SKELETON.joint("head")
    np.testing.assert_allclose(after.world()[1][j], first.world()[1][j], atol=1e-3)


def test_wild_trackers_give_a_finite_pose():
    rng = np.random.default_rng(1)
    solver = TrackerSolver(SKELETON)
    for _ in range(200):
        trackers = Trackers(
            positions=rng.normal(size=(6, 3)) * 10.0 ** rng.integers(-3, 4),
            rotations=rng.normal(size=(6, 4)),
            seen=rng.random(6) < 0.7,
        )
        pose = solver.step(trackers, float(rng.choice([0.0, 1e-3, 1.0])))
        assert np.isfinite(pose.rotations).all()
        assert np.isfinite(pose.root_translation).all()


def test_a_limb_reaches_what_is_in_reach_and_points_at_what_is_not():
    leg = Limb(SKELETON, "leftUpperLeg", "leftLowerLeg", "leftFoot", pole=np.array([0, 0, 1.0]))
    root, pole = np.zeros(3), np.array([0.0, 0.0, 1.0])
    near, far = np.array([0.1, -0.6, 0.2]), np.array([0.0, -3.0, 1.0])
    np.testing.assert_allclose(leg.reach(root, near, pole)[2], near, atol=1e-9)
    tip = leg.reach(root, far, pole)[2]
    np.testing.assert_allclose(tip / np.linalg.norm(tip), far / np.linalg.norm(far), atol=1e-9)
    upper, lower, _ = leg.reach(root, near, pole)
    knee = upper @ SKELETON.rest_translations[leg.lower]
    assert knee[2] > 0.1  # forwards
    np.testing.assert_allclose(knee + lower @ SKELETON.rest_translations[leg.tip], near, atol=1e-6)


def test_hips_that_are_put_elsewhere_take_the_feet_along():
    stance = Stance(SKELETON)
    stance.step(np.array([0, 0.9, 0]), 0.0, STEP_S)
    feet = stance.step(np.array([9.0, 0.9, 0]), 0.0, STEP_S)
    assert np.abs(feet.ankles[:, 0] - 9).max() < 0.2
    assert feet.planted.all()
