"""The head from face points."""

from __future__ import annotations

import numpy as np

from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.motion import fit_landmarks
from twinsdk.motion.fitting.head import face_rotation
from twinsdk.motion.fitting.points import FACE_MODEL, FACE_POINTS


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
