"""Two cameras on one rendered person: what one camera guesses is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.capture import open_tracker
from twinsdk.capture.camera_rig import CameraRig, Lens, Placed
from twinsdk.capture.views import ViewsSource, ViewsTracker, merged_views
from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

SIZE = (640, 480)
JOINTS = {
    f"{side}{joint}": f"{side}{point}"
    for side in ("left", "right")
    for joint, point in (("UpperArm", "Shoulder"), ("LowerArm", "Elbow"), ("Hand", "Wrist"))
} | {"leftLowerLeg": "leftKnee", "rightLowerLeg": "rightKnee", "leftFoot": "leftAnkle"}


def rig_of(cameras) -> CameraRig:
    """The calibration of our renderer's cameras."""
    turns = [np.stack([c.axes()[0], -c.axes()[1], c.axes()[2]]).astype(float) for c in cameras]
    places = [np.array(camera.position) for camera in cameras]
    placed = []
    for camera, turn, place in zip(cameras, turns, places, strict=True):
        focal = SIZE[1] / 2 / np.tan(np.radians(camera.fov_deg) / 2)
        lens = Lens(size_px=SIZE, focal_px=(focal, focal), centre_px=(SIZE[0] / 2, SIZE[1] / 2))
        placed.append(
            Placed(
                lens=lens,
                rotation=turn @ turns[0].T,
                translation=turn @ (places[0] - place),
            )
        )
    return CameraRig(cameras=tuple(placed))


def reaching(amount: float) -> tw.Pose:
    """Arms down to arms stretched towards the camera, a knee raised."""
    skeleton = humanoid_skeleton()
    rotations = skeleton.rest_rotations.copy()
    for side, sign in (("left", 1), ("right", -1)):
        down = quat.from_axis_angle(np.array([0, 0, 1.0]), -sign * 1.2)
        ahead = quat.from_axis_angle(np.array([0, 1.0, 0]), -sign * 1.4)
        rotations[skeleton.joint(f"{side}UpperArm")] = quat.slerp(down, ahead, amount)
    raised = quat.from_axis_angle(np.array([1.0, 0, 0]), -1.0 * amount)
    rotations[skeleton.joint("leftUpperLeg")] = raised
    rotations[skeleton.joint("leftLowerLeg")] = quat.conjugate(raised)
    root = np.array(skeleton.rest_translations[0])
    return tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=root)


@pytest.fixture(scope="module")
def filmed(tracker_models):
    """Images with a second view, the calibration, and the true joints beside the hips."""
    pytest.importorskip("open3d")
    from twinsdk.render import Camera, Renderer

    avatar = tw.load_avatar("default")
    skinner, renderer = tw.Skinner(avatar), Renderer(avatar.mesh, *SIZE)
    cameras = [
        Camera(position=(0, 1.1, 3.2), target=(0, 0.95, 0), fov_deg=40),
        Camera(position=(2.0, 1.2, 2.5), target=(0, 0.95, 0), fov_deg=40),
    ]
    images, truth = [], []
    for frame in range(16):
        pose = tw.retarget(reaching(0.5 - 0.5 * np.cos(frame / 15 * np.pi)), avatar)
        vertices = skinner.vertices(pose)
        first, second = (renderer.draw(vertices, camera=camera) for camera in cameras)
        stamp = {"timestamp_ns": frame * 66_000_000, "index": frame}
        view = Image(pixels=second, **stamp)
        images.append(Image(pixels=first, views=(view,), **stamp))
        hips = sum(pose.world_from_joint(f"{s}UpperLeg")[:3, 3] for s in ("left", "right")) / 2
        world = np.stack([pose.world_from_joint(joint)[:3, 3] - hips for joint in JOINTS])
        right, up, forward = cameras[0].axes()
        truth.append(world @ np.stack([right, up, -forward]).T)
    return images, rig_of(cameras), np.array(truth)


def errors(bodies, truth) -> np.ndarray:
    rows = [BODY_NAMES.index(point) for point in JOINTS.values()]
    return np.stack([body.positions[rows] for body in bodies]) - truth


@pytest.mark.slow
def test_a_second_camera_halves_the_error_of_depth(filmed):
    images, rig, truth = filmed
    with open_tracker() as alone:
        single = [alone.track(replace(image, views=()))[0] for image in images]
    with ViewsTracker([open_tracker(), open_tracker()], rig) as tracker:
        both = [tracker.track(image)[0] for image in images]
    assert not any(observation.measured for observation in single)
    assert all(observation.measured for observation in both)
    guessed = errors([observation.body for observation in single], truth)
    measured = errors([observation.body for observation in both], truth)
    depth = np.abs(guessed[..., 2]).mean(), np.abs(measured[..., 2]).mean()
    assert depth[1] < 0.6 * depth[0], depth
    whole = [np.linalg.norm(e, axis=-1).mean() for e in (guessed, measured)]
    assert whole[1] < 0.8 * whole[0], whole


def synthetic(rig: CameraRig, points: np.ndarray, visibility: np.ndarray) -> list[Observation]:
    """What perfect trackers see of points in the first camera's axes (OpenCV's)."""
    out = []
    for camera, seen in zip(rig.cameras, visibility, strict=True):
        local = points @ camera.rotation.T + camera.translation
        uv = local[:, :2] / local[:, 2:] * camera.lens.focal_px + camera.lens.centre_px
        own = (local - local[[23, 24]].mean(0)) * [1, -1, -1]
        out.append(
            Observation(
                timestamp_ns=0,
                body=Landmarks(names=BODY_NAMES, positions=own, visibility=seen),
                image_body=ImageLandmarks(
                    names=BODY_NAMES, uv=uv / SIZE, size_px=SIZE, visibility=seen
                ),
            )
        )
    return out


@pytest.fixture
def two() -> CameraRig:
    lens = Lens(size_px=SIZE, focal_px=(600.0, 600.0), centre_px=(320.0, 240.0))
    c, s = np.cos(0.6), np.sin(0.6)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return CameraRig(
        cameras=(
            Placed(lens=lens, rotation=np.eye(3), translation=np.zeros(3)),
            Placed(lens=lens, rotation=turn, translation=-turn @ [1.5, 0, 0.4]),
        )
    )


@pytest.fixture
def points(rng) -> np.ndarray:
    return rng.uniform([-0.4, -0.9, 2.2], [0.4, 0.9, 2.8], (33, 3))


def test_perfect_sights_give_perfect_points_in_our_axes(two, points):
    merged = merged_views(synthetic(two, points, np.ones((2, 33))), two, 7)
    expected = (points - points[[23, 24]].mean(0)) * [1, -1, -1]
    np.testing.assert_allclose(merged.body.positions, expected, atol=1e-4)
    assert merged.measured
    assert merged.timestamp_ns == 7


def test_what_one_camera_sees_is_laid_over_what_both_see(two, points):
    visibility = np.ones((2, 33))
    visibility[1, 15:20] = 0
    merged = merged_views(synthetic(two, points, visibility), two, 0)
    expected = (points - points[[23, 24]].mean(0)) * [1, -1, -1]
    np.testing.assert_allclose(merged.body.positions, expected, atol=1e-4)
    assert merged.body.visibility[15:20].max() < 0.5 < merged.body.visibility[:15].min()


def test_a_person_whom_the_second_camera_alone_sees_is_turned_into_the_firsts_axes(two, points):
    _, alone = synthetic(two, points, np.ones((2, 33)))
    merged = merged_views([None, alone], two, 0)
    expected = (points - points[[23, 24]].mean(0)) * [1, -1, -1]
    np.testing.assert_allclose(merged.body.positions, expected, atol=1e-4)
    assert not merged.measured
    assert merged_views([None, None], two, 0) is None


def test_a_camera_that_is_wrong_about_a_hand_is_overruled_by_the_guess(two, points):
    seen = synthetic(two, points, np.ones((2, 33)))
    uv = seen[1].image_body.uv.copy()
    uv[15, 1] += 0.2
    seen[1] = replace(seen[1], image_body=replace(seen[1].image_body, uv=uv))
    merged = merged_views(seen, two, 0)
    expected = (points - points[[23, 24]].mean(0)) * [1, -1, -1]
    np.testing.assert_allclose(merged.body.positions, expected, atol=1e-3)
    assert merged.body.visibility[15] < 0.5


class _Camera:
    """A source of numbered pictures, given one at a time."""

    live, size_px, fps, frame_count, dropped = True, (4, 4), 30.0, None, 0

    def __init__(self, stamps):
        self.name, self.closed = "camera", False
        self.stamps = list(stamps)
        from twinsdk.capture import SourceStatus

        self.status = SourceStatus.RUNNING

    def read(self, timeout_s=1.0):
        if not self.stamps:
            return None
        stamp = self.stamps.pop(0)
        return Image(pixels=np.zeros((4, 4, 3), np.uint8), timestamp_ns=stamp, index=stamp)

    def close(self):
        self.closed = True


def test_the_newest_picture_of_the_other_camera_goes_along_unless_it_is_old():
    ms = 1_000_000
    first, second = _Camera([0, 33 * ms, 300 * ms]), _Camera([-20 * ms, -5 * ms])
    with ViewsSource([first, second]) as source:
        stamps = [source.read().views[0] for _ in range(3)]
        assert [view and view.timestamp_ns for view in stamps] == [-5 * ms, -5 * ms, None]
        assert source.read(0.01) is None
    assert first.closed
    assert second.closed


def test_cameras_and_calibration_must_agree(two):
    with pytest.raises(UsageError, match="expected one of 3 cameras, got 2"):
        ViewsTracker([None, None, None], two)
    with pytest.raises(UsageError, match="two or more cameras"):
        ViewsSource([_Camera([])])
