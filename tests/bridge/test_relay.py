"""Relays: what goes in comes out, for late joiners, chains, several sources and other clocks."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from twinsdk.bridge import Publisher, Subscriber
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.bridge.relay import Relay
from twinsdk.core.clock import now_ns
from twinsdk.errors import EndpointError

ANYWHERE = "tcp://127.0.0.1:*"


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def streaming(publisher, descriptor, frame_on, *, avatar_id=3, offset_ns=0):
    stop = threading.Event()

    def run():
        sequence = 0
        while not stop.wait(0.01):
            sequence += 1
            publisher.send(
                frame_on(
                    descriptor,
                    sequence,
                    avatar_id=avatar_id,
                    sequence=sequence,
                    timestamp_ns=now_ns() + offset_ns,
                )
            )

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_frames_pass_two_relays_in_a_row_unchanged(descriptor_of_size, frame_on):
    avatar = descriptor_of_size(20)
    with (
        Publisher(ANYWHERE, avatar=avatar) as publisher,
        Relay([publisher.endpoint], ANYWHERE) as first,
        Relay([first.endpoint], ANYWHERE) as second,
        streaming(publisher, avatar, frame_on),
        Subscriber(second.endpoint) as subscriber,
    ):
        frames = [subscriber.recv(10) for _ in range(20)]
        assert subscriber.descriptor.hash == avatar.hash
        assert subscriber.header.session == publisher.session
        stats = subscriber.stats
        assert second.stats.avatars == 1
    sequences = [frame.sequence for frame in frames]
    assert sequences == sorted(set(sequences))
    expected = frame_on(avatar, sequences[-1])
    np.testing.assert_allclose(frames[-1].expressions, expected.expressions, atol=0.51 / 255)
    assert (stats.malformed, stats.reordered) == (0, 0)


def test_a_late_joiner_of_a_relay_gets_the_newest_frame_of_a_silent_source(
    descriptor_of_size, frame_on
):
    avatar = descriptor_of_size(5)
    with (
        Publisher(ANYWHERE, avatar=avatar) as publisher,
        Relay([publisher.endpoint], ANYWHERE) as relay,
    ):
        publisher.send(frame_on(avatar, 1))
        deadline = time.monotonic() + 10
        while relay.stats.avatars == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with Subscriber(relay.endpoint) as subscriber:
            assert subscriber.recv(5).sequence == 1


def test_a_room_of_several_publishers_comes_out_of_one_relay(descriptor_of_size, frame_on):
    one, two = descriptor_of_size(4, seed=1), descriptor_of_size(9, seed=2)
    with (
        Publisher(ANYWHERE, avatar=one) as first,
        Publisher(ANYWHERE, avatar=two) as second,
        Relay([first.endpoint, second.endpoint], ANYWHERE) as relay,
        streaming(first, one, frame_on, avatar_id=1),
        streaming(second, two, frame_on, avatar_id=2),
        Subscriber(relay.endpoint) as subscriber,
    ):
        sizes = {}
        deadline = time.monotonic() + 10
        while len(sizes) < 2 and time.monotonic() < deadline:
            frame = subscriber.recv(1)
            if frame is not None:
                sizes[frame.avatar_id] = len(frame.pose.rotations)
    assert sizes == {1: 4, 2: 9}


def test_two_sources_with_one_avatar_id_are_told_apart_and_counted(descriptor_of_size, frame_on):
    avatar = descriptor_of_size(4)
    with (
        Publisher(ANYWHERE, avatar=avatar) as first,
        Publisher(ANYWHERE, avatar=avatar) as second,
        Relay([first.endpoint, second.endpoint], ANYWHERE) as relay,
        streaming(first, avatar, frame_on),
        streaming(second, avatar, frame_on),
        Subscriber(relay.endpoint) as subscriber,
    ):
        sessions = set()
        deadline = time.monotonic() + 10
        while relay.stats.collisions < 5 or len(sessions) == 0:
            assert time.monotonic() < deadline
            if subscriber.recv(0.1) is not None:
                sessions.add(subscriber.header.session)
    assert len(sessions) == 1


def test_a_source_on_another_clock_is_measured_and_its_times_are_ours(descriptor_of_size, frame_on):
    avatar = descriptor_of_size(4)
    ahead = 3_600_000_000_000

    def other_clock():
        return now_ns() + ahead

    with (
        Publisher(ANYWHERE, avatar=avatar, clock=other_clock) as publisher,
        Relay([publisher.endpoint], ANYWHERE) as relay,
        streaming(publisher, avatar, frame_on, offset_ns=ahead),
        Subscriber(relay.endpoint) as subscriber,
        Subscriber(publisher.endpoint) as direct,
    ):
        for _ in range(30):
            assert subscriber.recv(10) is not None
            assert direct.recv(10) is not None
        frame = subscriber.recv(10)
        assert abs(now_ns() - frame.timestamp_ns) < 1_000_000_000
        # A direct receiver keeps the publisher's times and measures the age through its offset.
        assert abs(now_ns() + ahead - direct.recv(10).timestamp_ns) < 1_000_000_000
        # As exact as the first offsets, which on a busy machine are some milliseconds off.
        assert -50 < direct.stats.age_p50_ms < 1000
        assert abs(direct.stats.clock.offset_ns - ahead) < 50_000_000


def test_a_relay_outlives_its_source(descriptor_of_size, frame_on):
    avatar = descriptor_of_size(4)
    with Publisher(ANYWHERE, avatar=avatar) as publisher:
        place = publisher.endpoint
        relay = Relay([place], ANYWHERE)
        subscriber = Subscriber(relay.endpoint)
        with streaming(publisher, avatar, frame_on):
            assert subscriber.recv(10) is not None
    with (
        relay,
        subscriber,
        Publisher(place, avatar=avatar) as publisher,
        streaming(publisher, avatar, frame_on),
    ):
        deadline = time.monotonic() + 10
        while subscriber.header.session != publisher.session:
            assert time.monotonic() < deadline
            subscriber.recv(1)


def test_a_relay_with_keys_between_a_stream_with_keys_and_a_paired_device(
    descriptor_of_size, frame_on, tmp_path
):
    avatar = descriptor_of_size(4)
    above, below = make_server_keys(tmp_path / "above"), make_server_keys(tmp_path / "below")
    with Publisher(ANYWHERE, avatar=avatar, keys=above) as publisher:
        up = pair("relay", endpoint=publisher.endpoint, folder=above.folder)
        with Relay([str(up)], ANYWHERE, keys=below) as relay:
            down = pair("headset", endpoint=relay.endpoint, folder=below.folder)
            with streaming(publisher, avatar, frame_on), Subscriber(str(down)) as subscriber:
                assert subscriber.recv(10) is not None


def test_a_relay_without_sources_or_keys_is_refused():
    with pytest.raises(EndpointError, match="at least one source"):
        Relay([], ANYWHERE)
    with pytest.raises(EndpointError, match="twinsdk keys"):
        Relay(["tcp://127.0.0.1:5555"], "tcp://0.0.0.0:*")


def test_the_avatars_file_passes_three_relays(descriptor_of_size, frame_on, tmp_path, monkeypatch):
    content = b"glTF" + np.random.default_rng(5).bytes(400_000)
    (tmp_path / "me.vrm").write_bytes(content)
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "relays"))
    avatar = descriptor_of_size(6)
    with (
        Publisher(ANYWHERE, avatar=avatar, avatar_file=tmp_path / "me.vrm") as publisher,
        Relay([publisher.endpoint], ANYWHERE) as first,
        Relay([first.endpoint], ANYWHERE) as second,
        Relay([second.endpoint], ANYWHERE) as third,
        streaming(publisher, avatar, frame_on),
    ):
        until(lambda: third._files._here)
        receiver = tmp_path / "receiver"
        monkeypatch.setenv("TWINSDK_CACHE", str(receiver))
        with Subscriber(third.endpoint) as subscriber:
            path = subscriber.avatar(timeout_s=20)
        assert path.is_relative_to(receiver)
        assert path.read_bytes() == content


def test_a_file_that_no_source_gives_away_is_refused_by_the_relay(descriptor_of_size, frame_on):
    avatar = descriptor_of_size(6)
    with (
        Publisher(ANYWHERE, avatar=avatar) as publisher,
        Relay([publisher.endpoint], ANYWHERE) as relay,
        streaming(publisher, avatar, frame_on),
        Subscriber(relay.endpoint) as subscriber,
        pytest.raises(EndpointError, match="gives no file"),
    ):
        subscriber.avatar(timeout_s=10)
