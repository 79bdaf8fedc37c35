"""A small synthetic avatar and clip, and the independent validator where there is one."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar, Material, Mesh, Morphs, Skin
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton, matrices


def png(width: int, height: int, rgb: tuple[int, int, int]) -> bytes:
    """Return a one-colour PNG, written by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data) & 0xFFFFFFFF)
        )

    row = b"\x00" + bytes(rgb) * width
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )


def random_clip(
    skeleton: Skeleton, frames: int, *, seed: int = 7, face: bool = False
) -> MotionClip:
    rng = np.random.default_rng(seed)
    count = len(skeleton)
    return MotionClip(
        skeleton=skeleton,
        fps=30.0,
        rotations=quat.positive(quat.normalize(rng.normal(size=(frames, count, 4)))),
        root_translations=rng.normal(size=(frames, 3)),
        expressions=rng.uniform(size=(frames, 52)) if face else None,
    )


def synthetic_avatar(*, influences: int = 4, seed: int = 3) -> Avatar:
    """A cloud of little tetrahedra, one a joint, on the canonical skeleton."""
    rng = np.random.default_rng(seed)
    skeleton = humanoid_skeleton()
    _, heads = skeleton.rest_world()
    count = len(skeleton)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 0.03
    vertices = (heads[:, None] + corners).reshape(-1, 3)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    triangles = (faces + 4 * np.arange(count)[:, None, None]).reshape(-1, 3)
    normals = rng.normal(size=vertices.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    joints = np.stack([rng.permutation(count)[:influences] for _ in range(len(vertices))])
    joints[:, 0] = np.repeat(np.arange(count), 4)
    for row in joints:  # a joint appears once in a row
        row[1:][row[1:] == row[0]] = (row[0] + 1 + influences) % count
    weights = rng.uniform(0.1, 1, joints.shape)
    weights[:, 0] += 2
    weights /= weights.sum(1, keepdims=True)
    offsets = np.zeros((len(EXPRESSION_NAMES), len(vertices), 3), np.float32)
    for e in range(len(EXPRESSION_NAMES)):
        offsets[e, rng.choice(len(vertices), 9, replace=False)] = rng.normal(size=(9, 3)) * 0.01
    return Avatar(
        skeleton=skeleton,
        mesh=Mesh(
            vertices=vertices,
            normals=normals,
            uvs=rng.uniform(size=(len(vertices), 2)),
            triangles=triangles,
            materials=(
                Material(name="skin", base_color=(0.8, 0.6, 0.5, 1.0), roughness=0.75),
                Material(name="cloth", texture=png(4, 4, (30, 60, 90)), double_sided=True),
            ),
            triangle_materials=np.arange(len(triangles)) % 2,
        ),
        skin=Skin(
            joints=joints,
            weights=weights,
            inverse_bind=np.linalg.inv(matrices(*skeleton.rest_world())),
        ),
        morphs=Morphs(names=EXPRESSION_NAMES, offsets=offsets),
        humanoid={name: name for name in HUMANOID_NAMES},
        meta={"name": "Test figure", "authors": ["The tests"], "consent": "none needed"},
    )


def _sketches() -> ModuleType:
    # Test folders are no packages: a helper beside the tests is loaded by its path.
    path = Path(__file__).with_name("sketches.py")
    spec = importlib.util.spec_from_file_location("formats_sketches", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """Makers of files, avatars and clips."""
    sketches = _sketches()
    return SimpleNamespace(
        Sketch=sketches.Sketch,
        half_turn=sketches.half_turn,
        reference_vertices=sketches.reference_vertices,
        synthetic_avatar=synthetic_avatar,
        random_clip=random_clip,
        png=png,
    )


@pytest.fixture
def avatar() -> Avatar:
    return synthetic_avatar()


@pytest.fixture
def clip() -> MotionClip:
    return random_clip(humanoid_skeleton(), 12, face=True)


@pytest.fixture
def validate() -> Callable[[Path], dict[str, Any]]:
    """Return the report of Khronos' gltf-validator on a file; skip where it is not installed."""
    modules = str(Path(__file__).parents[1] / "referees" / "node_modules")
    node = shutil.which("node")
    if node is None or not (Path(modules) / "gltf-validator").is_dir():
        pytest.skip("needs node and `npm ci` in tests/referees")
    script = """
      const validator = require('gltf-validator'), fs = require('fs');
      validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 200})
        .then(report => console.log(JSON.stringify(report)));
    """

    def run(path: Path) -> dict[str, Any]:
        done = subprocess.run(
            [node, "-e", script, str(path)],
            env={**os.environ, "NODE_PATH": modules},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return run
