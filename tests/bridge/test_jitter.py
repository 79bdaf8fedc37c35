"""The jitter buffer: uneven arrivals, even motion, and never a step back."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.bridge.jitter import JitterBuffer, JitterConfig
from twinsdk.core import quat
from twinsdk.core.clock import ManualClock
from twinsdk.core.frame import TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import ValueRangeError

SKELETON = Skeleton(
    names=("root",), parents=[-1], rest_translations=[[0, 0, 0]], rest_rotations=[[0, 0, 0, 1]]
)
TURN_PER_S = 2.0  # radians about +Y
RATE_HZ = 60


def frame_at(captured_ns, sequence=0):
    angle = TURN_PER_S * captured_ns / 1e9
    return TwinFrame(
        avatar_id=0,
        sequence=sequence,
        timestamp_ns=captured_ns,
        pose=Pose(
            skeleton=SKELETON,
            rotations=quat.from_axis_angle(np.array([[0.0, 1, 0]]), np.array([angle])),
            root_translation=[captured_ns / 1e9, 0, 0],
        ),
        expressions=np.full(52, (captured_ns / 1e9) % 1),
    )


def angle_of(frame):
    q = frame.pose.rotations[0].astype(np.float64)
    return 2 * np.arctan2(q[1], q[3])


def play(delays_ns, *, screen_hz=90, lost=(), config=None):
    """Return (time shown, frame) of a screen while frames arrive each with its delay."""
    clock = ManualClock()
    buffer = JitterBuffer(config, clock=clock)
    interval = round(1e9 / RATE_HZ)
    arrivals = sorted(
        (i * interval + int(delay), i) for i, delay in enumerate(delays_ns) if i not in lost
    )
    shown, tick, newest = [], 0, -1
    for step in range(int(len(delays_ns) / RATE_HZ * screen_hz)):
        tick = round(step * 1e9 / screen_hz)
        while arrivals and arrivals[0][0] <= tick:
            at, i = arrivals.pop(0)
            clock.advance((at - clock()) / 1e9)
            if i > newest:  # the subscriber drops what was overtaken
                newest = i
                buffer.add(frame_at(i * interval, i))
        clock.advance((tick - clock()) / 1e9)
        frame = buffer.sample()
        if frame is not None:
            shown.append((tick, frame))
    return shown, buffer


def jittery(count, seed=1):
    rng = np.random.default_rng(seed)
    return 20e6 + rng.exponential(8e6, count)  # 20 ms and a tail, as Wi-Fi has


def test_motion_is_shown_where_it_was_at_the_time_it_claims():
    shown, _ = play(jittery(300))
    for _, frame in shown[20:]:
        expected = TURN_PER_S * frame.timestamp_ns / 1e9
        off = (angle_of(frame) - expected + np.pi) % (2 * np.pi) - np.pi
        assert abs(off) < 1e-3  # slerp of a constant turn is exact but for float32
        assert frame.pose.root_translation[0] == pytest.approx(frame.timestamp_ns / 1e9, abs=1e-5)


def test_time_shown_never_goes_back_and_moves_evenly():
    shown, buffer = play(jittery(600))
    times = np.array([frame.timestamp_ns for _, frame in shown[60:]]) / 1e6
    steps = np.diff(times)
    assert steps.min() >= 0
    # A screen tick is 11.1 ms; the delay may change by a tenth of that.
    assert np.quantile(np.abs(steps - 1000 / 90), 0.95) < 1.2
    stats = buffer.stats
    assert stats.held / (stats.held + stats.interpolated + stats.extrapolated) < 0.03


def test_without_a_buffer_the_same_stream_stutters():
    # The control: newest frame wins at each tick. It repeats and jumps.
    delays = jittery(600)
    arrivals = np.arange(600) / RATE_HZ * 1e9 + delays
    ticks = np.arange(60, 800) * 1e9 / 90
    newest = np.array([np.flatnonzero(arrivals <= tick).max(initial=0) for tick in ticks])
    steps = np.diff(newest / RATE_HZ * 1e3)
    assert np.quantile(np.abs(steps - 1000 / 90), 0.95) > 5


def test_the_delay_follows_the_link():
    _, calm = play(np.full(300, 5e6))
    _, rough = play(jittery(300))
    assert calm.stats.delay_ms == pytest.approx(5 + 1.5 * 1000 / RATE_HZ, abs=1)
    assert rough.stats.delay_ms > calm.stats.delay_ms + 15


def test_lost_frames_are_bridged_by_their_neighbours():
    shown, buffer = play(np.full(300, 5e6), lost={100, 150, 200})
    assert buffer.stats.held <= 1
    assert max(np.diff([frame.timestamp_ns for _, frame in shown[30:]])) < 2e9 / 90


def test_motion_is_continued_one_interval_and_then_held():
    shown, buffer = play([*np.full(60, 5e6), *np.full(30, 1e12)])
    last = 59 * round(1e9 / RATE_HZ)
    end = max(frame.timestamp_ns for _, frame in shown)
    assert last < end <= last + 1.05e9 / RATE_HZ
    assert shown[-1][1].timestamp_ns == end
    assert buffer.stats.held > 10


def test_a_long_pause_starts_anew_instead_of_crawling_through_it():
    clock = ManualClock()
    buffer = JitterBuffer(clock=clock)
    for i in range(10):
        clock.advance(1 / 60)
        buffer.add(frame_at(clock() - 1_000_000, i))
        buffer.sample()
    clock.advance(30)
    buffer.add(frame_at(clock() - 1_000_000, 11))
    assert buffer.sample().timestamp_ns == clock() - 1_000_000


def test_before_the_first_frame_there_is_nothing_and_one_frame_is_shown_as_it_is():
    buffer = JitterBuffer()
    assert buffer.sample() is None
    only = frame_at(5)
    buffer.add(only)
    assert buffer.sample() is only


def test_a_senseless_setting_is_refused():
    with pytest.raises(ValueRangeError, match="slew"):
        JitterConfig(slew=1.0)
