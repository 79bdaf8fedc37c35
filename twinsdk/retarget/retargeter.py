"""Retargeter: motion of one skeleton as motion of an avatar, a frame or a clip at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.retarget.anatomy import virtual_tpose
from twinsdk.retarget.body import Trunk
from twinsdk.retarget.calibrate import calibrated
from twinsdk.retarget.contact import ContactConfig
from twinsdk.retarget.hands import Hands
from twinsdk.retarget.legs import Legs
from twinsdk.retarget.limits import Limits
from twinsdk.retarget.live import LivePlanter
from twinsdk.retarget.mapping import HumanoidMap, humanoid_map
from twinsdk.retarget.native import CompiledStep, compiled_step, correction_plan
from twinsdk.retarget.plant import Feet, Planter
from twinsdk.retarget.proportion import Root, stance
from twinsdk.retarget.temporal import AsItComes, Temporal, WholeClip
from twinsdk.retarget.transfer import Rig, Transfer
from twinsdk.retarget.twist import Twists

__all__ = ["RetargetConfig", "Retargeter", "retarget"]


@dataclass(frozen=True, kw_only=True)
class RetargetConfig:
    """How to retarget.

    Attributes:
        root: "full" scales travel by leg length, "in-place" keeps the person on the spot,
            "preserve-distance" keeps metres.
        plant_feet: Whether feet that stand still in the source are held still.
        keep_touch: Whether hands near one another or the person's own body are kept there on other
            proportions.
        keep_arms_out: Whether forearms and hands are kept out of the avatar's trunk and head; needs
            an avatar with a mesh.
        keep_legs_apart: Whether legs are kept out of one another; needs a mesh, too.
        limit_joints: Whether elbows, knees, hips, wrists and ankles are held to a body's range; for
            sources that bend them as no body can. Off, only what corrections add is held to it.
        source_roles: Canonical joint -> joint name of the source; found by itself where None.
        ground_m: Height of the floor in the source's world; read from the clip where None.
        contact: When a foot counts as standing.
    """

    root: str = "full"
    plant_feet: bool = True
    keep_touch: bool = True
    keep_arms_out: bool = True
    keep_legs_apart: bool = True
    limit_joints: bool = False
    source_roles: Mapping[str, str] | None = None
    ground_m: float | None = None
    contact: ContactConfig = field(default_factory=ContactConfig)


class Retargeter:
    """Retargets from one skeleton to one avatar; made once, used for every frame.

    Args:
        source_skeleton: What the motion is on.
        avatar: What it goes to; a bare skeleton will do.
        config: See `RetargetConfig`.
        sample: A clip on the source skeleton, from which its up axis, floor and soles are read,
            and its T-pose where the rest pose shows none. The canonical skeleton needs none.

    Attributes:
        notes: What was found out about the source, in words.
        source, target: The two rigs: skeleton, roles, T-pose.
        world: (4,) ours_from_source: what turned the source's up to +Y.
        ankle_height: Of the avatar's ankles above the floor when it stands, metres.
        source_map: Which joint of the source is what, None where the configuration says.

    Raises:
        NotHumanoidError: One of the two is no humanoid.
        UsageError: The configuration makes no sense.
    """

    def __init__(
        self,
        source_skeleton: Skeleton,
        avatar: Avatar | Skeleton,
        config: RetargetConfig | None = None,
        *,
        sample: MotionClip | None = None,
    ) -> None:
        self.config = config or RetargetConfig()
        self.source_map, roles = _roles(source_skeleton, self.config.source_roles)
        found = calibrated(
            source_skeleton, roles, None if _is_canonical(source_skeleton) else sample
        )
        self.source, self.notes = found.rig, found.notes
        body = avatar if isinstance(avatar, Avatar) else None
        self.target = _target(avatar)
        ground = found.ground if self.config.ground_m is None else self.config.ground_m
        stances = stance(self.source, ground=ground), stance(self.target, body)
        self.world = found.world
        self.ankle_height = stances[1].ankle
        self._transfer = Transfer(self.source, self.target, found.world)
        self._twists = Twists(self.target)
        keep = self.config.keep_touch
        self._hands = Hands(self.source, self.target, found.world, keep=keep)
        self._trunk = None if body is None else Trunk(self.target, body)
        self._legs = None if body is None else Legs(self.target, body)
        self._limits = Limits(self.target)
        self._root = Root(self.source, self.target, *stances, found.world, self.config.root)
        self._planter = Planter(
            self.source,
            self.target,
            *stances,
            found.world,
            self._root.factors,
            self._root.lift,
            self.config.contact,
        )
        self._live = LivePlanter(self._planter, self.config.contact)
        self._flow = AsItComes()
        self._compiled = self._compile()

    def _compile(self) -> CompiledStep | None:
        config = self.config
        corrections = correction_plan(
            self._hands,
            self._trunk if config.keep_arms_out else None,
            self._legs if config.keep_legs_apart else None,
            self._limits,
            limit=config.limit_joints,
        )
        contact = config.contact if config.plant_feet else None
        return compiled_step(self._transfer, self._root, self._planter, corrections, contact)

    @property
    def scale(self) -> float:
        """Target leg length over source leg length."""
        return self._root.scale

    def feet(self, clip: MotionClip) -> Feet:
        """Return where the source's feet are, in the avatar's scale, and when they stand."""
        return self._planter.feet(clip.rotations, clip.root_translations, clip.fps)

    def arm_depth(self, result: MotionClip) -> F32 | None:
        """Return (T,) metres that forearms and hands of a result are inside the trunk or head.

        None where the avatar has no mesh to tell.
        """
        if not self._trunk:
            return None
        return self._trunk.depth(result.rotations, result.root_translations).astype(np.float32)

    def leg_depth(self, result: MotionClip) -> F32 | None:
        """Return (T,) metres that the legs of a result are in one another.

        None where the avatar has no mesh to tell.
        """
        if not self._legs:
            return None
        return self._legs.depth(result.world()[1].astype(np.float64)).astype(np.float32)

    def step(self, pose: Pose, dt_s: float | None = None) -> Pose:
        """Return one pose on the avatar's skeleton.

        Args:
            pose: On the source skeleton.
            dt_s: Seconds since the last pose of the same person. Given, standing feet are held
                and corrections eased (one retargeter a person then); None treats every pose by
                itself.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the source.
        """
        source = pose.on(self.source.skeleton)
        if self._compiled is not None:
            rotations, root = self._compiled(source, dt_s)
        else:
            rotations, root = self._interpreted(source, dt_s)
        if self._twists:
            self._twists.apply(rotations)
        return Pose(skeleton=self.target.skeleton, rotations=rotations, root_translation=root)

    def _interpreted(self, source: Pose, dt_s: float | None) -> tuple[F32, F32]:
        """Do what the compiled step does, without a kernel."""
        self._flow.elapsed_s = None if dt_s is None else max(float(dt_s), 0.0)

        def plant(rotations: F32, roots: F32) -> tuple[F32, F32]:
            if dt_s is None:
                return rotations, roots
            held = self._live(
                source.rotations, source.root_translation, rotations[0], roots[0], max(dt_s, 0.0)
            )
            return held[0][None], held[1][None]

        rotations, roots = self._moved(
            source.rotations[None], source.root_translation[None], plant, self._flow
        )
        return rotations[0], roots[0]

    def _moved(
        self,
        motion: F32,
        travel: F32,
        plant: Callable[[F32, F32], tuple[F32, F32]],
        temporal: Temporal,
        kernel: Any | None = None,
    ) -> tuple[F32, F32]:
        """Return rotations (T, J, 4) and roots (T, 3) of the target: all but the shared twist.

        Args:
            motion: (T, Js, 4) local rotations of the source.
            travel: (T, 3) its root.
            plant: What holds standing feet.
            temporal: How corrections flow.
            kernel: What finds and makes them; NumPy where None.
        """
        config = self.config
        free = rotations = self._transfer(motion)
        roots = self._root(motion, travel)
        if config.limit_joints:
            self._limits.hold_all(rotations)
        if self._legs and config.keep_legs_apart:
            rotations = self._legs.apply(rotations, roots, temporal, kernel)
        if config.plant_feet:
            rotations, roots = plant(rotations, roots)
        if self._hands.keep:
            rotations = self._hands.apply(motion, rotations, roots, temporal, kernel)
        if self._trunk and config.keep_arms_out:
            rotations = self._trunk.apply(rotations, roots, temporal, kernel)
        if rotations is not free:
            self._limits.hold_ends(rotations, free, kernel)
        return rotations, roots

    def clip(self, clip: MotionClip) -> MotionClip:
        """Return a whole clip on the avatar's skeleton; expressions pass through.

        Raises:
            SkeletonMismatchError: The clip is on another skeleton than the source.
        """
        clip[0].on(self.source.skeleton)

        def plant(rotations: F32, roots: F32) -> tuple[F32, F32]:
            if len(clip) < 2:
                return rotations, roots
            return self._planter(self.feet(clip), rotations, roots, clip.fps)

        kernel = None if self._compiled is None else self._compiled.kernel
        rotations, roots = self._moved(
            clip.rotations, clip.root_translations, plant, WholeClip(clip.fps), kernel
        )
        if self._twists:
            self._twists.apply(rotations)
        return MotionClip(
            skeleton=self.target.skeleton,
            fps=clip.fps,
            rotations=rotations,
            root_translations=roots,
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
    if isinstance(clip_or_pose, Pose):
        return Retargeter(clip_or_pose.skeleton, avatar, config).step(clip_or_pose)
    made = Retargeter(clip_or_pose.skeleton, avatar, config, sample=clip_or_pose)
    return made.clip(clip_or_pose)


def _roles(
    skeleton: Skeleton, names: Mapping[str, str] | None
) -> tuple[HumanoidMap | None, dict[str, int]]:
    found = None
    if names is None:
        found = humanoid_map(skeleton)
        names = found.roles
    return found, {role: skeleton.joint(joint) for role, joint in names.items()}


def _target(avatar: Avatar | Skeleton) -> Rig:
    if isinstance(avatar, Avatar):
        skeleton, names = avatar.skeleton, avatar.roles()
    else:
        skeleton, names = avatar, dict(humanoid_map(avatar).roles)
    roles = {role: skeleton.joint(joint) for role, joint in names.items()}
    try:
        tpose = virtual_tpose(skeleton, roles)
    except NotHumanoidError as error:
        raise NotHumanoidError(f"avatar: {error}") from error
    return Rig(skeleton=skeleton, roles=roles, tpose=tpose)


def _is_canonical(skeleton: Skeleton) -> bool:
    """Return whether this is the canonical skeleton, whose world needs no reading."""
    return skeleton.names == HUMANOID_NAMES
