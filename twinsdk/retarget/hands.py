"""Hands: what they touch in the source they touch on an avatar of other proportions.

Angles alone carry a clap to arms that cross or never meet. Where a wrist is near the other one, or
rests near the person's own head, chest, hips or knee, its place is kept relative to that, measured
in the size of the part; in between the angles rule. A hand that passes the body, or hangs beside
it from a straight arm, touches nothing. Only corrections are eased, never the motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.body import arm_plan, move_wrists
from twinsdk.retarget.temporal import Temporal
from twinsdk.retarget.transfer import Rig

__all__ = ["Hands"]

_SIDES = ("left", "right")
# Wrist to anchor in arm lengths (upper arm and forearm): all of the goal, none of it.
_OWN_BODY = (0.34, 0.46)
_OTHER_HAND = (0.3, 0.5)
# Arm lengths a second against the part: it rests there, it passes.
_RESTING = (0.6, 1.6)
# Shoulder to wrist in arm lengths: bent enough to touch hips, chest or head; hanging.
_BENT = (0.8, 0.91)
_MOST = 0.35  # arm lengths: what is further is another pose than these arms can take
_EASE_S = 0.05


@dataclass(frozen=True)
class _Part:
    """A part of the body in one rig: between which joints it is, and what turns it."""

    between: tuple[int, int]
    turned_by: int

    def place(self, places: Array) -> Array:
        """Return (T, 3) where it is."""
        return np.asarray((places[:, self.between[0]] + places[:, self.between[1]]) / 2)

    def posture(self, rig: Rig, turns: Array) -> Array:
        """Return (T, 4) how it is turned from the T-pose."""
        tpose = rig.tpose.world[self.turned_by]
        return np.asarray(quat.multiply(turns[:, self.turned_by], quat.conjugate(tpose)))


@dataclass(frozen=True)
class _Anchor:
    """A part of the body that hands touch, in both rigs.

    Attributes:
        source, target: The part.
        scale: (3,) target over source size of the part, along the body's left, up and front.
    """

    name: str
    source: _Part
    target: _Part
    scale: F64

    @property
    def straight(self) -> bool:
        """Whether a straight arm touches it."""
        return self.name.endswith("knee")


class Hands:
    """Keeps the hands of `target` where those of `source` are on the body.

    Args:
        source, target: The rigs.
        world: (4,) ours_from_source.
        keep: Whether they are.
    """

    def __init__(self, source: Rig, target: Rig, world: Array, *, keep: bool = True) -> None:
        self.keep = keep
        self._source, self._target = source, target
        self._world = np.asarray(world, np.float64)
        self._arms = _arm(source), _arm(target)
        self._anchors = _anchors(source, target)

    @property
    def plan(self) -> dict[str, object]:
        """What the kernel needs."""
        return {
            "anchors": [self._anchor_plan(anchor) for anchor in self._anchors],
            "source_arm": self._arms[0],
            "arm": self._arms[1],
            "own_body": np.array(_OWN_BODY),
            "other_hand": np.array(_OTHER_HAND),
            "resting": np.array(_RESTING),
            "bent": np.array(_BENT),
            "most": _MOST,
            "ease_s": _EASE_S,
        }

    def arm_plan(self, side: str) -> dict[str, object]:
        """Return what the kernel needs of the joints of one arm."""
        roles = self._source.roles
        return {
            "source_upper": roles[f"{side}UpperArm"],
            "source_hand": roles[f"{side}Hand"],
            **arm_plan(self._target, side),
        }

    def _anchor_plan(self, anchor: _Anchor) -> dict[str, object]:
        out: dict[str, object] = {"scale": anchor.scale, "straight": anchor.straight}
        for prefix, part, rig in (
            ("source_", anchor.source, self._source),
            ("", anchor.target, self._target),
        ):
            out[f"{prefix}a"], out[f"{prefix}b"] = part.between
            out[f"{prefix}by"] = part.turned_by
            out[f"{prefix}back"] = quat.conjugate(rig.tpose.world[part.turned_by])
        return out

    def apply(
        self,
        motion: F32,
        rotations: F32,
        roots: F32,
        temporal: Temporal,
        kernel: Any | None = None,
    ) -> F32:
        """Return rotations (T, J, 4) of the target with its hands on their goals.

        Args:
            motion: (T, Js, 4) local rotations of the source.
            rotations: (T, J, 4) those of the target so far.
            roots: (T, 3) its root.
            temporal: How corrections flow.
            kernel: `native.CompiledStep.kernel`; NumPy does it where None.
        """
        there = _places(self._source, motion, np.zeros((len(motion), 3), np.float32))
        here = _places(self._target, rotations, roots)
        shape = (len(motion), 2, len(self._anchors))
        if kernel is None:
            wide = _wide(self._world, there), _wide(None, here)
            reaches = self._reaches(wide[0])
            moves = self._touches(*wide, reaches, temporal.speed("hands", reaches))
        else:
            reaches, moves = np.empty((*shape, 3)), np.empty((len(motion), 2, 3))
            kernel.reaches(*there, reaches)
            speeds = np.ascontiguousarray(temporal.speed("hands", reaches))
            kernel.touches(*there, *here, reaches, speeds, moves)
        moves = temporal.smooth("hands", moves, _EASE_S)
        return move_wrists(self._target, rotations, *here, moves, kernel)

    def _reaches(self, there: tuple[Array, Array]) -> Array:
        """Return where each wrist is from each anchor, (T, 2, A, 3), in the anchor's axes."""
        wrists = [there[1][:, self._source.roles[f"{side}Hand"]] for side in _SIDES]
        out = np.zeros((len(wrists[0]), 2, len(self._anchors), 3))
        for i, wrist in enumerate(wrists):
            for k, anchor in enumerate(self._anchors):
                turned = anchor.source.posture(self._source, there[0])
                away = wrist - anchor.source.place(there[1])
                out[:, i, k] = quat.rotate(quat.conjugate(turned), away)
        return out

    def _touches(
        self,
        there: tuple[Array, Array],
        here: tuple[Array, Array],
        reaches: Array,
        speeds: Array,
    ) -> Array:
        """Return how far each wrist is to move, (T, 2, 3); speeds (T, 2, A) are of the reaches."""
        source, target = self._source.roles, self._target.roles
        wrists = [there[1][:, source[f"{side}Hand"]] for side in _SIDES]
        own = [here[1][:, target[f"{side}Hand"]] for side in _SIDES]
        goals = []
        for i, side in enumerate(_SIDES):
            reach = wrists[i] - there[1][:, source[f"{side}UpperArm"]]
            bent = _share(reach, self._arms[0], _BENT)
            total, weights = np.zeros_like(own[i]), np.zeros(len(own[i]))
            for k, anchor in enumerate(self._anchors):
                local = reaches[:, i, k]
                share = _share(local, self._arms[0], _OWN_BODY)
                share = share * _falling(speeds[:, i, k] / self._arms[0], _RESTING)
                share = share if anchor.straight else share * bent
                posture = anchor.target.posture(self._target, here[0])
                goal = anchor.target.place(here[1])
                goal = goal + quat.rotate(posture, local * anchor.scale)
                total += (goal - own[i]) * share[:, None]
                weights += share
            goals.append(own[i] + total / np.maximum(weights, 1)[:, None])
        # Both hands share the way to one another, from where the body has them.
        between = wrists[1] - wrists[0]
        share = _share(between, self._arms[0], _OTHER_HAND)
        missing = between * (self._arms[1] / self._arms[0]) - (goals[1] - goals[0])
        half = 0.5 * missing * share[:, None]
        move = np.stack([goals[0] - half - own[0], goals[1] + half - own[1]], axis=1)
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        most = _MOST * self._arms[1]
        return np.asarray(move * (most * np.tanh(length / most) / np.maximum(length, 1e-12)))


def _places(rig: Rig, rotations: F32, roots: F32) -> tuple[F32, F32]:
    skeleton = rig.skeleton
    return forward_kinematics(skeleton.parents, skeleton.rest_translations, rotations, roots)


def _wide(world: Array | None, body: tuple[F32, F32]) -> tuple[Array, Array]:
    """Return turns and places in float64, turned by `world`."""
    turns, places = body[0].astype(np.float64), body[1].astype(np.float64)
    if world is None:
        return turns, places
    return quat.multiply(world, turns), quat.rotate(world, places)


def _share(away: Array, arm: float, span: tuple[float, float]) -> Array:
    """Return (T,) 1 near, 0 far, smooth in between; `span` in arm lengths."""
    return _falling(np.linalg.norm(away, axis=-1) / arm, span)


def _falling(value: Array, span: tuple[float, float]) -> Array:
    """Return 1 below `span`, 0 above it, smooth in between."""
    t = np.clip((span[1] - value) / (span[1] - span[0]), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _arm(rig: Rig) -> float:
    at, roles = rig.tpose.positions, rig.roles
    lengths = [
        np.linalg.norm(at[roles[side + b]] - at[roles[side + a]])
        for side in _SIDES
        for a, b in (("UpperArm", "LowerArm"), ("LowerArm", "Hand"))
    ]
    return max(float(np.sum(lengths)) / 2, 1e-9)


def _anchors(source: Rig, target: Rig) -> list[_Anchor]:
    sizes = [_sizes(rig) for rig in (source, target)]
    ratio = {name: sizes[1][name] / sizes[0][name] for name in sizes[0]}
    trunk = ratio["trunk"]
    scales = {
        "head": (trunk, trunk, trunk),
        "pelvis": (ratio["hips"], trunk, trunk),
        "chest": (ratio["shoulders"], trunk, trunk),
        "left knee": (ratio["leg"],) * 3,
        "right knee": (ratio["leg"],) * 3,
    }
    there, here = _parts(source), _parts(target)
    return [
        _Anchor(name=name, source=there[name], target=here[name], scale=np.array(scale, np.float64))
        for name, scale in scales.items()
    ]


def _parts(rig: Rig) -> dict[str, _Part]:
    roles = rig.roles
    # Rigs differ in where hips and chest begin, not in where the limbs do.
    chest = next(roles[r] for r in ("upperChest", "chest", "spine", "hips") if r in roles)
    return {
        "head": _Part((roles["head"], roles["head"]), roles["head"]),
        "pelvis": _Part((roles["leftUpperLeg"], roles["rightUpperLeg"]), roles["hips"]),
        "chest": _Part((roles["leftUpperArm"], roles["rightUpperArm"]), chest),
        **{
            f"{side} knee": _Part((roles[f"{side}LowerLeg"],) * 2, roles[f"{side}LowerLeg"])
            for side in _SIDES
        },
    }


def _sizes(rig: Rig) -> dict[str, float]:
    """Return the sizes parts are measured in, in the rig's own unit."""
    at = {role: rig.tpose.positions[joint] for role, joint in rig.roles.items()}

    def width(role: str) -> float:
        return max(float(np.linalg.norm(at[f"left{role}"] - at[f"right{role}"])), 1e-9)

    hips = (at["leftUpperLeg"] + at["rightUpperLeg"]) / 2
    shoulders = (at["leftUpperArm"] + at["rightUpperArm"]) / 2
    leg = np.linalg.norm(at["leftLowerLeg"] - at["leftUpperLeg"])
    return {
        "trunk": max(float(np.linalg.norm(shoulders - hips)), 1e-9),
        "hips": width("UpperLeg"),
        "shoulders": width("UpperArm"),
        "leg": max(float(leg), 1e-9),
    }
