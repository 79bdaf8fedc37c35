"""Legs stay out of one another on bodies with thicker legs, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.retarget import RetargetConfig, Retargeter, measure

THICK, THIN = (0.088, 0.085), (0.05, 0.03)


def crossing(canon, most_deg=7.0, frames=90):
    """Return a clip in which the left leg swings before the right one and over to its side."""
    rotations = np.tile(canon.rest_rotations.astype(float), (frames, 1, 1))
    amount = np.sin(np.linspace(0, np.pi, frames))
    ahead = quat.from_axis_angle(np.array([-1.0, 0, 0]), np.radians(4) * amount)
    across = quat.from_axis_angle(np.array([0, 0, -1.0]), np.radians(most_deg) * amount)
    rotations[:, canon.joint("leftUpperLeg")] = quat.multiply(across, ahead)
    roots = np.tile(canon.rest_translations[0].astype(float), (frames, 1)) + np.array([0, 0.3, 0])
    return MotionClip(skeleton=canon, fps=30, rotations=rotations, root_translations=roots)


def depth(made, clip):
    return made.leg_depth(clip)


def both(canon, avatar, clip):
    made = [Retargeter(canon, avatar, RetargetConfig(keep_legs_apart=on)) for on in (False, True)]
    return made[1], *(one.clip(clip) for one in made)


def test_legs_that_would_meet_are_turned_outwards(canon, figure):
    clip = crossing(canon)
    made, loose, kept = both(canon, figure(legs=THICK), clip)
    assert depth(made, loose).max() > 0.03
    assert depth(made, kept).max() < 0.25 * depth(made, loose).max()
    assert measure(made, clip, loose).legs_in_legs > 0.3
    assert measure(made, clip, kept).legs_in_legs < 0.1


def test_feet_keep_their_turn_and_nothing_above_the_legs_moves(canon, figure):
    _, loose, kept = both(canon, figure(legs=THICK), crossing(canon))
    turns, truth = kept.world()[0], loose.world()[0]
    legs = [canon.joint(s + p) for s in ("left", "right") for p in ("UpperLeg", "LowerLeg")]
    others = [j for j in range(len(canon)) if j not in legs]
    assert np.degrees(quat.angle(turns[:, others], truth[:, others])).max() < 0.05
    assert np.degrees(quat.angle(turns[:, legs], truth[:, legs])).max() > 1


@pytest.mark.parametrize("legs", [THIN, THICK])
def test_legs_that_do_not_meet_are_left_alone(canon, figure, legs):
    clip = crossing(canon, most_deg=-20.0 if legs == THICK else 4.0)
    _, loose, kept = both(canon, figure(legs=legs), clip)
    np.testing.assert_array_equal(kept.rotations, loose.rotations)


def test_the_t_pose_is_no_meeting_however_thick_the_legs(canon, figure):
    made = Retargeter(canon, figure(legs=(0.2, 0.2)))
    places = canon.rest_world()[1].astype(float)
    assert made._legs.depth(places[None]).max() == 0


def test_a_planted_foot_stays_where_it_stands_all_the_same(canon, figure):
    clip = crossing(canon)
    down = MotionClip(
        skeleton=canon,
        fps=30,
        rotations=clip.rotations,
        root_translations=clip.root_translations - np.float32([0, 0.3, 0]),
    )
    made, _, kept = both(canon, figure(legs=THICK), down)
    standing = made.feet(down).heel_down[1]
    assert standing.mean() > 0.8
    ankle = kept.world()[1][standing, canon.joint("rightFoot")]
    assert np.ptp(ankle, axis=0).max() < 0.002


def test_legs_move_apart_smoothly(canon, figure):
    _, loose, kept = both(canon, figure(legs=THICK), crossing(canon))
    ankle = canon.joint("leftFoot")
    push = (kept.world()[1][:, ankle] - loose.world()[1][:, ankle]).astype(float)
    assert np.linalg.norm(push, axis=-1).max() > 0.01
    assert np.linalg.norm(np.diff(push, axis=0), axis=-1).max() < 0.012
