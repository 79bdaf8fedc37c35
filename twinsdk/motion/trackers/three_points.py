"""A headset and two controllers to a whole body, closed form: what the motion model starts from.

Head and hands are where the trackers are. The trunk leans by the head's height and pitch, turns
after the head; the arms bend down and outwards; the feet stand and step. Trackers of hips and feet
are taken exactly where there are any.
"""

from __future__ import annotations

import itertools
from math import asin, pi

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.fitting.hands import share_twist
from twinsdk.motion.trackers.stance import Limb, Stance, facing, raised_heel, turned_about_y
from twinsdk.motion.vectors import (
    matrix_of,
    quaternion_of,
    quaternion_of_vector,
    smoothstep,
    turn_y,
)

__all__ = ["TrackerSolver"]

_SIDES = (("left", 1.0), ("right", -1.0))
_TRUNK = (("hips", 0.4), ("spine", 0.6), ("chest", 0.8), ("upperChest", 1.0))
_HEAD, _HIPS = TRACKER_NAMES.index("head"), TRACKER_NAMES.index("hips")
_HANDS = tuple(TRACKER_NAMES.index(f"{side}Hand") for side, _ in _SIDES)
_FEET = tuple(TRACKER_NAMES.index(f"{side}Foot") for side, _ in _SIDES)
_CHAIN = ("hips", "spine", "chest", "upperChest", "neck", "head")
_LIMB_PARTS = ("Shoulder", "Arm", "Hand", "Leg", "Foot", "Toes")
_FADE_IN_S, _FADE_OUT_S = 0.3, 1.0
_TURN_RATE = 2.5  # 1/s: how quickly the trunk turns after the head
_MOST_TURNED = 1.1  # radians between trunk and head
_LEAN_PER_M, _LEAN_PER_PITCH = 1.0, 0.25
_ABOVE_GROUND_M = 0.03  # hips higher than this above standing height: a jump


class TrackerSolver:
    """Follows one wearer: give it every set of trackers in order, get a pose each time.

    Args:
        skeleton: With VRM's joint names, identity rest rotations, in T-pose, soles at y = 0: as
            tall as the wearer.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._names = {name: j for j, name in enumerate(skeleton.names)}
        self._bones = np.asarray(skeleton.rest_translations, np.float64)
        rest = np.asarray(skeleton.rest_world()[1], np.float64)
        self._head_m = float(rest[self._names["head"], 1])
        self._hips_m = float(rest[self._names["hips"], 1])
        self._arms = [
            Limb(
                skeleton,
                *(f"{side}{part}" for part in ("UpperArm", "LowerArm", "Hand")),
                pole=np.array([0.0, -0.5, -0.87]),
            )
            for side, _ in _SIDES
        ]
        self._legs = [
            Limb(
                skeleton,
                *(f"{side}{part}" for part in ("UpperLeg", "LowerLeg", "Foot")),
                pole=np.array([0.0, 0.0, 1.0]),
            )
            for side, _ in _SIDES
        ]
        self._stance = Stance(skeleton)
        self._hanging = [
            matrix_of(quaternion_of_vector(np.array([0.0, 0.0, -1.25 * s]))) for _, s in _SIDES
        ]
        self._parents = np.asarray(skeleton.parents)
        # Fingers and eyes rest in what carries them.
        self._still = [j for j, name in enumerate(skeleton.names) if not _is_moved(name)]
        self.reset()

    def reset(self) -> None:
        """Forget: the next trackers are the first."""
        self._stance.reset()
        self._yaw: float | None = None
        self._head = (np.array([0.0, self._head_m, 0.0]), np.eye(3))
        # Of each hand: its place and turn about the head's heading, and how far it is believed.
        self._hands: list[tuple[Array, Array] | None] = [None, None]
        self._belief, self._back_s = np.zeros(2), np.zeros(2)
        self._gap = [(np.zeros(3), np.eye(3))] * 2  # from where a found hand was thought to be

    def step(self, trackers: Trackers, step_s: float) -> Pose:
        """Return the pose on the skeleton, `step_s` seconds after the last.

        Without a head the body keeps where and how its head was last; a hand that is lost goes
        on where it was about the head and sinks to hang.
        """
        places = trackers.positions.astype(np.float64)
        turns = matrix_of(trackers.rotations.astype(np.float64))
        seen = trackers.seen
        if seen[_HEAD]:
            self._head = (places[_HEAD].copy(), turns[_HEAD])
        places[_HEAD], turns[_HEAD] = self._head
        world = np.tile(np.eye(3), (len(self.skeleton), 1, 1))
        at = np.zeros((len(self.skeleton), 3))
        self._trunk(world, at, places, turns, seen, step_s)
        for a, arm in enumerate(self._arms):
            hand = _HANDS[a]
            self._keep_hand(a, (places[hand], turns[hand]) if seen[hand] else None, step_s)
            self._arm(world, at, a, arm)
        self._stand(world, at, places, turns, seen, step_s)
        above = world[self._parents]
        above[0] = np.eye(3)
        local = quaternion_of(np.swapaxes(above, -1, -2) @ world)
        local[self._still] = quat.IDENTITY
        return Pose(
            skeleton=self.skeleton,
            rotations=quat.positive(local).astype(np.float32),
            root_translation=at[0].astype(np.float32),
        )

    def _trunk(
        self, world: Array, at: Array, places: Array, turns: Array, seen: Array, step_s: float
    ) -> None:
        names = self._names
        head = turns[_HEAD]
        yaw = self._turned(facing(head), step_s)
        crouch = max(0.0, self._head_m - float(places[_HEAD, 1]))
        down = asin(min(max(-float(head[1, 2]), -1.0), 1.0))
        lean = min(max(_LEAN_PER_M * crouch + _LEAN_PER_PITCH * down, -0.2), 1.1)
        for joint, share in _TRUNK:
            world[names[joint]] = turned_about_y(yaw, lean * share)
        if seen[_HIPS]:
            self._bend_between(world, turns[_HIPS])
        world[names["head"]] = head
        world[names["neck"]] = _mixed(world[names["upperChest"]], head)
        for above, joint in itertools.pairwise(_CHAIN):
            at[names[joint]] = at[names[above]] + world[names[above]] @ self._bones[names[joint]]
        hips = places[_HIPS] if seen[_HIPS] else places[_HEAD] - at[names["head"]]
        at[[names[joint] for joint in _CHAIN]] += hips

    def _bend_between(self, world: Array, hips: Array) -> None:
        names, chest = self._names, world[self._names["upperChest"]]
        world[names["hips"]] = hips
        world[names["spine"]] = _mixed(hips, chest)
        world[names["chest"]] = _mixed(world[names["spine"]], chest)

    def _turned(self, wanted: float, step_s: float) -> float:
        if self._yaw is None:
            self._yaw = wanted
        apart = (wanted - self._yaw + pi) % (2 * pi) - pi
        moved = apart * min(1.0, _TURN_RATE * step_s)
        left = min(max(apart - moved, -_MOST_TURNED), _MOST_TURNED)
        self._yaw = wanted - left
        return self._yaw

    def _keep_hand(self, a: int, hand: tuple[Array, Array] | None, step_s: float) -> None:
        """Take where hand `a` is; lost, let it sink; found again, go there without a jump."""
        head, looking = self._head
        heading = turn_y(facing(looking))
        kept = self._hands[a]
        if hand is None:
            self._belief[a] = max(0.0, self._belief[a] - step_s / _FADE_OUT_S)
            self._back_s[a] = 0.0
            return
        place, turn = heading.T @ (hand[0] - head), heading.T @ hand[1]
        if kept is None:
            self._belief[a], self._back_s[a] = 1.0, _FADE_IN_S
        elif self._back_s[a] == 0:
            self._gap[a] = (kept[0] - place, kept[1])
        self._back_s[a] += step_s
        self._belief[a] = min(1.0, self._belief[a] + step_s / _FADE_IN_S)
        left = 1 - float(smoothstep(self._back_s[a], 0, _FADE_IN_S))
        if left > 0:
            offset, before = self._gap[a]
            place, turn = place + left * offset, _mixed(turn, before, left)
        self._hands[a] = (place, turn)

    def _arm(self, world: Array, at: Array, a: int, arm: Limb) -> None:
        side, s = _SIDES[a]
        names, chest = self._names, self._names["upperChest"]
        collar, wrist = names[f"{side}Shoulder"], names[f"{side}Hand"]
        world[collar] = world[chest]
        at[collar] = at[chest] + world[chest] @ self._bones[collar]
        root = at[collar] + world[collar] @ self._bones[arm.upper]
        hanging = world[chest] @ self._hanging[a]
        kept = self._hands[a]
        if kept is None or self._belief[a] <= 0:
            world[arm.upper] = world[arm.lower] = world[wrist] = hanging
            return
        heading = turn_y(facing(self._head[1]))
        place, turn = self._head[0] + heading @ kept[0], heading @ kept[1]
        if self._belief[a] < 1:
            share = float(smoothstep(self._belief[a], 0, 1))
            down = root + hanging @ (self._bones[arm.lower] + self._bones[arm.tip])
            place, turn = down + share * (place - down), _mixed(hanging, turn, share)
        elbow = turn_y(float(self._yaw or 0.0)) @ np.array([0.6 * s, -1.0, -0.5])
        world[arm.upper], lower, _ = arm.reach(root, place, elbow)
        other = np.eye(3)
        pair = share_twist(np.stack([lower, other]), np.stack([turn, other]))
        world[arm.lower], world[wrist] = pair[0], turn

    def _stand(
        self, world: Array, at: Array, places: Array, turns: Array, seen: Array, step_s: float
    ) -> None:
        names = self._names
        hips = at[names["hips"]]
        yaw = facing(world[names["hips"]])
        feet = self._stance.step(hips, yaw, step_s)
        rise = max(0.0, float(hips[1]) - self._hips_m - _ABOVE_GROUND_M)
        for i, ((side, _), leg) in enumerate(zip(_SIDES, self._legs, strict=True)):
            foot, toes = names[f"{side}Foot"], names[f"{side}Toes"]
            root = hips + world[names["hips"]] @ self._bones[leg.upper]
            if seen[_FEET[i]]:
                ankle, turn = places[_FEET[i]], turns[_FEET[i]]
                world[toes] = turn
            else:
                ankle = feet.ankles[i] + np.array([0.0, rise, 0.0])
                world[toes] = turn_y(float(feet.yaw[i]))
                ankle, turn = raised_heel(
                    root, ankle, float(feet.yaw[i]), self._bones[toes], 0.995 * sum(leg.lengths)
                )
            world[leg.upper], world[leg.lower], _ = leg.reach(root, ankle, world[toes][:, 2])
            world[foot] = turn


def _is_moved(joint: str) -> bool:
    return joint in _CHAIN or joint.endswith(_LIMB_PARTS)


def _mixed(a: Array, b: Array, share: float = 0.5) -> Array:
    """Return the rotation (3, 3) on the way from `a` to `b`, `share` of it."""
    pair = quaternion_of(np.stack([a, b]))
    near = pair[1] if pair[0] @ pair[1] >= 0 else -pair[1]
    middle = pair[0] + share * (near - pair[0])
    return matrix_of(middle / np.sqrt(middle @ middle))
