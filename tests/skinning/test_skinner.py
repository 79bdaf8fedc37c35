"""Skinner: laws of an avatar in a pose, on every backend."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip, clip_of
from twinsdk.core.expressions import EXPRESSION_COUNT, expression
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose, rest_pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import ShapeError, SkeletonMismatchError, UsageError, ValueRangeError
from twinsdk.skinning import Skinner

BACKENDS = ["native", "torch", "numpy"]


def random_pose(rng, skeleton):
    return Pose(
        skeleton=skeleton,
        rotations=quat.normalize(rng.normal(size=(len(skeleton), 4))),
        root_translation=rng.normal(size=3),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_bind_pose_leaves_every_vertex_and_normal_in_place(avatar, backend):
    points, normals = Skinner(avatar, backend=backend).vertices_and_normals(
        rest_pose(avatar.skeleton)
    )
    np.testing.assert_allclose(points, avatar.mesh.vertices, atol=2e-6)
    np.testing.assert_allclose(normals, avatar.mesh.normals, atol=2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_moving_the_root_moves_the_body_rigidly(avatar, backend):
    rest = rest_pose(avatar.skeleton)
    turn = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), 0.7)
    rotations = rest.rotations.copy()
    rotations[0] = quat.multiply(turn, rotations[0])
    root = rest.root_translation
    shifted = np.add(root, [1, 2, 3])
    moved = Pose(skeleton=avatar.skeleton, rotations=rotations, root_translation=shifted)
    expected = quat.rotate(turn, avatar.mesh.vertices - root) + shifted
    points, normals = Skinner(avatar, backend=backend).vertices_and_normals(moved)
    np.testing.assert_allclose(points, expected, atol=4e-6)
    np.testing.assert_allclose(normals, quat.rotate(turn, avatar.mesh.normals), atol=4e-6)


def test_the_backends_agree_in_a_random_pose_with_a_face(avatar):
    rng = np.random.default_rng(11)
    pose = random_pose(rng, avatar.skeleton)
    face = rng.random(EXPRESSION_COUNT)
    native, by_torch, reference = (
        Skinner(avatar, backend=name).vertices_and_normals(pose, face) for name in BACKENDS
    )
    for ours in (native, by_torch):
        np.testing.assert_allclose(ours[0], reference[0], atol=1e-5)
        np.testing.assert_allclose(ours[1], reference[1], atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_expression_moves_the_vertices_by_its_own_morph_alone(avatar, backend):
    face = np.zeros(EXPRESSION_COUNT)
    face[expression("mouthLeft")] = 0.5
    face[expression("tongueOut")] = 1.0  # this avatar has no such morph
    points = Skinner(avatar, backend=backend).vertices(rest_pose(avatar.skeleton), face)
    row = avatar.morphs.names.index("mouthLeft")
    expected = avatar.mesh.vertices + 0.5 * avatar.morphs.offsets[row]
    np.testing.assert_allclose(points, expected, atol=2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_avatar_without_expressions_ignores_the_face(avatar_of, backend):
    avatar = avatar_of(morph_names=("ears",))
    pose = rest_pose(avatar.skeleton)
    skinner = Skinner(avatar, backend=backend)
    np.testing.assert_array_equal(
        skinner.vertices(pose, np.ones(EXPRESSION_COUNT)), skinner.vertices(pose)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_clip_is_skinned_as_its_poses_are(avatar, backend):
    rng = np.random.default_rng(12)
    poses = [random_pose(rng, avatar.skeleton) for _ in range(70)]  # more than one tile of frames
    faces = rng.random((70, EXPRESSION_COUNT))
    clip = MotionClip(
        skeleton=avatar.skeleton,
        fps=30,
        rotations=np.stack([pose.rotations for pose in poses]),
        root_translations=np.stack([pose.root_translation for pose in poses]),
        expressions=faces,
    )
    skinner = Skinner(avatar, backend=backend)
    expected = [skinner.vertices(p, f) for p, f in zip(poses, faces, strict=True)]
    # A clip renormalises its quaternions once more: one ulp of metres.
    np.testing.assert_allclose(skinner.clip_vertices(clip), np.stack(expected), atol=4e-6)


def test_out_is_filled_and_returned(avatar):
    skinner, pose = Skinner(avatar), rest_pose(avatar.skeleton)
    points, normals = np.zeros((2, 400, 3), np.float32)
    assert skinner.vertices(pose, out=points) is points
    both = skinner.vertices_and_normals(pose, out=(points, normals))
    assert both[0] is points
    assert both[1] is normals
    assert np.abs(normals).max() > 0


def test_a_pose_on_another_skeleton_is_refused(avatar):
    canonical = humanoid_skeleton()
    taller = Skeleton(
        names=canonical.names,
        parents=canonical.parents,
        rest_translations=canonical.rest_translations * 1.1,
        rest_rotations=canonical.rest_rotations,
    )
    skinner = Skinner(avatar)
    with pytest.raises(SkeletonMismatchError, match="retarget"):
        skinner.vertices(rest_pose(taller))
    clip = MotionClip(
        skeleton=taller,
        fps=30,
        rotations=taller.rest_rotations[None],
        root_translations=taller.rest_translations[:1],
    )
    with pytest.raises(SkeletonMismatchError, match="retarget"):
        skinner.clip_vertices(clip)


def test_both_methods_are_exact_where_one_joint_moves_a_vertex(avatar_of):
    avatar = avatar_of(influences=1)
    pose = random_pose(np.random.default_rng(13), avatar.skeleton)
    linear, dual = (Skinner(avatar, method=name).vertices(pose) for name in ("linear", "dual"))
    np.testing.assert_allclose(dual, linear, atol=2e-5)


def test_the_dual_method_agrees_with_the_reference_in_a_moderate_pose(avatar):
    rng = np.random.default_rng(14)
    pose = Pose(
        skeleton=avatar.skeleton,
        rotations=quat.from_rotation_vector(rng.normal(size=(len(avatar.skeleton), 3)) * 0.2),
        root_translation=rng.normal(size=3),
    )
    native, reference = (
        Skinner(avatar, backend=name, method="dual").vertices_and_normals(pose)
        for name in ("native", "numpy")
    )
    np.testing.assert_allclose(native[0], reference[0], atol=5e-5)
    np.testing.assert_allclose(native[1], reference[1], atol=1e-3)


def test_exact_normals_are_those_of_the_moved_triangles(avatar):
    pose = random_pose(np.random.default_rng(15), avatar.skeleton)
    points, normals = Skinner(avatar, normals="exact").vertices_and_normals(pose)
    corners = points[avatar.mesh.triangles].astype(np.float64)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.zeros((len(points), 3))
    for k in range(3):
        np.add.at(sums, avatar.mesh.triangles[:, k], area)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    expected = sums / np.where(length > 0, length, 1)
    np.testing.assert_allclose(normals, expected, atol=1e-3)  # sums that nearly cancel


def test_threads_do_not_change_a_clip(avatar_of):
    avatar = avatar_of(vertices=3000)
    poses = [random_pose(np.random.default_rng(16 + t), avatar.skeleton) for t in range(24)]
    clip = clip_of(poses, fps=30)
    one, two = (Skinner(avatar, threads=n).clip_vertices(clip) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_bad_arguments_are_refused_by_name(avatar):
    skinner, pose = Skinner(avatar), rest_pose(avatar.skeleton)
    with pytest.raises(ShapeError, match=r"expressions: expected shape \(52,\), got \(51,\)"):
        skinner.vertices(pose, np.zeros(51))
    with pytest.raises(ValueRangeError, match="expressions: expected finite"):
        skinner.vertices(pose, np.full(52, np.nan))
    with pytest.raises(ShapeError, match="out: expected a float32 array"):
        skinner.vertices(pose, out=np.zeros((400, 3)))
    with pytest.raises(UsageError, match="backend: expected one of native"):
        Skinner(avatar, backend="cuda")
    with pytest.raises(UsageError, match="method: expected one of linear, dual, got 'cubic'"):
        Skinner(avatar, method="cubic")
    with pytest.raises(UsageError, match="normals: expected one of skinned, exact, got 'none'"):
        Skinner(avatar, normals="none")
    with pytest.raises(UsageError, match="method: the torch backend knows linear, got 'dual'"):
        Skinner(avatar, backend="torch", method="dual")
