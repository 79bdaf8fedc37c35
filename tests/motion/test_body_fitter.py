"""The fitter over time: steady, fading, honest about what it does not see."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.expressions import EXPRESSION_COUNT, expression
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import LandmarkError, ValueRangeError
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.fitting.body import MODEL, row
from twinsdk.motion.fitting.estimate import BodyEstimator
from twinsdk.motion.fitting.rest import idle_rotations

LEVEL = FitConfig(camera_pitch_deg=0)
DEPTH_DEG = 2.5  # one camera's doubt about exact points
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
BODY = [i for i, n in enumerate(HUMANOID_NAMES) if not any(f in n for f in FINGERS)]


def joint(name):
    return HUMANOID_NAMES.index(name)


def unseen(*parts):
    return np.array([0.05 if any(p in n for p in parts) else 1.0 for n in BODY_NAMES])


def steps(fitter, person, local, start_s, seconds, fps=30, **how):
    fits = []
    for k in range(round(seconds * fps)):
        fits.append(fitter.step(person.observation(local, start_s + k / fps, **how)))
    return fits


def hip_height(fit):
    return float(fit.pose.skeleton.rest_translations[0, 1])


def apart(a, b):
    return np.degrees(quat.angle(a.pose.rotations, b.pose.rotations))


@pytest.fixture
def seated(person):
    return person.moving_pose(1.0)


def test_a_still_person_is_fitted_with_the_soles_on_the_ground(person, seated):
    fit = steps(BodyFitter(LEVEL), person, seated, 0, 1.0)[-1]
    angles = person.angles(seated, fit.pose.rotations)
    # What leans to the camera or away is told by how people move, within some degrees.
    assert max(angles.values()) < DEPTH_DEG
    assert fit.state is TrackingState.TRACKING
    assert fit.confidence == pytest.approx(1)
    world = fit.pose.world_from_joint()
    soles = [
        (world[joint(f"{side}Foot")] @ (0, -0.075, ahead, 1))[1]
        for side in ("left", "right")
        for ahead in (-0.05, 0.19)
    ]
    assert min(soles) == pytest.approx(0, abs=5e-3)


def test_one_motion_at_15_30_and_60_hz_gives_one_result(person):
    ends = []
    for fps in (15, 30, 60):
        fitter = BodyFitter(LEVEL)
        for k in range(2 * fps + 1):
            fit = fitter.step(person.observation(person.moving_pose(k / fps), k / fps))
        ends.append(fit)
    # Sampling itself differs by half a frame of motion: 60 deg/s times 1/30 s.
    assert apart(ends[0], ends[2])[BODY].max() < 9
    assert apart(ends[1], ends[2])[BODY].max() < 2.5


@pytest.mark.parametrize("straight", [False, True])
@pytest.mark.parametrize("fps", [15, 30])
def test_tracker_noise_raises_the_error_gently_and_nothing_flips(person, straight, fps):
    errors = []
    for across, deep, most in ((0, 0, 4.0), (0.005, 0.02, 6.0), (0.008, 0.05, 7.0)):
        fitter = BodyFitter(LEVEL)
        noise = person.noise(np.random.default_rng(3), 3 * fps, fps, across=across, deep=deep)
        apart_deg, last, fastest = [], None, 0.0
        for k in range(3 * fps):
            local = person.moving_pose(k / fps, straight=straight)
            fit = fitter.step(person.observation(local, k / fps, noise=noise[k]))
            if k > fps:
                angles = person.angles(local, fit.pose.rotations)
                apart_deg.append([angles[HUMANOID_NAMES[i]] for i in BODY])
                fastest = max(fastest, apart(fit, last)[BODY].max() * fps)
            last = fit
        errors.append(np.mean(apart_deg))
        assert errors[-1] < most
        # The motion itself reaches 200 deg/s; a flip would be limited only by what limbs can do.
        assert fastest < (450 if deep < 0.05 else 950)
    assert errors[2] < errors[0] + 4.5


@pytest.mark.parametrize("straight", [False, True])
def test_a_joint_turns_about_its_own_axes_alone(person, straight):
    # What no point tells of would never be put right again.
    estimator = BodyEstimator(height_m=1.70)
    noise = person.noise(np.random.default_rng(3), 90, 30, across=0.008, deep=0.05)
    for k in range(90):
        seen = person.observation(
            person.moving_pose(k / 30, straight=straight), k / 30, noise=noise[k]
        )
        estimate = estimator.step(
            seen.body.positions.astype(float),
            seen.image_body,
            np.ones(33),
            focal_px=320 / np.tan(np.radians(30)),
            step_s=1 / 30,
        )
        turned = quat.to_rotation_vector(estimate.rotations)
        for name in ("leftLowerLeg", "rightLowerLeg", "leftLowerArm", "rightLowerArm"):
            others = MODEL.unknown[row(name)] < 0
            assert np.abs(turned[row(name), others]).max() < 0.02


def test_a_straight_arm_does_not_spin_under_noise(person):
    fitter = BodyFitter(LEVEL)
    noise = person.noise(np.random.default_rng(8), 120, 30, across=0.005, deep=0.02)
    turns = []
    for k in range(120):
        fit = fitter.step(person.observation({}, k / 30, noise=noise[k]))
        for name in ("leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg"):
            axis = (1, 0, 0) if "Arm" in name else (0, 1, 0)
            twist = quat.swing_twist(fit.pose.rotation(name), np.array(axis, float))[1]
            turns.append(np.degrees(quat.angle(twist, quat.IDENTITY)))
    assert max(turns) < 35


def test_an_arm_out_of_the_picture_fades_to_hanging_and_leaves_the_rest_alone(person, seated):
    fitter = BodyFitter(LEVEL)
    before = steps(fitter, person, seated, 0, 1.0)[-1]
    wild = person.body_points(seated)
    hidden = unseen("leftElbow", "leftWrist", "leftPinky", "leftIndex", "leftThumb")
    rng = np.random.default_rng(1)
    fits = []
    for k in range(45):
        noise = np.zeros_like(wild)
        noise[hidden < 0.5] = rng.normal(0, 0.3, (int((hidden < 0.5).sum()), 3))
        at = 1.0 + k / 30
        seen = person.observation(seated, at, noise=noise, visibility=hidden, hands=False)
        uv = np.where(hidden[:, None] < 0.5, 1.2, seen.image_body.uv).astype(np.float32)
        fits.append(fitter.step(replace(seen, image_body=replace(seen.image_body, uv=uv))))
    arm = [joint("leftUpperArm"), joint("leftLowerArm")]
    rest = idle_rotations()
    to_rest = [np.degrees(quat.angle(f.pose.rotations[arm], rest[arm])).max() for f in fits]
    assert to_rest[-1] < 1
    # It may swing past by a degree.
    assert all(b < max(a, 1.1) for a, b in pairwise(to_rest))
    gone = next(k for k, f in enumerate(fits) if f.joint_confidence[arm].max() < 1e-3)
    assert 0.2 < gone / 30 < 1.0
    others = [joint(n) for n in ("hips", "head", "rightUpperArm", "rightLowerLeg")]
    # A wrong arm moves its collar bone, and the chest is measured from there: two degrees.
    assert apart(before, fits[-1])[others].max() < 3
    assert fits[-1].state is TrackingState.PARTIAL


def test_an_arm_hidden_in_the_picture_follows_what_the_tracker_makes_of_it_with_little_trust(
    person, seated
):
    fitter = BodyFitter(LEVEL)
    steps(fitter, person, seated, 0, 1.0)
    hidden = unseen("leftElbow", "leftWrist", "leftPinky", "leftIndex", "leftThumb")
    raised = seated | {"leftUpperArm": person.rotation(0, 0, 0.9)}
    for k in range(45):
        seen = person.observation(raised, 1.0 + k / 30, visibility=hidden, hands=False)
        fit = fitter.step(seen)
    arm = [joint("leftUpperArm"), joint("leftLowerArm")]
    angles = person.angles(raised, fit.pose.rotations)
    assert max(angles[name] for name in ("leftUpperArm", "leftLowerArm")) < 25
    assert fit.joint_confidence[arm].max() < 0.2
    assert fit.state is TrackingState.PARTIAL


@pytest.mark.parametrize(("visibility", "follows"), [(0.35, True), (0.1, False)])
def test_legs_half_hidden_are_followed_and_legs_behind_a_desk_are_not(person, visibility, follows):
    fitter, local = BodyFitter(LEVEL), {"leftUpperLeg": person.rotation(x=-0.8)}
    hidden = np.where(unseen("Knee", "Ankle", "Heel", "Foot") < 0.5, visibility, 1.0)
    fit = steps(fitter, person, local, 0, 1.5, visibility=hidden)[-1]
    off = person.angles(local, fit.pose.rotations)["leftUpperLeg"]
    assert off < 12 if follows else off > 35
    assert fit.joint_confidence[joint("leftLowerLeg")] < 0.45


def test_a_visibility_at_the_threshold_does_not_flicker(person, seated):
    fitter = BodyFitter(LEVEL)
    steps(fitter, person, seated, 0, 0.5)
    states = []
    for k in range(60):
        seen = np.ones(33)
        seen[BODY_NAMES.index("leftWrist")] = 0.45 + 0.12 * (k % 2)
        states.append(fitter.step(person.observation(seated, 0.5 + k / 30, visibility=seen)).state)
    assert len(set(states)) == 1


def test_legs_below_the_picture_stand_whatever_their_visibility_says(person):
    local = {"leftUpperLeg": person.rotation(x=-1.4), "rightUpperLeg": person.rotation(x=-1.4)}
    fitter = BodyFitter(LEVEL)
    for k in range(30):
        seen = person.observation(local, k / 30)
        uv = seen.image_body.uv.copy()
        for i, name in enumerate(BODY_NAMES):
            if any(part in name for part in ("Hip", "Knee", "Ankle", "Heel", "FootIndex")):
                uv[i, 1] = 1.2
        image = ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=(640, 480))
        fit = fitter.step(
            Observation(timestamp_ns=seen.timestamp_ns, body=seen.body, image_body=image)
        )
    thigh = fit.pose.world_from_joint("leftUpperLeg")[:3, :3]
    np.testing.assert_allclose(thigh @ (0, -1, 0), (0, -1, 0), atol=0.02)
    assert fit.pose.root_translation[1] == pytest.approx(hip_height(fit), abs=0.01)
    assert fit.state is TrackingState.PARTIAL


def test_a_raised_hand_is_shown_with_its_elbow_below_the_picture(person):
    local = {
        "leftUpperArm": person.rotation(z=-1.2),
        "leftLowerArm": person.rotation(y=-2.2),
        "rightUpperArm": person.rotation(z=1.2),
    }
    fitter = BodyFitter(LEVEL)
    for k in range(30):
        seen = person.observation(local, k / 30)
        uv = seen.image_body.uv.copy()
        for part in ("Elbow", "Hip", "Knee", "Ankle", "Heel", "FootIndex"):
            uv[[BODY_NAMES.index(f"{side}{part}") for side in ("left", "right")], 1] = 1.1
        for part in ("Wrist", "Index", "Pinky", "Thumb"):
            uv[BODY_NAMES.index(f"right{part}"), 1] = 1.3
        image = ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=(640, 480))
        fit = fitter.step(
            Observation(timestamp_ns=seen.timestamp_ns, body=seen.body, image_body=image)
        )
    angles = person.angles(local, fit.pose.rotations)
    assert max(angles["leftUpperArm"], angles["leftLowerArm"]) < 26
    assert fit.joint_confidence[joint("leftLowerArm")] > 0.5
    assert fit.joint_confidence[joint("rightLowerArm")] == 0


def test_a_lost_person_is_held_then_eases_to_rest_and_comes_back(person, seated):
    fitter = BodyFitter(LEVEL)
    seen = steps(fitter, person, seated, 0, 1.0)[-1]
    gone = [fitter.step(Observation(timestamp_ns=round((2 + k / 30) * 1e9))) for k in range(90)]
    assert gone[5].state is TrackingState.HOLDING
    assert apart(seen, gone[5]).max() < 0.5
    assert gone[-1].state is TrackingState.IDLE
    assert gone[-1].confidence == 0
    assert np.degrees(quat.angle(gone[-1].pose.rotations, idle_rotations())).max() < 0.5
    assert max(apart(a, b).max() for a, b in pairwise(gone)) < 20  # 600 degrees a second
    back = steps(fitter, person, seated, 4.0, 1.5)[-1]
    assert back.state is TrackingState.TRACKING
    assert max(person.angles(seated, back.pose.rotations).values()) < DEPTH_DEG


def test_before_anybody_is_seen_the_twin_stands_at_rest():
    fit = BodyFitter().step(Observation(timestamp_ns=0))
    assert fit.state is TrackingState.IDLE
    np.testing.assert_allclose(fit.pose.root_translation, (0, hip_height(fit), 0), atol=0.01)


def test_the_same_time_or_an_earlier_one_changes_nothing(person, seated):
    fitter = BodyFitter(LEVEL)
    last = steps(fitter, person, seated, 1.0, 0.5)[-1]
    other = person.moving_pose(3.0)
    assert fitter.step(person.observation(other, 1.0 + 14 / 30)) is last
    assert fitter.step(person.observation(other, 0.2)) is last
    on = fitter.step(person.observation(seated, 0.2 + 1 / 30))
    assert apart(last, on).max() < 1


def test_points_in_one_place_give_a_finite_pose(person):
    fitter = BodyFitter()
    flat = Landmarks(names=BODY_NAMES, positions=np.zeros((33, 3)), visibility=np.ones(33))
    for k in range(40):
        fit = fitter.step(Observation(timestamp_ns=k * 33_000_000, body=flat))
    assert np.isfinite(fit.pose.rotations).all()
    assert np.isfinite(fit.pose.root_translation).all()


def test_a_head_hanging_below_the_shoulders_is_no_person(person):
    points = person.body_points({})
    points[:11, 1] -= 1.0
    fit = BodyFitter(LEVEL).step(Observation(timestamp_ns=0, body=person.body({}, points=points)))
    assert fit.state is TrackingState.IDLE


@pytest.mark.parametrize("pitch_deg", [-15, 20, 35])
def test_the_pitch_of_the_camera_is_learnt_from_somebody_who_stands(person, pitch_deg):
    # A camera that looks down sees everybody lean towards it.
    turn = person.rotation(x=np.radians(pitch_deg))
    standing = {"leftUpperArm": person.rotation(z=-1.2), "rightUpperArm": person.rotation(z=1.2)}
    fitter = BodyFitter()
    first = fitter.step(person.observation(standing, 0, turn=turn))
    # One frame is some doubt; most of it is believed.
    assert person.angles(standing, first.pose.rotations)["hips"] < 5
    waving = standing | {"leftUpperArm": person.rotation(z=1.0), "hips": person.rotation(y=1.0)}
    fit = steps(fitter, person, waving, 0.1, 1.0, turn=turn)[-1]
    assert person.angles(waving, fit.pose.rotations)["hips"] < 6


def test_eyes_follow_the_expressions(person):
    weights = np.zeros(EXPRESSION_COUNT)
    weights[[expression("eyeLookOutLeft"), expression("eyeLookInRight")]] = 1
    fit = steps(BodyFitter(LEVEL), person, {}, 0, 0.5, expressions=weights)[-1]
    for name in ("leftEye", "rightEye"):
        ahead = quat.rotate(fit.pose.rotation(name), np.array([0.0, 0.0, 1.0]))
        assert ahead[0] > 0.4  # to the person's left, +X
    np.testing.assert_allclose(fit.expressions, weights)


def test_a_turned_over_small_hand_does_not_turn_the_forearm(person):
    # Trackers of hands a few pixels large mirror them in depth; the body's palm keeps its side.
    local = {"leftUpperArm": person.rotation(z=-1.2), "rightUpperArm": person.rotation(z=1.2)}
    fitter = BodyFitter(LEVEL)
    for k in range(30):
        seen = person.observation(local, k / 30)
        turned = seen.left_hand.positions * (-1, 1, -1)
        tiny = np.full((21, 2), 0.5) + np.linspace(0, 0.02, 21)[:, None]
        image = ImageLandmarks(names=seen.left_hand.names, uv=tiny, size_px=(640, 480))
        fit = fitter.step(
            Observation(
                timestamp_ns=seen.timestamp_ns,
                body=seen.body,
                image_body=seen.image_body,
                left_hand=Landmarks(
                    names=seen.left_hand.names, positions=turned, visibility=np.ones(21)
                ),
                image_left_hand=image,
            )
        )
    angles = person.angles(local, fit.pose.rotations)
    assert angles["leftLowerArm"] < 3  # a turned forearm would be some 90 degrees off
    assert angles["leftHand"] < 3


def test_the_fit_is_on_a_skeleton_of_the_configured_height(person):
    fits = steps(BodyFitter(FitConfig(height_m=1.2, camera_pitch_deg=0)), person, {}, 0, 1.0)
    assert fits[12].pose.skeleton is fits[0].pose.skeleton  # 0.4 s: own lengths come later
    assert fits[-1].pose.skeleton.names == HUMANOID_NAMES
    assert hip_height(fits[-1]) == pytest.approx(0.893 * 1.2 / 1.7, abs=0.01)
    assert fits[-1].pose.root_translation[1] == pytest.approx(hip_height(fits[-1]), abs=0.01)


def test_a_person_of_long_arms_gets_a_skeleton_of_long_arms_seldom_changed(person):
    long = type(person)(
        person.offsets
        | {
            f"{side}LowerArm": person.offsets[f"{side}LowerArm"] * 1.15
            for side in ("left", "right")
        },
        person.carried,
    )
    fitter, skeletons = BodyFitter(LEVEL), []
    for k in range(240):
        fit = fitter.step(long.observation(long.moving_pose(k / 30), k / 30))
        if not skeletons or skeletons[-1] is not fit.pose.skeleton:
            skeletons.append(fit.pose.skeleton)
    assert 2 <= len(skeletons) <= 5
    upper = [s.rest_translations[joint("leftLowerArm"), 0] for s in skeletons]
    assert upper[-1] > 1.05 * upper[0]


def test_after_a_reset_nothing_of_the_last_person_is_left(person, seated):
    fitter = BodyFitter(LEVEL)
    steps(fitter, person, person.moving_pose(3.0), 0, 1.0)
    fitter.reset()
    a = fitter.step(person.observation(seated, 9.0))
    b = BodyFitter(LEVEL).step(person.observation(seated, 9.0))
    np.testing.assert_array_equal(a.pose.rotations, b.pose.rotations)
    np.testing.assert_array_equal(a.pose.root_translation, b.pose.root_translation)


def test_configurations_that_make_no_sense_are_refused():
    with pytest.raises(ValueRangeError, match="fov_deg: expected 10 to 150 degrees, got 0"):
        FitConfig(fov_deg=0)
    with pytest.raises(ValueRangeError, match="seen_above"):
        FitConfig(seen_above=0.3, unseen_below=0.5)


def test_landmarks_of_a_hand_in_place_of_a_body_are_refused(person):
    hand = person.hand({}, "left")
    wrong = Landmarks(
        names=tuple(f"p{i}" for i in range(33)), positions=np.zeros((33, 3)), visibility=np.ones(33)
    )
    with pytest.raises(LandmarkError):
        BodyFitter().step(Observation(timestamp_ns=0, body=wrong, left_hand=hand))


def test_a_somersault_too_quick_for_the_forecast_is_caught_up(person):
    fitter = BodyFitter(LEVEL)
    standing = person.moving_pose(1.0)
    steps(fitter, person, standing, 0, 0.5)
    over = standing | {"hips": person.rotation(x=2.6) @ standing["hips"]}
    fit = steps(fitter, person, over, 0.5, 0.8)[-1]
    # Within the doubt about depth, and not stuck half way with all points for outliers.
    assert person.angles(over, fit.pose.rotations)["hips"] < 20
