"""Subscriber: the newest TwinFrame of a stream, decoded on the avatar's skeleton."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType

import zmq.asyncio

from twinsdk.bridge.client_statistics import SubscriberStats
from twinsdk.bridge.descriptor import AvatarDescriptor
from twinsdk.bridge.jitter import JitterBuffer, JitterConfig
from twinsdk.bridge.keys import ClientKeys
from twinsdk.bridge.receiver import DRAIN_S, Receiver
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.errors import EndpointError

__all__ = ["AsyncSubscriber", "Subscriber", "SubscriberStats"]

_MOST_WAITING = 64


class Subscriber(Receiver, Closing):
    """A receiver of one publisher or relay; a context manager and an iterator of TwinFrames.

    It may be opened before the publisher and outlives its restarts. Use it from one thread.

    Args:
        endpoint: The publisher's pose endpoint, or the pairing token this device was given.
        avatar_id: Which twin; None for all of the stream, each one's newest frame in turn.
        state_endpoint: Where to ask for the avatar; by default the next port, or for ipc the path
            with `.state`.
        keys: This device's, where they are not in a token.
        max_age_s: Frames older than this when they arrive are dropped; None keeps all.
        jitter: How `shown` weighs smoothness against delay.
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
        jitter: JitterConfig | None = None,
        name: str = "twinsdk.Subscriber",
        clock: Clock = now_ns,
    ) -> None:
        super().__init__(
            endpoint,
            avatar_id=avatar_id,
            state_endpoint=state_endpoint,
            keys=keys,
            max_age_s=max_age_s,
            name=name,
            clock=clock,
        )
        self._jitter = jitter
        self._buffers: dict[int, JitterBuffer] = {}

    def __iter__(self) -> Iterator[TwinFrame]:
        """Yield the newest frames as they come, without end."""
        return self.frames()

    def frames(self, *, timeout_s: float | None = None) -> Iterator[TwinFrame]:
        """Yield the newest frames as they come; end when none came for `timeout_s`."""
        while (frame := self.recv(timeout_s)) is not None:
            yield frame

    def recv(self, timeout_s: float | None = None) -> TwinFrame | None:
        """Return the newest frame, waiting for it; None when none came within `timeout_s`.

        Args:
            timeout_s: None waits for ever, 0 only looks.

        Raises:
            WireError: The publisher refuses this client, or speaks another wire version.
            UsageError: The subscriber was closed.
        """
        deadline = None if timeout_s is None else self.clock() + round(timeout_s * 1e9)
        while True:
            wait, before = self.wait_ms(deadline), self.clock()
            if self.flows(wait):
                frame = self.take_next(wait)
            else:
                events = self.poller.poll(wait)
                if self.overslept(before, wait):
                    time.sleep(DRAIN_S)
                # The state plane's socket was registered first, so it is reported first.
                frame = self.take(state_waits=bool(events) and events[0][0] is self.line.socket)
            if frame is not None:
                return frame
            if deadline is not None and self.clock() >= deadline:
                return None

    def shown(self) -> list[TwinFrame]:
        """Return what to show of each twin now, by avatar id; never waits.

        For a renderer that runs at a rate of its own: call it once a picture, not `recv`. The
        frames lie on the timeline of their capture, a little late, so that uneven arrivals are even
        motion; they never step back. Their timestamps are in this machine's clock.

        Raises:
            WireError: The publisher refuses this client, or speaks another wire version.
            UsageError: The subscriber was closed.
        """
        for _ in range(_MOST_WAITING):  # a picture is due, however fast frames come
            frame = self.recv(0)
            if frame is None:
                break
            buffer = self._buffers.get(frame.avatar_id)
            if buffer is None:
                buffer = JitterBuffer(self._jitter, clock=self.clock)
                self._buffers[frame.avatar_id] = buffer
            buffer.add(frame, self.sync.to_local(frame.timestamp_ns))
        samples = (self._buffers[avatar].sample() for avatar in sorted(self._buffers))
        return [sample for sample in samples if sample is not None]

    def wait(self, timeout_s: float) -> AvatarDescriptor:
        """Return the avatar's descriptor, waiting for it; frames that come meanwhile are dropped.

        Raises:
            EndpointError: No publisher answered in time.
        """
        deadline = self.clock() + round(timeout_s * 1e9)
        while self.descriptor is None:
            left = deadline - self.clock()
            if left <= 0:
                raise EndpointError(
                    f"endpoint: no publisher answered within {timeout_s:g} s; is it running and "
                    f"sending, and is this device paired if it has keys? {self.endpoint}"
                )
            self.recv(min(left / 1e9, 0.05))
        return self.descriptor

    def avatar(self, avatar_id: int | None = None, *, timeout_s: float = 60.0) -> Path:
        """Return the avatar's VRM file, fetched into the cache where it is not there yet.

        It is checked by its SHA-256; a try that was cut goes on where it stopped. Frames that come
        meanwhile are dropped.

        Args:
            avatar_id: Whose; None for the first twin of the stream.
            timeout_s: Longest wait.

        Raises:
            EndpointError: The stream gives no file away, or it did not come in time.
            WireError: What came is not what was offered.
        """
        deadline = self.clock() + round(timeout_s * 1e9)
        while (path := self.files.step(avatar_id, deadline, self.endpoint)) is None:
            self.recv(0.02)
        return path


class AsyncSubscriber(Receiver):
    """`Subscriber` for asyncio: `async with`, `async for`, `await recv()`.

    Takes the same arguments, without `jitter`, and gives the same frames and statistics.
    """

    async def __aenter__(self) -> AsyncSubscriber:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[TwinFrame]:
        """Yield the newest frames as they come, without end."""
        return self.frames()

    async def frames(self, *, timeout_s: float | None = None) -> AsyncIterator[TwinFrame]:
        """Yield the newest frames as they come; end when none came for `timeout_s`."""
        while (frame := await self.recv(timeout_s)) is not None:
            yield frame

    async def recv(self, timeout_s: float | None = None) -> TwinFrame | None:
        """Return the newest frame, waiting for it; None when none came within `timeout_s`.

        Raises:
            WireError: The publisher refuses this client, or speaks another wire version.
            UsageError: The subscriber was closed.
        """
        deadline = None if timeout_s is None else self.clock() + round(timeout_s * 1e9)
        while True:
            waiting = zmq.asyncio.Poller()
            for socket, events in self.poller.sockets:
                waiting.register(socket, events)
            wait, before = self.wait_ms(deadline), self.clock()
            await waiting.poll(wait)
            if self.overslept(before, wait):
                await asyncio.sleep(DRAIN_S)
            # Asked anew: what the loop was told may be read already.
            frame = self.take(state_waits=True)
            if frame is not None:
                return frame
            if deadline is not None and self.clock() >= deadline:
                return None

    async def avatar(self, avatar_id: int | None = None, *, timeout_s: float = 60.0) -> Path:
        """Return the avatar's VRM file; as `Subscriber.avatar`."""
        deadline = self.clock() + round(timeout_s * 1e9)
        while (path := self.files.step(avatar_id, deadline, self.endpoint)) is None:
            await self.recv(0.02)
        return path
