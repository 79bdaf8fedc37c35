"""A face photographed by our own camera is baked back into the picture it was made of."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from twinsdk.avatar import AvatarSpec, Colors, FaceView, bake_face, generate_avatar
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.dress import SOLE_M
from twinsdk.avatar.face_fit import landmark_points
from twinsdk.avatar.rig import bake_t_pose
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import AvatarError

SIZE = (960, 720)
PERSON = AvatarSpec(colors=Colors(skin="#b07a55", eyes="#2f7a3a"), seed=4)


def picture_of(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(float)


@pytest.fixture(scope="module")
def marked(base):
    """A person with a blue mark on their left cheek, and where it is on the picture."""
    avatar = generate_avatar(PERSON, progress=False)
    face = next(m for m in avatar.mesh.materials if m.name == "face")
    picture = picture_of(face.texture)
    from twinsdk.avatar.atlas import pixel_map

    place = pixel_map(base, "face").place
    near = np.linalg.norm(place[..., :2] - [0.040, 0.690], axis=-1) < 0.006
    spot = near & (place[..., 2] > 0.08)
    assert spot.sum() > 50
    picture[spot] = (20, 60, 200)
    stream = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(stream, "PNG")
    return generate_avatar(PERSON, face_picture=stream.getvalue(), progress=False), spot


@pytest.fixture(scope="module")
def views(base, marked):
    pytest.importorskip("open3d")
    from twinsdk.render import Camera, Renderer

    avatar = marked[0]
    body = bake_t_pose(base, shape_body(base, PERSON), height_m=PERSON.height_m, sole_m=SOLE_M)
    points = landmark_points()
    places = np.einsum("pk,pkc->pc", points.weights, body.vertices[points.vertices])
    renderer = Renderer(avatar.mesh, *SIZE, shadows=False)
    eyes = body.joint("leftEye")[1]
    out = []
    for yaw in np.radians([-30, 0, 30]):
        camera = Camera(
            position=(0.6 * np.sin(yaw), float(eyes), 0.1 + 0.6 * np.cos(yaw)),
            target=(0.0, float(eyes) - 0.03, 0.1),
            fov_deg=40,
        )
        uv = np.full((478, 2), 0.5, np.float32)
        uv[points.landmarks] = camera.project(places, SIZE)[:, :2] / SIZE
        pixels = renderer.draw(camera=camera)
        landmarks = ImageLandmarks(names=FACE_NAMES, uv=uv, size_px=SIZE)
        out.append(FaceView(pixels=pixels, landmarks=landmarks))
    return out


@pytest.fixture(scope="module")
def baked(views):
    return bake_face(views, spec=AvatarSpec(colors=Colors(skin="#f5dcc8")))


def test_a_mark_on_the_cheek_comes_back_where_it_was(baked, marked):
    spot = marked[1]
    picture = picture_of(baked.picture)
    blueness = picture[..., 2] - picture[..., 0]
    assert blueness[spot].mean() > 40
    assert blueness[spot[::-1]].mean() < 0  # the mirrored cheek stays clear
    rows, columns = np.nonzero(blueness > 40)
    there = np.argwhere(spot).mean(0)
    assert np.hypot(rows - there[0], columns - there[1]).max() < 60  # pixels of 1536


def test_the_skin_takes_the_persons_tone(baked):
    spec = baked.spec
    skin = np.array([int(spec.colors.skin[i : i + 2], 16) for i in (1, 3, 5)])
    truth = np.array([0xB0, 0x7A, 0x55])
    # Light and shade change how bright skin looks, hardly its hue.
    np.testing.assert_allclose(skin / skin.sum(), truth / truth.sum(), atol=0.06)
    assert skin.sum() < 0.85 * (0xF5 + 0xDC + 0xC8)


def test_turned_views_cover_more_than_one(baked, views):
    assert baked.coverage > bake_face(views[1:2]).coverage
    assert baked.coverage > 0.9
    assert baked.warnings == ()


def test_the_baked_face_is_what_the_avatar_wears(baked):
    avatar = generate_avatar(baked.spec, face_picture=baked.picture, progress=False)
    face = next(m for m in avatar.mesh.materials if m.name == "face")
    assert face.texture == baked.picture


def test_frames_that_cannot_serve_are_refused(views):
    with pytest.raises(AvatarError, match="at least one"):
        bake_face([])
    with pytest.raises(AvatarError, match="uint8"):
        bake_face([replace(views[0], pixels=views[0].pixels.astype(np.float32))])
    tiny = FaceView(pixels=views[1].pixels[::16, ::16], landmarks=views[1].landmarks)
    with pytest.raises(AvatarError, match="come nearer"):
        bake_face([tiny])
    few = ImageLandmarks(names=("face0",), uv=np.zeros((1, 2)), size_px=SIZE)
    with pytest.raises(AvatarError, match="478"):
        bake_face([replace(views[0], landmarks=few)])
