"""Filmed truth: what is drawn is where the truth says, and who is away is not drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation
from twinsdk.errors import DependencyError
from twinsdk.session.truth_film import film_take, prepare
from twinsdk.session.truth_scene import scene_of
from twinsdk.session.truth_take import load_take, save_take

pytest.importorskip("open3d")
FRAMES = 4


class Watcher:
    """A tracker that keeps what it is shown and finds nobody."""

    def __init__(self):
        self.images = []

    def track(self, image):
        self.images.append(image)
        return [Observation(timestamp_ns=image.timestamp_ns)] if image.index == 1 else []

    def close(self):
        pass


@pytest.fixture(scope="module")
def filmed():
    try:
        made = prepare(scene_of("dev", 1, duration_s=1.0))
    except DependencyError as error:
        pytest.skip(f"no body data and no network: {error}")
    made = replace(made, motion=made.motion[:FRAMES], present=np.array([True, True, False, True]))
    watcher = Watcher()
    return made, film_take(made, watcher), watcher.images


def test_joints_are_drawn_where_the_truth_says(filmed):
    made, take, images = filmed
    assert len(images) == len(take) == FRAMES
    joints = [HUMANOID_NAMES.index(n) for n in ("chest", "leftUpperLeg", "rightLowerLeg", "head")]
    for t in (0, 1, 3):
        columns, rows = take.joint_pixels[t, joints, :2].round().astype(int).T
        empty = made.scenery[rows, columns].astype(int)
        shown = images[t].pixels[rows, columns].astype(int)
        assert (np.abs(shown - empty).max(-1) > 12).sum() >= 3, t


def test_nobody_is_drawn_while_they_are_away(filmed):
    _, take, images = filmed
    assert not take.present[2]
    changed = [
        (np.abs(images[t].pixels.astype(int) - images[2].pixels).max(-1) > 40).mean()
        for t in (0, 3)
    ]
    assert min(changed) > 0.02  # the person's own share of the picture


def test_body_points_lie_on_the_body(filmed):
    _, take, _ = filmed
    at = {name: take.landmarks[0, i] for i, name in enumerate(BODY_NAMES)}
    height = take.height_m
    assert at["leftAnkle"][1] < at["leftKnee"][1] < at["leftHip"][1] < at["leftShoulder"][1]
    assert at["leftHeel"][1] < 0.06
    assert at["leftHeel"][2] < at["leftAnkle"][2] < at["leftFootIndex"][2]
    eyes = (at["leftEye"] + at["rightEye"]) / 2
    assert np.linalg.norm(at["nose"] - eyes) < 0.05 * height
    assert at["nose"][2] > eyes[2]
    assert np.isnan(at["mouthLeft"]).all()
    assert not take.landmark_known[BODY_NAMES.index("mouthLeft")]


def test_a_take_keeps_the_pose_its_lengths_and_what_was_seen(filmed, tmp_path):
    _, take, _ = filmed
    save_take(take, tmp_path / "take.npz")
    back = load_take(tmp_path / "take.npz")
    up, low = (HUMANOID_NAMES.index(f"left{part}Arm") for part in ("Upper", "Lower"))
    apart = np.linalg.norm(back.joint_positions[:, low] - back.joint_positions[:, up], axis=-1)
    assert np.allclose(apart, back.bone_lengths[low], atol=1e-4)
    assert [seen.found for seen in back.observations] == [False] * FRAMES
    assert back.about["height_m"] == take.height_m
