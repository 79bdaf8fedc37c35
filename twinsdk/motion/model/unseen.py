"""Legs that a webcam does not see: the motion model's, under the trunk that is seen.

Each joint goes over from the fit's to the model's by how surely it is seen, in time. Below a thigh
that is seen the shank hangs and the foot lies flat: the model has seen few people sit. Where both
legs are made up, the hips are as high over the floor as those legs carry them. Made-up feet that
stand are held: the person shifts their weight over them, and steps when they have gone too far.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.fitting.body import ROWS
from twinsdk.motion.fitting.root import ANKLE_M, lowest_sole
from twinsdk.motion.model.step import MotionStep
from twinsdk.motion.vectors import smoothstep

__all__ = ["UnseenLegs"]

_PARTS = ("UpperLeg", "LowerLeg", "Foot", "Toes")
_SEEN = (0.15, 0.45)  # a joint less sure is all made up, a surer one not at all
_FADE_S = 0.5  # that going over takes at least
_CALM_S = 0.2  # time constant with which made-up legs are followed: nobody knows better
_SLACK_M = 0.12  # trackers of half a person waver; feet do not step after every waver
_STANDS = 0.2  # contact above which a made-up foot is held
_MOST_BEND = 2.4


class UnseenLegs:
    """Completes one person.

    Args:
        skeleton: The 55 canonical joints in T-pose, soles at y = 0.

    Attributes:
        share: (J,) how far each joint is made up, in [0, 1].
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._rows = np.array([[skeleton.joint(s + p) for s in ("left", "right")] for p in _PARTS])
        _, places = skeleton.rest_world()
        self._ankle_m = float(places[self._rows[2], 1].mean())
        self._offsets = skeleton.rest_translations[ROWS].astype(np.float64)
        self._feet = FootHolder(skeleton, slack_m=_SLACK_M)
        self._linear = np.zeros(self._rows.shape)
        self._turns: Array | None = None
        self._stands = np.zeros(2)
        self._rise = 0.0
        self.share: F32 = np.zeros(len(skeleton), np.float32)

    def missing(self, confidence: Array) -> bool:
        """Return whether a leg is made up, in part, of somebody seen so surely (J,) by the fit."""
        return bool(self._linear.any() or (confidence[self._rows] < _SEEN[1]).any())

    def step(self, pose: Pose, confidence: Array | None, made: MotionStep, step_s: float) -> Pose:
        """Return the pose with made-up legs where they are not seen.

        Args:
            pose: The fit's.
            confidence: (J,) of the fit; None while nobody is found, which changes no shares.
            made: What the model makes of this moment, or made of one shortly before.
            step_s: Seconds since the last call.
        """
        if confidence is not None:
            wanted = 1 - smoothstep(confidence[self._rows], *_SEEN)
            most = step_s / _FADE_S
            self._linear = self._linear + np.clip(wanted - self._linear, -most, most)
        share = smoothstep(self._linear, 0, 1)
        self.share[self._rows] = share
        calm = -np.expm1(-step_s / _CALM_S)
        self._stands = self._stands + calm * (made.contacts.reshape(2, 2).max(1) - self._stands)
        rotations = self._turned(pose, made, share, calm)
        root = pose.root_translation
        goals = self._skeleton.forward(rotations.astype(np.float32), root)[1][self._rows[2]]
        both = float(share[2].min())
        if both > 0:
            rise = self._sole(pose.rotations) - self._sole(rotations)
            self._rise += calm * (rise - self._rise)
            shift = np.array([0.0, both * self._rise, 0.0], np.float32)
            root, goals = root + shift, goals + shift
        goals[:, 1] += share[2] * self._stands * (self._ankle_m - goals[:, 1])
        standing = np.repeat((share[2] > 0.5) & (self._stands > _STANDS), 2)
        held, _ = self._feet.step(rotations, root, standing, step_s, wanted=goals)
        return replace(pose, rotations=held.astype(np.float32), root_translation=root)

    def _turned(self, pose: Pose, made: MotionStep, share: Array, calm: float) -> Array:
        """Return local rotations (J, 4) with the legs turned in the world as they are to be."""
        seen = pose.world()[0].astype(np.float64)
        mine = made.pose.world()[0][self._rows].astype(np.float64)
        mine[1] = quat.slerp(mine[1], _hanging(seen[self._rows[0]]), 1 - share[0])
        flat = _level(mine[2])
        mine[2] = quat.slerp(mine[2], flat, np.maximum(self._stands, 1 - share[0]))
        mine[3] = mine[2]
        if self._turns is not None:
            mine = quat.slerp(self._turns, mine, np.full(mine.shape[:-1], calm))
        self._turns = mine
        seen[self._rows] = quat.slerp(seen[self._rows], mine, share)
        rows = self._rows.ravel()
        above = seen[np.asarray(self._skeleton.parents)[rows]]
        rotations = pose.rotations.astype(np.float64)
        rotations[rows] = quat.multiply(quat.conjugate(above), seen[rows])
        return quat.normalize(rotations)

    def _sole(self, rotations: Array) -> float:
        return lowest_sole(
            rotations[ROWS].astype(np.float64), self._offsets, scale=self._ankle_m / ANKLE_M
        )


def _hanging(thighs: Array) -> Array:
    """Return the world rotations (2, 4) of shanks that hang from thighs (2, 4), knees as hinges."""
    down = quat.rotate(quat.conjugate(thighs), np.tile([0.0, -1.0, 0.0], (2, 1)))
    bend = np.clip(np.arctan2(-down[:, 2], -down[:, 1]), 0.0, _MOST_BEND)
    hinge = quat.from_axis_angle(np.tile([1.0, 0.0, 0.0], (2, 1)), bend)
    return quat.multiply(thighs, hinge)


def _level(feet: Array) -> Array:
    """Return the world rotations (2, 4) of feet (2, 4) laid flat."""
    ahead = quat.rotate(feet, np.tile([0.0, 0.0, 1.0], (2, 1)))
    yaw = np.arctan2(ahead[:, 0], ahead[:, 2])
    return quat.from_axis_angle(np.tile([0.0, 1.0, 0.0], (2, 1)), yaw)
