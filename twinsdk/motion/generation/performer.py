"""A person who moves by themselves: captured performances strung together without end.

One stretch of a performance is played, then another that begins alike, chosen at random among the
most alike; what differs dies away. Feet that stand are held where they stand; where the next
stretch wants them elsewhere they step there, one at a time. Somebody idle drifts home with these
steps. Source: Kovar et al. 2002, "Motion graphs"; Clavet 2016, "Motion matching".
"""

from __future__ import annotations

from math import atan2, cos, pi, sin

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.motion.evaluation.clips import BODY_JOINTS
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.filters.inertia import Fading, RotationFading
from twinsdk.motion.fitting.rest import idle_rotations
from twinsdk.motion.generation.performances import BODY, features_of, heading, library

__all__ = [
    "BODY_ROWS",
    "STAYS",
    "Laid",
    "Performer",
    "between_frames",
    "posed",
    "wrapped",
]

_HUMANOID = humanoid_skeleton()
BODY_ROWS = np.array([_HUMANOID.joint(name) for name in BODY_JOINTS])
"""(22,) index of each body joint among the canonical 55."""

_HALF_LIFE_S = 0.14
_EVERY = 3  # of the frames, one in so many is a candidate
_LEAST_LEFT_S = 1.2  # a stretch is at least so long
_STRETCH_S = {"idle": (5.0, 14.0)}
_USUAL_STRETCH_S = (3.0, 8.0)
_BEST = 24  # so many of the most alike may be next
_APART = 15  # candidates, to count as different places
_REMEMBERED, _AGAIN = 24, 0.25  # stretches, and what coming near one again costs
_HOME_M, _HOME_SPEED, _HOME_TURN = 0.12, 0.03, 0.06  # metres, m/s, rad/s
STAYS = frozenset({"idle", "gesture", "work", "fight", "sport"})
"""Styles whose performers drift home."""
_FEET = [BODY.joint(name) for name in ("leftFoot", "rightFoot")]


class Performer:
    """Performs on the canonical 1.70 m skeleton for as long as it is asked to.

    Args:
        style: One of `performances.styles()`.
        seed: The same seed, steps and beginning give the same motion.
        start: Poses before the first: it goes on from the last; their rate is `start_fps`.
        start_fps: Frames a second of `start`.

    Raises:
        UsageError: There is no such style.
        SkeletonMismatchError: `start` is on another skeleton.
    """

    def __init__(
        self,
        style: str = "idle",
        *,
        seed: int = 0,
        start: tuple[Pose, ...] = (),
        start_fps: float = 30.0,
    ) -> None:
        self._library = library(style)
        self._style = style
        self._rng = np.random.default_rng(seed)
        lib = self._library
        left = lib.ends - np.arange(len(lib.ends))
        self._candidates = np.flatnonzero(left > _LEAST_LEFT_S * lib.fps)[::_EVERY]
        self._searched = np.ascontiguousarray(lib.features[self._candidates])
        self._rest = idle_rotations()
        self._turned = RotationFading(len(BODY_JOINTS), _HALF_LIFE_S)
        self._moved = Fading((3,), _HALF_LIFE_S)
        self._feet = FootHolder(BODY)
        self._laid = Laid()
        self._visited: list[int] = []
        self._at = 0.0
        self._left_s = 0.0
        self._shown: tuple[Array, Array] = (np.zeros((len(BODY_JOINTS), 4)), np.zeros(3))
        if start:
            self._begin_from([pose.on(_HUMANOID) for pose in start[-2:]], start_fps)
        else:
            self._at = float(self._rng.choice(self._candidates))
            self._begin()
        self._stretch()

    def step(self, step_s: float) -> Pose:
        """Return the pose `step_s` seconds later; 0 gives the present one."""
        step_s = max(0.0, step_s)
        rotations, root, standing = self.advance(step_s)
        return posed(*self._feet.step(rotations, root, standing, step_s), rest=self._rest)

    def advance(self, step_s: float) -> tuple[Array, Array, Array]:
        """Return rotations (22, 4), root (3,) and standing feet (4,) before feet are held."""
        lib, t = self._library, int(self._at)
        self._at += step_s * lib.fps
        self._left_s -= step_s
        last = float(lib.ends[t]) - 2
        if self._left_s <= 0 or self._at >= last:
            self._at = min(self._at, last)
            self._change()
        if self._style in STAYS:
            self._laid.go_home(step_s, *self._shown)
        rotations, root, standing = self._sample()
        rotations = quat.normalize(self._turned.step(rotations, step_s))
        root = root + self._moved.step(step_s)
        self._shown = (rotations, root)
        return rotations, root, standing

    def _begin(self) -> None:
        lib, t = self._library, int(self._at)
        self._laid.begin(-float(heading(lib.rotations[t, 0])), lib.roots[t].astype(np.float64))
        self._shown = self._sample()[:2]

    def _begin_from(self, poses: list[Pose], fps: float) -> None:
        """Go on from the last pose as it moves."""
        rotations = np.stack([pose.rotations[BODY_ROWS] for pose in poses]).astype(np.float64)
        roots = np.stack([pose.root_translation for pose in poses]).astype(np.float64)
        before = (rotations[:1], roots[:1])
        features = features_of(rotations[-1:], roots[-1:], before, fps)[0]
        self._at = float(self._nearest(features, best=1))
        self._rest = poses[-1].rotations.astype(np.float64)
        self._align(rotations[-1], roots[-1])
        spin = quat.multiply(rotations[-1], quat.conjugate(rotations[0]))
        self._take_over(
            rotations[-1],
            roots[-1],
            quat.to_rotation_vector(spin) * (fps if len(poses) > 1 else 0.0),
            (roots[-1] - roots[0]) * fps,
        )
        self._laid.home = (float(heading(rotations[-1, 0])), roots[-1] * (1, 0, 1))

    def _change(self) -> None:
        """Leave the stretch that is played for another that begins alike."""
        lib, t = self._library, int(self._at)
        ahead = min(t + 1, int(lib.ends[t]) - 1)
        rotations, root = self._shown
        spin = quat.multiply(lib.rotations[ahead], quat.conjugate(lib.rotations[t]))
        speed = (
            _turned(self._laid.yaw, (lib.roots[ahead] - lib.roots[t]).astype(np.float64)) * lib.fps
        )
        self._at = float(self._nearest(lib.features[t], best=_BEST))
        self._align(rotations, root)
        self._take_over(rotations, root, quat.to_rotation_vector(spin) * lib.fps, speed)
        self._stretch()

    def _stretch(self) -> None:
        self._left_s = float(self._rng.uniform(*_STRETCH_S.get(self._style, _USUAL_STRETCH_S)))
        self._visited = [*self._visited[1 - _REMEMBERED :], int(self._at)]

    def _nearest(self, features: Array, *, best: int) -> int:
        """Return a frame that looks like `features`, one of the `best` at random."""
        apart = self._searched - features.astype(np.float32)
        cost = np.sqrt(np.einsum("kd,kd->k", apart, apart))
        for frame in self._visited:  # neither here again nor where it just was
            cost[np.abs(self._candidates - frame) < 2 * self._library.fps] += _AGAIN
        found: list[int] = []
        order = np.argpartition(cost, min(8 * best, len(cost) - 1))[: 8 * best]
        for k in order[cost[order].argsort(kind="stable")]:
            if all(abs(int(k) - other) > _APART for other in found):
                found.append(int(k))
            if len(found) == best:
                break
        return int(self._candidates[found[int(self._rng.integers(len(found)))]])

    def _align(self, rotations: Array, root: Array) -> None:
        """Lay the new stretch so that its feet are where the shown ones are."""
        lib, t = self._library, int(self._at)
        new = BODY.forward(lib.rotations[t], lib.roots[t])[1][_FEET].astype(np.float64)
        old = BODY.forward(rotations.astype(np.float32), root)[1][_FEET].astype(np.float64)
        if lib.contacts[t, [0, 2]].all():
            a, b = (feet[0] - feet[1] for feet in (old, new))
            yaw = atan2(a[0], a[2]) - atan2(b[0], b[2])
            here, there = new.mean(0), old.mean(0)
        else:
            yaw = float(heading(rotations[0]) - heading(lib.rotations[t, 0]))
            here, there = lib.roots[t].astype(np.float64), np.array(root)
        self._laid.begin(yaw, here, there)

    def _take_over(self, rotations: Array, root: Array, spin: Array, speed: Array) -> None:
        lib, t = self._library, int(self._at)
        coming, place, _ = self._sample()
        ahead = min(t + 1, int(lib.ends[t]) - 1)
        new_spin = quat.to_rotation_vector(
            quat.multiply(lib.rotations[ahead], quat.conjugate(lib.rotations[t]))
        )
        new_speed = _turned(self._laid.yaw, (lib.roots[ahead] - lib.roots[t]).astype(np.float64))
        self._turned.begin(rotations, coming, spin - new_spin * lib.fps)
        self._moved.begin(root - place, speed - new_speed * lib.fps)
        self._shown = (rotations, root)

    def _sample(self) -> tuple[Array, Array, Array]:
        """Return rotations (22, 4), root (3,) and standing feet (4,) of the stretch as it lies."""
        lib = self._library
        t = int(self._at)
        ahead = min(t + 1, int(lib.ends[t]) - 1)
        rotations, root = between_frames(lib.rotations, lib.roots, t, ahead, self._at - t)
        return *self._laid.lay(rotations, root), lib.contacts[t]


class Laid:
    """Where on the floor a motion lies, and how it is brought home by and by."""

    def __init__(self) -> None:
        self.yaw, self.place = 0.0, np.zeros(3)
        self.home = (0.0, np.zeros(3))

    def begin(self, yaw: float, here: Array, there: Array | None = None) -> None:
        """Turn the motion by `yaw` and bring its place `here` (3,) to `there`, or to the origin."""
        self.yaw = yaw
        there = np.zeros(3) if there is None else there
        self.place = (there - _turned(yaw, here)) * (1, 0, 1)

    def lay(self, rotations: Array, root: Array) -> tuple[Array, Array]:
        """Return rotations (22, 4) and root (3,) as they lie."""
        about = np.array([0.0, sin(self.yaw / 2), 0.0, cos(self.yaw / 2)])
        out = rotations.copy()
        out[0] = quat.multiply(about, rotations[0])
        return out, _turned(self.yaw, root) + self.place

    def go_home(self, step_s: float, rotations: Array, root: Array) -> None:
        """Drift towards where it began from how it is shown; the feet follow by steps."""
        yaw, place = self.home
        away = (place - root) * (1, 0, 1)
        far = float(np.sqrt(away @ away))
        if far > _HOME_M:
            self.place = self.place + away * (_HOME_SPEED * step_s / far)
        apart = wrapped(yaw - float(heading(rotations[0])))
        if abs(apart) > 0.5:
            turn = float(np.copysign(_HOME_TURN * step_s, apart))
            pivot = root * (1, 0, 1)
            self.place = pivot + _turned(turn, self.place - pivot)
            self.yaw += turn


def between_frames(
    rotations: Array, roots: Array, t: int, ahead: int, share: float
) -> tuple[Array, Array]:
    """Return rotations (22, 4) and root (3,) `share` of the way from frame `t` to frame `ahead`."""
    a, b = rotations[t].astype(np.float64), rotations[ahead].astype(np.float64)
    near = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    root = roots[t] + share * (roots[ahead] - roots[t])
    return quat.normalize(a + share * (near - a)), root.astype(np.float64)


def posed(rotations: Array, root: Array, *, rest: Array | None = None) -> Pose:
    """Return the canonical pose of body rotations (22, 4); fingers and face as in `rest`."""
    whole = idle_rotations() if rest is None else rest.copy()
    whole[BODY_ROWS] = rotations
    return Pose(
        skeleton=_HUMANOID,
        rotations=quat.positive(quat.normalize(whole)).astype(np.float32),
        root_translation=root.astype(np.float32),
    )


def _turned(yaw: float, v: Array) -> Array:
    c, s = cos(yaw), sin(yaw)
    return np.array([c * v[0] + s * v[2], v[1], c * v[2] - s * v[0]])


def wrapped(angle: float) -> float:
    """Return an angle within half a turn, radians."""
    return (angle + pi) % (2 * pi) - pi
