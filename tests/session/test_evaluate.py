"""Measures obey laws: nothing is wrong with the truth itself, and what must not matter does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from twinsdk.cli import main
from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.render import Camera
from twinsdk.session import evaluate_metrics as metrics
from twinsdk.session.evaluate import ROWS, evaluate_takes, markdown, measure_take
from twinsdk.session.evaluate_methods import (
    JOINTS,
    METHODS,
    POINTS,
    Estimate,
    one_euro,
    raw,
    truth_points,
    upper_length,
)
from twinsdk.session.truth_film import contacts_of
from twinsdk.session.truth_motion import perform, with_face_and_fingers
from twinsdk.session.truth_take import TAKE_VERSION, Take, save_take

FPS = 30.0
BONES = ((0, 1), (1, 2))
HINGE = ((0, 1, 2),)
TURN = quat.from_rotation_vector(np.array([0.3, -0.8, 0.5]))


def wandering(seed=0, frames=120, points=4):
    """A smooth motion (T, P, 3) of some metres a second."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames)[:, None, None] / FPS
    rates, phases = rng.uniform(0.3, 1.5, (2, 1, points, 3))
    return np.sin(2 * np.pi * rates * times + 6 * phases) * 0.3 + rng.normal(size=(1, points, 3))


def test_the_truth_has_no_error():
    truth = wandering()
    assert metrics.position_errors(truth, truth, [0]).max() == 0
    assert metrics.direction_errors(truth, truth, BONES).max() < 1e-5
    assert metrics.hinge_errors(truth, truth, HINGE).max() < 1e-5
    assert metrics.best_lag_s(truth, truth, FPS) == pytest.approx(0, abs=1e-9)


def test_position_errors_do_not_see_where_the_person_is():
    truth, est = wandering(0), wandering(1)
    shift = np.random.default_rng(2).normal(size=(len(est), 1, 3))
    here = metrics.position_errors(est, truth, [0, 1])
    assert np.allclose(here, metrics.position_errors(est + shift, truth, [0, 1]))


def test_errors_do_not_see_which_way_the_world_is_turned():
    truth, est = wandering(0), wandering(1)
    turned_truth, turned = quat.rotate(TURN, truth), quat.rotate(TURN, est)
    for measure, what in (
        (metrics.position_errors, [0]),
        (metrics.direction_errors, BONES),
        (metrics.hinge_errors, HINGE),
    ):
        assert np.allclose(
            measure(est, truth, what), measure(turned, turned_truth, what), atol=1e-4
        )


def test_directions_and_hinges_do_not_see_size():
    truth, est = wandering(0), wandering(1)
    for measure, what in ((metrics.direction_errors, BONES), (metrics.hinge_errors, HINGE)):
        assert np.allclose(measure(est, truth, what), measure(1.7 * est, truth, what), atol=1e-6)


def test_a_bone_turned_by_twenty_degrees_is_off_by_twenty():
    truth = np.zeros((1, 2, 3))
    truth[0, 1] = [0, -0.4, 0]
    turn = quat.from_axis_angle(np.array([0.0, 0, 1]), np.radians(20))
    est = quat.rotate(turn, truth)
    assert metrics.direction_errors(est, truth, ((0, 1),))[0, 0] == pytest.approx(20)


def test_a_straight_arm_for_a_bent_one_is_off_by_the_bend():
    straight = np.array([[[0.0, 0, 0], [0, -0.3, 0], [0, -0.6, 0]]])
    bent = np.array([[[0.0, 0, 0], [0, -0.3, 0], [0, -0.3, 0.3]]])
    assert metrics.hinge_errors(straight, bent, HINGE)[0, 0] == pytest.approx(90)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.12])
def test_a_delay_is_found_and_a_constant_error_is_not_taken_for_one(delay_s):
    fine = wandering(3, frames=1200)  # a tenth of a frame a step
    steps = round(delay_s * FPS * 10)
    truth, late = fine[60::10], fine[60 - steps : -steps or None : 10]
    shared = min(len(truth), len(late))
    found = metrics.best_lag_s(late[:shared] + 0.2, truth[:shared], FPS)
    assert found == pytest.approx(delay_s, abs=0.004)


def test_a_truth_that_rests_tells_no_lag():
    rest = np.ones((60, 2, 3))
    assert np.isnan(metrics.best_lag_s(wandering(frames=60, points=2), rest, FPS))


def test_jerk_is_that_of_the_cubic():
    times = np.arange(40) / FPS
    points = np.zeros((40, 1, 3))
    points[:, 0, 1] = times**3
    assert np.allclose(metrics.jerk(points, FPS), 6, rtol=1e-4)
    assert metrics.jerk(wandering(), FPS).shape == (117, 4)


def test_speed_is_metres_by_seconds_and_no_noise_deviates_by_its_size():
    points = np.zeros((31, 1, 3))
    points[:, 0, 0] = np.arange(31) / FPS * 2
    assert np.allclose(metrics.speeds(points, FPS), 2)
    noise = np.random.default_rng(0).normal(0, 0.002, (5000, 2, 3))
    assert np.allclose(metrics.still_deviation(noise), 0.002 * np.sqrt(3), rtol=0.05)
    assert metrics.still_deviation(points * 0 + 7).max() == 0


def test_exchanged_sides_are_swaps_and_a_rough_guess_is_none():
    truth = np.zeros((10, 4, 3))
    truth[:, 0, 0], truth[:, 1, 0], truth[:, 2, 0], truth[:, 3, 0] = 0.3, 0.4, -0.3, -0.4
    limbs = [[(0, 2), (1, 3)]]
    assert not metrics.swapped(truth, truth, limbs).any()
    assert not metrics.swapped(truth + 0.1, truth, limbs).any()
    est = truth.copy()
    est[4] = truth[4][[2, 3, 0, 1]]
    assert np.flatnonzero(metrics.swapped(est, truth, limbs)).tolist() == [4]


def test_legs_side_by_side_cannot_be_swapped():
    truth = np.zeros((3, 2, 3))
    truth[:, 0, 0], truth[:, 1, 0] = 0.02, -0.02
    assert not metrics.swapped(truth[:, ::-1], truth, [[(0, 1)]]).any()


def test_correlation_is_one_for_a_scaled_copy_and_untold_for_what_rests():
    rng = np.random.default_rng(0)
    truth = rng.random((200, 3))
    truth[:, 2] = 0.5
    found = metrics.correlation(0.3 * truth + 0.1, truth)
    assert np.allclose(found[:2], 1)
    assert np.isnan(found[2])
    assert metrics.correlation(np.zeros((200, 3)), truth)[0] == 0


def test_recovery_counts_from_the_return():
    times = np.arange(100) / 10
    present = np.ones(100, bool)
    present[40:60] = False
    errors = np.where(times < 6.5, 1.0, 0.1)
    errors[:40] = 0.1
    assert metrics.recovery_s(errors, present, times) == pytest.approx(0.5)
    assert metrics.recovery_s(errors * 0 + 0.1, present, times) == 0
    errors[60:] = 1
    assert metrics.recovery_s(errors, present, times) == np.inf
    assert np.isnan(metrics.recovery_s(errors, present | True, times))


def test_the_true_pose_measures_as_perfect_on_every_row():
    take = rendered_take()
    points = truth_points(take, "level")
    perfect = Estimate(
        axes="level",
        points=points,
        placed=points,
        expressions=take.expressions,
        sure=np.ones(len(take), bool),
    )
    found = measure_take(take, perfect)
    for key in ("position", "direction", "elbow", "knee", "depth", "lag", "swaps", "root_path"):
        assert found[key] == pytest.approx(0, abs=1e-4), key
    assert found["jerk"] == pytest.approx(1)
    assert found["length_error"] == pytest.approx(0, abs=1e-5)
    assert found["foot_speed"] == pytest.approx(found["foot_speed_truth"])
    assert found["found"] == 1


def test_points_the_picture_does_not_show_do_not_count():
    take = rendered_take()
    points = truth_points(take, "level")
    wrist = POINTS.index("leftWrist")
    bad = points.copy()
    bad[:, wrist] += 1
    estimate = Estimate(
        axes="level",
        points=bad,
        placed=bad,
        expressions=take.expressions,
        sure=np.ones(len(take), bool),
    )
    assert measure_take(take, estimate)["position"] > 0.05
    take.joint_pixels[:, JOINTS[wrist], 0] = -5
    assert measure_take(take, estimate)["position"] == pytest.approx(0, abs=1e-6)


def test_a_perfect_tracker_leaves_raw_points_where_they_are():
    take = rendered_take()
    found = measure_take(take, raw(take))
    assert found["position"] == pytest.approx(0, abs=1e-4)
    assert found["root_path"] < 0.02  # placed by the picture, of the angle of view assumed
    held = one_euro(take)
    size = held.points[:, POINTS.index("leftHip")] - held.points[:, POINTS.index("leftKnee")]
    true = raw(take).points
    true = true[:, POINTS.index("leftHip")] - true[:, POINTS.index("leftKnee")]
    ratio = np.linalg.norm(size, axis=-1).mean() / np.linalg.norm(true, axis=-1).mean()
    assert ratio == pytest.approx(1.30 * take.height_m / upper_length(take), rel=0.02)


def test_all_methods_fill_the_table():
    results = evaluate_takes([rendered_take()])
    assert set(results["means"]) == set(METHODS)
    table = markdown(results, {"output rate, fps": 31.4})
    told = [row for row in ROWS if np.isfinite(results["means"]["ours"][row.key])]
    assert len(table.splitlines()) == 2 + len(told) + 1
    assert all(row.name in table for row in told)
    assert "31.4" in table.splitlines()[-1]


def test_the_command_judges_takes_filmed_before_and_writes_all_figures(tmp_path, capsys):
    save_take(rendered_take(), tmp_path / "one.npz")
    out = tmp_path / "figures.json"
    assert main(["evaluate", "capture", "--data", str(tmp_path), "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("| measure |")
    figures = json.loads(out.read_text())
    assert figures["takes"][0]["name"] == "x"
    assert figures["means"]["raw"]["position"] < 1e-3
    assert figures["means"]["ours"]["recovery"] is None  # nobody left: not a number


def rendered_take() -> Take:
    """Three seconds of gestures, seen by a tracker that makes no mistake at 60 degrees."""
    size = (640, 480)
    rng = np.random.default_rng(0)
    clip = with_face_and_fingers(perform("steps", rng, duration_s=4.0), rng)
    _, joints = clip.world()
    upright = 2 * np.degrees(np.arctan(np.tan(np.radians(30)) * size[1] / size[0]))
    camera = Camera(position=(0.4, 1.6, 4), target=(0, 0.9, 0), fov_deg=float(upright))
    pixels = camera.project(joints, size)
    local = (joints - np.array(camera.position)) @ camera.axes().T * (1, 1, -1)
    seen = []
    for t in range(len(clip)):
        space, uv = np.zeros((33, 3)), np.full((33, 2), 0.5)
        for name, j in zip(POINTS, JOINTS, strict=True):
            space[BODY_NAMES.index(name)] = local[t, j]
            uv[BODY_NAMES.index(name)] = pixels[t, j, :2] / size
        hips = [BODY_NAMES.index("leftHip"), BODY_NAMES.index("rightHip")]
        space -= space[hips].mean(0)
        sure = np.ones(33)
        seen.append(
            Observation(
                timestamp_ns=round(t * 1e9 / FPS),
                body=Landmarks(names=BODY_NAMES, positions=space, visibility=sure),
                image_body=ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=size, visibility=sure),
            )
        )
    return Take(
        about={"version": TAKE_VERSION, "name": "x", "height_m": 1.7, "kind": "steps"},
        rotations=clip.rotations,
        root_translations=clip.root_translations,
        joint_positions=joints,
        joint_pixels=pixels.copy(),
        bone_lengths=np.linalg.norm(humanoid_skeleton().rest_translations, axis=-1),
        landmarks=np.zeros((len(clip), 33, 3), np.float32),
        landmark_pixels=np.zeros((len(clip), 33, 3), np.float32),
        landmark_known=np.zeros(33, bool),
        expressions=clip.expressions,
        contacts=contacts_of(joints, HUMANOID_NAMES, FPS),
        present=np.ones(len(clip), bool),
        camera_position=np.array(camera.position, np.float32),
        camera_axes=camera.axes(),
        fov_deg=60.0,
        size_px=size,
        observations=tuple(seen),
    )
