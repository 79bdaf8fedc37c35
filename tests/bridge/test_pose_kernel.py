"""The compiled reader and writer of pose messages against the NumPy ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsdk.bridge.layout import read_layout
from twinsdk.bridge.wire import Codec, FrameEncoder, pose_wire
from twinsdk.core import kernel

pytestmark = pytest.mark.skipif(kernel.native is None, reason="needs the compiled kernels")
many = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def both(monkeypatch, message):
    layout = read_layout(message)
    found = []
    for module in (kernel.native, kernel.reference):
        monkeypatch.setattr(kernel, "implementation", lambda _, m=module: m)
        found.append(pose_wire(layout, message))
    monkeypatch.undo()
    return found


def same(ours, reference):
    if isinstance(ours, int) or isinstance(reference, int):
        return type(ours) is type(reference) and ours == reference
    *single, root, rotations, expressions, sure = zip(ours, reference, strict=True)
    for a, b in (root, rotations, expressions, sure):
        # Two float32 rounding orders of a unit quaternion's components.
        np.testing.assert_allclose(a, b, atol=3e-7)
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float32
    return all(a == b for a, b in single)


@many
@given(
    codec=st.sampled_from(Codec),
    joints=st.integers(1, 170),
    seed=st.integers(0, 2**32 - 1),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_both_read_the_same_from_any_bytes(
    codec, joints, seed, damage, descriptor_of_size, frame_on, monkeypatch
):
    descriptor = descriptor_of_size(joints)
    encoder = FrameEncoder(joints=joints, codec=codec, session=1, descriptor=descriptor.hash)
    message = encoder.encode(frame_on(descriptor, seed), t_send_ns=5)
    ours, reference = both(monkeypatch, message)
    assert same(ours.read(message), reference.read(message))
    bad = bytearray(message)
    for place, value in damage:
        bad[int(place * len(bad))] = value
    assert same(ours.read(bytes(bad)), reference.read(bytes(bad)))
    for cut in (b"", message[:-1], message + b"\0"):
        assert ours.read(cut) == reference.read(cut) == 1


@pytest.mark.parametrize("codec", Codec)
def test_both_write_the_same_bytes(codec, descriptor_of_size, frame_on, monkeypatch):
    descriptor = descriptor_of_size(131)
    encoder = FrameEncoder(joints=131, codec=codec, session=1, descriptor=descriptor.hash)
    ours, reference = both(monkeypatch, encoder.encode(frame_on(descriptor, 0)))
    for seed in range(20):
        frame = frame_on(descriptor, seed)
        given_values = (
            frame.pose.rotations,
            frame.expressions,
            frame.joint_confidence,
            frame.pose.root_translation,
            2**32 - 1,
            seed,
            -(2**63),
            2**63 - 1,
            4,
            frame.confidence,
        )
        assert ours.write(*given_values) == reference.write(*given_values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask", b"\xff"),
        ("codec", 3),
        ("joints", 0),
        ("joints", 10**6),
        ("expressions", 10**6),
        ("expressions", -1),
        ("rotations_at", 10**6),
        ("confidence_at", 590),
        ("scalars", [588] * 9),
    ],
)
def test_places_outside_the_message_are_refused(name, value, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(55)
    encoder = FrameEncoder(joints=55, codec=Codec.PACKED48, session=1, descriptor=1)
    message = encoder.encode(frame_on(descriptor, 0))
    layout = read_layout(message)
    places = {
        "pattern": message,
        "mask": layout.mask,
        "scalars": [0] * 9,
        "codec": 1,
        "joints": 55,
        "expressions": 52,
        "rotations_at": layout.rotations_at,
        "expressions_at": layout.expressions_at,
        "confidence_at": layout.confidence_at,
    }
    kernel.native.PoseWire(**places)
    with pytest.raises(ValueError, match="layout"):
        kernel.native.PoseWire(**{**places, name: value})


def test_arrays_of_another_size_are_refused(descriptor_of_size, frame_on, monkeypatch):
    descriptor = descriptor_of_size(55)
    encoder = FrameEncoder(joints=55, codec=Codec.PACKED48, session=1, descriptor=1)
    ours, _ = both(monkeypatch, encoder.encode(frame_on(descriptor, 0)))
    fit = [np.zeros(size, np.float32) for size in (220, 52, 55, 3)]
    ours.write(*fit, 0, 0, 0, 0, 0, 0.5)
    for i in range(4):
        wrong = [*fit]
        wrong[i] = np.zeros(len(fit[i]) - 1, np.float32)
        with pytest.raises(ValueError, match="unexpected size"):
            ours.write(*wrong, 0, 0, 0, 0, 0, 0.5)
