"""After the network: hands and feet with trackers are put exactly where those say they are."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.limbs import Limbs
from twinsdk.motion.filters.swivel import Swivel

__all__ = ["Pins"]

_MOST_SHRUG = 0.5  # radians that a collar bone gives way to a hand out of the arm's reach
_REACH = 0.998


class Pins:
    """Closed-form limbs on one skeleton.

    Args:
        skeleton: With VRM's joint names.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._limbs = {end: Limbs(skeleton, end) for end in ("Hand", "Foot")}
        self._girdle = [skeleton.joint("leftShoulder"), skeleton.joint("rightShoulder")]
        bones = skeleton.rest_translations[self._limbs["Hand"].rows[1:]].astype(np.float64)
        self._reach = _REACH * np.sqrt((bones * bones).sum(-1)).sum(0)

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
        limbs, root = self._limbs[end], root.astype(np.float32)
        tips = limbs.rows[2]
        world, places = self._skeleton.forward(out, root)
        if end == "Hand" and self._shrug(out, world, places, positions, weights):
            world, places = self._skeleton.forward(out, root)
        goals = places[tips] + weights[:, None] * (positions - places[tips])
        ends = None if turns is None else quat.slerp(world[tips], turns, weights)
        local = out.astype(np.float64)
        limbs.reach(local, world, places, goals, ends=ends, swivel=swivel)
        return quat.normalize(local.astype(np.float32))

    def _shrug(
        self, out: Array, world: Array, places: Array, positions: Array, weights: Array
    ) -> bool:
        """Turn the collar bones of arms too short for their hands; return whether one is."""
        shrugged = False
        for side, (girdle, upper) in enumerate(
            zip(self._girdle, self._limbs["Hand"].rows[0], strict=True)
        ):
            reach = positions[side] - places[upper]
            far = float(np.sqrt(reach @ reach))
            missing = far - self._reach[side]
            if missing <= 0 or weights[side] <= 0:
                continue
            bone = places[upper] - places[girdle]
            aim = reach / far
            across = aim - bone * (aim @ bone) / max(float(bone @ bone), 1e-9)
            lever = float(np.linalg.norm(bone) * np.linalg.norm(across))
            if lever < 1e-4:
                continue
            angle = min(missing / lever, _MOST_SHRUG) * float(weights[side])
            axis = np.cross(bone, across)
            axis /= max(float(np.linalg.norm(axis)), 1e-9)
            turn = quat.from_axis_angle(axis.astype(np.float32), angle)
            turned = quat.multiply(turn, world[girdle])
            above = world[self._skeleton.parents[girdle]]
            out[girdle] = quat.multiply(quat.conjugate(above), turned)
            shrugged = True
        return shrugged
