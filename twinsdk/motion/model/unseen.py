"""Legs that a webcam does not see: the motion model's, under the trunk that is seen.

Each joint goes over from the fit's to the model's by how surely it is seen, in time. Below a thigh
that is seen the shank hangs and the foot lies flat: the model has seen few people sit. Where both
legs are made up, the hips are as high over the floor as those legs carry them. Made-up feet that
stand are held: the person shifts their weight over them, and steps when they have gone too far.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.fitting.root import Soles
from twinsdk.motion.model.step import MotionStep
from twinsdk.motion.vectors import smoothstep

__all__ = ["UnseenLegs"]

_SIDES = ("left", "right")
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
        rows = [[skeleton.joint(side + part) for side in _SIDES] for part in _PARTS]
        self._rows = np.array(rows, np.int32)
        self._above = skeleton.parents[self._rows[0]]
        _, places = skeleton.rest_world()
        self._ankle_m = float(places[self._rows[2], 1].mean())
        self._soles = Soles(skeleton, self._ankle_m)
        self._feet = FootHolder(skeleton, slack_m=_SLACK_M)
        self._linear = np.zeros(self._rows.shape)
        self._turns = np.zeros((*self._rows.shape, 4))
        self._fresh = True
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
            self._linear += np.minimum(np.maximum(wanted - self._linear, -most), most)
        share = smoothstep(self._linear, 0, 1)
        self.share[self._rows] = share
        calm = -np.expm1(-step_s / _CALM_S)
        self._stands = self._stands + calm * (made.contacts.reshape(2, 2).max(1) - self._stands)
        seen, seen_at = pose.world()
        rotations = self._turned(pose.rotations, seen, made.pose.world()[0], share, calm)
        root = pose.root_translation
        world, places = self._skeleton.forward(rotations.astype(np.float32), root)
        both = float(share[2].min())
        if both > 0:
            rise = self._soles.lowest(seen, seen_at) - self._soles.lowest(world, places)
            self._rise += calm * (rise - self._rise)
            shift = np.array([0.0, both * self._rise, 0.0], np.float32)
            root, places = root + shift, places + shift
        goals = places[self._rows[2]].astype(np.float64)
        goals[:, 1] += share[2] * self._stands * (self._ankle_m - goals[:, 1])
        standing = np.repeat((share[2] > 0.5) & (self._stands > _STANDS), 2)
        held, _ = self._feet.step(
            rotations, root, standing, step_s, wanted=goals, world=(world, places)
        )
        return replace(pose, rotations=held.astype(np.float32), root_translation=root)

    def _turned(self, local: F32, seen: F32, made: F32, share: F64, calm: float) -> F64:
        """Return local rotations (J, 4) with the legs turned in the world as they are to be."""
        rotations = local.astype(np.float64)
        module = kernel.compiled()
        turn = _turn_unseen_legs if module is None else module.turn_unseen_legs
        turn(
            self._rows, self._above, seen, made, share, self._stands, calm, self._fresh,
            self._turns, rotations,
        )  # fmt: skip
        self._fresh = False
        return rotations


def _turn_unseen_legs(
    rows: Array,
    above: Array,
    seen: F32,
    made: F32,
    share: F64,
    stands: F64,
    follows: float,
    fresh: bool,
    turns: F64,
    rotations: F64,
) -> None:
    """Turn legs as they are to be; the definition of the kernel of this name.

    Args:
        rows: (4, 2) joints of `_PARTS`, left then right, each the next one's parent.
        above: (2,) the thighs' parents.
        seen: (J, 4) world rotations as seen.
        made: (J, 4) what the model makes of them.
        share: (4, 2) how far each joint is made up.
        stands: (2,) how surely each foot stands.
        follows: How far `turns` follow what is made of this moment, [0, 1].
        fresh: Whether there is nothing in `turns`.
        turns: (4, 2, 4) world rotations that are made up, changed in place.
        rotations: (J, 4) local, changed in place.
    """
    world, mine = seen.astype(np.float64), made[rows].astype(np.float64)
    mine[1] = quat.slerp(mine[1], _hanging(world[rows[0]]), 1 - share[0])
    mine[2] = quat.slerp(mine[2], _level(mine[2]), np.maximum(stands, 1 - share[0]))
    mine[3] = mine[2]
    turns[:] = mine if fresh else quat.slerp(turns, mine, np.full(rows.shape, follows))
    world[rows] = quat.slerp(world[rows], turns, share)
    parents = world[np.concatenate([above[None], rows[:-1]])]
    rotations[rows] = quat.normalize(quat.multiply(quat.conjugate(parents), world[rows]))


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
