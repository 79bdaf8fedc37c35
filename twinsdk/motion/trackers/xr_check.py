"""What is wrong with the poses of a headset and controllers, in one line."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.motion.trackers.stance import facing
from twinsdk.motion.trackers.xr import DevicePose, to_gltf
from twinsdk.motion.vectors import matrix_of

__all__ = ["XrCheck"]

_KEPT = 600
_ENOUGH = 30
_LOWEST_M, _HIGHEST_M, _CENTIMETRES = 0.4, 2.3, 20.0
_ASIDE_M, _BEHIND_M = 0.08, 0.12
_STILL_M, _MOVED_M = 1e-5, 0.05


class XrCheck:
    """Watches devices for a while and says what is wrong; let the wearer look ahead, hands in view.

    Args:
        convention: As of `XrRig`, the axes the devices are said to be in.
    """

    def __init__(self, convention: str = "openxr") -> None:
        self._convention = convention
        self._seen: deque[dict[str, tuple[Array, Array]]] = deque(maxlen=_KEPT)

    def add(self, devices: Mapping[str, DevicePose]) -> None:
        """Take the devices of one instant; see `XrRig.step`."""
        self._seen.append({n: to_gltf(pose, self._convention) for n, pose in devices.items()})

    def fault(self) -> str | None:
        """Return what is wrong and what to do, or None where nothing is."""
        heads = [frame["head"] for frame in self._seen if "head" in frame]
        if len(self._seen) >= _ENOUGH and not heads:
            return "there is no headset among the devices, only hands: send its pose as well"
        if len(heads) < _ENOUGH:
            return f"only {len(heads)} poses of a headset came, {_ENOUGH} are needed to judge"
        return _head_fault(heads) or self._hand_fault()

    def _hand_fault(self) -> str | None:
        hands = [frame for frame in self._seen if {"head", "leftHand", "rightHand"} <= frame.keys()]
        if len(hands) < _ENOUGH:
            return "one or both controllers are not tracked: switch them on and hold them in view"
        for name in ("leftHand", "rightHand"):
            head = np.stack([frame["head"][0] for frame in hands])
            own = np.stack([frame[name][0] for frame in hands])
            if np.ptp(own, axis=0).max() < _STILL_M and np.ptp(head, axis=0).max() > _MOVED_M:
                return f"{name} does not move while the head does: it is not tracked"
        left, right = (
            np.median([_about_head(frame, name) for frame in hands], axis=0)
            for name in ("leftHand", "rightHand")
        )
        behind = min(left[2], right[2]) < -_BEHIND_M and max(left[2], right[2]) < 0
        crossed = left[0] - right[0] < -_ASIDE_M
        if behind and crossed:
            return "the head faces backwards: its forward axis is turned by half a turn"
        if behind:
            return (
                "the hands are behind the head: depth is mirrored, as Unity's left-handed axes "
                "are; say convention unity, or openxr if it was said already"
            )
        if crossed:
            return (
                "the left hand is on the right: the controllers are swapped, or x is mirrored; "
                "swap them, or send x as it is"
            )
        return None


def _head_fault(heads: list[tuple[Array, Array]]) -> str | None:
    height = float(np.median([place[1] for place, _ in heads]))
    if abs(height) > _CENTIMETRES:
        return f"the head is at {height:.0f}: positions seem to be centimetres; send metres"
    if height < _LOWEST_M:
        return (
            f"the head is {height:.2f} m above the floor: the space begins at the head; ask for "
            "'local-floor' (WebXR) or the STAGE space (OpenXR)"
        )
    if height > _HIGHEST_M:
        return f"the head is {height:.2f} m above the floor: set the floor's height anew"
    up = np.mean([quat.rotate(turn, np.array([0.0, 1.0, 0.0]))[1] for _, turn in heads])
    if up < 0.3:
        return "the head lies on its side or upside down: the up axis is not +Y"
    return None


def _about_head(frame: Mapping[str, tuple[Array, Array]], name: str) -> Array:
    """Return where a hand is in the head's heading frame (3,): +X its left, +Z ahead."""
    place, turn = frame["head"]
    yaw = facing(matrix_of(turn))
    back = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -yaw)
    return quat.rotate(back, frame[name][0] - place)
