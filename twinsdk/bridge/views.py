"""PoseViews: the arrays of a pose message, at the places its layout tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.bridge.layout import Codec, Layout
from twinsdk.core import kernel
from twinsdk.core.arrays import F32, Array
from twinsdk.errors import WireError

__all__ = ["ROTATION_TYPES", "PoseViews"]

ROTATION_TYPES: dict[Codec, tuple[np.dtype[Any], int]] = {
    Codec.FLOAT32: (np.dtype("<f4"), 4),
    Codec.PACKED48: (np.dtype("<u2"), 3),
    Codec.PACKED32: (np.dtype("<u4"), 1),
}
"""Type of the stored numbers, and how many a joint has."""
_UNIT_TOLERANCE = 2e-3
_BITS_OF_ONE = 0x3F800000


class PoseViews:
    """Typed views of a copy of a message, made once a layout: making them costs more than using."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._copy = bytearray(layout.size)
        self._native = kernel.implementation(kernel.isa())
        kind, per_joint = ROTATION_TYPES[layout.codec]
        stored: Array = np.frombuffer(
            self._copy, kind, layout.joints * per_joint, layout.rotations_at
        )
        self._rotations = stored if per_joint == 1 else stored.reshape(-1, per_joint)
        self._unpack = (
            self._native.decode32 if layout.codec is Codec.PACKED32 else self._native.decode48
        )
        face, sure = layout.expressions_at, layout.confidence_at
        self._exact: Array | None = None
        if layout.codec is Codec.FLOAT32:
            self._exact = np.frombuffer(self._copy, np.dtype("<f4"), layout.expressions, face)
            start, end = sure, sure + layout.joints
        elif sure:
            # Both at once, with whatever lies between: a call costs more than the bytes.
            start = min(face, sure)
            end = max(face + layout.expressions, sure + layout.joints)
        else:
            start, end = face, face + layout.expressions
        self._unit = np.frombuffer(self._copy, np.uint8, end - start, start)
        self._face = slice(face - start, face - start + layout.expressions)
        self._sure = slice(sure - start, sure - start + layout.joints)

    def take(self, message: bytes) -> None:
        """Read another message of this layout."""
        self._copy[:] = message

    def rotations(self) -> F32:
        """Return the rotations (J, 4), their own array."""
        if self.layout.codec is Codec.FLOAT32:
            return _unit_or_refuse(self._rotations.astype(np.float32))
        unpacked: F32 = np.empty((self.layout.joints, 4), np.float32)
        self._unpack(self._rotations, unpacked)
        return unpacked

    def weights(self, confidence: float) -> tuple[F32, F32]:
        """Return the expressions and the joint confidence; the latter may be absent."""
        absent = not self.layout.confidence_at
        if self._exact is not None and absent:
            unit: F32 = np.zeros(0, np.float32)
        else:
            unit = np.empty(len(self._unit), np.float32)
            self._native.decode_unit8(self._unit, unit)
        if self._exact is None:
            expressions = unit[self._face]
        else:
            expressions = _weights_or_refuse(self._exact.astype(np.float32))
        if absent:
            return expressions, np.full(self.layout.joints, confidence, np.float32)
        return expressions, unit[self._sure]


def _unit_or_refuse(rotations: F32) -> F32:
    square = np.einsum("ij,ij->i", rotations, rotations)
    off = np.abs(square - 1).max()
    if not off <= 2 * _UNIT_TOLERANCE:  # NaN fails too
        raise WireError("pose message: a rotation is not a unit quaternion")
    return rotations if off < 2e-6 else rotations / np.sqrt(square)[:, None]


def _weights_or_refuse(weights: F32) -> F32:
    # Floats in [0, 1] have the bits of integers up to those of 1; NaN and negative ones have more.
    if weights.view(np.uint32).max(initial=0) <= _BITS_OF_ONE:
        return weights
    if not (weights.min() >= 0 and weights.max() <= 1):  # -0 is well
        raise WireError("pose message: an expression is outside [0, 1]")
    return weights
