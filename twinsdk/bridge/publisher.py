"""Publisher: sends TwinFrames so that every receiver gets the newest, and none holds it up."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

import zmq

from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.bridge.endpoints import (
    Endpoint,
    bind,
    configure,
    parse_endpoint,
    refuse_exposure,
    shrink_kernel_buffers,
)
from twinsdk.bridge.keys import ServerKeys
from twinsdk.bridge.messages import AvatarEntry, Welcome, pack
from twinsdk.bridge.state import StateServer
from twinsdk.bridge.wire import Codec, FrameEncoder, codec_named
from twinsdk.bridge.zap import Gatekeeper, guard
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import EndpointError, UsageError

__all__ = ["Publisher", "PublisherStats"]

_MAX_SUBSCRIPTION_BYTES = 1024
_PORT_TRIES = 32
_MAX_CHANGES = 512

AnyAvatar: TypeAlias = "Avatar | AvatarDescriptor"


@dataclass(frozen=True, kw_only=True)
class PublisherStats:
    """What a publisher did so far.

    Attributes:
        sent: Frames handed to the socket.
        sent_bytes: Their bytes, counted once however many receive them.
        subscribers: Pose subscriptions now, one per receiver and avatar.
        clients: Receivers that said HELLO and were heard from in the last ten seconds.
        refused: HELLOs refused in words.
        denied: Connections of devices that are not paired.
        malformed: Messages dropped because they made no sense.
        throttled: Messages dropped because their client sent too many.
    """

    sent: int
    sent_bytes: int
    subscribers: int
    clients: int
    refused: int
    denied: int
    malformed: int
    throttled: int


class Publisher:
    """A stream of one or more avatars; a context manager.

    Frames are dropped for a receiver that is slow, never queued beyond `queue`, so `send` returns
    at once. Use it from one thread.

    Args:
        endpoint: `tcp://HOST:PORT`, port `*` for any free one, or `ipc://PATH`.
        avatar: Whose poses are sent: an avatar, its descriptor, or several by avatar id.
        avatar_id: Stamped on every frame; None keeps the frames' own ids.
        codec: "float32", "packed48" (within 0.0085 degrees) or "packed32" (within 0.27).
        state_endpoint: Where receivers ask for the avatar; by default the next port, or for ipc
            the path with `.state`.
        keys: The stream's, from `twinsdk.bridge.keys`: it is then encrypted and only paired devices
            may listen. Needed where other machines can reach the endpoint.
        queue: Frames kept for a receiver whose link is busy.
        clock: Monotonic nanoseconds; the frames' timestamps are in it.

    Raises:
        EndpointError: An address is malformed, taken, or reachable from other machines.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        avatar: AnyAvatar | Mapping[int, AnyAvatar],
        avatar_id: int | None = None,
        codec: Codec | str = Codec.PACKED48,
        state_endpoint: str | None = None,
        keys: ServerKeys | None = None,
        queue: int = 3,
        clock: Clock = now_ns,
    ) -> None:
        self._codec = codec_named(codec)
        self._clock = clock
        self._avatar_id = avatar_id
        self._everyone: AvatarDescriptor | None = None
        self._avatars: dict[int, AvatarDescriptor] = {}
        if isinstance(avatar, Mapping):
            self._avatars = {int(key): describe(value) for key, value in avatar.items()}
        else:
            self._everyone = describe(avatar)
            if avatar_id is not None:
                self._avatars[avatar_id] = self._everyone
        pose_place = parse_endpoint(endpoint)
        state_place = parse_endpoint(state_endpoint) if state_endpoint else None
        if keys is None:
            for place in filter(None, (pose_place, state_place)):
                refuse_exposure(place)
        self._keys = keys
        self.session = secrets.randbits(63) | 1
        self._encoders: dict[int, FrameEncoder] = {}
        self._checked: dict[int, Skeleton] = {}
        self._newest: dict[int, bytes] = {}
        self._packed: dict[int, bytes] = {}
        for descriptor in [self._everyone, *self._avatars.values()]:
            if descriptor is not None and descriptor.hash not in self._packed:
                self._packed[descriptor.hash] = pack(descriptor)
        self._sent = self._sent_bytes = self._subscribers = self._malformed = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._closed = False
        try:
            # First of all, since libzmq lets everybody in while nobody answers for the door.
            self._gatekeeper = Gatekeeper(self._context, keys.name_of) if keys else None
            self._listen(pose_place, state_place, queue)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def _listen(self, pose: Endpoint, state: Endpoint | None, queue: int) -> None:
        """Bind both planes; with any free port, until the port after it is free too."""
        for attempt in range(_PORT_TRIES):
            self._pose = self._context.socket(zmq.XPUB)
            configure(self._pose, queue=queue, limit_bytes=_MAX_SUBSCRIPTION_BYTES)
            shrink_kernel_buffers(self._pose)
            # Every subscription is reported, so that they can be counted.
            self._pose.setsockopt(zmq.XPUB_VERBOSER, 1)
            self._pose.setsockopt(zmq.TOS, 0xB8)  # expedited forwarding
            if self._keys is not None:
                guard(self._pose, self._keys)
            self._pose_endpoint = bind(self._pose, pose)
            try:
                self._state = StateServer(
                    self._context,
                    state or self._pose_endpoint.state(),
                    welcome=self._welcome,
                    descriptor=self._packed.get,
                    keys=self._keys,
                    gatekeeper=self._gatekeeper,
                    clock=self._clock,
                )
            except EndpointError:
                self._pose.close()
                if pose.port != 0 or state is not None or attempt == _PORT_TRIES - 1:
                    raise
            else:
                return

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Where poses are sent from, with the port it got."""
        return str(self._pose_endpoint)

    @property
    def state_endpoint(self) -> str:
        """Where receivers say HELLO, with the port it got."""
        return str(self._state.endpoint)

    @property
    def stats(self) -> PublisherStats:
        """What was done so far."""
        state = self._state.stats
        return PublisherStats(
            sent=self._sent,
            sent_bytes=self._sent_bytes,
            subscribers=self._subscribers,
            clients=state.clients,
            refused=state.refused,
            denied=state.denied,
            malformed=self._malformed + state.malformed,
            throttled=state.throttled,
        )

    def send(self, frame: TwinFrame) -> None:
        """Send a frame to whoever listens; never waits.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the avatar's.
            UsageError: The frame's avatar id has no avatar, or the publisher is closed.
        """
        avatar = frame.avatar_id if self._avatar_id is None else self._avatar_id
        encoder = self._encoders.get(avatar) or self._join(avatar)
        skeleton = frame.pose.skeleton
        if skeleton is not self._checked.get(avatar):
            frame.pose.on(self._avatars[avatar].skeleton)
            self._checked[avatar] = skeleton
        message = encoder.encode(frame, avatar_id=avatar, t_send_ns=self._clock())
        try:
            self._pose.send(message, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if self._closed:
                raise UsageError("publisher: expected an open one, it was closed") from error
            raise
        first = avatar not in self._newest
        self._newest[avatar] = message
        self._sent += 1
        self._sent_bytes += len(message)
        if first:
            self._state.announce()
        self._count_subscriptions()

    def close(self) -> None:
        """Stop serving and free both ports; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._state.close()
        self._pose.close()
        self._context.destroy(linger=0)

    def _join(self, avatar: int) -> FrameEncoder:
        descriptor = self._avatars.get(avatar, self._everyone)
        if descriptor is None:
            raise UsageError(
                f"frame: expected an avatar id among {sorted(self._avatars)}, got {avatar}"
            )
        self._avatars[avatar] = descriptor
        encoder = FrameEncoder(
            joints=len(descriptor.skeleton),
            codec=self._codec,
            session=self.session,
            descriptor=descriptor.hash,
        )
        self._encoders[avatar] = encoder
        return encoder

    def _count_subscriptions(self) -> None:
        for _ in range(_MAX_CHANGES):  # a flood of them must not hold up the sender
            if not int(self._pose.get(zmq.EVENTS)) & zmq.POLLIN:
                return
            change: bytes = self._pose.recv(zmq.NOBLOCK)
            if change[:4] == b"\x01TWN":
                self._subscribers += 1
            elif change[:4] == b"\x00TWN":
                self._subscribers = max(0, self._subscribers - 1)
            elif change[:1] not in (b"\x00", b"\x01"):
                self._malformed += 1

    def _welcome(self) -> Welcome:
        return Welcome(
            session=self.session,
            pose_endpoint=self.endpoint,
            codec=int(self._codec),
            avatars=tuple(
                AvatarEntry(avatar=avatar, descriptor=found.hash, newest=self._newest.get(avatar))
                for avatar, found in list(self._avatars.items())
            ),
            now_ns=self._clock(),
        )
