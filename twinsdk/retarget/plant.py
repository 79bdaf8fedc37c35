"""Planting: feet that stood still in the source stand still on the avatar.

While a heel or a toe stands, it moves as the source's does, scaled by leg length, from where it
touched down; what that asks of the leg is solved by two-bone IK, and let go of gently afterwards.
Only corrections are eased, never the motion itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.kernel import forward_kinematics
from twinsdk.retarget.contact import ContactConfig, contacts, runs, speeds
from twinsdk.retarget.ik import two_bone
from twinsdk.retarget.proportion import Stance
from twinsdk.retarget.toes import bend_toes
from twinsdk.retarget.transfer import Rig

__all__ = ["Feet", "Planter"]

_SIDES = ("left", "right")
_LEAST_REACH = 0.995  # of the leg: what is further makes the pelvis sink
_SPARED_SINK = 0.002  # leg lengths that are left to slide: a knee bends 3 degrees for them
_MOST_SINK = 0.12  # leg lengths


@dataclass(frozen=True)
class Feet:
    """The source's feet in the target's world and scale, both feet: left, right.

    Attributes:
        ankles, toes: (2, T, 3) metres of the target.
        heel_down, toe_down: (2, T) whether they stand.
        sunk: (2, T) how far ankle or ball is below the height it has on the floor, metres.
    """

    ankles: F64
    toes: F64
    heel_down: Array
    toe_down: Array
    sunk: F64


class Planter:
    """Plants the feet of `target` like those of `source`.

    Args:
        source, target: The rigs.
        source_stance, target_stance: How they stand.
        world: (4,) ours_from_source.
        factors, lift: (3,) the root's scale and shift of each axis, see `Root`.
        config: Contact thresholds.
    """

    def __init__(
        self,
        source: Rig,
        target: Rig,
        source_stance: Stance,
        target_stance: Stance,
        world: Array,
        factors: Array,
        lift: Array,
        config: ContactConfig,
    ) -> None:
        self.source, self.target = source, target
        self._stances = source_stance, target_stance
        self._world = np.asarray(world, np.float64)
        self._scale = target_stance.leg / source_stance.leg
        self._factors = np.asarray(factors, np.float64)
        self._lift = np.asarray(lift, np.float64)
        self._config = config
        self._toe: dict[str, F64] = {side: _toe_offset(target, side) for side in _SIDES}
        self.leg = target_stance.leg
        self._inner = {side: _between(target, side) for side in _SIDES}

    def feet(self, rotations: F32, roots: F32, fps: float) -> Feet:
        """Return where the source's feet are and when they stand."""
        skeleton = self.source.skeleton
        _, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
        places = quat.rotate(self._world, places.astype(np.float64))
        stance, roles = self._stances[0], self.source.roles
        tracks: dict[str, list[Array]] = {"Foot": [], "Toes": []}
        standing: dict[str, list[Array]] = {"Foot": [], "Toes": []}
        sunk = np.zeros((2, len(places)))
        for i, side in enumerate(_SIDES):
            for part in ("Foot", "Toes"):
                role = f"{side}{part}" if f"{side}{part}" in roles else f"{side}Foot"
                points = places[:, roles[role]]
                level = stance.ground + stance.ankle
                if role.endswith("Toes"):
                    tpose = self.source.tpose.positions
                    level += tpose[roles[role], 1] - tpose[roles[f"{side}Foot"], 1]
                height = (points[:, 1] - level) / stance.leg
                speed = speeds(points, fps) / stance.leg
                standing[part].append(contacts(height, speed, fps, self._config))
                tracks[part].append(points)
                sunk[i] = np.maximum(sunk[i], -height * self.leg)
        pelvis = (places[:, roles["leftUpperLeg"]] + places[:, roles["rightUpperLeg"]]) / 2
        return Feet(
            ankles=np.stack([self._scaled(p, pelvis) for p in tracks["Foot"]]),
            toes=np.stack([self._scaled(p, pelvis) for p in tracks["Toes"]]),
            heel_down=np.stack(standing["Foot"]),
            toe_down=np.stack(standing["Toes"]),
            sunk=sunk,
        )

    # What planting a frame at a time needs, as plain floats.

    @cached_property
    def toe_offset(self) -> dict[str, tuple[float, ...]]:
        """The ball of each foot from its ankle, in the foot joint's axes."""
        return {side: tuple(self._toe[side].tolist()) for side in _SIDES}

    @cached_property
    def inner_turns(self) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
        """Rotations of the joints inside thigh and shin, at rest."""
        return {
            side: (tuple(a.tolist()), tuple(b.tolist())) for side, (a, b) in self._inner.items()
        }

    @cached_property
    def hinges(self) -> dict[str, tuple[float, ...]]:
        """Each knee's hinge axis in the thigh joint's axes."""
        axis = np.array([1.0, 0.0, 0.0])
        world = self.target.tpose.world
        return {
            side: tuple(
                quat.rotate(
                    quat.conjugate(world[self.target.roles[f"{side}UpperLeg"]]), axis
                ).tolist()
            )
            for side in _SIDES
        }

    @cached_property
    def leg_lengths(self) -> dict[str, float]:
        """Thigh plus shin of each leg."""
        at, roles = self.target.tpose.positions, self.target.roles
        return {
            side: float(
                np.linalg.norm(at[roles[f"{side}LowerLeg"]] - at[roles[f"{side}UpperLeg"]])
                + np.linalg.norm(at[roles[f"{side}Foot"]] - at[roles[f"{side}LowerLeg"]])
            )
            for side in _SIDES
        }

    @cached_property
    def target_levels(self) -> dict[str, dict[str, float]]:
        """Height of ankle and ball of each foot when the target stands."""
        own = self._stances[1].ground + self._stances[1].ankle
        out = {}
        for side in _SIDES:
            foot = self.target.roles[f"{side}Foot"]
            drop = quat.rotate(self.target.tpose.world[foot], self._toe[side])[1]
            out[side] = {"Foot": own, "Toes": own + float(drop)}
        return out

    @cached_property
    def levels(self) -> dict[str, dict[str, float]]:
        """Height of the source's ankle and ball, in the target's scale, when it stands."""
        return {
            side: {
                "Foot": self.target_levels[side]["Foot"],
                "Toes": self.target_levels[side]["Toes"] - self._level(side, on_toe=True),
            }
            for side in _SIDES
        }

    def leads(self, rotations: F32, root: F32) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return where the source's ankles and balls are in the target's scale, for one frame."""
        skeleton, roles = self.source.skeleton, self.source.roles
        _, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, root
        )
        chosen = [
            roles.get(f"{side}{part}", roles[f"{side}Foot"])
            for side in _SIDES
            for part in ("Foot", "Toes")
        ]
        points = quat.rotate(self._world, places[chosen].astype(np.float64))
        hips = [roles["leftUpperLeg"], roles["rightUpperLeg"]]
        pelvis = quat.rotate(self._world, places[hips].astype(np.float64)).mean(0)
        scaled = self._scaled(points, pelvis).tolist()
        return {
            side: {"Foot": tuple(scaled[2 * i]), "Toes": tuple(scaled[2 * i + 1])}
            for i, side in enumerate(_SIDES)
        }

    def __call__(self, feet: Feet, rotations: F32, roots: F32, fps: float) -> tuple[F32, F32]:
        """Return rotations (T, J, 4) and roots (T, 3) of the target with its feet planted."""
        target = self.target
        skeleton, roles = target.skeleton, target.roles
        turns, places = forward_kinematics(
            skeleton.parents, skeleton.rest_translations, rotations, roots
        )
        turns, places = turns.astype(np.float64), places.astype(np.float64)
        goals = []
        for i, side in enumerate(_SIDES):
            ankle = places[:, roles[f"{side}Foot"]]
            turn = turns[:, roles[f"{side}Foot"]]
            goals.append(ankle + self._correction(feet, i, side, ankle, turn, fps))
        sink = self._sink(places, goals, fps)
        out_roots = roots.astype(np.float64)
        out_roots[:, 1] -= sink
        places[:, :, 1] -= sink[:, None]
        out = rotations.copy()
        for side, goal in zip(_SIDES, goals, strict=True):
            self._solve(out, side, turns, places, goal)
        final_roots = out_roots.astype(np.float32)
        self._bend_toes(out, final_roots, feet)
        return out, final_roots

    def _bend_toes(self, out: F32, roots: F32, feet: Feet) -> None:
        """Bend toes that the source does not drive, where the floor would."""
        for i, side in enumerate(_SIDES):
            role = f"{side}Toes"
            if role in self.target.roles and role not in self.source.roles:
                floor = self.target_levels[side]["Toes"] - feet.sunk[i]
                length = float(np.linalg.norm(self._toe[side]))
                bend_toes(self.target, role, out, roots, floor, length)

    def _scaled(self, points: Array, pelvis: Array) -> Array:
        if self._factors[0] == 0:  # in place: the feet move about a pelvis that does not travel
            about = pelvis * np.array([1, 0, 1])
            return np.asarray((points - about) * self._scale + self._lift)
        return np.asarray(points * self._factors + self._lift)

    def _correction(
        self, feet: Feet, i: int, side: str, ankle: Array, turn: Array, fps: float
    ) -> Array:
        """Return (T, 3) what to add to the ankle."""
        toe = ankle + quat.rotate(turn, self._toe[side])
        # The step onto and off the floor is the source's too: its speed counts as the contact's.
        heel_down, toe_down = _wider(feet.heel_down[i]), _wider(feet.toe_down[i])
        ease = max(1, round(self._config.ease_s * fps))
        out = np.zeros_like(ankle)
        free = 0  # first frame after the last contact
        start_correction = np.zeros(3)
        for start, end, on_toe in _phases(heel_down, toe_down):
            _let_go(out, free, start, start_correction, ease)
            have = toe if on_toe else ankle
            lead = feet.toes[i] if on_toe else feet.ankles[i]
            level = self._level(side, on_toe=on_toe)
            lift = _landing(out, free, start, lead[start, 1] + level - have[start, 1], ease)
            before = out[start - 1] if start > 0 else np.zeros(3)
            wanted = lead[start:end] + have[start] + before - lead[start]
            # The height is right from the first frame, but for a change from heel to toe.
            rise = 1 - _smooth(np.arange(end - start) / ease)
            wanted[:, 1] = lead[start:end, 1] + level + lift * rise
            out[start:end] = wanted - have[start:end]
            free, start_correction = end, out[end - 1].copy()
        _let_go(out, free, len(out), start_correction, ease)
        return out

    def _level(self, side: str, *, on_toe: bool) -> float:
        """Return how much higher the target's point is than the source's scaled one, standing."""
        if not on_toe:
            return 0.0
        at = self.source.tpose.positions
        roles = self.source.roles
        drop = 0.0
        if f"{side}Toes" in roles:
            drop = float(at[roles[f"{side}Toes"], 1] - at[roles[f"{side}Foot"], 1]) * self._scale
        tpose = self.target.tpose
        own = quat.rotate(tpose.world[self.target.roles[f"{side}Foot"]], self._toe[side])
        return float(own[1]) - drop

    def _sink(self, places: Array, goals: list[Array], fps: float) -> Array:
        """Return (T,) how far the pelvis must go down for both legs to reach."""
        need = np.zeros(len(places))
        for side, goal in zip(_SIDES, goals, strict=True):
            roles = self.target.roles
            hip, knee, ankle = (
                places[:, roles[f"{side}{part}"]] for part in ("UpperLeg", "LowerLeg", "Foot")
            )
            leg = np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
            flat = np.linalg.norm((goal - hip)[:, [0, 2]], axis=-1)
            # The source's own extension is no fault: only what the correction adds counts.
            most = np.maximum(_LEAST_REACH * leg, np.linalg.norm(ankle - hip, axis=-1))
            depth = np.sqrt(np.maximum(most**2 - flat**2, 0))
            need = np.maximum(need, (hip - goal)[:, 1] - depth)
        need = np.clip(need / self._stances[1].leg - _SPARED_SINK, 0, _MOST_SINK)
        need *= self._stances[1].leg
        return _eased_peaks(need, max(1, round(self._config.ease_s * fps)))

    def _solve(self, out: F32, side: str, turns: Array, places: Array, goal: Array) -> None:
        roles, parents = self.target.roles, self.target.skeleton.parents
        upper, lower, foot = (roles[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot"))
        hip, knee, ankle = places[:, upper], places[:, lower], places[:, foot]
        moved = np.flatnonzero(np.linalg.norm(goal - ankle, axis=-1) > 1e-5)
        if not len(moved):
            return
        posture = quat.multiply(turns[moved, upper], quat.conjugate(self.target.tpose.world[upper]))
        hinge = quat.rotate(posture, np.array([1.0, 0, 0]))
        first, second, _ = two_bone(hip[moved], knee[moved], ankle[moved], goal[moved], hinge)
        to_lower, to_foot = self._inner[side]
        thigh = quat.multiply(first, turns[moved, upper])
        shin = quat.multiply(second, turns[moved, lower])
        above = turns[moved, int(parents[upper])] if parents[upper] >= 0 else None
        local = thigh if above is None else quat.multiply(quat.conjugate(above), thigh)
        out[moved, upper] = quat.positive(local)
        before = quat.conjugate(quat.multiply(thigh, to_lower))
        out[moved, lower] = quat.positive(quat.multiply(before, shin))
        before = quat.conjugate(quat.multiply(shin, to_foot))
        out[moved, foot] = quat.positive(quat.multiply(before, turns[moved, foot]))


def _phases(heel: Array, toe: Array) -> list[tuple[int, int, bool]]:
    """Return (start, end, whether on the toe) of contacts; a flat foot is on its heel."""
    out = []
    for start, end in runs(heel | toe):
        kind = ~heel[start:end]
        cuts = [0, *(np.flatnonzero(np.diff(kind.astype(np.int8))) + 1), end - start]
        for a, b in pairwise(cuts):
            out.append((int(start + a), int(start + b), bool(kind[a])))
    return out


def _wider(flags: Array) -> Array:
    """Return flags (T,) with every run of True a frame longer at both ends."""
    out = flags.copy()
    out[1:] |= flags[:-1]
    out[:-1] |= flags[1:]
    return out


def _let_go(out: Array, start: int, end: int, correction: Array, ease: int) -> None:
    span = np.arange(1, end - start + 1)
    out[start:end] = correction * (1 - _smooth(span / ease))[:, None]


def _landing(out: Array, free: int, start: int, need: float, ease: int) -> float:
    """Ease the height towards `need` over the frames before a touch-down; return what is left."""
    before = float(out[start - 1, 1]) if start > 0 else need
    count = min(ease, start - free)
    if count == 0:
        return before - need
    out[start - count : start, 1] += (need - before) * _smooth(np.arange(1, count + 1) / count)
    return 0.0


def _smooth(t: Array) -> Array:
    """Return the step from 0 to 1 whose speed and acceleration vanish at both ends."""
    t = np.clip(t, 0, 1)
    return t**3 * (10 - 15 * t + 6 * t * t)


def _eased_peaks(need: Array, ease: int) -> Array:
    """Return a smooth curve that is nowhere below `need` (T,)."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    wide = maximum_filter1d(need, 2 * ease + 1, mode="nearest")
    return np.asarray(gaussian_filter1d(wide, ease * 0.5, mode="nearest", truncate=2.0))


def _toe_offset(rig: Rig, side: str) -> F64:
    """Return the ball of the foot from the ankle, in the foot joint's axes (3,)."""
    foot = rig.roles[f"{side}Foot"]
    toes = rig.roles.get(f"{side}Toes")
    at = rig.tpose.positions
    if toes is None:
        shin = np.linalg.norm(at[foot] - at[rig.roles[f"{side}LowerLeg"]])
        ahead = np.array([0.0, -0.13, 0.33]) * shin  # the canonical foot's
    else:
        ahead = at[toes] - at[foot]
    out: F64 = quat.rotate(quat.conjugate(rig.tpose.world[foot]), ahead)
    return out


def _between(rig: Rig, side: str) -> tuple[F64, F64]:
    """Return rotations (4,) of the joints between thigh and shin, and shin and foot, at rest."""
    out = []
    for start, end in (("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot")):
        turn = np.array([0.0, 0.0, 0.0, 1.0])
        joint = int(rig.skeleton.parents[rig.roles[f"{side}{end}"]])
        while joint != rig.roles[f"{side}{start}"]:
            turn = quat.multiply(rig.skeleton.rest_rotations[joint].astype(np.float64), turn)
            joint = int(rig.skeleton.parents[joint])
        out.append(turn)
    return out[0], out[1]
