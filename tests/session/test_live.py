"""The live loop: complete over files, newest first over cameras, honest when nobody is there."""

import time

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.session import SessionConfig


def run(source, tracker, avatar, **options):
    with tw.Session(source, avatar, tracker=tracker, **options) as session:
        return session, list(session.steps())


def test_every_frame_of_a_file_becomes_a_step_in_order(make_source, make_tracker, bead_avatar):
    session, steps = run(make_source(40), make_tracker(), bead_avatar)
    assert [step.image.index for step in steps] == list(range(40))
    assert [step.frames[0].sequence for step in steps] == list(range(40))
    assert session.dropped == 0


def test_two_runs_over_a_file_give_the_same_poses(make_source, make_tracker, bead_avatar):
    _, first = run(make_source(20), make_tracker(), bead_avatar)
    _, second = run(make_source(20), make_tracker(), bead_avatar)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.frames[0].pose.rotations, b.frames[0].pose.rotations)
        np.testing.assert_array_equal(a.frames[0].expressions, b.frames[0].expressions)


def test_a_person_in_t_pose_becomes_a_twin_in_t_pose(make_source, make_tracker, bead_avatar):
    _, steps = run(make_source(60), make_tracker(), bead_avatar)
    frame = steps[-1].frames[0]
    assert frame.state == "tracking"
    assert frame.confidence > 0.5
    world, _ = frame.pose.world()
    for joint in ("hips", "leftUpperArm", "rightLowerArm", "leftUpperLeg", "rightLowerLeg"):
        turned = quat.angle(world[frame.pose.skeleton.joint(joint)], quat.IDENTITY)
        assert np.degrees(turned) < 6, joint


def test_nobody_in_view_makes_no_frame_and_a_lost_person_is_held_then_rests(
    make_source, make_tracker, bead_avatar
):
    seen = range(30, 60)
    _, steps = run(make_source(200), make_tracker(seen), bead_avatar)
    assert all(not step.frames for step in steps[:30])
    states = [step.frames[0].state.value for step in steps[30:]]
    assert states[25] == "tracking"
    assert states[32] == "holding"
    assert states[-1] == "generated"  # the motion model lets them idle
    assert steps[-1].frames[0].confidence < 0.1


def test_a_slow_tracker_makes_a_camera_drop_frames_not_queue_them(
    make_source, make_tracker, bead_avatar
):
    source = make_source(40, live=True, spacing_s=0.002)
    with tw.Session(source, bead_avatar, tracker=make_tracker()) as session:
        shown = []
        for step in session.steps():
            time.sleep(0.02)  # a consumer ten times slower than the camera
            if not step.filled:
                shown.append(step.image.index)
    assert session.dropped > 0
    assert len(shown) + session.dropped == 40
    assert shown == sorted(shown)
    assert shown[-1] == 39  # the newest is never the one dropped


def test_max_frames_ends_the_run(make_source, make_tracker, bead_avatar):
    config = SessionConfig(max_frames=7)
    _, steps = run(make_source(40), make_tracker(), bead_avatar, config=config)
    assert len(steps) == 7


def test_stop_ends_the_run_after_the_frame_it_is_at(make_source, make_tracker, bead_avatar):
    count = 0
    with tw.Session(make_source(10**6), bead_avatar, tracker=make_tracker()) as session:
        for _ in session.steps():
            count += 1
            if count == 5:
                session.stop()
    assert count == 5


def test_a_lost_camera_reaches_the_caller_as_itself(make_source, make_tracker, bead_avatar):
    with (
        tw.Session(make_source(40, fails_at=5), bead_avatar, tracker=make_tracker()) as session,
        pytest.raises(tw.errors.DeviceLostError, match="camera 0: unplugged"),
    ):
        list(session.steps())


def test_the_twin_goes_on_while_a_camera_is_away_and_comes_back_with_it(
    make_source, make_tracker, bead_avatar
):
    source = make_source(60, live=True, spacing_s=0.005, silent=range(30, 130))
    tracker = make_tracker()
    _, steps = run(source, tracker, bead_avatar)
    steps = [step for step in steps if not step.filled]
    states = [step.frames[0].state.value for step in steps]
    assert len(tracker.tracked) == 60  # a picture is tracked once
    before = [step.frames[0].state for step in steps if step.image.index < 29]
    assert before
    assert set(before) == {"tracking"}
    away = states[len(before) :]
    assert {"holding", "generated"} <= set(away)
    assert states[-1] in ("tracking", "partial")
    stamps = [step.frames[0].timestamp_ns for step in steps]
    assert stamps == sorted(stamps)


def test_stages_are_timed_and_callbacks_called(make_source, make_tracker, bead_avatar):
    heard = []
    session, steps = run(make_source(10), make_tracker(), bead_avatar, on_step=heard.append)
    assert heard == steps
    stats = session.stats()
    assert {"track", "track.pose", "fit", "retarget", "ours", "latency", "frame"} <= set(stats)
    assert all(stage.count == 10 for stage in stats.values())
    assert all(0 <= stage.p50_ms <= stage.p99_ms for stage in stats.values())


def test_a_foreign_tracker_and_source_are_left_open(make_source, make_tracker, bead_avatar):
    source, tracker = make_source(3), make_tracker()
    run(source, tracker, bead_avatar)
    assert not tracker.closed
    assert not source.released


def test_frames_reach_a_subscriber(make_source, make_tracker, bead_avatar):
    with (
        tw.Publisher("tcp://127.0.0.1:*", avatar=bead_avatar) as publisher,
        tw.Subscriber(publisher.endpoint, state_endpoint=publisher.state_endpoint) as subscriber,
        tw.Session(
            make_source(2000, live=True, spacing_s=0.01),
            bead_avatar,
            tracker=make_tracker(),
            publisher=publisher,
        ) as session,
    ):
        received = None
        for _ in session.steps():
            received = subscriber.recv(timeout_s=0.0)
            if received is not None:
                session.stop()
    assert received is not None
    assert received.pose.skeleton.names == bead_avatar.skeleton.names
    assert received.state == "tracking"
