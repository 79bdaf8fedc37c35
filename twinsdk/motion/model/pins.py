"""After the network: hands and feet with trackers are put exactly where those say they are."""

from __future__ import annotations

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton

__all__ = ["Pins", "Swivel"]

_SIDES = ("left", "right")
_LIMBS = {"Hand": ("Shoulder", "UpperArm", "LowerArm"), "Foot": (None, "UpperLeg", "LowerLeg")}
_MOST_SHRUG = 0.5  # radians that a collar bone gives way to a hand out of the arm's reach
_REACH = 0.998
# What an elbow or knee does about its limb's line besides what hand and foot demand.
_SWIVEL_M_S, _SWIVEL_M_S2 = 3.0, 40.0
_THIN_M = 0.03  # an arm as good as straight


class Swivel:
    """Turns elbows, or knees, about their limb's line as quickly as people do, and no quicker.

    Where the line from shoulder to hand passes the way the elbow points, a solution in closed form
    turns over in one frame; people's arms go round. Bends are remembered in the trunk's axes.
    """

    def __init__(self) -> None:
        self._fresh = True
        self._aim, self._bend = np.zeros((2, 3)), np.zeros((2, 3))
        self._speed = np.zeros(2)

    def forget(self) -> None:
        """The next step is the first: it bends as it is told."""
        self._fresh = True

    def step(self, aim: Array, way: Array, radius: Array, trunk: Array, step_s: float) -> Array:
        """Return the directions (2, 3) in which elbows go, on their way to `way`.

        Args:
            aim: (2, 3) from shoulders to hands, unit.
            way: (2, 3) where elbows are to point, square to it; shorter than 1, it counts less.
            radius: (2,) metres that elbows are away from the line.
            trunk: (4,) world rotation.
            step_s: Seconds since the last call.
        """
        back = quat.conjugate(trunk)
        aim, way = quat.rotate(back, aim), quat.rotate(back, way)
        if self._fresh:
            self._fresh, self._speed, self._bend = False, np.zeros(2), _unit(way)
        else:
            last = _carried(self._bend, self._aim, aim)
            side = np.cross(aim, last)
            apart = np.arctan2((way * side).sum(-1), (way * last).sum(-1))
            apart = apart * np.minimum(1.0, np.sqrt((way * way).sum(-1)))
            turn = self._turn(apart, np.maximum(radius, _THIN_M), step_s)[:, None]
            self._bend = np.cos(turn) * last + np.sin(turn) * side
        self._aim = aim
        return quat.rotate(trunk, self._bend)

    def _turn(self, apart: Array, radius: Array, step_s: float) -> Array:
        """Return how far elbows turn (2,) that are `apart` radians from where they should be."""
        most = _SWIVEL_M_S2 / radius
        # As quickly as lets it stop there again.
        wanted = np.minimum(np.abs(apart) / step_s, np.sqrt(most * np.abs(apart)))
        wanted = np.copysign(np.minimum(wanted, _SWIVEL_M_S / radius), apart)
        change = np.clip(wanted - self._speed, -most * step_s, most * step_s)
        self._speed = self._speed + change
        return self._speed * step_s


class Pins:
    """Closed-form limbs on one skeleton.

    Args:
        skeleton: With VRM's joint names.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._rows = {
            end: np.array(
                [[skeleton.joint(f"{s}{part}") for s in _SIDES] for part in (*parts, end) if part]
            )
            for end, parts in _LIMBS.items()
        }

    def hold(
        self,
        rotations: Array,
        root: Array,
        end: str,
        *,
        positions: Array,
        turns: Array | None,
        weights: Array,
        swivel: tuple[Swivel, float] | None = None,
    ) -> F32:
        """Return local rotations (J, 4) with both ends of a kind at their targets.

        Args:
            rotations: (J, 4) local.
            root: (3,) metres.
            end: "Hand" or "Foot".
            positions: (2, 3) metres, world, left then right.
            turns: (2, 4) world rotations of the ends; None keeps their own.
            weights: (2,) in [0, 1] how far they go there.
            swivel: What keeps limbs from turning over, and seconds since its last call.
        """
        out = np.array(rotations, np.float32)
        if not (weights > 0).any() and swivel is None:
            return out
        *girdle, upper, lower, tip = self._rows[end]
        if len(girdle):
            self._shrug(out, root, girdle[0], upper, lower, tip, positions, weights)
        world, places = self._skeleton.forward(out, root.astype(np.float32))
        share = weights[:, None].astype(np.float32)
        goals = places[tip] + share * (positions.astype(np.float32) - places[tip])
        parents = self._skeleton.parents
        ways, radius = self._bends(end, world[upper], places[[upper, lower, tip]], goals)
        if swivel is not None:
            trunk = world[parents[(girdle[0] if len(girdle) else upper)[0]]].astype(np.float64)
            aim = _unit((goals - places[upper]).astype(np.float64))
            ways = swivel[0].step(aim, ways, radius, trunk, swivel[1])
        poles = ways.astype(np.float32)
        first, second = kernel.two_bone(
            places[upper], places[lower], places[tip], targets=goals, poles=poles
        )
        thigh = quat.multiply(first, world[upper])
        shin = quat.multiply(second, world[lower])
        foot = world[tip]
        if turns is not None:
            foot = quat.slerp(foot, turns.astype(np.float32), weights.astype(np.float32))
        out[upper] = quat.multiply(quat.conjugate(world[parents[upper]]), thigh)
        out[lower] = quat.multiply(quat.conjugate(thigh), shin)
        out[tip] = quat.multiply(quat.conjugate(shin), foot)
        return quat.normalize(out)

    def _bends(self, end: str, turns: Array, places: Array, goals: Array) -> tuple[Array, Array]:
        """Return the ways (2, 3) that limbs bend when they reach `goals`, and how far (2,) metres.

        A limb goes on bending the way it does, carried along the shortest arc to its goal; one that
        is straight bends as its upper bone faces.
        """
        root, middle, tip = places.astype(np.float64)
        first, second = (
            np.sqrt(((b - a) ** 2).sum(-1)) for a, b in ((root, middle), (middle, tip))
        )
        own, aim = _unit(tip - root), _unit(goals - root)
        sign = -0.02 if end == "Hand" else 0.02
        ahead = quat.rotate(turns.astype(np.float64), np.array([[0.0, 0, 1], [0, 0, 1]]))
        bent = middle - (root + tip) / 2 + sign * ahead
        bent = bent - (bent * own).sum(-1, keepdims=True) * own
        size = np.sqrt((bent * bent).sum(-1, keepdims=True))
        way = _carried(bent / np.maximum(size, 1e-9), own, aim) * np.minimum(size / _THIN_M, 1.0)
        far = np.sqrt(((goals - root) ** 2).sum(-1))
        along = (first**2 - second**2 + far**2) / np.maximum(2 * far, 1e-6)
        return way, np.sqrt(np.maximum(first**2 - along**2, 0.0))

    def _shrug(
        self,
        out: Array,
        root: Array,
        girdle: Array,
        upper: Array,
        lower: Array,
        tip: Array,
        positions: Array,
        weights: Array,
    ) -> None:
        """Turn the collar bones of arms that are too short towards their hands."""
        world, places = self._skeleton.forward(out, root.astype(np.float32))
        offsets = self._skeleton.rest_translations
        for side in range(2):
            arm = np.linalg.norm(offsets[lower[side]]) + np.linalg.norm(offsets[tip[side]])
            reach = positions[side] - places[upper[side]]
            missing = float(np.linalg.norm(reach)) - _REACH * float(arm)
            if missing <= 0 or weights[side] <= 0:
                continue
            bone = places[upper[side]] - places[girdle[side]]
            aim = reach / np.linalg.norm(reach)
            across = aim - bone * (aim @ bone) / max(float(bone @ bone), 1e-9)
            lever = float(np.linalg.norm(bone) * np.linalg.norm(across))
            if lever < 1e-4:
                continue
            angle = min(missing / lever, _MOST_SHRUG) * float(weights[side])
            axis = np.cross(bone, across)
            axis /= max(float(np.linalg.norm(axis)), 1e-9)
            turn = quat.from_axis_angle(axis.astype(np.float32), angle)
            turned = quat.multiply(turn, world[girdle[side]])
            above = world[self._skeleton.parents[girdle[side]]]
            out[girdle[side]] = quat.multiply(quat.conjugate(above), turned)


def _carried(way: Array, before: Array, aim: Array) -> Array:
    """Return unit ways (2, 3) square to `before` (2, 3) turned with it to `aim`, square to that."""
    share = (way * aim).sum(-1) / np.maximum(1 + (before * aim).sum(-1), 1e-3)
    out = way - share[:, None] * (before + aim)
    return _unit(out - (out * aim).sum(-1, keepdims=True) * aim)


def _unit(v: Array) -> Array:
    return v / np.sqrt((v * v).sum(-1, keepdims=True) + 1e-18)
