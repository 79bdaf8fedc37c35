"""Calibration: what a clip tells of its own world.

Which way is up, where the floor is, how soles lie, and how the body stands when the rest pose does
not show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.retarget.anatomy import TPose, body_frame, joint_places, virtual_tpose
from twinsdk.retarget.contact import ContactConfig, contacts, runs, speeds
from twinsdk.retarget.proportion import stance
from twinsdk.retarget.transfer import Rig

__all__ = ["Calibration", "calibrated", "readable_rest"]

_MOST_FRAMES = 600
_LEAST_STANCE_S = 0.25
_MOST_FLOOR = 0.35  # leg lengths from zero that a floor is believed without anybody standing
_MOST_SOLE_TILT = np.radians(35)
_LEAST_FLOOR_POINTS = 40
_LEAST_SPREAD = 0.5  # leg lengths: standing on one spot tells no slope
_FLOOR_TILT = (np.radians(0.2), np.radians(3.5))
_LEAST_BEND = np.sin(np.radians(25))
_LEAST_BENT = 10  # frames
_SAME_AXIS = 0.9  # length of the mean of unit axes: a hinge, and no ball joint
# Rigs that are right disagree by 30 degrees about the axis of an elbow.
_LEAST_ROLL = np.radians(60)
_SIDES = ("left", "right")
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Calibration:
    """What was read from a clip.

    Attributes:
        rig: The source, its T-pose corrected.
        world: (4,) ours_from_source.
        ground: Height of the floor in the turned world, source's unit.
        notes: What was found and done, in words.
    """

    rig: Rig
    world: F64
    ground: float
    notes: tuple[str, ...]


def readable_rest(skeleton: Skeleton, roles: Mapping[str, int]) -> bool:
    """Return whether the rest pose shows a standing body: trunk up, legs down, shoulders wide."""
    _, at = skeleton.rest_world()
    try:
        frame = body_frame(at.astype(np.float64), roles, snap=True)
    except NotHumanoidError:
        return False
    upright = quat.rotate(frame, at.astype(np.float64))
    down = [
        _unit(upright[roles[f"{side}Foot"]] - upright[roles[f"{side}UpperLeg"]]) for side in _SIDES
    ]
    return all(direction[1] < -0.5 for direction in down)


def calibrated(
    skeleton: Skeleton, roles: Mapping[str, int], clip: MotionClip | None
) -> Calibration:
    """Return the source as rest pose and clip together show it.

    Raises:
        NotHumanoidError: The rest pose shows no body and there is no clip to show it.
    """
    notes: list[str] = []
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    readable = readable_rest(skeleton, roles)
    if clip is None:
        return Calibration(_rig(skeleton, roles, virtual_tpose(skeleton, roles)), identity, 0.0, ())
    step = max(1, len(clip) // _MOST_FRAMES)
    turns, places = (array.astype(np.float64) for array in clip[::step].world())
    if readable:
        tpose = virtual_tpose(skeleton, roles)
    else:
        frame = _plainest(places, roles)
        tpose = virtual_tpose(skeleton, roles, (turns[frame], places[frame]))
        notes.append(f"rest pose shows no standing body; frame {frame * step} was read instead")
    world, words = _upright(places, roles)
    notes.extend(words)
    rig = _rig(skeleton, roles, tpose)
    turns, places = quat.multiply(world, turns), quat.rotate(world, places)
    down = _standing(rig, places, clip.fps / step)
    level, words = _level_floor(rig, places, down)
    notes.extend(words)
    world = quat.multiply(level, world)
    turns, places = quat.multiply(level, turns), quat.rotate(level, places)
    ground = _ground(rig, places, down)
    rig, words = _level_soles(rig, turns, down, clip.fps / step)
    notes.extend(words)
    rig, words = _roll_limbs(rig, turns, places)
    notes.extend(words)
    return Calibration(rig, world, ground, tuple(notes))


def _rig(skeleton: Skeleton, roles: Mapping[str, int], tpose: TPose) -> Rig:
    return Rig(skeleton=skeleton, roles=dict(roles), tpose=tpose)


def _plainest(places: Array, roles: Mapping[str, int]) -> int:
    """Return the frame in which limbs are straightest and the body most upright."""
    cost = np.zeros(len(places))
    for side in _SIDES:
        for limb, weight in (("Leg", 1.5), ("Arm", 1.0)):
            end = "Foot" if limb == "Leg" else "Hand"
            a, b, c = (
                places[:, roles[f"{side}{part}"]] for part in (f"Upper{limb}", f"Lower{limb}", end)
            )
            cost += weight * (1 - np.einsum("ti,ti->t", _units(b - a), _units(c - b)))
    hips = (places[:, roles["leftUpperLeg"]] + places[:, roles["rightUpperLeg"]]) / 2
    trunk = _units(
        (places[:, roles["leftUpperArm"]] + places[:, roles["rightUpperArm"]]) / 2 - hips
    )
    legs = _units((places[:, roles["leftFoot"]] + places[:, roles["rightFoot"]]) / 2 - hips)
    cost += 2 * (1 + np.einsum("ti,ti->t", trunk, legs))
    return int(np.argmin(cost))


def _upright(places: Array, roles: Mapping[str, int]) -> tuple[F64, list[str]]:
    """Return the turn (4,) that takes the motion's up axis to +Y, and words about it."""
    feet = (places[:, roles["leftFoot"]] + places[:, roles["rightFoot"]]) / 2
    up = np.median(_units(places[:, roles["head"]] - feet), axis=0)
    axis = int(np.argmax(np.abs(up)))
    sure = abs(up[axis]) > 0.75
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    if not sure or (axis == 1 and up[1] > 0):
        return identity, []
    direction = np.zeros(3)
    direction[axis] = np.sign(up[axis])
    turn: F64 = quat.between(direction, _UP)
    name = ("-" if direction[axis] < 0 else "+") + "XYZ"[axis]
    return turn, [f"the motion's up axis is {name}; turned to +Y"]


def _standing(rig: Rig, places: Array, fps: float) -> dict[str, Array]:
    """Return, by side, (T,) where a foot is slow and about as low as it ever is."""
    leg = stance(rig).leg
    down = {}
    config = ContactConfig()
    for side in _SIDES:
        points = places[:, rig.roles[f"{side}Foot"]]
        floor = float(np.percentile(points[:, 1], 5))
        height = (points[:, 1] - floor) / leg
        down[side] = contacts(height, speeds(points, fps) / leg, fps, config)
    return down


def _level_floor(rig: Rig, places: Array, down: Mapping[str, Array]) -> tuple[F64, list[str]]:
    """Return the turn (4,) that levels the floor the feet stood on, and words about it.

    Optical systems are calibrated by hand: their floors tilt by a degree, which over a few metres
    of walking lifts a foot by its own height. Steps and slopes are steeper, or no plane.
    """
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    leg = stance(rig).leg
    points = np.concatenate([places[down[side], rig.roles[f"{side}Foot"]] for side in _SIDES])
    if len(points) < _LEAST_FLOOR_POINTS:
        return identity, []
    points = points / leg
    flat = points[:, [0, 2]] - points[:, [0, 2]].mean(0)
    spread = np.linalg.svd(flat, compute_uv=False) / np.sqrt(len(flat))
    height = points[:, 1] - points[:, 1].mean()
    if spread[0] < _LEAST_SPREAD:
        return identity, []
    # A straight walk says nothing of the slope across it: ridge it towards level.
    ridge = len(flat) * 0.05**2 * np.eye(2)
    slope = np.linalg.solve(flat.T @ flat + ridge, flat.T @ height)
    rest = height - flat @ slope
    tilt = float(np.arctan(np.linalg.norm(slope)))
    explained = 1 - float((rest**2).mean() / max((height**2).mean(), 1e-12))
    if not (_FLOOR_TILT[0] < tilt < _FLOOR_TILT[1] and explained > 0.5 and rest.std() < 0.04):
        return identity, []
    normal = np.array([-slope[0], 1.0, -slope[1]])
    turn: F64 = quat.between(normal, _UP)
    return turn, [f"the floor was {np.degrees(tilt):.1f} degrees off level; levelled"]


def _ground(rig: Rig, places: Array, down: Mapping[str, Array]) -> float:
    """Return the floor's height: where ankles stand, less their height above their soles."""
    heights = [places[down[side], rig.roles[f"{side}Foot"], 1] for side in _SIDES]
    standing = np.concatenate(heights)
    if len(standing) == 0:
        # Nobody stands: a run, a fall, a swim. Believe the lowest ankle where it is near zero.
        lowest = np.min([places[:, rig.roles[f"{side}Foot"], 1] for side in _SIDES], axis=0)
        found = stance(rig)
        floor = float(np.percentile(lowest, 2)) - found.ankle
        return floor if abs(floor) < _MOST_FLOOR * found.leg else 0.0
    return float(np.median(standing)) - stance(rig).ankle


def _level_soles(
    rig: Rig, turns: Array, down: Mapping[str, Array], fps: float
) -> tuple[Rig, list[str]]:
    """Tilt each foot's T-pose so that its sole is level, on average, while it stands."""
    world = rig.tpose.world.copy()
    words = []
    for side in _SIDES:
        foot = rig.roles[f"{side}Foot"]
        frames = down[side].copy()
        for start, end in runs(down[side]):
            inner = (end - start) // 4  # touching down and lifting off are no standing
            frames[start : start + inner] = False
            frames[end - inner : end] = False
        if frames.sum() < max(3, _LEAST_STANCE_S * fps):
            continue
        up_in_foot = quat.rotate(quat.conjugate(turns[frames, foot]), _UP)
        mean = _unit(np.median(up_in_foot, axis=0))
        tilt = quat.between(quat.rotate(world[foot], mean), _UP)
        angle = float(quat.angle(tilt, np.array([0.0, 0, 0, 1])))
        if angle > _MOST_SOLE_TILT:
            words.append(f"{side} foot stands {np.degrees(angle):.0f} degrees off level; left so")
            continue
        world[foot] = quat.multiply(tilt, world[foot])
        toes = rig.roles.get(f"{side}Toes")
        if toes is not None:
            world[toes] = quat.multiply(tilt, world[toes])
        if angle > np.radians(3):
            words.append(f"{side} sole levelled by {np.degrees(angle):.0f} degrees from stance")
    return _turned(rig, world), words


def _roll_limbs(rig: Rig, turns: Array, places: Array) -> tuple[Rig, list[str]]:
    """Roll arms and legs in the T-pose until elbows and knees bend about a body's hinges.

    A bone's direction does not tell how it is rolled about itself: in a rest pose with the palms to
    the front the arms are rolled by 90 degrees. The axis in which motion bends a limb tells.
    """
    world, roles = rig.tpose.world.copy(), rig.roles
    words = []
    for side, sign in (("left", -1.0), ("right", 1.0)):
        for limb, end, hinge in (("Arm", "Hand", [0, sign, 0]), ("Leg", "Foot", [1.0, 0, 0])):
            upper, lower = roles[f"{side}Upper{limb}"], roles[f"{side}Lower{limb}"]
            first = _units(places[:, lower] - places[:, upper])
            axis = np.cross(first, _units(places[:, roles[f"{side}{end}"]] - places[:, lower]))
            bent = np.linalg.norm(axis, axis=-1) > _LEAST_BEND
            if bent.sum() < _LEAST_BENT:
                continue
            posture = quat.multiply(turns[bent, upper], quat.conjugate(world[upper]))
            mean = quat.rotate(quat.conjugate(posture), _units(axis[bent])).mean(0)
            bone = _unit(rig.tpose.positions[lower] - rig.tpose.positions[upper])
            flat = mean - bone * (mean @ bone)
            angle = float(np.arctan2(bone @ np.cross(flat, hinge), flat @ np.array(hinge)))
            if np.linalg.norm(mean) < _SAME_AXIS or abs(angle) < _LEAST_ROLL:
                continue
            roll = quat.from_axis_angle(bone, np.array(angle))
            for joint in (upper, lower):
                world[joint] = quat.multiply(roll, world[joint])
            words.append(
                f"{side} {limb.lower()} rolled by {abs(np.degrees(angle)):.0f} degrees: "
                "so it bends in the motion"
            )
    return (_turned(rig, world) if words else rig), words


def _turned(rig: Rig, world: Array) -> Rig:
    """Return the rig with its T-pose turned to `world` (J, 4)."""
    tpose = replace(
        rig.tpose,
        world=world,
        local=_locals(rig.skeleton, world),
        positions=joint_places(rig.skeleton, world),
    )
    return replace(rig, tpose=tpose)


def _locals(skeleton: Skeleton, world: Array) -> F64:
    above = np.maximum(skeleton.parents, 0)
    local: F64 = quat.multiply(quat.conjugate(world[above]), world)
    local[0] = world[0]
    return local


def _units(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12))


def _unit(vector: Array) -> F64:
    out: F64 = np.asarray(vector, np.float64) / (float(np.linalg.norm(vector)) or 1.0)
    return out
