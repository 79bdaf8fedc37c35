"""JitterBuffer: frames that come unevenly, shown evenly; never a step back in time.

Frames are shown a little late, on the timeline of their capture: late enough that the next one is
nearly always there to slerp towards. The delay follows what the link does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.errors import ValueRangeError

__all__ = ["JitterBuffer", "JitterConfig", "JitterStats"]


@dataclass(frozen=True, kw_only=True)
class JitterConfig:
    """How a jitter buffer weighs smoothness against delay.

    Attributes:
        intervals: Frame intervals of delay besides the link's own; 1.5 leaves a frame ahead.
        late_fraction: Share of frames that may come later than planned for.
        slew: Seconds the delay may change per second; small enough not to be seen.
        most_extrapolated: Frame intervals that motion is continued where no frame came.
        gap_s: A pause longer than this starts anew.
    """

    intervals: float = 1.5
    late_fraction: float = 0.05
    slew: float = 0.1
    most_extrapolated: float = 1.0
    gap_s: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.late_fraction < 1 and 0 < self.slew < 1 and self.intervals >= 0):
            raise ValueRangeError(
                "jitter: expected late_fraction in [0, 1), slew in (0, 1), intervals >= 0, got "
                f"{self.late_fraction}, {self.slew}, {self.intervals}"
            )


@dataclass(frozen=True, kw_only=True)
class JitterStats:
    """What was shown: samples between two frames, continued beyond the last, and held still."""

    interpolated: int
    extrapolated: int
    held: int
    delay_ms: float


class JitterBuffer:
    """Takes frames as they arrive, gives one for any moment.

    Args:
        config: How much delay is spent.
        clock: Monotonic nanoseconds of this machine.
    """

    def __init__(self, config: JitterConfig | None = None, *, clock: Clock = now_ns) -> None:
        self._config, self._clock = config or JitterConfig(), clock
        self._reset()
        self._interpolated = self._extrapolated = self._held = 0

    def _reset(self) -> None:
        self._times: list[int] = []
        self._frames: list[TwinFrame] = []
        self._lateness: deque[int] = deque(maxlen=120)
        self._steps: deque[int] = deque(maxlen=120)
        self._delay_ns: float | None = None
        self._shown_ns = self._sampled_ns = 0

    @property
    def stats(self) -> JitterStats:
        """What was shown so far."""
        return JitterStats(
            interpolated=self._interpolated,
            extrapolated=self._extrapolated,
            held=self._held,
            delay_ms=(self._delay_ns or 0) / 1e6,
        )

    def add(self, frame: TwinFrame, captured_ns: int | None = None) -> None:
        """Take a frame that just arrived.

        Args:
            frame: The next one of one avatar.
            captured_ns: Its capture time in this machine's clock; the frame's own unless given.
        """
        captured = frame.timestamp_ns if captured_ns is None else captured_ns
        if self._times:
            step = captured - self._times[-1]
            if abs(step) > self._config.gap_s * 1e9 or frame.pose.skeleton is not (
                self._frames[-1].pose.skeleton
            ):
                self._reset()
            elif step <= 0:
                return
            else:
                self._steps.append(step)
        self._lateness.append(self._clock() - captured)
        self._times.append(captured)
        self._frames.append(frame)

    def sample(self, at_ns: int | None = None) -> TwinFrame | None:
        """Return the frame to show now, or at a time; None before the first arrived."""
        if not self._times:
            return None
        now = self._clock() if at_ns is None else at_ns
        # The clock may be asked twice for one moment; what is shown never goes back.
        self._shown_ns = max(self._shown_ns, now - round(self._delay(now)), self._times[0])
        after = bisect_right(self._times, self._shown_ns)
        if after > 1:  # only the last two that were passed are needed, for continuing the motion
            drop = after - 2
            del self._times[:drop], self._frames[:drop]
            after -= drop
        if after < len(self._times):
            self._interpolated += 1
            return self._between(after - 1, self._shown_ns)
        return self._beyond()

    def _delay(self, now: int) -> float:
        late = float(np.quantile(self._lateness, 1 - self._config.late_fraction))
        wanted = late + self._config.intervals * self._interval()
        if self._delay_ns is None:
            self._delay_ns = wanted
        else:
            most = self._config.slew * max(0, now - self._sampled_ns)
            self._delay_ns += min(max(wanted - self._delay_ns, -most), most)
        self._sampled_ns = now
        return self._delay_ns

    def _interval(self) -> float:
        return float(np.median(self._steps)) if self._steps else 0.0

    def _beyond(self) -> TwinFrame:
        last = len(self._times) - 1
        ahead = self._shown_ns - self._times[last]
        limit = self._config.most_extrapolated * self._interval()
        if last == 0 or ahead > limit:
            self._held += 1
        else:
            self._extrapolated += 1
        if last == 0:
            return self._frames[0]
        return self._between(last - 1, round(self._times[last] + min(ahead, limit)))

    def _between(self, first: int, at_ns: int) -> TwinFrame:
        """Return the frame on the arc from frame `first` to the next; `at_ns` may lie beyond it."""
        a, b = self._frames[first], self._frames[first + 1]
        start, end = self._times[first], self._times[first + 1]
        amount = (at_ns - start) / (end - start)
        near = b if amount >= 0.5 else a
        mixed = min(amount, 1.0)  # a face continued beyond its last frame would grimace
        root = a.pose.root_translation + amount * (
            b.pose.root_translation - a.pose.root_translation
        )
        return TwinFrame(
            avatar_id=near.avatar_id,
            sequence=near.sequence,
            timestamp_ns=at_ns,
            pose=Pose(
                skeleton=near.pose.skeleton,
                rotations=quat.slerp(a.pose.rotations, b.pose.rotations, amount),
                root_translation=root,
            ),
            expressions=a.expressions + mixed * (b.expressions - a.expressions),
            confidence=near.confidence,
            joint_confidence=near.joint_confidence,
            state=near.state,
        )
