"""Smallest-three rotations and 8-bit expressions: bounds, laws, and the stated bit layout."""

import numpy as np
import pytest

from twinsdk.core import _kernel_reference as reference
from twinsdk.core import kernel, quat
from twinsdk.errors import ShapeError, UsageError, ValueRangeError

# Half a step in each of three components, measured in float64 by the note on the wire format.
LARGEST_ERROR_DEG = {32: 0.27, 48: 0.0085}


def random_rotations(count, seed=1):
    q = np.random.default_rng(seed).normal(size=(count, 4))
    return quat.normalize(q).astype(np.float32)


@pytest.mark.parametrize("bits", [32, 48])
def test_a_rotation_comes_back_within_the_stated_angle(bits):
    rotations = random_rotations(200_000)
    back = kernel.decode_rotations(kernel.encode_rotations(rotations, bits), bits)
    error = np.degrees(quat.angle(quat.normalize(rotations.astype(np.float64)), back))
    assert error.max() < LARGEST_ERROR_DEG[bits]
    np.testing.assert_allclose((back.astype(np.float64) ** 2).sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("bits", [32, 48])
def test_q_and_minus_q_encode_alike(bits):
    rotations = random_rotations(1000)
    np.testing.assert_array_equal(
        kernel.encode_rotations(rotations, bits), kernel.encode_rotations(-rotations, bits)
    )


@pytest.mark.parametrize("bits", [32, 48])
def test_encoding_what_was_decoded_gives_the_same_rotation_again(bits):
    once = kernel.decode_rotations(kernel.encode_rotations(random_rotations(5000), bits), bits)
    twice = kernel.decode_rotations(kernel.encode_rotations(once, bits), bits)
    # Where two components tie, the other one may be dropped: half a step apart at most.
    assert np.degrees(quat.angle(once, twice)).max() < LARGEST_ERROR_DEG[bits]


def test_the_bits_lie_where_the_wire_format_says():
    # The identity drops w, component 3; zeros encode as (steps + 1) / 2 rounded half up.
    words = kernel.encode_rotations(quat.IDENTITY[None], 48)
    np.testing.assert_array_equal(words, [[0x8000 | 16384, 0x8000 | 16384, 16384]])
    word = kernel.encode_rotations(quat.IDENTITY[None], 32)
    np.testing.assert_array_equal(word, [3 << 30 | 512 << 20 | 512 << 10 | 512])
    # A half turn about x drops x, component 0.
    words = kernel.encode_rotations(np.array([[-1, 0, 0, 0]], np.float32), 48)
    np.testing.assert_array_equal(words, [[16384, 16384, 16384]])
    # All equal: the first is dropped; the others are 1/2, or 1/2 / sqrt 2 + 1/2 of the steps.
    step = round((0.5 / np.sqrt(2) + 0.5) * 32767)
    words = kernel.encode_rotations(np.full((1, 4), 0.5, np.float32), 48)
    np.testing.assert_array_equal(words, [[step] * 3])


@pytest.mark.parametrize("bits", [32, 48])
def test_the_kernel_writes_the_words_of_the_reference(bits):
    rotations = random_rotations(20_000, seed=2)
    expected = np.zeros((20_000, 3), np.uint16) if bits == 48 else np.zeros(20_000, np.uint32)
    (reference.encode48 if bits == 48 else reference.encode32)(rotations, expected)
    words = kernel.encode_rotations(rotations, bits)
    np.testing.assert_array_equal(words, expected)
    back = np.zeros_like(rotations)
    (reference.decode48 if bits == 48 else reference.decode32)(words, back)
    np.testing.assert_allclose(kernel.decode_rotations(words, bits), back, atol=2e-7)


@pytest.mark.parametrize("bits", [32, 48])
def test_any_words_decode_to_a_unit_quaternion(bits):
    rng = np.random.default_rng(3)
    if bits == 48:
        words = rng.integers(0, 2**16, (50_000, 3), np.uint16)
        words[0], words[1] = 0, 0xFFFF
    else:
        words = rng.integers(0, 2**32, 50_000, np.uint32)
        words[0], words[1] = 0, 0xFFFFFFFF
    back = kernel.decode_rotations(words, bits)
    np.testing.assert_allclose((back * back).sum(-1), 1, atol=1e-5)


def test_a_clip_keeps_its_leading_dims():
    rotations = random_rotations(12).reshape(3, 4, 4)
    words = kernel.encode_rotations(rotations, 48)
    assert words.shape == (3, 4, 3)
    assert kernel.encode_rotations(rotations, 32).shape == (3, 4)
    assert kernel.decode_rotations(words, 48).shape == (3, 4, 4)
    out = np.zeros((3, 4, 3), np.uint16)
    assert kernel.encode_rotations(rotations, 48, out) is out
    np.testing.assert_array_equal(out, words)


def test_expressions_come_back_within_half_a_step_and_clamped():
    weights = np.random.default_rng(4).random((10, 52)).astype(np.float32)
    codes = kernel.encode_expressions(weights)
    assert codes.dtype == np.uint8
    np.testing.assert_allclose(kernel.decode_expressions(codes), weights, atol=1 / 510 + 1e-6)
    np.testing.assert_array_equal(
        kernel.encode_expressions([-1, 0, 0.5, 1, 7]), [0, 0, 128, 255, 255]
    )


def test_every_byte_survives_decoding_and_encoding():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(
        kernel.encode_expressions(kernel.decode_expressions(every)), every
    )


def test_what_cannot_be_coded_is_refused_by_name():
    with pytest.raises(UsageError, match="bits: expected 32 or 48, got 16"):
        kernel.encode_rotations(np.zeros((1, 4)), 16)
    with pytest.raises(ShapeError, match=r"rotations: expected shape \(1, 4\), got \(1, 3\)"):
        kernel.encode_rotations(np.zeros((1, 3)), 48)
    with pytest.raises(ValueRangeError, match="rotations: expected finite"):
        kernel.encode_rotations([[np.nan, 0, 0, 1]], 48)
    with pytest.raises(
        ShapeError, match=r"words: expected uint16 \(\.\.\., 3\), got uint16 \(4,\)"
    ):
        kernel.decode_rotations(np.zeros(4, np.uint16), 48)
    with pytest.raises(ShapeError, match="words: expected uint32"):
        kernel.decode_rotations(np.zeros((2, 3), np.uint16), 32)
    with pytest.raises(ShapeError, match="out: expected a uint16 array"):
        kernel.encode_rotations(np.zeros((2, 4)), 48, np.zeros((2, 3), np.uint8))
    with pytest.raises(ShapeError, match="codes: expected uint8"):
        kernel.decode_expressions(np.zeros(52))
