"""Forward kinematics: the compiled kernel against the reference and against matrices."""

import numpy as np
import pytest

from twinsdk.core import _kernel_reference as reference
from twinsdk.core import kernel, quat
from twinsdk.errors import ShapeError


def random_tree(rng, joints):
    parents = np.array([-1] + [rng.integers(0, j) for j in range(1, joints)], np.int32)
    return parents, rng.normal(size=(joints, 3)).astype(np.float32)


@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("joints", [1, 2, 55])
def test_the_kernel_agrees_with_the_reference(lead, joints):
    rng = np.random.default_rng(joints)
    parents, offsets = random_tree(rng, joints)
    local = quat.normalize(rng.normal(size=(*lead, joints, 4))).astype(np.float32)
    roots = rng.normal(size=(*lead, 3)).astype(np.float32)
    rotations, positions = kernel.forward_kinematics(parents, offsets, local, roots)
    expected_q, expected_p = reference.forward_kinematics(parents, offsets, local, roots)
    # Error grows with depth and length: some ten joints of a metre, a few ulp each.
    np.testing.assert_allclose(rotations, expected_q, atol=2e-6)
    np.testing.assert_allclose(positions, expected_p, atol=2e-5)


def test_the_world_transform_is_the_product_of_the_matrices_up_the_tree():
    rng = np.random.default_rng(3)
    parents, offsets = random_tree(rng, 20)
    local = quat.normalize(rng.normal(size=(20, 4)))
    root = rng.normal(size=3)
    rotations, positions = kernel.forward_kinematics(parents, offsets, local, root)
    for j in range(20):
        product, k = np.eye(4), j
        while k >= 0:
            link = np.eye(4)
            link[:3, :3] = quat.to_matrix(local[k])
            link[:3, 3] = offsets[k] if k else root
            product, k = link @ product, parents[k]
        np.testing.assert_allclose(quat.to_matrix(rotations[j]), product[:3, :3], atol=4e-6)
        np.testing.assert_allclose(positions[j], product[:3, 3], atol=2e-5)


def test_shapes_that_disagree_are_refused_by_name():
    parents, offsets = random_tree(np.random.default_rng(4), 3)
    identity = np.tile(quat.IDENTITY, (2, 3, 1))
    with pytest.raises(ShapeError, match=r"rotations: expected shape \(\.\.\., 3, 4\)"):
        kernel.forward_kinematics(parents, offsets, identity[:, :2], np.zeros(3))
    with pytest.raises(ShapeError, match=r"root_translations: expected shape \(2, 3\)"):
        kernel.forward_kinematics(parents, offsets, identity, np.zeros((5, 3)))


def test_one_root_translation_serves_all_frames():
    parents, offsets = random_tree(np.random.default_rng(5), 3)
    identity = np.tile(quat.IDENTITY, (2, 3, 1))
    _, positions = kernel.forward_kinematics(parents, offsets, identity, [1, 2, 3])
    np.testing.assert_array_equal(positions[:, 0], [[1, 2, 3], [1, 2, 3]])
