"""Fixtures every wing shares."""

from __future__ import annotations

import os

import numpy as np
import pytest

import twinsdk as tw

_OCTAHEDRON = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32
)
_FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a referee that is missing is a failure, not a skip."""
    report = yield
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("referee"):
        report.outcome = "failed"
        report.longrepr = f"a referee is missing: {report.longrepr}"
    return report


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def bead_avatar() -> tw.Avatar:
    """A humanoid made of one bead a joint: small, exact, quick to draw and to write."""
    skeleton = tw.humanoid_skeleton()
    _, joints = skeleton.rest_world()
    count = len(skeleton)
    vertices = (joints[:, None] + 0.03 * _OCTAHEDRON).reshape(-1, 3)
    normals = np.tile(_OCTAHEDRON, (count, 1))
    triangles = (_FACES[None] + 6 * np.arange(count)[:, None, None]).reshape(-1, 3)
    owner = np.repeat(np.arange(count), 6)
    inverse_bind = np.tile(np.eye(4), (count, 1, 1))
    inverse_bind[:, :3, 3] = -joints
    offsets = np.zeros((2, len(vertices), 3), np.float32)
    offsets[0, owner == skeleton.joint("jaw"), 1] = -0.03
    offsets[1, owner == skeleton.joint("leftEye"), 1] = -0.01
    return tw.Avatar(
        skeleton=skeleton,
        mesh=tw.Mesh(
            vertices=vertices,
            normals=normals,
            uvs=np.zeros((len(vertices), 2)),
            triangles=triangles,
            materials=(tw.Material(name="bead", base_color=(0.7, 0.05, 0.05, 1.0)),),
        ),
        skin=tw.Skin(
            joints=owner[:, None], weights=np.ones((len(owner), 1)), inverse_bind=inverse_bind
        ),
        morphs=tw.Morphs(names=("jawOpen", "eyeBlinkLeft"), offsets=offsets),
        humanoid={name: name for name in skeleton.names},
        meta={"name": "beads"},
    )
