"""MotionClip: a skeleton moving at a constant frame rate, with or without face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from twinsdk.core.arrays import F32, as_f32
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton, unit_quaternions
from twinsdk.errors import ShapeError, ValueRangeError

__all__ = ["MotionClip", "clip_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionClip:
    """T frames of one skeleton.

    Attributes:
        skeleton: Shared by all frames.
        fps: Frames a second.
        rotations: (T, J, 4) xyzw, parent_from_joint.
        root_translations: (T, 3) metres, world.
        expressions: (T, 52) in [0, 1], or None.

    `clip[t]` is a Pose, `clip[a:b]` a clip.

    Raises:
        ShapeError, ValueRangeError: Sizes disagree, no frame, fps not positive.
    """

    skeleton: Skeleton
    fps: float
    rotations: F32
    root_translations: F32
    expressions: F32 | None = None

    def __post_init__(self) -> None:
        rotations = unit_quaternions("rotations", self.rotations, ("T", len(self.skeleton), 4))
        count = len(rotations)
        if count == 0:
            raise ShapeError("rotations: expected at least one frame, got none")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueRangeError(f"fps: expected a positive number, got {self.fps}")
        set_ = object.__setattr__
        set_(self, "fps", float(self.fps))
        set_(self, "rotations", rotations)
        set_(
            self,
            "root_translations",
            as_f32("root_translations", self.root_translations, (count, 3)),
        )
        if self.expressions is not None:
            weights = as_f32("expressions", self.expressions, (count, EXPRESSION_COUNT))
            set_(self, "expressions", weights)

    def __len__(self) -> int:
        return len(self.rotations)

    def __iter__(self) -> Iterator[Pose]:
        return (self[t] for t in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Pose: ...
    @overload
    def __getitem__(self, index: slice) -> MotionClip: ...
    def __getitem__(self, index: int | slice) -> Pose | MotionClip:
        if isinstance(index, slice):
            return MotionClip(
                skeleton=self.skeleton,
                fps=self.fps / abs(index.step or 1),
                rotations=self.rotations[index],
                root_translations=self.root_translations[index],
                expressions=None if self.expressions is None else self.expressions[index],
            )
        return Pose(
            skeleton=self.skeleton,
            rotations=self.rotations[index],
            root_translation=self.root_translations[index],
        )

    @property
    def duration_s(self) -> float:
        """Seconds the clip lasts: frames / fps."""
        return len(self) / self.fps

    def world(self) -> tuple[F32, F32]:
        """Return world rotations (T, J, 4) and positions (T, J, 3)."""
        return self.skeleton.forward(self.rotations, self.root_translations)


def clip_of(poses: Sequence[Pose], *, fps: float, expressions: F32 | None = None) -> MotionClip:
    """Return the clip made of `poses`, which share one skeleton.

    Raises:
        ShapeError: There is no pose.
        SkeletonMismatchError: A pose is on another skeleton than the first.
    """
    if not poses:
        raise ShapeError("poses: expected at least one, got none")
    skeleton = poses[0].skeleton
    return MotionClip(
        skeleton=skeleton,
        fps=fps,
        rotations=np.stack([pose.on(skeleton).rotations for pose in poses]),
        root_translations=np.stack([pose.root_translation for pose in poses]),
        expressions=expressions,
    )
