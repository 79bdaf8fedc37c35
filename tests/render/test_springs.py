"""Springs hang, resist, stay outside of bodies, and follow what they are centred on."""

from dataclasses import replace

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.render import Springs

ARM = ("rightUpperArm", "rightLowerArm", "rightHand")
SECOND_NS = 1_000_000_000


def swinging(avatar, *, colliders=(), center=None, **joint):
    """The avatar with its right arm as a spring."""
    spring = {"joints": [{"node": name, **joint} for name in ARM], "colliderGroups": [0]}
    if center:
        spring["center"] = center
    block = {
        "springs": [spring],
        "colliders": list(colliders),
        "colliderGroups": [{"colliders": list(range(len(colliders)))}],
    }
    return replace(avatar, meta={**avatar.meta, "spring_bones": block})


def rest(avatar, *, moved=(0, 0, 0), turned=quat.IDENTITY):
    skeleton = avatar.skeleton
    rotations = skeleton.rest_rotations.copy()
    rotations[0] = turned
    return tw.Pose(
        skeleton=skeleton,
        rotations=rotations,
        root_translation=skeleton.rest_translations[0] + np.asarray(moved, np.float32),
    )


def bones(pose):
    places = [pose.world_from_joint(name)[:3, 3] for name in ARM]
    return np.diff(places, axis=0)


def test_an_avatar_without_springs_keeps_its_pose(bead_avatar):
    pose = rest(bead_avatar)
    assert Springs(bead_avatar).follow(pose, 0) is pose


def test_weight_alone_hangs_straight_down(bead_avatar):
    avatar = swinging(bead_avatar, stiffness=0.0, gravityPower=2.0, dragForce=0.4)
    for bone in bones(Springs(avatar).follow(rest(avatar), 0)):
        assert bone[1] / np.linalg.norm(bone) < -0.999


def test_stiffness_alone_keeps_the_rest_pose_under_any_turn(bead_avatar):
    avatar = swinging(bead_avatar, stiffness=1.0)
    pose = rest(avatar, turned=quat.from_axis_angle(np.array([0.6, 0, 0.8]), 1.1))
    np.testing.assert_allclose(Springs(avatar).follow(pose, 0).rotations, pose.rotations, atol=1e-4)


def test_only_the_springs_turn_and_the_last_one_is_only_a_tail(bead_avatar):
    avatar = swinging(bead_avatar, stiffness=0.3, gravityPower=1.0)
    pose = rest(avatar)
    swung = Springs(avatar).follow(pose, 0)
    turned = quat.angle(swung.rotations, pose.rotations) > 1e-3
    assert [n for n, t in zip(avatar.skeleton.names, turned, strict=True) if t] == list(ARM[:2])
    assert swung.root_translation is pose.root_translation


@pytest.mark.parametrize(
    "shape",
    [
        {"sphere": {"offset": [0, 0, 0], "radius": 0.45}},
        {"capsule": {"offset": [-0.3, 0, 0], "tail": [0.3, 0, 0], "radius": 0.3}},
    ],
)
def test_tails_stay_out_of_colliders(bead_avatar, shape):
    (kind,) = shape.values()
    collider = {"node": "hips", "shape": shape}
    avatar = swinging(
        bead_avatar,
        colliders=[collider],
        stiffness=0.0,
        gravityPower=2.0,
        hitRadius=0.02,
    )
    swung = Springs(avatar).follow(rest(avatar), 0)
    hips = swung.world_from_joint("hips")[:3, 3]
    start, end = hips + kind["offset"], hips + kind.get("tail", kind["offset"])
    hand = swung.world_from_joint("rightHand")[:3, 3]
    share = np.clip((hand - start) @ (end - start) / max((end - start) @ (end - start), 1e-9), 0, 1)
    distance = np.linalg.norm(hand - start - share * (end - start))
    # It leans on it; keeping the bone's length after the push takes part of the hit radius back.
    assert kind["radius"] < distance < kind["radius"] + 0.2


def test_walking_swings_what_is_free_and_not_what_is_centred_on_the_walker(bead_avatar):
    swung = {}
    for center in (None, "hips"):
        avatar = swinging(bead_avatar, center=center, stiffness=0.2, dragForce=0.4)
        springs = Springs(avatar)
        springs.follow(rest(avatar), 0)
        pose = springs.follow(rest(avatar, moved=(0, 0, 0.3)), SECOND_NS // 30)
        swung[center] = quat.angle(pose.rotation(ARM[0]), rest(avatar).rotation(ARM[0]))
    assert swung[None] > 0.1
    assert swung["hips"] < 1e-3


def test_after_a_gap_they_hang_as_from_the_start(bead_avatar):
    avatar = swinging(bead_avatar, stiffness=0.2, gravityPower=0.5)
    used, new = Springs(avatar), Springs(avatar)
    for step in range(5):
        used.follow(rest(avatar, moved=(0.1 * step, 0, 0)), step * SECOND_NS // 30)
    there = rest(avatar, moved=(2, 0, 0))
    for later_ns in (10 * SECOND_NS, 0):  # time may go back, too
        np.testing.assert_array_equal(
            used.follow(there, later_ns).rotations, new.follow(there, later_ns).rotations
        )
