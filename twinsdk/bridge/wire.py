"""The pose message: a 16-byte prefix and one FlatBuffer, from and to TwinFrame.

Prefix, little-endian: 'TWN', version u8 | avatar u32 | sequence u32 | flags u16, codec u16. A SUB
socket filters on its first eight bytes; routers and gateways need no more than the prefix. The
FlatBuffer is table PoseFrame of schema/twin.fbs. See docs/wire.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.bridge.layout import IDENTIFIER, PREFIX_BYTES, SCALARS, Codec, Layout, read_layout
from twinsdk.core import kernel
from twinsdk.core.clock import now_ns
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import SkeletonMismatchError, UsageError, WireError

__all__ = [
    "VERSION",
    "Codec",
    "FrameDecoder",
    "FrameEncoder",
    "FrameHeader",
    "Prefix",
    "UnknownAvatarError",
    "codec_named",
    "named_descriptor",
    "read_prefix",
    "topic",
]

VERSION = 1
"""Wire version: a reader of 1 refuses 2 in words; new fields alone do not raise it."""
_MAGIC = b"TWN"
_PREFIX = struct.Struct("<3sBIIHH")
_STATES = tuple(TrackingState)  # in the order of the schema's enum

_U64 = struct.Struct("<Q")
_ROTATION_TYPES: dict[Codec, tuple[np.dtype[Any], int]] = {
    Codec.FLOAT32: (np.dtype("<f4"), 4),
    Codec.PACKED48: (np.dtype("<u2"), 3),
    Codec.PACKED32: (np.dtype("<u4"), 1),
}
# What a kernel's reader answers instead of values; csrc/include/twinsdk/wire.hpp, WireFault.
_OTHER_LAYOUT, _PREFIX_FAULT = 1, 2
_FAULTS = {
    _OTHER_LAYOUT: "its layout changed while it was read",
    _PREFIX_FAULT: "its prefix is not that of this wire version",
    3: "the prefix and the body disagree",
    4: "the confidence, state or root is out of range",
    5: "a rotation is not a unit quaternion",
    6: "an expression is outside [0, 1]",
}


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """The first 16 bytes of a pose message."""

    version: int
    avatar: int
    sequence: int
    flags: int
    codec: int


@dataclass(frozen=True, kw_only=True)
class FrameHeader:
    """What a pose message says besides the frame.

    Attributes:
        session: Of the publisher's run; another value means it was restarted.
        descriptor: Hash of the avatar descriptor the joints belong to.
        codec: How the numbers were stored.
        t_send_ns: When the message was handed to the socket, publisher's clock.
    """

    session: int
    descriptor: int
    codec: Codec
    t_send_ns: int


class UnknownAvatarError(WireError):
    """A pose message names an avatar descriptor that is not the one at hand.

    Attributes:
        descriptor: The hash it names.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(f"pose message: the avatar {descriptor:016x} is not known here")
        self.descriptor = descriptor


def named_descriptor(message: bytes) -> int:
    """Return the descriptor hash in a pose message whose avatar is not known yet.

    Raises:
        WireError: It is malformed or of another version.
    """
    read_prefix(message)
    return int(read_layout(message).read_scalars(message)[5])


def topic(avatar_id: int | None = None) -> bytes:
    """Return what a SUB socket subscribes to for one avatar, or for all of this wire version."""
    start = _MAGIC + bytes([VERSION])
    return start if avatar_id is None else start + struct.pack("<I", avatar_id)


def codec_named(codec: Codec | str) -> Codec:
    """Return the codec called "float32", "packed48" or "packed32".

    Raises:
        UsageError: There is none of that name.
    """
    if isinstance(codec, Codec):
        return codec
    try:
        return Codec[str(codec).upper()]
    except KeyError:
        names = ", ".join(kind.name.lower() for kind in Codec)
        raise UsageError(f"codec: expected one of {names}, got {codec!r}") from None


def read_prefix(message: bytes) -> Prefix:
    """Return the prefix of a pose message.

    Raises:
        WireError: It is too short, not ours, or of another version.
    """
    if len(message) < PREFIX_BYTES or message[:3] != _MAGIC:
        raise WireError(f"pose message: expected it to start with {_MAGIC!r}, got {message[:4]!r}")
    _, version, avatar, sequence, flags, codec = _PREFIX.unpack_from(message)
    if version != VERSION:
        raise WireError(
            f"pose message: expected wire version {VERSION}, got {version}; "
            f"update the {'receiver' if version > VERSION else 'sender'}"
        )
    return Prefix(version=version, avatar=avatar, sequence=sequence, flags=flags, codec=codec)


class FrameEncoder:
    """Turns frames on one skeleton into messages by patching a message built once.

    Building a FlatBuffer field by field takes about 100 us in Python; the layout never changes
    between frames, so only the numbers are written anew.

    Args:
        joints: Joints of the skeleton.
        codec: How rotations and expressions are stored.
        session: Of the publisher's run.
        descriptor: Hash of the avatar descriptor.
    """

    def __init__(
        self, *, joints: int, codec: Codec | str = Codec.PACKED48, session: int, descriptor: int
    ) -> None:
        self.codec = codec_named(codec)
        self._joints = joints
        message = bytearray(_PREFIX.size) + _build(self.codec, joints)
        _PREFIX.pack_into(message, 0, _MAGIC, VERSION, 0, 0, 0, self.codec)
        layout = read_layout(bytes(message))
        _U64.pack_into(message, layout.places["session"], session)
        _U64.pack_into(message, layout.places["descriptor"], descriptor)
        self.size = len(message)
        """Bytes of a message."""
        self._write = pose_wire(layout, bytes(message)).write_frame

    def encode(
        self, frame: TwinFrame, *, avatar_id: int | None = None, t_send_ns: int | None = None
    ) -> bytes:
        """Return the message of `frame`.

        Args:
            frame: On a skeleton of as many joints as this encoder has.
            avatar_id: Replaces the frame's own.
            t_send_ns: Publisher's clock; now unless given.

        Raises:
            SkeletonMismatchError: The frame has another number of joints.
        """
        try:
            message: bytes = self._write(
                frame,
                frame.avatar_id if avatar_id is None else avatar_id,
                now_ns() if t_send_ns is None else t_send_ns,
                _STATES,
            )
        except ValueError as error:  # the frame itself was checked when it was made
            raise SkeletonMismatchError(
                f"frame: expected a pose of {self._joints} joints as in the published avatar, "
                f"got {len(frame.pose.rotations)}; use twinsdk.retarget"
            ) from error
        return message


class FrameDecoder:
    """Turns messages of one avatar back into frames on its skeleton.

    Args:
        skeleton: The descriptor's.
        descriptor: The descriptor's hash; messages that name another are refused.
    """

    def __init__(self, *, skeleton: Skeleton, descriptor: int) -> None:
        self._skeleton = skeleton
        self._descriptor = descriptor
        self._kinds: tuple[Any, ...] = ()
        self._read: Callable[[bytes, tuple[Any, ...]], Any] = _of_no_layout

    def decode(self, message: bytes) -> tuple[TwinFrame, FrameHeader]:
        """Return the frame in `message`, and what else it says.

        Raises:
            WireError: It is malformed, of another version, or of another avatar descriptor.
        """
        found: Any = self._read(message, self._kinds)
        if type(found) is int:
            found = self._look_anew(message, found)
        header: FrameHeader = found[1]
        if header.descriptor != self._descriptor:
            raise UnknownAvatarError(header.descriptor)
        return found

    def _look_anew(self, message: bytes, fault: int) -> Any:
        """Read a message whose layout was not seen before, and remember the layout."""
        if fault == _OTHER_LAYOUT:
            layout = read_layout(message)
            wire = pose_wire(layout, message)
            found = wire.read(message)
            if type(found) is int:
                raise _fault(message, found)
            if found[5] != self._descriptor:
                raise UnknownAvatarError(found[5])
            joints, expressions = len(self._skeleton), EXPRESSION_COUNT
            if (layout.joints, layout.expressions) != (joints, expressions):
                raise WireError(
                    f"pose message: expected {joints} joints and {expressions} expressions, "
                    f"got {layout.joints} and {layout.expressions}"
                )
            self._kinds = (TwinFrame, Pose, FrameHeader, self._skeleton, _STATES, layout.codec)
            self._read = wire.read_frame
            return self._read(message, self._kinds)
        raise _fault(message, fault)


def _of_no_layout(_: bytes, __: tuple[Any, ...]) -> int:
    return _OTHER_LAYOUT


def _fault(message: bytes, number: int) -> WireError:
    if number == _PREFIX_FAULT:
        read_prefix(message)  # says what is wrong
    return WireError(f"pose message: {_FAULTS[number]}")


def pose_wire(layout: Layout, message: bytes) -> Any:
    """Return the reader and writer of messages that have the layout of `message`."""
    native = kernel.implementation(kernel.isa())
    return native.PoseWire(
        pattern=bytes(message),
        mask=layout.mask,
        scalars=[layout.places.get(name, 0) for name, *_ in SCALARS],
        codec=int(layout.codec),
        joints=layout.joints,
        expressions=layout.expressions,
        rotations_at=layout.rotations_at,
        expressions_at=layout.expressions_at,
        confidence_at=layout.confidence_at,
    )


def _build(codec: Codec, joints: int) -> bytes:
    """Return a PoseFrame with every field present, made with the generated writer."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.ForceDefaults(True)
    kind, per_joint = _ROTATION_TYPES[codec]
    exact = codec is Codec.FLOAT32
    confidence = builder.CreateNumpyVector(np.zeros(joints, np.uint8))
    expressions = builder.CreateNumpyVector(
        np.zeros(EXPRESSION_COUNT, np.dtype("<f4") if exact else np.uint8)
    )
    rotations = builder.CreateNumpyVector(np.zeros(joints * per_joint, kind))
    fb.PoseFrameStart(builder)
    # Written back to front: what is added first lies last. Eight-byte fields together need no gaps.
    fb.PoseFrameAddState(builder, 0)
    fb.PoseFrameAddRoot(builder, fb.CreateVec3(builder, 0, 0, 0))
    fb.PoseFrameAddConfidence(builder, 0)
    fb.PoseFrameAddSequence(builder, 0)
    fb.PoseFrameAddAvatar(builder, 0)
    fb.PoseFrameAddSession(builder, 0)
    fb.PoseFrameAddTCaptureNs(builder, 0)
    fb.PoseFrameAddTSendNs(builder, 0)
    fb.PoseFrameAddDescriptor(builder, 0)
    fb.PoseFrameAddJointConfidence(builder, confidence)
    {
        Codec.FLOAT32: fb.PoseFrameAddRotationsF32,
        Codec.PACKED48: fb.PoseFrameAddRotations48,
        Codec.PACKED32: fb.PoseFrameAddRotations32,
    }[codec](builder, rotations)
    (fb.PoseFrameAddExpressionsF32 if exact else fb.PoseFrameAddExpressionsU8)(builder, expressions)
    builder.Finish(fb.PoseFrameEnd(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())
