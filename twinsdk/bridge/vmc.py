"""VMC protocol, out and in: a twin in VSeeFace, Warudo, EVMC4U, VRM4U..., and theirs as frames.

VMC sends Unity's view of a VRM 0.x humanoid: left-handed metres, every bone's rotation local to
its parent with identity at T-pose. Source: protocol.vmc.info/marionette-spec. It is plain UDP:
neither encrypted nor authenticated, names in every frame. For a stream of your own use `Publisher`.
"""

from __future__ import annotations

import math
import select
import socket
from collections import deque

import numpy as np

from twinsdk.bridge import osc
from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.core import axes, quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import EndpointError, UsageError, WireError

__all__ = ["VmcReceiver", "VmcSender", "unity_bone"]

DATAGRAM_BYTES = 1200
"""Below every network's MTU."""
_THUMBS = {"Metacarpal": "Proximal", "Proximal": "Intermediate"}
_IDLE_S = 0.015

# What the presets of VRM 0.x are made of, where a receiver has no ARKit shapes.
_PRESETS: dict[str, tuple[str, ...]] = {
    "A": ("jawOpen",),
    "U": ("mouthPucker",),
    "O": ("mouthFunnel",),
    "Blink_L": ("eyeBlinkLeft",),
    "Blink_R": ("eyeBlinkRight",),
    "Joy": ("mouthSmileLeft", "mouthSmileRight"),
    "Sorrow": ("mouthFrownLeft", "mouthFrownRight"),
    "Angry": ("browDownLeft", "browDownRight"),
    "Surprised": ("eyeWideLeft", "eyeWideRight"),
}
_INDEX = {name: i for i, name in enumerate(EXPRESSION_NAMES)}
_BY_LOWER = {name.lower(): i for i, name in enumerate(EXPRESSION_NAMES)}


def unity_bone(name: str) -> str:
    """Return Unity's HumanBodyBones name of a canonical joint; thumbs are one joint higher."""
    for ours, theirs in _THUMBS.items():
        if "Thumb" in name and name.endswith(ours):
            name = name.removesuffix(ours) + theirs
            break
    return name[0].upper() + name[1:]


_CANONICAL = {unity_bone(name): name for name in HUMANOID_NAMES}


class VmcSender(Closing):
    """Sends twins to a VMC receiver (a "marionette"); a context manager.

    Args:
        address: HOST:PORT; receivers listen on port 39539 by habit.
        avatar: Whose poses are sent.
        expressions: "arkit" sends the 52 weights by ARKit's names, for avatars with perfect sync;
            "vrm0" sends the presets A, U, O, Blink_L, Blink_R, Joy, Sorrow, Angry, Surprised.

    Raises:
        EndpointError: The address is malformed or unknown.
        UsageError: There is no such style of expressions.
    """

    def __init__(
        self, address: str, *, avatar: Avatar | AvatarDescriptor, expressions: str = "arkit"
    ) -> None:
        if expressions not in ("arkit", "vrm0"):
            raise UsageError(f"expressions: expected arkit or vrm0, got {expressions!r}")
        self._target = _resolve(address)
        descriptor = describe(avatar)
        self._skeleton = descriptor.skeleton
        self._bones = _Bones(descriptor)
        self._presets = expressions == "vrm0"
        names = list(_PRESETS) if self._presets else list(EXPRESSION_NAMES)
        self._blend_heads = [
            osc.text("/VMC/Ext/Blend/Val") + osc.text(",sf") + osc.text(name) for name in names
        ]
        self._start_ns: int | None = None
        self.sent = self.failed = 0
        """Datagrams handed to the network, and those it refused."""
        self._socket = socket.socket(self._target[0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, frame: TwinFrame) -> None:
        """Send a frame as OSC bundles; never waits, and nobody need be listening.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the avatar's.
        """
        for datagram in self.datagrams(frame):
            try:
                self._socket.sendto(datagram, self._target[1])
                self.sent += 1
            except OSError:  # nobody listens, or the card is full: the next frame is newer anyway
                self.failed += 1

    def datagrams(self, frame: TwinFrame) -> list[bytes]:
        """Return the datagrams of a frame, each at most 1200 bytes."""
        if self._start_ns is None:
            self._start_ns = frame.timestamp_ns
        seen = frame.state in (TrackingState.TRACKING, TrackingState.PARTIAL)
        parts = [
            osc.message("/VMC/Ext/OK", 1, 3, 0, int(seen)),
            # Seconds since the first frame: float32 since boot would lose the milliseconds.
            osc.message("/VMC/Ext/T", (frame.timestamp_ns - self._start_ns) / 1e9),
            osc.message("/VMC/Ext/Root/Pos", "root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
            *self._bones.messages(frame.pose.on(self._skeleton)),
        ]
        weights = self._weights(frame).astype(">f4")[:, None]
        parts += [
            head + row.tobytes() for head, row in zip(self._blend_heads, weights, strict=True)
        ]
        parts.append(osc.message("/VMC/Ext/Blend/Apply"))
        return osc.bundles(parts, DATAGRAM_BYTES)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _weights(self, frame: TwinFrame) -> np.ndarray:
        if not self._presets:
            return frame.expressions
        return np.array(
            [
                np.mean([frame.expressions[_INDEX[name]] for name in parts])
                for parts in _PRESETS.values()
            ],
            np.float32,
        )


class _Bones:
    """An avatar's poses as VMC bone messages."""

    def __init__(self, avatar: AvatarDescriptor) -> None:
        skeleton = avatar.skeleton
        joint_of = {role: skeleton.joint(joint) for joint, role in avatar.humanoid.items()}
        roles = [name for name in HUMANOID_NAMES if name in joint_of]  # parents first
        rest_rotations, rest_positions = skeleton.rest_world()
        self._joints = np.array([joint_of[role] for role in roles])
        self._unrest = quat.conjugate(rest_rotations[self._joints])
        above = [_mapped_parent(role, joint_of) for role in roles]
        self._parents = np.array([-1 if up is None else roles.index(up) for up in above])
        places = rest_positions[self._joints]
        offsets = places - np.where(self._parents[:, None] < 0, 0, places[self._parents])
        self._offsets = axes.unity_from_gltf(offsets.astype(np.float32))
        self._heads = [
            osc.text("/VMC/Ext/Bone/Pos") + osc.text(",sfffffff") + osc.text(unity_bone(role))
            for role in roles
        ]

    def messages(self, pose: Pose) -> list[bytes]:
        world_rotations, world_positions = pose.world()
        # How far each joint turned from rest, in world axes; T-pose is the identity for all.
        turned = quat.multiply(world_rotations[self._joints], self._unrest)
        upper = np.where(self._parents[:, None] < 0, quat.IDENTITY, turned[self._parents])
        local = axes.unity_from_gltf_quat(quat.multiply(quat.conjugate(upper), turned))
        places = self._offsets.copy()
        root = self._parents < 0
        places[root] = axes.unity_from_gltf(world_positions[self._joints[root]])
        numbers = np.concatenate([places, local], axis=1).astype(">f4")
        return [head + row.tobytes() for head, row in zip(self._heads, numbers, strict=True)]


class VmcReceiver(Closing):
    """Reads a VMC performer as TwinFrames on the canonical skeleton; a context manager.

    A frame ends where the performer's time changes, a bone comes again, or nothing comes for 15 ms.

    Args:
        address: HOST:PORT to listen on; port 0 for any free one.
        avatar_id: Stamped on every frame.
        clock: Monotonic nanoseconds; frames carry their time of arrival.

    Raises:
        EndpointError: The address is malformed, taken or not of this machine.
    """

    def __init__(
        self, address: str = "127.0.0.1:39539", *, avatar_id: int = 0, clock: Clock = now_ns
    ) -> None:
        family, place = _resolve(address)
        self._avatar_id, self._clock = avatar_id, clock
        self.skeleton: Skeleton = humanoid_skeleton()
        """What the frames' poses are on."""
        self.malformed = 0
        """Datagrams and messages dropped because they made no sense."""
        self._rotations = np.array(self.skeleton.rest_rotations)
        self._root = np.array(self.skeleton.rest_translations[0])
        self._weights = np.zeros(EXPRESSION_COUNT, np.float32)
        self._seen = np.zeros(len(self.skeleton), np.float32)
        self._fresh: set[int] = set()
        self._sequence = 0
        self._ready: deque[TwinFrame] = deque(maxlen=4)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind(place)
        except OSError as error:
            self._socket.close()
            raise EndpointError(
                f"vmc: cannot listen there ({error.strerror}); another program may: {address}"
            ) from error
        self._socket.setblocking(False)

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        return int(self._socket.getsockname()[1])

    def recv(self, timeout_s: float | None = None) -> TwinFrame | None:
        """Return the next frame, waiting for it; None when none came within `timeout_s`."""
        deadline = None if timeout_s is None else self._clock() + round(timeout_s * 1e9)
        while not self._ready:
            left = None if deadline is None else max(0.0, (deadline - self._clock()) / 1e9)
            wait = left if not self._fresh else min(_IDLE_S, math.inf if left is None else left)
            readable, _, _ = select.select([self._socket], [], [], wait)
            if readable:
                self._read()
            elif self._fresh and (left is None or left >= _IDLE_S):
                self._finish()
            elif deadline is not None and self._clock() >= deadline:
                return None
        return self._ready.popleft()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _read(self) -> None:
        for _ in range(64):
            try:
                datagram = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            try:
                for address, arguments in osc.messages(datagram):
                    self._apply(address, arguments)
            except WireError:
                self.malformed += 1
            if self._ready:
                return

    def _apply(self, address: str, arguments: list[osc.Argument]) -> None:
        if address == "/VMC/Ext/T":
            self._finish()
        elif address == "/VMC/Ext/Bone/Pos":
            name, numbers = _named_numbers(arguments, 7)
            canonical = _CANONICAL.get(name)
            if canonical is None:  # LastBone and others that are no body part
                return
            joint = self.skeleton.joint(canonical)
            if joint in self._fresh:
                self._finish()
            length = math.hypot(*numbers[3:].tolist())  # float32 squares would overflow
            if abs(length - 1) > 0.01:
                raise WireError(f"vmc: expected a unit rotation for {name}, got length {length}")
            self._rotations[joint] = axes.gltf_from_unity_quat(numbers[3:]) / length
            if canonical == "hips":
                self._root = axes.gltf_from_unity(numbers[:3])
            self._seen[joint] = 1
            self._fresh.add(joint)
        elif address == "/VMC/Ext/Blend/Val":
            name, numbers = _named_numbers(arguments, 1)
            weight = min(max(float(numbers[0]), 0.0), 1.0)
            known = _BY_LOWER.get(name.lower())
            if known is not None:
                self._weights[known] = weight
            for part in _PRESETS.get(name, ()):
                self._weights[_INDEX[part]] = weight

    def _finish(self) -> None:
        if not self._fresh:
            return
        self._fresh.clear()
        self._sequence = (self._sequence + 1) % 2**32
        self._ready.append(
            TwinFrame(
                avatar_id=self._avatar_id,
                sequence=self._sequence,
                timestamp_ns=self._clock(),
                pose=Pose(
                    skeleton=self.skeleton,
                    rotations=self._rotations.copy(),
                    root_translation=self._root.copy(),
                ),
                expressions=self._weights.copy(),
                joint_confidence=self._seen.copy(),
                state=TrackingState.TRACKING if self._seen.all() else TrackingState.PARTIAL,
            )
        )


def _mapped_parent(role: str, mapped: dict[str, int]) -> str | None:
    above = HUMANOID_PARENTS[role]
    while above is not None and above not in mapped:
        above = HUMANOID_PARENTS[above]
    return above


def _named_numbers(arguments: list[osc.Argument], count: int) -> tuple[str, np.ndarray]:
    if len(arguments) <= count or not isinstance(arguments[0], str):
        raise WireError(f"vmc: expected a name and {count} numbers, got {arguments!r}")
    numbers = arguments[1 : 1 + count]
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in numbers):
        raise WireError(f"vmc: expected {count} finite numbers, got {numbers!r}")
    return arguments[0], np.array(numbers, np.float32)


def _resolve(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise EndpointError(
            f"vmc: expected HOST:PORT, for instance 127.0.0.1:39539, got {address!r}"
        )
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_DGRAM
        )[0]
    except OSError as error:
        raise EndpointError(f"vmc: no such host ({error.strerror}): {address}") from error
    return family, (str(place[0]), int(place[1]))
