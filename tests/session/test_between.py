"""Output that does not slow down with the tracker: frames in between, and what they look like."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.frame import TrackingState
from twinsdk.session import SessionConfig
from twinsdk.session.between import InBetween, Rhythm

SECOND_NS = 1_000_000_000
SKELETON = tw.humanoid_skeleton()
ARM = SKELETON.joint("leftUpperArm")


def run(source, tracker, avatar, seconds, **options):
    """Return the steps of some seconds and when each came."""
    config = SessionConfig(motion_model=False, **options)
    with tw.Session(source, avatar, tracker=tracker, config=config) as session:
        steps, times = [], []
        for step in session.steps():
            steps.append(step)
            times.append(time.monotonic())
            if times[-1] - times[0] > seconds:
                session.stop()
    return session, steps, times


def test_a_tracker_of_eight_frames_a_second_is_filled_up_to_thirty(
    make_source, make_tracker, bead_avatar
):
    source = make_source(10**6, live=True)
    session, steps, times = run(source, make_tracker(delay_s=0.12), bead_avatar, 4)
    rate = (len(steps) - 1) / (times[-1] - times[0])
    fresh = sum(not step.filled for step in steps)
    assert rate > 25
    assert fresh / (times[-1] - times[0]) < 12
    assert session.filled == len(steps) - fresh
    assert session.stats()["frame"].count == fresh
    frames = [step.frames[0] for step in steps]
    assert all(a.timestamp_ns < b.timestamp_ns for a, b in pairwise(frames))
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    held = [frame.state is TrackingState.HOLDING for frame in frames]
    assert np.mean(held) < 0.1  # where a busy machine made the tracker wait
    for frame, step in zip(frames, steps, strict=True):
        if not step.filled:
            assert frame.timestamp_ns == step.image.timestamp_ns


def test_frames_in_between_are_less_sure_than_tracked_ones(make_source, make_tracker, bead_avatar):
    source = make_source(10**6, live=True)
    _, steps, _ = run(source, make_tracker(delay_s=0.12), bead_avatar, 2)
    fresh = steps[0]
    for before, after in pairwise(steps):
        fresh = after if not after.filled else fresh
        if after.filled:
            assert after.frames[0].confidence <= before.frames[0].confidence
            assert after.frames[0].confidence < 0.95 * fresh.frames[0].confidence
            assert after.image is before.image


def test_a_tracker_that_stalls_is_held_and_the_state_says_so(
    make_source, make_tracker, bead_avatar
):
    tracker = make_tracker()
    track = tracker.track

    def stall(image):
        if image.index == 30:
            time.sleep(1.0)
        return track(image)

    tracker.track = stall
    _, steps, times = run(make_source(60, live=True), tracker, bead_avatar, 10)
    frames = [step.frames[0] for step in steps]
    assert max(b - a for a, b in pairwise(times)) < 0.3
    held = [frame for frame in frames if frame.state is TrackingState.HOLDING]
    assert len(held) > 10
    assert frames[-1].state is TrackingState.TRACKING
    assert all(a.timestamp_ns < b.timestamp_ns for a, b in pairwise(frames))


def test_files_are_never_filled_in(make_source, make_tracker, bead_avatar):
    session, steps, _ = run(make_source(8), make_tracker(delay_s=0.1), bead_avatar, 60)
    assert session.filled == 0
    assert [step.image.index for step in steps] == list(range(8))


def test_filling_can_be_turned_off(make_source, make_tracker, bead_avatar):
    source = make_source(10, live=True)
    session, _, _ = run(source, make_tracker(delay_s=0.1), bead_avatar, 60, fill_fps=None)
    assert session.filled == 0
    with pytest.raises(tw.errors.ValueRangeError, match="fill_fps: expected 1 to 240, got 0"):
        SessionConfig(fill_fps=0)


@pytest.mark.parametrize(
    ("interval_s", "least_fps", "most_fps"),
    [(1 / 60, 60, 60), (1 / 30, 30, 30), (1 / 28, 28, 28), (1 / 24, 30, 48.1), (1 / 8, 30, 33)],
)
def test_frames_in_between_are_due_as_often_as_is_needed(interval_s, least_fps, most_fps):
    rhythm, out, now = Rhythm(30), [], 0.0
    for k in range(200):
        fresh_s = k * interval_s
        while (now := rhythm.due_s()) < fresh_s - 1e-9:
            rhythm.filled(now)
            out.append(now)
        rhythm.fresh(fresh_s)
        out.append(fresh_s)
    steady = [t for t in out if t > 50 * interval_s]
    fps = (len(steady) - 1) / (steady[-1] - steady[0])
    assert least_fps * 0.99 <= fps <= most_fps * 1.01
    assert np.diff(steady).max() < 1 / 27 + 1e-9


def frame(angle, timestamp_ns):
    """Return a twin whose left arm is raised by an angle, and who is as far to the left."""
    rotations = np.tile(quat.IDENTITY, (len(SKELETON), 1))
    rotations[ARM] = quat.from_rotation_vector(np.array([0, 0, angle], np.float32))
    pose = tw.Pose(
        skeleton=SKELETON, rotations=rotations, root_translation=np.array([angle, 0.9, 0])
    )
    return tw.TwinFrame(avatar_id=0, sequence=0, timestamp_ns=timestamp_ns, pose=pose)


def waving(fresh_fps, shown_fps, seconds, *, wave_hz=0.7, late=0.02):
    """Return times (T,) and angles (T,) shown of an arm that swings by a radian to both sides."""
    between, times, angles = InBetween(), [], []
    moments = sorted(
        [(t, True) for t in np.arange(0, seconds, 1 / fresh_fps)]
        + [(t, False) for t in np.arange(late, seconds, 1 / shown_fps)]
    )
    last = seen_s = -1.0
    for t, fresh in moments:
        if t - last < 0.4 / shown_fps and not fresh:
            continue
        last, stamp = t, round(t * SECOND_NS)
        if fresh:
            seen_s = t
            shown = between.fresh(frame(np.sin(2 * np.pi * wave_hz * t), stamp))
        else:
            shown = between.between(stamp, waited_s=t - seen_s, reach_s=2 / fresh_fps)
        times.append(t)
        angles.append(quat.to_rotation_vector(shown.pose.rotations[ARM])[2])
        assert shown.pose.root_translation[0] == pytest.approx(angles[-1], abs=0.02)
    return np.array(times), np.array(angles)


@pytest.mark.parametrize(("fresh_fps", "share"), [(10, 0.3), (20, 0.2)])
def test_a_wave_goes_on_between_tracked_frames_without_a_jolt(fresh_fps, share):
    wave = 2 * np.pi * 0.7
    times, angles = waving(fresh_fps, 30, 6)
    settled = times > 1
    error = np.abs(angles - np.sin(wave * times))[settled]
    held = wave / fresh_fps  # what a pose that is held comes to be off by
    assert np.sqrt((error**2).mean()) < 0.35 * held
    speeds = np.diff(angles) / np.diff(times)
    jolts = np.abs(np.diff(speeds))[settled[2:]]
    assert jolts.max() < share * held * 30  # against putting it right in one frame
    assert np.abs(speeds[settled[1:]]).max() < 1.5 * wave


def test_frames_that_come_in_time_pass_unchanged():
    between = InBetween()
    for k in range(20):
        given = frame(np.sin(k / 5), k * SECOND_NS // 30)
        assert between.fresh(given) is given


def test_a_tracked_frame_from_before_the_last_shown_one_does_not_turn_time_back():
    between = InBetween()
    between.fresh(frame(0.0, 0))
    between.between(SECOND_NS, waited_s=1.0, reach_s=0.1)
    late = between.fresh(frame(0.1, SECOND_NS // 2))
    assert late.timestamp_ns == SECOND_NS + 1


def test_motion_goes_on_for_two_intervals_and_then_stops():
    between = InBetween()
    for k in range(10):
        between.fresh(frame(0.1 * k, k * SECOND_NS // 10))
    start = 9 * SECOND_NS // 10
    poses = [
        between.between(start + round(ahead * SECOND_NS), waited_s=ahead, reach_s=0.2)
        for ahead in (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
    ]
    angles = [quat.to_rotation_vector(p.pose.rotations[ARM])[2] for p in poses]
    assert 0.9 < angles[0] < angles[1] < angles[2] < angles[3] < 1.2
    assert angles[3] == pytest.approx(angles[4], abs=1e-5)
    assert [p.state.value for p in poses] == ["tracking"] * 4 + ["holding"] * 2


def test_nobody_is_made_up_before_anybody_was_seen():
    assert InBetween().between(5, waited_s=0.1, reach_s=0.1) is None
    assert Rhythm(30).due_s() == np.inf


def test_a_person_at_rest_stays_idle_in_between():
    between = InBetween()
    between.fresh(replace(frame(0.0, 0), state=TrackingState.IDLE))
    assert between.between(SECOND_NS, waited_s=1.0, reach_s=0.1).state is TrackingState.IDLE
