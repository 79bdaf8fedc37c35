"""Outlet: the two bound sockets of whoever gives a stream away, a publisher or a relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import zmq

from twinsdk.bridge.avatar_file import FileRequest
from twinsdk.bridge.client_statistics import ClientStatistics
from twinsdk.bridge.devices import DevicePoses, Haptic
from twinsdk.bridge.endpoints import (
    Endpoint,
    bind,
    configure,
    parse_endpoint,
    refuse_exposure,
    shrink_kernel_buffers,
)
from twinsdk.bridge.keys import ServerKeys
from twinsdk.bridge.messages import Welcome
from twinsdk.bridge.state import StateServer
from twinsdk.bridge.zap import Gatekeeper, guard
from twinsdk.core.clock import Clock
from twinsdk.errors import EndpointError, UsageError

__all__ = ["Outlet", "OutletStats"]

_MAX_SUBSCRIPTION_BYTES = 1024
_PORT_TRIES = 32
_MAX_CHANGES = 4096
_NOBLOCK = int(zmq.NOBLOCK)  # an enum's member takes microseconds to become a number
_COUNT_EVERY = 16
"""Sends between looks at who came and went: after each one it would keep the processor from the
thread that is just carrying the message away."""


@dataclass(frozen=True, kw_only=True)
class OutletStats:
    """What was given away so far.

    Attributes:
        sent: Pose messages handed to the socket.
        sent_bytes: Their bytes, counted once however many receive them.
        subscribers: Pose subscriptions now, one per receiver and avatar.
        clients: Receivers that said HELLO and were heard from in the last ten seconds.
        refused: HELLOs refused in words.
        denied: Connections of devices that are not paired.
        malformed: Messages dropped because they made no sense.
        throttled: Messages dropped because their client sent too many.
        receivers: What each receiver says of the stream it gets, each second, by name and number.
    """

    sent: int
    sent_bytes: int
    subscribers: int
    clients: int
    refused: int
    denied: int
    malformed: int
    throttled: int
    receivers: Mapping[str, ClientStatistics]


class Outlet:
    """Binds the pose and the state plane; `send` belongs to one thread.

    Args:
        endpoint: Where poses are sent from.
        state_endpoint: Where clients say HELLO, None for the place beside it.
        keys: The stream's, None on this machine only.
        queue: Messages kept for a receiver whose link is busy.
        welcome: Makes the current WELCOME that names a pose endpoint; called in the state thread,
            perhaps before this returns.
        descriptor: Returns the packed descriptor of a hash, or None; called there too.
        file: Returns the packed chunk of an avatar file, or None; called there too.
        clock: Monotonic nanoseconds.

    Raises:
        EndpointError: An address is malformed, taken, or reachable from other machines.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        state_endpoint: str | None,
        keys: ServerKeys | None,
        queue: int,
        welcome: Callable[[str], Welcome],
        descriptor: Callable[[int], bytes | None],
        file: Callable[[FileRequest], bytes | None] | None = None,
        clock: Clock,
    ) -> None:
        pose = parse_endpoint(endpoint)
        state = parse_endpoint(state_endpoint) if state_endpoint else None
        if keys is None:
            for place in filter(None, (pose, state)):
                refuse_exposure(place)
        self._keys, self._queue, self._clock = keys, queue, clock
        self._welcome, self._descriptor, self._file = welcome, descriptor, file
        self._sent = self._sent_bytes = self._subscribers = self._malformed = 0
        self._closed = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            # First of all, since libzmq lets everybody in while nobody answers for the door.
            self._gatekeeper = Gatekeeper(self._context, keys.name_of) if keys else None
            self._listen(pose, state)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def _listen(self, pose: Endpoint, state: Endpoint | None) -> None:
        """Bind both planes; with any free port, until the port after it is free too."""
        for attempt in range(_PORT_TRIES):
            self._pose = self._context.socket(zmq.XPUB)
            configure(self._pose, queue=self._queue, limit_bytes=_MAX_SUBSCRIPTION_BYTES)
            shrink_kernel_buffers(self._pose)
            # Every subscription is reported, so that they can be counted.
            self._pose.setsockopt(zmq.XPUB_VERBOSER, 1)
            self._pose.setsockopt(zmq.TOS, 0xB8)  # expedited forwarding
            if self._keys is not None:
                guard(self._pose, self._keys)
            self.endpoint = bind(self._pose, pose)
            try:
                self._state = StateServer(
                    self._context,
                    state or self.endpoint.state(),
                    welcome=lambda: self._welcome(str(self.endpoint)),
                    descriptor=self._descriptor,
                    file=self._file,
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

    @property
    def state_endpoint(self) -> Endpoint:
        """Where clients say HELLO, with the port it got."""
        return self._state.endpoint

    @property
    def stats(self) -> OutletStats:
        """What was given away so far."""
        state = self._state.stats
        return OutletStats(
            sent=self._sent,
            sent_bytes=self._sent_bytes,
            subscribers=self._subscribers,
            clients=state.clients,
            refused=state.refused,
            denied=state.denied,
            malformed=self._malformed + state.malformed,
            throttled=state.throttled,
            receivers=state.receivers,
        )

    def send(self, message: bytes) -> None:
        """Send one pose message to whoever listens; never waits.

        Raises:
            UsageError: It was closed.
        """
        try:
            self._pose.send(message, _NOBLOCK)
        except zmq.ZMQError as error:
            if self._closed:
                raise UsageError("publisher: expected an open one, it was closed") from error
            raise
        if self._sent % _COUNT_EVERY == 0:
            self._count_subscriptions()
        self._sent += 1
        self._sent_bytes += len(message)

    def announce(self) -> None:
        """Send every client the current WELCOME soon."""
        self._state.announce()

    def devices(self) -> dict[str, DevicePoses]:
        """Return the newest device poses of each client, by its name."""
        return self._state.devices()

    def shake(self, haptic: Haptic) -> None:
        """Send every client a haptic pulse."""
        self._state.shake(haptic)

    def close(self) -> None:
        """Stop serving and free both ports; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._state.close()
        self._pose.close()
        self._context.destroy(linger=0)

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
