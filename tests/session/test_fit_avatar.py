"""A clip becomes its person's avatar, or the refusal says what is wrong with it."""

from dataclasses import replace

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES
from twinsdk.errors import LandmarkError
from twinsdk.session.body_lengths import (
    FEATURES,
    BodyLengths,
    given,
    standing_shares,
)
from twinsdk.session.guide import Guide, Stage
from twinsdk.session.survey import Surveyor

SIZE = (640, 480)
CALM = np.zeros(EXPRESSION_COUNT)


@pytest.fixture(scope="module")
def places():
    """The landmarks' places (478, 3) on the average face; those that are not fitted lie inside."""
    from twinsdk.avatar.base import load_base
    from twinsdk.avatar.face_fit import landmark_points
    from twinsdk.errors import DependencyError

    try:
        base = load_base()
    except DependencyError as error:
        pytest.skip(f"no body data and no network: {error}")
    points = landmark_points()
    on = np.einsum("pk,pkc->pc", points.weights, base.template[points.vertices].astype(float))
    out = np.tile(on.mean(0), (len(FACE_NAMES), 1))
    out[points.landmarks] = on
    return out - on.mean(0)


def face(places, yaw_deg=0.0, metres_px=1400.0, at=(0.5, 0.5)):
    """A face turned to the person's left seen from far away."""
    yaw = np.radians(yaw_deg)
    x = np.cos(yaw) * places[:, 0] + np.sin(yaw) * places[:, 2]
    pixels = np.stack([x, -places[:, 1]], -1) * metres_px + np.multiply(at, SIZE)
    return tw.ImageLandmarks(names=FACE_NAMES, uv=pixels / SIZE, size_px=SIZE)


def picture(marks=None, eyes=1.0):
    """Noise on a flat face; the region around the eyes `eyes` times as bright."""
    pixels = np.random.default_rng(1).normal(180, 6, (SIZE[1], SIZE[0], 3))
    if marks is not None:
        on = marks.pixels()[[230, 450, 120, 349]]
        low, high = on.min(0).astype(int) - 12, on.max(0).astype(int) + 12
        pixels[low[1] : high[1], low[0] : high[0]] *= eyes
    return np.clip(pixels, 0, 255).astype(np.uint8)


def watch(frames, count_people=None):
    surveyor = Surveyor(count_people)
    for index, (pixels, observations) in enumerate(frames):
        image = tw.Image(pixels=pixels, timestamp_ns=index * 33_000_000, index=index)
        surveyor.add(image, observations)
    return surveyor


def seen(marks, expressions=CALM):
    return tw.Observation(timestamp_ns=0, image_face=marks, expressions=expressions)


def test_nobody_in_view_is_refused_with_what_to_do():
    with pytest.raises(LandmarkError, match=r"none in 3 frames.*face the camera"):
        watch([(picture(), [])] * 3).finish()


def test_a_face_too_far_away_is_refused_with_its_size(places):
    frames = [(picture(), [seen(face(places, metres_px=300))])] * 3
    with pytest.raises(LandmarkError, match=r"60 pixels across.*come nearer"):
        watch(frames).finish()


@pytest.mark.parametrize("yaw", [40, -55])
def test_a_face_never_seen_from_the_front_is_refused(places, yaw):
    with pytest.raises(LandmarkError, match=r"turned by \d\d degrees.*look into the camera"):
        watch([(picture(), [seen(face(places, yaw))])] * 3).finish()


def test_a_face_cut_off_by_the_pictures_edge_is_refused(places):
    with pytest.raises(LandmarkError, match="cut off"):
        watch([(picture(), [seen(face(places, at=(0.02, 0.5)))])] * 3).finish()


def test_dark_glasses_are_refused_and_dark_skin_is_not(places):
    marks = face(places)
    with pytest.raises(LandmarkError, match="dark glasses"):
        watch([(picture(marks, eyes=0.2), [seen(marks)])] * 3).finish()
    dark = (picture(marks) * 0.3).astype(np.uint8)
    assert watch([(dark, [seen(marks)])] * 3).finish().faces == 3


def test_two_people_are_refused_whether_the_tracker_or_the_counter_finds_them(places):
    one = seen(face(places))
    with pytest.raises(LandmarkError, match="expected one person"):
        watch([(picture(), [one, replace(one, person=1)])] * 3).finish()
    with pytest.raises(LandmarkError, match="expected one person"):
        watch([(picture(), [one])] * 30, count_people=lambda _: 2).finish()
    assert watch([(picture(), [one])] * 30, count_people=lambda _: 1).finish().views


def test_the_calmest_sharp_frames_of_each_side_are_kept(places):
    from scipy import ndimage

    talking = np.full(EXPRESSION_COUNT, 0.6)
    frames = []
    for yaw in (0, 3, 26, -30, 60):
        marks, sharp = face(places, yaw), picture()
        blurred = ndimage.gaussian_filter(sharp, (3, 3, 0))
        calm = [(sharp, [seen(marks)])] * 2
        frames += [(blurred, [seen(marks)]), (sharp, [seen(marks, talking)]), *calm]
    survey = watch(frames).finish()
    assert [round(yaw / 10) for yaw in sorted(survey.yaws_deg)] == [-3, -3, 0, 0, 3, 3]
    for view in survey.views:
        np.testing.assert_array_equal(view.pixels, picture())
    assert survey.warnings == ()
    front = watch(frames[:4]).finish()
    assert any("left" in word for word in front.warnings)


def body(scale_px=400.0, legs=0.9, elbow_deg=0.0, forearm=1.0):
    """What is seen of a person standing, as pixels and metres of our own skeleton's points.

    Elbows may be bent upwards, and forearms be longer than the skeleton's.
    """
    at = dict(zip(tw.HUMANOID_NAMES, tw.humanoid_skeleton().rest_world()[1], strict=True))
    joint_of = {
        "Shoulder": "UpperArm", "Elbow": "LowerArm", "Wrist": "Hand", "Hip": "UpperLeg",
        "Knee": "LowerLeg", "Ankle": "Foot", "Heel": "Foot", "FootIndex": "Toes", "Eye": "Eye",
    }  # fmt: skip
    points = np.zeros((len(BODY_NAMES), 3))
    for side in ("left", "right"):
        for part, joint in joint_of.items():
            points[BODY_NAMES.index(side + part)] = at[side + joint]
        points[BODY_NAMES.index(f"{side}Heel"), 1] -= 0.06
        ear = at["head"] + [0.078 if side == "left" else -0.078, 0.045, 0]
        points[BODY_NAMES.index(f"{side}Ear")] = ear
    for side, out in (("left", 1), ("right", -1)):
        elbow, wrist = (BODY_NAMES.index(side + part) for part in ("Elbow", "Wrist"))
        way = np.array([out * np.cos(np.radians(elbow_deg)), np.sin(np.radians(elbow_deg)), 0])
        length = forearm * np.linalg.norm(points[wrist] - points[elbow])
        points[wrist] = points[elbow] + way * length
    size = (900, 900)
    uv = np.stack([0.5 + points[:, 0] * scale_px / 900, 0.95 - points[:, 1] * scale_px / 900], -1)
    sure = np.full(len(points), 0.9)
    sure[[i for i, n in enumerate(BODY_NAMES) if "Knee" in n or "Ankle" in n]] = legs
    return tw.Observation(
        timestamp_ns=0,
        body=tw.Landmarks(names=BODY_NAMES, positions=points, visibility=sure),
        image_body=tw.ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=size, visibility=sure),
    )


def test_features_are_shares_of_the_stature_whatever_the_distance():
    near, near_px = standing_shares(np.asarray(body(400).image_body.pixels(), float))
    far, far_px = standing_shares(np.asarray(body(200).image_body.pixels(), float))
    np.testing.assert_allclose(near, far, atol=1e-5)
    assert near_px == pytest.approx(2 * far_px, rel=1e-4)


def test_lengths_scale_with_the_height_and_ask_for_the_whole_body():
    lengths = BodyLengths()
    for _ in range(4):
        lengths.add(body())
    assert not lengths.whole
    lengths.add(body())
    assert lengths.whole
    short, deviation = lengths.measures(1.6)
    tall, _ = lengths.measures(1.92)
    for name, length in short.items():
        assert tall[name] == pytest.approx(1.2 * length)
        assert 0.001 < deviation[name] < 0.05
    # The skeleton is a person of ordinary build: lengths must come out near its own.
    own = dict(zip(tw.HUMANOID_NAMES, tw.humanoid_skeleton().rest_world()[1], strict=True))
    thigh = np.linalg.norm(own["leftUpperLeg"] - own["leftLowerLeg"])
    assert lengths.measures(1.7)[0]["thigh"] == pytest.approx(thigh, rel=0.2)


def forearm_of(frames):
    lengths = BodyLengths()
    for frame in frames:
        lengths.add(frame)
    found, deviation = lengths.measures(1.7)
    return found["forearm"], deviation["forearm"], lengths


def test_bent_elbows_tell_the_forearms_better_than_straight_ones():
    straight, unsure, lengths = forearm_of([body(forearm=1.1)] * 8)
    assert not lengths.tells("arm")
    bent, sure, lengths = forearm_of(
        [body(forearm=1.1)] * 8 + [body(elbow_deg=90, forearm=1.1)] * 4
    )
    assert lengths.tells("arm")
    assert not lengths.tells("leg")
    assert sure < 0.6 * unsure
    usual, _, _ = forearm_of([body()] * 8 + [body(elbow_deg=90)] * 4)
    # The tracker makes people more alike than they are: what is a tenth to it is more.
    assert 1.05 < bent / usual < 1.25
    assert straight != bent


def test_a_limb_bent_towards_the_camera_tells_nothing():
    lengths = BodyLengths()
    seen = body(elbow_deg=90)
    points = seen.body.positions.copy()
    for side in ("left", "right"):
        points[BODY_NAMES.index(f"{side}Wrist"), 2] += 1.0
    towards = replace(seen.body, positions=points)
    for _ in range(6):
        lengths.add(replace(seen, body=towards))
    assert lengths.bent == {"arm": 0, "leg": 0}


def test_what_is_not_known_leaves_the_rest_as_the_normal_distribution_has_it():
    rng = np.random.default_rng(5)
    count = len(FEATURES) + 7
    mix = rng.normal(size=(count, count))
    people = rng.normal(size=(400_000, count)) @ mix
    mean, covariance = people.mean(0), np.cov(people.T)
    x = np.full(len(FEATURES), np.nan)
    x[[2, 11]] = 0.7, -1.1
    found, deviation = given(x, mean, covariance)
    # The slow way: regress on what is known alone.
    known = np.column_stack([np.ones(len(people)), people[:, [2, 11]]])
    slopes, *_ = np.linalg.lstsq(known, people[:, len(FEATURES) :], rcond=None)
    np.testing.assert_allclose(found, [1, 0.7, -1.1] @ slopes, atol=1e-6)
    left = people[:, len(FEATURES) :] - known @ slopes
    np.testing.assert_allclose(deviation, left.std(0), rtol=1e-3)


def test_hidden_legs_leave_arms_alone_to_be_measured():
    lengths = BodyLengths()
    for _ in range(6):
        lengths.add(body(legs=0.2))
    assert not lengths.whole
    assert set(lengths.measures(1.7)[0]) == {"upper_arm", "forearm", "shoulder_width"}


def test_the_guide_waits_for_each_step_or_its_patience():
    said = []
    stages = (
        Stage(words="stand", counts="body", enough=2, patience_s=5),
        Stage(words="turn", counts="left_seen", enough=2, patience_s=5),
    )
    guide = Guide(said.append, stages)
    assert guide.step({}, 0.0)
    assert guide.step({"body": 1, "left_seen": 9}, 0.1)
    assert said == ["stand"]
    assert guide.step({"body": 2, "left_seen": 9}, 0.2)  # frames of before do not count
    assert said == ["stand", "turn"]
    assert guide.step({"left_seen": 10}, 0.3)
    assert not guide.step({"left_seen": 10}, 5.3)


@pytest.mark.slow
def test_the_rendered_close_up_becomes_an_avatar_with_its_face(tmp_path):
    pytest.importorskip("open3d")
    from twinsdk.session.fit_avatar import fit_avatar
    from twinsdk.session.truth import ensure_self_sample

    with tw.open_source(ensure_self_sample(progress=False)) as source:
        fitted = fit_avatar(source, height_m=1.72, progress=False)
    assert fitted.coverage > 0.8
    assert {"front", "aside"} == {
        "front" if abs(y) < 12 else "aside" for y in fitted.survey.yaws_deg
    }
    assert any("not seen whole" in word for word in fitted.warnings)
    spec = fitted.save(tmp_path / "me.vrm")
    assert tw.AvatarSpec.load(spec) == fitted.spec
    again = tw.load_avatar(tmp_path / "me.vrm")
    assert again.meta["thumbnail"] == fitted.avatar.meta["thumbnail"]
    # The default avatar is shown: the skin must come out like its own, not like another's.
    tone = [int(fitted.spec.colors.skin[i : i + 2], 16) for i in (1, 3, 5)]
    assert tone[0] > tone[1] > tone[2]


@pytest.mark.slow
def test_the_counter_tells_one_person_from_two():
    pytest.importorskip("open3d")
    from twinsdk.capture.people import PeopleCounter
    from twinsdk.session.truth import ensure_self_sample

    with tw.open_source(ensure_self_sample(progress=False)) as source:
        frame = next(iter(source)).pixels
    counter = PeopleCounter()
    try:
        assert counter.count(frame) == 1
        assert counter.count(np.concatenate([frame, frame], axis=1)) == 2
        assert counter.count(np.full_like(frame, 120)) == 0
    finally:
        counter.close()
