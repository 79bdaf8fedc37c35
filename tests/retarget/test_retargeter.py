"""Retargeting keeps the posture of the body, whatever the rig under it."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.pose import rest_pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError, SkeletonMismatchError, UsageError
from twinsdk.retarget import RetargetConfig, Retargeter, retarget

WITHOUT_OPTIONAL = (
    "upperChest",
    "chest",
    "neck",
    "jaw",
    *(f"{side}{part}" for side in ("left", "right") for part in ("Shoulder", "Toes", "Eye")),
)
A_POSE = {"UpperArm": 45.0, "UpperLeg": -8.0, "Foot": 8.0}  # on level soles


def worst_degrees(a, b):
    return float(np.degrees(quat.angle(a, b)).max())


def test_the_same_skeleton_gets_the_same_motion(canon, bodies):
    clip = bodies.random_clip(canon)
    out = retarget(clip, canon)
    assert worst_degrees(out.rotations, clip.rotations) < 1e-3
    np.testing.assert_allclose(out.root_translations, clip.root_translations, atol=1e-6)


def test_a_pose_and_a_clip_give_the_same_result(canon, bodies):
    body = bodies.other_rig(bodies.rest_bend(A_POSE), seed=4)
    clip = bodies.random_clip(canon)
    made = Retargeter(canon, body.skeleton)
    whole = made.clip(clip)
    for t in (0, 17, 39):
        one = made.step(clip[t])
        assert worst_degrees(one.rotations, whole.rotations[t]) < 1e-3
        np.testing.assert_allclose(one.root_translation, whole.root_translations[t], atol=1e-5)


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(
    "rest", [{}, A_POSE, {"UpperArm": 88.0}, {"UpperLeg": -20.0, "Foot": 20.0}]
)
def test_rest_pose_and_bone_rolls_of_the_avatar_do_not_matter(canon, bodies, rest, seed):
    body = bodies.other_rig(bodies.rest_bend(rest), seed=seed)
    clip = bodies.random_clip(canon)
    out = retarget(clip, body.skeleton)
    posture, places = clip.world()
    got, got_places = out.world()
    truth = quat.multiply(posture, body.frames)
    assert worst_degrees(got, truth) < 0.02
    np.testing.assert_allclose(got_places, places, atol=1e-4)  # the same body: the same places


def test_rest_pose_of_the_source_does_not_matter(canon, bodies):
    clip = bodies.random_clip(canon)
    results = []
    for rest, seed in (({}, None), (A_POSE, 3), ({"UpperArm": 80.0, "LowerArm": 10.0}, 5)):
        body = bodies.other_rig(bodies.rest_bend(rest), seed=seed)
        expressed = retarget(clip, body.skeleton)
        results.append(retarget(expressed, canon).rotations)
    assert worst_degrees(results[1], results[0]) < 0.05
    assert worst_degrees(results[2], results[0]) < 0.05


def test_there_and_back_again_is_within_a_tenth_of_a_degree(canon, bodies):
    clip = bodies.random_clip(canon)
    for seed, drop in ((1, ()), (2, ("leftToes", "rightToes", "jaw", "leftEye", "rightEye"))):
        body = bodies.other_rig(bodies.rest_bend(A_POSE), seed=seed, drop=drop)
        back = retarget(retarget(clip, body.skeleton), canon)
        kept = [i for i, name in enumerate(HUMANOID_NAMES) if name not in drop]
        assert worst_degrees(back.rotations[:, kept], clip.rotations[:, kept]) < 0.1
        np.testing.assert_allclose(back.root_translations, clip.root_translations, atol=1e-4)


def test_limbs_point_the_same_way_on_a_rig_without_optional_joints(canon, bodies):
    body = bodies.other_rig(bodies.rest_bend(A_POSE), seed=6, drop=WITHOUT_OPTIONAL)
    clip = bodies.random_clip(canon)
    _, places = clip.world()
    _, got = retarget(clip, body.skeleton, RetargetConfig(keep_touch=False)).world()
    for side in ("left", "right"):
        for a, b in (
            ("UpperArm", "LowerArm"),
            ("LowerArm", "Hand"),
            ("UpperLeg", "LowerLeg"),
            ("LowerLeg", "Foot"),
        ):
            i, j = canon.joint(side + a), canon.joint(side + b)
            k, m = body.joints[side + a], body.joints[side + b]
            u, v = places[:, j] - places[:, i], got[:, m] - got[:, k]
            cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
            assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.1


def test_a_spine_of_fewer_joints_ends_where_the_longer_one_does(canon, bodies):
    body = bodies.other_rig(drop=("chest", "upperChest"))
    clip = bodies.random_clip(canon, spread=0.2)
    posture, _ = clip.world()
    got, _ = retarget(clip, body.skeleton).world()
    top = got[:, body.joints["spine"]]
    assert worst_degrees(top, posture[:, canon.joint("upperChest")]) < 0.02


def test_a_spine_of_more_joints_shares_the_bend_equally(canon, bodies):
    body = bodies.other_rig(drop=("chest", "upperChest"))
    bend = quat.from_axis_angle(np.array([1.0, 0, 0]), np.radians(30))
    rotations = body.skeleton.rest_rotations.copy()
    rotations[body.joints["spine"]] = bend
    pose = rest_pose(body.skeleton)
    pose = type(pose)(
        skeleton=pose.skeleton, rotations=rotations, root_translation=pose.root_translation
    )
    out = retarget(pose, canon)
    for name in ("spine", "chest", "upperChest"):
        assert np.degrees(quat.angle(out.rotation(name), quat.IDENTITY)) == pytest.approx(
            10, abs=0.01
        )


def test_a_source_in_another_world_and_unit_gives_the_same_avatar_motion(canon, bodies):
    clip = bodies.random_clip(canon)
    turned = quat.from_axis_angle(np.array([0.0, 1, 0]), np.radians(90))
    body = bodies.other_rig(world=turned, scale=100.0)
    expressed = retarget(clip, body.skeleton)
    assert np.abs(expressed.root_translations).max() > 50
    back = retarget(expressed, canon)
    assert worst_degrees(back.rotations, clip.rotations) < 0.05
    np.testing.assert_allclose(back.root_translations, clip.root_translations, atol=1e-3)


def test_a_body_of_another_size_stands_and_travels_in_leg_lengths(canon, bodies):
    tall = humanoid_skeleton(2.0)
    clip = bodies.random_clip(canon)
    out = retarget(clip, tall)
    np.testing.assert_allclose(out.root_translations, clip.root_translations * 2 / 1.7, atol=1e-4)
    spot = retarget(clip, tall, RetargetConfig(root="in-place"))
    assert np.abs(spot.root_translations[:, [0, 2]]).max() < 0.05
    np.testing.assert_allclose(spot.root_translations[:, 1], out.root_translations[:, 1], atol=1e-5)
    metres = retarget(clip, tall, RetargetConfig(root="preserve-distance"))
    moved = np.diff(metres.root_translations[:, [0, 2]], axis=0)
    np.testing.assert_allclose(moved, np.diff(clip.root_translations[:, [0, 2]], axis=0), atol=0.02)


def test_level_soles_stay_level_and_on_the_floor(canon, bodies):
    body = bodies.other_rig(bodies.rest_bend(A_POSE), seed=9)
    standing = retarget(rest_pose(canon), body.skeleton)
    turns, places = standing.world()
    for side in ("left", "right"):
        sole = quat.multiply(
            turns[body.joints[f"{side}Foot"]],
            quat.conjugate(body.frames[body.joints[f"{side}Foot"]]),
        )
        up = quat.rotate(sole, np.array([0.0, 1, 0]))
        assert np.degrees(np.arccos(min(up[1], 1))) < 0.05
        assert places[body.joints[f"{side}Toes"], 1] == pytest.approx(0.02, abs=1e-3)


def test_joints_that_are_nothing_of_the_body_keep_their_rest(canon, bodies):
    names = [*canon.names, "sleeve"]
    parents = [*canon.parents.tolist(), canon.joint("leftUpperArm")]
    turn = quat.from_axis_angle(np.array([1.0, 0, 0]), 0.3)
    with_sleeve = Skeleton(
        names=tuple(names),
        parents=parents,
        rest_translations=[*canon.rest_translations, [0.1, 0.1, 0]],
        rest_rotations=[*canon.rest_rotations, turn],
    )
    out = retarget(bodies.random_clip(canon), with_sleeve)
    assert worst_degrees(out.rotations[:, -1], np.broadcast_to(turn, (40, 4))) < 1e-3
    _, places = bodies.random_clip(canon).world()
    np.testing.assert_allclose(out.world()[1][:, :-1], places, atol=1e-4)


def test_expressions_pass_through(canon, bodies):
    clip = bodies.random_clip(canon)
    weights = np.random.default_rng(0).random((40, 52)).astype(np.float32)
    with_face = type(clip)(
        skeleton=canon,
        fps=30,
        rotations=clip.rotations,
        root_translations=clip.root_translations,
        expressions=weights,
    )
    np.testing.assert_array_equal(retarget(with_face, humanoid_skeleton(1.5)).expressions, weights)


def test_what_cannot_be_retargeted_is_refused_in_words(canon, bodies):
    made = Retargeter(canon, humanoid_skeleton(1.6))
    with pytest.raises(SkeletonMismatchError):
        made.step(rest_pose(humanoid_skeleton(1.5)))
    with pytest.raises(UsageError, match="root: expected one of full"):
        Retargeter(canon, canon, RetargetConfig(root="sideways"))
    stick = Skeleton(
        names=("a", "b"),
        parents=[-1, 0],
        rest_translations=np.zeros((2, 3)),
        rest_rotations=np.tile(quat.IDENTITY, (2, 1)),
    )
    with pytest.raises(NotHumanoidError):
        retarget(rest_pose(stick), canon)


@pytest.mark.parametrize("roll_deg", [-90.0, 0.0, 80.0])
def test_limbs_rolled_in_the_rest_pose_bend_as_they_did(canon, bodies, roll_deg):
    count = 60
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(count, len(canon), 3)) * 0.1
    bend = np.abs(np.sin(np.linspace(0, 6, count))) * 1.6
    rest = np.tile(quat.IDENTITY.astype(float), (len(canon), 1))
    rolled = []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        vectors[:, canon.joint(f"{side}LowerArm")] = np.outer(bend, [0, -sign, 0])
        vectors[:, canon.joint(f"{side}LowerLeg")] = np.outer(bend, [1.0, 0, 0])
        roll = quat.from_axis_angle(np.array([sign, 0, 0]), np.radians(roll_deg))
        rest[canon.joint(f"{side}UpperArm")] = roll
        rolled += [canon.joint(f"{side}UpperArm"), canon.joint(f"{side}LowerArm")]
    clip = MotionClip(
        skeleton=canon,
        fps=30,
        rotations=quat.from_rotation_vector(vectors),
        root_translations=np.tile(canon.rest_translations[0], (count, 1)),
    )
    names = {name: f"my {name}" for name in canon.names}
    body = bodies.other_rig(rest, names=names)
    # The same motion of the same body: its joints' axes are those of the rest pose.
    moved = MotionClip(
        skeleton=body.skeleton,
        fps=30,
        rotations=clip.rotations,
        root_translations=clip.root_translations,
    )
    config = RetargetConfig(plant_feet=False, keep_touch=False, ground_m=0.0)
    made = Retargeter(body.skeleton, canon, config, sample=moved)
    out, truth = made.clip(moved).world()[0], clip.world()[0]
    assert np.degrees(quat.angle(out[:, rolled], truth[:, rolled])).max() < 2
    assert sum("rolled by" in note for note in made.notes) == (2 if roll_deg else 0)
