"""The state plane's server: a thread that greets clients and hands out avatar descriptors."""

from __future__ import annotations

import socket as os_socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import zmq

from twinsdk.bridge.avatar_file import FileRequest
from twinsdk.bridge.client_statistics import ClientStatistics
from twinsdk.bridge.devices import DevicePoses, Haptic
from twinsdk.bridge.endpoints import Endpoint, bind, configure
from twinsdk.bridge.keys import ServerKeys
from twinsdk.bridge.messages import (
    DescriptorRequest,
    Hello,
    Message,
    Ping,
    Pong,
    Refusal,
    Welcome,
    pack,
    unpack_only,
)
from twinsdk.bridge.wire import VERSION
from twinsdk.bridge.zap import Gatekeeper, guard
from twinsdk.core.clock import Clock, now_ns
from twinsdk.errors import WireError

__all__ = ["StateServer", "StateStats"]

_QUEUE = 1000
_MAX_REQUEST_BYTES = 1 << 16
_MAX_CLIENTS = 2048
_MAX_TOLD = 64  # browsers behind one gateway
_FORGET_NS = 10_000_000_000
_MAX_PER_SECOND = 400
"""Messages of one client that are answered; a client in good order sends fewer than thirty."""


@dataclass(frozen=True, kw_only=True)
class StateStats:
    """What a state server saw so far.

    Attributes:
        clients: Heard from in the last ten seconds.
        refused: HELLOs refused in words.
        denied: Connections of devices that are not paired.
        malformed: Messages dropped because they made no sense.
        throttled: Messages dropped because their client sent too many.
        receivers: What each client says of the stream it gets, by its name and number.
    """

    clients: int
    refused: int
    denied: int
    malformed: int
    throttled: int
    receivers: Mapping[str, ClientStatistics]


@dataclass
class _Client:
    seen_ns: int
    second: int = 0
    count: int = 0
    name: str = ""
    devices: DevicePoses | None = None
    statistics: dict[str, ClientStatistics] = field(default_factory=dict)


class StateServer:
    """Answers HELLO, descriptor requests and clock pings; pushes a WELCOME when avatars join.

    Args:
        endpoint: Where to listen.
        welcome: Makes the current WELCOME; called in the server's thread.
        descriptor: Returns the packed descriptor of a hash, or None; called in that thread too.
        file: Returns the packed chunk of a file, None for a file it does not have, nothing while
            it is on its way; None where no file is given away.
        keys: The stream's; clients must then be paired.
        clock: Monotonic nanoseconds, the publisher's.

    Raises:
        EndpointError: It cannot listen there.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: Endpoint,
        *,
        welcome: Callable[[], Welcome],
        descriptor: Callable[[int], bytes | None],
        file: Callable[[FileRequest], bytes | None] | None = None,
        keys: ServerKeys | None = None,
        gatekeeper: Gatekeeper | None = None,
        clock: Clock = now_ns,
    ) -> None:
        self._welcome, self._descriptor, self._clock = welcome, descriptor, clock
        self._file, self._gatekeeper = file, gatekeeper
        self._clients: dict[bytes, _Client] = {}
        self._malformed = self._refused = self._throttled = 0
        self._socket = context.socket(zmq.ROUTER)
        try:
            configure(self._socket, queue=_QUEUE, limit_bytes=_MAX_REQUEST_BYTES)
            if keys is not None:
                guard(self._socket, keys)
            self.endpoint = bind(self._socket, endpoint)
        except BaseException:
            self._socket.close()
            raise
        self._wake_reader, self._wake_writer = os_socket.socketpair()
        self._wake_writer.setblocking(False)
        self._closing = self._announcing = False
        self._outgoing: deque[bytes] = deque(maxlen=64)
        self._thread = threading.Thread(target=self._run, name="twinsdk-state", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> StateStats:
        """What was served so far."""
        return StateStats(
            clients=len(self._clients),
            refused=self._refused,
            denied=self._gatekeeper.denied if self._gatekeeper else 0,
            malformed=self._malformed,
            throttled=self._throttled,
            receivers={
                f"{whose or client.name} {identity.hex()}": told
                for identity, client in list(self._clients.items())
                for whose, told in list(client.statistics.items())
            },
        )

    def announce(self) -> None:
        """Send every client the current WELCOME soon; from any thread."""
        self._announcing = True
        self._wake()

    def devices(self) -> dict[str, DevicePoses]:
        """Return the newest device poses of each client that sent some, by name and number."""
        found = {}
        for identity, client in list(self._clients.items()):
            if client.devices is not None:
                found[f"{client.name} {identity.hex()}"] = client.devices
        return found

    def shake(self, haptic: Haptic) -> None:
        """Send every client a haptic pulse; from any thread."""
        self._outgoing.append(pack(haptic))
        self._wake()

    def close(self) -> None:
        """Stop the thread and close the socket."""
        self._closing = True
        self._wake()
        self._thread.join(timeout=5)
        self._wake_reader.close()
        self._wake_writer.close()

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"w")
        except BlockingIOError:  # enough wakes are waiting already
            return

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake_reader, zmq.POLLIN)
        if self._gatekeeper is not None:
            poller.register(self._gatekeeper.socket, zmq.POLLIN)
        while not self._closing:
            ready = dict(poller.poll(1000))
            if self._wake_reader.fileno() in ready:
                self._wake_reader.recv(4096)
            if self._gatekeeper is not None and self._gatekeeper.socket in ready:
                self._gatekeeper.serve()
            if self._socket in ready:
                self._serve_waiting()
            if self._announcing:
                self._announcing = False
                self._outgoing.append(pack(self._welcome()))
            while self._outgoing:
                data = self._outgoing.popleft()
                for identity in list(self._clients):
                    self._send(identity, data)
            self._forget_silent()
        self._socket.close()
        if self._gatekeeper is not None:
            self._gatekeeper.socket.close()

    def _serve_waiting(self) -> None:
        for _ in range(256):  # then look at the other duties again
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            arrived_ns = self._clock()
            try:
                answer = self._answer(parts[0], unpack_only(parts[1:]), arrived_ns)
            except WireError:
                self._malformed += 1
                continue
            if answer is not None:
                self._send(parts[0], answer)

    def _answer(self, identity: bytes, message: Message, arrived_ns: int) -> bytes | None:
        client = self._clients.get(identity)
        if client is not None and not self._within_rate(client, arrived_ns):
            return None
        if isinstance(message, Hello):
            return self._greet(identity, message, arrived_ns)
        if client is None:  # it says HELLO soon: this server was restarted
            return None
        return self._serve(client, message, arrived_ns)

    def _serve(self, client: _Client, message: Message, arrived_ns: int) -> bytes | None:
        if isinstance(message, Ping):
            return pack(Pong(t0_ns=message.t0_ns, t1_ns=arrived_ns, t2_ns=self._clock()))
        if isinstance(message, DevicePoses):
            client.devices = message
            return None
        if isinstance(message, ClientStatistics):
            if message.client in client.statistics or len(client.statistics) < _MAX_TOLD:
                client.statistics[message.client] = message
            return None
        if isinstance(message, FileRequest):
            chunk = self._file(message) if self._file else None
            refusal = Refusal(reason="this stream does not give that avatar file away")
            return pack(refusal) if chunk is None else chunk or None
        if isinstance(message, DescriptorRequest):
            found = self._descriptor(message.hash)
            if found is None:
                return pack(Refusal(reason=f"no avatar {message.hash:016x} in this stream"))
            return found
        raise WireError(f"state message: a client does not send {type(message).__name__}")

    def _greet(self, identity: bytes, hello: Hello, arrived_ns: int) -> bytes:
        welcome = self._welcome()
        reason = None
        if not hello.version_min <= VERSION <= hello.version_max:
            older = hello.version_max < VERSION
            reason = (
                f"this stream speaks wire version {VERSION}, the client reads "
                f"{hello.version_min} to {hello.version_max}; update the "
                f"{'client' if older else 'publisher'}"
            )
        elif welcome.codec not in hello.codecs:
            reason = (
                f"this stream is in codec {welcome.codec}, the client reads {list(hello.codecs)}; "
                "publish with another codec"
            )
        elif identity not in self._clients and len(self._clients) >= _MAX_CLIENTS:
            reason = f"this stream has {_MAX_CLIENTS} clients already; put a relay between"
        if reason is not None:
            self._refused += 1
            return pack(Refusal(reason=reason))
        client = self._clients.setdefault(identity, _Client(seen_ns=arrived_ns))
        client.name = hello.client
        return pack(welcome)

    def _within_rate(self, client: _Client, arrived_ns: int) -> bool:
        client.seen_ns = arrived_ns
        second = arrived_ns // 1_000_000_000
        if second != client.second:
            client.second, client.count = second, 0
        client.count += 1
        if client.count > _MAX_PER_SECOND:
            self._throttled += 1
            return False
        return True

    def _send(self, identity: bytes, data: bytes) -> None:
        try:
            self._socket.send_multipart((identity, data), zmq.NOBLOCK)
        except zmq.Again:  # its queue is full: it will say HELLO again
            self._clients.pop(identity, None)

    def _forget_silent(self) -> None:
        horizon = self._clock() - _FORGET_NS
        for identity in [key for key, client in self._clients.items() if client.seen_ns < horizon]:
            del self._clients[identity]
