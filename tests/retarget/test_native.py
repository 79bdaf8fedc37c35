"""The compiled live step does what its definition in NumPy does, frame after frame."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import kernel, quat
from twinsdk.core.clip import MotionClip
from twinsdk.retarget import RetargetConfig, Retargeter

SPINES = [(), ("chest", "upperChest"), ("upperChest", "leftToes", "rightToes", "neck")]

pytestmark = pytest.mark.skipif(not kernel.is_native(), reason="no compiled kernel")


def wandering(skeleton, frames=150, seed=3):
    """A body that sways, walks a little, lifts its feet and sometimes stands quite still."""
    rng = np.random.default_rng(seed)
    count = len(skeleton)
    steps = np.cumsum(rng.normal(size=(frames, count, 3)), axis=0) * 0.01
    still = (np.arange(frames) // 30) % 2 == 0
    steps[still] = steps[(np.arange(frames) // 30 * 30)[still]]
    turns = quat.multiply(
        skeleton.rest_rotations.astype(np.float64), quat.from_rotation_vector(steps)
    )
    roots = (
        skeleton.rest_translations[0]
        + np.where(still, 0, 1)[:, None] * np.cumsum(rng.normal(size=(frames, 3)), axis=0) * 0.004
    )
    return MotionClip(skeleton=skeleton, fps=60, rotations=turns, root_translations=roots)


@pytest.mark.parametrize("dropped", SPINES)
@pytest.mark.parametrize("gone", SPINES)
@pytest.mark.parametrize("root", ["full", "in-place", "preserve-distance"])
def test_the_compiled_step_agrees_with_the_definition(bodies, dropped, gone, root):
    source = bodies.other_rig(bodies.rest_bend(bodies.A_POSE), seed=4, drop=dropped)
    target = bodies.other_rig(bodies.rest_bend({"UpperArm": 80.0}), seed=5, drop=gone, scale=1.2)
    clip = wandering(source.skeleton)
    config = RetargetConfig(root=root)
    native = Retargeter(source.skeleton, target.skeleton, config, sample=clip)
    plain = Retargeter(source.skeleton, target.skeleton, config, sample=clip)
    assert native._compiled is not None
    plain._compiled = None
    held = 0
    for t in range(len(clip)):
        here, there = native.step(clip[t], 1 / 60), plain.step(clip[t], 1 / 60)
        # Float32 through a dozen products; IK near a straight knee triples it.
        assert quat.angle(here.rotations, there.rotations).max() < 3e-3, t
        np.testing.assert_allclose(here.root_translation, there.root_translation, atol=2e-4)
        free = native._interpreted(clip[t], None)[0]
        held += quat.angle(here.rotations, free).max() > 1e-3
    assert held > 20  # feet were held in many of the frames


def test_a_pose_by_itself_agrees_too(bodies):
    source = bodies.other_rig(bodies.rest_bend(bodies.A_POSE), seed=4, drop=("chest",))
    target = bodies.other_rig(seed=5, drop=("neck",))
    clip = wandering(source.skeleton, frames=20)
    made = Retargeter(source.skeleton, target.skeleton, sample=clip)
    for pose in clip:
        rotations, root = made._interpreted(pose, None)
        assert quat.angle(made.step(pose).rotations, rotations).max() < 1e-3
        np.testing.assert_allclose(made.step(pose).root_translation, root, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hips", 1000),
        ("hips", -1),
        ("moving", np.array([999], np.int32)),
        ("chain_starts", np.array([0], np.int32)),
        ("source_parents", np.array([-1, 5], np.int32)),
        ("trunk_low", np.array([7], np.int32)),
        ("matrices", np.zeros(3, np.float32)),
    ],
)
def test_a_plan_that_reaches_outside_is_refused(bodies, monkeypatch, name, value):
    body = bodies.other_rig(seed=1).skeleton
    plans = []
    monkeypatch.setattr("twinsdk.retarget.native.retarget_step", plans.append)
    Retargeter(body, body)
    with pytest.raises(ValueError, match="unexpected size"):
        kernel.retarget_step({**plans[0], name: value})


CORRECTED = {
    "arms, hands, legs": {"plant_feet": False},
    "everything": {"limit_joints": True},
    "only arms": {"plant_feet": False, "keep_touch": False, "keep_legs_apart": False},
}


def folding(canon, count=200):
    """A body that sways, folds its arms again and again and closes its legs."""
    rng = np.random.default_rng(8)
    steps = np.cumsum(rng.normal(size=(count, len(canon), 3)), axis=0) * 0.03
    fold = np.sin(np.linspace(0, 4 * np.pi, count)) ** 2
    for side, sign in (("left", 1), ("right", -1)):
        steps[:, canon.joint(f"{side}UpperArm"), 2] -= sign * 1.2
        steps[:, canon.joint(f"{side}LowerArm"), 1] -= sign * 1.9 * fold
        steps[:, canon.joint(f"{side}UpperLeg"), 2] -= sign * 0.1 * fold
    return MotionClip(
        skeleton=canon,
        fps=60,
        rotations=quat.from_rotation_vector(steps),
        root_translations=np.tile(canon.rest_translations[0], (count, 1)),
    )


@pytest.mark.parametrize("options", CORRECTED.values(), ids=CORRECTED)
def test_compiled_corrections_agree_with_their_definition(canon, figure, options):
    clip = folding(canon)
    avatar = figure(trunk=(0.22, 0.16), legs=(0.088, 0.08))
    config = RetargetConfig(**options)
    native, plain = Retargeter(canon, avatar, config), Retargeter(canon, avatar, config)
    free = Retargeter(canon, canon, RetargetConfig(plant_feet=False, keep_touch=False))
    assert native._compiled is not None
    plain._compiled = None
    moved = 0
    for t, pose in enumerate(clip):
        step_s = (1 / 60, 0.0, 1 / 30)[t % 3]
        here, there = native.step(pose, step_s), plain.step(pose, step_s)
        assert quat.angle(here.rotations, there.rotations).max() < 3e-3, t
        moved += quat.angle(here.rotations, free.step(pose).rotations).max() > 0.02
    assert moved > 60
    alone, other = native.step(clip[60]), plain.step(clip[60])
    assert quat.angle(alone.rotations, other.rotations).max() < 1e-3


@pytest.mark.parametrize("options", CORRECTED.values(), ids=CORRECTED)
def test_whole_clips_agree_with_the_definition_too(canon, figure, options):
    clip = folding(canon)
    avatar = figure(trunk=(0.22, 0.16), legs=(0.088, 0.08))
    config = RetargetConfig(**options)
    native, plain = Retargeter(canon, avatar, config), Retargeter(canon, avatar, config)
    plain._compiled = None
    here, there = native.clip(clip), plain.clip(clip)
    assert quat.angle(here.rotations, there.rotations).max() < 3e-3
    np.testing.assert_array_equal(here.root_translations, there.root_translations)


@pytest.mark.parametrize("call", ["spreads", "pushes"])
def test_arrays_of_other_sizes_are_refused(canon, figure, call):
    made = Retargeter(canon, figure())._compiled.kernel
    turns, places = np.zeros((3, 55, 4), np.float32), np.zeros((3, 55, 3), np.float32)
    with pytest.raises(ValueError, match="unexpected size"):
        getattr(made, call)(turns, places, np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="unexpected size"):
        getattr(made, call)(turns, places[:2], np.zeros((3, 2, 3)))
    with pytest.raises(ValueError, match="unexpected size"):
        made.reaches(turns, places, np.zeros((3, 2, 4, 3)))
    with pytest.raises(ValueError, match="unexpected size"):
        made.move_wrists(turns, places, np.zeros((3, 2, 3)), turns[:2].copy())


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("left_arm", "hand", 55),
        ("left_arm", "source_upper", -1),
        ("touch", "own_body", np.zeros(3)),
        ("legs", "joints", np.array([1, 2, 3, 4, 5, 99], np.int32)),
        ("legs", "radii", np.zeros(7)),
    ],
)
def test_corrections_that_reach_outside_are_refused(canon, figure, monkeypatch, part, name, value):
    plans = []
    monkeypatch.setattr("twinsdk.retarget.native.retarget_step", plans.append)
    Retargeter(canon, figure())
    corrections = plans[0]["corrections"]
    broken = {**corrections, part: {**corrections[part], name: value}}
    with pytest.raises(ValueError, match="unexpected size"):
        kernel.retarget_step({**plans[0], "corrections": broken})
