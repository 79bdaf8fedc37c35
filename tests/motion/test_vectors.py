"""The table products agree with the core's quaternion algebra."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.motion import vectors


def random_rotations(count=400):
    return quat.normalize(np.random.default_rng(4).normal(size=(count, 4)))


def test_products_and_matrices_agree_with_the_core():
    q, p = random_rotations(), random_rotations()[::-1]
    np.testing.assert_allclose(vectors.multiply(q, p), quat.multiply(q, p), atol=1e-12)
    np.testing.assert_allclose(vectors.matrix_of(q), quat.to_matrix(q), atol=1e-12)
    back = vectors.quaternion_of(quat.to_matrix(q))
    np.testing.assert_allclose(np.abs((back * q).sum(1)), 1, atol=1e-12)


def test_half_turns_about_every_axis_survive_the_way_through_matrices():
    turns = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    back = vectors.quaternion_of(vectors.matrix_of(turns))
    np.testing.assert_allclose(np.abs(back), turns, atol=1e-12)


def test_rotation_vectors_agree_with_the_core_down_to_zero():
    rng = np.random.default_rng(5)
    for scale in (1.0, 1e-3, 1e-7, 0.0):
        v = rng.normal(size=(50, 3)) * scale
        q = quat.from_rotation_vector(v)
        np.testing.assert_allclose(vectors.quaternion_of_vector(v), q, atol=1e-9)
        np.testing.assert_allclose(vectors.rotation_of(v), quat.to_matrix(q), atol=1e-9)


def test_the_shortest_arc_turns_one_direction_onto_the_other():
    rng = np.random.default_rng(6)
    u, v = vectors.unit(rng.normal(size=(2, 100, 3)))
    turned = (vectors.rotation_of(vectors.arc_angle_vector(u, v)) @ u[..., None])[..., 0]
    np.testing.assert_allclose(turned, v, atol=1e-9)


def test_the_cross_product_is_the_cross_product():
    a, b = np.random.default_rng(7).normal(size=(2, 20, 3))
    np.testing.assert_allclose(vectors.cross(a, b), np.cross(a, b), atol=1e-12)


def test_a_vector_without_length_takes_the_fallback():
    fallback = np.array([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(vectors.unit(np.zeros((2, 3)), fallback), [fallback, fallback])
    np.testing.assert_array_equal(vectors.unit(np.zeros(3)), 0)
