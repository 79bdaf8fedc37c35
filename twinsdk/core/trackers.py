"""Trackers: where a headset, controllers and worn trackers say a person's joints are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinsdk.core.arrays import F32, Array, as_f32
from twinsdk.errors import JointNameError, ShapeError

__all__ = ["TRACKER_NAMES", "Trackers"]

TRACKER_NAMES: tuple[str, ...] = ("head", "leftHand", "rightHand", "hips", "leftFoot", "rightFoot")
"""The canonical joints that a tracker can stand for, in the order of every array below."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trackers:
    """The world poses of up to six joints at one instant.

    They are poses of the *joints* of the canonical skeleton (its rest rotations are the identity),
    after calibration, not of the devices: adapters take the offset of headset and grip out.

    Attributes:
        positions: (6, 3) metres, world axes of the project, floor at y = 0, the wearer's own size.
        rotations: (6, 4) xyzw, world_from_joint.
        seen: (6,) bool; what is not seen now has any pose. Not finite poses count as unseen.
        timestamp_ns: When they were sampled.

    Raises:
        ShapeError: Sizes differ.
    """

    positions: F32
    rotations: F32
    seen: npt.NDArray[np.bool_]
    timestamp_ns: int = 0

    def __post_init__(self) -> None:
        count = len(TRACKER_NAMES)
        positions = np.array(_rows("positions", self.positions, (count, 3)))
        rotations = np.array(_rows("rotations", self.rotations, (count, 4)))
        seen = np.asarray(self.seen)
        if seen.shape != (count,):
            raise ShapeError(f"seen: expected shape ({count},), got {seen.shape}")
        length = np.sqrt((rotations * rotations).sum(-1))
        good = np.isfinite(positions).all(-1) & np.isfinite(length) & (length > 1e-3)
        seen = seen.astype(bool) & good
        positions[~good] = 0
        rotations[~good] = (0, 0, 0, 1)
        length = np.where(good, length, 1)
        set_ = object.__setattr__
        set_(self, "positions", as_f32("positions", positions, (count, 3)))
        set_(self, "rotations", as_f32("rotations", rotations / length[:, None], (count, 4)))
        set_(self, "seen", seen)

    def index(self, name: str) -> int:
        """Return the row of the joint called `name`.

        Raises:
            JointNameError: No tracker stands for it.
        """
        try:
            return TRACKER_NAMES.index(name)
        except ValueError:
            raise JointNameError(f"no tracker {name!r}; there are {TRACKER_NAMES}") from None


def _rows(name: str, value: npt.ArrayLike, shape: tuple[int, int]) -> Array:
    array = np.asarray(value, np.float64)
    if array.shape != shape:
        raise ShapeError(f"{name}: expected shape {shape}, got {array.shape}")
    return array
