"""Which way elbows and knees bend, and how quickly that may change."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.motion.vectors import columns, cross, dot, quaternion_of, unit

__all__ = ["Bends", "Swivel", "numbers"]

# What an elbow or knee does about its limb's line besides what hand and foot demand.
_M_S, _M_S2 = 3.0, 40.0
_ELBOW_RAD_S, _KNEE_RAD_S = 10.0, 4.0
_AGAIN_S = 0.05  # in which the fastest is reached
_THIN_M = 0.03  # of a limb as good as straight
_STRAIGHT_M = 0.02  # below which it bends more as its upper bone faces than as it did
_REACH = 0.9999  # of a limb's length
_FACES = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def numbers(ahead: int) -> F64:
    """Return what `csrc/src/limbs.cpp` is to know (6,) of knees (1) or elbows (-1)."""
    return np.array([ahead * _STRAIGHT_M, _THIN_M, _REACH, _M_S, _M_S2, _AGAIN_S])


class Bends:
    """How two limbs bend when they reach their goals.

    A limb goes on bending the way it does, carried along the shortest arc to its goal; one that is
    straight bends as its upper bone faces.

    Args:
        turns: (2, 4) world rotations of the upper bones.
        places: (3, 2, 3) metres: roots, middles and tips.
        goals: (2, 3) metres.
        ahead: 1 for knees, -1 for elbows.

    Attributes:
        aim: (2, 3) from roots to goals, unit.
        ways: (2, 3) that middles point, square to `aim`; shorter than 1 where they hardly bend.
        radius: (2,) metres that middles are away from that line.
    """

    def __init__(self, turns: Array, places: Array, goals: Array, *, ahead: int) -> None:
        root, middle, tip = places.astype(np.float64)
        wanted = goals - root
        own, self.aim = unit(tip - root), unit(wanted)
        self._bones = np.stack([unit(middle - root), unit(tip - middle)])
        first, second = _length(middle - root), _length(tip - middle)
        faces = quat.rotate(turns.astype(np.float64), ahead * _STRAIGHT_M * _FACES)
        bare = middle - (root + tip) / 2
        bare = bare - _dot(bare, own) * own
        bent = bare + faces - _dot(faces, own) * own
        size = _length(bent)
        bent = bent / np.maximum(size, 1e-9)
        self._hinge = cross(bent, own)
        way = _carried(bent, own, self.aim)
        self.ways: F64 = way * np.minimum(size / _THIN_M, 1.0)
        far = np.clip(_length(wanted), np.abs(first - second) + 1e-4, _REACH * (first + second))
        self._along = (first**2 - second**2 + far**2) / (2 * far)
        self._far = far
        self._radius = np.sqrt(np.maximum(first**2 - self._along**2, 0.0))
        self.radius: F64 = self._radius[:, 0]
        # From the way that counts to where the middle is: all of it where the limb stays as it is.
        off = np.arctan2(_dot(cross(own, bent), bare), _dot(bent, bare))
        self._off = off * np.minimum(1.0, _length(bare) / np.maximum(self._radius, 1e-6))

    def turns(self, ways: Array) -> F64:
        """Return the world turns (2, 2, 4) of upper and lower bones that reach the goals.

        Both turn with the plane the limb bends in; of one as good as straight that is where its
        upper bone faces, so that it does not twist on a whim.

        Args:
            ways: (2, 3) to bend, square to `aim`.
        """
        ways = unit(ways)
        pointed = np.cos(self._off) * ways + np.sin(self._off) * cross(self.aim, ways)
        middle = self._along * self.aim + self._radius * pointed
        bones = np.stack([unit(middle), unit(self._far * self.aim - middle)])
        before = _frames(self._bones, self._hinge)
        after = _frames(bones, cross(ways, self.aim))
        return quaternion_of(after @ np.swapaxes(before, -1, -2)).reshape(2, 2, 4)


class Swivel:
    """Turns elbows, or knees, about their limb's line as quickly as people do, and no quicker.

    Where the line from shoulder to hand passes the way the elbow points, a solution in closed form
    turns over in one frame; people's arms go round. Bends are remembered in the trunk's axes.

    Args:
        knees: Whether limbs are legs, which go round slowly.

    Attributes:
        fresh: Whether nothing is remembered: the next step bends as it is told.
        aim, bend: (2, 3) of the last step, in the trunk's axes.
        speed: (2,) rad/s.
        most_rad_s: That limbs turn with.
    """

    def __init__(self, *, knees: bool = False) -> None:
        self.most_rad_s = _KNEE_RAD_S if knees else _ELBOW_RAD_S
        self.fresh = True
        self.aim, self.bend = np.zeros((2, 3)), np.zeros((2, 3))
        self.speed = np.zeros(2)

    def forget(self) -> None:
        """The next step is the first."""
        self.fresh = True

    def step(self, bends: Bends, trunk: Array, step_s: float) -> Array:
        """Return the ways (2, 3) to bend, as far towards the given ones as may be.

        Args:
            bends: What limbs are to do.
            trunk: (4,) world rotation of what carries them.
            step_s: Seconds since the last call.
        """
        trunk = trunk.astype(np.float64)
        back = quat.conjugate(trunk)
        aim, way = quat.rotate(back, bends.aim), quat.rotate(back, bends.ways)
        if self.fresh:
            self.fresh, self.speed, self.bend = False, np.zeros(2), unit(way)
        else:
            last = _carried(self.bend, self.aim, aim)
            side = cross(aim, last)
            apart = np.arctan2(dot(way, side), dot(way, last))
            apart = apart * np.minimum(1.0, np.sqrt(dot(way, way)))
            turn = self._turn(apart, np.maximum(bends.radius, _THIN_M), step_s)[:, None]
            self.bend = np.cos(turn) * last + np.sin(turn) * side
        self.aim = aim
        return quat.rotate(trunk, self.bend)

    def _turn(self, apart: Array, radius: Array, step_s: float) -> Array:
        """Return how far elbows turn (2,) that are `apart` radians from where they should be."""
        most = np.minimum(_M_S2 / radius, self.most_rad_s / _AGAIN_S)
        # As quickly as lets it stop there again.
        wanted = np.minimum(np.abs(apart) / max(step_s, 1e-6), np.sqrt(most * np.abs(apart)))
        wanted = np.copysign(np.minimum(wanted, np.minimum(_M_S / radius, self.most_rad_s)), apart)
        change = np.clip(wanted - self.speed, -most * step_s, most * step_s)
        self.speed = self.speed + change
        return self.speed * step_s


def _carried(way: Array, before: Array, aim: Array) -> Array:
    """Return unit ways (2, 3) square to `before` (2, 3) turned with it to `aim`, square to that."""
    share = _dot(way, aim) / np.maximum(1 + _dot(before, aim), 1e-3)
    out = way - share * (before + aim)
    return unit(out - _dot(out, aim) * aim)


def _frames(bones: Array, hinges: Array) -> Array:
    """Return matrices (..., 3, 3) with bones (..., 3) and hinges, made square to them, as axes."""
    hinges = unit(hinges - _dot(hinges, bones) * bones)
    return columns(bones, hinges, cross(bones, hinges))


def _dot(a: Array, b: Array) -> Array:
    return dot(a, b)[..., None]


def _length(v: Array) -> Array:
    return np.sqrt(dot(v, v))[..., None]
