"""One pose message at known places, in NumPy: the definition of the compiled `PoseWire`.

Part of `_kernel_reference`; what the numbers mean is in csrc/include/twinsdk/wire.hpp.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from twinsdk.core import _pose_codec_reference as codecs
from twinsdk.core.arrays import F32, Array

__all__ = ["PoseWire"]

_OTHER_LAYOUT, _PREFIX, _DISAGREE, _RANGE, _ROTATION, _EXPRESSION = range(1, 7)
_START = b"TWN\x01"
_STATES = 5
_UNIT_TOLERANCE = 4e-3  # of the squared length
_EXACT = 2e-6
_SCALARS = ("<Q", "<I", "<I", "<q", "<q", "<Q", "<B", "<f", "<3f")
_AVATAR, _SEQUENCE, _CAPTURED, _SENT, _STATE, _CONFIDENCE, _ROOT = 1, 2, 3, 4, 6, 7, 8
_WORDS: dict[int, tuple[np.dtype[Any], int]] = {
    0: (np.dtype("<f4"), 4),
    1: (np.dtype("<u2"), 3),
    2: (np.dtype("<u4"), 1),
}


class PoseWire:
    """Reads messages of one layout, and fills such messages."""

    def __init__(
        self,
        *,
        pattern: bytes,
        mask: bytes,
        scalars: Sequence[int],
        codec: int,
        joints: int,
        expressions: int,
        rotations_at: int,
        expressions_at: int,
        confidence_at: int,
    ) -> None:
        self._pattern = bytes(pattern)
        self._mask = np.frombuffer(mask, np.uint8)
        self._same = np.frombuffer(pattern, np.uint8) & self._mask
        self._scalars, self._codec = tuple(scalars), codec
        self._joints, self._expressions = joints, expressions
        self._places = rotations_at, expressions_at, confidence_at

    def read(self, message: bytes) -> tuple[object, ...] | int:
        """Return session, avatar, sequence, both times, descriptor, state, confidence and arrays.

        The arrays are the root (3,), rotations (J, 4), expressions and joint confidence. A number
        says what is wrong instead.
        """
        if not self._fits(message):
            return _OTHER_LAYOUT
        if bytes(message[:4]) != _START:
            return _PREFIX
        values = [
            struct.unpack_from(kind, message, at) if at else (0,) * (3 if kind == "<3f" else 1)
            for kind, at in zip(_SCALARS, self._scalars, strict=True)
        ]
        *single, root = *(value[0] for value in values[:_ROOT]), values[_ROOT]
        avatar, sequence, _, codec = struct.unpack_from("<IIHH", message, 4)
        if (avatar, sequence, codec) != (single[_AVATAR], single[_SEQUENCE], self._codec):
            return _DISAGREE
        # Written so that NaN fails too.
        sure = 0 <= single[_CONFIDENCE] <= 1
        if not (sure and single[_STATE] < _STATES and all(math.isfinite(x) for x in root)):
            return _RANGE
        arrays = self._arrays(message, single[_CONFIDENCE])
        place = np.array(root, np.float32)
        return arrays if isinstance(arrays, int) else (*single, place, *arrays)

    def read_frame(self, message: bytes, kinds: tuple[Any, ...]) -> tuple[object, object] | int:
        """Return a TwinFrame and its FrameHeader, as `read` has their values.

        Args:
            message: Bytes of any length.
            kinds: Those two classes with Pose between them, the skeleton, the states in the
                schema's order, and the codec as the header shall have it.
        """
        found: Any = self.read(message)
        if isinstance(found, int):
            return found
        frame, pose, header, skeleton, states, codec = kinds
        (
            session, avatar, sequence, captured, sent, descriptor, state, confidence,
            root, rotations, expressions, sure,
        ) = found  # fmt: skip
        return (
            _unchecked(
                frame,
                avatar_id=avatar,
                sequence=sequence,
                timestamp_ns=captured,
                pose=_unchecked(
                    pose, skeleton=skeleton, rotations=rotations, root_translation=root
                ),
                expressions=expressions,
                confidence=confidence,
                joint_confidence=sure,
                state=states[state],
            ),
            _unchecked(header, session=session, descriptor=descriptor, codec=codec, t_send_ns=sent),
        )

    def write_frame(
        self, frame: Any, avatar: int, t_send_ns: int, states: tuple[Any, ...]
    ) -> bytes:
        """Return the pattern with a TwinFrame's values.

        Raises:
            ValueError: Its arrays have other sizes.
        """
        sizes = len(frame.pose.rotations), len(frame.expressions), len(frame.joint_confidence)
        if sizes != (self._joints, self._expressions, self._joints):
            raise ValueError("frame: unexpected size")
        return self.write(
            frame.pose.rotations,
            frame.expressions,
            frame.joint_confidence,
            frame.pose.root_translation,
            avatar,
            frame.sequence,
            frame.timestamp_ns,
            t_send_ns,
            states.index(frame.state),
            frame.confidence,
        )

    def write(
        self,
        rotations: F32,
        expressions: F32,
        joint_confidence: F32,
        root: F32,
        avatar: int,
        sequence: int,
        t_capture_ns: int,
        t_send_ns: int,
        state: int,
        confidence: float,
    ) -> bytes:
        """Return the pattern with these values; session and descriptor stay its own."""
        message = bytearray(self._pattern)
        struct.pack_into("<II", message, 4, avatar, sequence)
        for which, *value in (
            (_AVATAR, avatar),
            (_SEQUENCE, sequence),
            (_CAPTURED, t_capture_ns),
            (_SENT, t_send_ns),
            (_STATE, state),
            (_CONFIDENCE, confidence),
            (_ROOT, *root.tolist()),
        ):
            if self._scalars[which]:
                struct.pack_into(_SCALARS[which], message, self._scalars[which], *value)
        stored, weights, sure = self._views(message)
        if self._codec == 0:
            stored[...], weights[...] = rotations, expressions
        else:
            (codecs.encode48 if self._codec == 1 else codecs.encode32)(rotations, stored)
            codecs.encode_unit8(expressions, weights)
        if self._places[2]:
            codecs.encode_unit8(joint_confidence, sure)
        return bytes(message)

    def _fits(self, message: bytes) -> bool:
        if len(message) != len(self._pattern):
            return False
        return bool(((np.frombuffer(message, np.uint8) & self._mask) == self._same).all())

    def _views(self, message: bytes | bytearray) -> tuple[Any, Any, Any]:
        kind, per_joint = _WORDS[self._codec]
        rotations_at, expressions_at, confidence_at = self._places
        stored: Array = np.frombuffer(message, kind, self._joints * per_joint, rotations_at)
        number = np.dtype("<f4") if self._codec == 0 else np.dtype(np.uint8)
        return (
            stored if per_joint == 1 else stored.reshape(-1, per_joint),
            np.frombuffer(message, number, self._expressions, expressions_at),
            np.frombuffer(message, np.uint8, self._joints if confidence_at else 0, confidence_at),
        )

    def _arrays(self, message: bytes, confidence: float) -> tuple[F32, F32, F32] | int:
        stored, codes, sure_codes = self._views(message)
        rotations: F32 = np.empty((self._joints, 4), np.float32)
        expressions: F32 = np.empty(self._expressions, np.float32)
        sure: F32 = np.full(self._joints, confidence, np.float32)
        if self._codec == 0:
            rotations[...], expressions[...] = stored, codes
            square = np.einsum("ij,ij->i", rotations, rotations)
            off = np.abs(square - 1).max()
            if not off <= _UNIT_TOLERANCE:
                return _ROTATION
            if off >= _EXACT:
                rotations /= np.sqrt(square)[:, None]
            if not ((expressions >= 0) & (expressions <= 1)).all():
                return _EXPRESSION
        else:
            (codecs.decode48 if self._codec == 1 else codecs.decode32)(stored, rotations)
            codecs.decode_unit8(codes, expressions)
        if self._places[2]:
            codecs.decode_unit8(sure_codes, sure)
        return rotations, expressions, sure


def _unchecked(kind: Any, **fields: Any) -> Any:
    """Return a frozen dataclass whose values were proven before; its own checks cost 40 us."""
    made = object.__new__(kind)
    made.__dict__.update(fields)
    return made
