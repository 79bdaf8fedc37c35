"""A real publisher and real subscribers: late, restarted, stalled, foreign and hostile ones."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import zmq

from twinsdk.bridge import AsyncSubscriber, Publisher, Subscriber
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses, Haptic
from twinsdk.core.clock import now_ns
from twinsdk.errors import EndpointError, SkeletonMismatchError, UsageError, WireError


@contextmanager
def streaming(publisher, make_frame, rate_hz=120.0, ids=(3,)):
    """Send frames from a thread until the block ends."""
    stop = threading.Event()
    failures = []

    def run():
        sequence = 0
        try:
            while not stop.wait(1 / rate_hz):
                sequence += 1
                for avatar in ids:
                    publisher.send(
                        make_frame(
                            sequence, avatar_id=avatar, timestamp_ns=now_ns(), sequence=sequence
                        )
                    )
        except Exception as error:  # raised again below, in the test's thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if failures:
            raise failures[0]


@pytest.fixture
def avatar(descriptor_of_size):
    return descriptor_of_size(60)


@pytest.fixture
def make(avatar, frame_on):
    return lambda seed, **changes: frame_on(avatar, seed, **changes)


@pytest.fixture
def publisher(avatar):
    with Publisher("tcp://127.0.0.1:*", avatar=avatar) as made:
        yield made


def test_frames_arrive_on_the_avatars_skeleton_and_in_order(publisher, make, avatar):
    with streaming(publisher, make), Subscriber(publisher.endpoint) as subscriber:
        frames = [subscriber.recv(5) for _ in range(20)]
        stats, descriptor = subscriber.stats, subscriber.descriptor
    assert descriptor.hash == avatar.hash
    assert descriptor.humanoid == avatar.humanoid
    assert all(frame.pose.skeleton is descriptor.skeleton for frame in frames)
    sequences = [frame.sequence for frame in frames]
    assert sequences == sorted(set(sequences))
    assert stats.received == 20
    assert stats.lost == sequences[-1] - sequences[0] + 1 - 20
    assert (stats.malformed, stats.reordered, stats.restarts) == (0, 0, 0)
    expected = make(sequences[-1])
    np.testing.assert_allclose(frames[-1].expressions, expected.expressions, atol=0.51 / 255)


def test_a_late_joiner_has_descriptor_and_pose_at_once_from_a_silent_publisher(publisher, make):
    publisher.send(make(7))
    time.sleep(0.1)
    start = time.perf_counter()
    with Subscriber(publisher.endpoint) as subscriber:
        frame = subscriber.recv(2)
        took = time.perf_counter() - start
    assert frame.sequence == 7
    # 5 ms alone; the limit leaves room for a busy machine and is far below any periodic resend.
    assert took < 0.5


def test_a_subscriber_opened_first_gets_frames_once_the_publisher_comes(avatar, make):
    with Publisher("tcp://127.0.0.1:*", avatar=avatar) as first:
        endpoint = first.endpoint
    with Subscriber(endpoint) as subscriber:
        assert subscriber.recv(0.05) is None
        with Publisher(endpoint, avatar=avatar) as publisher, streaming(publisher, make):
            assert subscriber.recv(5) is not None


def test_a_restarted_publisher_is_seen_again_with_its_new_session(avatar, make):
    with Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher:
        endpoint = publisher.endpoint
        with streaming(publisher, make):
            subscriber = Subscriber(endpoint)
            assert subscriber.recv(5) is not None
            before = subscriber.header.session
            assert before == publisher.session
    with subscriber, Publisher(endpoint, avatar=avatar) as publisher, streaming(publisher, make):
        while subscriber.header.session == before:
            assert subscriber.recv(5) is not None
        assert subscriber.header.session == publisher.session
        assert subscriber.stats.restarts == 1


def test_a_publisher_restarted_with_another_avatar_is_decoded_on_the_new_one(
    avatar, make, descriptor_of_size, frame_on
):
    other = descriptor_of_size(13, seed=99)
    with Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher:
        endpoint = publisher.endpoint
        with streaming(publisher, make):
            subscriber = Subscriber(endpoint)
            assert len(subscriber.recv(5).pose.rotations) == 60

    def make_other(seed, **changes):
        return frame_on(other, seed, **changes)

    with (
        subscriber,
        Publisher(endpoint, avatar=other) as publisher,
        streaming(publisher, make_other),
    ):
        deadline = time.monotonic() + 10
        while len(subscriber.recv(5).pose.rotations) != 13:
            assert time.monotonic() < deadline
        assert subscriber.descriptor.hash == other.hash


def test_several_avatars_each_arrive_newest_first(publisher, make):
    ids = (0, 5, 9)
    with streaming(publisher, make, ids=ids), Subscriber(publisher.endpoint) as everyone:
        seen = {everyone.recv(5).avatar_id for _ in range(60)}
        with Subscriber(publisher.endpoint, avatar_id=5) as one:
            alone = {one.recv(5).avatar_id for _ in range(10)}
    assert seen == set(ids)
    assert alone == {5}


def test_avatars_with_skeletons_of_their_own_share_a_stream(descriptor_of_size, frame_on):
    avatars = {1: descriptor_of_size(4, seed=1), 2: descriptor_of_size(9, seed=2)}
    with (
        Publisher("tcp://127.0.0.1:*", avatar=avatars, codec="float32") as publisher,
        Subscriber(publisher.endpoint) as subscriber,
    ):
        sizes = {}
        deadline = time.monotonic() + 5
        sequence = 0
        while len(sizes) < 2 and time.monotonic() < deadline:
            sequence += 1
            for key, avatar in avatars.items():
                publisher.send(frame_on(avatar, sequence, avatar_id=key))
            frame = subscriber.recv(0.02)
            if frame is not None:
                sizes[frame.avatar_id] = len(frame.pose.rotations)
        with pytest.raises(UsageError, match=r"among \[1, 2\], got 3"):
            publisher.send(frame_on(avatars[1], 1, avatar_id=3))
    assert sizes == {1: 4, 2: 9}


def test_ipc_carries_the_same_stream(avatar, make, tmp_path):
    endpoint = f"ipc://{tmp_path}/twin"
    with (
        Publisher(endpoint, avatar=avatar) as publisher,
        streaming(publisher, make),
        Subscriber(endpoint) as subscriber,
    ):
        assert publisher.state_endpoint == f"{endpoint}.state"
        assert subscriber.recv(5) is not None


CHILD = """
import sys
from twinsdk.bridge import Subscriber
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses, Haptic
from twinsdk.core.clock import now_ns
with Subscriber(sys.argv[1]) as subscriber:
    for frame in subscriber.frames(timeout_s=10):
        print(frame.sequence, subscriber.header.t_send_ns, len(frame.pose.rotations),
              f"{subscriber.descriptor.hash:016x}", now_ns(), flush=True)
"""


@contextmanager
def child_subscriber(endpoint):
    """Run a subscriber in a process of its own; yields the process and the list of its lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, endpoint], stdout=subprocess.PIPE, text=True
    )
    lines = []

    def read():
        for line in child.stdout:
            lines.append((time.monotonic(), line.split()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield child, lines
    finally:
        child.kill()
        child.wait(timeout=10)
        reader.join(timeout=10)
        child.stdout.close()


def until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_subscriber_in_another_process_decodes_the_named_avatar(publisher, make, avatar):
    with streaming(publisher, make), child_subscriber(publisher.endpoint) as (_, lines):
        until(lambda: len(lines) >= 30)
        words = [line for _, line in lines[:30]]
    assert {word[3] for word in words} == {f"{avatar.hash:016x}"}
    assert {word[2] for word in words} == {"60"}


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_stopped_subscriber_wakes_to_fresh_frames_and_disturbs_nobody(publisher, make):
    stall_s = float(os.environ.get("TWINSDK_TEST_STALL_S", "2"))
    with (
        streaming(publisher, make),
        child_subscriber(publisher.endpoint) as (child, lines),
        Subscriber(publisher.endpoint) as neighbour,
    ):
        until(lambda: len(lines) >= 20)
        child.send_signal(signal.SIGSTOP)
        end, healthy, sent = time.monotonic() + stall_s, 0, publisher.stats.sent
        while time.monotonic() < end:
            healthy += neighbour.recv(1) is not None
        sent = publisher.stats.sent - sent
        woken_ns = now_ns()
        child.send_signal(signal.SIGCONT)
        until(lambda: sum(int(line[4]) > woken_ns for _, line in lines) >= 20)
        times = [(int(line[1]), int(line[4])) for _, line in lines]
    # Sent well before it woke and read after: the frames that the stalled link still held.
    stale = [
        (woken_ns - sent_ns) / 1e9
        for sent_ns, read_ns in times
        if read_ns > woken_ns and sent_ns < woken_ns - 100_000_000
    ]
    assert len(stale) <= 2, f"seconds old on waking: {stale}"
    # The newest frame wins for the neighbour too, so a busy machine may skip some.
    assert healthy > 0.5 * sent


def test_a_foreign_plain_sub_reads_the_prefix(publisher, make):
    context = zmq.Context()
    foreign = context.socket(zmq.SUB)
    foreign.setsockopt(zmq.RCVTIMEO, 5000)
    foreign.setsockopt(zmq.SUBSCRIBE, b"TWN\x01" + struct.pack("<I", 3))
    foreign.connect(publisher.endpoint)
    try:
        with streaming(publisher, make):
            parts = foreign.recv_multipart()
            until(lambda: publisher.stats.subscribers == 1)
            foreign.close()
            until(lambda: publisher.stats.subscribers == 0)
    finally:
        context.destroy(linger=0)
    assert len(parts) == 1
    magic, version, avatar, sequence, flags, codec = struct.unpack_from("<3sBIIHH", parts[0])
    assert (magic, version, avatar, flags, codec) == (b"TWN", 1, 3, 0, 1)
    assert sequence >= 1


def test_malformed_messages_are_counted_and_harm_nobody(publisher, make):
    rng = np.random.default_rng(1)
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    upstream = context.socket(zmq.XSUB)
    try:
        dealer.connect(publisher.state_endpoint)
        upstream.connect(publisher.endpoint)
        with streaming(publisher, make), Subscriber(publisher.endpoint) as subscriber:
            assert subscriber.recv(5) is not None
            for _ in range(300):
                noise = rng.bytes(int(rng.integers(1, 200)))
                dealer.send(noise)
                dealer.send_multipart([b"", noise])
                dealer.send(b"\x10\0\0\0TWNS" + noise)
                upstream.send(b"\x07" + noise)
            dealer.send(bytes(1 << 17))  # beyond the limit: the link is cut, not the server
            until(lambda: publisher.stats.malformed >= 900)
            before = subscriber.stats.received
            for _ in range(20):
                assert subscriber.recv(5) is not None
            assert subscriber.stats.received == before + 20
            with Subscriber(publisher.endpoint) as late:
                assert late.recv(5) is not None
    finally:
        context.destroy(linger=0)


def test_a_client_of_another_version_or_codec_is_refused_in_words(publisher, make, monkeypatch):
    from twinsdk.bridge import messages, state_line

    publisher.send(make(1))
    for fields, words in (
        ({"version_min": 2, "version_max": 2}, "update the publisher"),
        ({"codecs": (0,)}, "publish with another codec"),
    ):
        monkeypatch.setattr(
            state_line, "Hello", lambda client, f=fields: messages.Hello(client=client, **f)
        )
        with Subscriber(publisher.endpoint) as refused, pytest.raises(WireError, match=words):
            refused.recv(5)
    assert publisher.stats.refused >= 2


def test_a_pose_on_another_skeleton_is_refused(publisher, descriptor_of_size, frame_on):
    with pytest.raises(SkeletonMismatchError, match="retarget"):
        publisher.send(frame_on(descriptor_of_size(60, seed=8), 1))


def test_old_frames_are_dropped_and_counted_when_asked(publisher, make):
    def late(seed, **changes):
        return make(seed, **{**changes, "timestamp_ns": now_ns() - 1_000_000_000})

    with streaming(publisher, late), Subscriber(publisher.endpoint, max_age_s=0.5) as subscriber:
        assert subscriber.recv(0.5) is None
        assert subscriber.stats.stale > 0


def test_headset_poses_go_up_and_haptics_come_down(publisher, make):
    head = Device(kind=DeviceKind.HEAD, position=(0, 1.7, 0), rotation=(0, 0, 0, 1))
    with streaming(publisher, make), Subscriber(publisher.endpoint, name="headset") as subscriber:
        assert subscriber.recv(5) is not None
        for t_ns in (1, 2, 3):
            subscriber.send_devices(DevicePoses(t_ns=t_ns, devices=(head,)))
        until(lambda: any(poses.t_ns == 3 for poses in publisher.devices().values()))
        ((name, poses),) = publisher.devices().items()
        assert name.startswith("headset ")
        assert poses.devices == (Device(**{**vars(head), "position": (0, np.float32(1.7), 0)}),)
        pulse = Haptic(kind=DeviceKind.LEFT_HAND, amplitude=0.5, duration_s=0.25)
        publisher.shake(pulse)
        got = []
        deadline = time.monotonic() + 5
        while not got and time.monotonic() < deadline:
            subscriber.recv(0.05)
            got = subscriber.haptics()
        assert got == [pulse]
        assert subscriber.haptics() == []


def test_the_asynchronous_subscriber_gets_the_same_frames(publisher, make, avatar):
    async def collect():
        async with AsyncSubscriber(publisher.endpoint) as subscriber:
            sequences = []
            async for frame in subscriber:
                sequences.append(frame.sequence)
                if len(sequences) == 20:
                    return sequences, subscriber.descriptor.hash
            raise AssertionError("the stream has no end")

    async def both():
        return await asyncio.wait_for(asyncio.gather(collect(), collect()), timeout=20)

    with streaming(publisher, make):
        for sequences, found in asyncio.run(both()):
            assert sequences == sorted(set(sequences))
            assert found == avatar.hash


def test_the_asynchronous_subscriber_times_out(publisher):
    async def wait():
        async with AsyncSubscriber(publisher.endpoint) as subscriber:
            return await subscriber.recv(0.1)

    assert asyncio.run(wait()) is None


def test_the_clock_offset_of_one_machine_is_within_its_uncertainty(publisher, make):
    with streaming(publisher, make), Subscriber(publisher.endpoint) as subscriber:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            subscriber.recv(0.1)
        clock = subscriber.stats.clock
    assert abs(clock.offset_ns) <= clock.uncertainty_ns + 1000
    assert clock.uncertainty_ns < 50_000_000


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:*", "tcp://*:5555", "tcp://192.0.2.1:5555"])
def test_an_endpoint_open_to_other_machines_is_refused_without_keys(endpoint, avatar):
    with pytest.raises(EndpointError, match="twinsdk keys"):
        Publisher(endpoint, avatar=avatar)


@pytest.mark.parametrize(
    "endpoint",
    ["", "5555", "udp://127.0.0.1:5", "tcp://127.0.0.1", "tcp://127.0.0.1:65535", "ipc://"],
)
def test_a_malformed_endpoint_says_what_is_expected(endpoint, avatar):
    with pytest.raises(EndpointError, match="expected tcp://HOST:PORT"):
        Publisher(endpoint, avatar=avatar)
    with pytest.raises(EndpointError, match="expected tcp://HOST:PORT"):
        Subscriber(endpoint)


def test_a_port_in_use_says_what_to_do(publisher, avatar):
    with pytest.raises(EndpointError, match=r"in use .* tcp://127\.0\.0\.1:\*"):
        Publisher(publisher.endpoint, avatar=avatar)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EndpointError, match="in use"):
            Publisher(
                "tcp://127.0.0.1:*",
                avatar=avatar,
                state_endpoint=f"tcp://127.0.0.1:{taken.getsockname()[1]}",
            )


def test_waiting_for_nobody_ends_in_words():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Subscriber(f"tcp://127.0.0.1:{port}") as subscriber,
        pytest.raises(EndpointError, match="is it running"),
    ):
        subscriber.wait(0.2)


def test_closed_ends_say_so(publisher, make):
    subscriber = Subscriber(publisher.endpoint)
    subscriber.close()
    subscriber.close()
    with pytest.raises(UsageError, match="closed"):
        subscriber.recv(0)
    publisher.send(make(1))
    publisher.close()
    publisher.close()
    with pytest.raises(UsageError, match="closed"):
        publisher.send(make(2))


def test_a_publisher_learns_each_second_how_its_stream_arrives(avatar, frame_on):
    def make(seed, **changes):
        return frame_on(avatar, seed, **changes)

    with (
        Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher,
        Subscriber(publisher.endpoint, name="headset") as subscriber,
        streaming(publisher, make, rate_hz=60),
    ):
        until = time.monotonic() + 6
        while not publisher.stats.receivers and time.monotonic() < until:
            subscriber.recv(0.1)
        ((name, told),) = publisher.stats.receivers.items()
    assert name.startswith("headset ")
    assert 0 < told.received <= subscriber.stats.received
    assert told.lost <= subscriber.stats.lost
    assert 0 < told.age_p50_ms <= told.age_p99_ms
    assert 0 <= told.held_ms < 1000


def test_what_a_renderer_is_shown_moves_evenly_and_never_back(avatar, frame_on):
    def make(seed, **changes):
        return frame_on(avatar, 1, **changes)

    with (
        Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher,
        Subscriber(publisher.endpoint) as subscriber,
        streaming(publisher, make, rate_hz=60, ids=(3, 9)),
    ):
        pictures, end = [], time.monotonic() + 10
        while len(pictures) < 60 and time.monotonic() < end:
            time.sleep(1 / 90)
            shown = subscriber.shown()
            if len(shown) == 2:
                pictures.append([(frame.avatar_id, frame.timestamp_ns) for frame in shown])
        now = now_ns()
    assert len(pictures) == 60
    for picture in pictures:
        assert [avatar_id for avatar_id, _ in picture] == [3, 9]
    for twin in range(2):
        times = [picture[twin][1] for picture in pictures]
        assert times == sorted(times)
        assert times[-1] > times[0]
        assert times[-1] < now
