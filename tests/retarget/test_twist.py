"""Joints inside a bone share its twist; what is mapped stays where it was."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget import Retargeter, retarget


def with_joint(canon, name, parent, share, *, inline, beside=0.0):
    """Return the canonical skeleton with a joint `share` of the way along a bone."""
    bones = {"leftLowerArm": "leftHand", "leftUpperArm": "leftLowerArm", "leftLowerLeg": "leftFoot"}
    end = canon.joint(bones[parent])
    names, parents = list(canon.names), canon.parents.tolist()
    offsets = canon.rest_translations.astype(float).tolist()
    at = np.array(offsets[end]) * share + np.array([0, beside, 0])
    if not inline:
        return Skeleton(
            names=[*names, name],
            parents=[*parents, canon.joint(parent)],
            rest_translations=[*offsets, at],
            rest_rotations=[*canon.rest_rotations, quat.IDENTITY],
        )
    parents = [p + (p >= end) for p in parents]
    names.insert(end, name)
    parents.insert(end, canon.joint(parent))
    offsets.insert(end, at)
    parents[end + 1] = end
    offsets[end + 1] = np.array(offsets[end + 1]) - at
    return Skeleton(
        names=names,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )


def turned(canon, **degrees_about_x):
    rotations = canon.rest_rotations.copy()
    for joint, degrees in degrees_about_x.items():
        rotations[canon.joint(joint)] = quat.from_axis_angle(
            np.array([1.0, 0, 0]), np.radians(degrees)
        )
    return Pose(skeleton=canon, rotations=rotations, root_translation=canon.rest_translations[0])


def twist_degrees(q):
    return float(np.degrees(2 * np.arctan2(q[0], q[3])))


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_forearm_joint_takes_its_share_of_the_hands_turn(canon, inline, share):
    target = with_joint(canon, "twist", "leftLowerArm", share, inline=inline)
    out = retarget(turned(canon, leftHand=80), target)
    assert twist_degrees(out.rotation("twist")) == pytest.approx(80 * share, abs=0.1)
    world = out.world()[0][target.joint("leftHand")]
    assert twist_degrees(world) == pytest.approx(80, abs=0.1)


@pytest.mark.parametrize("inline", [True, False])
def test_mapped_joints_stay_where_they_were(canon, bodies, inline):
    clip = bodies.random_clip(canon)
    target = with_joint(canon, "twist", "leftLowerArm", 0.6, inline=inline)
    turns, places = retarget(clip, target).world()
    want_turns, want_places = clip.world()
    rows = [target.joint(name) for name in canon.names]
    assert np.degrees(quat.angle(turns[:, rows], want_turns)).max() < 0.02
    np.testing.assert_allclose(places[:, rows], want_places, atol=1e-4)


def test_a_bend_without_twist_leaves_the_inner_joint_at_rest(canon):
    target = with_joint(canon, "twist", "leftLowerArm", 0.5, inline=True)
    rotations = canon.rest_rotations.copy()
    rotations[canon.joint("leftHand")] = quat.from_axis_angle(np.array([0, 0, 1.0]), 0.9)
    pose = Pose(skeleton=canon, rotations=rotations, root_translation=np.zeros(3))
    out = retarget(pose, target)
    assert np.degrees(quat.angle(out.rotation("twist"), quat.IDENTITY)) < 0.01


def test_a_joint_beside_the_upper_arm_gives_back_what_the_shoulder_turned(canon):
    target = with_joint(canon, "twist", "leftUpperArm", 0.25, inline=False)
    out = retarget(turned(canon, leftUpperArm=60), target)
    assert twist_degrees(out.rotation("twist")) == pytest.approx(-45, abs=0.1)


def test_a_joint_far_off_the_bone_is_no_twist_joint(canon):
    target = with_joint(canon, "sleeve", "leftLowerArm", 0.5, inline=False, beside=0.1)
    out = retarget(turned(canon, leftHand=80), target)
    assert np.degrees(quat.angle(out.rotation("sleeve"), quat.IDENTITY)) < 0.01


def test_there_and_back_is_exact_with_twist_joints(canon, bodies):
    clip = bodies.random_clip(canon)
    target = with_joint(canon, "twist", "leftLowerArm", 0.5, inline=True)
    back = Retargeter(target, canon).clip(Retargeter(canon, target).clip(clip))
    assert np.degrees(quat.angle(back.rotations, clip.rotations)).max() < 0.05
