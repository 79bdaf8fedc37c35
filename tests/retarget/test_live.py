"""A clip at once and a frame at a time: the same corrections, but for how they flow."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.retarget import RetargetConfig, Retargeter

FREE = RetargetConfig(plant_feet=False)


def folding(canon, frames, speed=1.0):
    """Return arms that fold over belly and chest, a hand on the hip, and legs that cross."""
    t = np.linspace(0, np.pi, frames)
    rotations = np.tile(canon.rest_rotations.astype(float), (frames, 1, 1))
    amount = np.sin(t) ** 2
    for side, sign in (("left", 1.0), ("right", -1.0)):
        down = quat.from_axis_angle(np.array([0, 0, -sign]), np.radians(75) + 0 * amount)
        rotations[:, canon.joint(f"{side}UpperArm")] = down
        fold = quat.from_axis_angle(np.array([0, -sign, 0]), np.radians(115) * amount)
        turn = quat.from_axis_angle(np.array([-sign, 0, 0.0]), np.radians(-70) * amount * sign)
        rotations[:, canon.joint(f"{side}LowerArm")] = quat.multiply(turn, fold)
    across = quat.from_axis_angle(np.array([0, 0, -1.0]), np.radians(9) * amount)
    rotations[:, canon.joint("leftUpperLeg")] = across
    roots = np.tile(canon.rest_translations[0].astype(float), (frames, 1))
    return MotionClip(skeleton=canon, fps=60 * speed, rotations=rotations, root_translations=roots)


def stepped(made, clip, step_s):
    poses = [made.step(pose, step_s) for pose in clip]
    return MotionClip(
        skeleton=made.target.skeleton,
        fps=clip.fps,
        rotations=[pose.rotations for pose in poses],
        root_translations=[pose.root_translation for pose in poses],
    )


def corrected(canon, figure):
    """Return an avatar on which arms, hands and legs all have to be moved."""
    avatar = figure(trunk=(0.21, 0.15), legs=(0.088, 0.085))
    config = RetargetConfig(plant_feet=False)
    return Retargeter(canon, avatar, config), Retargeter(canon, avatar, config)


def test_where_nothing_is_corrected_both_are_the_same(canon, bodies):
    clip = bodies.random_clip(canon, frames=40, spread=0.15)
    target = bodies.other_rig(bodies.rest_bend(bodies.A_POSE), seed=3, drop=("chest",)).skeleton
    config = RetargetConfig(plant_feet=False, keep_touch=False)
    made = Retargeter(canon, target, config)
    whole, live = made.clip(clip), stepped(made, clip, 1 / clip.fps)
    assert quat.angle(whole.rotations, live.rotations).max() < 1e-3  # float32 along a chain
    np.testing.assert_allclose(whole.root_translations, live.root_translations, atol=1e-5)


@pytest.mark.parametrize("at", [0.3, 0.4, 0.5])
def test_on_a_body_that_keeps_still_both_are_the_same(canon, figure, at):
    clip = folding(canon, 101)
    frame = round(100 * at)
    still = MotionClip(
        skeleton=canon,
        fps=60,
        rotations=np.repeat(clip.rotations[frame : frame + 1], 20, axis=0),
        root_translations=np.repeat(clip.root_translations[:1], 20, axis=0),
    )
    made, live = corrected(canon, figure)
    whole, steps = made.clip(still), stepped(live, still, 1 / 60)
    assert quat.angle(whole.rotations, steps.rotations).max() < 2e-3
    free = Retargeter(canon, canon, RetargetConfig(keep_touch=False)).clip(still)
    assert quat.angle(whole.rotations, free.rotations).max() > 0.05  # there was something to do


def test_a_pose_by_itself_is_corrected_as_one_that_keeps_still(canon, figure):
    clip = folding(canon, 101)
    made, live = corrected(canon, figure)
    for frame in (35, 50):
        alone = made.step(clip[frame])
        for _ in range(3):
            held = live.step(clip[frame], 1e3)
        assert quat.angle(alone.rotations, held.rotations).max() < 2e-3


@pytest.mark.parametrize(("frames", "most_m"), [(1200, 0.006), (240, 0.03)])
def test_the_slower_the_motion_the_nearer_they_are(canon, figure, frames, most_m):
    clip = folding(canon, frames)
    made, live = corrected(canon, figure)
    whole, steps = made.clip(clip), stepped(live, clip, 1 / 60)
    for name in ("leftHand", "rightHand", "leftFoot", "rightFoot"):
        joint = canon.joint(name)
        away = whole.world()[1][:, joint] - steps.world()[1][:, joint]
        assert np.linalg.norm(away, axis=-1).max() < most_m, name


def test_arms_are_out_of_the_trunk_and_legs_apart_live(canon, figure):
    clip = folding(canon, 180)
    made, live = corrected(canon, figure)
    loose = Retargeter(canon, canon, RetargetConfig(plant_feet=False, keep_touch=False)).clip(clip)
    steps = stepped(live, clip, 1 / 60)
    assert made.arm_depth(loose).max() > 0.08
    assert made.arm_depth(steps).max() < 0.015  # two rounds of pushing leave that of 0.1 m
    before, after = (made.leg_depth(clip).max() for clip in (loose, steps))
    assert before > 0.03
    assert after < 0.3 * before


def test_live_corrections_come_and_go_smoothly(canon, figure):
    clip = folding(canon, 180)
    _, live = corrected(canon, figure)
    loose = Retargeter(canon, canon, RetargetConfig(plant_feet=False, keep_touch=False)).clip(clip)
    wrists = [canon.joint("leftHand"), canon.joint("rightHand")]
    steps = stepped(live, clip, 1 / 60)
    push = (steps.world()[1][:, wrists] - loose.world()[1][:, wrists]).astype(float)
    assert np.linalg.norm(push, axis=-1).max() > 0.03
    assert np.linalg.norm(np.diff(push, axis=0), axis=-1).max() < 0.02  # metres a frame


def test_a_frame_twice_at_the_same_instant_changes_nothing(canon, figure):
    clip = folding(canon, 60)
    once, twice = corrected(canon, figure)
    for pose in clip:
        a = once.step(pose, 1 / 60)
        twice.step(pose, 1 / 60)
        b = twice.step(pose, 0.0)
        assert quat.angle(a.rotations, b.rotations).max() < 2e-3
