"""What the motion model gives for one instant: a pose, how sure it is, and where it is going."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.frame import TrackingState
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.motion.fitting.fit import Fit

__all__ = ["HORIZONS_S", "Future", "MotionStep", "Webcam"]

HORIZONS_S: F32 = np.asarray(np.arange(1, 9) / 30, np.float32)
"""How far ahead the eight predicted poses are, seconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Webcam:
    """What a webcam gave: the tracker's observation and the fit made of it."""

    observation: Observation
    fit: Fit


@dataclass(frozen=True, kw_only=True, eq=False)
class Future:
    """The eight poses 1/30 s to 8/30 s ahead.

    Attributes:
        seconds: (8,).
        rotations: (8, J, 4) xyzw, parent_from_joint.
        root_translations: (8, 3) metres, world.
    """

    seconds: F32
    rotations: F32
    root_translations: F32


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionStep:
    """One person at one instant.

    Attributes:
        pose: On the model's skeleton.
        state: TRACKING, PARTIAL, HOLDING, IDLE or GENERATED.
        joint_confidence: (J,) in [0, 1].
        generated: (J,) bool: made up, since no source shows the joint.
        contacts: (4,) in [0, 1]: how surely left foot, left toes, right foot, right toes stand.
        foresee: Returns, for `HORIZONS_S`, rotation vectors (8, J, 3) from this pose's joints to
            those ahead and (8, 3) metres, world, from this root to those ahead; asked once, if
            anybody wants to know.
    """

    pose: Pose
    state: TrackingState
    joint_confidence: F32
    generated: Array
    contacts: F32
    foresee: Callable[[], tuple[F32, F32]]

    @cached_property
    def _ahead(self) -> tuple[F32, F32]:
        return self.foresee()

    @cached_property
    def future(self) -> Future:
        """The predicted poses."""
        turns, ways = self._ahead
        turned = quat.from_rotation_vector(turns)
        now = np.broadcast_to(self.pose.rotations, turned.shape)
        return Future(
            seconds=HORIZONS_S,
            rotations=quat.normalize(quat.multiply(now, turned)),
            root_translations=self.pose.root_translation + ways,
        )

    def ahead(self, seconds: float) -> Pose:
        """Return the pose `seconds` from now; beyond 0.27 s the last that is predicted.

        Between predicted poses, turns and ways are interpolated linearly.
        """
        at = float(np.clip(seconds * 30, 0, len(HORIZONS_S))) if np.isfinite(seconds) else 0.0
        if at <= 0:
            return self.pose
        low = min(int(at), len(HORIZONS_S) - 1)
        share = np.float32(at - low)
        all_turns, all_ways = self._ahead
        turns, ways = all_turns[low] * share, all_ways[low] * share
        if low > 0:
            turns = turns + (1 - share) * all_turns[low - 1]
            ways = ways + (1 - share) * all_ways[low - 1]
        return Pose(
            skeleton=self.pose.skeleton,
            rotations=quat.multiply(self.pose.rotations, quat.from_rotation_vector(turns)),
            root_translation=self.pose.root_translation + ways,
        )
