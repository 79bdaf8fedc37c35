"""BVH, the Biovision hierarchy: the text form most motion capture travels in.

Conventions taken, since the format fixes none of them:

* rest rotations are the identity and world-aligned;
* a joint's position channels replace its OFFSET (as Blender and MotionBuilder do);
* rotation channels stack outermost first: the first one written is applied last to a point;
* lengths are written in centimetres, which most tools expect, and read in the unit that gives a
  person; the report says which one and why, and `unit_m` overrides it;
* the up axis is reported, never changed: retargeting finds it from the data.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.kernel import format_numbers, rotations_from_euler
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError, ValueRangeError
from twinsdk.formats import bvh_text
from twinsdk.formats.guard import MAX_FILE_BYTES, read_bytes, reading
from twinsdk.formats.rest import carry_translations, with_identity_rest
from twinsdk.formats.units import REACH_OF_HEIGHT, guess_unit

__all__ = ["BvhFile", "BvhReport", "read", "read_clip", "write", "write_clip"]

_CENTIMETRE_M = 0.01
_DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class BvhReport:
    """What the reader found and what it assumed.

    Attributes:
        unit_m: Metres in one unit of the file.
        unit_reason: Why: given by the caller, or the guess in words.
        height_m: Rough height of the figure in that unit, metres.
        up_axis: "Y" or "Z" as far as the moving body tells; nothing was turned.
        declared_frames: What the file says, None if nothing.
        euler_orders: Rotation order per joint name ("ZXY").
        end_sites: Offset of each End Site, metres, by the joint above it.
        dropped_translation_m: Largest joint translation that a clip cannot hold, metres.
        notes: What was odd and how it was taken.
    """

    unit_m: float
    unit_reason: str
    height_m: float
    up_axis: str
    declared_frames: int | None
    euler_orders: Mapping[str, str]
    end_sites: Mapping[str, tuple[float, float, float]]
    dropped_translation_m: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BvhFile:
    """A BVH file read: the motion, and what was assumed to get it."""

    clip: MotionClip
    report: BvhReport


def read_clip(path: str | Path) -> MotionClip:
    """Read a .bvh or .bvh.gz file; see `read`."""
    return read(path).clip


def read(path: str | Path, unit_m: float | None = None) -> BvhFile:
    """Read a .bvh or .bvh.gz file with a report of what was assumed.

    Args:
        path: The file.
        unit_m: Metres in one unit of the file; None takes the one that makes a person.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no BVH; the message names the line.
        ValueRangeError: `unit_m` is not positive.
    """
    if unit_m is not None and not (np.isfinite(unit_m) and unit_m > 0):
        raise ValueRangeError(f"unit_m: expected a positive number of metres, got {unit_m}")
    with reading(path, "BVH"):
        return _build(bvh_text.parse(_inflated(read_bytes(path, what="BVH"))), unit_m)


def write_clip(clip: MotionClip, path: str | Path) -> None:
    """Write a .bvh or .bvh.gz file in centimetres; see `write`."""
    write(clip, path)


def write(
    clip: MotionClip, path: str | Path, *, unit_m: float = _CENTIMETRE_M, order: str = "ZXY"
) -> None:
    """Write a clip as BVH; joint positions are kept to 1e-6 of a unit, expressions are not.

    Rest rotations other than the identity are folded into the motion, since BVH has none. Leaves
    get an End Site half as long as their own bone.

    Args:
        clip: The motion.
        path: A .bvh, or .bvh.gz to compress.
        unit_m: Metres in one unit written.
        order: Rotation order of every joint, outermost first.

    Raises:
        OutputError: The file cannot be written.
    """
    clip = with_identity_rest(clip)
    lines, written = _hierarchy(clip.skeleton, unit_m, order)
    data = "\n".join([*lines, ""]).encode() + _frames(clip, written, unit_m, order)
    with atomic_path(path) as temporary:
        is_gzip = Path(path).suffix.lower() == ".gz"
        temporary.write_bytes(gzip.compress(data, 6, mtime=0) if is_gzip else data)


def _inflated(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    stream = zlib.decompressobj(wbits=31)
    text = stream.decompress(data, MAX_FILE_BYTES)
    if stream.unconsumed_tail:
        raise FormatError(f"expected at most {MAX_FILE_BYTES} bytes of text, got more")
    if not stream.eof:
        raise FormatError("expected a whole gzip stream, got one that is cut off")
    return text


def _build(text: bvh_text.BvhText, unit_m: float | None) -> BvhFile:
    joints, notes = text.joints, list(text.notes)
    offsets = np.array([joint.offset for joint in joints])
    parents = np.array([joint.parent for joint in joints])
    rotations, positions = _channels(text, offsets, notes)
    reach = _reach(joints, offsets, positions)
    unit, reason = (unit_m, "given by the caller") if unit_m else guess_unit(reach)
    skeleton = Skeleton(
        names=tuple(joint.name for joint in joints),
        parents=parents,
        rest_translations=(offsets * unit).astype(np.float32),
        rest_rotations=np.tile(quat.IDENTITY, (len(joints), 1)),
    )
    dropped, root = 0.0, np.broadcast_to(offsets[0] * unit, (len(text.values), 3))
    if 0 in positions:
        root = positions[0] * unit
    if any(j > 0 for j in positions):
        local = np.repeat(skeleton.rest_translations[None], len(text.values), 0)
        for j, track in positions.items():
            local[:, j] = track * unit
        carried = carry_translations(skeleton, rotations, local)
        dropped, root = carried.residual_m, carried.root_translations
        skeleton = carried.on(skeleton)
        if dropped > 1e-4:
            notes.append(f"joint translations up to {dropped:.4f} m were left out")
    clip = MotionClip(
        skeleton=skeleton,
        fps=_whole_fps(text.frame_time_s),
        rotations=rotations,
        root_translations=root,
    )
    report = BvhReport(
        unit_m=unit,
        unit_reason=reason,
        height_m=reach * unit / REACH_OF_HEIGHT,
        up_axis=_up_axis(clip),
        declared_frames=text.declared_frames,
        euler_orders={joint.name: _order(joint) for joint in joints},
        end_sites={j.name: _scaled(j.end_site, unit) for j in joints if j.end_site is not None},
        dropped_translation_m=dropped,
        notes=tuple(notes),
    )
    return BvhFile(clip=_canonical_order(clip), report=report)


def _scaled(point: tuple[float, float, float], unit: float) -> tuple[float, float, float]:
    x, y, z = point
    return x * unit, y * unit, z * unit


def _order(joint: bvh_text.Joint) -> str:
    return "".join("XYZ"[axis] for axis, is_rotation in joint.channels if is_rotation)


def _whole_fps(frame_time_s: float) -> float:
    # 0.00833 is meant to be 120 fps, but 29.97 is not 30.
    fps = 1.0 / frame_time_s
    return float(round(fps)) if abs(fps - round(fps)) < 5e-4 * fps and fps >= 1 else fps


def _channels(text: bvh_text.BvhText, offsets: F64, notes: list[str]) -> tuple[F32, dict[int, F64]]:
    """Return rotations (T, J, 4) and, by joint, position tracks (T, 3) in file units."""
    count, joints = len(text.values), text.joints
    rotations = np.zeros((count, len(joints), 4), np.float32)
    rotations[..., 3] = 1
    positions: dict[int, F64] = {}
    by_order: dict[str, list[tuple[int, list[int]]]] = {}
    column = 0
    for j, joint in enumerate(joints):
        turning: list[int] = []
        for place, (axis, is_rotation) in enumerate(joint.channels, column):
            if is_rotation:
                turning.append(place)
            else:
                track = positions.setdefault(j, np.repeat(offsets[j][None], count, 0))
                track[:, axis] = text.values[:, place]
        column += len(joint.channels)
        by_order.setdefault(_order(joint), []).append((j, turning))
        if j and j in positions and np.abs(offsets[j]).max() > 0 and not positions[j].any():
            del positions[j]
            notes.append(f"joint {joint.name!r}: all positions are 0; its OFFSET was taken instead")
    for order, members in by_order.items():
        if order:
            which = [j for j, _ in members]
            columns = np.array([columns for _, columns in members])
            turned = _stacked(text.values, columns, order)
            if len(which) == len(joints):
                return turned, positions
            rotations[:, which] = turned
    return rotations, positions


def _stacked(degrees: F64, columns: Array, order: str) -> F32:
    """Return the rotations (T, N, 4) of angles in `columns` (N, any) about the axes of `order`."""
    axes = ["XYZ".index(letter) for letter in order]
    if sorted(axes) == [0, 1, 2]:
        return rotations_from_euler(degrees, columns, (axes[0], axes[1], axes[2]))
    half = (degrees * (np.pi / 360)).astype(np.float32)[:, columns]
    result = np.zeros((*half.shape[:-1], 4), np.float32)
    result[..., 3] = 1
    for i, axis in enumerate(axes):
        turn = np.zeros_like(result)
        turn[..., axis], turn[..., 3] = np.sin(half[..., i]), np.cos(half[..., i])
        result = quat.multiply(result, turn)
    return quat.positive(result)


def _reach(joints: list[bvh_text.Joint], offsets: F64, positions: Mapping[int, F64]) -> float:
    """Return the longest way along bones from the root to a leaf, file units."""
    length = np.zeros(len(joints))
    for j, joint in enumerate(joints[1:], 1):
        bone = positions[j].mean(0) if j in positions else offsets[j]
        length[j] = length[joint.parent] + float(np.linalg.norm(bone))
    ends = [
        length[j] + float(np.linalg.norm(joint.end_site))
        for j, joint in enumerate(joints)
        if joint.end_site is not None
    ]
    return max([float(length.max()), *ends])


def _up_axis(clip: MotionClip) -> str:
    """Return "Y" or "Z": a body is tall along up, and its lowest point stays near one floor."""
    sample = clip[:: max(1, len(clip) // 32)]
    _, positions = sample.world()
    lowest = positions.min(1)
    score = np.ptp(positions, axis=1).mean(0) - lowest.std(0) - 0.5 * np.abs(np.median(lowest, 0))
    return "Z" if score[2] > score[1] else "Y"


def _hierarchy(skeleton: Skeleton, unit_m: float, order: str) -> tuple[list[str], list[int]]:
    """Return the lines, and the joints in the depth-first order in which they are written."""
    offsets = skeleton.rest_translations.astype(np.float64) / unit_m
    turns = " ".join(f"{letter}rotation" for letter in order.upper())
    children: list[list[int]] = [[] for _ in skeleton.names]
    for j, above in enumerate(skeleton.parents[1:], 1):
        children[int(above)].append(j)
    lines, written = ["HIERARCHY"], []
    stack: list[tuple[int, int]] = [(0, 0)]  # (joint, depth); ~joint closes its brace
    while stack:
        j, depth = stack.pop()
        pad = "\t" * depth
        if j < 0:
            lines.append(f"{pad}}}")
            continue
        written.append(j)
        places = "6 Xposition Yposition Zposition" if j == 0 else "3"
        name = " ".join(skeleton.names[j].split()).replace("{", "(").replace("}", ")")
        lines += [
            f"{pad}{'JOINT' if j else 'ROOT'} {name}",
            f"{pad}{{",
            f"{pad}\tOFFSET {_point(offsets[j])}",
            f"{pad}\tCHANNELS {places} {turns}",
        ]
        if not children[j]:
            site = _point(offsets[j] / 2)
            lines += [f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {site}", f"{pad}\t}}"]
        stack.append((~j, depth))
        stack += [(child, depth + 1) for child in reversed(children[j])]
    return lines, written


def _point(values: F64) -> str:
    return " ".join(f"{value + 0.0:.9g}" for value in values)


def _frames(clip: MotionClip, written: list[int], unit_m: float, order: str) -> bytes:
    degrees = np.degrees(quat.to_euler(clip.rotations[:, written], order)).reshape(len(clip), -1)
    rows = np.concatenate([clip.root_translations.astype(np.float64) / unit_m, degrees], axis=1)
    head = f"MOTION\nFrames: {len(clip)}\nFrame Time: {1 / clip.fps:.9g}\n"
    # Six decimals are 1e-8 m and 2e-8 rad, below what float32 holds.
    return head.encode() + format_numbers(rows, decimals=_DECIMALS)


def _canonical_order(clip: MotionClip) -> MotionClip:
    """Return the clip with joints in VRM's order where all of them have VRM's names.

    BVH can only be depth-first; a canonical clip thus comes back as it went.
    """
    skeleton = clip.skeleton
    if not set(skeleton.names) <= set(HUMANOID_NAMES):
        return clip
    order = sorted(range(len(skeleton)), key=lambda j: HUMANOID_NAMES.index(skeleton.names[j]))
    place = np.zeros(len(order), np.int64)
    place[order] = np.arange(len(order))
    parents = np.where(skeleton.parents < 0, -1, place[skeleton.parents])[order]
    if (parents >= np.arange(len(order))).any() or order[0] != 0:
        return clip
    return MotionClip(
        skeleton=Skeleton(
            names=tuple(skeleton.names[j] for j in order),
            parents=parents.astype(np.int32),
            rest_translations=skeleton.rest_translations[order],
            rest_rotations=skeleton.rest_rotations[order],
        ),
        fps=clip.fps,
        rotations=clip.rotations[:, order],
        root_translations=clip.root_translations,
    )
