"""The kernels in NumPy, with the signatures of the compiled module: their definition and fallback.

Each function computes in float64 and rounds once, so that it can stand as the oracle of every
compiled variant. Written to be read, not to be fast.
"""

from __future__ import annotations

import re

import numpy as np

from twinsdk.core import quat
from twinsdk.core._pose_codec_reference import (
    decode32,
    decode48,
    decode_unit8,
    encode32,
    encode48,
    encode_unit8,
)
from twinsdk.core._skin_reference import MeshNormals, Rig
from twinsdk.core._wire_reference import PoseWire
from twinsdk.core.arrays import F32, F64, I32, Array

__all__ = [
    "MeshNormals",
    "PoseWire",
    "Rig",
    "decode32",
    "decode48",
    "decode_unit8",
    "encode32",
    "encode48",
    "encode_unit8",
    "format_numbers",
    "forward_kinematics",
    "parse_numbers",
    "supported_isas",
    "two_bone",
]

_WORD = re.compile(rb"[^ \t\r\n\v\f]+")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EXACT = 9e15
_TINY = 1e-9
_STRAIGHT = 1e-5


def supported_isas() -> tuple[str, ...]:
    """Return the instruction sets of this module: none but NumPy's own."""
    return ("numpy",)


def forward_kinematics(
    parents: I32, rest_translations: F32, rotations: Array, root_translations: Array
) -> tuple[F32, F32]:
    """Return the world transforms of local rotations; see `kernel.forward_kinematics`."""
    world_q = rotations.astype(np.float64)
    offsets = rest_translations.astype(np.float64)
    world_p = np.zeros((*world_q.shape[:-1], 3))
    world_p[..., 0, :] = root_translations
    for j in range(1, len(parents)):
        above = world_q[..., parents[j], :]
        world_q[..., j, :] = quat.multiply(above, world_q[..., j, :])
        world_p[..., j, :] = world_p[..., parents[j], :] + quat.rotate(above, offsets[j])
    return world_q.astype(np.float32), world_p.astype(np.float32)


def parse_numbers(text: bytes, out: F64) -> tuple[int, int]:
    """Fill decimals; return how many, and the first byte that is no part of one."""
    found = end = 0
    for match in _WORD.finditer(text):
        if found == len(out) or not _NUMBER.fullmatch(match[0]) or np.isinf(float(match[0])):
            return found, match.start()
        out[found] = float(match[0])
        found, end = found + 1, match.end()
    return found, len(text) if not text[end:].strip() else end


def format_numbers(rows: F64, decimals: int) -> bytes:
    """Return the text of rows (T, C); see `kernel.format_numbers`."""
    lines = [" ".join(_formatted(value, decimals) for value in row) for row in rows.tolist()]
    return "".join(line + "\n" for line in lines).encode()


def two_bone(
    *,
    roots: F32,
    middles: F32,
    tips: F32,
    targets: F32,
    poles: F32,
    softness: float,
    upper: F32,
    lower: F32,
) -> None:
    """Fill the world turns (T, 4) of both bones; see `kernel.two_bone`."""
    upper[...] = lower[...] = quat.IDENTITY
    given = (np.asarray(a, np.float64) for a in (roots, middles, tips, targets, poles))
    for t, (root, middle, tip, target, pole) in enumerate(zip(*given, strict=True)):
        first, second, reach = middle - root, tip - middle, target - root
        a, b, wanted = (float(np.linalg.norm(v)) for v in (first, second, reach))
        if min(a, b) < _TINY:
            continue
        held = tip - root
        aim = next(v / np.linalg.norm(v) for v in (reach, held, first) if np.linalg.norm(v) > _TINY)
        distance = max(_softened(wanted, a + b, softness), abs(a - b))
        bend = _first_across([pole, first], aim)
        cosine = 1.0
        if distance > _TINY:
            cosine = np.clip((a * a + distance * distance - b * b) / (2 * a * distance), -1, 1)
        knee = a * (cosine * aim + np.sqrt(1 - cosine * cosine) * bend)
        shin = distance * aim - knee
        new_first = knee / a
        length = np.linalg.norm(shin)
        new_second = shin / length if length > _TINY else -new_first
        hinge = np.cross(aim, bend)
        old_hinge = np.cross(second / b, first / a)
        if np.linalg.norm(old_hinge) <= _STRAIGHT:
            old_hinge = _first_across([hinge], first / a)
        upper[t] = _frame_turn(first / a, old_hinge, new_first, hinge)
        lower[t] = _frame_turn(second / b, old_hinge, new_second, hinge)


def _formatted(value: float, decimals: int) -> str:
    if abs(value) * 10.0**decimals >= _EXACT:
        return repr(value)
    text = f"{np.floor(abs(value) * 10.0**decimals + 0.5) / 10.0**decimals:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"-{text}" if value < 0 and text != "0" else text


def _softened(wanted: float, limb: float, softness: float) -> float:
    ease = softness * limb
    if ease <= 0:
        return min(wanted, limb)
    start = limb - ease
    return wanted if wanted <= start else limb - ease * float(np.exp(-(wanted - start) / ease))


def _first_across(directions: list[Array], axis: Array) -> Array:
    """Return the first direction that has a part perpendicular to unit `axis`, that part unit."""
    some = np.eye(3)[0 if abs(axis[0]) < 0.8 else 1]
    for direction in [*directions, some]:
        across = direction - (direction @ axis) * axis
        length = np.linalg.norm(across)
        if length > 1e-6 * (np.linalg.norm(direction) + _TINY):
            break
    return across / length


def _frame_turn(old: Array, old_hinge: Array, new: Array, new_hinge: Array) -> Array:
    frames = []
    for axis, hinge in ((old, old_hinge), (new, new_hinge)):
        across = _first_across([hinge], axis)
        frames.append(np.stack([axis, across, np.cross(axis, across)], axis=-1))
    return quat.from_matrix(frames[1] @ frames[0].T)


def rotations_from_euler(
    degrees: F64, columns: Array, axes: tuple[int, int, int], rotations: F32
) -> None:
    """Write rotations (T, N, 4), w >= 0, of the angles in `columns` (N, 3) of `degrees` (T, C).

    The three half-angle quaternions multiplied out; odd orders flip the mixed terms.
    """
    half = (degrees * (np.pi / 360)).astype(np.float32)[:, columns]
    (s1, s2, s3), (c1, c2, c3) = np.moveaxis(np.sin(half), -1, 0), np.moveaxis(np.cos(half), -1, 0)
    i, j, k = axes
    odd = np.float32(1.0 if (j - i) % 3 == 1 else -1.0)
    c23, s23, c2s3, s2c3 = c2 * c3, s2 * s3, c2 * s3, s2 * c3
    rotations[..., i] = s1 * c23 + odd * c1 * s23
    rotations[..., j] = c1 * s2c3 - odd * s1 * c2s3
    rotations[..., k] = c1 * c2s3 + odd * s1 * s2c3
    rotations[..., 3] = c1 * c23 - odd * s1 * s23
    rotations *= np.where(rotations[..., 3:] < 0, np.float32(-1), np.float32(1))
