"""Faces fitted to landmarks: a known face, projected by a camera written here, is found again."""

import numpy as np
import pytest

from twinsdk.avatar import AvatarSpec, fit_face
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.face_fit import _sliders, landmark_points
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import AvatarError

SIZE = (1280, 720)
FOV = 50.0


def seen(vertices, yaw_deg, noise_px, rng):
    """A pinhole camera 60 cm away looks at the face; what is no fitted landmark stays at 0.5."""
    points = landmark_points()
    places = np.einsum("pk,pkc->pc", points.weights, vertices[points.vertices].astype(float))
    places -= places.mean(0)
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    turned = places @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    focal = SIZE[1] / 2 / np.tan(np.radians(FOV) / 2)
    pixels = turned[:, :2] * [1, -1] * focal / (0.6 - turned[:, 2:])
    pixels += rng.normal([40, -25], noise_px, pixels.shape)
    uv = np.full((478, 2), 0.5, np.float32)
    uv[points.landmarks] = pixels / SIZE + 0.5
    return ImageLandmarks(names=FACE_NAMES, uv=uv, size_px=SIZE)


def someone(base, seed):
    rng = np.random.default_rng(seed)
    local = {}
    for pair in _sliders(base):
        value = float(np.clip(rng.normal(0, 0.3), -1, 1))
        local |= dict.fromkeys(pair, value)
    return AvatarSpec(local=local, face_variety=0.0)


def distance_mm(base, a, b):
    """RMS distance of two faces after the best similarity (Umeyama 1991)."""
    body = np.unique(base.quads[base.group("body")])
    face = body[(base.template[body, 1] > 0.62) & (base.template[body, 2] > 0.07)]
    p, q = (v[face].astype(float) - v[face].astype(float).mean(0) for v in (a, b))
    u, s, vt = np.linalg.svd(p.T @ q)
    aligned = p @ (u @ vt) * s.sum() / (p * p).sum()
    return float(np.sqrt(((aligned - q) ** 2).sum(1).mean()) * 1000)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_turning_face_is_found_again(base, seed):
    rng = np.random.default_rng(seed)
    person = someone(base, seed)
    truth = shape_body(base, person)
    fit = fit_face([seen(truth, yaw, 1.0, rng) for yaw in (-25, -12, 0, 12, 25)], fov_deg=FOV)
    average = distance_mm(base, shape_body(base, AvatarSpec(face_variety=0.0)), truth)
    found = distance_mm(base, shape_body(base, fit.spec), truth)
    assert found < 0.8 * average
    assert found < 3.0  # a pixel is 0.8 mm here, and landmarks leave the outline open
    assert fit.after_m < 0.6 * fit.before_m
    assert fit.warnings == ()
    np.testing.assert_allclose(np.diff(fit.yaws_deg), [13, 12, 12, 13], atol=3)


def test_one_view_says_that_depth_is_missing(base):
    truth = shape_body(base, someone(base, 4))
    fit = fit_face([seen(truth, 0, 1.0, np.random.default_rng(4))], fov_deg=FOV)
    assert fit.after_m < fit.before_m
    assert "depth" in fit.warnings[0]


def test_the_average_face_needs_no_slider(base):
    truth = shape_body(base, AvatarSpec(face_variety=0.0))
    views = [seen(truth, yaw, 0.0, np.random.default_rng(0)) for yaw in (-20, 0, 20)]
    fit = fit_face(views, fov_deg=FOV)
    assert max(abs(v) for v in fit.spec.local.values()) < 0.1


def test_the_rest_of_the_spec_is_kept(base):
    truth = shape_body(base, someone(base, 5))
    spec = AvatarSpec(height_m=1.9, local={"arms/measure-upperarm-length-incr": 0.2})
    fit = fit_face([seen(truth, 0, 1.0, np.random.default_rng(5))], spec=spec)
    assert fit.spec.height_m == 1.9
    assert fit.spec.local["arms/measure-upperarm-length-incr"] == 0.2


def test_other_landmarks_are_refused(base):
    with pytest.raises(AvatarError, match="at least one"):
        fit_face([])
    few = ImageLandmarks(names=("face0",), uv=np.zeros((1, 2)), size_px=SIZE)
    with pytest.raises(AvatarError, match="478"):
        fit_face([few])
