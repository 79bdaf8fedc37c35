import numpy as np
import pytest

from twinsdk.core import kernel, quat


@pytest.fixture(params=[isa for isa in kernel.isas() if isa != "numpy"])
def isa(request):
    """Every compiled variant that this machine runs."""
    return request.param


def random_rigid(rng, count):
    """(count, 3, 4) float32 rigid transforms."""
    q = quat.normalize(rng.normal(size=(count, 4)))
    out = np.zeros((count, 3, 4), np.float32)
    out[..., :3] = quat.to_matrix(q)
    out[..., 3] = rng.normal(size=(count, 3))
    return out


def random_skin(rng, vertices, joints, influences, *, local=True):
    """Random (vertices, joints, weights); some slots unused, some naming a joint twice."""
    influences = max(1, influences)
    base = (
        np.sort(rng.integers(0, joints, vertices)) if local else rng.integers(0, joints, vertices)
    )
    spread = rng.integers(-2, 3, (vertices, influences))
    index = (base[:, None] + spread) % joints
    weights = rng.random((vertices, influences)) * (rng.random((vertices, influences)) < 0.7)
    weights[:, 0] += 0.1
    weights /= weights.sum(1, keepdims=True)
    points = rng.normal(size=(vertices, 3)).astype(np.float32)
    return points, index.astype(np.uint16), weights.astype(np.float32)


@pytest.fixture
def skin_of():
    return random_skin


@pytest.fixture
def rigid_of():
    return random_rigid
