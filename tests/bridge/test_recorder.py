"""Recordings: what went in comes out, also from a killed one, and plays again as a live stream."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from twinsdk.bridge import Publisher, Subscriber
from twinsdk.bridge.recorder import Recorder, Recording, replay
from twinsdk.bridge.wire import Codec
from twinsdk.core.clock import now_ns
from twinsdk.errors import FileMissingError, FormatError, OutputError, SkeletonMismatchError


def recorded(path, descriptor, frame_on, count=12, rate_hz=120):
    with Recorder(path) as recorder:
        frames = [
            frame_on(descriptor, i, avatar_id=i % 2, timestamp_ns=10**9 + round(i * 1e9 / rate_hz))
            for i in range(count)
        ]
        for frame in frames:
            recorder.add(frame, avatar=descriptor)
    return frames


def test_frames_come_back_exactly(tmp_path, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(20)
    frames = recorded(tmp_path / "ö take 1.mcap", descriptor, frame_on)
    recording = Recording(tmp_path / "ö take 1.mcap")
    back = list(recording)
    assert recording.complete is True
    assert recording.malformed == 0
    assert [entry.header.codec for entry in back] == [Codec.FLOAT32] * 12
    for entry, frame in zip(back, frames, strict=True):
        assert entry.descriptor.hash == descriptor.hash
        for name in ("avatar_id", "sequence", "timestamp_ns", "state"):
            assert getattr(entry.frame, name) == getattr(frame, name)
        np.testing.assert_array_equal(entry.frame.pose.rotations, frame.pose.rotations)
        np.testing.assert_array_equal(entry.frame.expressions, frame.expressions)
    assert {key: value.hash for key, value in recording.descriptors().items()} == {
        0: descriptor.hash,
        1: descriptor.hash,
    }


def test_foxgloves_own_reader_finds_schema_channels_and_messages(
    tmp_path, descriptor_of_size, frame_on
):
    from mcap.reader import make_reader

    from twinsdk.bridge._generated import twin_generated as fb

    recorded(tmp_path / "a.mcap", descriptor_of_size(5), frame_on, count=4)
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert summary.statistics.message_count == 5
        names = {channel.topic for channel in summary.channels.values()}
        assert names == {"/twin/descriptors", "/twin/avatars/0", "/twin/avatars/1"}
        sequences = []
        for schema, channel, message in reader.iter_messages():
            assert schema.encoding == channel.message_encoding == "flatbuffer"
            assert schema.data[4:8] == b"BFBS"
            assert schema.name.encode() in schema.data
            if schema.name == "twin.wire.PoseFrame":
                sequences.append(fb.PoseFrame.GetRootAs(message.data, 0).Sequence())
    assert sorted(sequences) == [0, 1, 2, 3]


def test_a_stream_is_recorded_as_it_came(tmp_path, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(9)
    stop = threading.Event()
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor, codec="packed32") as publisher:

        def run():
            sequence = 0
            while not stop.wait(0.01):
                sequence += 1
                publisher.send(frame_on(descriptor, sequence))

        thread = threading.Thread(target=run)
        thread.start()
        with (
            Subscriber(publisher.endpoint) as subscriber,
            Recorder(tmp_path / "s.mcap") as recorder,
        ):
            seen = []
            for frame in subscriber:
                recorder.add_message(subscriber.message, descriptor=subscriber.descriptor)
                seen.append(frame)
                if len(seen) == 10:
                    break
        stop.set()
        thread.join()
    back = list(Recording(tmp_path / "s.mcap"))
    assert [entry.header.codec for entry in back] == [Codec.PACKED32] * 10
    assert [entry.frame.sequence for entry in back] == [frame.sequence for frame in seen]
    for entry, frame in zip(back, seen, strict=True):
        np.testing.assert_array_equal(entry.frame.pose.rotations, frame.pose.rotations)


WRITER = """
import sys, time
import numpy as np
from twinsdk.bridge import AvatarDescriptor
from twinsdk.bridge.recorder import Recorder
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
skeleton = humanoid_skeleton()
avatar = AvatarDescriptor(skeleton=skeleton, humanoid={})
recorder = Recorder(sys.argv[1])
for i in range(10**9):
    pose = rest_pose(skeleton)
    recorder.add(TwinFrame(avatar_id=0, sequence=i, timestamp_ns=i, pose=pose), avatar=avatar)
    print(i, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_recording_is_readable_to_its_last_frame(tmp_path):
    path = tmp_path / "killed.mcap"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    written = 0
    try:
        for line in child.stdout:
            written = int(line)
            if written >= 50:
                break
    finally:
        child.kill()
        child.wait(timeout=10)
        child.stdout.close()
    recording = Recording(path)
    sequences = [entry.frame.sequence for entry in recording]
    assert sequences == list(range(len(sequences)))
    assert len(sequences) > written
    assert recording.complete is False


def test_a_recording_cut_anywhere_gives_the_frames_before_the_cut(
    tmp_path, descriptor_of_size, frame_on
):
    recorded(tmp_path / "a.mcap", descriptor_of_size(3), frame_on, count=4)
    whole = (tmp_path / "a.mcap").read_bytes()
    counts = []
    for cut in range(len(whole) // 2, len(whole), 97):
        (tmp_path / "cut.mcap").write_bytes(whole[:cut])
        try:
            counts.append(len(list(Recording(tmp_path / "cut.mcap"))))
        except FormatError:
            counts.append(0)
    assert counts == sorted(counts)
    assert counts[-1] == 4


def test_a_replay_is_a_live_stream_at_any_speed(tmp_path, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(4)
    recorded(tmp_path / "a.mcap", descriptor, frame_on, count=24, rate_hz=60)
    recording = Recording(tmp_path / "a.mcap")
    with (
        Publisher("tcp://127.0.0.1:*", avatar=recording.descriptors()) as publisher,
        Subscriber(publisher.endpoint) as subscriber,
    ):
        start = time.monotonic()
        got, times = [], []
        for frame in replay(recording, publisher, speed=2, loops=0):
            times.append(frame.timestamp_ns)
            if len(times) == 24:
                took = time.monotonic() - start
            received = subscriber.recv(0.002)
            if received is not None:
                got.append(received.sequence)
            if len(times) >= 48 and len(got) > 10:
                break
            assert time.monotonic() < start + 30
    assert got == sorted(set(got))
    # 1/60 s at double speed, to the rounding of nanoseconds.
    np.testing.assert_allclose(np.diff(times[:24]), 1e9 / 120, atol=2)
    # The machine may be slow, never fast.
    assert took >= 23 / 120 - 0.01
    # Captured now, not when it was recorded.
    assert abs(now_ns() - times[-1]) < 10_000_000_000


def test_bad_files_and_places_say_so(tmp_path, descriptor_of_size, frame_on):
    with pytest.raises(FileMissingError, match="recording"):
        Recording(tmp_path / "none.mcap")
    (tmp_path / "text.mcap").write_text("this is no recording, only text that is long enough")
    with pytest.raises(FormatError, match="expected an MCAP file"):
        list(Recording(tmp_path / "text.mcap"))
    from mcap.writer import Writer

    with (tmp_path / "other.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.finish()
    with pytest.raises(FormatError, match="found none"):
        list(Recording(tmp_path / "other.mcap"))
    with pytest.raises(OutputError, match="cannot write there"):
        Recorder(tmp_path / "no folder" / "a.mcap")
    other = frame_on(descriptor_of_size(5), 1)
    with Recorder(tmp_path / "a.mcap") as recorder, pytest.raises(SkeletonMismatchError):
        recorder.add(other, avatar=descriptor_of_size(4))
