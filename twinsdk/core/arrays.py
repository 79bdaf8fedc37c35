"""Array aliases and the one shape check that guards every public edge."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from twinsdk.errors import ShapeError, ValueRangeError

__all__ = ["F32", "F64", "I32", "U8", "U16", "U32", "Array", "as_array", "as_f32"]

Array: TypeAlias = npt.NDArray[Any]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I32: TypeAlias = npt.NDArray[np.int32]
U8: TypeAlias = npt.NDArray[np.uint8]
U16: TypeAlias = npt.NDArray[np.uint16]
U32: TypeAlias = npt.NDArray[np.uint32]

Dim: TypeAlias = "int | str"


def as_f32(name: str, value: npt.ArrayLike, shape: tuple[Dim, ...]) -> F32:
    """Return `value` as a finite, C-contiguous float32 array of the stated shape.

    Args:
        name: What the array is called in the error.
        value: Anything numpy can read as numbers.
        shape: One entry a dimension: an int is exact, a letter ("J") any size.

    Raises:
        ShapeError: The shape or kind differs.
        ValueRangeError: A value is NaN or infinite.
    """
    array: F32 = as_array(name, value, shape, np.float32)
    # One reduction instead of a boolean array: a sum is finite only where no value is NaN or inf
    # (an overflow of finite values is caught by the exact check that follows).
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueRangeError(f"{name}: expected finite numbers, got {array[where]} at {where}")
    return array


def as_array(name: str, value: npt.ArrayLike, shape: tuple[Dim, ...], dtype: Any) -> Array:
    """Return `value` C-contiguous with the stated dtype and shape; integers are never wrapped.

    Raises:
        ShapeError: The shape differs, or the values do not fit the dtype.
    """
    if _is_already(value, shape, dtype):
        return value  # type: ignore[return-value]
    try:
        given = np.asarray(value)
    except ValueError as error:  # ragged nested lists
        raise ShapeError(f"{name}: expected an array {_words(shape)}, got a ragged list") from error
    if given.dtype.kind not in "fiub":
        raise ShapeError(f"{name}: expected numbers, got dtype {given.dtype}")
    if given.ndim != len(shape) or any(
        isinstance(want, int) and want != got for want, got in zip(shape, given.shape, strict=True)
    ):
        raise ShapeError(f"{name}: expected shape {_words(shape)}, got {given.shape}")
    wanted = np.dtype(dtype)
    if given.dtype != wanted and wanted.kind in "iu" and given.size:
        limits = np.iinfo(wanted)
        if given.dtype.kind == "f" or given.min() < limits.min or given.max() > limits.max:
            raise ShapeError(
                f"{name}: expected integers in [{limits.min}, {limits.max}], "
                f"got {given.dtype} in [{given.min()}, {given.max()}]"
            )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype=wanted)


def _is_already(value: npt.ArrayLike, shape: tuple[Dim, ...], dtype: Any) -> bool:
    """Return whether `value` is such an array; most are, and live frames check some fifty."""
    if type(value) is not np.ndarray or value.dtype != dtype or not value.flags.c_contiguous:
        return False
    if value.ndim != len(shape) or not shape:
        return False
    for want, got in zip(shape, value.shape, strict=True):
        if want != got and isinstance(want, int):
            return False
    return True


def _words(shape: tuple[Dim, ...]) -> str:
    inside = ", ".join(str(dim) for dim in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"
