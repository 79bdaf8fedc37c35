"""Retargeter: motion of one skeleton as motion of an avatar, a frame or a clip at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload

import numpy as np

from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget.anatomy import virtual_tpose
from twinsdk.retarget.mapping import humanoid_map
from twinsdk.retarget.proportion import Root, stance
from twinsdk.retarget.transfer import Rig, Transfer

__all__ = ["RetargetConfig", "Retargeter", "retarget"]


@dataclass(frozen=True, kw_only=True)
class RetargetConfig:
    """How to retarget.

    Attributes:
        root: "full" scales travel by leg length, "in-place" keeps the person on the spot,
            "preserve-distance" keeps metres.
        source_roles: Canonical joint -> joint name of the source; found by itself where None.
        ground_m: Height of the floor in the source's world; 0 where None and there is no clip.
    """

    root: str = "full"
    source_roles: Mapping[str, str] | None = None
    ground_m: float | None = None


class Retargeter:
    """Retargets from one skeleton to one avatar; made once, used for every frame.

    Args:
        source_skeleton: What the motion is on.
        avatar: What it goes to; a bare skeleton will do.
        config: See `RetargetConfig`.

    Raises:
        NotHumanoidError: One of the two is no humanoid.
        UsageError: The configuration makes no sense.
    """

    def __init__(
        self,
        source_skeleton: Skeleton,
        avatar: Avatar | Skeleton,
        config: RetargetConfig | None = None,
    ) -> None:
        self.config = config or RetargetConfig()
        self.source = _rig(source_skeleton, self.config.source_roles)
        body = avatar if isinstance(avatar, Avatar) else None
        self.target = _rig(
            avatar.skeleton if isinstance(avatar, Avatar) else avatar,
            None if body is None else body.roles(),
        )
        world = np.array([0.0, 0.0, 0.0, 1.0])
        self._transfer = Transfer(self.source, self.target, world)
        self._root = Root(
            self.source,
            self.target,
            stance(self.source, ground=self.config.ground_m),
            stance(self.target, body),
            world,
            self.config.root,
        )

    @property
    def scale(self) -> float:
        """Target leg length over source leg length."""
        return self._root.scale

    def step(self, pose: Pose) -> Pose:
        """Return one pose on the avatar's skeleton.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the source.
        """
        rotations = pose.on(self.source.skeleton).rotations
        return Pose(
            skeleton=self.target.skeleton,
            rotations=self._transfer(rotations),
            root_translation=self._root(rotations, pose.root_translation),
        )

    def clip(self, clip: MotionClip) -> MotionClip:
        """Return a whole clip on the avatar's skeleton; expressions pass through.

        Raises:
            SkeletonMismatchError: The clip is on another skeleton than the source.
        """
        clip[0].on(self.source.skeleton)
        return MotionClip(
            skeleton=self.target.skeleton,
            fps=clip.fps,
            rotations=self._transfer(clip.rotations),
            root_translations=self._root(clip.rotations, clip.root_translations),
            expressions=clip.expressions,
        )


@overload
def retarget(
    clip_or_pose: Pose, avatar: Avatar | Skeleton, config: RetargetConfig | None = None
) -> Pose: ...
@overload
def retarget(
    clip_or_pose: MotionClip, avatar: Avatar | Skeleton, config: RetargetConfig | None = None
) -> MotionClip: ...
def retarget(
    clip_or_pose: MotionClip | Pose,
    avatar: Avatar | Skeleton,
    config: RetargetConfig | None = None,
) -> MotionClip | Pose:
    """Return a clip or a pose on the avatar's skeleton.

    For frames as they come, make one `Retargeter` and call its `step`.

    Raises:
        NotHumanoidError: One of the two skeletons is no humanoid.
        UsageError: The configuration makes no sense.
    """
    made = Retargeter(clip_or_pose.skeleton, avatar, config)
    if isinstance(clip_or_pose, Pose):
        return made.step(clip_or_pose)
    return made.clip(clip_or_pose)


def _rig(skeleton: Skeleton, names: Mapping[str, str] | None) -> Rig:
    given = humanoid_map(skeleton).roles if names is None else names
    roles = {role: skeleton.joint(joint) for role, joint in given.items()}
    return Rig(skeleton=skeleton, roles=roles, tpose=virtual_tpose(skeleton, roles))
