"""Proportion: where the hips go, so that longer or shorter legs stand on the same floor.

Lengths scale by the ratio of leg lengths, about the floor and not about the origin: the point
between the hip joints keeps its height in leg lengths above the ankles' height when standing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import UsageError
from twinsdk.retarget.transfer import Rig

__all__ = ["ROOT_MODES", "Root", "Stance", "stance"]

ROOT_MODES = ("full", "in-place", "preserve-distance")
# Ankle height over leg length of an adult; Winter 2009, fig. 4.1: 0.039 / (0.530 - 0.039).
_ANKLE_OF_LEG = 0.0794
_HIGHEST_ANKLE = 0.3  # over leg length: platform shoes
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Stance:
    """How a rig stands; lengths in its own unit.

    Attributes:
        leg: Hip joint to ankle along thigh and shin, mean of both.
        ankle: Height of the ankles above the floor with level soles.
        ground: Height of the floor in the world the motion is in.
        hips_to_pelvis: (3,) from the hips joint to the middle of the hip joints, in the T-pose.
    """

    leg: float
    ankle: float
    ground: float
    hips_to_pelvis: F64


def stance(rig: Rig, avatar: Avatar | None = None, ground: float | None = None) -> Stance:
    """Return how a rig stands, from its T-pose and, where there is one, its mesh."""
    at = {role: rig.tpose.positions[joint] for role, joint in rig.roles.items()}
    legs = [
        np.linalg.norm(at[f"{side}LowerLeg"] - at[f"{side}UpperLeg"])
        + np.linalg.norm(at[f"{side}Foot"] - at[f"{side}LowerLeg"])
        for side in _SIDES
    ]
    leg = float(np.mean(legs))
    ankle = _ankle_height(rig, leg, avatar)
    middle = (at["leftUpperLeg"] + at["rightUpperLeg"]) / 2
    return Stance(
        leg=leg,
        ankle=ankle,
        ground=0.0 if ground is None else ground,
        hips_to_pelvis=middle - at["hips"],
    )


class Root:
    """Maps the source's hips to the target's root translation.

    Args:
        source, target: The rigs.
        source_stance, target_stance: How they stand.
        world: (4,) ours_from_source.
        mode: "full", "in-place" (no travel over the floor) or "preserve-distance" (travel in
            metres, not in leg lengths).

    Raises:
        UsageError: The mode is none of these.
    """

    def __init__(
        self,
        source: Rig,
        target: Rig,
        source_stance: Stance,
        target_stance: Stance,
        world: Array,
        mode: str = "full",
    ) -> None:
        if mode not in ROOT_MODES:
            raise UsageError(f"root: expected one of {', '.join(ROOT_MODES)}, got {mode!r}")
        self.scale = target_stance.leg / source_stance.leg
        flat = {"full": self.scale, "in-place": 0.0, "preserve-distance": 1.0}[mode]
        self.factors = np.array([flat, self.scale, flat], np.float32)
        self.lift = np.array(
            [
                0,
                target_stance.ground
                + target_stance.ankle
                - self.scale * (source_stance.ground + source_stance.ankle),
                0,
            ],
            np.float32,
        )
        self._line = _line(source.skeleton, source.roles["hips"])
        self._offsets = source.skeleton.rest_translations
        self._world = np.asarray(world, np.float32)
        hips = source.roles["hips"]
        self._from_t = quat.conjugate(source.tpose.world[hips]).astype(np.float32)
        self._source_offset = source_stance.hips_to_pelvis.astype(np.float32)
        self._target_offset = target_stance.hips_to_pelvis.astype(np.float32)
        self._root_to_hips = _root_to_hips(target)

    @property
    def constants(self) -> dict[str, Array]:
        """What this adds up, by the names the compiled step knows."""
        return {
            "world": self._world,
            "from_tpose": self._from_t,
            "source_offset": self._source_offset,
            "target_offset": self._target_offset,
            "root_to_hips": self._root_to_hips,
            "factors": self.factors,
            "lift": self.lift,
        }

    def __call__(self, rotations: F32, roots: F32) -> F32:
        """Return target root translations (..., 3) of source rotations (..., J, 4) and roots."""
        turn, place = rotations[..., 0, :], roots
        for joint in self._line:
            place = place + quat.rotate(turn, self._offsets[joint])
            turn = quat.multiply(turn, rotations[..., joint, :])
        turn = quat.multiply(quat.multiply(self._world, turn), self._from_t)
        pelvis = quat.rotate(self._world, place) + quat.rotate(turn, self._source_offset)
        hips = pelvis * self.factors + self.lift - quat.rotate(turn, self._target_offset)
        out: F32 = hips - self._root_to_hips
        return out.astype(np.float32, copy=False)


def _ankle_height(rig: Rig, leg: float, avatar: Avatar | None) -> float:
    skeleton = rig.skeleton
    ankles = [rig.roles[f"{side}Foot"] for side in _SIDES]
    _, rest = skeleton.rest_world()
    upright = quat.rotate(rig.tpose.frame, rest.astype(np.float64))
    height = float(np.mean(upright[ankles, 1]))
    if avatar is not None and len(avatar.mesh.vertices):
        bind = np.linalg.inv(avatar.skin.inverse_bind.astype(np.float64))[ankles, :3, 3]
        up = quat.rotate(quat.conjugate(rig.tpose.frame), np.array([0.0, 1.0, 0.0]))
        lowest = float((avatar.mesh.vertices @ up).min())
        above = float(np.mean(bind @ up)) - lowest
    else:
        below = [j for j in range(len(skeleton)) if any(_within(skeleton, j, a) for a in ankles)]
        drop = height - float(upright[below, 1].min())
        # A rest pose that stands on y = 0 tells; one that hangs around its hips does not.
        stands = drop - 0.01 * leg <= height <= _HIGHEST_ANKLE * leg
        above = height if stands else max(drop, _ANKLE_OF_LEG * leg)
    # A mesh may reach far below its feet (a skirt's train, a stand): no ankle is that high.
    return above if 0 <= above < _HIGHEST_ANKLE * leg else _ANKLE_OF_LEG * leg


def _within(skeleton: Skeleton, joint: int, ancestor: int) -> bool:
    while joint > ancestor:
        joint = int(skeleton.parents[joint])
    return joint == ancestor


def _line(skeleton: Skeleton, joint: int) -> list[int]:
    """Return the joints below the root on the way to `joint`, nearest the root first."""
    line = []
    while joint > 0:
        line.append(joint)
        joint = int(skeleton.parents[joint])
    return line[::-1]


def _root_to_hips(target: Rig) -> F32:
    """Return (3,): the hips' place from the root's, with everything between them at rest."""
    skeleton, hips = target.skeleton, target.roles["hips"]
    _, rest = skeleton.rest_world()
    return rest[hips] - rest[0]
