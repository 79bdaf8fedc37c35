"""TwinFrame: one person's twin at one instant, as it goes to recordings and headsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from twinsdk.core import kernel
from twinsdk.core.arrays import F32, Array, as_array
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.pose import Pose
from twinsdk.errors import ValueRangeError

__all__ = ["TrackingState", "TwinFrame"]


class TrackingState(str, Enum):
    """Where a frame's pose comes from; honest, so that a viewer can show it."""

    TRACKING = "tracking"
    """Seen now."""
    PARTIAL = "partial"
    """Some limbs are seen, the others rest."""
    HOLDING = "holding"
    """Lost a moment ago: the last pose is held."""
    IDLE = "idle"
    """Nobody is seen: at rest."""
    GENERATED = "generated"
    """Made by the motion model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TwinFrame:
    """One frame of the stream.

    Attributes:
        avatar_id: Which twin, unsigned 32 bit.
        sequence: Grows by one a frame.
        timestamp_ns: When the camera took the picture behind it, not when it was solved.
        pose: On the avatar's skeleton.
        expressions: (52,) in [0, 1].
        confidence: In [0, 1], over the whole body.
        joint_confidence: (J,) in [0, 1].
        state: Where the pose comes from.
        generated: (J,) bool: joints that no source shows, made up by the motion model. It stays in
            this process; on the wire such joints have a low `joint_confidence`.
    """

    avatar_id: int
    sequence: int
    timestamp_ns: int
    pose: Pose
    expressions: F32 = field(default=None)  # type: ignore[arg-type]  # zeros
    confidence: float = 1.0
    joint_confidence: F32 = field(default=None)  # type: ignore[arg-type]  # the confidence
    state: TrackingState = TrackingState.TRACKING
    generated: Array = field(default=None)  # type: ignore[arg-type]  # none

    def __post_init__(self) -> None:
        count = len(self.pose.skeleton)
        if not 0 <= self.confidence <= 1:
            raise ValueRangeError(f"confidence: expected [0, 1], got {self.confidence}")
        for name in ("avatar_id", "sequence"):
            if not 0 <= getattr(self, name) < 2**32:
                raise ValueRangeError(f"{name}: expected 0 to 2**32 - 1, got {getattr(self, name)}")
        weights = np.zeros(EXPRESSION_COUNT) if self.expressions is None else self.expressions
        sure = (
            np.full(count, self.confidence)
            if self.joint_confidence is None
            else self.joint_confidence
        )
        set_ = object.__setattr__
        set_(
            self,
            "expressions",
            np.clip(kernel.checked_f32("expressions", weights, (EXPRESSION_COUNT,)), 0, 1),
        )
        sure = kernel.checked_f32("joint_confidence", sure, (count,))
        set_(self, "joint_confidence", np.clip(sure, 0, 1))
        set_(self, "state", TrackingState(self.state))
        made = np.zeros(count) if self.generated is None else self.generated
        set_(self, "generated", as_array("generated", made, (count,), np.bool_))
