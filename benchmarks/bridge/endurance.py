"""What the stream bears: many receivers, relays, a stopped receiver, a restarted publisher.

    python benchmarks/bridge/endurance.py fanout [--receivers 100]
    python benchmarks/bridge/endurance.py relays [--receivers 1000]
    python benchmarks/bridge/endurance.py stall
    python benchmarks/bridge/endurance.py restart

Receivers are plain SUB sockets with CONFLATE in one process of their own, so that one machine can
hold them; `fanout` runs raw PUB/SUB beside ours. Times are send to receive, one machine's clock.
`--json FILE` adds the rows to a record.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import struct
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from latency import avatar, frame, restamped

from twinsdk.bridge import Publisher, Relay, Subscriber
from twinsdk.bridge.layout import read_layout
from twinsdk.core.clock import now_ns


def receive(pipe: Connection, endpoint: str, count: int, seconds: float, raw: bool) -> None:
    """Read `count` sockets for a while; send the ages in microseconds and what was missed."""
    context = zmq.Context(io_threads=1)
    context.setsockopt(zmq.MAX_SOCKETS, count + 16)
    poller = zmq.Poller()
    sockets = []
    for _ in range(count):
        socket = context.socket(zmq.SUB)
        if not raw:
            socket.setsockopt(zmq.CONFLATE, 1)
            socket.setsockopt(zmq.RCVBUF, 8192)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(endpoint)
        poller.register(socket, zmq.POLLIN)
        sockets.append(socket)
    pipe.send("connected")
    last: dict[Any, int] = {}
    ages, missed, layout = [], 0, None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for socket, _ in poller.poll(100):
            message = socket.recv()
            now = now_ns()
            if raw:
                sent, sequence = struct.unpack_from("<qI", message)
            else:
                if layout is None or not layout.fits(message):
                    layout = read_layout(message)
                values = layout.read_scalars(message)
                sent, sequence = values[4], values[2]
            ages.append(now - sent)
            if socket in last:
                missed += sequence - last[socket] - 1
            last[socket] = sequence
    pipe.send((np.array(ages) / 1e3, missed, len(last)))
    context.destroy(linger=0)


def measured(
    endpoint: str, count: int, seconds: float, send: Any, rate: float, raw: bool
) -> dict[str, Any]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=receive, args=(there, endpoint, count, seconds + 3, raw)
    )
    process.start()
    here.recv()
    time.sleep(1 + count / 500)
    start, cpu, due = time.monotonic(), time.process_time(), time.monotonic()
    sent = 0
    while time.monotonic() - start < seconds:
        due += 1 / rate
        time.sleep(max(0, due - time.monotonic()))
        sent += 1
        send(sent)
    load = (time.process_time() - cpu) / (time.monotonic() - start)
    ages, missed, heard = here.recv()
    process.join()
    p50, p99 = np.percentile(ages, (50, 99))
    return {
        "receivers": heard,
        "of": count,
        "rate_hz": rate,
        "p50_us": round(float(p50)),
        "p99_us": round(float(p99)),
        "missed": int(missed),
        "frames": int(missed) + len(ages),
        "sender_cpu_percent": round(100 * load, 1),
    }


def fanout(receivers: int, seconds: float) -> list[dict[str, Any]]:
    rows = []
    descriptor = avatar()
    base = frame(descriptor, 0)
    for _ in range(2):
        context = zmq.Context()
        socket = context.socket(zmq.PUB)
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def send_raw(i: int, s: Any = socket) -> None:
            s.send(struct.pack("<qI", now_ns(), i) + bytes(580))

        place = f"tcp://127.0.0.1:{port}"
        rows.append({"kind": "raw", **measured(place, receivers, seconds, send_raw, 60, raw=True)})
        context.destroy(linger=0)
        with Publisher("tcp://127.0.0.1:*", avatar=descriptor) as publisher:

            def send_ours(i: int, p: Publisher = publisher) -> None:
                p.send(restamped(base, i))

            row = measured(publisher.endpoint, receivers, seconds, send_ours, 60, raw=False)
            rows.append({"kind": "twinsdk", **row})
    return rows


def relays(receivers: int, seconds: float, chain: int = 2) -> list[dict[str, Any]]:
    """Serve all receivers behind a chain of relays, each of which feeds the next."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    rows = []
    for count, length in ((receivers, chain), (min(receivers, 50), 2 * chain)):
        with ExitStack() as stack:
            publisher = stack.enter_context(Publisher("tcp://127.0.0.1:*", avatar=descriptor))
            place = publisher.endpoint
            for _ in range(length):
                place = stack.enter_context(Relay([place], "tcp://127.0.0.1:*")).endpoint

            def send(i: int, p: Publisher = publisher) -> None:
                p.send(restamped(base, i))

            row = measured(place, count, seconds, send, 20, raw=False)
            rows.append({"kind": f"{length} relays", **row})
    return rows


def restart(rounds: int = 5) -> list[dict[str, Any]]:
    """Close a publisher and start another at its address; time until its frames are read."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    took = []
    place = "tcp://127.0.0.1:*"
    with ExitStack() as stack:
        subscriber: Subscriber | None = None
        for number in range(rounds + 1):
            with Publisher(place, avatar=descriptor) as publisher:
                place = publisher.endpoint
                subscriber = subscriber or stack.enter_context(Subscriber(place))
                started, sequence = time.monotonic(), 0
                while True:
                    sequence += 1
                    publisher.send(restamped(base, sequence))
                    came = subscriber.recv(1 / 60) is not None
                    header = subscriber.header
                    if came and header is not None and header.session == publisher.session:
                        break
                if number:
                    took.append(time.monotonic() - started)
    return [{"live_again_ms": [round(1e3 * t) for t in took], "of": rounds}]


def listen(pipe: Connection, endpoint: str) -> None:
    """Note when each frame was sent and read until told to stop."""
    times = []
    with Subscriber(endpoint) as subscriber:
        while not pipe.poll():
            if subscriber.recv(0.2) is not None and subscriber.header is not None:
                times.append((subscriber.header.t_send_ns, now_ns()))
                if len(times) == 1:
                    pipe.send("ready")
    pipe.send(times)


def stall(rounds: int = 3, stop_s: float = 6.0) -> list[dict[str, Any]]:
    """Stop one of two receivers; count its stale frames and what the other missed."""
    descriptor = avatar()
    base = frame(descriptor, 0)
    rows = []
    for _ in range(rounds):
        with Publisher("tcp://127.0.0.1:*", avatar=descriptor) as publisher:
            pipes, processes = [], []
            for _ in range(2):
                here, there = multiprocessing.Pipe()
                process = multiprocessing.get_context("spawn").Process(
                    target=listen, args=(there, publisher.endpoint)
                )
                process.start()
                pipes.append(here)
                processes.append(process)
            sent: list[int] = []

            def stream(seconds: float, p: Publisher = publisher, at: list[int] = sent) -> int:
                """Send at 60 Hz for a while; return when it began."""
                began = now_ns()
                end, due = time.monotonic() + seconds, time.monotonic()
                while time.monotonic() < end:
                    due += 1 / 60
                    time.sleep(max(0, due - time.monotonic()))
                    at.append(now_ns())
                    p.send(restamped(base, len(at)))
                return began

            while not all(pipe.poll() for pipe in pipes):
                stream(0.2)
            calm = stream(stop_s)
            os.kill(processes[0].pid or 0, signal.SIGSTOP)
            stopped = stream(stop_s)
            woken = now_ns()
            os.kill(processes[0].pid or 0, signal.SIGCONT)
            stream(1)
            heard = []
            for pipe in pipes:
                pipe.recv()
                pipe.send("stop")
                heard.append(pipe.recv())
            for process in processes:
                process.join()
        late = [at for at, read in heard[0] if read > woken and at < woken - 100_000_000]
        spans = ((calm, stopped), (stopped, woken))
        row: dict[str, Any] = {"stopped_s": stop_s, "stale_frames": len(late)}
        for name, (start, end) in zip(("before", "meanwhile"), spans, strict=True):
            ages = [read - at for at, read in heard[1] if start <= at < end]
            there = sum(start <= at < end for at in sent)
            row[f"neighbour_missed_{name}"] = [there - len(ages), there]
            row[f"neighbour_age_{name}_us"] = round(float(np.median(ages)) / 1e3)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["fanout", "relays", "stall", "restart"])
    parser.add_argument("--receivers", type=int)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = {
        "fanout": lambda: fanout(options.receivers or 100, options.seconds),
        "relays": lambda: relays(options.receivers or 1000, options.seconds),
        "stall": stall,
        "restart": restart,
    }[options.part]()
    for row in rows:
        print(json.dumps(row))
    if options.json:
        record = json.loads(options.json.read_text()) if options.json.exists() else {}
        load = round(os.getloadavg()[0], 1)
        record[options.part] = {"load": load, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
