"""The head from face points, and bone lengths from many frames."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, ImageLandmarks
from twinsdk.motion import fit_landmarks
from twinsdk.motion.head import face_rotation
from twinsdk.motion.points import FACE_MODEL, FACE_POINTS
from twinsdk.motion.proportions import CANONICAL_LENGTHS, SEGMENTS, Proportions, settled_depth


def face_image(turn, *, width=640, height=360, scale=8.0, depth=True):
    """The face model turned and drawn without perspective, +v down, depth away from the camera."""
    points = FACE_MODEL @ turn.T * scale
    uv, away = np.full((478, 2), 0.5), np.zeros(478)
    uv[FACE_POINTS, 0] += points[:, 0] / width
    uv[FACE_POINTS, 1] -= points[:, 1] / height
    away[FACE_POINTS] = -points[:, 2] / width
    return ImageLandmarks(
        names=FACE_NAMES, uv=uv, size_px=(width, height), depth=away if depth else None
    )


def test_the_turn_of_a_face_comes_back_from_its_points(puppet):
    rng = np.random.default_rng(2)
    for _ in range(30):
        turn = puppet.about(rng.uniform(-0.8, 0.8, 3))
        np.testing.assert_allclose(face_rotation(face_image(turn)), turn, atol=1e-3)


def test_a_face_looking_to_its_left_turns_the_head_to_plus_x(puppet):
    face = face_image(puppet.rotation(y=0.6))
    rotations = fit_landmarks(puppet.body({}), image_face=face)
    local = {"neck": puppet.rotation(y=0.24), "head": puppet.rotation(y=0.36)}
    angles = puppet.angles(local, rotations)
    assert max(angles["neck"], angles["head"]) < 1


def test_a_face_without_depth_leaves_the_head_to_the_body_points(puppet):
    local = {"neck": puppet.about((0, 0.2, 0)), "head": puppet.about((0, 0.3, 0))}
    flat = face_image(np.eye(3), depth=False)
    assert face_rotation(flat) is None
    angles = puppet.angles(local, fit_landmarks(puppet.body(local), image_face=flat))
    assert max(angles["neck"], angles["head"]) < 1


def test_lengths_are_the_medians_of_sure_frames_alone(puppet):
    rng = np.random.default_rng(3)
    lengths = Proportions()
    for k in range(90):
        points = puppet.body_points(puppet.moving_pose(k / 15)) + rng.normal(0, 0.004, (33, 3))
        seen = np.ones(33)
        if k % 3 == 0:  # a wrong left wrist that says so itself
            points[BODY_NAMES.index("leftWrist")] += 1.0
            seen[BODY_NAMES.index("leftWrist")] = 0.2
        lengths.add(points, seen, 1 / 15)
    fixed = [SEGMENTS.index(name) for name in ("upperArm", "forearm", "thigh", "shank", "hips")]
    np.testing.assert_allclose(lengths.lengths[fixed], CANONICAL_LENGTHS[fixed], atol=0.003)
    assert lengths.scale == pytest.approx(1, abs=0.02)


def test_no_length_is_known_before_there_are_samples_and_points_stay(puppet):
    lengths = Proportions()
    points = puppet.body_points({})
    lengths.add(points, np.ones(33), 1 / 15)
    assert np.isnan(lengths.lengths).all()
    np.testing.assert_array_equal(lengths.apply(points), points)


def test_the_depth_of_a_foreshortened_bone_follows_from_its_length():
    # A 0.25 m forearm that shows 0.15 m sideways reaches 0.20 m deep; the tracker says 0.12.
    vectors = np.array([[0.15, 0.0, 0.12], [0.15, 0.0, -0.12]])
    settled = settled_depth(vectors, np.full(2, 0.25))
    np.testing.assert_allclose(np.abs(settled), 0.20, atol=0.03)
    assert settled[0] > 0 > settled[1]


def test_depths_that_agree_with_the_lengths_stay(puppet):
    rng = np.random.default_rng(4)
    directions = rng.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    vectors = directions * 0.25
    settled = vectors.copy()
    settled[:, 2] = settled_depth(vectors, np.full(200, 0.25))
    cosine = (settled * vectors).sum(1) / np.linalg.norm(settled, axis=1) / 0.25
    # Least certain is a bone a little out of the image plane: the length says nearly nothing there.
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 3


def test_noisy_depths_come_closer_to_the_truth_by_the_lengths():
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(2000, 3))
    truth = 0.25 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    noisy = truth + rng.normal(0, 1, (2000, 3)) * (0.008, 0.008, 0.06)
    settled = settled_depth(noisy, np.full(2000, 0.25))
    before = np.abs(noisy[:, 2] - truth[:, 2]).mean()
    assert np.abs(settled - truth[:, 2]).mean() < 0.8 * before
