"""What foresight is trained on: motion as the model shows it, and what people did next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.errors import FormatError
from twinsdk.motion.evaluation.clips import body_skeleton
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.body import COUNT, MIRROR, forward
from twinsdk.motion.model.foresight import HISTORY, STEP_S, told
from twinsdk.motion.training.corpus import Clip, mirror

__all__ = ["FUTURES", "Shown", "Windows", "drawn", "shown_of", "shown_poses", "windows_at"]

FUTURES: Array = np.array([1, 2, 3, 4, 6, 8])
"""Frames ahead that are judged."""
_SPEEDS, _AS_CAPTURED = (0.8, 1.25), 0.5
_SIDES = np.array([-1.0, 1.0, 1.0], np.float32)
_FPS = round(1 / STEP_S)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """Clips at 30 frames a second, as they were shown and as they were.

    Attributes:
        local: (T, 22, 3, 3) shown.
        places: (T, 22, 3) shown, metres, world.
        true: (T, 22, 3) captured.
        offsets: (T, 22, 3).
        usable: Frames with a whole window about them.
    """

    local: F32
    places: F32
    true: F32
    offsets: F32
    usable: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """What a batch is: N windows, in axes that face ahead.

    Attributes:
        inputs: (N, `FOREKNOWN`).
        going: (N, 23, 3) spins and the hips' speed; lively: (N,), see `Told`.
        local: (N, 22, 3, 3) now; places: (N, 22, 3); offsets: (N, 22, 3).
        moved: (N, F, 22, 3) how far joints went, metres.
    """

    inputs: Tensor
    going: Tensor
    lively: Tensor
    local: Tensor
    places: Tensor
    offsets: Tensor
    moved: Tensor


def drawn(data: Shown, rng: np.random.Generator, count: int, *, scaling: float) -> Windows:
    """Return random windows, half of them mirrored, some slower or quicker, of many sizes."""
    speed = rng.uniform(*_SPEEDS, count)
    speed = np.where(rng.random(count) < _AS_CAPTURED, 1.0, speed)
    return windows_at(
        data,
        rng.choice(data.usable, count),
        speed=speed,
        mirrored=rng.random(count) < 0.5,
        size=np.exp(rng.normal(0, scaling, count)).astype(np.float32),
    )


def windows_at(
    data: Shown,
    frames: Array,
    *,
    speed: Array | None = None,
    mirrored: Array | None = None,
    size: Array | None = None,
) -> Windows:
    """Return the windows about frames (N,) of `data`, changed as asked."""
    count = len(frames)
    speed = np.ones(count) if speed is None else speed
    past = _between(data.places, frames[:, None] - speed[:, None] * np.arange(HISTORY))
    true = _between(data.true, frames[:, None] + speed[:, None] * FUTURES)
    moved = true - data.true[frames, None]
    local, before, offsets = data.local[frames], data.local[frames - 1], data.offsets[frames]
    if size is not None:
        scale = size[:, None, None]
        past, moved, offsets = past * scale[..., None], moved * scale[..., None], offsets * scale
    if mirrored is not None:
        turned = mirrored[:, None, None]
        past = np.where(turned[..., None], past[:, :, MIRROR] * _SIDES, past)
        moved = np.where(turned[..., None], moved[:, :, MIRROR] * _SIDES, moved)
        offsets = np.where(turned, offsets[:, MIRROR] * _SIDES, offsets)
        root = np.zeros((count, 3), np.float32)
        local = np.where(turned[..., None], mirror(local, root)[0], local)
        before = np.where(turned[..., None], mirror(before, root)[0], before)
    known = told(past, local, before, (STEP_S / speed).astype(np.float32))
    back = np.swapaxes(known.turn, -1, -2)
    facing = local.copy()
    facing[:, 0] = known.turn @ facing[:, 0]
    here = (past[:, 0] - past[:, 0, :1] * np.array([1, 0, 1], np.float32)) @ back
    return Windows(
        inputs=torch.from_numpy(known.inputs),
        going=torch.from_numpy(np.concatenate([known.spin, known.speed[:, None]], 1)),
        lively=torch.from_numpy(known.lively.astype(np.float32)),
        local=torch.from_numpy(facing),
        places=torch.from_numpy(here.astype(np.float32)),
        offsets=torch.from_numpy(offsets),
        moved=torch.from_numpy((moved @ back[:, None]).astype(np.float32)),
    )


def shown_of(clips: Sequence[Clip], poses: tuple[F32, F32] | None, split: str) -> Shown:
    """Return the clips of one side of the split; without shown poses the captured ones."""
    locals_, places, true, offsets, usable = [], [], [], [], []
    begun, at = 0, 0
    reach = int(np.ceil(HISTORY * max(_SPEEDS))), int(np.ceil(FUTURES[-1] * max(_SPEEDS)))
    for clip in clips:
        rows = _even(clip)
        here, begun = slice(begun, begun + len(rows)), begun + len(rows)
        if clip.split != split:
            continue
        local, root = clip.rotations[rows], clip.root[rows]
        captured = forward(local, root, clip.offsets)[1]
        true.append(captured)
        if poses is not None:
            local = quat.to_matrix(poses[0][here]).astype(np.float32)
            captured = forward(local, poses[1][here], clip.offsets)[1]
        locals_.append(local)
        places.append(captured)
        offsets.append(np.broadcast_to(clip.offsets, (len(rows), COUNT, 3)))
        usable.append(np.arange(at + reach[0], at + len(rows) - reach[1]))
        at += len(rows)
    return Shown(
        local=np.concatenate(locals_),
        places=np.concatenate(places),
        true=np.concatenate(true),
        offsets=np.concatenate(offsets).astype(np.float32),
        usable=np.concatenate(usable).astype(np.int64),
    )


def _even(clip: Clip) -> Array:
    """Return the frames of a clip that are 30 a second."""
    return np.arange(0, len(clip), max(1, round(clip.fps / _FPS)))


def shown_poses(
    path: Path,
    clips: Sequence[Clip],
    weights: str,
    sha256: str,
    report: Callable[[str], None],
) -> tuple[F32, F32]:
    """Return what the motion model shows of all clips: rotations (T, 22, 4), roots (T, 3)."""
    if not path.exists():
        report("showing all clips to the motion model")
        made = [_follow(clip, weights) for clip in clips]
        with atomic_path(path) as temporary:
            np.savez(
                temporary,
                allow_pickle=False,
                rotations=np.concatenate([pose[0] for pose in made]).astype(np.float16),
                root=np.concatenate([pose[1] for pose in made]),
                sha256=np.array(sha256),
            )
    with np.load(path, allow_pickle=False) as data:
        if str(data["sha256"]) != sha256:
            raise FormatError(f"shown poses: of another corpus; remove the file: {path}")
        return quat.normalize(data["rotations"].astype(np.float32)), data["root"]


def _follow(clip: Clip, weights: str) -> tuple[F32, F32]:
    rows = _even(clip)
    motion = MotionClip(
        skeleton=body_skeleton(clip.offsets),
        fps=_FPS,
        rotations=quat.from_matrix(clip.rotations[rows].astype(np.float64)),
        root_translations=clip.root[rows],
    )
    model = MotionModel.load(weights, skeleton=motion.skeleton)
    poses = [model.step(trackers, STEP_S).pose for trackers in trackers_of(motion)]
    return (
        np.stack([pose.rotations for pose in poses]),
        np.stack([pose.root_translation for pose in poses]),
    )


def _between(places: F32, at: Array) -> F32:
    """Return places (T, ...) at fractional frames, linearly."""
    low = np.floor(at + 1e-6).astype(np.int64)
    share = np.maximum(at - low, 0)[..., None, None].astype(np.float32)
    high = np.minimum(low + 1, len(places) - 1)
    return np.asarray(places[low] + share * (places[high] - places[low]), np.float32)
