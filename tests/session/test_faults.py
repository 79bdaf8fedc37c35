"""What goes wrong in a room: the output goes on, stays finite, and says what it knows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat


class Stamped:
    """A source whose frames carry the timestamps of a list, seconds."""

    live = False
    name = "stamped"
    size_px = (64, 48)
    fps = 30.0
    dropped = 0
    frame_count = None

    def __init__(self, stamps_s):
        self._stamps = list(stamps_s)
        self._index = 0

    @property
    def status(self):
        ended = self._index >= len(self._stamps)
        return tw.capture.SourceStatus.ENDED if ended else tw.capture.SourceStatus.RUNNING

    def read(self, timeout_s=1.0):
        if self._index >= len(self._stamps):
            return None
        stamp, index = round(self._stamps[self._index] * 1e9), self._index
        self._index += 1
        pixels = np.full((48, 64, 3), index % 256, np.uint8)
        return tw.Image(pixels=pixels, timestamp_ns=stamp, index=index)

    def close(self):
        self._index = len(self._stamps)


def steps_of(stamps_s, tracker, avatar):
    with tw.Session(Stamped(stamps_s), avatar, tracker=tracker) as session:
        return list(session.steps())


def assert_whole(steps):
    """Every step has a frame, and every frame is a pose."""
    for step in steps:
        assert len(step.frames) == 1
        pose = step.frames[0].pose
        assert np.isfinite(pose.rotations).all()
        assert np.isfinite(pose.root_translation).all()
        assert np.allclose(np.linalg.norm(pose.rotations, axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize(
    "jump_s", [-10.0, -0.5, 60.0, 86_400.0], ids=["back", "little", "minute", "day"]
)
def test_a_clock_that_jumps_moves_nobody(jump_s, make_tracker, bead_avatar):
    times = np.arange(120) / 30
    steady = steps_of(times, make_tracker(), bead_avatar)[-1].frames[0]
    times[60:] += jump_s
    steps = steps_of(times, make_tracker(), bead_avatar)
    assert_whole(steps)
    assert len(steps) == 120
    poses = [step.frames[0].pose for step in steps[59:]]
    for one, next_one in pairwise(poses):
        # After a gap filters trust the new frame wholly, and take up what is learnt meanwhile.
        assert np.degrees(quat.angle(one.rotations, next_one.rotations).max()) < 6
        assert np.linalg.norm(one.root_translation - next_one.root_translation) < 0.01
    assert np.degrees(quat.angle(poses[-1].rotations, steady.pose.rotations).max()) < 3
    assert steps[-1].frames[0].state == "tracking"


@pytest.mark.parametrize("fps", [5, 15, 120, 240])
def test_a_person_appears_and_rests_in_the_same_time_at_any_rate(fps, make_tracker, bead_avatar):
    seen = range(fps)
    steps = steps_of(np.arange(6 * fps) / fps, make_tracker(seen), bead_avatar)
    assert_whole(steps)
    states = [step.frames[0].state.value for step in steps]
    assert states[fps - 1] == "tracking"
    at = {state: states.index(state) / fps for state in ("holding", "idle")}
    assert at["holding"] == pytest.approx(1.0, abs=1.5 / fps)
    assert at["idle"] == pytest.approx(1.7, abs=1.5 / fps + 0.05)
    assert steps[-1].frames[0].confidence < 0.05


def test_a_tracker_that_flickers_is_not_shown_flickering(make_tracker, bead_avatar):
    seen = [t for t in range(90) if t < 30 or t % 2]
    steps = steps_of(np.arange(90) / 30, make_tracker(seen), bead_avatar)
    assert_whole(steps)
    turned = [
        quat.angle(a.frames[0].pose.rotations, b.frames[0].pose.rotations).max()
        for a, b in pairwise(steps[30:])
    ]
    assert np.degrees(max(turned)) < 2


def test_pictures_that_change_their_size_are_one_run(make_tracker, bead_avatar, monkeypatch):
    sizes = [(48, 64), (33, 65), (479, 641), (1, 1)]

    def read(self, timeout_s=1.0):
        if self._index >= len(self._stamps):
            return None
        index, self._index = self._index, self._index + 1
        pixels = np.zeros((*sizes[index % len(sizes)], 3), np.uint8)
        return tw.Image(pixels=pixels, timestamp_ns=index * 33_000_000, index=index)

    monkeypatch.setattr(Stamped, "read", read)
    steps = steps_of(np.arange(40) / 30, make_tracker(), bead_avatar)
    assert_whole(steps)
    assert {step.image.size_px for step in steps} == {(w, h) for h, w in sizes}
