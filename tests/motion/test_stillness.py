"""A limb at rest is told from one that moves, trembling or not."""

from __future__ import annotations

import numpy as np

from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.fitting.rest import GROUPS
from twinsdk.motion.fitting.stillness import LIMBS, Stillness

STEP_S = 1 / 30
SEEN = np.ones(33, bool)


def followed(path, seconds=2.0, seed=0, louder=1.0):
    """What `Stillness` says (T, 5) of points that tremble and go `path(t)` (33, 3) besides."""
    rng, stillness, out = np.random.default_rng(seed), Stillness(), []
    for k in range(round(seconds / STEP_S)):
        at = path(k * STEP_S) + louder * rng.normal(0, (0.0005, 0.0005, 0.002), (33, 3))
        out.append(stillness.step(at[:, :2], at, SEEN, STEP_S).copy())
    return np.array(out)


def only(names, offset):
    out = np.zeros((33, 3))
    out[[BODY[name] for name in names]] = offset
    return out


def test_somebody_who_trembles_only_comes_to_rest():
    haste = followed(lambda _: np.zeros((33, 3)))
    assert (np.diff(haste.max(1)[5:]) < 0).all()
    assert haste[-1].max() < 0.25


def test_whoever_trembles_four_times_as_much_comes_to_rest_too_and_moves_none_the_less():
    arm = ("leftElbow", "leftWrist", "leftIndex", "leftPinky")
    still = followed(lambda _: np.zeros((33, 3)), seconds=4.0, louder=4.0)
    assert still[-1].max() < 0.25
    waving = followed(lambda t: only(arm, (0.1 * np.sin(6 * t), 0, 0)), seconds=4.0, louder=4.0)
    assert waving[20:, LIMBS.index("leftArm")].min() > 0.6
    drawn = followed(lambda t: only(arm, (0.3 * max(t - 3, 0), 0, 0)), seconds=4.0, louder=4.0)
    assert drawn[89, LIMBS.index("leftArm")] < 0.35
    assert drawn[105, LIMBS.index("leftArm")] > 0.9


def test_trembling_is_heard_soon_after_a_frozen_picture():
    rng, stillness, out = np.random.default_rng(3), Stillness(), []
    for k in range(40 * 30):
        loud = 4.0 * (k >= 34 * 30)
        at = loud * rng.normal(0, (0.0005, 0.0005, 0.002), (33, 3))
        out.append(stillness.step(at[:, :2], at, SEEN, STEP_S).copy())
    assert out[-1].max() < 0.5


def test_an_arm_that_waves_keeps_its_haste_while_the_rest_is_at_rest():
    arm = ("leftElbow", "leftWrist", "leftIndex", "leftPinky")
    haste = followed(lambda t: only(arm, (0.1 * np.sin(6 * t), 0, 0)))
    at = LIMBS.index("leftArm")
    assert haste[20:, at].min() > 0.6
    assert np.delete(haste[-1], at).max() < 0.25


def test_an_arm_that_reaches_for_the_camera_moves_however_little_the_picture_shows():
    arm = ("rightElbow", "rightWrist", "rightIndex", "rightPinky")
    haste = followed(lambda t: only(arm, (0, 0, 0.5 * t)))
    assert haste[20:, LIMBS.index("rightArm")].min() > 0.6


def test_a_trunk_that_moves_takes_the_limbs_with_it():
    trunk = ("leftShoulder", "rightShoulder", "leftHip", "rightHip", "nose")
    haste = followed(lambda t: only(trunk, (0.3 * t, 0, 0)))
    assert haste[20:].min() > 0.6


def test_what_begins_to_move_has_its_haste_back_within_a_tenth_of_a_second():
    trunk = ("leftShoulder", "rightShoulder", "leftHip", "rightHip", "nose")
    haste = followed(lambda t: only(trunk, (max(t - 1.0, 0.0) * 0.5, 0, 0)))
    assert haste[29].max() < 0.4
    assert haste[34].min() > 0.9


def test_rest_is_nothing_at_first_and_everything_in_the_end():
    stillness, rest = Stillness(), []
    for _ in range(600):
        stillness.step(np.zeros((33, 2)), np.zeros((33, 3)), SEEN, STEP_S)
        rest.append(stillness.rest)
    assert (np.diff(rest, axis=0) >= 0).all()
    assert rest[10].max() == 0
    assert rest[-1].min() > 0.9


def test_fingers_never_rest_with_their_arm():
    stillness = Stillness()
    for _ in range(60):
        stillness.step(np.zeros((33, 2)), np.zeros((33, 3)), SEEN, STEP_S)
    groups = dict(zip(GROUPS, stillness.of_groups(stillness.haste, other=1.0), strict=True))
    assert groups["leftFingers"] == groups["rightFingers"] == 1
    assert max(v for k, v in groups.items() if "Fingers" not in k) < 0.25


def test_what_changes_under_somebody_at_rest_is_followed_though_nobody_moved():
    stillness, at = Stillness(), np.zeros((33, 3))
    for _ in range(60):
        stillness.step(at[:, :2], at, SEEN, STEP_S)
    stillness.restless()
    assert stillness.step(at[:, :2], at, SEEN, STEP_S).min() > 0.9
    assert stillness.rest_s.min() > 1.9
