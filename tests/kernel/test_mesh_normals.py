"""Vertex normals recomputed from triangles: against the reference, and by hand."""

import numpy as np
import pytest

from twinsdk.core.rig import MeshNormals, seam_owners
from twinsdk.errors import ShapeError, UsageError, ValueRangeError


def sphere(rings=24, sides=40):
    """A closed sphere: vertices (V, 3), triangles, counter-clockwise seen from outside."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None]
    body = np.stack(
        [np.sin(polar) * np.cos(turn), np.cos(polar) + 0 * turn, np.sin(polar) * np.sin(turn)], -1
    ).reshape(-1, 3)
    vertices = np.concatenate([body, [[0, 1, 0], [0, -1, 0]]])
    faces = []
    for s in range(sides):
        t = (s + 1) % sides
        faces += [(len(body), t, s), (len(body) + 1, len(body) - sides + s, len(body) - sides + t)]
        for r in range(rings - 2):
            a, b, c, d = (r * sides + s, r * sides + t, (r + 1) * sides + s, (r + 1) * sides + t)
            faces += [(a, b, c), (b, d, c)]
    return vertices.astype(np.float32), np.array(faces, np.uint32)


@pytest.mark.parametrize("vertices", [0, 1, 2, 3, 15, 16, 17, 333])
def test_every_variant_agrees_with_the_reference(isa, vertices):
    rng = np.random.default_rng(vertices)
    points = rng.normal(size=(vertices, 3)).astype(np.float32)
    triangles = rng.integers(0, vertices, (2 * vertices, 3)) if vertices else np.zeros((0, 3), int)
    ours, reference = (MeshNormals(triangles, vertices, isa=name) for name in (isa, "numpy"))
    # Sums of opposed areas may nearly cancel, hence more than a few ulp.
    np.testing.assert_allclose(ours.of(points), reference.of(points), atol=2e-4)


def test_the_normals_of_a_sphere_point_outwards(isa):
    points, triangles = sphere()
    normals = MeshNormals(triangles, len(points), isa=isa).of(points)
    cosine = (normals * points).sum(-1)
    assert cosine.min() > 0.999  # as flat as its 24 by 40 facets
    np.testing.assert_allclose((normals**2).sum(-1), 1, atol=1e-6)


def test_a_large_triangle_outweighs_a_small_one(isa):
    # Vertex 0 is shared by a triangle of area 2 facing +Z and one of area 1/2 facing +X.
    points = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    normals = MeshNormals([[0, 1, 2], [0, 3, 4]], 5, isa=isa).of(points)
    np.testing.assert_allclose(normals[0], np.array([1, 0, 4]) / np.sqrt(17), atol=1e-6)
    np.testing.assert_allclose(normals[1], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(normals[4], [1, 0, 0], atol=1e-6)


def test_vertices_without_area_get_zero_and_no_nan(isa):
    points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]], np.float32)
    normals = MeshNormals([[0, 1, 2], [0, 0, 1]], 4, isa=isa).of(points)
    np.testing.assert_array_equal(normals, 0)


def test_moving_and_turning_the_mesh_turns_its_normals(isa):
    points, triangles = sphere(8, 9)
    mesh = MeshNormals(triangles, len(points), isa=isa)
    quarter = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32)
    moved = points @ quarter.T + np.float32(3)
    np.testing.assert_allclose(mesh.of(moved), mesh.of(points) @ quarter.T, atol=2e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(isa, threads):
    points, triangles = sphere(90, 120)
    frames = np.stack([points, points[:, [1, 2, 0]]])
    mesh = MeshNormals(triangles, len(points), isa=isa)
    once = mesh.of(frames)
    np.testing.assert_array_equal(mesh.of(frames, threads=threads), once)
    np.testing.assert_array_equal(once, np.stack([mesh.of(frame) for frame in frames]))


def test_copies_along_a_seam_share_a_normal_and_hard_edges_do_not():
    # A roof of two slopes; its ridge (vertices 2, 3) is doubled as 4, 5.
    points = np.array([[-1, 0, 0], [-1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 0], [0, 1, 1],
                       [1, 0, 0], [1, 0, 1]], np.float32)  # fmt: skip
    triangles = [[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]]
    hard = MeshNormals(triangles, 8).of(points)
    smooth_rest = np.tile(np.float32([0, 1, 0]), (8, 1))
    np.testing.assert_array_equal(seam_owners(points, smooth_rest), [0, 1, 2, 3, 2, 3, 6, 7])
    np.testing.assert_array_equal(seam_owners(points, hard), np.arange(8))
    soft = MeshNormals(triangles, 8, owners=seam_owners(points, smooth_rest)).of(points)
    np.testing.assert_allclose(soft[2], soft[4])
    np.testing.assert_allclose(soft[3], soft[5])
    # One triangle of the left slope and two of the right meet at vertex 3.
    left, right = np.array([-1, 1, 0]), np.array([1, 1, 0])
    expected = (left + 2 * right) / np.linalg.norm(left + 2 * right)
    np.testing.assert_allclose(soft[3], expected, atol=1e-6)
    assert np.abs(hard[2] - hard[4]).max() > 1


def test_what_cannot_be_used_is_refused_by_name():
    with pytest.raises(ValueRangeError, match="triangles: expected vertex indices below 2, got 2"):
        MeshNormals([[0, 1, 2]], 2)
    with pytest.raises(ShapeError, match=r"triangles: expected shape \(F, 3\)"):
        MeshNormals([[0, 1]], 2)
    with pytest.raises(ValueRangeError, match="owners: expected vertex indices below 2"):
        MeshNormals([[0, 1, 1]], 2, owners=[0, 2])
    mesh = MeshNormals([[0, 1, 2]], 3)
    with pytest.raises(ShapeError, match=r"vertices: expected shape \(3, 3\), got \(2, 3\)"):
        mesh.of(np.zeros((2, 3)))
    with pytest.raises(ValueRangeError, match="vertices: expected finite"):
        mesh.of(np.full((3, 3), np.nan))
    with pytest.raises(ShapeError, match="out: expected a float32 array"):
        mesh.of(np.zeros((3, 3)), np.zeros((3, 3)))
    with pytest.raises(UsageError, match="threads: expected 1 to 64, got 0"):
        mesh.of(np.zeros((3, 3)), threads=0)
