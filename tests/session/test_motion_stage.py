"""Between fit and retarget: honest without a model, and never in the way."""

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import ValueRangeError
from twinsdk.session import SessionConfig
from twinsdk.session.motion_stage import MotionStage

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
    assert session.stats()["motion"].p50_ms < 2


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
            make_source(60), bead_avatar, tracker=make_tracker(), config=config
        ) as session:
            poses.append(list(session)[-1].pose)
    assert np.degrees(quat.angle(poses[0].rotations, poses[1].rotations)).max() < 1
