"""The golden messages, which every client reads too, mean here what their text says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twinsdk.bridge.avatar_file import FileChunk
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
from twinsdk.bridge.wire import Codec, FrameDecoder, FrameEncoder, read_prefix
from twinsdk.core.frame import TrackingState
from twinsdk.errors import WireError

GOLDEN = Path(__file__).parents[1] / "golden" / "wire"
CODECS = {"float32": Codec.FLOAT32, "packed48": Codec.PACKED48, "packed32": Codec.PACKED32}


def message(name):
    return (GOLDEN / f"{name}.bin").read_bytes()


def facts(name):
    """Return the facts beside a message: key -> list of its values as text."""
    found: dict[str, list[str]] = {}
    for line in (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def numbers(text):
    return np.array(text.split(), np.float64)


@pytest.mark.parametrize("name", CODECS)
def test_a_golden_pose_decodes_to_its_facts(name):
    said = facts(name)
    descriptor = unpack(message("descriptor"))
    decoder = FrameDecoder(skeleton=descriptor.skeleton, descriptor=int(said["descriptor"][0]))
    frame, header = decoder.decode(message(name))
    assert header.codec == CODECS[name] == int(said["codec"][0])
    assert header.session == int(said["session"][0])
    assert header.t_send_ns == int(said["t_send_ns"][0])
    assert frame.avatar_id == int(said["avatar"][0])
    assert frame.sequence == int(said["sequence"][0])
    assert frame.timestamp_ns == int(said["t_capture_ns"][0])
    assert list(TrackingState).index(frame.state) == int(said["state"][0])
    assert frame.confidence == float(said["confidence"][0])
    np.testing.assert_array_equal(frame.pose.root_translation, numbers(said["root"][0]))
    expected = np.stack([numbers(line) for line in said["rotation"]])
    ours = frame.pose.rotations * np.sign((frame.pose.rotations * expected).sum(1))[:, None]
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(frame.expressions, numbers(said["expressions"][0]), atol=1e-7)
    np.testing.assert_allclose(
        frame.joint_confidence, numbers(said["joint_confidence"][0]), atol=1e-7
    )


@pytest.mark.parametrize("name", CODECS)
def test_our_encoder_says_the_same_as_the_golden_writer(name):
    descriptor = unpack(message("descriptor"))

    def decode(data):
        return FrameDecoder(skeleton=descriptor.skeleton, descriptor=descriptor.hash).decode(data)

    exact, _ = decode(message("float32"))
    encoder = FrameEncoder(
        joints=6, codec=name, session=decode(message(name))[1].session, descriptor=descriptor.hash
    )
    ours, golden = encoder.encode(exact, t_send_ns=0), message(name)
    assert read_prefix(ours) == read_prefix(golden)
    np.testing.assert_allclose(
        decode(ours)[0].pose.rotations, decode(golden)[0].pose.rotations, atol=1e-6
    )
    np.testing.assert_array_equal(decode(ours)[0].expressions, decode(golden)[0].expressions)


def test_the_golden_descriptor_reads_as_its_facts():
    said = facts("descriptor")
    descriptor = unpack(message("descriptor"))
    assert descriptor.hash == int(said["hash"][0])
    assert [descriptor.name] == said["name"]
    assert list(descriptor.skeleton.names) == said["joint"]
    assert descriptor.skeleton.parents.tolist() == [int(text) for text in said["parent"]]
    roles = [descriptor.humanoid.get(name, "") for name in descriptor.skeleton.names]
    assert roles == said["role"]
    np.testing.assert_array_equal(
        descriptor.skeleton.rest_translations, [numbers(line) for line in said["translation"]]
    )
    np.testing.assert_array_equal(
        descriptor.skeleton.rest_rotations, [numbers(line) for line in said["rest_rotation"]]
    )
    assert list(descriptor.expressions) == said["expression"]
    assert list(descriptor.morphs) == said["morph"]


def test_the_golden_greetings_read_as_their_facts():
    said = facts("welcome")
    entries = [[int(word) for word in line.split()] for line in said["entry"]]
    assert unpack(message("welcome")) == Welcome(
        version=int(said["version"][0]),
        session=int(said["session"][0]),
        pose_endpoint=said["pose_endpoint"][0],
        codec=int(said["codec"][0]),
        now_ns=int(said["now_ns"][0]),
        avatars=(
            AvatarEntry(
                avatar=entries[0][0],
                descriptor=entries[0][1],
                newest=message("packed48"),
                file=bytes.fromhex(said["file"][0].split()[1]),
                file_bytes=int(said["file"][0].split()[2]),
            ),
            AvatarEntry(avatar=entries[1][0], descriptor=entries[1][1]),
        ),
    )
    assert len(message("packed48")) == entries[0][2]
    said = facts("hello")
    assert unpack(message("hello")) == Hello(
        client=said["client"][0], version_min=1, version_max=3, codecs=(0, 1, 2)
    )
    assert unpack(message("refusal")) == Refusal(reason="no")
    assert unpack(message("request")) == DescriptorRequest(hash=int(facts("request")["hash"][0]))
    assert unpack(message("ping")) == Ping(t0_ns=int(facts("ping")["t0_ns"][0]))
    clock = {key: int(values[0]) for key, values in facts("pong").items()}
    assert unpack(message("pong")) == Pong(**clock)


def test_the_golden_chunk_reads_as_its_facts():
    said = {key: values[0] for key, values in facts("chunk").items()}
    assert unpack(message("chunk")) == FileChunk(
        sha256=bytes.fromhex(said["sha256"]), offset=0, data=bytes.fromhex(said["data"])
    )


def test_messages_of_the_former_minor_version_still_read():
    descriptor = unpack(message("former/descriptor"))
    assert descriptor.hash == unpack(message("descriptor")).hash
    decoder = FrameDecoder(skeleton=descriptor.skeleton, descriptor=descriptor.hash)
    now, before = decoder.decode(message("packed48")), decoder.decode(message("former/packed48"))
    np.testing.assert_array_equal(now[0].pose.rotations, before[0].pose.rotations)
    assert now[1] == before[1]
    entries = unpack(message("former/welcome")).avatars
    assert [(entry.avatar, entry.file, entry.file_bytes) for entry in entries] == [
        (7, None, 0),
        (8, None, 0),
    ]
    assert unpack(message("former/hello")) == unpack(message("hello"))


def test_a_later_minor_version_is_read_as_far_as_it_is_known():
    clock = {key: int(values[0]) for key, values in facts("later_pong").items()}
    assert unpack(message("later_pong")) == Pong(**clock)
    with pytest.raises(WireError, match="kind 99"):
        unpack(message("later_kind"))


def test_another_major_version_is_refused_in_words():
    descriptor = unpack(message("descriptor"))
    decoder = FrameDecoder(skeleton=descriptor.skeleton, descriptor=descriptor.hash)
    for read in (decoder.decode, read_prefix):
        with pytest.raises(WireError, match="version 1, got 2; update the receiver"):
            read(message("other_major"))
    decoder.decode(message("packed48"))
    with pytest.raises(WireError, match="version 1, got 2; update the receiver"):
        decoder.decode(message("other_major"))  # by a reader that is warm, too


@pytest.mark.parametrize(
    "name", ["descriptor", "welcome", "hello", "refusal", "request", "ping", "pong", "chunk"]
)
def test_what_we_read_we_write_so_that_it_reads_alike(name):
    read = unpack(message(name))
    again = unpack(pack(read))
    if name == "descriptor":
        assert again.hash == read.hash
    else:
        assert again == read


def test_the_golden_files_are_what_their_rule_makes(tmp_path):
    subprocess.run([sys.executable, str(GOLDEN / "make.py"), str(tmp_path)], check=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    kept = {file.name: file.read_bytes() for file in GOLDEN.glob("*.bin")}
    kept |= {file.name: file.read_bytes() for file in GOLDEN.glob("*.txt")}
    assert made == kept
