"""Laws of the stateless fit: what points decide is recovered, whatever the pose."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.humanoid import HUMANOID_NAMES, mirrored
from twinsdk.core.landmarks import BODY_NAMES, Landmarks
from twinsdk.core.quat import multiply, rotate
from twinsdk.errors import LandmarkError
from twinsdk.motion import fit_landmarks

# Not decided by points: toes and jaw (no points), eyes (from expressions only); they stay at rest,
# in the puppet too. The puppet keeps the stated conventions for the rest (see its random_pose).
TOLERANCE_DEG = 1.0


def fitted(puppet, local):
    return fit_landmarks(
        puppet.body(local), puppet.hand(local, "left"), puppet.hand(local, "right")
    )


@pytest.mark.parametrize("straight", [False, True])
def test_the_pose_behind_landmarks_comes_back_on_every_joint(puppet, straight):
    rng = np.random.default_rng(11 + straight)
    for _ in range(120):
        local = puppet.random_pose(rng, straight=straight)
        angles = puppet.angles(local, fitted(puppet, local))
        worst = max(angles, key=angles.get)
        assert angles[worst] < TOLERANCE_DEG, (worst, angles[worst])


def test_the_rest_pose_is_the_identity(puppet):
    rotations = fitted(puppet, {})
    np.testing.assert_allclose(rotations, np.tile([0, 0, 0, 1], (55, 1)), atol=2e-3)


def test_without_hand_points_the_palm_still_comes_from_the_body(puppet):
    rng = np.random.default_rng(3)
    for _ in range(40):
        local = puppet.random_pose(rng)
        angles = puppet.angles(local, fit_landmarks(puppet.body(local)))
        for name in ("leftHand", "rightHand", "leftLowerArm", "rightLowerArm"):
            assert angles[name] < TOLERANCE_DEG


def test_turning_the_whole_person_turns_only_the_hips(puppet):
    rng = np.random.default_rng(5)
    for _ in range(30):
        local = puppet.random_pose(rng)
        before = fitted(puppet, local)
        turned = dict(local)
        turned["hips"] = puppet.rotation(y=rng.uniform(-np.pi, np.pi)) @ local["hips"]
        after = fitted(puppet, turned)
        np.testing.assert_allclose(after[1:], before[1:], atol=2e-5)
        assert puppet.angles(turned, after)["hips"] < TOLERANCE_DEG


def test_moving_or_scaling_the_points_changes_nothing(puppet):
    local = puppet.random_pose(np.random.default_rng(6))
    points = puppet.body_points(local)
    before = fit_landmarks(puppet.body(local))
    moved = fit_landmarks(puppet.body(local, points=points * 1.2 + (0.4, -2.0, 3.0)))
    np.testing.assert_allclose(moved, before, atol=1e-4)


def test_a_mirrored_person_has_the_mirrored_pose(puppet):
    rng = np.random.default_rng(7)
    flip = np.array([-1.0, 1.0, 1.0])
    other = [HUMANOID_NAMES.index(mirrored(name)) for name in HUMANOID_NAMES]
    for _ in range(30):
        local = puppet.random_pose(rng)
        body = puppet.body(local)
        swapped = [body.names.index(mirrored(name)) for name in body.names]
        left, right = puppet.hand(local, "left"), puppet.hand(local, "right")
        seen = fit_landmarks(
            puppet.body(local, points=body.positions[swapped] * flip),
            Landmarks(names=right.names, positions=right.positions * flip, visibility=np.ones(21)),
            Landmarks(names=left.names, positions=left.positions * flip, visibility=np.ones(21)),
        )
        expected = fit_landmarks(body, left, right)[other] * np.array([1, -1, -1, 1])
        apart = np.abs((seen * expected).sum(-1))
        np.testing.assert_allclose(apart, 1, atol=1e-5)


def test_a_left_arm_raised_to_the_side_is_the_left_arm():
    # Worked by hand: a person facing the camera; their left is +X, up is +Y. The left arm goes
    # from hanging (-Y) to straight up (+Y): in the T-pose's frame that is a turn about +Z.
    points = np.zeros((33, 3))
    place = {
        "leftShoulder": (0.18, 0.5, 0), "rightShoulder": (-0.18, 0.5, 0),
        "leftElbow": (0.18, 0.78, 0), "rightElbow": (-0.18, 0.22, 0),
        "leftWrist": (0.18, 1.03, 0), "rightWrist": (-0.18, -0.03, 0),
        "leftHip": (0.09, 0, 0), "rightHip": (-0.09, 0, 0),
    }  # fmt: skip
    for name, where in place.items():
        points[BODY_NAMES.index(name)] = where
    rotations = fit_landmarks(Landmarks(names=BODY_NAMES, positions=points, visibility=np.ones(33)))
    world = np.array([0.0, 0.0, 0.0, 1.0])
    for name in ("hips", "spine", "chest", "upperChest", "leftShoulder", "leftUpperArm"):
        world = multiply(world, rotations[HUMANOID_NAMES.index(name)])
    np.testing.assert_allclose(rotate(world, np.array([1.0, 0, 0])), (0, 1, 0), atol=1e-4)


def test_points_that_coincide_give_a_finite_pose():
    flat = Landmarks(names=BODY_NAMES, positions=np.zeros((33, 3)), visibility=np.ones(33))
    rotations = fit_landmarks(flat)
    assert np.isfinite(rotations).all()
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1, atol=1e-5)


def test_landmarks_of_another_kind_are_refused(puppet):
    with pytest.raises(LandmarkError, match="expected the 33 points 'nose'"):
        fit_landmarks(puppet.hand({}, "left"))
