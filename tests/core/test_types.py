"""The central types refuse what is wrong, by name, and keep what is right."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import twinsdk as tw
from twinsdk import errors
from twinsdk.core import axes, quat
from twinsdk.core.arrays import as_array, as_f32
from twinsdk.core.clip import clip_of
from twinsdk.core.clock import ManualClock, now_ns
from twinsdk.core.expressions import expression
from twinsdk.core.humanoid import HUMANOID_PARENTS, REQUIRED_JOINTS, mirrored
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES
from twinsdk.core.pose import rest_pose


def chain(count=4, names=None):
    return tw.Skeleton(
        names=names or tuple(f"j{i}" for i in range(count)),
        parents=np.arange(-1, count - 1),
        rest_translations=np.tile([0.0, 1.0, 0.0], (count, 1)),
        rest_rotations=np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
    )


def random_rotations(rng, *shape):
    return quat.normalize(rng.normal(size=(*shape, 4)))


def slow_forward(skeleton, rotations, root):
    """Reference: one joint after the other, with 4x4 matrices made by scipy."""
    world = []
    for j, parent in enumerate(skeleton.parents):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_quat(rotations[j]).as_matrix()
        local[:3, 3] = root if parent < 0 else skeleton.rest_translations[j]
        world.append(local if parent < 0 else world[parent] @ local)
    return np.array(world)


def test_canonical_humanoid_has_the_55_vrm_joints_in_a_standing_t_pose():
    skeleton = tw.humanoid_skeleton()
    assert len(skeleton) == 55
    assert {name: skeleton.parent(name) for name in skeleton.names} == HUMANOID_PARENTS
    assert set(REQUIRED_JOINTS) < set(skeleton.names)
    assert (skeleton.rest_rotations == [0, 0, 0, 1]).all()
    _, positions = skeleton.rest_world()
    at = dict(zip(skeleton.names, positions, strict=True))
    assert at["leftHand"][0] > 0.5 > -0.5 > at["rightHand"][0]  # +X is the person's left
    assert at["leftToes"][2] > at["leftFoot"][2]  # facing +Z
    for side in ("left", "right"):  # limbs along the axes
        assert np.ptp([at[f"{side}{b}"][1] for b in ("UpperArm", "LowerArm", "Hand")]) < 1e-6
        assert np.ptp([at[f"{side}{b}"][0] for b in ("UpperLeg", "LowerLeg", "Foot")]) < 1e-6
    for name in skeleton.names:
        np.testing.assert_allclose(at[mirrored(name)], at[name] * [-1, 1, 1], atol=1e-6)


def test_humanoid_scales_with_height():
    tall, short = tw.humanoid_skeleton(2.0), tw.humanoid_skeleton(1.0)
    np.testing.assert_allclose(tall.rest_translations, 2 * short.rest_translations, atol=1e-6)
    assert tw.humanoid_skeleton(2.0) is tall


def test_forward_kinematics_agrees_with_matrix_products(rng):
    skeleton = tw.humanoid_skeleton()
    rotations = random_rotations(rng, 55)
    pose = tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=[0.1, 1.0, -0.3])
    expected = slow_forward(skeleton, rotations, [0.1, 1.0, -0.3])
    np.testing.assert_allclose(pose.world_from_joint(), expected, atol=2e-6)  # float32, 9 levels
    np.testing.assert_allclose(
        pose.world_from_joint("leftHand"), expected[skeleton.joint("leftHand")], atol=2e-6
    )


def test_forward_kinematics_of_a_clip_is_that_of_its_frames(rng):
    skeleton = tw.humanoid_skeleton()
    clip = tw.MotionClip(
        skeleton=skeleton,
        fps=30,
        rotations=random_rotations(rng, 5, 55),
        root_translations=rng.normal(size=(5, 3)),
    )
    rotations, positions = clip.world()
    for t, pose in enumerate(clip):
        one_rotations, one_positions = pose.world()
        assert quat.angle(rotations[t], one_rotations).max() < 1e-3
        np.testing.assert_allclose(positions[t], one_positions, atol=1e-5)


def test_moving_the_root_moves_every_joint_alike(rng):
    skeleton = tw.humanoid_skeleton()
    rotations = random_rotations(rng, 55)
    here = tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=[0, 0, 0]).world()[1]
    there = tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=[1, 2, 3]).world()[1]
    np.testing.assert_allclose(there - here, np.tile([1, 2, 3], (55, 1)), atol=1e-5)


def test_rest_pose_world_is_the_skeletons_rest():
    skeleton = tw.humanoid_skeleton()
    np.testing.assert_allclose(rest_pose(skeleton).world()[1], skeleton.rest_world()[1], atol=1e-6)


def test_unknown_joint_is_refused_with_the_names_there_are():
    with pytest.raises(
        errors.JointNameError, match=r"no joint 'leftarm'; this skeleton has \['hips'"
    ):
        tw.humanoid_skeleton().joint("leftarm")
    with pytest.raises(KeyError):
        tw.humanoid_skeleton().joint("leftarm")


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ([-1, 2, 1, 0], "each parent before its child"),
        ([-1, 0, -1, 0], "-1 for joint 0 and for no other"),
        ([0, 0, 1, 2], "-1 for joint 0"),
    ],
)
def test_skeleton_refuses_trees_that_are_none(parents, message):
    with pytest.raises(errors.ValueRangeError, match=message):
        tw.Skeleton(
            names=("a", "b", "c", "d"),
            parents=parents,
            rest_translations=np.zeros((4, 3)),
            rest_rotations=np.tile([0, 0, 0, 1.0], (4, 1)),
        )


def test_skeleton_refuses_a_name_twice_and_sizes_that_disagree():
    with pytest.raises(errors.ValueRangeError, match=r"\['a'\] more than once"):
        chain(3, ("a", "b", "a"))
    with pytest.raises(
        errors.ShapeError, match=r"rest_translations: expected shape \(2, 3\), got \(3, 3\)"
    ):
        tw.Skeleton(
            names=("a", "b"),
            parents=[-1, 0],
            rest_translations=np.zeros((3, 3)),
            rest_rotations=np.tile([0, 0, 0, 1.0], (2, 1)),
        )
    with pytest.raises(errors.ShapeError, match="1 to 4096 joints, got 0"):
        chain(0)


def test_pose_refuses_nan_and_quaternions_that_are_not_unit():
    skeleton = chain()
    good = np.tile([0.0, 0.0, 0.0, 1.0], (4, 1))
    bad = good.copy()
    bad[2] = np.nan
    with pytest.raises(
        errors.ValueRangeError, match=r"rotations: expected finite numbers, got nan at \(2, 0\)"
    ):
        tw.Pose(skeleton=skeleton, rotations=bad, root_translation=np.zeros(3))
    bad[2] = [0, 0, 0, 1.1]
    with pytest.raises(errors.ValueRangeError, match=r"length 1.1000 at \(2,\)"):
        tw.Pose(skeleton=skeleton, rotations=bad, root_translation=np.zeros(3))


def test_pose_on_another_skeleton_is_refused():
    pose = rest_pose(chain())
    assert pose.on(chain()) is pose  # the same tree in another object is the same skeleton
    with pytest.raises(errors.SkeletonMismatchError, match="retarget"):
        pose.on(tw.humanoid_skeleton())


def test_clip_slices_and_knows_its_duration(rng):
    clip = tw.MotionClip(
        skeleton=chain(),
        fps=20,
        rotations=random_rotations(rng, 10, 4),
        root_translations=np.zeros((10, 3)),
        expressions=np.zeros((10, 52)),
    )
    assert clip.duration_s == 0.5
    assert len(clip[2:5]) == 3
    assert clip[2:5].expressions.shape == (3, 52)
    assert clip[::2].fps == 10
    np.testing.assert_array_equal(clip[-1].rotations, clip.rotations[9])
    with pytest.raises(IndexError):
        clip[10]
    again = clip_of(list(clip), fps=20, expressions=clip.expressions)
    np.testing.assert_array_equal(again.rotations, clip.rotations)


def test_clip_refuses_no_frames_and_no_rate():
    with pytest.raises(errors.ShapeError, match="at least one frame"):
        tw.MotionClip(
            skeleton=chain(),
            fps=30,
            rotations=np.zeros((0, 4, 4)),
            root_translations=np.zeros((0, 3)),
        )
    with pytest.raises(errors.ValueRangeError, match="fps"):
        tw.MotionClip(
            skeleton=chain(),
            fps=0,
            rotations=np.tile([0, 0, 0, 1.0], (2, 4, 1)),
            root_translations=np.zeros((2, 3)),
        )


def test_there_are_52_expressions_in_pairs():
    assert len(tw.EXPRESSION_NAMES) == len(set(tw.EXPRESSION_NAMES)) == 52
    assert expression("tongueOut") == 51
    assert all(mirrored(name) in tw.EXPRESSION_NAMES for name in tw.EXPRESSION_NAMES)
    with pytest.raises(
        errors.ExpressionNameError, match="no expression 'grin'; there are eyeBlinkLeft"
    ):
        expression("grin")


def test_landmark_tables_have_the_trackers_sizes():
    assert (len(BODY_NAMES), len(HAND_NAMES), len(FACE_NAMES)) == (33, 21, 478)
    assert all(mirrored(name) in BODY_NAMES for name in BODY_NAMES)


def test_landmarks_and_observation_check_their_arrays():
    with pytest.raises(errors.ShapeError, match=r"positions: expected shape \(33, 3\)"):
        tw.Landmarks(names=BODY_NAMES, positions=np.zeros((32, 3)), visibility=np.ones(33))
    image = tw.ImageLandmarks(names=HAND_NAMES, uv=np.full((21, 2), 0.5), size_px=(640, 480))
    np.testing.assert_allclose(image.pixels()[0], [320, 240])
    assert image.inside().all()
    assert not tw.Observation(timestamp_ns=0).found
    assert tw.Observation(timestamp_ns=0, image_face=image).found
    with pytest.raises(errors.LandmarkError, match="no landmark 'elbow'"):
        image.index("elbow")


def test_twin_frame_fills_what_is_not_given_and_refuses_what_cannot_be():
    pose = rest_pose(chain())
    frame = tw.TwinFrame(avatar_id=1, sequence=2, timestamp_ns=3, pose=pose, confidence=0.25)
    assert frame.expressions.shape == (52,)
    np.testing.assert_allclose(frame.joint_confidence, 0.25)
    assert frame.state == "tracking"
    with pytest.raises(errors.ValueRangeError, match="confidence"):
        tw.TwinFrame(avatar_id=1, sequence=2, timestamp_ns=3, pose=pose, confidence=1.5)
    with pytest.raises(errors.ValueRangeError, match="sequence"):
        tw.TwinFrame(avatar_id=1, sequence=-2, timestamp_ns=3, pose=pose)


def test_image_must_be_rgb_bytes():
    with pytest.raises(errors.ShapeError, match="uint8"):
        tw.Image(pixels=np.zeros((4, 4, 3)), timestamp_ns=0, index=0)
    assert tw.Image(pixels=np.zeros((4, 6, 3), np.uint8), timestamp_ns=0, index=0).size_px == (6, 4)


def test_arrays_are_never_wrapped_or_guessed():
    with pytest.raises(errors.ShapeError, match="integers in"):
        as_array("joints", [70000], ("V",), np.uint16)
    with pytest.raises(errors.ShapeError, match="integers in"):
        as_array("joints", [1.5], ("V",), np.uint16)
    with pytest.raises(errors.ShapeError, match="ragged"):
        as_f32("points", [[1, 2], [3]], ("L", 3))
    with pytest.raises(errors.ShapeError, match="expected numbers"):
        as_f32("points", ["a"], ("L",))
    assert as_f32("big", [3e38, 3e38], (2,)).shape == (2,)  # their sum overflows; they do not
    assert as_f32("wide", np.zeros((3, 4)).T, (4, 3)).flags.c_contiguous


def test_every_error_is_ours_and_a_builtin():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.TwinError)
        if kind is not errors.TwinError:
            assert any(
                base in kind.__mro__ for base in (ValueError, OSError, KeyError, ImportError)
            )
        assert str(kind("two words")) == "two words"


@pytest.mark.parametrize(
    ("there", "there_quat", "back", "back_quat", "scale"),
    [
        (
            axes.unity_from_gltf,
            axes.unity_from_gltf_quat,
            axes.gltf_from_unity,
            axes.gltf_from_unity_quat,
            1,
        ),
        (
            axes.unreal_from_gltf,
            axes.unreal_from_gltf_quat,
            axes.gltf_from_unreal,
            axes.gltf_from_unreal_quat,
            100,
        ),
    ],
)
def test_rotating_then_crossing_an_edge_is_crossing_then_rotating(
    there, there_quat, back, back_quat, scale, rng
):
    q, v = random_rotations(rng, 500), rng.normal(size=(500, 3))
    # Left-handed engines rotate by the same component formula, so `quat.rotate` is theirs.
    np.testing.assert_allclose(
        there(quat.rotate(q, v)), quat.rotate(there_quat(q), there(v)), atol=1e-9 * scale
    )
    np.testing.assert_allclose(back(there(v)), v, atol=1e-12)
    np.testing.assert_allclose(back_quat(there_quat(q)), q, atol=1e-12)


def test_axes_name_the_same_directions_in_every_engine():
    up, left, forward = np.eye(3)[[1, 0, 2]]
    np.testing.assert_array_equal(axes.unity_from_gltf(left), [-1, 0, 0])
    np.testing.assert_array_equal(axes.unreal_from_gltf(up), [0, 0, 100])
    np.testing.assert_array_equal(axes.unreal_from_gltf(forward), [100, 0, 0])
    np.testing.assert_array_equal(axes.unreal_from_gltf(left), [0, -100, 0])
    np.testing.assert_array_equal(axes.gltf_from_mediapipe(np.array([0.0, 1.0, 0.0])), [0, -1, 0])
    np.testing.assert_array_equal(axes.gltf_from_z_up(np.array([0.0, -1.0, 0.0])), forward)


def test_clocks_go_forward():
    clock = ManualClock(5)
    clock.advance(0.5)
    assert clock() == 500_000_005
    assert now_ns() <= now_ns()
