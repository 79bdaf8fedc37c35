"""Joints are held to a body's range, softly, and only those outside it."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.retarget import RetargetConfig, Retargeter, retarget
from twinsdk.retarget.limits import Limits

SIDES = ("left", "right")
# A joint, the axis it bends about on the left, degrees that are a body's, and the end of its range.
BENDS = [
    ("LowerArm", (0, -1, 0), 140, 155),
    ("LowerArm", (0, 1, 0), 5, 12),
    ("LowerLeg", (1, 0, 0), 150, 160),
    ("LowerLeg", (-1, 0, 0), 5, 12),
    ("Hand", (0, 0, -1), 80, 90),
    ("Foot", (1, 0, 0), 50, 60),
]


def bent(canon, joint, axis, degrees, side):
    """Return a one-frame clip with one joint turned; `axis` is the left side's."""
    mirrored = np.array(axis, float) * ([1, 1, 1] if side == "left" else [1, -1, -1])
    rotations = canon.rest_rotations[None].astype(float).copy()
    rotations[0, canon.joint(side + joint)] = quat.from_axis_angle(mirrored, np.radians(degrees))
    return MotionClip(
        skeleton=canon, fps=30, rotations=rotations, root_translations=canon.rest_translations[:1]
    )


def angle(canon, clip, name):
    return float(np.degrees(quat.angle(clip.rotations[0, canon.joint(name)], quat.IDENTITY)))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("joint", "axis", "within", "end"), BENDS)
def test_joints_inside_their_range_are_left_alone(canon, side, joint, axis, within, end):
    clip = bent(canon, joint, axis, within, side)
    out = retarget(clip, canon, RetargetConfig(limit_joints=True, plant_feet=False))
    assert angle(canon, out, side + joint) == pytest.approx(within, abs=0.02)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("joint", "axis", "within", "end"), BENDS)
def test_joints_beyond_it_come_to_a_soft_end(canon, side, joint, axis, within, end):
    config = RetargetConfig(limit_joints=True, plant_feet=False, keep_touch=False)
    found = []
    for beyond in np.linspace(0, 20, 11):
        clip = bent(canon, joint, axis, end + beyond, side)
        found.append(angle(canon, retarget(clip, canon, config), side + joint))
    assert (np.diff(found) > 0).all()
    assert end - 1e-3 < found[0] < found[-1] < end + 8.01
    # It begins as it is: no corner at the end of the range.
    assert found[1] - found[0] > 1.6


def test_a_motion_that_was_recorded_so_is_not_limited_unless_asked_for(canon):
    clip = bent(canon, "LowerArm", (0, 1, 0), 60, "left")
    free = retarget(clip, canon, RetargetConfig(plant_feet=False))
    assert angle(canon, free, "leftLowerArm") == pytest.approx(60, abs=0.02)


def test_wrists_are_limited_to_what_the_source_does_where_that_is_more(canon):
    limits = Limits(Retargeter(canon, canon).target)
    free = bent(canon, "Hand", (0, 0, -1), 120, "left").rotations
    more = bent(canon, "Hand", (0, 0, -1), 160, "left").rotations.copy()
    limits.hold_ends(more, free)
    hand = canon.joint("leftHand")
    turned = np.degrees(quat.angle(more[0, hand], quat.IDENTITY))
    assert 120 < turned < 128.1
    same = free.copy()
    limits.hold_ends(same, free)
    np.testing.assert_array_equal(same, free)
