"""Growing a glTF document: arrays in, accessors out, sparse where most of them is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.errors import OutputError
from twinsdk.formats.images import image_type

__all__ = ["Builder"]

_CODES = {"|i1": 5120, "|u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_SPARSE_BELOW = 0.6  # share of non-zero elements from which a dense array is smaller


class Builder:
    """Collects accessors, buffer views and images, and the one buffer behind them."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.accessors: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.textures: list[dict[str, Any]] = []
        self._known_images: dict[bytes, int] = {}

    def accessor(self, values: Array, *, target: int | None = None, bounds: bool = False) -> int:
        """Add an array (N,) or (N, W) and return its accessor.

        Args:
            values: int8, uint8, int16, uint16, uint32 or float32.
            target: GL buffer target of vertex data.
            bounds: Whether to state minimum and maximum, as positions and times must.
        """
        values = np.ascontiguousarray(values)
        entry = _described(values)
        entry["bufferView"] = self._view(values, target)
        if bounds:
            entry.update(_bounds(values))
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def sparse(self, values: Array) -> int:
        """Add a mostly zero float32 array (N, W), as a morph target is; return its accessor."""
        values = np.ascontiguousarray(values)
        # Column by column: a reduction over rows of three costs ten times as much.
        moved = np.flatnonzero(np.logical_or.reduce([column != 0 for column in values.T]))
        if len(moved) > _SPARSE_BELOW * len(values):
            return self.accessor(values, target=ARRAY_BUFFER, bounds=True)
        if not len(moved):
            moved = np.zeros(1, np.int64)  # a sparse accessor has one entry at least
        touched = values[moved]
        if len(moved) < len(values):  # the others are zero
            touched = np.concatenate([touched, np.zeros_like(touched[:1])])
        entry = {**_described(values), **_bounds(touched)}
        indices = moved.astype(np.uint16 if len(values) <= 65536 else np.uint32)
        entry["sparse"] = {
            "count": len(moved),
            "indices": {
                "bufferView": self._view(indices, None),
                "componentType": _CODES[indices.dtype.str],
            },
            "values": {"bufferView": self._view(values[moved], None)},
        }
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def image(self, data: bytes) -> int:
        """Add an encoded image once and return its index.

        Raises:
            OutputError: It is neither PNG nor JPEG.
        """
        if data not in self._known_images:
            kind = image_type(data)
            if kind is None:
                raise OutputError(f"texture: expected a PNG or JPEG, got bytes {data[:4]!r}")
            view = self._view(np.frombuffer(data, np.uint8), None)
            self._known_images[data] = len(self.images)
            self.images.append({"bufferView": view, "mimeType": kind})
        return self._known_images[data]

    def texture(self, data: bytes) -> int:
        """Add a texture of an encoded image and return its index; equal images share one.

        Raises:
            OutputError: It is neither PNG nor JPEG.
        """
        source = self.image(data)
        for i, texture in enumerate(self.textures):
            if texture["source"] == source:
                return i
        self.textures.append({"source": source, "sampler": 0})
        return len(self.textures) - 1

    def finish(self, document: dict[str, Any]) -> None:
        """Put what was collected into `document`; empty lists are left out, as glTF asks."""
        lists = {
            "accessors": self.accessors,
            "bufferViews": self.views,
            "images": self.images,
            "textures": self.textures,
            # 9729, 9987: linear, mipmapped; 10497: repeat
            "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}]
            if self.textures
            else [],
            "buffers": [{"byteLength": len(self.binary)}] if self.binary else [],
        }
        document.update({key: value for key, value in lists.items() if value})

    def _view(self, values: Array, target: int | None) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self.binary),
            "byteLength": values.nbytes,
        }
        if target is not None:
            view["target"] = target
        self.binary += values.tobytes()
        self.views.append(view)
        return len(self.views) - 1


def _described(values: Array) -> dict[str, Any]:
    width = 1 if values.ndim == 1 else values.shape[1]
    return {
        "componentType": _CODES[values.dtype.str],
        "count": len(values),
        "type": _TYPES[width],
    }


def _bounds(values: Array) -> dict[str, Any]:
    flat = values.reshape(len(values), -1)
    # float32 to double is exact, so a reader compares equal.
    return {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
