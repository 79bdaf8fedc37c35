"""The renderer: things are where projection says, the right way up, lit from above, repeatable."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinsdk.core.avatar import Material, Mesh
from twinsdk.errors import FormatError, ShapeError, ValueRangeError
from twinsdk.render import Camera, Renderer, Studio
from twinsdk.render.light import Lights

pytest.importorskip("open3d")

GREY = (90, 90, 90)


def sphere(radius=0.5, centre=(0.0, 1.0, 0.0), rings=24, material=None):
    theta = np.linspace(0, np.pi, rings + 1)
    phi = np.linspace(0, 2 * np.pi, 2 * rings + 1)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    normals = np.stack([np.sin(t) * np.sin(p), np.cos(t), np.sin(t) * np.cos(p)], -1).reshape(-1, 3)
    uvs = np.stack([p / (2 * np.pi), t / np.pi], -1).reshape(-1, 2)
    row = 2 * rings + 1
    a = (np.arange(rings)[:, None] * row + np.arange(2 * rings)).ravel()
    triangles = np.concatenate(
        [np.stack([a, a + row, a + 1], 1), np.stack([a + 1, a + row, a + row + 1], 1)]
    )
    return Mesh(
        vertices=normals * radius + centre,
        normals=normals,
        uvs=uvs,
        triangles=triangles,
        materials=(material or Material(base_color=(0.9, 0.9, 0.9, 1.0)),),
    )


def card(texture=None, size=1.0, z=0.0, **material):
    half = size / 2
    return Mesh(
        vertices=[
            [-half, 1 + half, z],
            [half, 1 + half, z],
            [-half, 1 - half, z],
            [half, 1 - half, z],
        ],
        normals=[[0, 0, 1]] * 4,
        uvs=[[0, 0], [1, 0], [0, 1], [1, 1]],
        triangles=[[0, 2, 1], [1, 2, 3]],
        materials=(Material(base_color=(1, 1, 1, 1), texture=texture, **material),),
    )


def png(pixels):
    ok, encoded = cv2.imencode(".png", np.asarray(pixels, np.uint8)[..., ::-1])
    assert ok
    return encoded.tobytes()


def drawn(picture, background=GREY):
    return (np.abs(picture.astype(int) - background) > 3).any(-1)


FRONT = Camera(position=(0, 1, 4), target=(0, 1, 0), fov_deg=40)


def test_a_sphere_fills_the_circle_that_projection_says():
    picture = Renderer(sphere(), 320, 240, background=GREY).draw(camera=FRONT)
    rows, columns = np.nonzero(drawn(picture))
    # The silhouette of a sphere is the cone of its tangents: tan(asin(r / d)).
    radius = np.tan(np.arcsin(0.5 / 4)) / np.tan(np.radians(20)) * 120
    assert abs((columns.max() - columns.min() + 1) / 2 - radius) < 1.0
    assert abs((rows.max() - rows.min() + 1) / 2 - radius) < 1.0
    assert abs(columns.mean() - 159.5) < 0.5
    assert abs(rows.mean() - 119.5) < 0.5
    assert abs(drawn(picture).sum() - np.pi * radius**2) < 0.02 * np.pi * radius**2


def test_up_is_up_and_the_persons_left_is_right_of_the_picture():
    up = Renderer(sphere(0.2, (0, 1.6, 0)), 160, 120, background=GREY).draw(camera=FRONT)
    left = Renderer(sphere(0.2, (0.8, 1, 0)), 160, 120, background=GREY).draw(camera=FRONT)
    assert np.nonzero(drawn(up))[0].mean() < 40
    assert np.nonzero(drawn(left))[1].mean() > 100


def test_a_camera_at_the_persons_left_sees_the_front_on_the_left():
    side = Camera.framing(sphere().vertices, yaw_deg=90)
    assert side.position[0] > 1
    at_front, at_back = side.project([[0, 1, 0.4], [0, 1, -0.4]], (160, 120))
    assert at_front[0] < 80 < at_back[0]


def test_projection_and_rays_are_inverses():
    rng = np.random.default_rng(3)
    camera = Camera(position=(1, 2, 3), target=(0.2, 1, -0.3), up=(0.1, 1, 0), fov_deg=50)
    pixels = rng.uniform(0, 100, (50, 2)).astype(np.float32)
    depth = rng.uniform(1, 5, (50, 1)).astype(np.float32)
    points = np.array(camera.position) + camera.directions(pixels, (100, 80)) * depth
    np.testing.assert_allclose(
        camera.project(points, (100, 80)), np.concatenate([pixels, depth], 1), atol=2e-3
    )


def test_framing_holds_every_point_and_touches_the_edge_at_margin_one():
    rng = np.random.default_rng(5)
    cloud = rng.normal(size=(200, 3)) * [0.4, 0.9, 0.3]
    for yaw in (0, 50, 90, 180, -45):
        camera = Camera.framing(cloud, 1.0, yaw_deg=yaw, aspect=640 / 480)
        seen = camera.project(cloud, (640, 480))[:, :2] / [640, 480]
        assert seen.min() > -1e-4
        assert seen.max() < 1 + 1e-4
        assert min(seen.min(), 1 - seen.max()) < 1e-3


def test_the_upper_half_of_a_sphere_is_brighter_than_the_lower():
    picture = Renderer(sphere(), 160, 120, background=GREY).draw(camera=FRONT).astype(float)
    assert picture[35:60, 80].mean() > picture[60:85, 80].mean() + 15


def test_shading_is_smooth_across_triangles_because_normals_are_interpolated():
    coarse = sphere(rings=12)
    camera = Camera(position=(0, 1, 2), target=(0, 1, 0), fov_deg=8)  # inside the silhouette
    picture = Renderer(coarse, 160, 120, background=GREY, shadows=False).draw(camera=camera)
    steps = np.abs(np.diff(picture.astype(int), axis=1)).max()
    assert steps <= 6  # facets would jump by tens


def test_a_texture_stands_upright_and_unmirrored_on_a_card():
    colors = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
    texture = png(np.kron(np.array(colors), np.ones((16, 16, 1))))
    picture = Renderer(card(texture), 160, 120, background=GREY).draw(camera=FRONT).astype(int)

    def spot(x, y):
        column, row, _ = FRONT.project([x, y, 0], (160, 120))
        return picture[int(row), int(column)]

    assert np.argmax(spot(-0.25, 1.25)) == 0
    assert np.argmax(spot(0.25, 1.25)) == 1
    assert np.argmax(spot(-0.25, 0.75)) == 2
    assert np.ptp(spot(0.25, 0.75)) < 40


def test_holes_of_a_masked_texture_show_what_is_behind():
    checks = np.zeros((32, 32, 4), np.uint8)
    checks[..., :3] = 255
    checks[:, :16, 3] = 255
    ok, encoded = cv2.imencode(".png", checks)
    assert ok
    for mode, expected in (("MASK", True), ("BLEND", True), ("OPAQUE", False)):
        mesh = card(encoded.tobytes(), alpha_mode=mode)
        picture = Renderer(mesh, 160, 120, background=GREY).draw(camera=FRONT)
        left, right = FRONT.project([[-0.25, 1, 0], [0.25, 1, 0]], (160, 120))
        assert drawn(picture)[int(left[1]), int(left[0])]
        assert drawn(picture)[int(right[1]), int(right[0])] != expected, mode


def test_half_transparent_cards_in_a_row_let_the_last_one_through():
    front, back = card(alpha_mode="BLEND", z=0.5), card(z=-0.5)
    mesh = Mesh(
        vertices=np.concatenate([front.vertices, back.vertices]),
        normals=np.concatenate([front.normals, back.normals]),
        uvs=np.concatenate([front.uvs, back.uvs]),
        triangles=np.concatenate([front.triangles, back.triangles + 4]),
        materials=(
            Material(base_color=(0, 1, 0, 0.5), alpha_mode="BLEND"),
            Material(name="back", base_color=(1, 0, 0, 1)),
        ),
        triangle_materials=[0, 0, 1, 1],
    )
    pixel = Renderer(mesh, 80, 60, background=GREY, shadows=False).draw(camera=FRONT)[30, 40]
    assert pixel[0] > 60
    assert pixel[1] > 60
    assert pixel[2] < 60


def test_moved_vertices_move_the_picture_and_normals_follow():
    renderer = Renderer(sphere(), 160, 120, background=GREY)
    still = renderer.draw(camera=FRONT)
    moved = renderer.draw(renderer.mesh.vertices + np.float32([0.5, 0, 0]), camera=FRONT)
    assert np.nonzero(drawn(moved))[1].mean() > np.nonzero(drawn(still))[1].mean() + 10
    computed = renderer.normals(renderer.mesh.vertices)
    inner = np.abs(renderer.mesh.normals[:, 1]) < 0.95  # the poles' triangles are slivers
    cosine = (computed * renderer.mesh.normals).sum(-1)[inner]
    assert cosine.min() > np.cos(np.radians(6))


def test_the_floor_darkens_under_the_mesh_and_not_far_from_it():
    camera = Camera(position=(0, 1.5, 5), target=(0, 0.5, 0), fov_deg=40)
    studio = Studio()
    empty = Mesh(
        vertices=np.zeros((0, 3)),
        normals=np.zeros((0, 3)),
        uvs=np.zeros((0, 2)),
        triangles=np.zeros((0, 3)),
    )
    base = Renderer(empty, 160, 120, background=studio).draw(camera=camera).astype(int)
    picture = Renderer(sphere(0.3, (0, 0.3, 0)), 160, 120, background=studio).draw(camera=camera)
    change = base - picture.astype(int)
    column, row, _ = camera.project([0, 0, 0.12], (160, 120))
    assert change[int(row) + 1, int(column)].min() > 15
    assert np.abs(change[:, :10]).max() <= 1


def test_the_same_call_gives_the_same_bytes():
    mesh = sphere()
    a = Renderer(mesh, 160, 120, antialias=2).draw(camera=FRONT)
    b = Renderer(mesh, 160, 120, antialias=2).draw(camera=FRONT)
    np.testing.assert_array_equal(a, b)


def test_antialiasing_grades_the_edge_and_leaves_the_inside():
    mesh = sphere()
    hard = Renderer(mesh, 160, 120, background=GREY).draw(camera=FRONT)
    soft = Renderer(mesh, 160, 120, background=GREY, antialias=3).draw(camera=FRONT)
    between = [((p[..., 0] > 100) & (p[..., 0] < 150)).sum() for p in (hard, soft)]
    assert between[1] > between[0] + 20  # pixels half covered by the sphere
    np.testing.assert_array_equal(soft[55:65, 75:85], hard[55:65, 75:85])


def test_a_mesh_behind_or_around_the_camera_draws_without_error():
    inside = Camera(position=(0, 1, 0.1), target=(0, 1, -1))
    picture = Renderer(sphere(), 80, 60, background=GREY).draw(camera=inside)
    assert drawn(picture).all()
    away = Camera(position=(0, 1, 4), target=(0, 1, 9))
    assert not drawn(Renderer(sphere(), 80, 60, background=GREY).draw(camera=away)).any()


def test_bad_input_is_refused_in_words():
    with pytest.raises(ValueRangeError, match="size: expected 1 to"):
        Renderer(sphere(), 0, 10)
    with pytest.raises(ShapeError, match="vertices: expected shape"):
        Renderer(sphere(), 8, 8).draw(np.zeros((3, 3)), camera=FRONT)
    with pytest.raises(FormatError, match="texture: expected a PNG or JPEG"):
        Renderer(card(b"not a picture"), 8, 8)
    with pytest.raises(ValueRangeError, match="target"):
        Camera(position=(0, 1, 0), target=(0, 1, 0))
    with pytest.raises(ValueRangeError, match="up"):
        Camera(position=(0, 1, 0), target=(0, 3, 0))


def test_scenery_stays_where_the_mesh_is_not_and_must_fit_the_picture():
    scenery = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    picture = Renderer(sphere(), 80, 60, scenery=scenery, background=Studio(ground_m=None)).draw()
    same = (picture == scenery).all(-1)
    assert same[0].all()
    assert 0.1 < 1 - same.mean() < 0.9
    with pytest.raises(ShapeError, match="scenery"):
        Renderer(sphere(), 60, 80, scenery=scenery)


def test_the_side_towards_the_key_light_is_the_bright_one():
    def brightness(x):
        lights = Lights(
            key=np.array([x, 0, 0], np.float32),
            fill=np.array([0, -1, 0], np.float32),
            rim=np.array([0, 0, -1], np.float32),
        )
        picture = Renderer(sphere(), 80, 60, background=GREY, lights=lights).draw().astype(float)
        return picture[:, 40:].mean() - picture[:, :40].mean()

    assert brightness(1.0) > 5
    assert brightness(-1.0) < -5
