"""Legs that are not in the picture stand, and what is seen stays as the fit has it."""

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.motion import Fit
from twinsdk.motion.evaluation.simulated import body_points
from twinsdk.motion.fitting.rest import idle_rotations
from twinsdk.session.motion_stage import MotionStage, motion_model

SKELETON = humanoid_skeleton()
STEP_S = 1 / 30
PARTS = ("UpperLeg", "LowerLeg", "Foot", "Toes")
LEGS = np.array([SKELETON.joint(f"{side}{part}") for part in PARTS for side in ("left", "right")])
OTHERS = np.setdiff1d(np.arange(len(SKELETON)), LEGS)
FEET = [SKELETON.joint("leftFoot"), SKELETON.joint("rightFoot")]
ANKLE_M = SKELETON.rest_world()[1][FEET, 1].mean()


def fit_of(rotations, *, hidden=(), share=1.0, place=(0.0, 0.0), state=TrackingState.PARTIAL):
    """Return what a fit says of somebody; joints with `hidden` in their names are not seen.

    They are seen by 1 - `share`.
    """
    named = np.array([any(part in name for part in hidden) for name in HUMANOID_NAMES])
    sure = 1.0 - share * named
    root = np.array([place[0], SKELETON.rest_translations[0, 1], place[1]], np.float32)
    return Fit(
        pose=Pose(skeleton=SKELETON, rotations=rotations, root_translation=root),
        joint_confidence=0.97 * sure.astype(np.float32),
        confidence=0.8,
        state=state,
        expressions=np.zeros(52, np.float32),
        standing=np.zeros(2, bool),
    )


def shown(fits):
    stage = MotionStage(SKELETON, motion_model(SKELETON))
    return [
        stage.webcam(seen(fit, round((k + 1) * 1e9 * STEP_S)), fit, STEP_S)
        for k, fit in enumerate(fits)
    ]


def seen(fit, timestamp_ns):
    """Return what a tracker sees of somebody in the fit's pose; nobody when the fit is lost."""
    if fit.state is TrackingState.HOLDING:
        return Observation(timestamp_ns=timestamp_ns)
    pose = fit.pose
    clip = MotionClip(
        skeleton=SKELETON,
        fps=30,
        rotations=pose.rotations[None],
        root_translations=pose.root_translation[None],
    )
    points = body_points(clip)[0]
    sure = np.full(len(BODY_NAMES), 0.97)
    for row, name in enumerate(BODY_NAMES):
        part = name.removeprefix("left").removeprefix("right")
        joint = {"Knee": "LowerLeg", "Ankle": "Foot", "Heel": "Foot", "FootIndex": "Toes"}.get(part)
        if joint is not None:
            sure[row] = fit.joint_confidence[SKELETON.joint(f"left{joint}")]
    hips = [BODY_NAMES.index("leftHip"), BODY_NAMES.index("rightHip")]
    body = Landmarks(
        names=BODY_NAMES,
        positions=(points - points[hips].mean(0)).astype(np.float32),
        visibility=sure.astype(np.float32),
    )
    return Observation(timestamp_ns=timestamp_ns, body=body)


def standing():
    return idle_rotations().astype(np.float32)


def seated():
    rotations = standing()
    level = quat.from_axis_angle(np.array([1.0, 0.0, 0.0]), np.radians(-85.0))
    for side in ("left", "right"):
        rotations[SKELETON.joint(f"{side}UpperLeg")] = level
    return rotations


def test_somebody_seen_whole_is_shown_as_the_fit_has_them():
    fits = [fit_of(standing()) for _ in range(20)]
    for fit, now in zip(fits, shown(fits), strict=True):
        np.testing.assert_array_equal(now.pose.rotations, fit.pose.rotations)
        assert not now.generated.any()


def test_of_half_a_person_the_seen_half_stays_and_the_other_is_marked():
    fits = [fit_of(standing(), hidden=PARTS) for _ in range(45)]
    frames = shown(fits)
    for fit, now in zip(fits, frames, strict=True):
        apart = quat.angle(now.pose.rotations[OTHERS], fit.pose.rotations[OTHERS])
        assert apart.max() < 1e-3  # float32 products
        assert not now.generated[OTHERS].any()
    assert frames[-1].generated[LEGS].all()
    assert frames[-1].joint_confidence[LEGS].max() < 0.5


def test_made_up_legs_stand_on_the_floor():
    last = shown([fit_of(standing(), hidden=PARTS) for _ in range(60)])[-1]
    assert last.pose.world()[1][FEET, 1] == pytest.approx(ANKLE_M, abs=0.02)


def test_feet_stay_while_the_person_sways_over_them():
    sway = 0.04 * np.sin(2 * np.pi * 0.5 * np.arange(150) * STEP_S)
    frames = shown([fit_of(standing(), hidden=PARTS, place=(x, 0.0)) for x in sway])
    settled = np.array([now.pose.world()[1] for now in frames[60:]])
    assert np.ptp(settled[:, 0, 0]) > 0.07
    assert np.ptp(settled[:, FEET], axis=0)[:, [0, 2]].max() < 0.015


def test_somebody_who_goes_elsewhere_is_followed_by_their_feet():
    walk = np.concatenate([np.zeros(30), np.linspace(0, 0.6, 60), np.full(60, 0.6)])
    frames = shown([fit_of(standing(), hidden=PARTS, place=(x, 0.0)) for x in walk])
    ankles = frames[-1].pose.world()[1][FEET]
    assert abs(ankles[:, 0].mean() - 0.6) < 0.13  # a step is not worth it for less than 0.12


def test_legs_go_out_of_the_picture_and_come_back_without_a_jump():
    fade = np.clip(np.arange(1, 46) / 10, 0, 1)  # as the fit's own, a third of a second
    shares = np.concatenate([np.zeros(30), fade, 1 - fade])
    frames = shown([fit_of(standing(), hidden=PARTS, share=share) for share in shares])
    turns = np.array([now.pose.rotations for now in frames])
    roots = np.array([now.pose.root_translation for now in frames])
    assert quat.angle(turns[1:], turns[:-1]).max() < np.radians(4)
    assert np.abs(np.diff(roots, axis=0)).max() < 0.005
    np.testing.assert_allclose(turns[-1], standing(), atol=1e-5)  # the fit's again


def test_below_thighs_that_are_level_the_shanks_hang():
    hidden = ("LowerLeg", "Foot", "Toes")
    _, places = shown([fit_of(seated(), hidden=hidden) for _ in range(60)])[-1].pose.world()
    for side in ("left", "right"):
        shank = places[SKELETON.joint(f"{side}Foot")] - places[SKELETON.joint(f"{side}LowerLeg")]
        assert -shank[1] / np.linalg.norm(shank) > np.cos(np.radians(15)), side


def test_a_short_loss_changes_nothing_of_made_up_legs_at_once():
    fits = [fit_of(standing(), hidden=PARTS) for _ in range(45)]
    lost = replace(fits[-1], joint_confidence=np.zeros(55, np.float32), state=TrackingState.HOLDING)
    frames = shown([*fits, *[lost] * 6, *fits[:10]])
    turns = np.array([now.pose.rotations for now in frames[30:]])
    assert quat.angle(turns[1:], turns[:-1]).max() < np.radians(4)
