"""Frames between those that were tracked, so that output does not slow down with the tracker.

A frame in between is the last one thrown ahead by the joints' own speeds; when the next tracked
one comes, what it differs by dies away. Where nothing has to be filled in, nothing is changed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import ceil

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.motion.filters.ahead import SteadyAhead
from twinsdk.motion.filters.inertia import Fading

__all__ = ["InBetween", "Rhythm"]

# Measured on an arm that swings at 0.7 Hz, tracked at 10 and 20 frames a second: quicker ways jolt
# more, slower ones lag.
_CUTOFF_HZ, _FADE_S, _HALF_LIFE_S = 6.0, 0.3, 0.03
_SPAN_S = 1e-3  # over which speeds are taken
_SETTLED_NS = round(10 * _HALF_LIFE_S * 1e9)  # after which nothing is left of a difference
_FARTHEST_S = 0.25
_SLACK = 0.15  # of an output interval that a tracker may be late without being filled in for
_KEPT = 7
_UNKNOWN_S = 0.1  # between tracked frames, before two of them came
_SEEN = (TrackingState.TRACKING, TrackingState.PARTIAL, TrackingState.GENERATED)


class Rhythm:
    """Tells when a frame in between is due: evenly between tracked ones, as far as they are even.

    Args:
        fps: Output is not to be slower than this.
    """

    def __init__(self, fps: float) -> None:
        self._every_s = 1 / fps
        self._intervals: deque[float] = deque(maxlen=_KEPT)
        self._fresh_s: float | None = None
        self._last_s = 0.0
        self._filled = 0

    @property
    def interval_s(self) -> float:
        """The usual time between tracked frames."""
        return float(np.median(self._intervals)) if self._intervals else _UNKNOWN_S

    def fresh(self, now_s: float) -> None:
        """Take note of a tracked frame."""
        if self._fresh_s is not None:
            self._intervals.append(min(now_s - self._fresh_s, 1.0))
        self._fresh_s = self._last_s = now_s
        self._filled = 0

    def filled(self, now_s: float) -> float:
        """Take note of a frame in between; return the seconds since the last tracked one."""
        self._last_s = now_s
        self._filled += 1
        return now_s - (now_s if self._fresh_s is None else self._fresh_s)

    def due_s(self) -> float:
        """Return the time at which the next frame in between is due; infinite before the first."""
        if self._fresh_s is None:
            return np.inf
        interval_s = self.interval_s
        parts = max(1, ceil(interval_s / self._every_s - _SLACK))
        part = self._filled + 1
        if part < parts:
            return self._fresh_s + part * interval_s / parts
        if part == parts:  # the tracked one is due now: it is given a moment
            return self._fresh_s + interval_s + self._every_s / 2
        return self._last_s + self._every_s


class InBetween:
    """One person's frames, tracked and in between, as they are shown."""

    def __init__(self) -> None:
        self._ahead = SteadyAhead(cutoff_hz=_CUTOFF_HZ, fade_s=_FADE_S)
        self._reach_s = _FARTHEST_S
        self._given: TwinFrame | None = None  # the last tracked one
        self._shown_ns = 0
        self._turning = Fading((1, 3), _HALF_LIFE_S)
        self._moving = Fading((3,), _HALF_LIFE_S)
        self._settled_ns = -1

    def fresh(self, frame: TwinFrame) -> TwinFrame:
        """Return a tracked frame as it is to be shown, later than the one before it."""
        given = self._given
        if given is None:
            step_s, overtaken = 0.0, False
        else:
            step_s = (frame.timestamp_ns - given.timestamp_ns) / 1e9
            overtaken = self._shown_ns != given.timestamp_ns
        if overtaken:
            frame = replace(frame, timestamp_ns=max(frame.timestamp_ns, self._shown_ns + 1))
            shown, turning, moving = self._going_on(frame.timestamp_ns)
        self._ahead.step(frame.pose, step_s, 0.0)
        self._given = frame
        if overtaken:
            _, turns, moves = self._forecast(_SPAN_S)
            apart = quat.multiply(shown.rotations, quat.conjugate(frame.pose.rotations))
            self._turning.begin(quat.to_rotation_vector(apart), turning - turns)
            self._moving.begin(shown.root_translation - frame.pose.root_translation, moving - moves)
            self._settled_ns = frame.timestamp_ns + _SETTLED_NS
            self._shown_ns = frame.timestamp_ns
        return self._eased(frame)

    def between(self, timestamp_ns: int, *, waited_s: float, reach_s: float) -> TwinFrame | None:
        """Return the frame of a time after the last one shown; None before any was tracked.

        Args:
            timestamp_ns: Which time.
            waited_s: How long ago the last tracked frame was shown.
            reach_s: How long motion goes on after it; then it is held, and called so.
        """
        given = self._given
        if given is None:
            return None
        self._reach_s = min(reach_s, _FARTHEST_S)
        ahead_s = (timestamp_ns - given.timestamp_ns) / 1e9
        sure = 1 - 0.5 * min(waited_s / self._reach_s, 1.0)
        held = waited_s > self._reach_s and given.state in _SEEN
        return self._eased(
            replace(
                given,
                timestamp_ns=timestamp_ns,
                pose=self._forecast(ahead_s)[0],
                confidence=given.confidence * sure,
                joint_confidence=given.joint_confidence * np.float32(sure),
                state=TrackingState.HOLDING if held else given.state,
            )
        )

    @property
    def shown_ns(self) -> int:
        """The time of the last frame shown."""
        return self._shown_ns

    def _forecast(self, ahead_s: float) -> tuple[Pose, Array, Array]:
        """Return the pose so far ahead of the last tracked one, and the speeds (J, 3), (3,)."""
        assert self._given is not None  # noqa: S101  # asked before
        pose = self._given.pose
        until_s = min(ahead_s, self._reach_s)
        now = self._ahead.step(pose, 0.0, until_s)
        just = self._ahead.step(pose, 0.0, max(until_s - _SPAN_S, 0.0))
        if ahead_s > self._reach_s:
            return now, np.zeros((len(pose.rotations), 3)), np.zeros(3)
        turned = quat.multiply(now.rotations, quat.conjugate(just.rotations))
        moved = now.root_translation - just.root_translation
        return now, quat.to_rotation_vector(turned) / _SPAN_S, moved / _SPAN_S

    def _going_on(self, timestamp_ns: int) -> tuple[Pose, Array, Array]:
        """Return what would be shown then without another tracked frame, and its speeds."""
        assert self._given is not None  # noqa: S101  # asked before
        ahead_s = (timestamp_ns - self._given.timestamp_ns) / 1e9
        pose, turning, moving = self._forecast(ahead_s)
        frame = self._eased(replace(self._given, pose=pose, timestamp_ns=timestamp_ns))
        if timestamp_ns < self._settled_ns:
            turning, moving = turning + self._turning.speed, moving + self._moving.speed
        return frame.pose, turning, moving

    def _eased(self, frame: TwinFrame) -> TwinFrame:
        """Return the frame with what is left of the last difference."""
        step_s = (frame.timestamp_ns - self._shown_ns) / 1e9
        self._shown_ns = frame.timestamp_ns
        if frame.timestamp_ns >= self._settled_ns:
            return frame
        left = quat.from_rotation_vector(self._turning.step(step_s).astype(np.float32))
        pose = Pose(
            skeleton=frame.pose.skeleton,
            rotations=quat.multiply(left, frame.pose.rotations),
            root_translation=frame.pose.root_translation
            + self._moving.step(step_s).astype(np.float32),
        )
        return replace(frame, pose=pose)
