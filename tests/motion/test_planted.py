"""Feet that stand are held, feet that move are not."""

from __future__ import annotations

import numpy as np

from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.planted import PlantedFeet
from twinsdk.motion.fitting.points import BODY

STEP_S = 1 / 30
FOOT = {
    side: [POINTS.tolist().index(BODY[f"{side}{part}"]) for part in ("Ankle", "Heel", "FootIndex")]
    for side in ("left", "right")
}


def standing():
    points = np.zeros((len(POINTS), 3))
    points[:, 2] = -3.0
    for side, x in (("left", 0.1), ("right", -0.1)):
        points[FOOT[side]] += np.array([[x, -1.0, 0.0], [x, -1.05, -0.05], [x, -1.07, 0.15]])
    return points


def follow(path, count=60, sure=None):
    """Anchors (T, P, 6) of a left foot that goes `path(t)` from where it stands."""
    feet, out = PlantedFeet(), []
    for k in range(count):
        points = standing()
        points[FOOT["left"]] += path(k * STEP_S)
        rays = points[:, :2] / -points[:, 2:]
        seen = np.ones(len(POINTS)) if sure is None else sure
        out.append(feet.anchors(rays, seen, points, STEP_S))
    return np.array(out)


def test_feet_that_rest_are_held_where_they_rest():
    anchors = follow(lambda _: np.zeros(3))
    for side in ("left", "right"):
        np.testing.assert_allclose(anchors[-1][FOOT[side], :3], standing()[FOOT[side]], atol=1e-3)
        assert (anchors[-1][FOOT[side], 3:] > 0).all()
    others = np.delete(anchors[-1], FOOT["left"] + FOOT["right"], axis=0)
    assert not others.any()


def test_noise_of_a_tracker_does_not_move_a_held_foot():
    rng = np.random.default_rng(1)
    anchors = follow(lambda _: rng.normal(0, 0.004, 3) * (1, 1, 0))
    held = anchors[20:, FOOT["left"]]
    assert (held[..., 3:] > 0).mean() > 0.95
    assert held[:, 0, :3].std(0).max() < 0.002


def test_a_step_lets_go_within_a_tenth_of_a_second_and_the_other_foot_stays():
    anchors = follow(lambda t: np.array([max(t - 1.0, 0.0) * 1.0, 0.0, 0.0]))
    left = anchors[:, FOOT["left"][0], 3] > 0
    assert left[25:30].all()
    assert not left[34:].any()
    assert (anchors[34:, FOOT["right"][0], 3] > 0).all()


def test_a_raised_foot_is_not_held_however_still():
    anchors = follow(lambda _: np.array([0.0, 0.3, 0.0]))
    assert not anchors[:, FOOT["left"]].any()
    assert (anchors[-1][FOOT["right"], 3:] > 0).all()


def test_a_foot_that_is_not_seen_is_not_held():
    sure = np.ones(len(POINTS))
    sure[FOOT["left"]] = 0.1
    assert not follow(lambda _: np.zeros(3), sure=sure)[:, FOOT["left"]].any()


def test_an_ankle_alone_tells_where_a_foot_stands_whose_toes_are_out_of_the_picture():
    sure = np.ones(len(POINTS))
    sure[FOOT["left"][1:]] = 0.0
    anchors = follow(lambda _: np.zeros(3), sure=sure)
    assert (anchors[-1, FOOT["left"][0], 3:] > 0).all()
    assert not anchors[:, FOOT["left"][1:]].any()


def test_a_camera_that_looks_down_does_not_raise_the_foot_further_away():
    feet, pitch = PlantedFeet(), np.radians(30)
    points = standing()
    up = np.array([0.0, np.cos(pitch), np.sin(pitch)])
    # Half a metre further from the camera on level ground is up in its picture.
    points[FOOT["left"]] += 0.5 * np.array([0.0, np.sin(pitch), -np.cos(pitch)])
    for _ in range(10):
        feet.anchors(points[:, :2] / -points[:, 2:], np.ones(len(POINTS)), points, STEP_S, up)
    assert feet.held.all()
