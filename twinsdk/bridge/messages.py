"""Messages of the state plane: FlatBuffers Envelope, identifier "TWNS", from and to dataclasses.

Everything read here came from a stranger: sizes are checked before loops, and whatever else is
wrong with the bytes ends as one `WireError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import flatbuffers
import numpy as np

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.bridge.avatar_file import (
    FileChunk,
    FileRequest,
    read_chunk,
    read_hash,
    read_request,
    write_chunk,
    write_request,
)
from twinsdk.bridge.client_statistics import (
    ClientStatistics,
    read_statistics,
    write_statistics,
)
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.devices import (
    DevicePoses,
    Haptic,
    read_devices,
    read_haptic,
    write_devices,
    write_haptic,
)
from twinsdk.bridge.endpoints import MAX_POSE_BYTES, MAX_STATE_BYTES
from twinsdk.bridge.tables import (
    MAX_LIST,
    count_of,
    offsets_of,
    read_descriptor,
    word_of,
    write_descriptor,
)
from twinsdk.bridge.wire import VERSION, Codec
from twinsdk.errors import TwinError, WireError

__all__ = [
    "AvatarEntry",
    "DescriptorRequest",
    "Hello",
    "Message",
    "Ping",
    "Pong",
    "Refusal",
    "Welcome",
    "pack",
    "unpack",
    "unpack_only",
]

_IDENTIFIER = b"TWNS"


@dataclass(frozen=True, kw_only=True)
class Hello:
    """A client says who it is and what it reads."""

    client: str
    version_min: int = VERSION
    version_max: int = VERSION
    codecs: tuple[int, ...] = tuple(Codec)


@dataclass(frozen=True, kw_only=True)
class AvatarEntry:
    """One twin of a stream: its id, its descriptor's hash, its newest pose message or None.

    `file` is the SHA-256 of its VRM file and `file_bytes` that file's size, where it is given away.
    """

    avatar: int
    descriptor: int
    newest: bytes | None = None
    file: bytes | None = None
    file_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The publisher's answer; sent again whenever an avatar joins."""

    version: int = VERSION
    session: int
    pose_endpoint: str
    codec: int
    avatars: tuple[AvatarEntry, ...]
    now_ns: int


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a client is not served, in words."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class DescriptorRequest:
    """Ask for the descriptor of a hash."""

    hash: int


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Clock question: the client's time when sent."""

    t0_ns: int


@dataclass(frozen=True, kw_only=True)
class Pong:
    """Clock answer: the echoed time, and the publisher's at arrival and at answer."""

    t0_ns: int
    t1_ns: int
    t2_ns: int


Message: TypeAlias = (
    "Hello | Welcome | Refusal | DescriptorRequest | AvatarDescriptor | Ping | Pong"
    " | DevicePoses | Haptic | FileRequest | FileChunk | ClientStatistics"
)


def pack(message: Message) -> bytes:
    """Return the bytes of a message."""
    kind, write, _ = _KINDS[type(message).__name__]
    builder = flatbuffers.Builder(256)
    body = write(builder, message)
    fb.EnvelopeStart(builder)
    fb.EnvelopeAddBodyType(builder, kind)
    fb.EnvelopeAddBody(builder, body)
    builder.Finish(fb.EnvelopeEnd(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def unpack(data: bytes) -> Message:
    """Return the message in `data`.

    Raises:
        WireError: It is malformed, too large, or of a kind this version does not know.
    """
    if not 8 <= len(data) <= MAX_STATE_BYTES or data[4:8] != _IDENTIFIER:
        raise WireError(
            f"state message: expected {_IDENTIFIER!r} and at most {MAX_STATE_BYTES} bytes, "
            f"got {data[4:8]!r} and {len(data)} bytes"
        )
    try:
        envelope = fb.Envelope.GetRootAs(data, 0)
        kind, body = envelope.BodyType(), envelope.Body()
        for name, (number, _, read) in _KINDS.items():
            if number == kind and body is not None:
                table = getattr(fb, name)()
                table.Init(body.Bytes, body.Pos)
                message: Message = read(table)
                return message
    except WireError:
        raise
    except (
        TwinError, struct.error, ValueError, TypeError, IndexError, AttributeError, OverflowError,
    ) as error:  # fmt: skip  # what bad offsets raise: the generated reader checks nothing
        raise WireError(f"state message: malformed ({error})") from error
    raise WireError(f"state message: expected one of {sorted(_KINDS)}, got kind {kind}")


def unpack_only(parts: Sequence[bytes]) -> Message:
    """Return the message in the only part there is.

    Raises:
        WireError: There are several parts, or the one is malformed.
    """
    if len(parts) != 1:
        raise WireError(f"state message: expected one part, got {len(parts)}")
    return unpack(parts[0])


def _write_hello(builder: Any, message: Hello) -> int:
    client = builder.CreateString(message.client)
    codecs = builder.CreateNumpyVector(np.array(message.codecs, "<u2"))
    fb.HelloStart(builder)
    fb.HelloAddClient(builder, client)
    fb.HelloAddVersionMin(builder, message.version_min)
    fb.HelloAddVersionMax(builder, message.version_max)
    fb.HelloAddCodecs(builder, codecs)
    return int(fb.HelloEnd(builder))


def _read_hello(table: Any) -> Hello:
    count = count_of("codecs", table.CodecsLength(), 64)
    return Hello(
        client=word_of(table.Client()),
        version_min=table.VersionMin(),
        version_max=table.VersionMax(),
        codecs=tuple(int(table.Codecs(i)) for i in range(count)),
    )


def _write_welcome(builder: Any, message: Welcome) -> int:
    entries = []
    for entry in message.avatars:
        newest = builder.CreateByteVector(entry.newest) if entry.newest is not None else None
        file = builder.CreateByteVector(entry.file) if entry.file is not None else None
        fb.AvatarEntryStart(builder)
        fb.AvatarEntryAddAvatar(builder, entry.avatar)
        fb.AvatarEntryAddDescriptor(builder, entry.descriptor)
        if newest is not None:
            fb.AvatarEntryAddNewest(builder, newest)
        if file is not None:
            fb.AvatarEntryAddFile(builder, file)
            fb.AvatarEntryAddFileBytes(builder, entry.file_bytes)
        entries.append(int(fb.AvatarEntryEnd(builder)))
    avatars = offsets_of(builder, fb.WelcomeStartAvatarsVector, entries)
    endpoint = builder.CreateString(message.pose_endpoint)
    fb.WelcomeStart(builder)
    fb.WelcomeAddVersion(builder, message.version)
    fb.WelcomeAddSession(builder, message.session)
    fb.WelcomeAddPoseEndpoint(builder, endpoint)
    fb.WelcomeAddCodec(builder, message.codec)
    fb.WelcomeAddAvatars(builder, avatars)
    fb.WelcomeAddNowNs(builder, message.now_ns)
    return int(fb.WelcomeEnd(builder))


def _read_welcome(table: Any) -> Welcome:
    entries = []
    for i in range(count_of("avatars", table.AvatarsLength(), MAX_LIST)):
        entry = table.Avatars(i)
        size = count_of("bytes in a pose message", entry.NewestLength(), MAX_POSE_BYTES)
        entries.append(
            AvatarEntry(
                avatar=entry.Avatar(),
                descriptor=entry.Descriptor(),
                newest=entry.NewestAsNumpy().tobytes() if size else None,
                file=read_hash(entry.FileLength, entry.FileAsNumpy) if entry.FileLength() else None,
                file_bytes=entry.FileBytes(),
            )
        )
    return Welcome(
        version=table.Version(),
        session=table.Session(),
        pose_endpoint=word_of(table.PoseEndpoint()),
        codec=table.Codec(),
        avatars=tuple(entries),
        now_ns=table.NowNs(),
    )


def _write_refusal(builder: Any, message: Refusal) -> int:
    reason = builder.CreateString(message.reason)
    fb.RefusalStart(builder)
    fb.RefusalAddReason(builder, reason)
    return int(fb.RefusalEnd(builder))


def _write_request(builder: Any, message: DescriptorRequest) -> int:
    fb.DescriptorRequestStart(builder)
    fb.DescriptorRequestAddHash(builder, message.hash)
    return int(fb.DescriptorRequestEnd(builder))


def _write_ping(builder: Any, message: Ping) -> int:
    fb.PingStart(builder)
    fb.PingAddT0Ns(builder, message.t0_ns)
    return int(fb.PingEnd(builder))


def _write_pong(builder: Any, message: Pong) -> int:
    fb.PongStart(builder)
    fb.PongAddT0Ns(builder, message.t0_ns)
    fb.PongAddT1Ns(builder, message.t1_ns)
    fb.PongAddT2Ns(builder, message.t2_ns)
    return int(fb.PongEnd(builder))


_KINDS: dict[str, tuple[int, Callable[[Any, Any], int], Callable[[Any], Any]]] = {
    "Hello": (fb.Body.Hello, _write_hello, _read_hello),
    "Welcome": (fb.Body.Welcome, _write_welcome, _read_welcome),
    "Refusal": (
        fb.Body.Refusal, _write_refusal, lambda table: Refusal(reason=word_of(table.Reason())),
    ),
    "DescriptorRequest": (
        fb.Body.DescriptorRequest,
        _write_request,
        lambda table: DescriptorRequest(hash=table.Hash()),
    ),
    "DevicePoses": (fb.Body.DevicePoses, write_devices, read_devices),
    "Haptic": (fb.Body.Haptic, write_haptic, read_haptic),
    "FileRequest": (fb.Body.FileRequest, write_request, read_request),
    "FileChunk": (fb.Body.FileChunk, write_chunk, read_chunk),
    "ClientStatistics": (fb.Body.ClientStatistics, write_statistics, read_statistics),
    "AvatarDescriptor": (fb.Body.AvatarDescriptor, write_descriptor, read_descriptor),
    "Ping": (fb.Body.Ping, _write_ping, lambda table: Ping(t0_ns=table.T0Ns())),
    "Pong": (
        fb.Body.Pong,
        _write_pong,
        lambda table: Pong(t0_ns=table.T0Ns(), t1_ns=table.T1Ns(), t2_ns=table.T2Ns()),
    ),
}  # fmt: skip
