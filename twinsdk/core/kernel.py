"""The only door to the compiled kernels: checks in words, then C++, or NumPy where it is missing.

`TWINSDK_ISA=base|avx2|avx512|numpy` forces a variant; the default is the best this machine runs.
Skinning has its own door, `twinsdk.core.rig`, which goes through this one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from twinsdk.core import _kernel_reference as reference
from twinsdk.core.arrays import F32, F64, I32, U8, Array, Dim, as_array, as_f32
from twinsdk.errors import FormatError, ShapeError, UsageError, ValueRangeError

try:
    from twinsdk.core import _kernel as native
except ImportError:  # a checkout without a build, or no wheel for this platform
    native = None  # type: ignore[assignment]

__all__ = [
    "check_output",
    "checked_f32",
    "checked_isa",
    "compiled",
    "decode_expressions",
    "decode_rotations",
    "encode_expressions",
    "encode_rotations",
    "format_numbers",
    "forward_kinematics",
    "implementation",
    "is_native",
    "isa",
    "isas",
    "parse_numbers",
    "retarget_step",
    "rotations_from_euler",
    "two_bone",
]

_MOST_DECIMALS = 9


def is_native() -> bool:
    """Return whether the compiled kernels are here and in use."""
    return isa() != "numpy"


def isas() -> tuple[str, ...]:
    """Return the variants that run here, best last; "numpy" is always one."""
    return ("numpy",) if native is None else ("numpy", *native.supported_isas())


@lru_cache(maxsize=1)
def isa() -> str:
    """Return the variant used unless a call names one: the best, or what TWINSDK_ISA says.

    Raises:
        UsageError: TWINSDK_ISA names a variant that does not run here.
    """
    wanted = os.environ.get("TWINSDK_ISA")
    return _known(wanted, "TWINSDK_ISA") if wanted else isas()[-1]


def checked_isa(name: str | None) -> str:
    """Return `name`, or `isa()` for None.

    Raises:
        UsageError: That variant does not run here.
    """
    return isa() if name is None else _known(name, "isa")


@lru_cache(maxsize=1)
def compiled() -> Any | None:
    """Return the compiled module when it is in use; `core.quat` goes through it for float32."""
    return native if is_native() else None


def implementation(name: str) -> Any:
    """Return the module that holds the kernels of a variant: compiled, or the NumPy reference."""
    return reference if native is None or name == "numpy" else native


def forward_kinematics(
    parents: I32, rest_translations: F32, rotations: npt.ArrayLike, root_translations: npt.ArrayLike
) -> tuple[F32, F32]:
    """Return world rotations (..., J, 4) and positions (..., J, 3) of local rotations.

    Args:
        parents: (J,) parent index below the child's, -1 for joint 0 alone; trusted.
        rest_translations: (J, 3) metres, parent_from_joint; trusted.
        rotations: (..., J, 4) xyzw parent_from_joint, unit.
        root_translations: (..., 3) metres, broadcast to the leading dims of `rotations`.

    Raises:
        ShapeError: Shapes disagree.
    """
    native = compiled()
    if native is not None:  # arrays that need no change; None where one does
        done = native.forward_kinematics(parents, rest_translations, rotations, root_translations)
        if done is not None:
            return done
    local = np.ascontiguousarray(rotations, np.float32)
    count = len(parents)
    if local.ndim < 2 or local.shape[-2:] != (count, 4):
        raise ShapeError(f"rotations: expected shape (..., {count}, 4), got {local.shape}")
    lead = local.shape[:-2]
    roots = np.ascontiguousarray(root_translations, np.float32)
    if roots.shape != (*lead, 3):
        try:
            roots = np.ascontiguousarray(np.broadcast_to(roots, (*lead, 3)))
        except ValueError:
            raise ShapeError(
                f"root_translations: expected shape {(*lead, 3)}, got {roots.shape}"
            ) from None
    return _module().forward_kinematics(parents, rest_translations, local, roots)


def checked_f32(name: str, value: npt.ArrayLike, shape: tuple[Dim, ...]) -> F32:
    """Return what `arrays.as_f32` returns, at a tenth of its cost where nothing has to be changed.

    Raises:
        ShapeError, ValueRangeError: As there.
    """
    native = compiled()
    if native is not None and native.is_f32(value, shape):
        return value  # type: ignore[return-value]
    return as_f32(name, value, shape)


def encode_rotations(rotations: npt.ArrayLike, bits: int, out: Array | None = None) -> Array:
    """Return unit quaternions (..., 4) without their largest component, 32 or 48 bits each.

    The layout is that of csrc/include/twinsdk/pose_codec.hpp; q and -q encode alike. The largest
    error is 0.27 degrees in 32 bits and 0.0085 in 48.

    Args:
        rotations: (..., 4) xyzw, unit.
        bits: 32 gives uint32 (...), 48 gives uint16 (..., 3).
        out: An array of that shape and type to fill.

    Raises:
        UsageError: `bits` is neither.
        ShapeError, ValueRangeError: An array cannot be used; the message names it.
    """
    given = np.asarray(rotations)
    checked = checked_f32("rotations", given, (*_own(given, 1), 4))
    lead = checked.shape[:-1]
    if _checked_bits(bits) == 48:
        out = _output("out", out, (*lead, 3), np.uint16)
        _module().encode48(checked, out)
    else:
        out = _output("out", out, lead, np.uint32)
        _module().encode32(checked, out)
    return out


def decode_rotations(words: npt.ArrayLike, bits: int, out: F32 | None = None) -> F32:
    """Return the unit quaternions (..., 4) of encoded words; any words are some rotation.

    Args:
        words: uint32 (...) for 32 bits, uint16 (..., 3) for 48.
        bits: 32 or 48.
        out: (..., 4) float32 to fill.

    Raises:
        UsageError: `bits` is neither.
        ShapeError: An array has another shape or type.
    """
    wide = _checked_bits(bits) == 48
    given = np.asarray(words)
    wanted = np.uint16 if wide else np.uint32
    if given.dtype != wanted or (wide and (given.ndim == 0 or given.shape[-1] != 3)):
        kind = "uint16 (..., 3)" if wide else "uint32 (...)"
        raise ShapeError(f"words: expected {kind}, got {given.dtype} {given.shape}")
    shape = given.shape[:-1] if wide else given.shape
    out = _output("out", out, (*shape, 4), np.float32)
    decode = _module().decode48 if wide else _module().decode32
    decode(np.ascontiguousarray(given), out)
    return out


def encode_expressions(weights: npt.ArrayLike, out: U8 | None = None) -> U8:
    """Return weights (...) in [0, 1] as bytes, round(255 w), clamped; error at most 1 / 510.

    Raises:
        ShapeError, ValueRangeError: An array cannot be used; the message names it.
    """
    given = np.asarray(weights)
    checked = checked_f32("weights", given, given.shape)
    out = _output("out", out, checked.shape, np.uint8)
    _module().encode_unit8(checked, out)
    return out


def decode_expressions(codes: npt.ArrayLike, out: F32 | None = None) -> F32:
    """Return the weights (...) of bytes, each in [0, 1].

    Raises:
        ShapeError: An array has another shape or type.
    """
    given = np.asarray(codes)
    if given.dtype != np.uint8:
        raise ShapeError(f"codes: expected uint8, got {given.dtype}")
    out = _output("out", out, given.shape, np.float32)
    _module().decode_unit8(np.ascontiguousarray(given), out)
    return out


def retarget_step(plan: Mapping[str, object]) -> Any | None:
    """Return the compiled step of a retargeting plan, None where no kernel is in use.

    The plan is the retargeter's own (`twinsdk.retarget.native`) and so is the fallback.
    """
    module = compiled()
    return None if module is None else module.RetargetStep(plan)


def parse_numbers(text: bytes | memoryview, count: int | None = None) -> F64:
    """Return the decimals in `text`, separated by spaces, tabs or line ends, (N,) float64.

    Independent of the locale; each is the double nearest to its text.

    Args:
        text: ASCII.
        count: How many there must be, None for as many as there are.

    Raises:
        FormatError: Something is no finite number, or there are more or fewer than `count`; the
            message names the byte.
    """
    if count is not None and not 0 <= count <= len(text) // 2 + 1:
        raise FormatError(f"expected {count} numbers, got {len(text)} bytes")
    values = np.empty(len(text) // 2 + 1 if count is None else count)
    found, consumed = _module().parse_numbers(text, values)
    if consumed < len(text):
        word = bytes(text[consumed : consumed + 40]).split()[0].decode("ascii", "replace")
        if found == count:
            raise FormatError(f"byte {consumed}: expected {count} numbers, got more: {word!r}")
        raise FormatError(f"byte {consumed}: expected a number, got {word!r}")
    if count is not None and found != count:
        raise FormatError(f"expected {count} numbers, got {found}")
    return values if found == len(values) else values[:found].copy()


def rotations_from_euler(
    degrees: npt.ArrayLike, columns: npt.ArrayLike, axes: tuple[int, int, int]
) -> F32:
    """Return rotations (T, N, 4), w >= 0, of Euler angles.

    Args:
        degrees: (T, C) numbers, degrees in those named by `columns`.
        columns: (N, 3) where each joint's angles are.
        axes: The axes, 0 to 2, of the three; the first is applied last to a point.

    Raises:
        ShapeError, ValueRangeError: Shapes disagree, a column is not there, or an axis is twice.
    """
    values: F64 = as_array("degrees", degrees, ("T", "C"), np.float64)
    chosen = as_array("columns", columns, ("N", 3), np.int64)
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < values.shape[1]):
        raise ValueRangeError(f"columns: expected 0 to {values.shape[1] - 1}, got others")
    if sorted(axes) != [0, 1, 2]:
        raise ValueRangeError(f"axes: expected 0, 1 and 2 in some order, got {axes}")
    rotations = np.empty((len(values), len(chosen), 4), np.float32)
    _module().rotations_from_euler(values, chosen, axes, rotations)
    return rotations


def format_numbers(rows: npt.ArrayLike, decimals: int = 6) -> bytes:
    """Return a line of text a row of `rows` (T, C), numbers a space apart.

    Each is rounded to `decimals` places and written without trailing zeros; 0 is never "-0".

    Raises:
        ShapeError, ValueRangeError: `rows` is no finite (T, C), or `decimals` is not 0 to 9.
    """
    checked: F64 = as_array("rows", rows, ("T", "C"), np.float64)
    if not np.isfinite(checked).all():
        raise ValueRangeError("rows: expected finite numbers, got NaN or infinity")
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise ValueRangeError(f"decimals: expected 0 to {_MOST_DECIMALS}, got {decimals}")
    text: bytes = _module().format_numbers(checked, decimals)
    return text


def two_bone(
    roots: npt.ArrayLike,
    middles: npt.ArrayLike,
    tips: npt.ArrayLike,
    *,
    targets: npt.ArrayLike,
    poles: npt.ArrayLike,
    softness: float = 0.0,
) -> tuple[F32, F32]:
    """Return the world turns (T, 4) of a limb's upper and lower bone that bring tips to targets.

    Multiply each from the left onto its bone's world rotation. The bones keep their lengths and
    turn with the plane the limb bends in, so that a knee keeps its hinge. A limb with a bone of no
    length is left as it is.

    Args:
        roots: (T, 3) hips or shoulders, metres, world.
        middles: (T, 3) knees or elbows.
        tips: (T, 3) ankles or wrists.
        targets: (T, 3) where the tips should go; out of reach, the limb points there.
        poles: (T, 3) directions towards which the middles bend, any length.
        softness: Share of the limb's length, in [0, 0.5], over which it eases out of extension.

    Raises:
        ShapeError, ValueRangeError: An array cannot be used; the message names it.

    Source: A. Nicholas 2009, "Soft IK"; the law of cosines.
    """
    if not 0 <= softness <= 0.5:
        raise ValueRangeError(f"softness: expected a number in [0, 0.5], got {softness}")
    hips = as_f32("roots", roots, ("T", 3))
    shape = (len(hips), 3)
    upper, lower = np.empty((2, len(hips), 4), np.float32)
    _module().two_bone(
        roots=hips,
        middles=as_f32("middles", middles, shape),
        tips=as_f32("tips", tips, shape),
        targets=as_f32("targets", targets, shape),
        poles=as_f32("poles", poles, shape),
        softness=softness,
        upper=upper,
        lower=lower,
    )
    return upper, lower


@lru_cache(maxsize=1)
def _module() -> Any:
    return implementation(isa())


def _known(isa: str, source: str) -> str:
    if isa not in isas():
        raise UsageError(
            f"{source}: expected one of {', '.join(isas())} on this machine, got {isa!r}"
        )
    return isa


def _own(array: Array, fixed: int) -> tuple[Dim, ...]:
    """Return the leading dims of `array`, whatever they are; `fixed` last ones are stated."""
    return array.shape[: max(0, array.ndim - fixed)]


def _checked_bits(bits: int) -> int:
    if bits not in {32, 48}:
        raise UsageError(f"bits: expected 32 or 48, got {bits}")
    return bits


def _output(name: str, out: Array | None, shape: tuple[int, ...], dtype: Any) -> Array:
    if out is None:
        return np.empty(shape, dtype)
    check_output(name, out, shape, dtype)
    return out


def check_output(name: str, out: Array, shape: tuple[int, ...], dtype: Any = np.float32) -> None:
    """Refuse an array that a kernel cannot fill in place.

    Raises:
        ShapeError: It has another type, shape or layout; it is never converted, since the caller
            wants this very memory filled.
    """
    wanted = np.dtype(dtype)
    if not isinstance(out, np.ndarray) or out.dtype != wanted or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ShapeError(f"{name}: expected a {wanted} array of shape {shape}, got {got}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ShapeError(
            f"{name}: expected a C-contiguous, writeable array, got a view that is not"
        )
