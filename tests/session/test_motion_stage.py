"""Between fit and retarget: honest without a model, and never in the way."""

from dataclasses import replace

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import ValueRangeError
from twinsdk.session import SessionConfig
from twinsdk.session.motion_stage import MotionStage, motion_model

SKELETON = humanoid_skeleton()


def worn(*seen):
    _, places = SKELETON.rest_world()
    return Trackers(
        positions=places[[SKELETON.joint(name) for name in TRACKER_NAMES]],
        rotations=np.tile(quat.IDENTITY, (6, 1)),
        seen=np.array([name in seen for name in TRACKER_NAMES]),
    )


def test_without_a_model_joints_that_no_tracker_shows_are_marked_as_made_up():
    shown = MotionStage(SKELETON, None).worn(worn("head", "leftHand", "rightHand"), 0.01)
    made = {name for j, name in enumerate(SKELETON.names) if shown.generated[j]}
    assert {"leftFoot", "hips", "rightUpperArm"} <= made
    assert not made & {"head", "leftHand", "leftIndexDistal"}
    assert shown.joint_confidence[SKELETON.joint("head")] == 1
    assert shown.joint_confidence[SKELETON.joint("leftFoot")] < 0.5
    assert shown.state is TrackingState.PARTIAL


def test_all_six_trackers_are_tracking():
    assert MotionStage(SKELETON, None).worn(worn(*TRACKER_NAMES), 0.01).state == "tracking"


def test_a_session_without_the_model_shows_the_fit_itself(make_source, make_tracker, bead_avatar):
    config = SessionConfig(motion_model=False)
    with tw.Session(make_source(30), bead_avatar, tracker=make_tracker(), config=config) as session:
        steps = list(session.steps())
    assert not steps[-1].frames[0].generated.any()
    assert session.stats()["motion"].p50_ms < 5


@pytest.mark.parametrize("seconds", [-0.1, 0.5, float("nan")])
def test_more_foresight_than_there_is_is_refused(seconds):
    with pytest.raises(ValueRangeError, match="predict_s"):
        SessionConfig(predict_s=seconds)


def test_foresight_keeps_a_person_who_stands_still_where_they_are(
    make_source, make_tracker, bead_avatar
):
    poses = []
    for predict_s in (0.0, 0.1):
        config = SessionConfig(motion_model=False, predict_s=predict_s)
        with tw.Session(
            make_source(90), bead_avatar, tracker=make_tracker(), config=config
        ) as session:
            # By now the person's own skeleton has come in.
            poses.append(list(session)[-1].pose)
    assert np.degrees(quat.angle(poses[0].rotations, poses[1].rotations)).max() < 1


def test_with_the_model_hands_are_where_their_trackers_are_and_the_rest_is_marked():
    stage = MotionStage(SKELETON, motion_model(SKELETON))
    given = worn("head", "leftHand", "rightHand")
    wanted = given.positions.copy()
    wanted[1:3] = [[0.3, 1.1, 0.25], [-0.3, 1.1, 0.25]]  # within reach
    given = replace(given, positions=wanted)
    for _ in range(60):
        shown = stage.worn(given, 1 / 60)
    _, places = shown.pose.world()
    for row, name in enumerate(TRACKER_NAMES[:3]):
        apart = np.linalg.norm(places[SKELETON.joint(name)] - wanted[row])
        assert apart < 0.005, name
    assert shown.generated[SKELETON.joint("leftFoot")]
    assert not shown.generated[SKELETON.joint("leftHand")]
    gone = [stage.worn(worn(), 1 / 60) for _ in range(120)]
    assert gone[-1].state is TrackingState.GENERATED
    assert gone[-1].generated.all()


def test_a_lost_person_lives_on_by_the_model(make_source, make_tracker, bead_avatar):
    with tw.Session(make_source(150), bead_avatar, tracker=make_tracker(range(60))) as session:
        frames = list(session)
    assert frames[-1].state is TrackingState.GENERATED
    assert frames[-1].generated.all()
    later = quat.angle(frames[-1].pose.rotations, frames[-30].pose.rotations)
    assert later.max() > 1e-4  # alive
    assert session.stats()["motion"].p50_ms < 20  # a bound for busy machines; 1 ms when quiet
