"""After the network: hands and feet with trackers are put exactly where those say they are."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.swivel import Bends, Swivel

__all__ = ["Pins"]

_SIDES = ("left", "right")
_LIMBS = {"Hand": ("Shoulder", "UpperArm", "LowerArm"), "Foot": (None, "UpperLeg", "LowerLeg")}
_MOST_SHRUG = 0.5  # radians that a collar bone gives way to a hand out of the arm's reach
_REACH = 0.998


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
        bends = Bends(
            world[upper], places[[upper, lower, tip]], goals, ahead=-1 if end == "Hand" else 1
        )
        ways = bends.ways
        if swivel is not None:
            trunk = world[parents[(girdle[0] if len(girdle) else upper)[0]]]
            ways = swivel[0].step(bends, trunk, swivel[1])
        first, second = bends.turns(ways).astype(np.float32)
        thigh = quat.multiply(first, world[upper])
        shin = quat.multiply(second, world[lower])
        foot = world[tip]
        if turns is not None:
            foot = quat.slerp(foot, turns.astype(np.float32), weights.astype(np.float32))
        out[upper] = quat.multiply(quat.conjugate(world[parents[upper]]), thigh)
        out[lower] = quat.multiply(quat.conjugate(thigh), shin)
        out[tip] = quat.multiply(quat.conjugate(shin), foot)
        return quat.normalize(out)

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
