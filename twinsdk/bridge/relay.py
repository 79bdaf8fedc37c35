"""Relay: takes streams in and gives them away again, to many receivers or to further relays."""

from __future__ import annotations

import secrets
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import zmq

from twinsdk.bridge.avatar_file import FileChunk
from twinsdk.bridge.clock_sync import ClockSync
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.endpoints import (
    MAX_POSE_BYTES,
    configure,
    parse_endpoint,
    shrink_kernel_buffers,
)
from twinsdk.bridge.keys import ClientKeys, ServerKeys, Token
from twinsdk.bridge.layout import Layout, read_layout
from twinsdk.bridge.messages import AvatarEntry, Welcome
from twinsdk.bridge.outlet import Outlet, OutletStats
from twinsdk.bridge.relay_files import RelayFiles
from twinsdk.bridge.state_line import StateLine
from twinsdk.bridge.wire import read_prefix, topic
from twinsdk.bridge.zap import identify
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.closing import Closing
from twinsdk.errors import EndpointError, WireError

__all__ = ["Relay", "RelayStats"]

_QUEUE = 4
_MAX_AVATARS = 4096
_I64 = struct.Struct("<q")


@dataclass(frozen=True, kw_only=True)
class RelayStats:
    """What a relay did so far.

    Attributes:
        outlet: What it gave away.
        avatars: Twins that pass through.
        malformed: Messages from above dropped because they made no sense.
        collisions: Messages dropped because two sources use one avatar id; give each publisher an
            `avatar_id` of its own.
    """

    outlet: OutletStats
    avatars: int
    malformed: int
    collisions: int


@dataclass
class _Source:
    """A publisher or relay above."""

    pose: zmq.Socket[bytes]
    line: StateLine
    heard_ns: int = 0


@dataclass
class _Twin:
    """One avatar that passes through."""

    source: _Source
    layout: Layout
    descriptor: int
    newest: bytes


class Relay(Closing):
    """Repeats the newest frames of one or more streams; a context manager with its own thread.

    Times in the frames are put into this machine's clock, so that receivers measure latency against
    the relay they talk to. Descriptors and newest frames are kept for late joiners, avatar files
    that a source gives away are fetched into the cache and given away again.

    Args:
        sources: Pose endpoints or pairing tokens of publishers or other relays.
        endpoint: Where this one sends poses from.
        state_endpoint: Where receivers say HELLO, by default beside it.
        keys: This relay's own; needed where other machines can reach the endpoint.
        clock: Monotonic nanoseconds.

    Raises:
        EndpointError: An address is malformed, taken, or reachable from other machines.
    """

    def __init__(
        self,
        sources: Sequence[str],
        endpoint: str,
        *,
        state_endpoint: str | None = None,
        keys: ServerKeys | None = None,
        clock: Clock = now_ns,
    ) -> None:
        if not sources:
            raise EndpointError("relay: expected at least one source, got none")
        self.session = secrets.randbits(63) | 1
        self._clock = clock
        self._twins: dict[int, _Twin] = {}
        self._descriptors: dict[int, bytes] = {}
        self._codec = 0
        self._malformed = self._collisions = 0
        self._files = RelayFiles(clock)
        self._offers: dict[int, AvatarEntry] = {}
        self._closing = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._sources = [self._connect(source) for source in sources]
            self._outlet = Outlet(
                endpoint,
                state_endpoint=state_endpoint,
                keys=keys,
                queue=_QUEUE,
                welcome=self._welcome,
                descriptor=self._descriptors.get,
                file=self._files.chunk,
                clock=clock,
            )
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._thread = threading.Thread(target=self._run, name="twinsdk-relay", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where poses are sent from, with the port it got."""
        return str(self._outlet.endpoint)

    @property
    def state_endpoint(self) -> str:
        """Where receivers say HELLO, with the port it got."""
        return str(self._outlet.state_endpoint)

    @property
    def stats(self) -> RelayStats:
        """What was done so far."""
        return RelayStats(
            outlet=self._outlet.stats,
            avatars=len(self._twins),
            malformed=self._malformed + sum(s.line.malformed for s in self._sources),
            collisions=self._collisions,
        )

    def close(self) -> None:
        """Stop relaying and free the ports; a second call does nothing."""
        if not self._closing.is_set():
            self._closing.set()
            self._thread.join(timeout=5)
            self._outlet.close()
            self._context.destroy(linger=0)

    def _connect(self, source: str) -> _Source:
        keys: ClientKeys | None = None
        if Token.is_token(source):
            token = Token.parse(source)
            source, keys = token.endpoint, token.keys
        place = parse_endpoint(source)
        if place.port == 0:
            raise EndpointError(f"endpoint: expected a port to connect to, got {place}")
        pose = self._context.socket(zmq.SUB)
        configure(pose, queue=_QUEUE, limit_bytes=MAX_POSE_BYTES)
        shrink_kernel_buffers(pose)
        if keys is not None:
            identify(pose, keys)
        pose.setsockopt(zmq.SUBSCRIBE, topic())
        pose.connect(str(place))
        line = StateLine(
            self._context, str(place.state()), keys=keys, name="twinsdk.Relay", clock=self._clock
        )
        return _Source(pose=pose, line=line)

    def _run(self) -> None:
        poller = zmq.Poller()
        for source in self._sources:
            poller.register(source.line.socket, zmq.POLLIN)
            poller.register(source.pose, zmq.POLLIN)
        while not self._closing.is_set():
            ready = dict(poller.poll(100))
            now = self._clock()
            for source in self._sources:
                if source.pose in ready:
                    self._repeat(source)
                if source.line.socket in ready:
                    self._listen(source)
                source.line.housekeep(now, source.heard_ns)
            self._step_files()

    def _repeat(self, source: _Source) -> None:
        for _ in range(256):  # then look at the other sources again
            try:
                message = source.pose.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            source.heard_ns = self._clock()
            try:
                self._pass_on(source, message)
            except WireError:
                self._malformed += 1

    def _pass_on(self, source: _Source, message: bytes) -> None:
        prefix = read_prefix(message)
        twin = self._twins.get(prefix.avatar)
        if twin is None or not twin.layout.fits(message):
            layout = read_layout(message)
        else:
            layout = twin.layout
        descriptor = int(layout.read_scalars(message)[5])
        if descriptor not in self._descriptors:
            source.line.ask(descriptor)
            return
        if twin is not None and twin.source is not source:
            self._collisions += 1
            return
        message = _in_our_time(message, layout, source.line.sync)
        if twin is None:
            if len(self._twins) >= _MAX_AVATARS:
                self._collisions += 1
                return
            self._codec = prefix.codec
            self._twins[prefix.avatar] = _Twin(
                source=source, layout=layout, descriptor=descriptor, newest=message
            )
            self._outlet.announce()
        else:
            twin.layout, twin.newest = layout, message
            if twin.descriptor != descriptor:
                twin.descriptor = descriptor
                self._outlet.announce()
        self._outlet.send(message)

    def _listen(self, source: _Source) -> None:
        for message, data in source.line.messages():
            if isinstance(message, AvatarDescriptor):
                if source.line.was_asked(message.hash):
                    self._descriptors.setdefault(message.hash, data)
            elif isinstance(message, FileChunk):
                try:
                    self._files.keep(message)
                except WireError:
                    self._malformed += 1
            elif isinstance(message, Welcome):
                self._meet(source, message)

    def _step_files(self) -> None:
        try:
            self._files.step()
        except WireError:
            self._malformed += 1

    def _meet(self, source: _Source, welcome: Welcome) -> None:
        for entry in welcome.avatars:
            if entry.avatar in self._offers or len(self._offers) < _MAX_AVATARS:
                known = self._offers.get(entry.avatar)
                self._offers[entry.avatar] = entry
                self._files.want(entry, source.line.request)
                if entry.avatar in self._twins and (known is None or known.file != entry.file):
                    self._outlet.announce()
            if entry.descriptor not in self._descriptors:
                source.line.ask(entry.descriptor)
            elif entry.newest is not None and entry.avatar not in self._twins:
                try:
                    self._pass_on(source, entry.newest)
                except WireError:
                    self._malformed += 1

    def _welcome(self, endpoint: str) -> Welcome:
        return Welcome(
            session=self.session,
            pose_endpoint=endpoint,
            codec=self._codec,
            avatars=tuple(self._entry(avatar, twin) for avatar, twin in list(self._twins.items())),
            now_ns=self._clock(),
        )

    def _entry(self, avatar: int, twin: _Twin) -> AvatarEntry:
        offer = self._offers.get(avatar)
        return AvatarEntry(
            avatar=avatar,
            descriptor=twin.descriptor,
            newest=twin.newest,
            file=offer.file if offer else None,
            file_bytes=offer.file_bytes if offer else 0,
        )


def _in_our_time(message: bytes, layout: Layout, sync: ClockSync) -> bytes:
    """Return the message with its two times in this machine's clock."""
    offset = sync.to_local(0)
    if offset == 0:
        return message
    patched = bytearray(message)
    for name in ("t_capture_ns", "t_send_ns"):
        at = layout.places.get(name)
        if at is not None:
            (then,) = _I64.unpack_from(message, at)
            _I64.pack_into(patched, at, min(max(then + offset, -(2**63)), 2**63 - 1))
    return bytes(patched)
