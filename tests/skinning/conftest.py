import numpy as np
import pytest

from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.humanoid import humanoid_skeleton


def make_avatar(
    seed=7, *, vertices=400, influences=6, morph_names=("jawOpen", "ears", "mouthLeft")
):
    """A cloud of points on the canonical skeleton with random weights and morphs."""
    rng = np.random.default_rng(seed)
    skeleton = humanoid_skeleton()
    count = len(skeleton)
    rotations, positions = skeleton.rest_world()
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    inverse_bind[:, :3, 3] = -positions  # the canonical rest rotations are the identity
    assert np.allclose(rotations, [0, 0, 0, 1])
    index = rng.integers(0, count, (vertices, influences))
    weights = rng.random((vertices, influences)) ** 4
    weights /= weights.sum(1, keepdims=True)
    points = positions[index[:, 0]] + rng.normal(size=(vertices, 3)) * 0.05
    normals = rng.normal(size=(vertices, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = rng.normal(size=(len(morph_names), vertices, 3)) * 0.01
    offsets[:, rng.random(vertices) < 0.8] = 0
    return Avatar(
        skeleton=skeleton,
        mesh=Mesh(
            vertices=points,
            normals=normals,
            uvs=np.zeros((vertices, 2)),
            triangles=rng.integers(0, vertices, (vertices, 3)),
        ),
        skin=Skin(joints=index, weights=weights, inverse_bind=inverse_bind),
        morphs=Morphs(names=morph_names, offsets=offsets),
        humanoid={name: name for name in skeleton.names},
    )


@pytest.fixture
def avatar_of():
    return make_avatar


@pytest.fixture
def avatar():
    return make_avatar()
