"""Pose: one skeleton's joint rotations and root place at one instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import kernel
from twinsdk.core.arrays import F32
from twinsdk.core.skeleton import Skeleton, matrices, unit_quaternions
from twinsdk.errors import SkeletonMismatchError

__all__ = ["Pose", "rest_pose"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """Joint rotations on a skeleton.

    Attributes:
        skeleton: The skeleton the rotations belong to; shared, never copied.
        rotations: (J, 4) xyzw, parent_from_joint; each *replaces* the joint's rest rotation, as a
            glTF node rotation does.
        root_translation: (3,) metres, place of the root joint in the world.

    Raises:
        ShapeError, ValueRangeError: Sizes differ, or a quaternion is not unit.
    """

    skeleton: Skeleton
    rotations: F32
    root_translation: F32

    def __post_init__(self) -> None:
        count = len(self.skeleton)
        set_ = object.__setattr__
        set_(self, "rotations", unit_quaternions("rotations", self.rotations, (count, 4)))
        root = kernel.checked_f32("root_translation", self.root_translation, (3,))
        set_(self, "root_translation", root)

    def world_from_joint(self, name: str | None = None) -> F32:
        """Return the transforms of all joints (J, 4, 4), or of the one called `name` (4, 4)."""
        rotations, positions = self.world()
        if name is None:
            return matrices(rotations, positions)
        j = self.skeleton.joint(name)
        return matrices(rotations[j], positions[j])

    def world(self) -> tuple[F32, F32]:
        """Return world rotations (J, 4) and positions (J, 3) of every joint."""
        return self.skeleton.forward(self.rotations, self.root_translation)

    def rotation(self, name: str) -> F32:
        """Return the local rotation (4,) of the joint called `name`."""
        row: F32 = self.rotations[self.skeleton.joint(name)]
        return row

    def on(self, skeleton: Skeleton) -> Pose:
        """Return self when it belongs to `skeleton`.

        Raises:
            SkeletonMismatchError: It belongs to another; retarget it first.
        """
        if not self.skeleton.matches(skeleton):
            raise SkeletonMismatchError(
                f"pose: expected a pose on a skeleton of {len(skeleton)} joints "
                f"({skeleton.names[0]}...), got one of {len(self.skeleton)} "
                f"({self.skeleton.names[0]}...) or of other proportions; use twinsdk.retarget"
            )
        return self


def rest_pose(skeleton: Skeleton) -> Pose:
    """Return the skeleton's rest pose."""
    return Pose(
        skeleton=skeleton,
        rotations=skeleton.rest_rotations,
        root_translation=np.array(skeleton.rest_translations[0]),
    )
