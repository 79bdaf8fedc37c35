"""Bone lengths learnt from what frames tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.body_solver import BodySolution
from twinsdk.motion.fitting.body import JOINTS, OFFSETS, SEGMENTS, row
from twinsdk.motion.fitting.lengths import SessionLengths
from twinsdk.motion.fitting.person import OwnSkeleton

ARM = SEGMENTS.index("upperArm")
TRUE = 0.1


def told(lengths, turn=0.0, wrong=0.0):
    """What a frame tells that sees nothing but upper arms longer by exp(TRUE)."""
    information = np.zeros((len(SEGMENTS), len(SEGMENTS)))
    information[ARM, ARM] = 4e3
    rotations = np.tile(quat.IDENTITY, (len(JOINTS), 1)).astype(np.float64)
    rotations[row("leftUpperArm")] = quat.from_rotation_vector(np.array([0.0, turn, 0.0]))
    downhill = information @ (np.eye(len(SEGMENTS))[ARM] * (TRUE + wrong) - lengths.logs)
    return BodySolution(
        rotations=rotations,
        root=np.zeros(3),
        residuals=np.zeros((1, 6)),
        information=information,
        downhill=downhill,
        world=np.zeros((1, 3, 3)),
        points=np.zeros((1, 3)),
    )


def test_lengths_come_to_what_frames_tell_and_grow_surer():
    lengths = SessionLengths()
    before = lengths.deviations()[ARM]
    for k in range(100):
        lengths.add(told(lengths, turn=0.3 * (k % 5)), 0.1)
    assert abs(lengths.logs[ARM] - TRUE) < 0.01
    assert lengths.deviations()[ARM] < 0.2 * before
    arm = row("leftLowerArm")
    np.testing.assert_allclose(
        lengths.stretched(OFFSETS)[arm], OFFSETS[arm] * np.exp(lengths.logs[ARM])
    )


def test_somebody_who_stands_still_does_not_tell_more_and_more():
    lengths = SessionLengths()
    for _ in range(30):
        lengths.add(told(lengths), 0.1)
    sure, at = lengths.deviations(), lengths.logs.copy()
    for _ in range(100):
        lengths.add(told(lengths, wrong=0.2), 0.1)
    np.testing.assert_array_equal(lengths.deviations(), sure)
    np.testing.assert_allclose(lengths.logs, at, atol=1e-3)


def test_the_height_is_held_whatever_the_legs_seem():
    lengths = SessionLengths()
    thigh = SEGMENTS.index("thigh")
    for k in range(60):
        frame = told(lengths, turn=0.3 * (k % 5))
        information = np.zeros_like(frame.information)
        information[thigh, thigh] = 4e3
        step = np.eye(len(SEGMENTS))[thigh] * TRUE - lengths.logs
        frame = replace(frame, information=information, downhill=information @ step)
        lengths.add(frame, 0.1)
    assert lengths.logs[thigh] > 0.05
    assert lengths.logs[SEGMENTS.index("trunk")] < 0  # longer legs of a given height: shorter trunk


def test_reset_forgets_the_person():
    lengths = SessionLengths()
    for k in range(20):
        lengths.add(told(lengths, turn=0.3 * (k % 5)), 0.1)
    lengths.reset()
    np.testing.assert_array_equal(lengths.logs, 0)
    np.testing.assert_array_equal(lengths.deviations(), SessionLengths().deviations())


def test_somebody_who_does_not_move_keeps_the_skeleton_they_have():
    lengths, own = SessionLengths(), OwnSkeleton(height_m=1.7)
    lengths.logs[ARM] = 0.05
    mean = own.skeleton
    assert own.step(lengths, 2.0, moving=False)  # the first own one is taken all the same
    first = own.skeleton
    assert first is not mean
    lengths.logs[ARM] = 0.10
    assert not own.step(lengths, 5.0, moving=False)
    assert own.skeleton is first
    assert own.step(lengths, 0.1)
    assert own.skeleton is not first
