"""Gradients of linear skinning: against finite differences and the float64 reference."""

import numpy as np
import pytest

from twinsdk.core.rig import Rig
from twinsdk.errors import ShapeError


@pytest.mark.parametrize("vertices", [1, 16, 17, 100])
@pytest.mark.parametrize("points_of", ["bound", "shared", "each"])
def test_every_variant_agrees_with_the_reference(isa, skin_of, rigid_of, vertices, points_of):
    rng = np.random.default_rng(vertices)
    points, index, weights = skin_of(rng, vertices, 7, 5)
    given = {"vertices": points, "joints": index, "weights": weights, "joint_count": 7}
    ours, reference = Rig(**given, isa=isa), Rig(**given, isa="numpy")
    matrices = rigid_of(rng, 3 * 7).reshape(3, 7, 3, 4)
    grad = rng.normal(size=(3, vertices, 3)).astype(np.float32)
    shapes = {"bound": None, "shared": (vertices, 3), "each": (3, vertices, 3)}
    shape = shapes[points_of]
    start = None if shape is None else rng.normal(size=shape).astype(np.float32)
    got = ours.gradients(matrices, grad, points=start)
    expected = reference.gradients(matrices, grad, points=start)
    np.testing.assert_allclose(got[0], expected[0], atol=4e-6)
    np.testing.assert_allclose(got[1], expected[1], atol=1e-6 * vertices + 4e-6)
    np.testing.assert_allclose(
        ours.skin(matrices, points=start), reference.skin(matrices, points=start), atol=4e-6
    )


def test_the_gradient_is_the_slope_of_the_skinned_vertices(isa, skin_of, rigid_of):
    rng = np.random.default_rng(2)
    points, index, weights = skin_of(rng, 50, 4, 4)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=4, isa=isa)
    matrices = rigid_of(rng, 4)[None]
    grad = rng.normal(size=(1, 50, 3)).astype(np.float32)
    by_points, by_matrices = rig.gradients(matrices, grad)
    # Skinning is linear in either argument: a difference of any size is exact but for rounding.
    step = rng.normal(size=matrices.shape).astype(np.float32)
    slope = ((rig.skin(matrices + step) - rig.skin(matrices)) * grad).sum()
    np.testing.assert_allclose((by_matrices * step).sum(), slope, rtol=1e-4)
    nudge = rng.normal(size=points.shape).astype(np.float32)
    moved = rig.skin(matrices, points=points + nudge) - rig.skin(matrices)
    np.testing.assert_allclose((by_points[0] * nudge).sum(), (moved * grad).sum(), rtol=1e-4)


def test_the_sums_are_the_same_on_any_number_of_threads(isa, skin_of, rigid_of):
    rng = np.random.default_rng(3)
    points, index, weights = skin_of(rng, 300, 6, 4)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=6, isa=isa)
    matrices = rigid_of(rng, 9 * 6).reshape(9, 6, 3, 4)
    grad = rng.normal(size=(9, 300, 3)).astype(np.float32)
    for once, twice in zip(
        rig.gradients(matrices, grad), rig.gradients(matrices, grad, threads=3), strict=True
    ):
        np.testing.assert_array_equal(once, twice)


def test_gradients_of_another_shape_are_refused(skin_of, rigid_of):
    rng = np.random.default_rng(4)
    points, index, weights = skin_of(rng, 5, 2, 2)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=2)
    with pytest.raises(ShapeError, match=r"grad: expected shape \(1, 5, 3\)"):
        rig.gradients(rigid_of(rng, 2)[None], np.zeros((1, 4, 3)))
