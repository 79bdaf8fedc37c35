"""The pose codec in NumPy: the definition of csrc/include/twinsdk/pose_codec.hpp.

Part of `_kernel_reference`.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, U8, U16, U32, Array

__all__ = ["decode32", "decode48", "decode_unit8", "encode32", "encode48", "encode_unit8"]

_ROOT_TWO = np.float32(np.sqrt(2))
_KEPT = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def encode48(rotations: F32, out: U16) -> None:
    """Fill words (..., 3) of unit quaternions (..., 4); see csrc/include/twinsdk/pose_codec.hpp."""
    dropped, kept = _quantise(rotations, 32767)
    kept[..., 0] |= dropped >> 1 << 15
    kept[..., 1] |= (dropped & 1) << 15
    out[...] = kept


def decode48(words: U16, out: F32) -> None:
    """Fill unit quaternions (..., 4) of words (..., 3)."""
    dropped = words[..., 0] >> 15 << 1 | words[..., 1] >> 15
    _restore(dropped, words & 0x7FFF, 32767, out)


def encode32(rotations: F32, out: U32) -> None:
    """Fill words (...) of unit quaternions (..., 4)."""
    dropped, kept = _quantise(rotations, 1023)
    out[...] = dropped << 30 | kept[..., 0] << 20 | kept[..., 1] << 10 | kept[..., 2]


def decode32(words: U32, out: F32) -> None:
    """Fill unit quaternions (..., 4) of words (...)."""
    kept = np.stack([words >> 20 & 1023, words >> 10 & 1023, words & 1023], axis=-1)
    _restore(words >> 30, kept, 1023, out)


def encode_unit8(weights: F32, out: U8) -> None:
    """Fill bytes (...) of weights (...), round(255 w), clamped."""
    out[...] = np.floor(np.clip(weights, 0, 1) * np.float32(255) + np.float32(0.5))


def decode_unit8(codes: U8, out: F32) -> None:
    """Fill weights (...) of bytes (...)."""
    out[...] = codes / np.float32(255)


def _quantise(rotations: F32, steps: int) -> tuple[Array, Array]:
    # In float32 as the wire's other readers do it, so that all write the same words.
    dropped = np.abs(rotations).argmax(-1)
    largest = np.take_along_axis(rotations, dropped[..., None], -1)
    kept = np.take_along_axis(rotations, _KEPT[dropped], -1) * np.where(largest < 0, -1, 1)
    fractions = np.clip(kept.astype(np.float32) / _ROOT_TWO + np.float32(0.5), 0, 1)
    return dropped, np.floor(fractions * np.float32(steps) + np.float32(0.5)).astype(np.int64)


def _restore(dropped: Array, kept: Array, steps: int, out: F32) -> None:
    values = (kept.astype(np.float32) / np.float32(steps) - np.float32(0.5)) * _ROOT_TWO
    square = (values * values).sum(-1)
    dropped = dropped.astype(np.intp)
    full = np.zeros((*dropped.shape, 4), np.float32)
    np.put_along_axis(full, _KEPT[dropped], values, -1)
    left = np.sqrt(np.maximum(0, 1 - square))
    np.put_along_axis(full, dropped[..., None], left[..., None], -1)
    out[...] = full / np.sqrt(np.maximum(square, 1))[..., None]
