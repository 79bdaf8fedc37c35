"""Takes: motion, rooms and files of the rendered truth, without a renderer or a tracker."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import FileMissingError, FormatError, ValueRangeError
from twinsdk.render import Camera
from twinsdk.session.truth_film import contacts_of
from twinsdk.session.truth_motion import PERFORMANCES, perform, resampled, with_face_and_fingers
from twinsdk.session.truth_room import Sensor, room_picture
from twinsdk.session.truth_scene import KINDS, scene_of
from twinsdk.session.truth_take import TAKE_VERSION, Take, load_take, load_takes, save_take


@pytest.mark.parametrize("kind", PERFORMANCES)
def test_a_performance_follows_from_its_seed(kind):
    one, same, other = (
        perform(kind, np.random.default_rng(seed), duration_s=3.0) for seed in (5, 5, 6)
    )
    assert np.array_equal(one.rotations, same.rotations)
    assert not np.allclose(one.rotations, other.rotations)


def test_a_still_performance_does_not_move_at_all():
    clip = perform("still", np.random.default_rng(1), duration_s=2.0)
    assert len(clip) == 60
    assert np.ptp(clip.rotations, axis=0).max() == 0
    assert np.ptp(clip.root_translations, axis=0).max() == 0


@pytest.mark.parametrize("seed", range(4))
def test_feet_of_gestures_stay_and_feet_of_steps_step(seed):
    for kind, travels in (("gestures", False), ("steps", True)):
        clip = perform(kind, np.random.default_rng(seed), duration_s=5.0)
        _, joints = clip.world()
        feet = joints[:, [HUMANOID_NAMES.index(f"{s}Foot") for s in ("left", "right")]]
        assert (np.ptp(feet, axis=0).max() > 0.1) == travels
        assert feet[..., 1].min() > 0.05


def test_nobody_jumps_between_frames():
    for kind in PERFORMANCES:
        clip = perform(kind, np.random.default_rng(3), duration_s=6.0)
        turned = quat.angle(clip.rotations[1:], clip.rotations[:-1])
        assert np.degrees(turned.max()) < 35  # 1000 degrees a second, a quick arm


def test_a_clip_without_fingers_and_face_gets_both():
    clip = with_face_and_fingers(
        perform("gestures", np.random.default_rng(0), duration_s=4.0), np.random.default_rng(1)
    )
    little = clip.rotations[:, HUMANOID_NAMES.index("leftLittleProximal")]
    assert np.ptp(little, axis=0).max() > 0.1
    assert clip.expressions is not None
    assert clip.expressions.min() >= 0
    assert clip.expressions.max() <= 1
    assert (np.ptp(clip.expressions, axis=0) > 0.3).sum() >= 10


def test_a_resampled_clip_passes_through_the_same_poses():
    clip = perform("gestures", np.random.default_rng(2), duration_s=3.0, fps=120.0)
    slow = resampled(clip, 30.0)
    assert np.allclose(quat.angle(slow.rotations, clip.rotations[::4][: len(slow)]), 0, atol=1e-3)
    assert np.allclose(slow.root_translations, clip.root_translations[::4][: len(slow)], atol=1e-5)


def test_standing_feet_touch_and_lifted_ones_do_not():
    still = perform("still", np.random.default_rng(1), duration_s=2.0)
    raised = still.root_translations.copy()
    raised[30:, 1] += 0.3
    clip = MotionClip(
        skeleton=still.skeleton, fps=30, rotations=still.rotations, root_translations=raised
    )
    contacts = contacts_of(clip.world()[1], HUMANOID_NAMES, 30.0)
    assert contacts[:29].all()
    assert not contacts[29:].any()


def test_scenes_of_the_two_splits_show_different_people():
    dev, test = (
        [scene_of(split, number) for number in range(len(KINDS))] for split in ("dev", "test")
    )
    assert not {scene.spec.digest() for scene in dev} & {scene.spec.digest() for scene in test}
    assert all(45 <= scene.fov_deg <= 75 for scene in (*dev, *test))
    assert scene_of("dev", 3) == dev[3]


def test_a_split_that_is_none_is_refused():
    with pytest.raises(ValueRangeError, match="split"):
        scene_of("train", 0)


def test_a_room_is_seen_as_it_is_from_the_same_place():
    camera = Camera(position=(0, 1.2, 3), target=(0, 1, 0), fov_deg=50)
    first, again = (room_picture(camera, (64, 48), np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.std() > 5
    assert not np.array_equal(first, room_picture(camera, (64, 48), np.random.default_rng(5)))


def test_a_sensor_adds_noise_that_changes_from_frame_to_frame():
    sensor = Sensor((40, 30), np.random.default_rng(0))
    grey = np.full((30, 40, 3), 120, np.uint8)
    one, two = sensor.expose(grey), sensor.expose(grey)
    assert not np.array_equal(one, two)
    assert abs(float(one.mean()) - float(two.mean())) < 2


def test_a_take_comes_back_from_its_file_as_it_was(tmp_path):
    take = some_take()
    save_take(take, tmp_path / "take.npz")
    back = load_take(tmp_path / "take.npz")
    assert back.about == take.about
    assert np.array_equal(back.joint_positions, take.joint_positions)
    assert back.size_px == take.size_px
    for was, now in zip(take.observations, back.observations, strict=True):
        assert was.timestamp_ns == now.timestamp_ns
        assert (was.body is None) == (now.body is None)
        assert (was.expressions is None) == (now.expressions is None)
    last = back.observations[2]
    assert last.body is not None
    assert np.array_equal(last.body.positions, take.observations[2].body.positions)
    assert last.left_hand is not None
    assert last.image_face is not None
    assert last.right_hand is None


def test_other_files_and_empty_folders_are_refused_in_words(tmp_path):
    with pytest.raises(FileMissingError, match="takes"):
        load_takes(tmp_path)
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(FormatError, match="take"):
        load_takes(tmp_path)
    old = some_take(version=TAKE_VERSION + 1)
    save_take(old, tmp_path / "x.npz")
    with pytest.raises(FormatError, match="version"):
        load_take(tmp_path / "x.npz")


def some_take(version: int = TAKE_VERSION) -> Take:
    """Three frames: nothing, a body, and all but the right hand."""
    rng = np.random.default_rng(0)
    body = len(BODY_NAMES)

    def image(names: tuple[str, ...]) -> ImageLandmarks:
        return ImageLandmarks(names=names, uv=rng.random((len(names), 2)), size_px=(64, 48))

    def space(names: tuple[str, ...]) -> Landmarks:
        return Landmarks(
            names=names,
            positions=rng.normal(size=(len(names), 3)),
            visibility=np.ones(len(names)),
        )

    one = {"body": space(BODY_NAMES), "image_body": image(BODY_NAMES)}
    all_but = one | {
        "left_hand": space(HAND_NAMES),
        "image_left_hand": image(HAND_NAMES),
        "image_face": image(FACE_NAMES),
        "expressions": rng.random(52),
    }
    seen = tuple(
        Observation(timestamp_ns=t * 33_000_000, **parts)
        for t, parts in enumerate(({}, one, all_but))
    )
    skeleton = humanoid_skeleton()
    joints = np.tile(skeleton.rest_world()[1], (3, 1, 1))
    return Take(
        about={"version": version, "name": "x", "height_m": 1.7},
        rotations=np.tile(quat.IDENTITY, (3, 55, 1)),
        root_translations=joints[:, 0],
        joint_positions=joints,
        joint_pixels=joints,
        bone_lengths=np.linalg.norm(skeleton.rest_translations, axis=-1),
        landmarks=np.zeros((3, body, 3), np.float32),
        landmark_pixels=np.zeros((3, body, 3), np.float32),
        landmark_known=np.ones(body, bool),
        expressions=np.zeros((3, 52), np.float32),
        contacts=np.ones((3, 4), bool),
        present=np.ones(3, bool),
        camera_position=np.array([0, 1, 3], np.float32),
        camera_axes=np.diag([1, 1, -1]).astype(np.float32),
        fov_deg=60.0,
        size_px=(64, 48),
        observations=seen,
    )
