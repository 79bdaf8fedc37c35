"""Malformed messages against every socket of the stream, beside clients in good order.

    python benchmarks/bridge/fuzz.py [--messages 1000000] [--only KIND ...] [--json FILE]

A process of its own sends noise, cut and damaged messages, and oversized ones, as fast as the
socket takes them; here the attacked end runs, with a publisher and a receiver beside it. What a
queue of a few messages or a rate limit throws away is never parsed, so both counts are told: sent,
and counted as malformed. Resident memory is that of the attacked process after a tenth and at the
end.
"""

# ruff: noqa: SLF001  # a hostile publisher sends below the public door
from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import socket as os_socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from latency import avatar, frame, restamped

from twinsdk.bridge import Publisher, Relay, Subscriber
from twinsdk.bridge.gateway import Gateway
from twinsdk.bridge.messages import Hello, pack
from twinsdk.bridge.vmc import VmcReceiver, VmcSender

HERE = "tcp://127.0.0.1:*"
_PIECES = 1009


def memory_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123  # Linux only, and no path of ours
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def spoilt(whole: bytes, start: bytes, rng: np.random.Generator) -> list[bytes]:
    """Return pieces made of a sound message: damaged, cut, grown, and noise behind its start."""
    pieces = []
    for i in range(_PIECES):
        data = bytearray(whole)
        kind = i % 4
        if kind == 0:
            data = bytearray(start + rng.bytes(int(rng.integers(0, 300))))
        elif kind == 1:
            data = data[: int(rng.integers(len(start), len(whole)))]
        elif kind == 2:
            data += rng.bytes(int(rng.integers(1, 3000)))
        for _ in range(int(rng.integers(1, 6))):
            if len(data) > len(start):
                data[int(rng.integers(len(start), len(data)))] ^= int(rng.integers(1, 256))
        pieces.append(bytes(data))
    return pieces


def flood(send: Callable[[bytes], None], pieces: list[bytes], messages: int, sent: Any) -> None:
    for i in range(messages):
        send(pieces[i % len(pieces)])
        if i % 1000 == 0:
            sent.value = i
    sent.value = messages


def to_socket(kind: int, place: str, pieces: list[bytes], messages: int, sent: Any) -> None:
    """Send to a socket that listens; it takes what it can, the sender waits."""
    os.nice(5)
    context = zmq.Context()
    attacker = context.socket(kind)
    attacker.setsockopt(zmq.SNDHWM, 100)
    attacker.connect(place)
    flood(attacker.send, pieces, messages, sent)
    context.destroy(linger=1000)


def as_source(pipe: Any, pieces: list[bytes], messages: int, sent: Any) -> None:
    """Be a publisher that sends a sound frame now and then and malformed ones between."""
    os.nice(5)
    descriptor = avatar()
    base = frame(descriptor, 0)
    state = [piece for piece in pieces if piece[:3] != b"TWN"]
    pose = [piece for piece in pieces if piece[:3] == b"TWN"]
    with Publisher(HERE, avatar=descriptor, avatar_id=1) as publisher:
        pose_place = publisher.endpoint
        pipe.send(pose_place)
        outlet, sequence = publisher._outlet, 0  # what lies below the public door
        pose_socket, server = outlet._pose, outlet._state

        def send(data: bytes) -> None:
            nonlocal sequence
            sequence += 1
            if sequence % 64 == 0:  # a hundred a second and more get through the receiver's slot
                publisher.send(restamped(base, sequence))
                time.sleep(0.0005)
            if sequence % 8 == 0:
                server._outgoing.append(state[sequence // 8 % len(state)])
                server._wake()
            pose_socket.send(data)

        flood(send, pose, messages, sent)
    with Publisher(pose_place, avatar=descriptor, avatar_id=1) as sound:  # as after a restart
        for i in range(180):
            sound.send(restamped(base, i + 1))
            time.sleep(1 / 60)


def to_gateway(url: str, pieces: list[bytes], messages: int, sent: Any) -> None:
    os.nice(5)

    async def attack() -> None:
        import aiohttp

        done = 0
        async with aiohttp.ClientSession() as session:
            while done < messages:
                async with session.ws_connect(url + "stream", max_msg_size=0) as line:
                    try:
                        for i in range(done, messages):
                            await line.send_bytes(pieces[i % len(pieces)][:60_000])
                            done = i + 1
                            if i % 1000 == 0:
                                sent.value = i
                                await line.receive()
                    except (ConnectionError, aiohttp.ClientError, RuntimeError):
                        continue  # thrown out: come again
        sent.value = messages

    asyncio.run(attack())


def to_datagrams(port: int, pieces: list[bytes], messages: int, sent: Any) -> None:
    os.nice(5)
    with os_socket.socket(os_socket.AF_INET, os_socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", port))
        flood(line.send, pieces, messages, sent)


class Attack:
    """The attacking process, and what is watched meanwhile."""

    def __init__(self, target: Any, *words: Any, messages: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._messages = messages
        self.sent = spawn.Value("l", 0)
        self._process = spawn.Process(target=target, args=(*words, messages, self.sent))
        self._process.start()
        self._start = time.monotonic()
        self.early_mb: float | None = None

    def goes_on(self) -> bool:
        """Return whether the attacker is at it, and look at the memory."""
        if self.early_mb is None and self.sent.value > self._messages // 10:
            self.early_mb = memory_mb()
        return self._process.is_alive()

    def steps(self, rate_hz: float = 60.0) -> Iterator[int]:
        """Yield the number of each step at the rate until the attacker is done."""
        due, step = time.monotonic(), 0
        while self.goes_on():
            step += 1
            yield step
            due += 1 / rate_hz
            time.sleep(max(0.0, due - time.monotonic()))

    def told(self, **facts: Any) -> dict[str, Any]:
        """Return the facts with what was sent, how long it took and the memory."""
        seconds = time.monotonic() - self._start
        self._process.join()
        return {
            "sent": self.sent.value,
            "seconds": round(seconds, 1),
            **facts,
            "resident_mb": [round(self.early_mb or 0.0, 1), round(memory_mb(), 1)],
        }


def pose_pieces() -> list[bytes]:
    descriptor = avatar()
    with Publisher(HERE, avatar=descriptor) as publisher:
        publisher.send(frame(descriptor, 1))
        whole = publisher._newest[0]
    # Behind the avatar id, so that a SUB socket's filter lets it in.
    return spoilt(whole, b"TWN\x01\x01\0\0\0", np.random.default_rng(7))


def state_pieces() -> list[bytes]:
    return spoilt(pack(Hello(client="fuzz")), b"", np.random.default_rng(8))


def listening(kind: str, messages: int) -> dict[str, Any]:
    """Attack the ROUTER or the XPUB of a publisher or of a relay."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    with ExitStack() as stack:
        publisher = stack.enter_context(Publisher(HERE, avatar=descriptor))
        attacked: Any = publisher
        if kind.startswith("relay"):
            attacked = stack.enter_context(Relay([publisher.endpoint], HERE))
        subscriber = stack.enter_context(Subscriber(attacked.endpoint))
        if kind.endswith("state"):
            words = (zmq.DEALER, attacked.state_endpoint, state_pieces())
        else:
            # The first is over the socket's limit, which throws the sender out.
            pieces = [b"\x05" + p[: None if i == 0 else 900] for i, p in enumerate(state_pieces())]
            words = (zmq.XSUB, attacked.endpoint, pieces)
        attack, received = Attack(to_socket, *words, messages=messages), 0
        for step in attack.steps():
            publisher.send(restamped(base, step))
            received += subscriber.recv(0.01) is not None
        with Subscriber(attacked.endpoint) as late:
            publisher.send(restamped(base, step + 1))
            joined = late.recv(5) is not None
        stats = attacked.stats.outlet if kind.startswith("relay") else attacked.stats
        return attack.told(
            counted=stats.malformed + stats.throttled,
            frames=[received, step],
            late_joiner_served=joined,
        )


def from_source(kind: str, messages: int) -> dict[str, Any]:
    """Attack the SUB and the DEALER of a receiver, or of a relay beside a sound source."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    here, there = multiprocessing.Pipe()
    attack = Attack(as_source, there, pose_pieces() + state_pieces(), messages=messages)
    hostile = here.recv()
    with ExitStack() as stack:
        if kind == "receiver":
            subscriber = stack.enter_context(Subscriber(hostile))
            after = 0
            for _ in attack.steps(1000):
                got = subscriber.recv(0.01) is not None
                after += got and attack.sent.value == messages
            lost = subscriber.stats.malformed
            # A stream of mostly malformed messages is worth nothing; what comes after it is.
            return attack.told(counted=lost, frames=[after, 180])
        publisher = stack.enter_context(Publisher(HERE, avatar=descriptor, avatar_id=2))
        relay = stack.enter_context(Relay([hostile, publisher.endpoint], HERE))
        subscriber = stack.enter_context(Subscriber(relay.endpoint, avatar_id=2))
        received = 0
        for step in attack.steps():
            publisher.send(restamped(base, step))
            received += subscriber.recv(0.01) is not None
        return attack.told(counted=relay.stats.malformed, frames=[received, step])


def browser(messages: int) -> dict[str, Any]:
    """Attack the gateway's WebSocket."""
    import aiohttp

    descriptor = avatar()
    base = frame(descriptor, 0)

    async def scenario() -> dict[str, Any]:
        with Publisher(HERE, avatar=descriptor) as publisher:
            async with (
                Gateway(publisher.endpoint, port=0) as gateway,
                aiohttp.ClientSession() as session,
                session.ws_connect(gateway.url + "stream", max_msg_size=0) as line,
            ):
                attack = Attack(to_gateway, gateway.url, state_pieces(), messages=messages)
                received = step = 0

                async def read() -> None:
                    nonlocal received
                    async for message in line:
                        received += message.data[:3] == b"TWN"

                reader = asyncio.create_task(read())
                while attack.goes_on():
                    step += 1
                    publisher.send(restamped(base, step))
                    await asyncio.sleep(1 / 60)
                reader.cancel()
                return attack.told(counted=gateway.malformed, frames=[received, step])

    return asyncio.run(scenario())


def datagrams(messages: int) -> dict[str, Any]:
    """Attack the UDP socket of the VMC receiver."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    with (
        os_socket.socket(os_socket.AF_INET, os_socket.SOCK_DGRAM) as tap,
        VmcReceiver("127.0.0.1:0") as receiver,
        VmcSender(f"127.0.0.1:{receiver.port}", avatar=descriptor) as sender,
    ):
        tap.bind(("127.0.0.1", 0))
        with VmcSender(f"127.0.0.1:{tap.getsockname()[1]}", avatar=descriptor) as example:
            example.send(base)
        whole = tap.recv(1 << 16)
        pieces = spoilt(whole, b"", np.random.default_rng(9))
        attack = Attack(to_datagrams, receiver.port, pieces, messages=messages)
        received = 0
        for step in attack.steps():
            sender.send(restamped(base, step))
            received += receiver.recv(0.01) is not None
        return attack.told(counted=receiver.malformed, frames=[received, step])


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "publisher state (ROUTER)": lambda n: listening("publisher state", n),
    "publisher pose (XPUB)": lambda n: listening("publisher pose", n),
    "receiver (SUB, DEALER)": lambda n: from_source("receiver", n),
    "relay in (SUB, DEALER)": lambda n: from_source("relay", n),
    "relay out, state (ROUTER)": lambda n: listening("relay state", n),
    "relay out, pose (XPUB)": lambda n: listening("relay pose", n),
    "gateway (WebSocket)": browser,
    "VMC in (UDP)": datagrams,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = {}
    for kind in options.only:
        table[kind] = row = KINDS[kind](options.messages)
        print(f"{kind:26} {json.dumps(row)}", flush=True)
        if options.json:
            record = json.loads(options.json.read_text()) if options.json.exists() else {}
            record["fuzz"] = {**record.get("fuzz", {}), **table}
            options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
