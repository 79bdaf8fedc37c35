"""The motion model live: exact hands, no jumps, no surprises, whatever the source."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import FormatError, ModelMissingError, NotHumanoidError, ShapeError, UsageError
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.slots import WIDTH
from twinsdk.motion.model.weights import HEADS, read_weights, write_weights

DEFAULT = MotionModel.load().weights
SIZES = {"width": WIDTH, "hidden": 16, "layers": 1, "heads": HEADS}


def reaching(t, seen=(1, 1, 1, 0, 0, 0), height=1.0):
    """Return trackers of somebody who stands and moves their hands about, at time `t`."""
    skeleton = humanoid_skeleton()
    rotations = np.tile(quat.IDENTITY, (55, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = np.array(
            [0.3 * np.sin(2 * t), sign * 0.4 * np.sin(t), -sign * (0.9 + 0.3 * np.sin(t))]
        )
        rotations[HUMANOID_NAMES.index(f"{side}UpperArm")] = quat.from_rotation_vector(swing)
        bend = np.array([0.0, -sign * (0.8 + 0.4 * np.sin(1.3 * t)), 0.0])
        rotations[HUMANOID_NAMES.index(f"{side}LowerArm")] = quat.from_rotation_vector(bend)
    root = np.array([0.05 * np.sin(t), 0.93, 0.03 * np.cos(t)], np.float32)
    turns, places = skeleton.forward(rotations, root)
    rows = [HUMANOID_NAMES.index(name) for name in TRACKER_NAMES]
    return Trackers(
        positions=places[rows] * height,
        rotations=turns[rows],
        seen=np.array(seen, bool),
        timestamp_ns=round(t * 1e9),
    )


def standing(t, found=True):
    """Return what a webcam's tracker says of somebody who stands before it."""
    from twinsdk.core.clip import clip_of
    from twinsdk.core.pose import Pose
    from twinsdk.motion.evaluation.simulated import body_points

    if not found:
        return Observation(timestamp_ns=round(t * 1e9))
    rotations = np.tile(quat.IDENTITY, (55, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turn = np.array([0, 0, -sign * (1.2 + 0.1 * np.sin(3 * t))])
        rotations[HUMANOID_NAMES.index(f"{side}UpperArm")] = quat.from_rotation_vector(turn)
    pose = Pose(
        skeleton=humanoid_skeleton(),
        rotations=rotations,
        root_translation=np.array([0, 0.935, 0], np.float32),
    )
    points = body_points(clip_of([pose], fps=30))[0]
    points = points - points[[23, 24]].mean(0)
    uv = 0.5 + 0.9 * points[:, :2] * (1, -4 / 3) / (3 - points[:, 2:])
    sure = np.full(33, 0.98)
    return Observation(
        timestamp_ns=round(t * 1e9),
        body=Landmarks(names=BODY_NAMES, positions=points, visibility=sure),
        image_body=ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=(640, 480), visibility=sure),
    )


def model(**more):
    return MotionModel(DEFAULT, **more)


@pytest.mark.parametrize("fps", [15, 30, 72, 120])
def test_hands_are_within_half_a_centimetre_of_their_controllers(fps):
    made = model()
    worst = 0.0
    for k in range(fps * 2):
        given = reaching(k / fps)
        step = made.step(given, 1 / fps)
        turns, places = step.pose.world()
        for row, name in ((1, "leftHand"), (2, "rightHand"), (0, "head")):
            j = step.pose.skeleton.joint(name)
            worst = max(worst, float(np.linalg.norm(places[j] - given.positions[row])))
            assert quat.angle(turns[j], given.rotations[row]) < 0.02
    assert worst < 0.005


def test_a_taller_wearer_is_followed_in_their_own_metres():
    made = model(skeleton=humanoid_skeleton(1.95))
    for k in range(40):
        given = reaching(k / 30, height=1.95 / 1.70)
        step = made.step(given, 1 / 30)
    _, places = step.pose.world()
    for row, name in ((0, "head"), (1, "leftHand"), (2, "rightHand")):
        at = step.pose.skeleton.joint(name)
        assert np.linalg.norm(places[at] - given.positions[row]) < 0.006


def test_a_live_step_needs_no_torch():
    code = (
        "import sys; from twinsdk.motion.model import MotionModel; "
        "MotionModel.load().step(None, 1 / 30); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_people_stepped_together_move_as_they_do_alone():
    together, alone = model(people=2), model()
    for k in range(20):
        one = reaching(k / 30)
        both = together.step_many([one, standing(k / 30)], 1 / 30)
        own = alone.step(one, 1 / 30)
        np.testing.assert_allclose(both[0].pose.rotations, own.pose.rotations, atol=1e-4)


def test_a_state_restored_goes_on_the_same_way():
    made = model()
    for k in range(15):
        made.step(reaching(k / 30), 1 / 30)
    state = made.state()
    first = [made.step(reaching(k / 30), 1 / 30).pose.rotations for k in range(15, 25)]
    made.restore(state)
    again = [made.step(reaching(k / 30), 1 / 30).pose.rotations for k in range(15, 25)]
    np.testing.assert_array_equal(first, again)
    with pytest.raises(UsageError, match="another"):
        model(people=2).restore(state)


def test_no_time_changes_nothing():
    made = model()
    step = made.step(reaching(0), 1 / 30)
    for dt in (0.0, -1.0, np.nan, np.inf):
        assert made.step(reaching(9), dt) is step


def test_whatever_comes_the_pose_is_finite_and_unit():
    rng = np.random.default_rng(4)
    made = model()
    for k in range(150):
        kind = int(rng.integers(5))
        if kind == 0:
            given = None
        elif kind == 1:
            given = standing(k / 30, found=rng.random() < 0.7)
        else:
            given = reaching(k / 30, seen=rng.integers(0, 2, 6))
            if kind == 2:
                given = Trackers(
                    positions=given.positions + rng.normal(0, 1e4, (6, 3)),
                    rotations=rng.normal(0, 1, (6, 4)),
                    seen=given.seen,
                )
            if kind == 3:
                positions = given.positions.copy()
                positions[int(rng.integers(6))] = np.nan
                given = Trackers(positions=positions, rotations=given.rotations, seen=given.seen)
        step = made.step(given, float(rng.choice([1 / 120, 1 / 30, 0.4, 5.0])))
        assert np.isfinite(step.pose.rotations).all()
        assert np.isfinite(step.pose.root_translation).all()
        assert np.isfinite(step.future.rotations).all()
        assert ((step.joint_confidence >= 0) & (step.joint_confidence <= 1)).all()


def test_a_change_of_source_makes_no_jump():
    made, fps = model(), 30
    places = []
    for k in range(4 * fps):
        t = k / fps
        given = reaching(t) if (k // fps) % 2 == 0 else None
        places.append(made.step(given, 1 / fps).pose.world()[1])
    moved = np.linalg.norm(np.diff(places, axis=0), axis=-1) * fps
    # A hand swings at up to 1 m/s here; a source that comes back brings it home within 0.35 s.
    assert moved[1:].max() < 4.0


def test_somebody_unseen_for_a_while_idles_and_says_so():
    made = model(seed=3)
    for k in range(30):
        made.step(reaching(k / 30), 1 / 30)
    steps = [made.step(None, 1 / 30) for _ in range(90)]
    assert steps[0].state is TrackingState.HOLDING
    assert steps[-1].state is TrackingState.GENERATED
    assert steps[-1].generated.all()
    assert not steps[-1].joint_confidence.any()
    places = np.stack([step.pose.world()[1] for step in steps[30:]])
    assert np.ptp(places, axis=0).max() > 1e-4  # alive
    assert np.ptp(places[:, 0], axis=0).max() < 0.4  # and on the spot


def test_only_what_no_source_shows_is_generated():
    made = model()
    for k in range(5):
        step = made.step(reaching(k / 30), 1 / 30)
    skeleton = step.pose.skeleton
    assert not step.generated[skeleton.joint("leftHand")]
    assert step.generated[skeleton.joint("leftLowerLeg")]
    for k in range(5, 30):
        step = made.step(reaching(k / 30, seen=[1] * 6), 1 / 30)
    assert not step.generated[skeleton.joint("leftLowerLeg")]
    assert step.state is TrackingState.TRACKING


def test_ahead_runs_smoothly_from_now_through_the_predicted_poses():
    made = model()
    for k in range(20):
        step = made.step(reaching(k / 30), 1 / 30)
    assert step.ahead(0.0) is step.pose
    assert step.ahead(np.nan) is step.pose
    angles = quat.angle(step.ahead(0.1).rotations, step.future.rotations[2])
    assert angles.max() < 1e-3
    np.testing.assert_allclose(
        step.ahead(0.1).root_translation, step.future.root_translations[2], atol=1e-5
    )
    near = quat.angle(step.ahead(1e-3).rotations, step.pose.rotations)
    assert near.max() < 0.05


def untrained(path, better=frozenset(), **changes):
    rng = np.random.default_rng(2)
    from twinsdk.core._recurrent_reference import layer_sizes
    from twinsdk.core.recurrent import packed

    sizes = {**SIZES, **changes}
    matrices, biases = packed(
        [(rng.normal(0, 0.05, (o, i)), np.zeros(o)) for i, o in layer_sizes(**sizes)]
    )
    arrays = {
        "matrices": matrices,
        "biases": biases,
        "mean": np.zeros(sizes["width"], np.float32),
        "scale": np.ones(sizes["width"], np.float32),
    }
    write_weights(path, sizes, arrays, better=better, trained={})
    return path


def test_where_the_network_is_no_better_than_its_start_the_start_is_shown(tmp_path):
    first = MotionModel.load(untrained(tmp_path / "a.npz"))
    second = MotionModel.load(untrained(tmp_path / "b.npz", hidden=24))
    for k in range(10):
        one, other = (m.step(reaching(k / 30), 1 / 30) for m in (first, second))
    arms = [HUMANOID_NAMES.index(n) for n in ("leftUpperArm", "spine", "leftHand")]
    np.testing.assert_allclose(one.pose.rotations[arms], other.pose.rotations[arms], atol=1e-6)


def test_a_webcam_that_sees_all_is_left_to_the_fit_where_only_the_unseen_is_corrected(tmp_path):
    from twinsdk.motion.fitting.fit import BodyFitter
    from twinsdk.motion.model import Webcam

    made = MotionModel.load(untrained(tmp_path / "w.npz", better=frozenset({"unseen"})))
    fitter = BodyFitter()
    for k in range(40):
        seen = standing(k / 30)
        fit = fitter.step(seen)
        step = made.step(Webcam(observation=seen, fit=fit), 1 / 30)
    body = [HUMANOID_NAMES.index(n) for n in ("hips", "spine", "leftUpperArm", "leftLowerLeg")]
    apart = quat.angle(step.pose.rotations[body], fit.pose.rotations[body])
    assert apart.max() < 0.01
    j = step.pose.skeleton.joint("leftFoot")
    assert np.abs(step.pose.world()[1][j] - fit.pose.world()[1][j]).max() < 0.02


def test_damaged_or_foreign_weights_are_refused_in_words(tmp_path):
    file = untrained(tmp_path / "w.npz")
    read_weights(file)
    with pytest.raises(ModelMissingError, match="no weights there"):
        MotionModel.load(tmp_path / "none.npz")
    with np.load(file) as data:
        arrays = {key: data[key] for key in data.files}
    spoilt = arrays["biases"].copy()
    spoilt[3] += 1
    np.savez(tmp_path / "spoilt.npz", **{**arrays, "biases": spoilt})
    with pytest.raises(FormatError, match=r"damaged: expected arrays of SHA-256 \w{16}"):
        read_weights(tmp_path / "spoilt.npz")
    about = json.loads(str(arrays["about"]))
    about["version"] = 9
    np.savez(tmp_path / "newer.npz", **{**arrays, "about": np.array(json.dumps(about))})
    with pytest.raises(FormatError, match="version 2, got 9"):
        read_weights(tmp_path / "newer.npz")
    with pytest.raises(FormatError, match=r"got \{'width': 40\}"):
        read_weights(untrained(tmp_path / "narrow.npz", width=40))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(FormatError, match="not a weights file"):
        read_weights(tmp_path / "text.npz")
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(FormatError, match="not a weights file"):
        read_weights(tmp_path / "cut.npz")


def test_a_skeleton_of_other_names_and_a_wrong_count_of_sources_are_refused():
    from twinsdk.core.skeleton import Skeleton

    tail = Skeleton(
        names=("root", "tail"),
        parents=np.array([-1, 0]),
        rest_translations=np.zeros((2, 3)),
        rest_rotations=np.tile(quat.IDENTITY, (2, 1)),
    )
    with pytest.raises(NotHumanoidError, match="missing"):
        model(skeleton=tail)
    with pytest.raises(ShapeError, match="expected 1, got 2"):
        model().step_many([None, None])


def test_generated_motion_comes_with_its_seed():
    made = model()
    a, b, c = (made.generate(1.0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.rotations, b.rotations)
    assert not np.array_equal(a.rotations, c.rotations)
