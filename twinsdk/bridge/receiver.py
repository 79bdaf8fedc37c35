"""Receiver: the working parts that the blocking and the asynchronous subscriber share."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import zmq

from twinsdk.bridge.avatar_fetch import AvatarFetch
from twinsdk.bridge.avatar_file import FileChunk
from twinsdk.bridge.client_statistics import ClientStatistics, SubscriberStats
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.devices import DevicePoses, Haptic
from twinsdk.bridge.endpoints import (
    MAX_POSE_BYTES,
    configure,
    parse_endpoint,
    shrink_kernel_buffers,
)
from twinsdk.bridge.keys import ClientKeys, Token
from twinsdk.bridge.messages import Refusal, Welcome, pack
from twinsdk.bridge.state_line import StateLine
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

_STATISTICS_NS = 1_000_000_000
_MAX_AVATARS = 256
_STOPPED_NS = 150_000_000
_FLOWING_NS = 200_000_000
_WARM_MS = 1
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
        self.clock, self._keys = clock, keys
        self._descriptors: dict[int, AvatarDescriptor] = {}
        self._tracks: dict[int, _Track] = {}
        self._ready: deque[tuple[int, bytes]] = deque()
        self._order: list[tuple[int, zmq.Socket[bytes]]] = []
        self._turn = 0
        self._greeted = self._due_ns = self._newest_ns = 0
        self._waits_ms, self._interval_ns = -1, 0
        self._statistics_due_ns, self._told = clock() + _STATISTICS_NS, 0
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
        self.line = StateLine(self._context, str(state), keys=keys, name=name, clock=clock)
        self.sync = self.line.sync
        self.files = AvatarFetch(self.line.request, clock)
        self.poller.register(self.line.socket, zmq.POLLIN)
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
            malformed=self._malformed + self.line.malformed,
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
        self.line.tell(pack(poses))

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

    def flows(self, wait_ms: int) -> bool:
        """Return whether the next thing to come is most likely a frame of the only twin.

        Then the one pose socket is waited in itself, see `take_next`: waiting for several costs a
        receiver a tenth of a millisecond, since its caches are cold after each wait.
        """
        return (
            wait_ms > 0
            and len(self._order) == 1
            and self.line.unanswered == 0
            and self.clock() - self._newest_ns < _FLOWING_NS
        )

    def take_next(self, wait_ms: int) -> TwinFrame | None:
        """Return the next frame of the only twin; None when none came within some milliseconds.

        Raises:
            WireError: The publisher refuses this client.
        """
        self._serve_state()
        if self._ready:
            return self.take(state_waits=False)
        avatar, socket = self._order[0]
        before = self.clock()
        wait_ms = min(wait_ms, _FLOWING_NS // 1_000_000)
        early_ms = (self._newest_ns + self._interval_ns - before) // 1_000_000 - _WARM_MS
        message = None
        if 0 < early_ms < wait_ms:
            message = self._wait_in(socket, early_ms)
            if message is None:
                # Nothing is due yet: reading the last frame once more leaves the caches warm, and
                # the next one is read in a fifth of the time. It is dropped as a repetition.
                self._take(avatar, self.message)
                wait_ms -= early_ms
        message = message or self._wait_in(socket, wait_ms)
        if message is None:
            return None
        if self.overslept(before, wait_ms):
            time.sleep(DRAIN_S)
            message = self._wait_in(socket, 0) or message
        return self._take(avatar, message)

    def _wait_in(self, socket: zmq.Socket[bytes], wait_ms: int) -> bytes | None:
        if wait_ms != self._waits_ms:
            self._waits_ms = wait_ms
            socket.setsockopt(zmq.RCVTIMEO, wait_ms)
        try:
            return socket.recv()
        except zmq.Again:
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
                self._due_ns = 0
                self.line.greet_anew()
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
        gap, self._newest_ns = now - self._newest_ns, now
        if gap < _FLOWING_NS:
            self._interval_ns += (gap - self._interval_ns) // 8
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
        self.line.ask(descriptor_hash)
        return None

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
        """Do what is due on the state plane and note when to come again."""
        self._due_ns = self.line.housekeep(now, self._newest_ns)
        if now >= self._statistics_due_ns:
            self._statistics_due_ns = now + _STATISTICS_NS
            self._report(now)
        self._due_ns = min(self._due_ns, self._statistics_due_ns)

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
        self.line.tell(pack(told))

    def _serve_state(self) -> None:
        for message, _ in self.line.messages():
            if isinstance(message, Welcome):
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
                self.line.ask(entry.descriptor)
            # A publisher's session is that of its frames, a relay's is its own.
            fresh = track.session == 0 or welcome.session != self._greeted
            if fresh and track.session != welcome.session and entry.newest is not None:
                if entry.descriptor in self._descriptors:
                    self._ready.append((entry.avatar, entry.newest))
                else:
                    track.waiting = entry.newest
        self._greeted = welcome.session

    def _learn(self, descriptor: AvatarDescriptor) -> None:
        full = len(self._descriptors) >= _MAX_AVATARS
        if full or not self.line.was_asked(descriptor.hash):
            return
        self._descriptors[descriptor.hash] = descriptor
        for avatar, track in self._tracks.items():
            if track.waiting is not None:
                self._ready.append((avatar, track.waiting))
                track.waiting = None
