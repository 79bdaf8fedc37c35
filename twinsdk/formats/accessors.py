"""Typed arrays out of glTF accessors: strided, normalised, sparse, every bound checked first.

Source: glTF 2.0 specification, chapters 3.6.2 and 5.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.errors import FormatError
from twinsdk.formats.glb import Document, size, whole

__all__ = ["AccessorReader"]

_DTYPES: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# An accessor without a buffer view costs a file nothing, so what all of them inflate to is bounded.
_MIN_BUDGET_BYTES = 256 << 20
_BUDGET_PER_FILE_BYTE = 64


class AccessorReader:
    """Decodes accessors of one document; each at most once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._cache: dict[int, Array] = {}
        self._floats: dict[tuple[int, bool], F32] = {}
        stored = sum(len(buffer) for buffer in document.buffers)
        self._budget = max(_MIN_BUDGET_BYTES, _BUDGET_PER_FILE_BYTE * stored)

    def floats(self, index: object, width: int, where: str) -> F32:
        """Return (N, width) float32; normalised integers become fractions.

        Raises:
            FormatError: It is another type, reaches past its buffer or is not finite.
        """
        raw, normalized = self._raw(index, where, width)
        known = self._floats.get((id(raw), normalized))  # `raw` lives as long as its cache
        if known is not None:
            return known
        values: F32 = raw.astype(np.float32, copy=False)
        if raw.dtype.kind != "f":
            if normalized:
                top = float(np.iinfo(raw.dtype).max)
                values = np.maximum(values / np.float32(top), np.float32(-1))
        elif not np.isfinite(raw).all():
            raise FormatError(f"{where}: accessor {index} expects finite numbers, got NaN or inf")
        self._floats[id(raw), normalized] = values
        return values

    def integers(self, index: object, width: int, where: str) -> Array:
        """Return (N, width) unsigned integers.

        Raises:
            FormatError: It is another type or reaches past its buffer.
        """
        raw, _ = self._raw(index, where, width)
        if raw.dtype.kind != "u":
            raise FormatError(f"{where}: accessor {index} expects unsigned integers")
        return raw

    def count(self, index: object, where: str) -> int:
        """Return the number of elements of an accessor, without decoding it."""
        return size(self._document.item("accessors", index, where).get("count"), where)

    def _raw(self, index: object, where: str, width: int) -> tuple[Array, bool]:
        accessor = self._document.item("accessors", index, where)
        number = whole(index, 1 << 40, where)
        where = f"{where}: accessor {number}"
        if _WIDTHS.get(str(accessor.get("type"))) != width:
            raise FormatError(f"{where}: expected {width} components, got {accessor.get('type')!r}")
        if number not in self._cache:
            self._cache[number] = self._decode(accessor, where, width)
        return self._cache[number], bool(accessor.get("normalized", False))

    def _decode(self, accessor: dict[str, Any], where: str, width: int) -> Array:
        dtype = _dtype(accessor.get("componentType"), where)
        count = size(accessor.get("count"), where)
        self._budget -= count * width * dtype.itemsize
        if self._budget < 0:
            raise FormatError(f"{where}: {count} elements make the data larger than is reasonable")
        if accessor.get("bufferView") is None:
            values: Array = np.zeros((count, width), dtype)
        else:
            offset = size(accessor.get("byteOffset", 0), where)
            values = self._elements(accessor["bufferView"], offset, (count, width), dtype, where)
        sparse = accessor.get("sparse")
        if sparse is not None:
            values = self._with_sparse(values, sparse, where)
        return values

    def _elements(
        self, view: object, offset: int, shape: tuple[int, int], dtype: np.dtype[Any], where: str
    ) -> Array:
        data, stride = self._document.view(view, where)
        count, width = shape
        element = width * dtype.itemsize
        step = element if stride is None or stride == 0 else stride
        if step < element:
            raise FormatError(f"{where}: expected a stride of {element} bytes or more, got {step}")
        if count == 0:
            return np.zeros(shape, dtype)
        end = offset + step * (count - 1) + element
        if end > len(data):
            raise FormatError(
                f"{where}: {count} elements expect {end} bytes, bufferView {view} has {len(data)}"
            )
        if step == element:
            return np.frombuffer(data, dtype, count * width, offset).reshape(shape)
        strided: Array = np.ndarray(shape, dtype, data, offset, (step, dtype.itemsize))
        return strided.copy()

    def _with_sparse(self, values: Array, sparse: dict[str, Any], where: str) -> Array:
        where = f"{where}: sparse"
        count = size(sparse.get("count"), where)
        if count > len(values):
            raise FormatError(f"{where}: expected at most {len(values)} entries, got {count}")
        at, by = sparse["indices"], sparse["values"]
        dtype = _dtype(at.get("componentType"), where)
        if dtype.kind != "u":
            raise FormatError(f"{where}: expected unsigned indices")
        offset = size(at.get("byteOffset", 0), where)
        indices = self._elements(at.get("bufferView"), offset, (count, 1), dtype, where)[:, 0]
        if count and int(indices.max()) >= len(values):
            raise FormatError(
                f"{where}: expected indices below {len(values)}, got {int(indices.max())}"
            )
        offset = size(by.get("byteOffset", 0), where)
        shape = (count, values.shape[1])
        replaced = values.copy()
        replaced[indices] = self._elements(by.get("bufferView"), offset, shape, values.dtype, where)
        return replaced


def _dtype(code: object, where: str) -> np.dtype[Any]:
    if not isinstance(code, int) or code not in _DTYPES:
        raise FormatError(f"{where}: expected a component type of {list(_DTYPES)}, got {code!r}")
    return _DTYPES[code]
