"""Legs: keeps the legs of an avatar with thicker thighs and shins out of one another.

Each bone is a capsule that tapers. Where two of different legs meet, both legs are turned outwards
at the hip by half of what they share; feet keep their turn in the world, and feet that stand are
planted afterwards as ever. What overlaps in the T-pose already (thighs that touch) is no fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.shapes import limb_radii
from twinsdk.retarget.temporal import Temporal
from twinsdk.retarget.transfer import Rig

__all__ = ["Legs"]

_SIDES = ("left", "right")
_BONES = (("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot"))
_GIVE_M = 0.01  # flesh gives way
_EASE_S = 0.08
_LEAST_LEVER = 0.35  # of the leg, from the hip: nearer, turning at the hip moves nothing
_MOST_TURN = np.radians(12)
_LEAST_TURN = 1e-4
_PARALLEL = 0.05  # how much bones side by side are held to have their nearest points low down
_LOW = 0.7
_SIDEWAYS = 0.2
_LEAST_GAIN = 0.6


class Legs:
    """Keeps the legs of one avatar apart.

    Args:
        target: The rig.
        avatar: Its mesh; without skin on the legs nothing is ever moved.

    Attributes:
        radii: Of each side's thigh and shin, at start and end, metres; empty without skin.
        length: Of a leg, metres.
    """

    def __init__(self, target: Rig, avatar: Avatar) -> None:
        self._target = target
        at, roles = target.tpose.positions, target.roles
        hips, knees, ankles = (
            np.array([at[roles[side + part]] for side in _SIDES])
            for part in ("UpperLeg", "LowerLeg", "Foot")
        )
        self.length = float(
            np.linalg.norm(knees - hips, axis=-1).mean()
            + np.linalg.norm(ankles - knees, axis=-1).mean()
        )
        # Half the way between the legs in the T-pose, at hips, knees and ankles.
        rooms = [float(np.linalg.norm(p[0] - p[1])) / 2 for p in (hips, knees, ankles)]
        self.radii: dict[str, list[tuple[float, float]]] = {}
        for side in _SIDES:
            found = [limb_radii(target, avatar, side + a, side + b) for a, b in _BONES]
            if any(radii is None for radii in found):
                self.radii = {}
                return
            self.radii[side] = [
                (min(radii[0], rooms[i]), min(radii[1], rooms[i + 1]))
                for i, radii in enumerate(found)
                if radii is not None
            ]

    def __bool__(self) -> bool:
        return bool(self.radii)

    @property
    def plan(self) -> dict[str, object]:
        """What the kernel needs."""
        roles, parents = self._target.roles, self._target.skeleton.parents
        joints = ("UpperLeg", "LowerLeg", "Foot")
        return {
            "joints": np.array([roles[s + j] for s in _SIDES for j in joints], np.int32),
            **{f"{s}_leg_above": int(parents[roles[f"{s}UpperLeg"]]) for s in _SIDES},
            **{f"{s}_foot_above": int(parents[roles[f"{s}Foot"]]) for s in _SIDES},
            "radii": np.array([self.radii[side] for side in _SIDES], np.float64),
            "length": self.length,
            "give_m": _GIVE_M,
            "least_lever": _LEAST_LEVER,
            "most_turn": float(_MOST_TURN),
            "ease_s": _EASE_S,
            "parallel": _PARALLEL,
            "low_down": _LOW,
        }

    def apply(
        self, rotations: F32, roots: F32, temporal: Temporal, kernel: Any | None = None
    ) -> F32:
        """Return rotations (T, J, 4) with the legs outside one another.

        Without a `kernel` (`native.CompiledStep.kernel`) NumPy does it.
        """
        skeleton = self._target.skeleton
        turns, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
        if kernel is None:
            spreads = self._spreads(places.astype(np.float64))
        else:
            spreads = np.empty((len(rotations), 2, 3))
            kernel.spreads(turns, places, spreads)
        spreads = temporal.held("legs", spreads, _EASE_S)
        if np.linalg.norm(spreads, axis=-1).max(initial=0) <= _LEAST_TURN:
            return rotations
        out = rotations.copy()
        if kernel is None:
            self._spread(out, turns.astype(np.float64), spreads)
        else:
            kernel.spread(turns, places, spreads, out)
        return out

    def _spread(self, out: F32, turns: Array, spreads: Array) -> None:
        """Turn both legs of `out` (T, J, 4) by `spreads` (T, 2, 3), in place."""
        roles, parents = self._target.roles, self._target.skeleton.parents
        for i, side in enumerate(_SIDES):
            moved = np.flatnonzero(np.linalg.norm(spreads[:, i], axis=-1) > _LEAST_TURN)
            upper, foot = roles[f"{side}UpperLeg"], roles[f"{side}Foot"]
            by = quat.from_rotation_vector(spreads[moved, i])
            above = int(parents[upper])
            before = quat.conjugate(turns[moved, above]) if above >= 0 else quat.IDENTITY
            own = quat.multiply(by, turns[moved, upper])
            out[moved, upper] = quat.positive(quat.multiply(before, own))
            before = quat.multiply(by, turns[moved, int(parents[foot])])
            back = quat.multiply(quat.conjugate(before), turns[moved, foot])
            out[moved, foot] = quat.positive(back)

    def depth(self, places: Array) -> Array:
        """Return (T,) how deep the legs are in one another, metres; joints at (T, J, 3)."""
        return np.max([depth for depth, _, _, _ in self._meetings(places)], axis=0, initial=0.0)

    def _spreads(self, places: Array) -> Array:
        """Return (T, 2, 3) about what and how far left and right are to turn at the hip."""
        hips = [places[:, self._target.roles[f"{side}UpperLeg"]] for side in _SIDES]
        least = _LEAST_LEVER * self.length
        best = np.zeros(len(places))
        turns = np.zeros((len(places), 2, 3))
        for depth, way, *points in self._meetings(places):
            deeper = depth > best
            if not deeper.any():
                continue
            best = np.maximum(best, depth)
            for i, sign in enumerate((0.5, -0.5)):
                lever = points[i] - hips[i]
                far = np.maximum(np.linalg.norm(lever, axis=-1), least)
                turn = np.cross(lever, way * (sign * depth)[:, None]) / (far**2)[:, None]
                turns[:, i] = np.where(deeper[:, None], turn, turns[:, i])
        size = np.linalg.norm(turns, axis=-1, keepdims=True)
        return np.asarray(turns * np.minimum(1, _MOST_TURN / np.maximum(size, 1e-9)))

    def _meetings(self, places: Array) -> list[tuple[Array, Array, Array, Array]]:
        """Return depth (T,), way out (T, 3) a metre of it and both points, for pairs of bones."""
        roles = self._target.roles
        joints = ("UpperLeg", "LowerLeg", "Foot")
        at = {side: [places[:, roles[side + part]] for part in joints] for side in _SIDES}
        apart = at["left"][0] - at["right"][0]
        apart = apart / np.maximum(np.linalg.norm(apart, axis=-1, keepdims=True), 1e-9)
        out = []
        for i, (r0, r1) in enumerate(self.radii["left"]):
            for k, (s0, s1) in enumerate(self.radii["right"]):
                bones = at["left"][i], at["left"][i + 1], at["right"][k], at["right"][k + 1]
                s, t = _nearest(*bones)
                p = bones[0] + (bones[1] - bones[0]) * s[:, None]
                q = bones[2] + (bones[3] - bones[2]) * t[:, None]
                room = r0 + (r1 - r0) * s + s0 + (s1 - s0) * t - _GIVE_M
                away = p - q
                depth = np.maximum(room - np.linalg.norm(away, axis=-1), 0)
                # Bones that cross have no way out of their own: to the sides then.
                way = away + _SIDEWAYS * room[:, None] * apart
                way = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
                # Such a way is longer than the nearest one.
                gain = _dot(way, away) / np.maximum(np.linalg.norm(away, axis=-1), 1e-9)
                out.append((depth, way / np.maximum(gain, _LEAST_GAIN)[:, None], p, q))
        return out


def _nearest(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array]:
    """Return where along bones a-b and c-d (T, 3) they are nearest, two (T,) in [0, 1].

    Bones side by side are about as near everywhere; low down is chosen there, so that the place
    does not jump. Source: Ericson 2005, "Real-time collision detection", 5.1.9, but for that.
    """
    u, v, w = b - a, d - c, a - c
    uu, vv, uv = _dot(u, u), _dot(v, v), _dot(u, v)
    uw, vw = _dot(u, w), _dot(v, w)
    bias = _PARALLEL * uu * vv
    s = np.clip((uv * vw - uw * vv + bias * _LOW) / np.maximum(uu * vv - uv**2 + bias, 1e-12), 0, 1)
    t = np.clip((uv * s + vw) / np.maximum(vv, 1e-12), 0, 1)
    return np.clip((uv * t - uw) / np.maximum(uu, 1e-12), 0, 1), t


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("ti,ti->t", a, b))
