"""AMASS files: rotations exact, world turned from Z-up, every family told by its joint count."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.errors import FormatError
from twinsdk.formats import load_clip


def save(path, joints=52, frames=3, **changes):
    arrays = {
        "poses": np.zeros((frames, joints * 3)),
        "trans": np.zeros((frames, 3)),
        "mocap_framerate": np.array(120.0),
        "gender": np.array("neutral"),
        "betas": np.zeros(16),
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize("joints", [22, 24, 52, 55])
def test_someone_upright_in_a_z_up_world_stands_upright_in_ours(tmp_path, joints):
    # Upright in a Z-up world: the model's +Y turned onto +Z, by 90 degrees about X.
    poses = np.zeros((2, joints, 3))
    poses[:, 0, 0] = np.pi / 2
    trans = np.array([[0, 0, 0.9], [1.0, 2.0, 0.9]])
    clip = load_clip(save(tmp_path / "a.npz", joints, poses=poses.reshape(2, -1), trans=trans))
    assert (len(clip.skeleton), clip.fps) == (joints, 120)
    np.testing.assert_allclose(np.abs(clip.rotations[..., 3]), 1, atol=1e-6)
    _, places = clip.world()
    head = places[0, clip.skeleton.joint("head")] - places[0, 0]
    assert head[1] > 0.5
    assert places[0, clip.skeleton.joint("left_wrist")][0] > 0.5  # the left hand is on +X
    # (x, y, z) of a Z-up world is (x, z, -y) in ours.
    np.testing.assert_allclose(places[1, 0] - places[0, 0], [1, 0, -2], atol=1e-6)


def test_axis_angles_become_the_rotations_they_are(tmp_path):
    poses = np.random.default_rng(1).normal(size=(3, 52, 3))
    clip = load_clip(save(tmp_path / "a.npz", poses=poses.reshape(3, -1)))
    wanted = quat.from_axis_angle(poses, np.linalg.norm(poses, axis=-1))
    assert quat.angle(clip.rotations[:, 1:], wanted[:, 1:]).max() < 1e-6


def test_the_parts_of_smpl_x_are_put_in_its_order(tmp_path):
    parts = {"root_orient": 1, "pose_body": 21, "pose_jaw": 1, "pose_eye": 2, "pose_hand": 30}
    rng = np.random.default_rng(2)
    given = {name: rng.normal(size=(2, 3 * joints)) * 0.3 for name, joints in parts.items()}
    path = save(tmp_path / "a.npz", frames=2, poses=None, **given)
    clip = load_clip(path)
    jaw = clip.rotations[:, clip.skeleton.joint("jaw")]
    np.testing.assert_allclose(quat.to_rotation_vector(jaw), given["pose_jaw"], atol=1e-6)
    thumb = clip.rotations[:, clip.skeleton.joint("right_thumb3")]
    np.testing.assert_allclose(
        quat.to_rotation_vector(thumb), given["pose_hand"][:, -3:], atol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.zeros((3, 50))}, "expected shape"),
        ({"poses": np.zeros((3, 51))}, "joints, got 17"),
        ({"poses": np.full((3, 156), np.nan)}, "finite"),
        ({"trans": np.zeros((2, 3))}, "trans: expected shape"),
        ({"mocap_framerate": None}, "mocap_framerate"),
        ({"mocap_framerate": np.array(-1.0)}, "fps"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "expected shape"),
    ],
)
def test_malformed_files_are_refused(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(save(tmp_path / "a.npz", **changes))
    assert str(caught.value).endswith("a.npz")
