"""Forecasts by speed: nearer to what comes than holding still, quiet when nothing moves."""

import numpy as np

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.motion.filters.ahead import SteadyAhead

SKELETON = humanoid_skeleton()
STEP_S = 1 / 30


def turning(frame, rate=1.5):
    rotations = np.tile(quat.IDENTITY, (len(SKELETON), 1)).astype(np.float64)
    angle = rate * frame * STEP_S
    rotations[SKELETON.joint("leftUpperArm")] = [0, 0, -np.sin(angle / 2), np.cos(angle / 2)]
    root = SKELETON.rest_translations[0] + np.array([0.5 * frame * STEP_S, 0, 0])
    return Pose(skeleton=SKELETON, rotations=rotations, root_translation=root)


def test_steady_motion_is_foreseen_better_than_by_holding_still():
    ahead = SteadyAhead()
    for frame in range(40):
        guess = ahead.step(turning(frame), STEP_S, 0.1)
    truth = turning(42).world()[1]
    errors = [np.abs(pose.world()[1] - truth).max() for pose in (guess, turning(39))]
    assert errors[0] < 0.5 * errors[1]


def test_no_time_ahead_is_the_pose_itself_and_stillness_stays():
    ahead = SteadyAhead()
    for frame in range(5):
        same = ahead.step(turning(frame), STEP_S, 0.0)
        assert quat.angle(same.rotations, turning(frame).rotations).max() < 1e-3
    ahead.reset()
    for _ in range(20):
        still = ahead.step(turning(3), STEP_S, 0.2)
    assert quat.angle(still.rotations, turning(3).rotations).max() < 1e-3


def test_a_far_forecast_does_not_run_away():
    ahead = SteadyAhead()
    for frame in range(40):
        far = ahead.step(turning(frame), STEP_S, 30.0)
    arm = SKELETON.joint("leftUpperArm")
    assert quat.angle(far.rotations[arm], turning(39).rotations[arm]) < 0.25


def test_the_first_pose_and_a_pause_of_no_length_are_passed_on():
    ahead = SteadyAhead()
    for step_s in (0.0, 0.0):
        found = ahead.step(turning(0), step_s, 0.1)
    assert np.isfinite(found.rotations).all()
