"""Arms stay out of the trunk: only those inside are moved, and only as far as they must."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.retarget import RetargetConfig, Retargeter, measure, retarget
from twinsdk.retarget.shapes import trunk_and_head

HALF = (0.20, 0.14)  # of the trunk, X and Z


@pytest.fixture
def avatar(figure):
    return figure(trunk=HALF)


def hugging(canon, most_deg=110.0, frames=90):
    """Return a clip in which both arms hang and forearms fold across the belly and back."""
    rotations = np.tile(canon.rest_rotations.astype(float), (frames, 1, 1))
    amount = np.sin(np.linspace(0, np.pi, frames))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        down = quat.from_axis_angle(np.array([0, 0, -sign]), np.radians(80))
        rotations[:, canon.joint(f"{side}UpperArm")] = down
        fold = quat.from_axis_angle(np.array([0, -sign, 0]), np.radians(most_deg) * amount)
        turn = quat.from_axis_angle(np.array([-sign, 0, 0.0]), np.radians(-70) * amount * sign)
        rotations[:, canon.joint(f"{side}LowerArm")] = quat.multiply(turn, fold)
    roots = np.tile(canon.rest_translations[0], (frames, 1))
    return MotionClip(skeleton=canon, fps=30, rotations=rotations, root_translations=roots)


def depth(avatar, clip):
    return Retargeter(clip.skeleton, avatar).arm_depth(clip)


def test_forearms_come_out_of_the_trunk(canon, avatar):
    clip = hugging(canon)
    loose = retarget(clip, avatar, RetargetConfig(keep_arms_out=False))
    kept = retarget(clip, avatar)
    assert depth(avatar, loose).max() > 0.03
    assert depth(avatar, kept).max() < 0.006
    assert depth(avatar, kept).mean() < 0.1 * depth(avatar, loose).mean()


def test_the_measure_tells_how_often_arms_are_inside(canon, avatar):
    clip = hugging(canon)
    shares = []
    for keep in (False, True):
        made = Retargeter(canon, avatar, RetargetConfig(keep_arms_out=keep))
        shares.append(measure(made, clip, made.clip(clip)).arms_in_trunk)
    assert shares[0] > 0.3
    assert shares[1] < 0.1
    bare = Retargeter(canon, canon)
    assert measure(bare, clip, bare.clip(clip)).arms_in_trunk is None


def test_hands_keep_their_turn_and_nothing_else_moves(canon, avatar):
    clip = hugging(canon)
    loose = retarget(clip, avatar, RetargetConfig(keep_arms_out=False))
    kept = retarget(clip, avatar)
    turns, truth = kept.world()[0], loose.world()[0]
    arms = [canon.joint(s + p) for s in ("left", "right") for p in ("UpperArm", "LowerArm")]
    others = [j for j in range(len(canon)) if j not in arms]
    assert np.degrees(quat.angle(turns[:, others], truth[:, others])).max() < 0.05
    assert np.degrees(quat.angle(turns[:, arms], truth[:, arms])).max() > 2


def test_arms_that_are_outside_are_not_touched(canon, avatar):
    clip = hugging(canon, most_deg=0.0)
    spread = clip.rotations.copy()
    spread[:, canon.joint("leftUpperArm")] = spread[:, canon.joint("rightUpperArm")] = quat.IDENTITY
    wide = MotionClip(
        skeleton=canon, fps=30, rotations=spread, root_translations=clip.root_translations
    )
    loose = retarget(wide, avatar, RetargetConfig(keep_arms_out=False))
    np.testing.assert_array_equal(retarget(wide, avatar).rotations, loose.rotations)


def test_the_push_comes_and_goes_smoothly(canon, avatar):
    clip = hugging(canon)
    wrists = [canon.joint("leftHand"), canon.joint("rightHand")]
    loose = retarget(clip, avatar, RetargetConfig(keep_arms_out=False)).world()[1][:, wrists]
    kept = retarget(clip, avatar).world()[1][:, wrists]
    push = (kept - loose).astype(float)
    assert np.linalg.norm(np.diff(push, axis=0), axis=-1).max() < 0.03  # metres a frame


def test_the_slabs_have_the_size_of_the_mesh(canon, avatar):
    *slabs, head = trunk_and_head(Retargeter(canon, avatar).target, avatar)
    assert len(slabs) == 4
    np.testing.assert_allclose(head.half, 0.1, atol=0.012)
    for slab in slabs:
        np.testing.assert_allclose(slab.half[[0, 2]], HALF, atol=0.01)
        np.testing.assert_allclose(slab.middle[[0, 2]], 0, atol=0.01)


def test_a_hand_that_would_be_in_the_head_stays_before_it(canon, figure):
    frames = 60
    rotations = np.tile(canon.rest_rotations.astype(float), (frames, 1, 1))
    amount = np.sin(np.linspace(0, np.pi, frames))
    fold = quat.from_axis_angle(np.array([0, 0, 1.0]), np.radians(150) * amount)
    rotations[:, canon.joint("leftLowerArm")] = fold
    roots = np.tile(canon.rest_translations[0], (frames, 1))
    clip = MotionClip(skeleton=canon, fps=30, rotations=rotations, root_translations=roots)
    avatar = figure(head=0.2)
    loose, kept = (
        retarget(clip, avatar, RetargetConfig(keep_arms_out=keep, keep_touch=False))
        for keep in (False, True)
    )
    assert depth(avatar, loose).max() > 0.02
    assert depth(avatar, kept).max() < 0.006
