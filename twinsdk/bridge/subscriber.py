"""Subscriber: the newest TwinFrame of a stream, decoded on the avatar's skeleton."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import zmq

from twinsdk.bridge.clock_sync import ClockOffset, ClockSync
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.endpoints import (
    MAX_POSE_BYTES,
    MAX_STATE_BYTES,
    configure,
    parse_endpoint,
    shrink_kernel_buffers,
)
from twinsdk.bridge.keys import ClientKeys, Token
from twinsdk.bridge.messages import (
    DescriptorRequest,
    Hello,
    Ping,
    Pong,
    Refusal,
    Welcome,
    pack,
    unpack_only,
)
from twinsdk.bridge.wire import (
    FrameDecoder,
    FrameHeader,
    UnknownAvatarError,
    named_descriptor,
    topic,
)
from twinsdk.bridge.zap import identify
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.errors import EndpointError, UsageError, WireError

__all__ = ["Subscriber", "SubscriberStats"]

_STATE_QUEUE = 64
_HELLO_NS = 500_000_000
_FAST_PING_NS, _PING_NS, _FAST_PINGS = 100_000_000, 1_000_000_000, 10
_REQUEST_NS = 250_000_000
_MAX_AVATARS = 256


@dataclass(frozen=True, kw_only=True)
class SubscriberStats:
    """What a subscriber saw so far.

    Attributes:
        received: Frames decoded and handed out.
        lost: Sequence numbers never seen, most of them replaced by a newer frame on the way.
        reordered: Frames dropped because a newer one had arrived before.
        stale: Frames dropped because they were older than `max_age_s`.
        malformed: Messages dropped because they made no sense.
        restarts: Times the publisher came back with a new session.
        age_p50_ms, age_p99_ms: From capture to decoded, over the last 600 frames; NaN before.
        clock: Offset to the publisher's clock; None before it was measured.
    """

    received: int
    lost: int
    reordered: int
    stale: int
    malformed: int
    restarts: int
    age_p50_ms: float
    age_p99_ms: float
    clock: ClockOffset | None


@dataclass
class _Track:
    """One avatar of the stream, as seen from here."""

    socket: zmq.Socket[bytes]
    decoder: FrameDecoder | None = None
    descriptor: AvatarDescriptor | None = None
    session: int = 0
    sequence: int = 0
    t_send_ns: int = 0
    waiting: bytes | None = field(default=None)
    """A message whose descriptor was asked for."""


class Subscriber:
    """A receiver of one publisher or relay; a context manager and an iterator of TwinFrames.

    It may be opened before the publisher and outlives its restarts. Use it from one thread.

    Args:
        endpoint: The publisher's pose endpoint, or the pairing token this device was given.
        avatar_id: Which twin; None for all of the stream, each one's newest frame in turn.
        state_endpoint: Where to ask for the avatar; by default the next port, or for ipc the path
            with `.state`.
        keys: This device's, where they are not in a token.
        max_age_s: Frames older than this when they arrive are dropped; None keeps all.
        name: Who this client is, for the publisher's people.
        clock: Monotonic nanoseconds.

    Raises:
        EndpointError: An address is malformed.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        avatar_id: int | None = None,
        state_endpoint: str | None = None,
        keys: ClientKeys | None = None,
        max_age_s: float | None = None,
        name: str = "twinsdk.Subscriber",
        clock: Clock = now_ns,
    ) -> None:
        if Token.is_token(endpoint):
            token = Token.parse(endpoint)
            endpoint, keys = token.endpoint, token.keys
        pose = parse_endpoint(endpoint)
        state = parse_endpoint(state_endpoint) if state_endpoint else pose.state()
        for place in (pose, state):
            if place.port == 0:
                raise EndpointError(f"endpoint: expected a port to connect to, got {place}")
        self._endpoint, self._avatar_id = str(pose), avatar_id
        self._max_age_ns = None if max_age_s is None else round(max_age_s * 1e9)
        self._name, self._clock, self._keys = name, clock, keys
        self._descriptors: dict[int, AvatarDescriptor] = {}
        self._asked: dict[int, int] = {}
        self._tracks: dict[int, _Track] = {}
        self._ready: deque[tuple[int, bytes]] = deque()
        self._turn = 0
        self._sync = ClockSync()
        self._pings = 0
        self._due_ns = self._hello_due_ns = self._ping_due_ns = 0
        self._received = self._lost = self._reordered = self._stale = 0
        self._malformed = self._restarts = 0
        self._ages: deque[int] = deque(maxlen=600)
        self._closed = False
        self.header: FrameHeader | None = None
        """What the last frame's message said besides the frame."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._state = self._context.socket(zmq.DEALER)
        configure(self._state, queue=_STATE_QUEUE, limit_bytes=MAX_STATE_BYTES)
        if keys is not None:
            identify(self._state, keys)
        self._state.connect(str(state))
        self._poller.register(self._state, zmq.POLLIN)
        if avatar_id is not None:
            self._follow(avatar_id)
        self._housekeep(clock())

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[TwinFrame]:
        """Yield the newest frames as they come, without end."""
        return self.frames()

    def frames(self, *, timeout_s: float | None = None) -> Iterator[TwinFrame]:
        """Yield the newest frames as they come; end when none came for `timeout_s`."""
        while (frame := self.recv(timeout_s)) is not None:
            yield frame

    @property
    def descriptor(self) -> AvatarDescriptor | None:
        """The avatar of the first twin; None until it arrived."""
        return next((t.descriptor for t in self._tracks.values() if t.descriptor), None)

    @property
    def descriptors(self) -> dict[int, AvatarDescriptor]:
        """The avatars that arrived so far, by avatar id."""
        return {key: t.descriptor for key, t in self._tracks.items() if t.descriptor}

    @property
    def stats(self) -> SubscriberStats:
        """What was seen so far."""
        ages = np.array(self._ages, np.float64) / 1e6
        p50, p99 = np.percentile(ages, (50, 99)) if len(ages) else (np.nan, np.nan)
        return SubscriberStats(
            received=self._received,
            lost=self._lost,
            reordered=self._reordered,
            stale=self._stale,
            malformed=self._malformed,
            restarts=self._restarts,
            age_p50_ms=float(p50),
            age_p99_ms=float(p99),
            clock=self._sync.best,
        )

    def recv(self, timeout_s: float | None = None) -> TwinFrame | None:
        """Return the newest frame, waiting for it; None when none came within `timeout_s`.

        Args:
            timeout_s: None waits for ever, 0 only looks.

        Raises:
            WireError: The publisher refuses this client, or speaks another wire version.
            UsageError: The subscriber was closed.
        """
        if self._closed:
            raise UsageError("subscriber: expected an open one, it was closed")
        deadline = None if timeout_s is None else self._clock() + round(timeout_s * 1e9)
        while True:
            now = self._clock()
            if now >= self._due_ns:
                self._housekeep(now)
            wait_ns = self._due_ns - now
            if deadline is not None:
                wait_ns = min(wait_ns, deadline - now)
            frame = self._step(max(0, -(-wait_ns // 1_000_000)))
            if frame is not None:
                return frame
            if deadline is not None and self._clock() >= deadline:
                return None

    def wait(self, timeout_s: float) -> AvatarDescriptor:
        """Return the avatar's descriptor, waiting for it; frames that come meanwhile are dropped.

        Raises:
            EndpointError: No publisher answered in time.
        """
        deadline = self._clock() + round(timeout_s * 1e9)
        while self.descriptor is None:
            left = deadline - self._clock()
            if left <= 0:
                raise EndpointError(
                    f"endpoint: no publisher answered within {timeout_s:g} s; is it running and "
                    f"sending, and is this device paired if it has keys? {self._endpoint}"
                )
            self.recv(min(left / 1e9, 0.05))
        return self.descriptor

    def close(self) -> None:
        """Close every socket; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._context.destroy(linger=0)

    def _step(self, wait_ms: int) -> TwinFrame | None:
        """Wait once, serve the state plane, and return a frame if one came."""
        events = self._poller.poll(0 if self._ready else wait_ms)
        if any(socket is self._state for socket, _ in events):
            self._serve_state()
        while self._ready:  # messages that waited for their descriptor
            frame = self._take(*self._ready.popleft())
            if frame is not None:
                return frame
        tracks = list(self._tracks.items())
        for i in range(len(tracks)):  # the next avatar first, so that none starves
            avatar, track = tracks[(self._turn + i) % len(tracks)]
            try:
                message = track.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                continue
            frame = self._take(avatar, message)
            if frame is not None:
                self._turn = (self._turn + i + 1) % len(tracks)
                return frame
        return None

    def _take(self, avatar: int, message: bytes) -> TwinFrame | None:
        """Return the frame in a message, or None where it is dropped or must wait."""
        track = self._tracks[avatar]
        try:
            if track.decoder is None:
                return self._introduce(avatar, message, named_descriptor(message))
            frame, header = track.decoder.decode(message)
        except UnknownAvatarError as unknown:
            return self._introduce(avatar, message, unknown.descriptor)
        except WireError:
            self._malformed += 1
            return None
        return self._accept(track, frame, header)

    def _accept(self, track: _Track, frame: TwinFrame, header: FrameHeader) -> TwinFrame | None:
        now = self._clock()
        if header.session != track.session:
            if track.session:
                self._restarts += 1
                self._sync.reset()
                self._hello_due_ns = self._due_ns = self._ping_due_ns = self._pings = 0
            track.session = header.session
        else:
            step = (frame.sequence - track.sequence) % 2**32
            if header.t_send_ns <= track.t_send_ns:
                self._reordered += step != 0
                return None
            # Backwards although sent later: the sender counts anew, nothing was lost.
            self._lost += step - 1 if 0 < step < 2**31 else 0
        track.sequence, track.t_send_ns = frame.sequence, header.t_send_ns
        age = now - self._sync.to_local(frame.timestamp_ns)
        if self._max_age_ns is not None and age > self._max_age_ns:
            self._stale += 1
            return None
        self._ages.append(age)
        self._received += 1
        self._hello_due_ns = now + _HELLO_NS
        self.header = header
        return frame

    def _introduce(self, avatar: int, message: bytes, descriptor_hash: int) -> TwinFrame | None:
        """Decode with a descriptor that is known, or ask for it and keep the message meanwhile."""
        track = self._tracks[avatar]
        known = self._descriptors.get(descriptor_hash)
        if known is not None:
            track.descriptor = known
            track.decoder = FrameDecoder(skeleton=known.skeleton, descriptor=known.hash)
            return self._take(avatar, message)
        track.waiting = message
        if descriptor_hash not in self._asked:  # perhaps a publisher that does not know us yet
            self._tell(pack(Hello(client=self._name)))
        self._ask(descriptor_hash)
        return None

    def _ask(self, descriptor_hash: int) -> None:
        now = self._clock()
        if now - self._asked.get(descriptor_hash, -_REQUEST_NS) >= _REQUEST_NS:
            if len(self._asked) >= _MAX_AVATARS:
                self._asked.clear()
            self._asked[descriptor_hash] = now
            self._tell(pack(DescriptorRequest(hash=descriptor_hash)))

    def _follow(self, avatar: int) -> None:
        if avatar in self._tracks or len(self._tracks) >= _MAX_AVATARS:
            return
        # A socket each: CONFLATE keeps one message over all topics of a socket.
        socket = self._context.socket(zmq.SUB)
        configure(socket, queue=1, limit_bytes=MAX_POSE_BYTES)
        shrink_kernel_buffers(socket)
        socket.setsockopt(zmq.CONFLATE, 1)
        socket.setsockopt(zmq.SUBSCRIBE, topic(avatar))
        if self._keys is not None:
            identify(socket, self._keys)
        socket.connect(self._endpoint)
        self._poller.register(socket, zmq.POLLIN)
        self._tracks[avatar] = _Track(socket=socket)

    def _housekeep(self, now: int) -> None:
        """Say HELLO when it is silent, and ask for the time."""
        if now >= self._hello_due_ns:
            self._hello_due_ns = now + _HELLO_NS
            self._tell(pack(Hello(client=self._name)))
        if now >= self._ping_due_ns:
            fast = self._pings < _FAST_PINGS
            self._ping_due_ns = now + (_FAST_PING_NS if fast else _PING_NS)
            self._pings += 1
            self._tell(pack(Ping(t0_ns=now)))
        self._due_ns = min(self._hello_due_ns, self._ping_due_ns)

    def _tell(self, data: bytes) -> None:
        try:
            self._state.send(data, zmq.NOBLOCK)
        except zmq.Again:  # nobody there and the queue is full of the same words
            return

    def _serve_state(self) -> None:
        for _ in range(_STATE_QUEUE):
            try:
                parts = self._state.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            arrived = self._clock()
            try:
                message = unpack_only(parts)
            except WireError:
                self._malformed += 1
                continue
            if isinstance(message, Pong):
                self._sync.add(message, arrived)
            elif isinstance(message, Welcome):
                self._meet(message)
            elif isinstance(message, AvatarDescriptor):
                self._learn(message)
            elif isinstance(message, Refusal):
                raise WireError(f"subscriber: refused: {message.reason}: {self._endpoint}")

    def _meet(self, welcome: Welcome) -> None:
        for entry in welcome.avatars:
            if self._avatar_id not in (None, entry.avatar):
                continue
            self._follow(entry.avatar)
            track = self._tracks.get(entry.avatar)
            if track is None:
                continue
            if entry.descriptor not in self._descriptors:
                self._ask(entry.descriptor)
            if track.session != welcome.session and entry.newest is not None:
                if entry.descriptor in self._descriptors:
                    self._ready.append((entry.avatar, entry.newest))
                else:
                    track.waiting = entry.newest

    def _learn(self, descriptor: AvatarDescriptor) -> None:
        if descriptor.hash not in self._asked or len(self._descriptors) >= _MAX_AVATARS:
            return
        self._descriptors[descriptor.hash] = descriptor
        for avatar, track in self._tracks.items():
            if track.waiting is not None:
                self._ready.append((avatar, track.waiting))
                track.waiting = None
