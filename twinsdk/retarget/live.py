"""Live planting: the same idea as `plant`, a frame at a time and without looking ahead.

Written on plain floats: for one frame the overhead of small arrays would be most of the time. A
tracked foot trembles while it stands, so here a standing foot is held where it touched down and
only slowly follows what the tracker says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import acos, cos, exp, sin, sqrt

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.contact import ContactConfig
from twinsdk.retarget.plant import Planter
from twinsdk.retarget.smallquat import (
    Quat,
    Vec,
    add,
    between,
    conjugate,
    cross,
    dot,
    length,
    minus,
    multiply,
    rotate,
    times,
)

__all__ = ["LivePlanter"]

_FOLLOW_S = 0.8  # how slowly a standing foot follows the tracker
_LOWER_S = 0.6  # over which it comes down to the floor: a tracker's foot may stand well above it
_SPEED_S = 0.08  # over which velocity is averaged
_SINK_S = 0.08
_LEASH = 0.12  # leg lengths from where the source says: further is a lost foot, so let go
_LEAST_REACH = 0.995  # of the leg: what is further makes the pelvis sink
_STRAIGHT = 0.05
_SOFT = 0.01


@dataclass
class _Foot:
    """What is remembered of one foot."""

    before: dict[str, Vec] = field(default_factory=dict)
    velocity: dict[str, Vec] = field(default_factory=dict)
    down: dict[str, bool] = field(default_factory=lambda: {"Foot": False, "Toes": False})
    anchor: str = ""
    held: Vec = (0.0, 0.0, 0.0)
    lift: float = 0.0
    since_s: float = 0.0
    correction: Vec = (0.0, 0.0, 0.0)


class LivePlanter:
    """Plants the feet of one person as frames come; `planter` holds the rigs and scales."""

    def __init__(self, planter: Planter, config: ContactConfig) -> None:
        self._planter, self._config = planter, config
        self._feet = {side: _Foot() for side in ("left", "right")}
        self._sink = 0.0

    def __call__(
        self, source: F32, source_root: F32, rotations: F32, root: F32, dt_s: float
    ) -> tuple[F32, F32]:
        """Return rotations (J, 4) and root (3,) of the target, its standing feet held.

        Args:
            source: (Js, 4) local rotations of the source.
            source_root: (3,) its root.
            rotations: (J, 4) what the transfer gave.
            root: (3,) likewise.
            dt_s: Seconds since the last frame.
        """
        planter = self._planter
        leads = planter.leads(source, source_root)
        skeleton, roles = planter.target.skeleton, planter.target.roles
        turns, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, root
        )
        goals, need = {}, 0.0
        for side, foot in self._feet.items():
            ankle: Vec = tuple(places[roles[f"{side}Foot"]].tolist())
            turn: Quat = tuple(turns[roles[f"{side}Foot"]].tolist())
            toe = add(ankle, rotate(turn, planter.toe_offset[side]))
            self._touch(side, foot, leads[side], dt_s)
            self._hold(side, foot, {"Foot": ankle, "Toes": toe}, dt_s)
            goals[side] = add(ankle, foot.correction)
            hip: Vec = tuple(places[roles[f"{side}UpperLeg"]].tolist())
            need = max(need, _too_far(hip, ankle, goals[side], planter.leg_lengths[side]))
        rate = 1 - exp(-dt_s / _SINK_S)
        self._sink += (min(need, 0.1 * planter.leg) - self._sink) * rate
        out, moved = rotations.copy(), root.copy()
        moved[1] -= self._sink
        for side, goal in goals.items():
            self._solve(out, side, turns, places, goal)
        return out, moved

    def _touch(self, side: str, foot: _Foot, lead: dict[str, Vec], dt_s: float) -> None:
        planter, config = self._planter, self._config
        for part in ("Foot", "Toes"):
            at = lead[part]
            if part in foot.before and dt_s > 0:
                # Velocities are averaged, not speeds: a trembling of the tracker cancels out.
                now = times(minus(at, foot.before[part]), 1 / (dt_s * planter.leg))
                was = foot.velocity.get(part, now)
                share = 1 - exp(-dt_s / _SPEED_S)
                foot.velocity[part] = add(was, times(minus(now, was), share))
            foot.before[part] = at
            if part not in foot.velocity:
                continue
            speed = length(foot.velocity[part])
            height = (at[1] - planter.levels[side][part]) / planter.leg
            if speed < config.speed_on and height < config.height_on:
                foot.down[part] = True
            elif speed > config.speed_off or height > config.height_off:
                foot.down[part] = False

    def _hold(self, side: str, foot: _Foot, have: dict[str, Vec], dt_s: float) -> None:
        anchor = "Foot" if foot.down["Foot"] else "Toes" if foot.down["Toes"] else ""
        level = self._planter.target_levels[side]
        if anchor and anchor != foot.anchor:
            start = add(have[anchor], foot.correction)
            foot.held, foot.lift, foot.since_s = start, start[1] - level[anchor], 0.0
        foot.anchor = anchor
        if not anchor:
            foot.correction = times(foot.correction, exp(-2 * dt_s / self._config.ease_s))
            return
        foot.since_s += dt_s
        rate = 1 - exp(-dt_s / _FOLLOW_S)
        foot.held = add(foot.held, times(minus(have[anchor], foot.held), rate))
        t = min(foot.since_s / _LOWER_S, 1.0)
        height = level[anchor] + foot.lift * (1 - t * t * (3 - 2 * t))
        wanted = (foot.held[0], height, foot.held[2])
        correction = minus(wanted, have[anchor])
        leash = _LEASH * self._planter.leg
        far = length(correction)
        if far > leash:
            correction = times(correction, leash / far)
            foot.held = add(have[anchor], correction)
        foot.correction = correction

    def _solve(self, out: F32, side: str, turns: F32, places: F32, goal: Vec) -> None:
        planter = self._planter
        roles, parents = planter.target.roles, planter.target.skeleton.parents
        upper, lower, end = (roles[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot"))
        hip: Vec = tuple(places[upper].tolist())
        knee: Vec = tuple(places[lower].tolist())
        ankle: Vec = tuple(places[end].tolist())
        hip, knee, ankle = (  # the pelvis has sunk since
            (p[0], p[1] - self._sink, p[2]) for p in (hip, knee, ankle)
        )
        if length(minus(goal, ankle)) < 1e-5:
            return
        thigh_turn: Quat = tuple(turns[upper].tolist())
        shin_turn: Quat = tuple(turns[lower].tolist())
        foot_turn: Quat = tuple(turns[end].tolist())
        hinge = rotate(thigh_turn, planter.hinges[side])
        first, second = _two_bone(hip, knee, ankle, goal, hinge)
        thigh, shin = multiply(first, thigh_turn), multiply(second, shin_turn)
        to_lower, to_foot = planter.inner_turns[side]
        above: Quat = tuple(turns[parents[upper]].tolist()) if parents[upper] >= 0 else (0, 0, 0, 1)
        out[upper] = _positive(multiply(conjugate(above), thigh))
        out[lower] = _positive(multiply(conjugate(multiply(thigh, to_lower)), shin))
        out[end] = _positive(multiply(conjugate(multiply(shin, to_foot)), foot_turn))


def _too_far(hip: Vec, ankle: Vec, goal: Vec, leg: float) -> float:
    """Return how far the pelvis must sink for the leg to reach."""
    most = max(_LEAST_REACH * leg, length(minus(ankle, hip)))
    flat = (goal[0] - hip[0]) ** 2 + (goal[2] - hip[2]) ** 2
    return hip[1] - goal[1] - sqrt(max(most * most - flat, 0.0))


def _two_bone(hip: Vec, knee: Vec, ankle: Vec, goal: Vec, hinge: Vec) -> tuple[Quat, Quat]:
    """Return the turns of thigh and shin; `ik.two_bone` for one frame."""
    thigh, shin, line, wanted = (
        minus(knee, hip),
        minus(ankle, knee),
        minus(ankle, hip),
        minus(goal, hip),
    )
    a, b, d0, far = length(thigh), length(shin), length(line), length(wanted)
    soft = _SOFT * (a + b)
    over = far - (a + b - soft)
    eased = a + b - soft * exp(-over / soft) if over > 0 else far
    d1 = min(max(eased, min(far, d0), abs(a - b) + 1e-6), a + b - 1e-7)
    along = times(line, 1 / max(d0, 1e-12))
    across = minus(hinge, times(along, dot(hinge, along)))
    corner = _corner(a, d1, b)
    more = corner - _corner(a, d0, b) + _corner(b, d1, a) - _corner(b, d0, a)
    axis = times(cross(thigh, shin), 1 / (a * b))
    bend = length(axis) / _STRAIGHT
    axis = add(axis, times(across, _STRAIGHT * exp(-bend * bend) + max(more, 0.0)))
    axis = times(axis, 1 / max(length(axis), 1e-12))
    bent = add(times(along, a * cos(corner)), times(cross(along, axis), a * sin(corner)))
    swing = between(line, wanted)
    return (
        multiply(swing, between(thigh, bent)),
        multiply(swing, between(shin, minus(times(along, d1), bent))),
    )


def _corner(beside: float, base: float, opposite: float) -> float:
    cosine = (beside * beside + base * base - opposite * opposite) / max(2 * beside * base, 1e-12)
    return acos(min(max(cosine, -1.0), 1.0))


def _positive(q: Quat) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    sign = -1.0 if q[3] < 0 else 1.0
    return np.array([sign * x for x in q], np.float32)
