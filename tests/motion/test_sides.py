"""A tracker that says left is right for a few frames does not turn the twin about."""

from dataclasses import replace

import numpy as np

import twinsdk as tw
from twinsdk.core.humanoid import mirrored
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES
from twinsdk.motion.fitting.sides import Sides

EXCHANGED = [BODY_NAMES.index(mirrored(name)) for name in BODY_NAMES]
STEP_S = 1 / 30


def seen_at(heading, *, mixed_up=False):
    """Return a body whose shoulders face `heading`, with each point told apart by its height."""
    positions = np.zeros((33, 3), np.float32)
    positions[:, 1] = np.arange(33)
    for name, side in (("leftShoulder", 1), ("rightShoulder", -1)):
        place = positions[BODY_NAMES.index(name)]
        place[0], place[2] = 0.2 * side * np.cos(heading), -0.2 * side * np.sin(heading)
    hand = tw.Landmarks(names=HAND_NAMES, positions=np.zeros((21, 3)), visibility=np.full(21, 0.25))
    other = replace(hand, visibility=np.full(21, 0.75))
    order = EXCHANGED if mixed_up else range(33)
    body = tw.Landmarks(
        names=BODY_NAMES, positions=positions[list(order)], visibility=np.linspace(0, 1, 33)
    )
    hands = (other, hand) if mixed_up else (hand, other)
    return tw.Observation(timestamp_ns=0, body=body, left_hand=hands[0], right_hand=hands[1])


def heights(observation):
    return observation.body.positions[:, 1]


def test_a_few_mixed_up_frames_are_put_right():
    sides = Sides()
    for k in range(30):
        heading = 0.3 + 0.02 * k
        given = seen_at(heading, mixed_up=10 <= k < 15)
        put = sides.put_right(given, STEP_S)
        np.testing.assert_array_equal(heights(put), np.arange(33))
        assert put.left_hand.visibility[0] == 0.25


def test_what_is_right_passes_untouched():
    sides = Sides()
    for k in range(60):
        given = seen_at(0.15 * k)  # turning about at 4.5 rad/s
        assert sides.put_right(given, STEP_S) is given


def test_a_tracker_that_insists_is_believed():
    sides = Sides()
    sides.put_right(seen_at(0.0), STEP_S)
    put = [sides.put_right(seen_at(np.pi), STEP_S) for _ in range(30)]
    assert heights(put[0])[11] == 12  # exchanged at first
    assert heights(put[-1])[11] == 11
    assert sides.put_right(seen_at(np.pi + 0.1), STEP_S) is not None


def test_slow_frames_may_turn_further():
    sides = Sides()
    sides.put_right(seen_at(0.0), 0.3)
    given = seen_at(2.5)
    assert sides.put_right(given, 0.3) is given


def test_reset_forgets_the_person():
    sides = Sides()
    sides.put_right(seen_at(0.0), STEP_S)
    sides.reset()
    given = seen_at(np.pi)
    assert sides.put_right(given, STEP_S) is given


def test_nobody_seen_is_nothing_to_put_right():
    given = tw.Observation(timestamp_ns=0)
    assert Sides().put_right(given, STEP_S) is given
