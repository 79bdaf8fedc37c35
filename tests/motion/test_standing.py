"""Feet that stand stay where they stand, and go on without a jump when they are let go."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.motion.filters.standing import StandingFeet

SKELETON = humanoid_skeleton()
ANKLES = [SKELETON.joint("leftFoot"), SKELETON.joint("rightFoot")]
STEP_S = 1 / 30
BOTH = np.ones(2, bool)


def standing_at(x, y=0.0, z=0.0, bend=0.15):
    rotations = np.array(SKELETON.rest_rotations)
    half = np.array([np.sin(bend / 2), 0, 0, np.cos(bend / 2)])
    for side in ("left", "right"):
        rotations[SKELETON.joint(f"{side}UpperLeg")] = half * (-1, 1, 1, 1)
        rotations[SKELETON.joint(f"{side}LowerLeg")] = half
    root = np.add(SKELETON.rest_translations[0], (x, y, z))
    return Pose(skeleton=SKELETON, rotations=rotations, root_translation=root)


def shown(places, standing):
    """Ankles (T, 2, 3) and roots (T, 3) of somebody taken to be at `places` (T, 3)."""
    feet = StandingFeet(SKELETON)
    poses = [
        feet.step(standing_at(*place), flags, STEP_S)
        for place, flags in zip(places, standing, strict=True)
    ]
    return (
        np.array([pose.world()[1][ANKLES] for pose in poses], np.float64),
        np.array([pose.root_translation for pose in poses], np.float64),
    )


def test_a_wrong_place_of_the_body_does_not_move_feet_that_stand():
    wander = np.zeros((120, 3))
    wander[:, 0] = 0.05 * np.sin(np.arange(120) * STEP_S * 4)
    wander[:, 2] = 0.08 * np.sin(np.arange(120) * STEP_S * 2)
    ankles, roots = shown(wander, [BOTH] * 120)
    assert np.linalg.norm(np.diff(ankles, axis=0), axis=-1).max() / STEP_S < 0.03
    assert roots[:, 2].std() < 0.5 * wander[:, 2].std()


def test_without_feet_that_stand_the_pose_is_left_alone():
    path = np.linspace((0, 0, 0), (1, 0.2, -1), 30)
    ankles, roots = shown(path, [~BOTH] * 30)
    np.testing.assert_allclose(roots - roots[0], path, atol=1e-6)
    assert np.ptp(ankles - roots[:, None], axis=0).max() < 1e-5


def test_a_jump_takes_both_feet_off_the_ground():
    height = 0.3 * np.sin(np.clip(np.arange(30) - 10, 0, 15) / 15 * np.pi)
    places = np.stack([0 * height, height, 0 * height], -1)
    standing = [BOTH if h < 0.01 else ~BOTH for h in height]
    ankles, _ = shown(places, standing)
    assert (ankles[:, :, 1].max(0) - ankles[0, :, 1] > 0.28).all()


def test_a_foot_that_is_let_go_is_where_it_is_seen_soon_and_does_not_jump_there():
    places = np.zeros((60, 3))
    places[10:, 0] = 0.10  # taken to be elsewhere while it stands
    standing = [BOTH] * 30 + [~BOTH] * 30
    ankles, roots = shown(places, standing)
    steps = np.linalg.norm(np.diff(ankles[29:], axis=0), axis=-1)
    assert steps.max() < 0.5 * 0.10
    legs = ankles - roots[:, None]
    np.testing.assert_allclose(legs[45:], legs[:1].repeat(15, 0), atol=0.005)


def test_a_foot_that_seems_to_be_far_away_stands_no_more():
    places = np.zeros((30, 3))
    places[10:, 2] = -1.0
    ankles, _ = shown(places, [BOTH] * 30)
    assert ankles[-1, :, 2].max() < -0.8


def test_errors_do_not_add_up():
    places = np.zeros((900, 3))
    places[10:, 0] = 0.1
    _, roots = shown(places, [BOTH] * 900)
    assert roots[-1, 0] == pytest.approx(0.1, abs=0.01)
