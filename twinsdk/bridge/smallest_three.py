"""Smallest-three rotations: a unit quaternion without its largest component, 48 or 32 bits.

The largest component is left out (its sign made positive, since q and -q are one rotation) and the
other three, each in [-1/sqrt 2, 1/sqrt 2], are stored as v / sqrt 2 + 1/2 times 32767 or 1023.

- 48 bits: three words of 16, the kept components in order in the low 15 bits; the index of the
  dropped one in the top bits of words 0 (high bit) and 1 (low bit).
- 32 bits: the index in bits 30-31, then the kept components, ten bits each, first one highest.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, U16, U32, Array

__all__ = ["decode32", "decode48", "encode32", "encode48"]

_ROOT_TWO = np.float32(np.sqrt(2))
_KEPT = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def encode48(rotations: F32, out: U16 | None = None) -> U16:
    """Return unit quaternions (J, 4) as (J, 3) words; the largest error is 0.0085 degrees."""
    dropped, steps = _quantise(rotations, 32767)
    words = steps.astype(np.uint16)
    words[:, 0] |= ((dropped >> 1) << 15).astype(np.uint16)
    words[:, 1] |= ((dropped & 1) << 15).astype(np.uint16)
    if out is None:
        return words
    out[...] = words
    return out


def decode48(words: U16) -> F32:
    """Return the unit quaternions (J, 4) of words (J, 3); any words are some rotation."""
    dropped = ((words[:, 0] >> 15) << 1 | words[:, 1] >> 15).astype(np.intp)
    return _restore(dropped, words & 0x7FFF, 32767)


def encode32(rotations: F32, out: U32 | None = None) -> U32:
    """Return unit quaternions (J, 4) as (J,) words; the largest error is 0.27 degrees."""
    dropped, steps = _quantise(rotations, 1023)
    fine = steps.astype(np.uint32)
    ten = np.uint32(10)
    words: U32 = dropped.astype(np.uint32)
    for column in range(3):
        words = words << ten | fine[:, column]
    if out is None:
        return words
    out[...] = words
    return out


def decode32(words: U32) -> F32:
    """Return the unit quaternions (J, 4) of words (J,); any words are some rotation."""
    fine = np.stack([words >> 20, words >> 10, words], axis=1) & 1023
    return _restore((words >> 30).astype(np.intp), fine, 1023)


def _quantise(rotations: F32, steps: int) -> tuple[Array, Array]:
    dropped = np.abs(rotations).argmax(axis=1)
    rows = np.arange(len(rotations))
    sign = np.where(rotations[rows, dropped] < 0, np.float32(-1), np.float32(1))
    kept = rotations[rows[:, None], _KEPT[dropped]] * sign[:, None]
    fractions = np.clip(kept / _ROOT_TWO + np.float32(0.5), 0, 1)
    return dropped, np.floor(fractions * np.float32(steps) + np.float32(0.5))


def _restore(dropped: Array, steps: Array, most: int) -> F32:
    kept = (steps.astype(np.float32) / np.float32(most) - np.float32(0.5)) * _ROOT_TWO
    rows = np.arange(len(kept))
    rotations = np.zeros((len(kept), 4), np.float32)
    rotations[rows[:, None], _KEPT[dropped]] = kept
    square = (kept * kept).sum(axis=1)
    rotations[rows, dropped] = np.sqrt(np.maximum(0, 1 - square))
    # Words that no encoder writes can hold more than unit length; they become unit too.
    return rotations / np.sqrt(np.maximum(square, 1))[:, None]
