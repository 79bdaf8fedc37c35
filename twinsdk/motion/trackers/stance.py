"""Legs that nobody sees: feet stay where they stand until the hips leave them, then step after.

A limb of two bones is solved in closed form by the law of cosines. Directions are in the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, pi, sin, sqrt

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import ValueRangeError
from twinsdk.motion.vectors import columns, cross, turn_y, unit

__all__ = [
    "Footing",
    "Limb",
    "Stance",
    "StanceConfig",
    "facing",
    "raised_heel",
    "turned_about_y",
]

_UP = np.array([0.0, 1.0, 0.0])
_FORWARD = np.array([0.0, 0.0, 1.0])
_LEAP_M = 1.5  # hips so far from the feet were put elsewhere
_HIGHEST_HEEL, _HALVINGS = 1.0, 8  # radians
_STRAIGHT = 0.999  # of full reach: a knee keeps its plane


@dataclass(frozen=True, kw_only=True)
class StanceConfig:
    """How feet follow the hips.

    Attributes:
        step_beyond_m: A foot steps when it is further from its place below the hips.
        turn_beyond: Radians; or when it points so far from where the hips face.
        step_s: Seconds of a step at rest; quicker hips step quicker.
        lift_m: Height of a step.
    """

    step_beyond_m: float = 0.14
    turn_beyond: float = 0.7
    step_s: float = 0.4
    lift_m: float = 0.07

    def __post_init__(self) -> None:
        if not (self.step_beyond_m > 0 and self.turn_beyond > 0 and self.step_s > 0):
            raise ValueRangeError("stance: expected distances, angles and times above 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class Footing:
    """Where both feet are, left before right.

    Attributes:
        ankles: (2, 3) metres, world.
        yaw: (2,) radians about +Y, 0 faces +Z.
        planted: (2,) bool, on the ground.
    """

    ankles: Array
    yaw: Array
    planted: Array


class Stance:
    """Both feet of a person on level ground, y = 0.

    Args:
        skeleton: With VRM's joint names, in T-pose, soles at y = 0.
        config: See `StanceConfig`.
    """

    def __init__(self, skeleton: Skeleton, config: StanceConfig | None = None) -> None:
        self.config = config or StanceConfig()
        places = np.asarray(skeleton.rest_world()[1], np.float64)
        hips = places[skeleton.joint("hips")]
        feet = [places[skeleton.joint(f"{side}Foot")] for side in ("left", "right")]
        self._home = np.array([[foot[0] - hips[0], 0.0, foot[2] - hips[2]] for foot in feet])
        self._ankle_m = float(min(foot[1] for foot in feet) - min(places[:, 1].min(), 0.0))
        self.reset()

    def reset(self) -> None:
        """Forget: the next step puts both feet below the hips."""
        self._place: Array | None = None
        self._yaw = np.zeros(2)
        self._swing: int | None = None
        self._last_swing = 1
        self._phase = 0.0
        self._start = np.zeros(3)
        self._start_yaw = 0.0
        self._hips = np.zeros(3)
        self._velocity = np.zeros(3)

    def step(self, hips: Array, yaw: float, step_s: float) -> Footing:
        """Return the feet `step_s` seconds after the last call.

        Args:
            hips: (3,) world, metres.
            yaw: Which way the hips face, radians about +Y.
            step_s: Seconds; 0 changes nothing but the first time.
        """
        ground = np.array([hips[0], 0.0, hips[2]])
        home = ground + self._home @ turn_y(yaw).T
        if self._place is None or np.abs(home - self._place).max() > _LEAP_M:
            self.reset()
            self._place, self._yaw = home.copy(), np.full(2, yaw)
            self._hips = ground
        elif step_s > 0:
            velocity = (ground - self._hips) / step_s
            self._velocity += min(1.0, step_s / 0.15) * (velocity - self._velocity)
            self._hips = ground
            self._walk(self._place, home, yaw, step_s)
        ankles = self._place + np.array([0.0, self._ankle_m, 0.0])
        planted = np.ones(2, bool)
        if self._swing is not None:
            ankles[self._swing, 1] += self.config.lift_m * sin(pi * min(self._phase, 1.0))
            planted[self._swing] = False
        return Footing(ankles=ankles, yaw=self._yaw.copy(), planted=planted)

    def _walk(self, place: Array, home: Array, yaw: float, step_s: float) -> None:
        speed = float(np.hypot(self._velocity[0], self._velocity[2]))
        duration = max(0.2, self.config.step_s - 0.12 * speed)
        ahead = home + self._velocity * (0.6 * duration)
        if self._swing is None:
            away = np.hypot(*(ahead - place)[:, ::2].T) / self.config.step_beyond_m
            turned = np.abs([_wrapped(yaw - y) for y in self._yaw]) / self.config.turn_beyond
            need = away + turned
            need[self._last_swing] *= 0.8  # feet take turns
            foot = int(need.argmax())
            if need[foot] <= 1:
                return
            self._swing, self._last_swing, self._phase = foot, foot, 0.0
            self._start, self._start_yaw = place[foot].copy(), float(self._yaw[foot])
        foot = self._swing
        self._phase += step_s / duration
        share = min(self._phase, 1.0)
        eased = share * share * (3 - 2 * share)
        place[foot] = self._start + eased * (ahead[foot] - self._start)
        self._yaw[foot] = self._start_yaw + eased * _wrapped(yaw - self._start_yaw)
        if self._phase >= 1:
            self._swing = None


class Limb:
    """An arm or a leg of a skeleton whose rest rotations are the identity.

    Args:
        skeleton: The skeleton.
        upper, lower, tip: Its joints' names.
        pole: (3,) where the middle joint bends towards at rest.
    """

    def __init__(
        self, skeleton: Skeleton, upper: str, lower: str, tip: str, *, pole: Array
    ) -> None:
        self.upper, self.lower, self.tip = (skeleton.joint(name) for name in (upper, lower, tip))
        bones = np.asarray(skeleton.rest_translations, np.float64)
        first, second = bones[self.lower], bones[self.tip]
        self.lengths = (float(sqrt(first @ first)), float(sqrt(second @ second)))
        hinge = unit(cross(unit(first), pole))
        self._rest = [_frame(unit(bone), hinge) for bone in (first, second)]

    def reach(self, root: Array, target: Array, pole: Array) -> tuple[Array, Array, Array]:
        """Return the world rotations (3, 3) of both bones and the tip (3,) that reach `target`.

        Args:
            root: (3,) where the limb begins.
            target: (3,) where its tip should be; out of reach, it points there.
            pole: (3,) direction in which the middle joint bends.
        """
        a, b = self.lengths
        wanted = target - root
        far = float(sqrt(wanted @ wanted))
        aim = wanted / far if far > 1e-9 else -_UP
        distance = min(max(far, abs(a - b) + 1e-4), _STRAIGHT * (a + b))
        hinge = cross(aim, pole)
        size = float(sqrt(hinge @ hinge))
        if size < 1e-6:
            hinge = cross(aim, _FORWARD if abs(aim[2]) < 0.9 else _UP)
            size = float(sqrt(hinge @ hinge))
        hinge = hinge / size
        bend = cross(hinge, aim)
        c = min(max((a * a + distance * distance - b * b) / (2 * a * distance), -1.0), 1.0)
        first = c * aim + sqrt(1 - c * c) * bend
        tip = distance * aim
        second = (tip - a * first) / b
        turns = [
            _frame(way, hinge) @ rest.T
            for way, rest in zip((first, unit(second)), self._rest, strict=True)
        ]
        return turns[0], turns[1], root + tip


def raised_heel(
    root: Array, ankle: Array, yaw: float, toes: Array, reach: float
) -> tuple[Array, Array]:
    """Return the ankle (3,) and the foot's rotation (3, 3) of a leg too short for a flat foot.

    The foot turns about its toes, no further than it must.

    Args:
        root: (3,) where the leg begins.
        ankle: (3,) of the flat foot.
        yaw: Where the foot points.
        toes: (3,) rest offset of the toe joint from the ankle.
        reach: Metres the leg is long.
    """
    flat = turn_y(yaw)
    apart = ankle - root
    if apart @ apart <= reach * reach:
        return ankle, flat
    pivot = ankle + flat @ toes
    low, high = 0.0, _HIGHEST_HEEL
    for _ in range(_HALVINGS):
        pitch = (low + high) / 2
        apart = pivot - turned_about_y(yaw, pitch) @ toes - root
        low, high = (low, pitch) if apart @ apart <= reach * reach else (pitch, high)
    turn = turned_about_y(yaw, high)
    return pivot - turn @ toes, turn


def facing(rotation: Array) -> float:
    """Return which way a world rotation (3, 3) faces, radians about +Y.

    Somebody who looks straight down faces where the top of their head points.
    """
    ahead, up = rotation[:, 2], rotation[:, 1]
    tilt = -ahead[1]
    x, z = ahead[0] + tilt * up[0], ahead[2] + tilt * up[2]
    return atan2(x, z)


def turned_about_y(yaw: float, pitch: float) -> Array:
    """Return the matrix (3, 3) that leans forward by `pitch`, then faces `yaw`, radians."""
    c, s = cos(pitch), sin(pitch)
    return turn_y(yaw) @ np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _frame(along: Array, hinge: Array) -> Array:
    across = unit(hinge - (hinge @ along) * along)
    return columns(along, across, cross(along, across))


def _wrapped(angle: float) -> float:
    return (angle + pi) % (2 * pi) - pi
