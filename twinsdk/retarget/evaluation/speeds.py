"""How fast retargeting and reading are on one core.

Rates are of processor time, which a machine shared with others still tells; a live step is timed by
the clock, as a user waits for it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.formats import load_clip, save_clip
from twinsdk.retarget.evaluation.bodies import canonical_bodies
from twinsdk.retarget.evaluation.motions import walk
from twinsdk.retarget.retargeter import RetargetConfig, Retargeter

__all__ = [
    "library_seconds",
    "reading_rate",
    "retarget_rates",
    "step_us",
    "write_library",
    "write_table",
]

_LIBRARY_CLIPS, _LIBRARY_JOINTS, _LIBRARY_FRAMES = 76, 66, 28
_BVH_JOINTS = 31  # as many as the CMU's files have
_BODY_JOINTS = 22


def retarget_rates(repeats: int = 9) -> dict[str, tuple[float, float]]:
    """Return frames a second, best and median: the transfer alone, and with contacts and IK."""
    clip, target = walk(60.0), canonical_bodies()[2]
    rates = {}
    for label, whole in (("transfer", False), ("with contacts and IK", True)):
        config = RetargetConfig(plant_feet=whole, keep_touch=whole)
        made = Retargeter(clip.skeleton, target.skeleton, config)
        rates[label] = _rates(partial(made.clip, clip), len(clip), repeats)
    return rates


def step_us(repeats: int = 3) -> dict[str, tuple[float, float]]:
    """Return microseconds of a live step, median and 99th percentile: free and planted."""
    clip, target = walk(10.0), canonical_bodies()[2]
    made, poses = Retargeter(clip.skeleton, target.skeleton), list(clip)
    out = {}
    for label, step in (("step", None), ("step, planted", 1 / clip.fps)):
        times = []
        for pose in [*poses] * repeats:
            start = time.perf_counter_ns()
            made.step(pose, step)
            times.append(time.perf_counter_ns() - start)
        median, late = np.percentile(times, (50, 99)) / 1e3
        out[label] = float(median), float(late)
    return out


def reading_rate(frames: int = 20_000, repeats: int = 7) -> tuple[float, float]:
    """Return frames a second of reading a BVH of 31 joints, best and median."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.bvh"
        write_table(path, frames)
        return _rates(partial(load_clip, path), frames, repeats)


def write_table(path: Path, frames: int) -> None:
    """Write a motion of 31 joints, a kind of file by the extension of `path`."""
    canon = humanoid_skeleton()
    names = [*HUMANOID_NAMES[:_BODY_JOINTS], *(f"more{i}" for i in range(_BVH_JOINTS))]
    parents = [min(int(canon.parents[j]), j - 1) for j in range(_BVH_JOINTS)]
    rng = np.random.default_rng(0)
    clip = MotionClip(
        skeleton=Skeleton(
            names=tuple(names[:_BVH_JOINTS]),
            parents=np.array(parents, np.int32),
            rest_translations=canon.rest_translations[:_BVH_JOINTS],
            rest_rotations=canon.rest_rotations[:_BVH_JOINTS],
        ),
        fps=120,
        rotations=quat.from_rotation_vector(rng.normal(size=(frames, _BVH_JOINTS, 3)) * 0.3),
        root_translations=rng.normal(size=(frames, 3)).astype(np.float32),
    )
    save_clip(clip, path)


def library_seconds(repeats: int = 5) -> tuple[float, float]:
    """Return seconds to read every clip of a GLB with 76 of them, best and median."""
    from twinsdk.formats.animation import read_clips

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.glb"
        write_library(path)
        times = _times(partial(read_clips, path), repeats)
    return min(times), float(np.median(times))


def write_library(path: Path) -> None:
    """Write a GLB of 76 animations of 66 joints, 3.6 MB, as motion libraries for games are."""
    from twinsdk.formats.build import Builder
    from twinsdk.formats.glb import write_glb
    from twinsdk.formats.gltf_write import joint_nodes

    rng = np.random.default_rng(0)
    canon = humanoid_skeleton()
    extra = _LIBRARY_JOINTS - len(canon)
    skeleton = Skeleton(
        names=(*canon.names, *(f"more{i}" for i in range(extra))),
        parents=np.array([*canon.parents, *[canon.joint("head")] * extra], np.int32),
        rest_translations=np.concatenate([canon.rest_translations, np.zeros((extra, 3))]),
        rest_rotations=np.tile(quat.IDENTITY, (_LIBRARY_JOINTS, 1)),
    )
    builder, animations = Builder(), []
    for i in range(_LIBRARY_CLIPS):
        frames = _LIBRARY_FRAMES + i % 5
        times = builder.accessor((np.arange(frames) / 30).astype(np.float32), bounds=True)
        turns = quat.from_rotation_vector(rng.normal(size=(_LIBRARY_JOINTS, frames, 3)) * 0.3)
        outputs = [builder.accessor(row.astype(np.float32)) for row in turns]
        animations.append(
            {
                "name": f"clip{i}",
                "samplers": [{"input": times, "output": output} for output in outputs],
                "channels": [
                    {"sampler": j, "target": {"node": j, "path": "rotation"}}
                    for j in range(_LIBRARY_JOINTS)
                ],
            }
        )
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": joint_nodes(skeleton),
        "animations": animations,
    }
    builder.finish(document)
    write_glb(path, document, builder.binary)


def _rates(run: Callable[[], object], frames: int, repeats: int) -> tuple[float, float]:
    run()
    times = _times(run, repeats)
    return frames / min(times), frames / float(np.median(times))


def _times(run: Callable[[], object], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return times
