"""Captured performances that ship with the package, for motion without a camera.

One file of quantised rotation vectors, decoded and indexed on first use. Where they come from and
under which terms stands in `performances.md` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, U8, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import FormatError, UsageError
from twinsdk.formats.npz import read_arrays
from twinsdk.motion.evaluation.clips import BODY_JOINTS, body_skeleton
from twinsdk.motion.score import FEET, contacts_of

__all__ = ["BODY", "Library", "features_of", "heading", "library", "pack", "styles"]

_FILE = Path(__file__).parent / "performances.npz"
_HUMANOID = humanoid_skeleton()
BODY = body_skeleton(_HUMANOID.rest_translations[[_HUMANOID.joint(j) for j in BODY_JOINTS]])
"""The canonical 1.70 m skeleton without fingers and face, which all performances are on."""

_STEPS = 4096 / np.pi  # of a rotation vector a radian: 0.04 degrees
_ROOT_STEPS = 2048.0  # a metre: 0.5 mm
_MATCHED = ("leftFoot", "rightFoot", "leftHand", "rightHand", "head", "hips")
_ROWS = [BODY_JOINTS.index(name) for name in _MATCHED]
_FOOT_ROWS = [BODY.joint(name) for name in FEET]
_VELOCITY_S = 0.12  # a velocity counts as how far it leads in this time
_MAX_FRAMES = 2_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Library:
    """F frames of performances of one style, clip after clip.

    Attributes:
        style: Which.
        fps: Of all.
        rotations: (F, 22, 4) xyzw on `BODY`.
        roots: (F, 3) metres; the ground is y = 0.
        contacts: (F, 4) bool, see `score.FEET`.
        features: (F, 36) what `features_of` says of every frame.
        ends: (F,) the frame after the last of each frame's clip.
    """

    style: str
    fps: float
    rotations: F32
    roots: F32
    contacts: Array
    features: F32
    ends: Array


def styles() -> tuple[str, ...]:
    """Return the styles there are, "idle" first."""
    return tuple(dict.fromkeys(_packed()[0]["styles"]))


@lru_cache(maxsize=4)
def library(style: str = "idle") -> Library:
    """Return the package's performances of a style.

    Raises:
        UsageError: There is no such style; the error lists those there are.
        FormatError: The file is damaged.
    """
    about, arrays = _packed()
    if style not in about["styles"]:
        raise UsageError(f"style: expected one of {', '.join(styles())}, got {style!r}")
    starts = arrays["clip_start"]
    turns, roots, ends, total = [], [], [], 0
    for name, a, b in zip(about["styles"], starts[:-1], starts[1:], strict=True):
        if name == style:
            turns.append(_undone(arrays["turns"][:, :, a:b]))
            roots.append(_undone(arrays["roots"][:, :, a:b]))
            total += int(b - a)
            ends.append(np.full(b - a, total))
    vectors = np.concatenate(turns, axis=1).reshape(len(BODY_JOINTS), 3, -1)
    rotations = _quaternions((vectors.transpose(2, 0, 1) / _STEPS).astype(np.float32))
    places = np.ascontiguousarray(np.concatenate(roots, axis=1).T / _ROOT_STEPS, np.float32)
    return _indexed(style, float(about["fps"]), rotations, places, np.concatenate(ends))


@lru_cache(maxsize=1)
def _packed() -> tuple[dict[str, Any], dict[str, Array]]:
    arrays = read_arrays(_FILE)
    try:
        about = json.loads(arrays["about"].tobytes().decode())
        starts = arrays["clip_start"] = arrays["clip_start"].astype(np.int64)
        count = int(starts[-1])
        sizes = (arrays["turns"].shape, arrays["roots"].shape)
        if (
            not 0 < count <= _MAX_FRAMES
            or len(about["styles"]) != len(starts) - 1
            or sizes != ((2, 3 * len(BODY_JOINTS), count), (2, 3, count))
        ):
            raise FormatError(f"performances: damaged, {count} frames in {sizes}: {_FILE}")
    except (KeyError, ValueError, IndexError) as error:
        raise FormatError(f"performances: damaged ({error}): {_FILE}") from error
    return about, arrays


def pack(clips: Sequence[tuple[str, MotionClip]], path: str | Path) -> None:
    """Write (style, clip) pairs, all at one rate on skeletons of `BODY_JOINTS`, as `library` reads.

    Travel is scaled by the length of the legs to `BODY`.

    Raises:
        OutputError: The file cannot be written.
    """
    turns, roots, starts = [], [], [0]
    for _, clip in clips:
        vectors = quat.to_rotation_vector(quat.continuous(clip.rotations.astype(np.float64)))
        turns.append(np.round(vectors * _STEPS).reshape(len(clip), -1).T)
        tall = BODY.rest_translations[0, 1] / clip.skeleton.rest_translations[0, 1]
        moved = (clip.root_translations - clip.root_translations[0] * (1, 0, 1)) * tall
        roots.append(np.round(moved * _ROOT_STEPS).T)
        starts.append(starts[-1] + len(clip))
    about = {"fps": clips[0][1].fps, "styles": [style for style, _ in clips]}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            clip_start=np.array(starts, np.int32),
            turns=_differences(turns),
            roots=_differences(roots),
        )


def features_of(
    rotations: Array, roots: Array, velocities: tuple[Array, Array] | None, fps: float
) -> F32:
    """Return what makes frames alike (T, 36): places and velocities about the hips' heading.

    Args:
        rotations: (T, 22, 4) on `BODY`.
        roots: (T, 3).
        velocities: Rotations and roots one frame earlier; None takes the frames as a sequence.
        fps: Frames a second.
    """
    places = BODY.forward(rotations, roots)[1][:, _ROWS]
    if velocities is None:
        speed = np.gradient(places, axis=0) * fps if len(places) > 1 else 0 * places
    else:
        speed = (places - BODY.forward(*velocities)[1][:, _ROWS]) * fps
    yaw = heading(rotations[:, 0])
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    about = places - roots[:, None] * np.array([1, 0, 1], np.float32)
    out = []
    for part, weight in ((about, 1.0), (speed, _VELOCITY_S)):
        x, z = part[..., 0], part[..., 2]
        out += [weight * (c * x - s * z), weight * part[..., 1], weight * (s * x + c * z)]
    return np.concatenate(out, axis=1).astype(np.float32)


def heading(hips: Array) -> Array:
    """Return which way rotations (..., 4) face, radians about +Y."""
    x, y, z, w = np.moveaxis(np.asarray(hips, np.float64), -1, 0)
    return np.arctan2(2 * (x * z + w * y), 1 - 2 * (x * x + y * y))


def _indexed(style: str, fps: float, rotations: F32, roots: F32, ends: Array) -> Library:
    features, contacts, start = [], [], 0
    for end in dict.fromkeys(ends.tolist()):
        turns, places = rotations[start:end], roots[start:end]
        features.append(features_of(turns, places, None, fps))
        contacts.append(contacts_of(BODY, BODY.forward(turns, places)[1], fps))
        start = end
    return Library(
        style=style,
        fps=fps,
        rotations=rotations,
        roots=roots,
        contacts=np.concatenate(contacts),
        features=np.concatenate(features),
        ends=ends,
    )


def _quaternions(vectors: F32) -> F32:
    """Return unit quaternions (..., 4) of rotation vectors (..., 3), all in float32."""
    angle = np.sqrt((vectors * vectors).sum(-1, keepdims=True)) + np.float32(1e-9)
    out = np.empty((*vectors.shape[:-1], 4), np.float32)
    out[..., :3] = vectors * (np.sin(angle / 2) / angle)
    out[..., 3:] = np.cos(angle / 2)
    return out


def _differences(parts: Sequence[Array]) -> U8:
    """Return (2, C, F): low and high bytes of each channel's changes; slow motion is mostly 0."""
    changes = [np.diff(part, axis=1, prepend=0) for part in parts]
    words = np.concatenate(changes, axis=1).astype(np.int16).view(np.uint16)
    return np.stack([words & 255, words >> 8]).astype(np.uint8)


def _undone(planes: U8) -> Array:
    """Return the channels (C, F) of one clip's changes."""
    words = (planes[0].astype(np.uint16) | planes[1].astype(np.uint16) << 8).view(np.int16)
    return np.cumsum(words, axis=1, dtype=np.int32)
