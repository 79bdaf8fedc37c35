"""StateLine: a client's end of the state plane, the same for a receiver and a relay."""

from __future__ import annotations

from collections.abc import Iterator

import zmq

from twinsdk.bridge.clock_sync import ClockSync
from twinsdk.bridge.endpoints import MAX_STATE_BYTES, configure
from twinsdk.bridge.keys import ClientKeys
from twinsdk.bridge.messages import (
    DescriptorRequest,
    Hello,
    Message,
    Ping,
    Pong,
    pack,
    unpack_only,
)
from twinsdk.bridge.zap import identify
from twinsdk.core.clock import Clock
from twinsdk.errors import WireError

__all__ = ["StateLine"]

_QUEUE = 64
_HELLO_NS = 500_000_000
_FAST_PING_NS, _PING_NS, _FAST_PINGS = 100_000_000, 1_000_000_000, 10
_REQUEST_NS = 250_000_000
_MAX_ASKED = 4096


class StateLine:
    """Says HELLO while it hears nothing, keeps the clocks compared, asks and takes answers.

    Args:
        context: Of the socket.
        endpoint: Where the publisher or relay listens.
        keys: This client's.
        name: Who it is, for people.
        clock: Monotonic nanoseconds.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        *,
        keys: ClientKeys | None,
        name: str,
        clock: Clock,
    ) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        configure(self.socket, queue=_QUEUE, limit_bytes=MAX_STATE_BYTES)
        if keys is not None:
            identify(self.socket, keys)
        self.socket.connect(endpoint)
        self.sync = ClockSync()
        self.malformed = 0
        """Messages dropped because they made no sense."""
        self.unanswered = 0
        """Questions of the last second that wait for their answer."""
        self._hello = pack(Hello(client=name))
        self._clock = clock
        self._asked: dict[int, int] = {}
        self._pings = self._hello_due_ns = self._ping_due_ns = 0

    def tell(self, data: bytes) -> None:
        """Send a message that needs no answer; never waits."""
        try:
            self.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:  # nobody there and the queue is full of the same words
            return

    def request(self, data: bytes) -> None:
        """Send a message that is answered; never waits."""
        self.unanswered += 1
        self.tell(data)

    def ask(self, descriptor: int) -> None:
        """Ask for an avatar descriptor, not more often than is of use."""
        now = self._clock()
        if now - self._asked.get(descriptor, -_REQUEST_NS) < _REQUEST_NS:
            return
        if descriptor not in self._asked:  # perhaps a publisher that does not know us yet
            if len(self._asked) >= _MAX_ASKED:
                self._asked.clear()
            self.request(self._hello)
        self._asked[descriptor] = now
        self.request(pack(DescriptorRequest(hash=descriptor)))

    def was_asked(self, descriptor: int) -> bool:
        """Return whether a descriptor was asked for; others come from a stranger."""
        return descriptor in self._asked

    def greet_anew(self) -> None:
        """Start over: the other side was restarted, perhaps on another machine."""
        self.sync.reset()
        self._hello_due_ns = self._ping_due_ns = self._pings = 0

    def housekeep(self, now_ns: int, heard_ns: int) -> int:
        """Greet and ask for the time where it is due; return when to come again.

        Args:
            now_ns: The time.
            heard_ns: When the newest frame came; HELLO is for when it is silent.
        """
        hello_due = max(self._hello_due_ns, heard_ns + _HELLO_NS if heard_ns else 0)
        if now_ns >= hello_due:
            self._hello_due_ns = hello_due = now_ns + _HELLO_NS
            self.request(self._hello)
        if now_ns >= self._ping_due_ns:
            fast = self._pings < _FAST_PINGS
            self._ping_due_ns = now_ns + (_FAST_PING_NS if fast else _PING_NS)
            self._pings += 1
            self.unanswered = 0  # what was not answered until now will not be
            self.request(pack(Ping(t0_ns=now_ns)))
        return min(hello_due, self._ping_due_ns)

    def messages(self) -> Iterator[tuple[Message, bytes]]:
        """Yield what waits, also as bytes; answers about the clock are taken in here."""
        for _ in range(_QUEUE):
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            arrived = self._clock()
            self.unanswered = max(0, self.unanswered - 1)
            try:
                message = unpack_only(parts)
            except WireError:
                self.malformed += 1
                continue
            if isinstance(message, Pong):
                self.sync.add(message, arrived)
            else:
                yield message, parts[0]
