"""The compiled step: everything a live frame needs, laid out once for the kernel.

What the kernel does is written in `transfer`, `proportion`, `live`, `legs`, `hands`, `body` and
`limits`, which also run where there is no kernel; tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.kernel import retarget_step
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget.body import Trunk
from twinsdk.retarget.contact import ContactConfig
from twinsdk.retarget.hands import Hands
from twinsdk.retarget.legs import Legs
from twinsdk.retarget.limits import Limits
from twinsdk.retarget.plant import Planter
from twinsdk.retarget.proportion import Root
from twinsdk.retarget.transfer import Transfer, TrunkBend

__all__ = ["CompiledStep", "compiled_step", "correction_plan"]

_SIDES = ("left", "right")
_PARTS = ("Foot", "Toes")
_EVERY_POSE_BY_ITSELF = -1.0
_Path = list[tuple[int, bool]]


class CompiledStep:
    """One person's frames through the kernel; it remembers the feet.

    Attributes:
        kernel: The compiled step, whose corrections work on whole clips, too.
    """

    def __init__(self, step: Any, target: Skeleton) -> None:
        self.kernel, self._target = step, target

    def __call__(self, pose: Pose, dt_s: float | None) -> tuple[F32, F32]:
        """Return rotations (Jt, 4) and root (3,); feet are held unless `dt_s` is None."""
        rotations = np.empty((len(self._target), 4), np.float32)
        root = np.empty(3, np.float32)
        elapsed = _EVERY_POSE_BY_ITSELF if dt_s is None else max(float(dt_s), 0.0)
        self.kernel.step(pose.rotations, pose.root_translation, elapsed, rotations, root)
        return rotations, root


def compiled_step(
    transfer: Transfer,
    root: Root,
    planter: Planter,
    corrections: Mapping[str, object],
    config: ContactConfig | None,
) -> CompiledStep | None:
    """Return the step of these parts, None where no kernel is in use.

    The `corrections` are those of `correction_plan`; without a `config` feet are never held.
    """
    plan = _plan(transfer, root, planter, config or ContactConfig())
    step = retarget_step({**plan, "plant": config is not None, "corrections": corrections})
    return None if step is None else CompiledStep(step, planter.target.skeleton)


def correction_plan(
    hands: Hands, trunk: Trunk | None, legs: Legs | None, limits: Limits, *, limit: bool
) -> dict[str, object]:
    """Return the corrections as the kernel takes them.

    Trunk and legs are None or empty where they keep nothing apart; `limit` holds all limbs to
    their ranges.
    """
    return {
        "limit": limit,
        **{f"{side}_arm": hands.arm_plan(side) for side in _SIDES},
        **({"touch": hands.plan} if hands.keep else {}),
        **({"out": trunk.plan} if trunk else {}),
        **({"legs": legs.plan} if legs else {}),
        **limits.plan,
    }


def _plan(
    transfer: Transfer, root: Root, planter: Planter, config: ContactConfig
) -> dict[str, object]:
    source, target = planter.source, planter.target
    return {
        "source_parents": _i32(source.skeleton.parents),
        "source_offsets": _f32(source.skeleton.rest_translations),
        "target_parents": _i32(target.skeleton.parents),
        "target_offsets": _f32(target.skeleton.rest_translations),
        "rest": _f32(transfer.rest),
        "moving": _i32(transfer.moving),
        "matrices": _f32(transfer.matrices),
        **_paths("chain", transfer.chains),
        **_trunk(transfer.trunk),
        "hips": source.roles["hips"],
        "left_thigh": source.roles["leftUpperLeg"],
        "right_thigh": source.roles["rightUpperLeg"],
        **{name: _f64(value) for name, value in root.constants.items()},
        "scale": root.scale,
        "leg": planter.leg,
        "speed_on": config.speed_on,
        "speed_off": config.speed_off,
        "height_on": config.height_on,
        "height_off": config.height_off,
        "ease_s": config.ease_s,
        **{side: _foot(planter, side) for side in _SIDES},
    }


def _foot(planter: Planter, side: str) -> dict[str, object]:
    source, roles = planter.source.roles, planter.target.roles
    upper = roles[f"{side}UpperLeg"]
    thigh, shin = planter.inner_turns[side]
    return {
        "source_ankle": source[f"{side}Foot"],
        "source_ball": source.get(f"{side}Toes", source[f"{side}Foot"]),
        "upper": upper,
        "above": int(planter.target.skeleton.parents[upper]),
        "lower": roles[f"{side}LowerLeg"],
        "foot": roles[f"{side}Foot"],
        "ball": _f64(planter.toe_offset[side]),
        "inner_thigh": _f64(thigh),
        "inner_shin": _f64(shin),
        "hinge": _f64(planter.hinges[side]),
        "leg": planter.leg_lengths[side],
        "level": _f64([planter.levels[side][part] for part in _PARTS]),
        "target_level": _f64([planter.target_levels[side][part] for part in _PARTS]),
    }


def _trunk(trunk: TrunkBend | None) -> dict[str, object]:
    if trunk is None:
        return {
            **_paths("trunk", []),
            "trunk_right": _f32([]),
            "trunk_low": _i32([]),
            "trunk_share": _f32([]),
        }
    return {
        **_paths("trunk", trunk.paths),
        "trunk_right": _f32(trunk.right),
        "trunk_low": _i32(trunk.low),
        "trunk_share": _f32(trunk.share),
    }


def _paths(name: str, paths: list[_Path]) -> dict[str, object]:
    flat = [item for path in paths for item in path]
    return {
        f"{name}_starts": _i32(np.cumsum([0, *map(len, paths)])),
        f"{name}_joints": _i32([joint for joint, _ in flat]),
        f"{name}_inverted": np.array([inverted for _, inverted in flat], np.uint8),
    }


def _f32(values: object) -> Array:
    return np.ascontiguousarray(values, np.float32)


def _f64(values: object) -> Array:
    return np.ascontiguousarray(values, np.float64)


def _i32(values: object) -> Array:
    return np.ascontiguousarray(values, np.int32)
