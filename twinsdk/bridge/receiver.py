"""Receiver: the working parts that the blocking and the asynchronous subscriber share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import zmq

from twinsdk.bridge.avatar_fetch import AvatarFetch
from twinsdk.bridge.avatar_file import FileChunk
from twinsdk.bridge.client_statistics import ClientStatistics, SubscriberStats
from twinsdk.bridge.clock_sync import ClockSync
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.devices import DevicePoses, Haptic
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

__all__ = ["DRAIN_S", "Receiver"]

_STATE_QUEUE = 64
_HELLO_NS = 500_000_000
_STATISTICS_NS = 1_000_000_000
_FAST_PING_NS, _PING_NS, _FAST_PINGS = 100_000_000, 1_000_000_000, 10
_REQUEST_NS = 250_000_000
_MAX_AVATARS = 256
_STOPPED_NS = 150_000_000
DRAIN_S = 0.005


@dataclass
class _Track:
    """One avatar of the stream, as seen from here."""

    decoder: FrameDecoder | None = None
    descriptor: AvatarDescriptor | None = None
    session: int = 0
    sequence: int = 0
    t_send_ns: int = 0
    waiting: bytes | None = field(default=None)
    """A message whose descriptor was asked for."""


class Receiver:
    """What every receiver does but the waiting: sockets, greetings, decoding, counting.

    See `twinsdk.bridge.subscriber` for its arguments.
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
        self.endpoint, self._avatar_id = str(pose), avatar_id
        self._max_age_ns = None if max_age_s is None else round(max_age_s * 1e9)
        self._name, self.clock, self._keys = name, clock, keys
        self._descriptors: dict[int, AvatarDescriptor] = {}
        self._asked: dict[int, int] = {}
        self._tracks: dict[int, _Track] = {}
        self._ready: deque[tuple[int, bytes]] = deque()
        self._order: list[tuple[int, zmq.Socket[bytes]]] = []
        self._turn = 0
        self.sync = ClockSync()
        self._pings = self._greeted = 0
        self._due_ns = self._hello_due_ns = self._ping_due_ns = 0
        self._statistics_due_ns, self._told = clock() + _STATISTICS_NS, 0
        self._newest_ns = 0
        self.files = AvatarFetch(self._tell, clock)
        self._received = self._lost = self._reordered = self._stale = 0
        self._malformed = self._restarts = 0
        self._ages: deque[int] = deque(maxlen=600)
        self._haptics: deque[Haptic] = deque(maxlen=16)
        self._closed = False
        self.header: FrameHeader | None = None
        """What the last frame's message said besides the frame."""
        self.message = b""
        """The last frame's message as it came."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.poller = zmq.Poller()
        self.state: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        configure(self.state, queue=_STATE_QUEUE, limit_bytes=MAX_STATE_BYTES)
        if keys is not None:
            identify(self.state, keys)
        self.state.connect(str(state))
        self.poller.register(self.state, zmq.POLLIN)
        if avatar_id is not None:
            self._follow(avatar_id)
        self._housekeep(clock())

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
            clock=self.sync.best,
        )

    def close(self) -> None:
        """Close every socket; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._context.destroy(linger=0)

    def send_devices(self, poses: DevicePoses) -> None:
        """Tell the publisher where this client's headset and hands are; never waits."""
        self._tell(pack(poses))

    def haptics(self) -> list[Haptic]:
        """Return the haptic pulses that came since the last call, oldest first."""
        found = list(self._haptics)
        self._haptics.clear()
        return found

    def wait_ms(self, deadline_ns: int | None) -> int:
        """Do what is due and return how long to wait for the sockets, at most to a deadline.

        Raises:
            UsageError: It was closed.
        """
        if self._closed:
            raise UsageError("subscriber: expected an open one, it was closed")
        now = self.clock()
        if now >= self._due_ns:
            self._housekeep(now)
        if self._ready:
            return 0
        wait_ns = self._due_ns - now
        if deadline_ns is not None:
            wait_ns = min(wait_ns, deadline_ns - now)
        return max(0, -(-wait_ns // 1_000_000))

    def overslept(self, before_ns: int, wait_ms: int) -> bool:
        """Return whether waiting took far longer than asked: this process was stopped meanwhile.

        What the kernel held comes in several reads then, each with a newest frame of its own; after
        `DRAIN_S` they are one, the newest of all.
        """
        return self.clock() - before_ns > wait_ms * 1_000_000 + _STOPPED_NS

    def take(self, *, state_waits: bool) -> TwinFrame | None:
        """Return a frame that is here, or None; never waits.

        Args:
            state_waits: Whether the state plane has something to say, as the poller told.

        Raises:
            WireError: The publisher refuses this client.
        """
        if state_waits:
            self._serve_state()
        while self._ready:  # messages that waited for their descriptor
            frame = self._take(*self._ready.popleft())
            if frame is not None:
                return frame
        order = self._order
        for i in range(len(order)):  # the next avatar first, so that none starves
            avatar, socket = order[(self._turn + i) % len(order)]
            try:
                message = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                continue
            frame = self._take(avatar, message)
            if frame is not None:
                self._turn = (self._turn + i + 1) % len(order)
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
        accepted = self._accept(track, frame, header)
        if accepted is not None:
            self.message = message
        return accepted

    def _accept(self, track: _Track, frame: TwinFrame, header: FrameHeader) -> TwinFrame | None:
        now = self.clock()
        if header.session != track.session:
            if track.session:
                self._restarts += 1
                self.sync.reset()
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
        age = now - self.sync.to_local(frame.timestamp_ns)
        if self._max_age_ns is not None and age > self._max_age_ns:
            self._stale += 1
            return None
        self._ages.append(age)
        self._received += 1
        self._hello_due_ns = now + _HELLO_NS
        self._newest_ns = now
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
        now = self.clock()
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
        socket.connect(self.endpoint)
        self.poller.register(socket, zmq.POLLIN)
        self._tracks[avatar] = _Track()
        self._order.append((avatar, socket))

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
        if now >= self._statistics_due_ns:
            self._statistics_due_ns = now + _STATISTICS_NS
            self._report(now)
        self._due_ns = min(self._hello_due_ns, self._ping_due_ns, self._statistics_due_ns)

    def _report(self, now: int) -> None:
        """Tell the publisher how its stream arrives, where any of it did since the last time."""
        if self._received == self._told:
            return
        self._told, seen = self._received, self.stats
        told = ClientStatistics(
            received=seen.received,
            lost=seen.lost,
            age_p50_ms=seen.age_p50_ms,
            age_p99_ms=seen.age_p99_ms,
            held_ms=(now - self._newest_ns) / 1e6,
        )
        self._tell(pack(told))

    def _tell(self, data: bytes) -> None:
        try:
            self.state.send(data, zmq.NOBLOCK)
        except zmq.Again:  # nobody there and the queue is full of the same words
            return

    def _serve_state(self) -> None:
        for _ in range(_STATE_QUEUE):
            try:
                parts = self.state.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            arrived = self.clock()
            try:
                message = unpack_only(parts)
            except WireError:
                self._malformed += 1
                continue
            if isinstance(message, Pong):
                self.sync.add(message, arrived)
            elif isinstance(message, Welcome):
                self._meet(message)
            elif isinstance(message, AvatarDescriptor):
                self._learn(message)
            elif isinstance(message, FileChunk):
                self.files.keep(message)
            elif isinstance(message, Haptic):
                self._haptics.append(message)
            elif isinstance(message, Refusal):
                raise WireError(f"subscriber: refused: {message.reason}: {self.endpoint}")

    def _meet(self, welcome: Welcome) -> None:
        for entry in welcome.avatars:
            if self._avatar_id not in (None, entry.avatar):
                continue
            self.files.offer(entry)
            self._follow(entry.avatar)
            track = self._tracks.get(entry.avatar)
            if track is None:
                continue
            if entry.descriptor not in self._descriptors:
                self._ask(entry.descriptor)
            # A publisher's session is that of its frames, a relay's is its own.
            fresh = track.session == 0 or welcome.session != self._greeted
            if fresh and track.session != welcome.session and entry.newest is not None:
                if entry.descriptor in self._descriptors:
                    self._ready.append((entry.avatar, entry.newest))
                else:
                    track.waiting = entry.newest
        self._greeted = welcome.session

    def _learn(self, descriptor: AvatarDescriptor) -> None:
        if descriptor.hash not in self._asked or len(self._descriptors) >= _MAX_AVATARS:
            return
        self._descriptors[descriptor.hash] = descriptor
        for avatar, track in self._tracks.items():
            if track.waiting is not None:
                self._ready.append((avatar, track.waiting))
                track.waiting = None
