"""The pose message: what goes in comes out, and nothing malformed comes through."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.bridge.layout import read_layout
from twinsdk.bridge.wire import (
    Codec,
    FrameDecoder,
    FrameEncoder,
    UnknownAvatarError,
    read_prefix,
    topic,
)
from twinsdk.core import kernel
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import SkeletonMismatchError, UsageError, WireError

ROOT = Path(__file__).parents[2]
SESSION, T_SEND = 0x1122334455667788, 987_654_321
# Half a step of 1/32767 or 1/1023 in three components, as an angle; both are reached in practice.
WORST_DEGREES = {Codec.FLOAT32: 1e-4, Codec.PACKED48: 0.0087, Codec.PACKED32: 0.28}
many = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    a, b = (q / np.linalg.norm(q, axis=1, keepdims=True) for q in (a, b))
    sine = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1)) / 2
    return np.degrees(4 * np.arcsin(np.clip(sine, 0, 1)))


def coders(descriptor, codec):
    joints = len(descriptor.skeleton)
    encoder = FrameEncoder(joints=joints, codec=codec, session=SESSION, descriptor=descriptor.hash)
    return encoder, FrameDecoder(skeleton=descriptor.skeleton, descriptor=descriptor.hash)


@many
@given(codec=st.sampled_from(Codec), joints=st.integers(1, 170), seed=st.integers(0, 2**32 - 1))
def test_a_decoded_frame_is_the_encoded_one_within_the_codec(
    codec, joints, seed, descriptor_of_size, frame_on
):
    descriptor = descriptor_of_size(joints)
    encoder, decoder = coders(descriptor, codec)
    frame = frame_on(descriptor, seed)
    back, header = decoder.decode(encoder.encode(frame, t_send_ns=T_SEND))

    assert (header.session, header.t_send_ns, header.codec) == (SESSION, T_SEND, codec)
    for name in ("avatar_id", "sequence", "timestamp_ns", "state"):
        assert getattr(back, name) == getattr(frame, name)
    assert back.confidence == np.float32(frame.confidence)
    assert back.pose.skeleton is descriptor.skeleton
    np.testing.assert_array_equal(back.pose.root_translation, frame.pose.root_translation)
    worst = degrees_between(back.pose.rotations, frame.pose.rotations).max()
    assert worst <= WORST_DEGREES[codec]
    np.testing.assert_allclose(np.linalg.norm(back.pose.rotations, axis=1), 1, atol=2e-6)
    exact = codec is Codec.FLOAT32
    # Half a step of 1/255, and float32's own rounding of it.
    np.testing.assert_allclose(
        back.expressions, frame.expressions, atol=0 if exact else 0.5001 / 255
    )
    np.testing.assert_allclose(back.joint_confidence, frame.joint_confidence, atol=0.5001 / 255)


@pytest.mark.parametrize("codec", Codec)
def test_one_encoder_gives_each_frame_its_own_bytes(codec, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(55)
    encoder, decoder = coders(descriptor, codec)
    frames = [frame_on(descriptor, seed) for seed in range(5)]
    messages = [encoder.encode(frame) for frame in frames]
    for frame, message in zip(frames, messages, strict=True):
        back, _ = decoder.decode(message)
        assert back.sequence == frame.sequence
        assert degrees_between(back.pose.rotations, frame.pose.rotations).max() < 0.28


@pytest.mark.parametrize("codec", Codec)
def test_the_generated_reader_agrees_with_ours(codec, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(55)
    encoder, decoder = coders(descriptor, codec)
    frame = frame_on(descriptor, 11)
    message = encoder.encode(frame, t_send_ns=T_SEND)
    back, _ = decoder.decode(message)
    table = fb.PoseFrame.GetRootAs(message, 16)
    assert message[20:24] == b"TWNP"
    assert (table.Session(), table.Avatar(), table.Sequence()) == (SESSION, 3, 11)
    assert (table.TCaptureNs(), table.TSendNs()) == (frame.timestamp_ns, T_SEND)
    assert (table.Descriptor(), table.State()) == (descriptor.hash, 1)
    assert table.Confidence() == back.confidence
    root = table.Root()
    np.testing.assert_array_equal(
        np.float32([root.X(), root.Y(), root.Z()]), back.pose.root_translation
    )
    read = {
        Codec.FLOAT32: lambda: table.RotationsF32AsNumpy().reshape(-1, 4),
        Codec.PACKED48: lambda: kernel.decode_rotations(
            table.Rotations48AsNumpy().reshape(-1, 3), 48
        ),
        Codec.PACKED32: lambda: kernel.decode_rotations(table.Rotations32AsNumpy(), 32),
    }
    np.testing.assert_array_equal(read[codec](), back.pose.rotations)
    if codec is Codec.FLOAT32:
        np.testing.assert_array_equal(table.ExpressionsF32AsNumpy(), back.expressions)
    else:
        np.testing.assert_allclose(table.ExpressionsU8AsNumpy() / 255, back.expressions, atol=1e-7)
    np.testing.assert_allclose(
        table.JointConfidenceAsNumpy() / 255, back.joint_confidence, atol=1e-7
    )


def test_a_message_of_another_writer_with_fields_left_out_decodes(descriptor_of_size):
    # What a plain FlatBuffers writer sends: defaults omitted, fields in another order.
    import flatbuffers

    descriptor = descriptor_of_size(3)
    builder = flatbuffers.Builder(64)
    rotations = builder.CreateNumpyVector(np.tile(np.float32([0, 0, 0, 1]), 3))
    expressions = builder.CreateNumpyVector(np.zeros(52, np.float32))
    fb.PoseFrameStart(builder)
    fb.PoseFrameAddDescriptor(builder, descriptor.hash)
    fb.PoseFrameAddExpressionsF32(builder, expressions)
    fb.PoseFrameAddRotationsF32(builder, rotations)
    fb.PoseFrameAddConfidence(builder, 0.25)
    builder.Finish(fb.PoseFrameEnd(builder), file_identifier=b"TWNP")
    message = struct.pack("<3sBIIHH", b"TWN", 1, 0, 0, 0, 0) + bytes(builder.Output())
    _, decoder = coders(descriptor, Codec.FLOAT32)
    frame, header = decoder.decode(message)
    assert (frame.avatar_id, frame.sequence, header.session) == (0, 0, 0)
    np.testing.assert_array_equal(frame.pose.root_translation, [0, 0, 0])
    np.testing.assert_array_equal(frame.joint_confidence, np.float32([0.25] * 3))


def test_sizes_stay_within_the_promise_for_the_humanoid():
    joints = len(humanoid_skeleton())
    sizes = {
        codec: FrameEncoder(joints=joints, codec=codec, session=1, descriptor=1).size
        for codec in Codec
    }
    assert joints == 55
    assert sizes[Codec.PACKED48] <= 640
    assert sizes[Codec.PACKED32] <= 512
    assert sizes[Codec.FLOAT32] <= 1448  # one TCP segment of Ethernet


def test_the_prefix_is_where_a_router_looks(descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(2)
    encoder, _ = coders(descriptor, Codec.PACKED32)
    message = encoder.encode(frame_on(descriptor, 5), avatar_id=0x01020304)
    assert message[:16] == b"TWN\x01" + b"\x04\x03\x02\x01" + b"\x05\0\0\0" + b"\0\0" + b"\x02\0"
    assert topic(0x01020304) == message[:8]
    assert topic() == message[:4]


@many
@given(data=st.data(), codec=st.sampled_from(Codec))
def test_a_damaged_message_is_refused_in_words_or_still_a_valid_frame(
    data, codec, descriptor_of_size, frame_on
):
    descriptor = descriptor_of_size(9)
    encoder, decoder = coders(descriptor, codec)
    message = bytearray(encoder.encode(frame_on(descriptor, 1)))
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    for damaged in (bytes(message), bytes(message[:cut])):
        try:
            frame, _ = decoder.decode(damaged)
        except WireError:
            continue
        assert np.isfinite(frame.pose.rotations).all()
        np.testing.assert_allclose(np.linalg.norm(frame.pose.rotations, axis=1), 1, atol=1e-5)
        assert (frame.expressions >= 0).all()
        assert (frame.expressions <= 1).all()
        assert 0 <= frame.confidence <= 1
        assert np.isfinite(frame.pose.root_translation).all()


@many
@given(noise=st.binary(max_size=400))
def test_noise_behind_a_true_prefix_is_refused(noise, descriptor_of_size):
    _, decoder = coders(descriptor_of_size(4), Codec.PACKED48)
    for message in (noise, b"TWN\x01" + noise, b"TWN\x01" + bytes(16) + b"TWNP" + noise):
        with pytest.raises(WireError):
            decoder.decode(message)


@pytest.mark.parametrize("place", range(4))
def test_a_rotation_that_is_no_rotation_is_refused(place, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(4)
    encoder, decoder = coders(descriptor, Codec.FLOAT32)
    message = bytearray(encoder.encode(frame_on(descriptor, 1)))
    decoder.decode(bytes(message))
    start = read_layout(bytes(message)).rotations_at + 4 * place
    message[start : start + 4] = struct.pack("<f", float("nan"))
    with pytest.raises(WireError, match="unit quaternion"):
        decoder.decode(bytes(message))


def test_another_version_is_refused_with_what_to_update(descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(2)
    encoder, decoder = coders(descriptor, Codec.PACKED48)
    message = bytearray(encoder.encode(frame_on(descriptor, 1)))
    message[3] = 2
    with pytest.raises(WireError, match="expected wire version 1, got 2; update the receiver"):
        decoder.decode(bytes(message))
    with pytest.raises(WireError, match="TWN"):
        read_prefix(b"HTTP/1.1 200 OK!")


def test_a_message_of_another_avatar_names_the_avatar_it_needs(descriptor_of_size, frame_on):
    ours, theirs = descriptor_of_size(5, seed=1), descriptor_of_size(5, seed=2)
    encoder, _ = coders(theirs, Codec.PACKED48)
    _, decoder = coders(ours, Codec.PACKED48)
    with pytest.raises(UnknownAvatarError) as caught:
        decoder.decode(encoder.encode(frame_on(theirs, 1)))
    assert caught.value.descriptor == theirs.hash != ours.hash


def test_a_frame_of_another_joint_count_is_refused(descriptor_of_size, frame_on):
    encoder, _ = coders(descriptor_of_size(5), Codec.PACKED48)
    with pytest.raises(SkeletonMismatchError, match="5 joints"):
        encoder.encode(frame_on(descriptor_of_size(6), 1))


def test_an_unknown_codec_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="float32, packed48, packed32"):
        FrameEncoder(joints=1, codec="packed64", session=1, descriptor=1)


@pytest.mark.referee
def test_the_committed_reader_is_what_flatc_makes_of_the_schema(tmp_path):
    flatc = shutil.which("flatc")
    if flatc is None:
        pytest.skip("needs flatc 2.0.8 (Debian: flatbuffers-compiler)")
    version = subprocess.run([flatc, "--version"], capture_output=True, text=True, check=True)
    if "2.0.8" not in version.stdout:
        pytest.skip(f"needs flatc 2.0.8, got {version.stdout.strip()}")
    subprocess.run(
        [
            flatc,
            "--python",
            "--gen-onefile",
            "-o",
            str(tmp_path),
            str(ROOT / "schema" / "twin.fbs"),
        ],
        check=True,
    )
    made = (tmp_path / "twin_generated.py").read_text()
    assert Path(fb.__file__).read_text() == made
    subprocess.run(
        [flatc, "--binary", "--schema", "-o", str(tmp_path), str(ROOT / "schema" / "twin.fbs")],
        check=True,
    )
    binary = Path(fb.__file__).with_name("twin.bfbs")
    assert binary.read_bytes() == (tmp_path / "twin.bfbs").read_bytes()
