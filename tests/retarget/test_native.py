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
