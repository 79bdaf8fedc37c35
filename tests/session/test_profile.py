"""A person's profile: what one session learnt is there in the first frame of the next."""

from __future__ import annotations

import json

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.capture.face_expressions import ExpressionSolver, load_network
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.motion import BodyFitter
from twinsdk.motion.fitting.body import SEGMENTS
from twinsdk.motion.fitting.learnt import Learnt
from twinsdk.session import SessionConfig
from twinsdk.session.profile import Profile, profile_path, profiles

LENGTHS = {name: (0.9 + 0.02 * k, 0.02 + 0.001 * k) for k, name in enumerate(SEGMENTS)}


@pytest.fixture
def face():
    """Return the face of somebody whose mouth is bent to one side when it rests."""
    network = load_network()
    return network.canonical + 0.6 * network.basis[tw.EXPRESSION_NAMES.index("mouthSmileLeft")]


@pytest.fixture
def profile(face):
    learnt = Learnt(lengths=LENGTHS, camera_pitch_deg=7.5)
    return Profile(height_m=1.83, learnt=learnt, neutral_face=face)


def seen(face):
    """Return the face on a picture of 1000 px."""
    uv = 0.5 + face[:, :2] * (0.1, -0.1)
    depth = -0.1 * face[:, 2]
    return ImageLandmarks(names=FACE_NAMES, uv=uv, size_px=(1000, 1000), depth=depth)


def thigh_m(skeleton):
    rest = skeleton.rest_translations[skeleton.joint("leftLowerLeg")]
    return float(np.linalg.norm(rest))


def test_a_profile_comes_back_from_its_file_as_it_went(profile, tmp_path):
    path = tmp_path / "ada.json"
    profile.save(path)
    back = Profile.load(path)
    assert back.height_m == pytest.approx(1.83)
    assert back.learnt.camera_pitch_deg == pytest.approx(7.5)
    assert back.learnt.lengths == {k: pytest.approx(v) for k, v in LENGTHS.items()}
    np.testing.assert_allclose(back.neutral_face, profile.neutral_face, atol=1e-6)


def test_what_a_fitter_learnt_can_always_be_given_to_another(tmp_path):
    fitter = BodyFitter()
    fitter.begin_with(Learnt(lengths=dict.fromkeys(SEGMENTS, (0.76, 0.05))))
    path = tmp_path / "short.json"
    Profile(learnt=fitter.learnt()).save(path)
    BodyFitter().begin_with(Profile.load(path).learnt)


def test_a_session_has_the_lengths_of_its_profile_at_the_first_frame(
    profile, make_source, make_tracker, bead_avatar
):
    config = SessionConfig(profile=profile, max_frames=1)
    with tw.Session(make_source(1), bead_avatar, tracker=make_tracker(), config=config) as session:
        list(session.steps())
        learnt = session.learnt()
    assert learnt.height_m == profile.height_m
    for name, (ratio, _) in LENGTHS.items():
        assert learnt.learnt.lengths[name][0] == pytest.approx(ratio, rel=0.003)
    assert learnt.learnt.camera_pitch_deg == pytest.approx(7.5, abs=0.5)
    np.testing.assert_array_equal(learnt.neutral_face, profile.neutral_face)


def test_the_first_pose_is_on_the_skeleton_of_the_profile(make_tracker, make_source):
    image = make_source(1).read()
    (observation,) = make_tracker().track(image)
    plain, known = BodyFitter(), BodyFitter()
    known.begin_with(Learnt(lengths={"thigh": (1.1, 0.02)}))
    mean, own = (thigh_m(fitter.step(observation).pose.skeleton) for fitter in (plain, known))
    assert own == pytest.approx(1.1 * mean, rel=0.003)


def test_what_is_surely_known_moves_less_than_what_is_not(make_tracker, make_source):
    fitters = {deviation: BodyFitter() for deviation in (0.01, 0.5)}
    for deviation, fitter in fitters.items():
        fitter.begin_with(Learnt(lengths=dict.fromkeys(SEGMENTS, (1.1, deviation))))
    source, tracker = make_source(90), make_tracker()
    for image in source:
        (observation,) = tracker.track(image)
        for fitter in fitters.values():
            fitter.step(observation)
    moved = {
        deviation: abs(fitter.learnt().lengths["upperArm"][0] - 1.1)
        for deviation, fitter in fitters.items()
    }
    assert moved[0.01] < 0.5 * moved[0.5]


def test_a_face_that_rests_is_read_as_resting_from_the_first_frame_on(face):
    known = ExpressionSolver()
    known.begin_with(face)
    stranger = ExpressionSolver()
    stranger.begin_with(load_network().canonical)
    assert known.settled
    np.testing.assert_allclose(known.neutral, face, atol=1e-6)
    resting = known.solve(seen(face))
    assert resting.max() < 0.1
    assert stranger.solve(seen(face)).max() > 0.3


def test_calibrating_takes_the_face_as_it_is_for_neutral():
    network = load_network()
    smiling = network.canonical + network.basis[tw.EXPRESSION_NAMES.index("mouthSmileLeft")]
    solver = ExpressionSolver()
    solver.begin_with(network.canonical)
    before = solver.solve(seen(smiling)).max()
    solver.calibrate()
    after = [solver.solve(seen(smiling)).max() for _ in range(60)]
    assert before > 0.4
    assert max(after) < 0.1


def test_calibrating_forgets_the_lengths(profile, make_source, make_tracker, bead_avatar):
    config = SessionConfig(profile=profile)
    with tw.Session(make_source(3), bead_avatar, tracker=make_tracker(), config=config) as session:
        steps = session.steps()
        next(steps)
        session.calibrate()
        ratio = session.learnt().learnt.lengths["hips"][0]
    assert ratio == pytest.approx(1, abs=1e-6)


def test_a_profile_is_of_one_person(profile):
    with pytest.raises(tw.errors.UsageError, match="expected 1 with a profile, got 2"):
        tw.Session("sample", config=SessionConfig(profile=profile, people=2))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda _: "[1, 2]", "damaged"),
        (lambda _: "{}", "no 'twinsdk_profile'"),
        (lambda _: "[" * 100_000, "damaged"),
        (lambda text: text.replace('"twinsdk_profile": 1', '"twinsdk_profile": 9'), "version 9"),
        (lambda text: text.replace("183.0", "-1"), "height: expected 30 to 300 cm"),
        (lambda text: text.replace('"thigh"', '"tail"'), "'tail'"),
        (lambda text: text.replace("7.5", "NaN"), "camera_pitch_deg: expected -60 to 60"),
        (lambda text: text.replace("7.5", '"up"'), "could not convert"),
    ],
)
def test_a_damaged_profile_is_one_line_that_ends_with_its_path(profile, tmp_path, damage, words):
    path = tmp_path / "ada.json"
    profile.save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(tw.errors.FormatError) as caught:
        Profile.load(path)
    line = str(caught.value)
    assert words in line
    assert line.startswith("profile: damaged (")
    assert line.endswith(f": {path}")
    assert "\n" not in line


def test_a_face_of_another_shape_is_refused(profile, tmp_path):
    path = tmp_path / "ada.json"
    profile.save(path)
    given = json.loads(path.read_text())
    given["neutral_face"] = given["neutral_face"][:-1]
    path.write_text(json.dumps(given))
    with pytest.raises(tw.errors.FormatError, match=r"\(478, 3\), got \(477, 3\)"):
        Profile.load(path)


def test_profiles_lie_in_the_folder_of_the_users_data(tmp_path, monkeypatch, profile):
    monkeypatch.delenv("TWINSDK_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = profile_path("ada")
    assert path == tmp_path / "twinsdk" / "profiles" / "ada.json"
    profile.save(path)
    assert profiles() == [path]
    assert profile_path("here/bob.json").name == "bob.json"
    for name in ("", "../ada", "a/b", "x" * 200):
        with pytest.raises(tw.errors.UsageError, match="profile: expected a name"):
            profile_path(name)
