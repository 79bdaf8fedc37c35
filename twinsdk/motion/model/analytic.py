"""The closed-form start of the motion model from trackers: what the network corrects.

Head and hands are where their trackers are, trunk upright below the head or bent towards it from a
hips tracker, arms and legs two bones and a hinge, feet on the floor below the hips unless they are
tracked. Everything is vectorised over leading dimensions, so that training and the live step run
the same code. A tracker's weight in [0, 1] blends it in and out, so that loss makes no jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.motion.model.body import (
    COUNT,
    INDEX,
    PARENTS,
    cross,
    mean_rotation,
    nearest_yaw,
    places_of,
    rotation_from_vector,
    rotation_vector,
    turn_y,
)

__all__ = ["ANKLE_M", "HEAD", "Held", "Start", "TrackerHold", "solve_trackers"]

HEAD, LEFT_HAND, RIGHT_HAND, HIPS, LEFT_FOOT, RIGHT_FOOT = range(len(TRACKER_NAMES))
ANKLE_M = 0.075
"""Height of the ankle over the sole of the 1.70 m skeleton."""
_NECK_SHARE = 0.4
_FADE_IN_S, _FADE_OUT_S = 0.3, 0.5
_TRUNK = ("spine", "chest", "upperChest", "neck", "head")
_HANG = np.array([[0.06, -0.92, 0.12], [-0.06, -0.92, 0.12]], np.float32)  # of the arm's length
# Direction elbows and knees point, in the heading frame.
_ELBOW = np.array([[0.35, -0.6, -0.7], [-0.35, -0.6, -0.7]], np.float32)
_KNEE = np.array([[0.1, 0.0, 1.0], [-0.1, 0.0, 1.0]], np.float32)


def _columns(x: Array, y: Array, z: Array) -> Array:
    return np.stack([x, y, z], axis=-1)


def _from_rest(rest: Array, hinge: Array) -> F32:
    frame = _columns(rest, hinge, np.cross(rest, hinge))
    return np.asarray(np.swapaxes(frame, -1, -2), np.float32)


_ARM_REST = _from_rest(np.array([[1.0, 0, 0], [-1, 0, 0]]), np.array([[0, -1.0, 0], [0, 1, 0]]))
_LEG_REST = _from_rest(np.array([[0, -1.0, 0], [0, -1, 0]]), np.array([[1.0, 0, 0], [1, 0, 0]]))
_ARMS = np.array(
    [[INDEX[f"{s}{p}"] for s in ("left", "right")] for p in ("UpperArm", "LowerArm", "Hand")]
)
_LEGS = np.array(
    [[INDEX[f"{s}{p}"] for s in ("left", "right")] for p in ("UpperLeg", "LowerLeg", "Foot")]
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Trackers without gaps; leading dims are free.

    Attributes:
        positions: (..., 6, 3) metres.
        rotations: (..., 6, 3, 3).
        seen: (..., 6) 0 or 1: measured now.
        weights: (..., 6) in [0, 1]: how far to use them, fading after loss.
        yaw: (...) the head's heading.
    """

    positions: Array
    rotations: Array
    seen: Array
    weights: Array
    yaw: Array


class TrackerHold:
    """Bridges gaps: the head stays, the others stay where they were about the head and fade."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.started = np.zeros(shape, bool)
        self.positions = np.zeros((*shape, 6, 3), np.float32)  # about the head's heading frame
        self.rotations = np.broadcast_to(np.eye(3, dtype=np.float32), (*shape, 6, 3, 3)).copy()
        self.weights = np.zeros((*shape, 6), np.float32)
        self.head = np.zeros((*shape, 3), np.float32)
        self.head[..., 1] = 1.52
        self.head_rotation = self.rotations[..., 0, :, :].copy()

    def step(self, positions: Array, rotations: Array, seen: Array, dt: Array) -> Held:
        """Return the trackers at one instant.

        Args:
            positions: (..., 6, 3) metres, world.
            rotations: (..., 6, 3, 3).
            seen: (..., 6) 0 or 1.
            dt: (...) seconds since the last instant.
        """
        seen = seen.astype(np.float32)
        here = seen[..., HEAD] > 0
        self.head = np.where(here[..., None], positions[..., HEAD, :], self.head)
        self.head_rotation = np.where(
            here[..., None, None], rotations[..., HEAD, :, :], self.head_rotation
        )
        yaw = nearest_yaw(self.head_rotation)
        turn = turn_y(yaw)[..., None, :, :]
        local = ((positions - self.head[..., None, :])[..., None, :] @ turn)[..., 0, :]
        turned = np.swapaxes(turn, -1, -2) @ rotations
        on = seen[..., None] > 0
        self.positions = np.where(on, local, self.positions)
        self.rotations = np.where(on[..., None], turned, self.rotations)
        rate = np.where(seen > 0, dt[..., None] / _FADE_IN_S, -dt[..., None] / _FADE_OUT_S)
        moved = np.clip(self.weights + rate, 0, 1).astype(np.float32)
        self.weights = np.where(self.started[..., None], moved, seen)
        self.started = self.started | (seen.sum(-1) > 0)
        eased = self.weights * self.weights * (3 - 2 * self.weights)
        places = (turn @ self.positions[..., None])[..., 0] + self.head[..., None, :]
        world = turn @ self.rotations
        places[..., HEAD, :] = self.head
        world[..., HEAD, :, :] = self.head_rotation
        return Held(positions=places, rotations=world, seen=seen, weights=eased, yaw=yaw)


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A pose of the 22 joints: `local` (..., 22, 3, 3), the hips in the world; `root` (..., 3)."""

    local: Array
    root: Array


def solve_trackers(held: Held, offsets: Array) -> Start:
    """Return the pose that trackers give in closed form.

    Args:
        held: Trackers, leading dims free.
        offsets: (..., 22, 3) or (22, 3) metres, parent_from_joint at rest.
    """
    lead = held.yaw.shape
    offsets = np.broadcast_to(offsets, (*lead, COUNT, 3)).astype(np.float32)
    turn = turn_y(held.yaw)
    world = np.broadcast_to(turn[..., None, :, :], (*lead, COUNT, 3, 3)).copy()
    head = held.positions[..., HEAD, :]
    by_hips = held.weights[..., HIPS]
    trunk = np.stack([offsets[..., INDEX[n], :] for n in _TRUNK], 0).sum(0)
    below = head - (turn @ trunk[..., None])[..., 0]
    hips = below + by_hips[..., None] * (held.positions[..., HIPS, :] - below)
    pelvis = mean_rotation(turn, held.rotations[..., HIPS, :, :], by_hips)
    world[..., 0, :, :] = pelvis
    _bend_trunk(world, pelvis, (pelvis @ trunk[..., None])[..., 0], head - hips)
    chest = world[..., INDEX["upperChest"], :, :]
    looking = held.rotations[..., HEAD, :, :]
    neck = rotation_from_vector(_NECK_SHARE * rotation_vector(np.swapaxes(chest, -1, -2) @ looking))
    world[..., INDEX["neck"], :, :] = chest @ neck
    world[..., INDEX["head"], :, :] = looking
    for side in ("left", "right"):
        world[..., INDEX[f"{side}Shoulder"], :, :] = chest

    places = places_of(world, hips, offsets)
    # The head is exact; with a hips tracker the hips are, and the trunk has bent towards the head.
    shift = (head - places[..., INDEX["head"], :]) * (1 - by_hips)[..., None]
    root = hips + shift
    places = places + shift[..., None, :]
    _arms(world, places, held, offsets, turn)
    _legs(world, places, held, offsets, turn)
    return Start(local=_local_of(world), root=root)


def _bend_trunk(world: Array, pelvis: Array, rest: Array, wanted: Array) -> None:
    """Bend spine, chest and upperChest by a third each of the arc from `rest` to `wanted`."""
    u, v = _unit(rest), _unit(wanted)
    axis = cross(u, v)
    sine = np.sqrt((axis * axis).sum(-1) + 1e-12)
    angle = np.arctan2(sine, (u * v).sum(-1))
    arc = axis * (angle / sine)[..., None]
    # Three equal bends reach further than one: the chain's end lies at two thirds of the last.
    for third, name in enumerate(("spine", "chest", "upperChest"), start=1):
        world[..., INDEX[name], :, :] = rotation_from_vector(arc * (third / 2)) @ pelvis


def _arms(world: Array, places: Array, held: Held, offsets: Array, turn: Array) -> None:
    upper = np.linalg.norm(offsets[..., _ARMS[1], :], axis=-1)
    lower = np.linalg.norm(offsets[..., _ARMS[2], :], axis=-1)
    roots = places[..., _ARMS[0], :]
    reach = (upper + lower)[..., None] * (turn[..., None, :, :] @ _HANG[..., None])[..., 0]
    share = held.weights[..., [LEFT_HAND, RIGHT_HAND], None]
    target = roots + reach
    target = target + share * (held.positions[..., [LEFT_HAND, RIGHT_HAND], :] - target)
    pole = (turn[..., None, :, :] @ _ELBOW[..., None])[..., 0]
    first, second = _two_bones(target - roots, upper, lower, pole, _ARM_REST)
    world[..., _ARMS[0], :, :] = first
    world[..., _ARMS[1], :, :] = second
    world[..., _ARMS[2], :, :] = mean_rotation(
        second, held.rotations[..., [LEFT_HAND, RIGHT_HAND], :, :], share[..., 0]
    )


def _legs(world: Array, places: Array, held: Held, offsets: Array, turn: Array) -> None:
    upper = np.linalg.norm(offsets[..., _LEGS[1], :], axis=-1)
    lower = np.linalg.norm(offsets[..., _LEGS[2], :], axis=-1)
    roots = places[..., _LEGS[0], :]
    target = roots.copy()
    target[..., 1] = np.maximum(ANKLE_M, roots[..., 1] - (upper + lower))
    share = held.weights[..., [LEFT_FOOT, RIGHT_FOOT], None]
    target = target + share * (held.positions[..., [LEFT_FOOT, RIGHT_FOOT], :] - target)
    feet = held.rotations[..., [LEFT_FOOT, RIGHT_FOOT], :, :]
    flat = np.broadcast_to(turn[..., None, :, :], feet.shape)
    foot = mean_rotation(flat, feet, share[..., 0])
    # Knees point where the feet do.
    pole = (foot @ _KNEE[..., None])[..., 0]
    first, second = _two_bones(target - roots, upper, lower, pole, _LEG_REST)
    world[..., _LEGS[0], :, :] = first
    world[..., _LEGS[1], :, :] = second
    world[..., _LEGS[2], :, :] = foot
    for side in (0, 1):
        world[..., INDEX[("leftToes", "rightToes")[side]], :, :] = foot[..., side, :, :]


def _two_bones(
    reach: Array, upper: Array, lower: Array, pole: Array, from_rest: Array
) -> tuple[Array, Array]:
    """Return the world rotations (..., 2, 3, 3) of both bones of two limbs that reach a target.

    Args:
        reach: (..., 2, 3) from the limb's root to the target.
        upper: (..., 2) metres.
        lower: (..., 2) metres.
        pole: (..., 2, 3) the way elbow or knee points.
        from_rest: (2, 3, 3) limb frame from the joint's rest axes.
    """
    distance = np.sqrt((reach * reach).sum(-1) + 1e-12)
    aim = reach / distance[..., None]
    longest = 0.9995 * (upper + lower)
    d = np.clip(distance, np.abs(upper - lower) + 1e-3, longest)
    bend = pole - (pole * aim).sum(-1, keepdims=True) * aim
    # A target along the pole leaves the plane open: any across will do, and continuously so.
    spare = cross(aim, np.broadcast_to(np.array([0.3, 0.1, 0.95], np.float32), aim.shape))
    size = np.sqrt((bend * bend).sum(-1, keepdims=True))
    bend = _unit(bend + np.maximum(0.1 - size, 0) * spare)
    cosine = np.clip((upper * upper + d * d - lower * lower) / (2 * upper * d), -1, 1)
    sine = np.sqrt(1 - cosine * cosine)
    first = cosine[..., None] * aim + sine[..., None] * bend
    second = _unit(d[..., None] * aim - upper[..., None] * first)
    hinge = cross(bend, aim)
    hinge = _unit(hinge - (hinge * first).sum(-1, keepdims=True) * first)
    return (
        _columns(first, hinge, cross(first, hinge)) @ from_rest,
        _columns(second, hinge, cross(second, hinge)) @ from_rest,
    )


def _local_of(world: Array) -> Array:
    local = world.copy()
    above = world[..., list(PARENTS[1:]), :, :]
    local[..., 1:, :, :] = np.swapaxes(above, -1, -2) @ world[..., 1:, :, :]
    return local


def _unit(v: Array) -> Array:
    out: Array = v / np.sqrt((v * v).sum(-1, keepdims=True) + 1e-12)
    return out
