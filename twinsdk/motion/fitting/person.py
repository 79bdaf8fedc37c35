"""The canonical skeleton with a person's own lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.fitting.body import OFFSETS, ROWS, row
from twinsdk.motion.fitting.lengths import SessionLengths
from twinsdk.motion.fitting.root import ANKLE_M

__all__ = ["OwnSkeleton", "on_skeleton"]

_FIRST_S = 0.5  # seconds of a person before their own lengths are shown
_AGAIN = 4.0  # how much longer each time before they are looked at again
_WORTH = 0.008  # change of a length's log that is worth another skeleton


def on_skeleton(pose: Pose, skeleton: Skeleton) -> Pose:
    """Return a pose on another skeleton of the same joints, soles where they were.

    Args:
        pose: On a skeleton of `OwnSkeleton`.
        skeleton: The canonical one of any lengths.
    """
    if pose.skeleton is skeleton:
        return pose
    own, other = (float(s.rest_translations[0, 1]) for s in (pose.skeleton, skeleton))
    return Pose(
        skeleton=skeleton,
        rotations=pose.rotations,
        root_translation=pose.root_translation * np.float32(other / own),
    )


class OwnSkeleton:
    """Gives out the skeleton of a person as far as it is known, seldom another one.

    Whoever retargets from a skeleton prepares for it, so lengths are not changed with every frame.

    Attributes:
        skeleton: The 55 canonical joints, T-pose, soles at y = 0.

    Args:
        height_m: Of the person.
    """

    def __init__(self, *, height_m: float) -> None:
        self._height_m = height_m
        self._mean = self._made(OFFSETS * (height_m / 1.70))
        self.reset()

    def reset(self) -> None:
        """Return to the mean person of that height."""
        self.skeleton = self._mean
        self._logs: Array | None = None
        self._seen_s, self._next_s = 0.0, _FIRST_S

    def step(self, lengths: SessionLengths, step_s: float, *, moving: bool = True) -> bool:
        """Take what is known `step_s` seconds later; return whether that is another skeleton.

        Somebody who does not move keeps the one they have: they would seem to.
        """
        self._seen_s += step_s
        if self._seen_s < self._next_s or not (moving or self._logs is None):
            return False
        self._next_s *= _AGAIN
        another = self._logs is None or bool(np.abs(lengths.logs - self._logs).max() > _WORTH)
        if another:
            self.take(lengths)
        return another

    def take(self, lengths: SessionLengths) -> None:
        """Take what is known at once."""
        self._logs = lengths.logs.copy()
        self.skeleton = self._made(lengths.stretched(OFFSETS) * (self._height_m / 1.70))

    def _made(self, offsets: Array) -> Skeleton:
        """Return the skeleton with offsets (N, 3) in the order of `body.JOINTS`."""
        scale = self._height_m / 1.70
        base = humanoid_skeleton(self._height_m)
        rest = np.array(base.rest_translations, np.float64)
        rest[ROWS[1:]] = offsets[1:]
        legs = offsets[[row("leftUpperLeg"), row("leftLowerLeg"), row("leftFoot")], 1].sum()
        rest[0] = (0.0, ANKLE_M * scale - legs, 0.0)
        return replace(base, rest_translations=rest.astype(np.float32))
