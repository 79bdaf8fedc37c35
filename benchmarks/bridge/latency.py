"""Latency, late join, size and coding time of the stream, beside raw pyzmq in the same run.

    python benchmarks/bridge/latency.py [--frames 600] [--rounds 3] [--json FILE]

Receivers run in processes of their own on this machine; sender and receiver share its monotonic
clock. All kinds are measured in one run, in turn within each period of 1/120 s, so that whatever
else the machine does weighs on all alike. The raw row sends as many bytes as a packed48 frame over
PUB/SUB with default options and reads them with a blocking recv.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import struct
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from twinsdk.bridge import AvatarDescriptor, Codec, Publisher, Subscriber
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.bridge.wire import FrameDecoder, FrameEncoder
from twinsdk.core.clock import now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose

RATE_HZ = 120
RAW, PLAIN, SECURE = "raw pyzmq", "twinsdk packed48", "twinsdk packed48 + CURVE"


def avatar() -> AvatarDescriptor:
    skeleton = humanoid_skeleton()
    return AvatarDescriptor(skeleton=skeleton, humanoid={name: name for name in skeleton.names})


def frame(descriptor: AvatarDescriptor, sequence: int) -> TwinFrame:
    rng = np.random.default_rng(7)
    rotations = rng.normal(size=(len(descriptor.skeleton), 4))
    return TwinFrame(
        avatar_id=0,
        sequence=sequence,
        timestamp_ns=now_ns(),
        pose=Pose(
            skeleton=descriptor.skeleton,
            rotations=rotations / np.linalg.norm(rotations, axis=1, keepdims=True),
            root_translation=[0.1, 0.9, -0.2],
        ),
        expressions=rng.random(52),
        confidence=0.9,
    )


def restamped(base: TwinFrame, sequence: int) -> TwinFrame:
    """Return the same frame captured now; making one from scratch is not the bridge's time."""
    made = object.__new__(TwinFrame)
    made.__dict__.update(base.__dict__, sequence=sequence)
    made.__dict__["timestamp_ns"] = now_ns()
    return made


def receive_raw(pipe: Connection, endpoint: str, frames: int) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.setsockopt(zmq.RCVTIMEO, 3000)
    socket.connect(endpoint)
    ages = []
    try:
        while len(ages) < frames:
            message = socket.recv()
            ages.append(now_ns() - struct.unpack_from("<q", message)[0])
            if len(ages) == 1:
                pipe.send("ready")
    except zmq.Again:
        pass
    pipe.send(ages)
    context.destroy(linger=0)


def receive_ours(pipe: Connection, endpoint: str, frames: int) -> None:
    ages = []
    with Subscriber(endpoint) as subscriber:
        for received in subscriber.frames(timeout_s=3):
            ages.append(now_ns() - received.timestamp_ns)
            if len(ages) == 1:
                pipe.send("ready")
            if len(ages) == frames:
                break
    pipe.send(ages)


class Channel:
    """One kind of stream: how it sends, and the process that receives it."""

    def __init__(self, receiver: Any, endpoint: str, send: Any, frames: int) -> None:
        self.send = send
        self.spent: list[float] = []
        self._pipe, there = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=receiver, args=(there, endpoint, frames)
        )
        self._process.start()
        self._ready = False

    def ready(self) -> bool:
        """Return whether the receiver has had a frame."""
        self._ready = self._ready or (self._pipe.poll() and self._pipe.recv() == "ready")
        return self._ready

    def result(self) -> dict[str, float]:
        """Wait for the receiver to end and return what it saw."""
        ages = np.array(self._pipe.recv()) / 1e3
        self._process.join()
        return {
            "p50_us": float(np.percentile(ages, 50)),
            "p99_us": float(np.percentile(ages, 99)),
            "count": len(ages),
            "send_us": statistics.median(self.spent) * 1e6,
        }


def take_turns(channels: list[Channel], frames: int) -> None:
    """Let each channel send `frames` times after all are ready, in turn within a period."""
    due, sent = time.monotonic(), 0
    while sent < frames:
        sent = sent + 1 if all(channel.ready() for channel in channels) else 0
        for channel in channels:
            due += 1 / RATE_HZ / len(channels)
            time.sleep(max(0, due - time.monotonic()))
            start = time.perf_counter()
            channel.send()
            channel.spent.append(time.perf_counter() - start)


@contextmanager
def raw_channel(frames: int, size: int) -> Iterator[Channel]:
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    rest = bytes(size - 8)

    def send() -> None:
        socket.send(struct.pack("<q", now_ns()) + rest)

    yield Channel(receive_raw, f"tcp://127.0.0.1:{port}", send, frames)
    context.destroy(linger=0)


@contextmanager
def our_channel(frames: int, *, curve: bool = False) -> Iterator[Channel]:
    descriptor = avatar()
    base = frame(descriptor, 0)
    with tempfile.TemporaryDirectory() as folder:
        keys = make_server_keys(folder) if curve else None
        with Publisher("tcp://127.0.0.1:*", avatar=descriptor, keys=keys) as publisher:
            endpoint = publisher.endpoint
            if curve:
                endpoint = str(pair("bench", endpoint=endpoint, folder=folder))
            count = 0

            def send() -> None:
                nonlocal count
                count += 1
                publisher.send(restamped(base, count))

            yield Channel(receive_ours, endpoint, send, frames)


def one_round(frames: int, size: int) -> dict[str, dict[str, float]]:
    """Return each kind's latencies, measured side by side."""
    with (
        raw_channel(frames, size) as raw,
        our_channel(frames) as plain,
        our_channel(frames, curve=True) as secure,
    ):
        channels = {RAW: raw, PLAIN: plain, SECURE: secure}
        take_turns(list(channels.values()), frames + 30)
        return {name: channel.result() for name, channel in channels.items()}


def late_join(tries: int) -> dict[str, float]:
    """Return milliseconds from opening a subscriber to its first decoded pose, at 60 Hz."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    took = []
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor) as publisher:
        for i in range(tries):
            publisher.send(restamped(base, i + 1))
            time.sleep(1 / 60)
            start = time.perf_counter()
            with Subscriber(publisher.endpoint) as subscriber:
                if subscriber.recv(5) is None:
                    raise RuntimeError("no frame came")
                took.append((time.perf_counter() - start) * 1e3)
    return {"p50_ms": float(np.median(took)), "max_ms": max(took), "count": tries}


def coding() -> dict[str, dict[str, float]]:
    descriptor = avatar()
    one = frame(descriptor, 1)
    rows = {}
    for codec in Codec:
        encoder = FrameEncoder(
            joints=len(descriptor.skeleton), codec=codec, session=1, descriptor=descriptor.hash
        )
        decoder = FrameDecoder(skeleton=descriptor.skeleton, descriptor=descriptor.hash)
        message = encoder.encode(one)
        encode = timeit.repeat(lambda e=encoder: e.encode(one), number=500, repeat=31)
        decode = timeit.repeat(lambda d=decoder, m=message: d.decode(m), number=500, repeat=31)
        rows[codec.name.lower()] = {
            "bytes": len(message),
            "encode_us": statistics.median(encode) / 500 * 1e6,
            "decode_us": statistics.median(decode) / 500 * 1e6,
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    codes = coding()
    size = int(codes["packed48"]["bytes"])
    rounds = [one_round(options.frames, size) for _ in range(options.rounds)]
    table = {
        name: {key: statistics.median(row[name][key] for row in rounds) for key in rounds[0][name]}
        for name in rounds[0]
    }
    for name, below in ((PLAIN, RAW), (SECURE, PLAIN)):
        table[name]["ratio"] = statistics.median(
            row[name]["p50_us"] / row[below]["p50_us"] for row in rounds
        )
    joined = late_join(20)
    print(f"{options.frames} frames at {RATE_HZ} Hz, median of {options.rounds} rounds, 127.0.0.1")
    for name, row in table.items():
        print(
            f"{name:26} p50 {row['p50_us']:7.0f} us  p99 {row['p99_us']:7.0f} us  "
            f"send {row['send_us']:5.0f} us  x{row.get('ratio', 1):.2f} of the row above"
        )
    print(f"late join: p50 {joined['p50_ms']:.1f} ms, max {joined['max_ms']:.1f} ms")
    for name, row in codes.items():
        print(
            f"{name:10} {row['bytes']:5.0f} bytes  encode {row['encode_us']:5.1f} us  "
            f"decode {row['decode_us']:5.1f} us"
        )
    if options.json:
        record = json.loads(options.json.read_text()) if options.json.exists() else {}
        record |= {
            "machine": platform.platform(),
            "python": sys.version.split()[0],
            "zmq": zmq.zmq_version(),
            "load": round(os.getloadavg()[0], 1),
            "latency": table,
            "late_join": joined,
            "coding": codes,
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
