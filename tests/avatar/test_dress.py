"""Cutting sheets, and clothes on very different bodies."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from twinsdk.avatar import AvatarSpec
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.dress import SOLE_M, dress_body, outfit_of
from twinsdk.avatar.parts import cut, sheet_of_quads, subdivide, vertex_normals
from twinsdk.avatar.rig import bake_t_pose
from twinsdk.core.avatar import Material

CLOTH = {name: Material(name=name) for name in ("top", "bottom", "shoes", "soles")}
PEOPLE = {
    "thin": AvatarSpec(weight=0.0, muscle=0.1, gender=0.1),
    "heavy": AvatarSpec(weight=1.0, muscle=0.4, gender=0.2, height_m=1.55),
    "strong": AvatarSpec(weight=0.7, muscle=1.0, gender=1.0, height_m=1.95),
    "young": AvatarSpec(age_years=13, height_m=1.45),
    "old": AvatarSpec(age_years=88, weight=0.3),
}


def area(places, triangles):
    a, b, c = (places[triangles[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def grid(n):
    """A flat n by n sheet over [0, 1]^2, and its vertices."""
    x, y = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, n + 1))
    i = np.arange(n * (n + 1)).reshape(n, n + 1)[:, :-1].ravel()
    quads = np.stack([i, i + 1, i + n + 2, i + n + 1], -1)
    places = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], -1)
    return sheet_of_quads(len(places), quads), places


def loops(triangles):
    """How many separate borders the triangles have."""
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1
    )
    unique, count = np.unique(edges, axis=0, return_counts=True)
    border = unique[count == 1]
    rows, index = np.unique(border, return_inverse=True)
    index = index.reshape(-1, 2)
    links = sparse.coo_matrix((np.ones(len(index)), index.T), shape=(len(rows), len(rows)))
    return connected_components(links, directed=False)[0]


def test_a_cut_leaves_the_exact_area_and_a_straight_line():
    sheet, places = grid(7)
    for offset, share in ((0.4, 0.4), (0.5123, 0.5123), (0.999, 0.999)):
        half = cut(sheet, places[:, 0] - offset)
        points = half.mix @ places
        assert abs(area(points, half.triangles) - share) < 1e-12
        assert abs(points[:, 0].max() - offset) < 1e-12


def test_two_cuts_commute():
    sheet, places = grid(5)
    a, b = places[:, 0] - 0.37, places[:, 0] + places[:, 1] - 0.91
    areas = []
    for fields in ((a, b), (b, a)):
        piece = sheet
        for field in fields:
            piece = cut(piece, field)
        areas.append(area(piece.mix @ places, piece.triangles))
    assert abs(areas[0] - areas[1]) < 1e-12


def test_a_cut_keeps_the_side_that_faces_out():
    sheet, places = grid(4)
    piece = cut(sheet, places[:, 1] - 0.3)
    np.testing.assert_allclose(vertex_normals(piece.mix @ places, piece.triangles)[:, 2], 1)


def test_mixtures_sum_to_one_after_cutting_and_splitting():
    sheet, places = grid(3)
    piece = subdivide(cut(subdivide(sheet), places[:, 0] - 0.45))
    np.testing.assert_allclose(np.asarray(piece.mix.sum(1)), 1, atol=1e-12)
    assert abs(area(piece.mix @ places, piece.triangles) - 0.45) < 1e-12


def test_cutting_everything_away_or_nothing():
    sheet, places = grid(3)
    assert len(cut(sheet, places[:, 0] + 1).triangles) == 0
    assert len(cut(sheet, places[:, 0] - 2).triangles) == len(sheet.triangles)


@pytest.fixture(scope="module", params=sorted(PEOPLE))
def person(request, base):
    spec = PEOPLE[request.param]
    pose = bake_t_pose(base, shape_body(base, spec), height_m=spec.height_m, sole_m=SOLE_M)
    return base, pose


@pytest.mark.parametrize("style", ["casual", "smart", "sporty"])
def test_clothes_have_the_openings_they_should_and_no_holes(person, style):
    base, pose = person
    parts = {p.name: p for p in dress_body(base, pose, outfit_of(style), CLOTH)}
    # Each opening is three borders: the cloth's, and both of the hem turned into it.
    assert loops(parts["top"].triangles) == 3 * 4  # collar, hem, two sleeves
    assert loops(parts["bottom"].triangles) == 3 * 3  # waist, two legs


def test_clothes_lie_outside_the_body(person):
    base, pose = person
    tights = np.unique(base.quads[base.group("helper-tights")])
    quads = base.quads[base.group("helper-tights")].astype(np.int64)
    normals = vertex_normals(
        pose.vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    )
    from scipy.spatial import KDTree

    tree = KDTree(pose.vertices[tights])
    top = dress_body(base, pose, outfit_of("casual"), CLOTH)[0]
    outer = top.vertices[: len(top.vertices) * 3 // 4]  # the hem's inner ring lies at the end
    _, near = tree.query(outer)
    depth = ((outer - pose.vertices[tights[near]]) * normals[tights[near]]).sum(1)
    assert np.mean(depth > 0) > 0.98  # cloth gives way in the armpits, where skin is not drawn


def test_soles_are_flat_on_the_ground(person):
    base, pose = person
    soles = [p for p in dress_body(base, pose, outfit_of("casual"), CLOTH) if p.name == "soles"]
    assert len(soles) == 2
    for sole, sign in zip(soles, (1, -1), strict=True):
        assert abs(sole.vertices[:, 1].min()) < 1e-9
        assert (sole.vertices[:, 0] * sign > 0).all()
        down = sole.normals[:, 1] < -0.9
        assert down.any()
        assert (sole.vertices[down, 1] < 1e-9).all()


def test_clothes_move_with_the_joints_under_them(person):
    base, pose = person
    for part in dress_body(base, pose, outfit_of("smart"), CLOTH):
        np.testing.assert_allclose(part.weights.sum(1), 1, atol=1e-5)
