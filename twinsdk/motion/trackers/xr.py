"""Headset and controllers, as their runtimes give them, to trackers of joints.

Runtimes differ in axes; devices are not joints: eyes are before the head joint, a grip is in the
palm and turned. `XrRig` takes both out, by rule at first and by a T-pose once it sees one.
Source: OpenXR 1.1, 2.16 and 6.3.1 (grip pose); WebXR Gamepads, grip space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.axes import (
    gltf_from_openxr,
    gltf_from_openxr_quat,
    openxr_from_unity,
    openxr_from_unity_quat,
)
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import UsageError, ValueRangeError
from twinsdk.motion.trackers.stance import facing
from twinsdk.motion.vectors import matrix_of

__all__ = ["CONVENTIONS", "Calibration", "DevicePose", "XrRig", "to_openxr"]

CONVENTIONS = ("openxr", "webxr", "unity")
"""Axes a device's pose may be in; WebXR's are OpenXR's."""

_REST = humanoid_skeleton()
_TALL_M = 1.70
_EYES = np.asarray(_REST.rest_world()[1], np.float64)[
    [_REST.joint("leftEye"), _REST.joint("rightEye")]
].mean(0)
_HEAD = np.asarray(_REST.rest_world()[1], np.float64)[_REST.joint("head")]
_PALM_M = 0.07  # of the 1.70 m skeleton, from wrist to the middle of the palm
_SPAN_M = 2 * (0.702 + _PALM_M)  # between the palms of its T-pose
# world_from_joint = world_from_grip * grip_from_joint. A grip's -Z leaves the fist at the thumb,
# its +X is to the right with palms facing one another, so that its -Y is along the fingers.
_GRIP_FROM_HAND = {
    "leftHand": quat.from_matrix(np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])),
    "rightHand": quat.from_matrix(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])),
}
_ALONG_FINGERS = {"leftHand": 1.0, "rightHand": -1.0}
_SHORTEST_M, _TALLEST_M = 1.0, 2.3
_T_POSE_S = 0.7
_LEVEL_M, _WIDE = 0.14, 0.78  # hands at shoulder height; their distance, of the body's height
_TWISTED = np.radians(60)  # a palm further from the T-pose's is held otherwise, not offset


@dataclass(frozen=True, kw_only=True)
class DevicePose:
    """Where one device is, in its runtime's axes.

    Attributes:
        position: (3,) metres, the floor at y = 0.
        rotation: (4,) xyzw, unit.
    """

    position: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What is known of a wearer and how they hold the devices.

    Attributes:
        height_m: Of the body.
        reach: Hands are drawn towards the chest by it, so that the wearer's span becomes the
            skeleton's.
        hand_turns: (2, 4) joint_from_joint, what is left of each hand in a T-pose.
        origin: (3,) where the wearer stood, our axes.
        yaw: Radians about +Y that they faced.
        measured: Whether a T-pose was seen; else it is a guess by the height of the eyes.
    """

    height_m: float = _TALL_M
    reach: float = 1.0
    hand_turns: Array
    origin: Array
    yaw: float = 0.0
    measured: bool = False


class XrRig:
    """Turns the devices of one wearer into `Trackers` that face +Z where the wearer began.

    Args:
        convention: One of `CONVENTIONS`.
        height_m: Body height, where it is known; else it is read from the eyes.

    Raises:
        UsageError: There is no such convention.
        ValueRangeError: The height is no person's.
    """

    def __init__(self, convention: str = "openxr", *, height_m: float | None = None) -> None:
        if convention not in CONVENTIONS:
            raise UsageError(
                f"convention: expected one of {', '.join(CONVENTIONS)}, got {convention!r}"
            )
        if height_m is not None and not _SHORTEST_M <= height_m <= _TALLEST_M:
            raise ValueRangeError(
                f"height_m: expected {_SHORTEST_M} to {_TALLEST_M}, got {height_m}"
            )
        self._convention = convention
        self._given_m = height_m
        self.calibration: Calibration | None = None
        self._t_pose_s = 0.0

    @property
    def skeleton(self) -> Skeleton:
        """The canonical skeleton as tall as the wearer, to a centimetre."""
        known = self.calibration
        return humanoid_skeleton(_TALL_M if known is None else round(known.height_m, 2))

    def step(
        self, devices: Mapping[str, DevicePose], step_s: float, *, timestamp_ns: int = 0
    ) -> Trackers:
        """Return the joints of the devices that are there, `step_s` seconds after the last call.

        The first frame with a head guesses the calibration; a T-pose held for 0.7 s replaces it.

        Args:
            devices: By name: "head" (between the eyes), "leftHand" and "rightHand" (grips); "hips",
                "leftFoot" and "rightFoot" (already turned like their joints).
            step_s: Seconds.
            timestamp_ns: Of the devices' poses.
        """
        ours = {
            name: to_gltf(pose, self._convention)
            for name, pose in devices.items()
            if name in TRACKER_NAMES and _is_pose(pose)
        }
        if self.calibration is None and "head" in ours:
            self.calibration = self._guess(ours["head"])
        known = self.calibration
        positions = np.zeros((len(TRACKER_NAMES), 3))
        rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(TRACKER_NAMES), 1))
        seen = np.zeros(len(TRACKER_NAMES), bool)
        if known is not None:
            self._watch_for_t_pose(ours, step_s)
            known = self.calibration or known
            for name, (place, turn) in ours.items():
                row = TRACKER_NAMES.index(name)
                positions[row], rotations[row] = _joint(name, place, turn, known)
                seen[row] = True
            _draw_hands(positions, seen, known)
        return Trackers(
            positions=positions.astype(np.float32),
            rotations=rotations.astype(np.float32),
            seen=seen,
            timestamp_ns=timestamp_ns,
        )

    def calibrate(self, devices: Mapping[str, DevicePose]) -> Calibration:
        """Measure the wearer, who stands in a T-pose, palms down, and return what was found.

        Raises:
            ValueRangeError: This is no T-pose; the message says what to do.
        """
        ours = {name: to_gltf(pose, self._convention) for name, pose in devices.items()}
        wrong = _no_t_pose(ours)
        if wrong is not None:
            raise ValueRangeError(f"calibration: {wrong}")
        self.calibration = self._measured(ours)
        return self.calibration

    def _guess(self, head: tuple[Array, Array]) -> Calibration:
        place, turn = head
        tall = self._given_m or float(place[1]) * _TALL_M / _EYES[1]
        return Calibration(
            height_m=min(max(tall, _SHORTEST_M), _TALLEST_M),
            hand_turns=np.tile([0.0, 0.0, 0.0, 1.0], (2, 1)),
            origin=_head_joint(place, turn, tall / _TALL_M) * (1, 0, 1),
            yaw=facing(matrix_of(turn)),
        )

    def _watch_for_t_pose(self, ours: Mapping[str, tuple[Array, Array]], step_s: float) -> None:
        if self.calibration is not None and self.calibration.measured:
            return
        self._t_pose_s = 0.0 if _no_t_pose(ours) else self._t_pose_s + step_s
        if self._t_pose_s >= _T_POSE_S:
            self.calibration = self._measured(ours)

    def _measured(self, ours: Mapping[str, tuple[Array, Array]]) -> Calibration:
        place, turn = ours["head"]
        tall = self._given_m or float(place[1]) * _TALL_M / _EYES[1]
        tall = min(max(tall, _SHORTEST_M), _TALLEST_M)
        span = float(np.linalg.norm(ours["leftHand"][0] - ours["rightHand"][0]))
        across = ours["leftHand"][0] - ours["rightHand"][0]
        yaw = float(np.arctan2(-across[2], across[0]))
        body = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), yaw)
        turns = []
        for name in ("leftHand", "rightHand"):
            left = quat.multiply(quat.conjugate(_hand_turn(name, ours[name][1])), body)
            near = quat.angle(left, quat.IDENTITY) < _TWISTED
            turns.append(left if near else np.array([0.0, 0.0, 0.0, 1.0]))
        before = self.calibration
        return Calibration(
            height_m=tall,
            reach=float(np.clip(_SPAN_M * tall / _TALL_M / span, 0.8, 1.25)),
            hand_turns=np.stack(turns),
            origin=_head_joint(place, turn, tall / _TALL_M) * (1, 0, 1)
            if before is None
            else before.origin,
            yaw=yaw if before is None else before.yaw,
            measured=True,
        )


def to_openxr(pose: DevicePose, convention: str) -> tuple[Array, Array]:
    """Return position (3,) and rotation (4,) in OpenXR's axes."""
    place, turn = np.array(pose.position, np.float64), np.array(pose.rotation, np.float64)
    if convention == "unity":
        return openxr_from_unity(place), openxr_from_unity_quat(turn)
    return place, turn


def to_gltf(pose: DevicePose, convention: str) -> tuple[Array, Array]:
    """Return position (3,) and rotation (4,) of the device in our axes.

    A rotation's local axes are changed as well: somebody who looks ahead has the identity, but
    grips keep their own axes, which `_GRIP_FROM_HAND` knows.
    """
    place, turn = to_openxr(pose, convention)
    return gltf_from_openxr(place), gltf_from_openxr_quat(turn)


def _joint(name: str, place: Array, turn: Array, known: Calibration) -> tuple[Array, Array]:
    """Return the joint's position and rotation where the wearer began at the origin, facing +Z."""
    scale = known.height_m / _TALL_M
    if name == "head":
        place = _head_joint(place, turn, scale)
    elif name in _GRIP_FROM_HAND:
        side = 0 if name == "leftHand" else 1
        turn = quat.multiply(_hand_turn(name, turn), known.hand_turns[side])
        along = np.array([_ALONG_FINGERS[name] * _PALM_M * scale, 0.0, 0.0])
        place = place - quat.rotate(turn, along)
    back = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -known.yaw)
    return quat.rotate(back, place - known.origin), quat.multiply(back, turn)


def _hand_turn(name: str, grip: Array) -> Array:
    """Return the hand joint's rotation of a grip's; `to_gltf` turned its own axes half about Y."""
    return quat.multiply(quat.multiply(grip, _HALF_Y), _GRIP_FROM_HAND[name])


def _head_joint(eyes: Array, turn: Array, scale: float) -> Array:
    return eyes - quat.rotate(turn, scale * (_EYES - _HEAD))


def _draw_hands(positions: Array, seen: Array, known: Calibration) -> None:
    """Scale the hands' distance from the chest so that the wearer's span is the skeleton's."""
    if not seen[0] or known.reach == 1:
        return
    chest = positions[0] - (0.0, 0.125 * known.height_m / _TALL_M, 0.0)
    for row in (1, 2):
        if seen[row]:
            positions[row] = chest + known.reach * (positions[row] - chest)


def _no_t_pose(ours: Mapping[str, tuple[Array, Array]]) -> str | None:
    """Return in words why this is no T-pose, or None."""
    missing = [name for name in ("head", "leftHand", "rightHand") if name not in ours]
    if missing:
        return f"expected a headset and two controllers, {missing[0]} is missing"
    head = ours["head"][0]
    hands = np.stack([ours["leftHand"][0], ours["rightHand"][0]])
    tall = float(head[1]) * _TALL_M / _EYES[1]
    if not _SHORTEST_M <= tall <= _TALLEST_M:
        return f"expected eyes 0.9 to 2.1 m above the floor, got {head[1]:.2f} m; stand up"
    shoulders = float(head[1]) * 1.395 / _EYES[1]
    if np.abs(hands[:, 1] - shoulders).max() > _LEVEL_M:
        return "expected both arms held out level; raise or lower them to the shoulders' height"
    if np.linalg.norm(hands[0] - hands[1]) < _WIDE * tall:
        return "expected both arms stretched out to the sides"
    return None


def _is_pose(pose: DevicePose) -> bool:
    values = np.array([*pose.position, *pose.rotation], np.float64)
    return bool(np.isfinite(values).all() and np.linalg.norm(values[3:]) > 0.5)


_HALF_Y = np.array([0.0, 1.0, 0.0, 0.0])
