"""The root: where the person stands, and soles on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.fitting.head import NeutralFace, line_of_sight
from twinsdk.motion.fitting.rest import idle_rotations
from twinsdk.motion.fitting.root import ANKLE_M, Soles, hips_in_camera

LEVEL = FitConfig(camera_pitch_deg=0)
HIPS_M = 0.893  # of the mean person at 1.70 m


def follow(person, path, *, seconds=3.0, fps=30, local=None):
    """Root translations (T, 3) of somebody who goes `path(t)` right, up and away, metres."""
    fitter = BodyFitter(LEVEL)
    out = []
    for k in range(round(seconds * fps)):
        pose = local(k / fps) if local else {}
        out.append(fitter.step(person.observation(pose, k / fps, where=path(k / fps))))
    return np.array([fit.pose.root_translation for fit in out])


def test_the_place_before_the_camera_comes_back_exactly_from_exact_points(person):
    rng = np.random.default_rng(1)
    for _ in range(20):
        points = person.body_points(person.random_pose(rng))
        where = (rng.uniform(-1, 1), rng.uniform(-0.5, 0.5), rng.uniform(2, 6))
        image = person.image(points, where)
        focal = 320 / np.tan(np.radians(30))
        found = hips_in_camera(points, image, np.ones(33), focal)
        np.testing.assert_allclose(found * (1, 1, -1), where, atol=1e-3)


def test_whoever_appears_stands_at_the_origin_wherever_that_is(person):
    path = follow(person, lambda _: (0.8, 0.1, 4.0), seconds=1.0)
    np.testing.assert_allclose(path[-1], (0, HIPS_M, 0), atol=0.02)


def test_a_step_to_the_left_is_plus_x_and_one_towards_the_camera_plus_z(person):
    path = follow(
        person,
        lambda t: (min(max(t - 1, 0), 0.5), 0, 3.0 - min(max(t - 1, 0), 0.5)),
        seconds=5.0,
    )
    np.testing.assert_allclose(path[-1], (0.5, HIPS_M, 0.5), atol=0.06)
    assert (np.diff(path[:, 0]) > -0.01).all()


def test_a_squat_keeps_the_soles_on_the_ground(person):
    def squat(t):
        bend = 0.6 * (1 - np.cos(2 * t))
        legs = {f"{side}UpperLeg": person.rotation(x=-bend / 2) for side in ("left", "right")}
        shanks = {f"{side}LowerLeg": person.rotation(x=bend) for side in ("left", "right")}
        feet = {f"{side}Foot": person.rotation(x=-bend / 2) for side in ("left", "right")}
        return legs | shanks | feet

    def lowered(t):
        # The hips sink as the image shows them: the camera sees the feet stay where they are.
        bend = 0.6 * (1 - np.cos(2 * t))
        return (0.0, 0.804 * np.cos(bend / 2) - 0.804, 3.0)

    path = follow(person, lowered, seconds=4.0, local=squat)
    expected = [HIPS_M - 0.804 + 0.804 * np.cos(0.3 * (1 - np.cos(2 * k / 30))) for k in range(120)]
    assert np.abs(path[:, 1] - expected)[10:].max() < 0.06
    assert path[:, 1].min() < HIPS_M - 0.06


def test_a_jump_leaves_the_ground_and_comes_back(person):
    def jump(t):
        flight = t - 2.0
        return (0.0, max(0.0, 2.0 * flight - 4.9 * flight**2) if flight > 0 else 0.0, 3.0)

    path = follow(person, jump, seconds=4.0)
    assert path[:60, 1].max() < HIPS_M + 0.02
    assert 0.05 < path[60:75, 1].max() - HIPS_M < 0.2  # 0.204 m less what counts as the ground
    assert path[-1, 1] == pytest.approx(HIPS_M, abs=0.02)


def test_another_scene_does_not_carry_the_twin_away(person):
    path = follow(person, lambda t: (0.0, 0.0, 3.0) if t < 2 else (2.5, 0.0, 3.0), seconds=4.0)
    assert np.abs(path[:, [0, 2]]).max() < 2.0
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 1.5


@pytest.mark.parametrize("height_m", [1.70, 1.20])
def test_the_lowest_sole_of_the_rest_pose_is_on_the_floor(height_m):
    skeleton = humanoid_skeleton(height_m)
    soles = Soles(skeleton, ANKLE_M * height_m / 1.70)
    for rotations in (skeleton.rest_rotations, idle_rotations().astype(np.float32)):
        world, places = skeleton.forward(rotations, skeleton.rest_translations[0])
        assert soles.lowest(world, places) == pytest.approx(0.0, abs=1e-3)


def test_toes_that_point_down_are_the_lowest_of_a_sole():
    skeleton = humanoid_skeleton()
    rotations = skeleton.rest_rotations.copy()
    rotations[skeleton.joint("rightFoot")] = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]
    world, places = skeleton.forward(rotations, skeleton.rest_translations[0])
    ankle = places[skeleton.joint("rightFoot"), 1]
    assert Soles(skeleton, ANKLE_M).lowest(world, places) == pytest.approx(ankle - 0.19, abs=1e-3)


def test_the_line_of_sight_to_the_edge_is_half_the_field_of_view():
    right, up = line_of_sight(1.0, 0.5, half_width=np.tan(np.radians(30)), aspect=4 / 3)
    assert (np.degrees(right), up) == (pytest.approx(30), 0)
    _, up = line_of_sight(0.5, 0.0, half_width=np.tan(np.radians(30)), aspect=4 / 3)
    assert np.tan(up) == pytest.approx(np.tan(np.radians(30)) * 3 / 4)


def test_a_constant_pitch_of_the_face_becomes_level_within_bounds_and_nods_stay(person):
    for pitch, left in ((0.1, 0.0), (0.5, 0.5 - np.radians(12))):
        neutral = NeutralFace()
        for _ in range(300):
            level = neutral.level(person.rotation(x=pitch), 1 / 30)
        np.testing.assert_allclose(level, person.rotation(x=left), atol=0.01)
    nod = neutral.level(person.rotation(x=0.5 + 0.3), 1 / 30)
    np.testing.assert_allclose(nod, person.rotation(x=left + 0.3), atol=0.01)
