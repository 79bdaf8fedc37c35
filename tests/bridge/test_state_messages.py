"""State messages: descriptors and greetings survive the wire, malformed ones end in words."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsdk.bridge import AvatarDescriptor
from twinsdk.bridge.avatar_file import FileChunk, FileRequest
from twinsdk.bridge.client_statistics import ClientStatistics
from twinsdk.bridge.clock_sync import ClockSync
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses, Haptic
from twinsdk.bridge.messages import (
    AvatarEntry,
    DescriptorRequest,
    Hello,
    Ping,
    Pong,
    Refusal,
    Welcome,
    pack,
    unpack,
)
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import WireError

MESSAGES = [
    Hello(client="Unity 6 ö", version_min=1, version_max=3, codecs=(0, 2)),
    Welcome(
        session=2**63 + 5,
        pose_endpoint="tcp://127.0.0.1:5555",
        codec=1,
        avatars=(
            AvatarEntry(avatar=0, descriptor=2**64 - 1, newest=b"TWN\x01abc"),
            AvatarEntry(avatar=2**32 - 1, descriptor=9, file=bytes(range(32)), file_bytes=2**40),
        ),
        now_ns=-5,
    ),
    Refusal(reason="no"),
    DescriptorRequest(hash=2**64 - 1),
    Ping(t0_ns=2**62),
    Pong(t0_ns=1, t1_ns=-2, t2_ns=3),
    DevicePoses(
        t_ns=77,
        devices=(
            Device(kind=DeviceKind.HEAD, position=(0.5, 1.75, -2), rotation=(0, 1, 0, 0)),
            Device(
                kind=DeviceKind.RIGHT_HAND,
                position=(0, 1, 0),
                rotation=(0, 0, 0, 1),
                buttons=(0, 0.5, 1),
            ),
        ),
    ),
    Haptic(kind=DeviceKind.LEFT_HAND, amplitude=0.5, duration_s=0.25),
    FileRequest(sha256=bytes(range(32)), offset=2**40),
    FileChunk(sha256=bytes(32), offset=131072, data=b"\0\x01\xff"),
    ClientStatistics(received=2**40, lost=7, age_p50_ms=1.5, age_p99_ms=2.25, held_ms=0),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_comes_back_as_it_went(message):
    assert unpack(pack(message)) == message


@pytest.mark.parametrize("joints", [1, 55, 160, 4096])
def test_a_descriptor_comes_back_as_it_went(joints, descriptor_of_size):
    descriptor = descriptor_of_size(joints)
    back = unpack(pack(descriptor))
    assert back.hash == descriptor.hash
    assert back.skeleton.names == descriptor.skeleton.names
    np.testing.assert_array_equal(back.skeleton.parents, descriptor.skeleton.parents)
    np.testing.assert_array_equal(
        back.skeleton.rest_translations, descriptor.skeleton.rest_translations
    )
    np.testing.assert_allclose(
        back.skeleton.rest_rotations, descriptor.skeleton.rest_rotations, atol=1e-6
    )
    for name in ("name", "humanoid", "expressions", "morphs"):
        assert getattr(back, name) == getattr(descriptor, name)


def test_the_hash_follows_the_documented_rule():
    skeleton = humanoid_skeleton()
    humanoid = {name: name for name in skeleton.names}
    descriptor = AvatarDescriptor(skeleton=skeleton, humanoid=humanoid, morphs=("jawOpen",))
    data = b"twin descriptor 1"
    for words in (skeleton.names, skeleton.names, descriptor.expressions, ("jawOpen",)):
        data += struct.pack("<I", len(words))
        data += b"".join(struct.pack("<H", len(w)) + w.encode() for w in words)
    data += struct.pack("<55h", *skeleton.parents)
    data += struct.pack("<165f", *skeleton.rest_translations.ravel())
    data += struct.pack("<220f", *skeleton.rest_rotations.ravel())
    expected = struct.unpack("<Q", hashlib.sha256(data).digest()[:8])[0]
    assert descriptor.hash == expected


def test_the_hash_sees_every_part_but_the_name(descriptor_of_size):
    base = descriptor_of_size(4)

    def changed(**fields):
        same = {"skeleton": base.skeleton, "humanoid": base.humanoid, "morphs": base.morphs}
        return AvatarDescriptor(**{**same, **fields}).hash

    assert changed(name="another") == base.hash
    others = [
        changed(skeleton=descriptor_of_size(4, seed=8).skeleton),
        changed(humanoid={}),
        changed(morphs=("jawOpen",)),
        changed(morphs=("jawOpe", "nx")),
        changed(expressions=("jawOpen",)),
    ]
    assert len({base.hash, *others}) == 6


def test_a_descriptor_that_does_not_match_its_hash_is_refused(descriptor_of_size):
    data = pack(descriptor_of_size(3))
    where = data.index("joint 1 ö".encode())
    with pytest.raises(WireError, match="hash"):
        unpack(data[:where] + b"J" + data[where + 1 :])


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_message_raises_a_wire_error_or_reads(data, descriptor_of_size):
    message = data.draw(st.sampled_from([*MESSAGES, descriptor_of_size(6)]))
    damaged = bytearray(pack(message))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for candidate in (bytes(damaged), bytes(damaged[:cut])):
        try:
            unpack(candidate)
        except WireError:
            continue


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rotation": (0, 0, 0, 0.5)}, "unit rotations"),
        ({"position": (float("nan"), 0, 0)}, "finite"),
        ({"buttons": (2.0,)}, "buttons"),
        ({"buttons": (0.0,) * 65}, "at most 64 buttons"),
    ],
)
def test_senseless_devices_are_refused(fields, words):
    sound = {"kind": DeviceKind.HEAD, "position": (0, 0, 0), "rotation": (0, 0, 0, 1)}
    message = DevicePoses(t_ns=1, devices=(Device(**{**sound, **fields}),))
    with pytest.raises(WireError, match=words):
        unpack(pack(message))


def test_a_list_longer_than_sense_is_refused_before_it_is_read():
    data = bytearray(pack(MESSAGES[0]))
    where = data.index(struct.pack("<I2H", 2, 0, 2))
    data[where : where + 4] = struct.pack("<I", 2**31)
    with pytest.raises(WireError, match="at most 64 codecs"):
        unpack(bytes(data))


@pytest.mark.parametrize(
    "data", [b"", b"TWNS", b"\0\0\0\0TWNS", b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(WireError, match="state message"):
        unpack(data)


def test_the_clock_offset_is_that_of_the_quickest_answer():
    sync = ClockSync()
    true_offset, local = 5_000_000_000, 1_000
    for out_ns, back_ns in ((900_000, 100_000), (20_000, 30_000), (50_000, 400_000)):
        arrived = local + out_ns + true_offset
        sync.add(Pong(t0_ns=local, t1_ns=arrived, t2_ns=arrived + 7), local + out_ns + 7 + back_ns)
        local += 10_000_000
    best = sync.best
    assert best.uncertainty_ns == 25_000
    assert abs(best.offset_ns - true_offset) <= best.uncertainty_ns
    assert sync.to_local(true_offset + 70_000) == 70_000 + true_offset - best.offset_ns


def test_an_offset_below_its_uncertainty_is_not_applied():
    sync = ClockSync()
    sync.add(Pong(t0_ns=0, t1_ns=60, t2_ns=60), 100)
    assert sync.best.offset_ns == 10
    assert sync.to_local(1234) == 1234
