"""The compiled kernels against NumPy and against each other, one thread unless said.

    python benchmarks/skinning.py [--seconds S] [--save]

Bodies are synthetic: vertices along a chain of 55 joints, four influences each. `shuffled` has the
vertices in random order, the worst case for writing in the user's order.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from record import save, timed

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import Array
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.rig import MeshNormals, Rig

JOINTS = 55
Calls = dict[str, Callable[[], object]]


def body(vertices: int, *, shuffled: bool = False, influences: int = 4) -> dict[str, Any]:
    """Vertices along a chain of joints, each bound to the nearest ones."""
    rng = np.random.default_rng(0)
    along = np.sort(rng.random(vertices)) * (JOINTS - 1)
    if shuffled:
        along = rng.permutation(along)
    near = np.array([0, 1, -1, 2])[:influences]
    joints = (np.floor(along)[:, None].astype(int) + near) % JOINTS
    weights = np.exp(-np.abs(joints - along[:, None])) + 1e-3
    normals = rng.normal(size=(vertices, 3))
    return {
        "vertices": rng.normal(size=(vertices, 3)).astype(np.float32),
        "normals": normals / np.linalg.norm(normals, axis=1, keepdims=True),
        "joints": joints.astype(np.uint16),
        "weights": (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        "joint_count": JOINTS,
    }


def transforms(frames: int = 1) -> Array:
    """Rigid transforms (frames, J, 3, 4) turned by some 30 degrees each."""
    rng = np.random.default_rng(1)
    out = np.zeros((frames, JOINTS, 3, 4), np.float32)
    out[..., :3] = quat.to_matrix(
        quat.from_rotation_vector(rng.normal(size=(frames, JOINTS, 3)) * 0.3)
    )
    out[..., 3] = rng.normal(size=(frames, JOINTS, 3)) * 0.1
    return out


def random_transforms() -> Array:
    """Rigid transforms (J, 3, 4) turned by any angle, each on its own."""
    rng = np.random.default_rng(6)
    q = rng.normal(size=(JOINTS, 4)) + np.array([0, 0, 0, 2])
    out = np.zeros((JOINTS, 3, 4), np.float32)
    out[..., :3] = quat.to_matrix(quat.normalize(q))
    out[..., 3] = rng.normal(size=(JOINTS, 3)) * 0.1
    return out


def face(vertices: int, count: int = 52, density: float = 0.08) -> Array:
    """Morphs (E, V, 3) that each move a patch of the first 40 % of the vertices."""
    rng = np.random.default_rng(2)
    offsets = np.zeros((count, vertices, 3), np.float32)
    size = int(vertices * density)
    for morph in offsets:
        first = rng.integers(0, int(vertices * 0.4) - size)
        rows = first + np.flatnonzero(rng.random(int(size * 1.25)) < 0.8)
        morph[rows] = rng.normal(size=(len(rows), 3)) * 0.01
    return offsets


def grid(side: int) -> tuple[Array, Array]:
    """A rough square sheet: vertices (side^2, 3) and its triangles."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    height = np.random.default_rng(3).random((side, side))
    points = np.stack([x, y, height], -1).reshape(-1, 3).astype(np.float32)
    a = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    cells = [np.stack([a, a + 1, a + side], 1), np.stack([a + 1, a + side + 1, a + side], 1)]
    return points, np.stack(cells, 1).reshape(-1, 3)


def skinning_calls(vertices: int) -> Calls:
    """Linear skinning in every variant, beside NumPy's matrix product."""
    given, matrices = body(vertices), transforms()[0]
    out = np.zeros((vertices, 3), np.float32)
    calls: Calls = {}
    for isa in kernel.isas()[1:]:
        rig = Rig(**given, isa=isa)
        calls[f"linear, {isa}"] = lambda rig=rig: rig.skin(matrices, out=out)
    rig, mixed = Rig(**given), Rig(**body(vertices, shuffled=True))
    block = np.zeros((rig.block_rows, 3), np.float32)
    calls["linear, block order"] = lambda: rig.skin(matrices, out=block, block_order=True)
    calls["linear, shuffled vertices"] = lambda: mixed.skin(matrices, out=out)
    calls["dual"] = lambda: rig.skin(matrices, out=out, method="dual")
    wild = random_transforms()
    calls["dual, random pose"] = lambda: rig.skin(wild, out=out, method="dual")
    dense = np.zeros((vertices, JOINTS), np.float32)
    np.add.at(dense, (np.arange(vertices)[:, None], given["joints"].astype(int)), given["weights"])
    flat, points = matrices.reshape(JOINTS, 12), given["vertices"]

    def by_numpy() -> Array:
        blended = (dense @ flat).reshape(-1, 3, 4)
        moved: Array = np.einsum("vab,vb->va", blended[..., :3], points) + blended[..., 3]
        return moved

    calls["linear, NumPy matrix product"] = by_numpy
    return calls


def frame_calls(vertices: int = 20_000) -> Calls:
    """What a whole frame adds: morphs, normals."""
    given, matrices, offsets = body(vertices), transforms()[0], face(vertices)
    rng = np.random.default_rng(4)
    all_weights = (rng.random(52) + 0.1).astype(np.float32)
    some = np.where(np.arange(52) % 4 == 0, all_weights, 0).astype(np.float32)  # 13 of 52
    rig = Rig(**given, morph_offsets=offsets)
    out, normals = np.zeros((2, vertices, 3), np.float32)
    points, triangles = grid(int(vertices**0.5))
    mesh, flat = MeshNormals(triangles, len(points)), offsets.reshape(52, -1)
    sheet = np.zeros_like(points)
    shaped = Rig(**given, morph_offsets=rng.normal(size=offsets.shape).astype(np.float32))
    return {
        "skin": lambda: rig.skin(matrices, out=out),
        "52 dense morphs + skin": lambda: shaped.skin(matrices, out=out, morph_weights=all_weights),
        "52 morphs + skin": lambda: rig.skin(matrices, out=out, morph_weights=all_weights),
        "13 morphs + skin + normals": lambda: rig.skin(
            matrices, out=out, normals_out=normals, morph_weights=some
        ),
        "exact normals": lambda: mesh.of(points, sheet),
        "52 morphs, NumPy": lambda: given["vertices"] + (all_weights @ flat).reshape(-1, 3),
    }


def small_calls() -> Calls:
    """The per-pose kernels, through the door."""
    rng = np.random.default_rng(5)
    rotations = quat.normalize(rng.normal(size=(JOINTS, 4))).astype(np.float32)
    skeleton, root = humanoid_skeleton(), np.zeros(3, np.float32)
    words = kernel.encode_rotations(rotations, 48)
    limb = rng.normal(size=(5, 1000, 3)).astype(np.float32)
    rows = rng.normal(size=(2000, 96)) * 90
    text = kernel.format_numbers(rows)
    rig = Rig(**body(16))
    matrices, out = transforms()[0], np.zeros((16, 3), np.float32)
    return {
        "forward kinematics, 55 joints": lambda: skeleton.forward(rotations, root),
        "encode 55 rotations, 48 bits": lambda: kernel.encode_rotations(rotations, 48),
        "decode 55 rotations, 48 bits": lambda: kernel.decode_rotations(words, 48),
        "skin 16 vertices (cost of the call)": lambda: rig.skin(matrices, out=out),
        "two-bone IK, 1000 frames": lambda: kernel.two_bone(
            *limb[:3], targets=limb[3], poles=limb[4]
        ),
        f"parse {len(text) / 1e6:.1f} MB of numbers": lambda: kernel.parse_numbers(text, rows.size),
        f"format {rows.size} numbers": lambda: kernel.format_numbers(rows),
    }


def batch_calls(vertices: int = 20_000, frames: int = 64) -> Calls:
    """A batch on one and on two threads."""
    rig, matrices = Rig(**body(vertices)), transforms(frames)
    out = np.zeros((frames, vertices, 3), np.float32)
    return {
        f"{frames} frames, {n} thread{'s' * (n > 1)}": lambda n=n: rig.skin(
            matrices, out=out, threads=n
        )
        for n in (1, 2)
    }


def limits(vertices: int) -> dict[str, Any]:
    """What linear skinning of so many vertices cannot do without, in microseconds on its own."""
    if shutil.which("g++") is None:
        return {}
    joints = Rig(**body(vertices)).joints_per_block
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "limits"
        source = Path(__file__).with_name("limits.cpp")
        flags = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=fast"]
        subprocess.run(["g++", *flags, source, "-o", program], check=True)
        told = subprocess.run(
            [program, str(vertices), str(joints)], capture_output=True, text=True, check=True
        )
    return {f"limit, {name}": {"min_us": least} for name, least in json.loads(told.stdout).items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=0.5, help="a call, taking turns")
    options.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = options.parse_args()
    sections = {
        "20 000 vertices": lambda: skinning_calls(20_000),
        "100 000 vertices": lambda: skinning_calls(100_000),
        "frame, 20 000 vertices": frame_calls,
        "batch, 20 000 vertices": batch_calls,
        "small kernels": small_calls,
    }
    sizes = {"20 000 vertices": 20_000, "100 000 vertices": 100_000}
    results = {}
    for title, calls in sections.items():
        results[title] = timed(calls(), chosen.seconds)
        print(f"\n{title}: minimum and median, us")
        if title in sizes:
            results[title] |= limits(sizes[title])
        for name, times in results[title].items():
            print(f"  {name:36s} {times['min_us']:10.1f} {times.get('median_us', 0):10.1f}")
    if chosen.save:
        print(f"\nwritten: {save('skinning', results)}")


if __name__ == "__main__":
    main()
