"""Trackers: what is not a pose is not seen."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import JointNameError, ShapeError


def six(**changes):
    given = {
        "positions": np.ones((6, 3)),
        "rotations": np.tile([0.0, 0.0, 0.0, 2.0], (6, 1)),
        "seen": np.ones(6, bool),
    }
    return Trackers(**{**given, **changes})


def test_rotations_come_out_unit():
    np.testing.assert_allclose(six().rotations, np.tile([0, 0, 0, 1], (6, 1)))


def test_a_pose_that_is_not_finite_counts_as_unseen_and_is_replaced():
    positions = np.ones((6, 3))
    positions[1, 2] = np.nan
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (6, 1))
    rotations[2] = 0
    trackers = six(positions=positions, rotations=rotations)
    assert trackers.seen.tolist() == [True, False, False, True, True, True]
    assert np.isfinite(trackers.positions).all()
    assert np.isfinite(trackers.rotations).all()


def test_wrong_sizes_are_refused_in_words():
    with pytest.raises(ShapeError, match=r"positions: expected shape \(6, 3\), got \(3, 3\)"):
        six(positions=np.zeros((3, 3)))
    with pytest.raises(ShapeError, match="seen: expected"):
        six(seen=np.ones(3, bool))


def test_rows_are_found_by_joint_name():
    assert [six().index(name) for name in TRACKER_NAMES] == list(range(6))
    with pytest.raises(JointNameError, match="leftKnee"):
        six().index("leftKnee")
