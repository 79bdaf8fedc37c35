"""Squares, followers and sides: the parts of the tracker that need no model."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest

from twinsdk.capture.followers import Follower, Found
from twinsdk.capture.hands import Wrists, assign, settle
from twinsdk.capture.quiet import quiet_native
from twinsdk.capture.regions import (
    Square,
    body_scale,
    cut,
    face_region,
    fits_head,
    hand_region,
    on_image,
)
from twinsdk.capture.tracker import Tracker, open_tracker, register_tracker, tracker_names
from twinsdk.capture.tracker_config import MODES, TrackerConfig, tracker_config
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

SIZE = (640, 480)


def spot(x: float, y: float, radius: float = 6) -> np.ndarray:
    """A black picture with a white disc at pixel edges coordinates (x, y)."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, -1)


def centre_of_light(picture: np.ndarray) -> np.ndarray:
    """Where the light is, in fractions of the picture."""
    weights = picture[..., 0].astype(float)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    total = weights.sum()
    return np.array(
        [
            (columns * weights).sum() / total / picture.shape[1],
            (rows * weights).sum() / total / picture.shape[0],
        ]
    )


@pytest.mark.parametrize("side", [60.0, 151.7, 400.0, 900.0])
def test_a_point_cut_out_and_mapped_back_is_where_it_was(side: float) -> None:
    square = Square(x=200.3, y=150.9, side=side)
    tile = cut(spot(210, 160), square, 192)
    point = np.append(centre_of_light(tile), 0.0)
    uv, _ = on_image(point[None], square, SIZE)
    # A tenth of a tile pixel, or of a picture pixel where the tile is the finer.
    np.testing.assert_allclose(uv[0] * SIZE, [210, 160], atol=0.1 * max(side / 192, 1))


def test_what_lies_over_the_edge_is_black_and_nothing_is_stretched() -> None:
    white = np.full((480, 640, 3), 255, np.uint8)
    tile = cut(white, Square(x=0, y=0, side=100), 100)
    assert tile[:49, :].max() == 0
    assert tile[:, :49].max() == 0
    assert tile[51:, 51:].min() == 255


def test_a_square_wholly_outside_gives_a_black_tile() -> None:
    assert cut(spot(10, 10), Square(x=-5000, y=-5000, side=900), 64).max() == 0


def test_depth_is_in_fractions_of_the_whole_width() -> None:
    square = Square(x=320, y=240, side=160)
    _, depth = on_image(np.array([[0.5, 0.5, 0.2]]), square, SIZE)
    np.testing.assert_allclose(depth, 0.2 * 160 / 640)


def standing(scale_px: float, *, visibility: float = 1.0) -> tuple[Landmarks, ImageLandmarks]:
    """A body seen straight on at `scale_px` pixels a metre, hips at the picture's centre."""
    rng = np.random.default_rng(5)
    world = rng.uniform(-0.5, 0.5, (33, 3)).astype(np.float32)
    for name, place in {
        "nose": (0, 0.6, 0.1),
        "leftEye": (0.03, 0.64, 0.1),
        "rightEye": (-0.03, 0.64, 0.1),
        "leftEar": (0.08, 0.63, 0),
        "rightEar": (-0.08, 0.63, 0),
        "leftWrist": (0.3, 0, 0),
        "leftIndex": (0.3, -0.08, 0),
        "leftPinky": (0.32, -0.08, 0),
    }.items():
        world[BODY_NAMES.index(name)] = place
    # Our +X is the person's left: to the right of a picture of somebody who faces the camera.
    pixels = np.array(SIZE) / 2 + world[:, :2] * [scale_px, -scale_px]
    seen = np.full(33, visibility, np.float32)
    image = ImageLandmarks(
        names=BODY_NAMES, uv=pixels / SIZE, size_px=SIZE, visibility=seen, depth=np.zeros(33)
    )
    return Landmarks(names=BODY_NAMES, positions=world, visibility=seen), image


@pytest.mark.parametrize("scale_px", [100.0, 250.0, 330.0])
def test_body_scale_is_pixels_a_metre(scale_px: float) -> None:
    scale = body_scale(*standing(scale_px))
    assert scale == pytest.approx(scale_px, rel=1e-3)


def test_regions_lie_on_the_head_and_on_the_hand() -> None:
    body, image = standing(300)
    face, hand = face_region(body, image), hand_region(body, image, "left")
    assert face is not None
    assert hand is not None
    assert abs(face.x - 320) < 5
    assert face.y == pytest.approx(240 - 0.63 * 300, abs=6)
    assert hand.x == pytest.approx(320 + 0.31 * 300, abs=3)
    assert hand.y == pytest.approx(240 + 0.088 * 300, abs=3)


def test_a_face_must_be_as_large_as_the_body_says() -> None:
    body, image = standing(300)
    shape = np.array([[-0.5, -0.7], [0.5, 0.7]])
    for extent_px, fits in ((60, True), (15, False), (250, False)):
        face = (np.array([320, 60]) + shape / 1.4 * extent_px) / SIZE
        assert fits_head(face.astype(np.float32), body, image) is fits


def test_an_unseen_body_gives_no_region() -> None:
    body, image = standing(300, visibility=0.05)
    assert face_region(body, image) is None
    assert hand_region(body, image, "left") is None


def disc_model(label: str = "left"):
    """A stand-in for a hand model: finds the white disc in a tile, or nothing in the dark."""
    seen: list[int] = []

    def look(pixels: np.ndarray, timestamp_ms: int) -> list[Found]:
        seen.append(timestamp_ms)
        if pixels.max() == 0:
            return []
        middle = centre_of_light(pixels)
        points = np.zeros((21, 3), np.float32)
        reach = np.sqrt((pixels[..., 0] > 127).mean() / np.pi)  # the disc's radius
        points[:, :2] = middle + np.linspace(-reach, reach, 21)[:, None]
        return [Found(points=points, world=points, label=label)]

    look.seen = seen
    return look


def test_a_follower_keeps_up_with_what_it_follows() -> None:
    model = disc_model()
    follower = Follower(model, tile_px=96, margin=4)
    start = Square(x=100, y=240, side=120)
    for step in range(40):
        x = 100 + 10 * step
        found = follower.find(spot(x, 240, 12), start if step == 0 else None, 33 * step)
        assert found is not None
        np.testing.assert_allclose(found.uv.mean(0) * SIZE, [x, 240], atol=1)
    assert np.all(np.diff(model.seen) > 0)  # what the model's own track asks for


def test_a_follower_that_lost_it_looks_where_it_is_expected() -> None:
    follower = Follower(disc_model(), tile_px=96, margin=2.8)
    assert follower.find(spot(100, 100), Square(x=100, y=100, side=90), 0) is not None
    dark = np.zeros((480, 640, 3), np.uint8)
    assert follower.find(dark, None, 33) is None
    assert follower.missed == 1
    assert follower.find(spot(500, 400), Square(x=500, y=400, side=90), 66) is not None
    assert follower.missed == 0


def hand_at(x: float, y: float, extent: float, label: str) -> Found:
    rng = np.random.default_rng(11)
    shape = rng.uniform(-0.5, 0.5, (21, 2))
    shape[0] = 0  # the wrist
    uv = ((np.array([x, y]) + shape * extent) / SIZE).astype(np.float32)
    return Found(points=np.zeros((21, 3), np.float32), label=label, uv=uv)


WRISTS = Wrists(
    pixels={"left": np.float32([400, 240]), "right": np.float32([240, 240])}, scale=300.0
)


def test_small_hands_go_to_the_nearer_wrist_whatever_the_model_says() -> None:
    hand = hand_at(405, 245, 40, label="right")
    assert assign([hand], None, None, WRISTS, SIZE) == (hand, None)


def test_without_a_body_the_model_decides() -> None:
    hand = hand_at(405, 245, 40, label="right")
    assert assign([hand], None, None, Wrists(pixels={}, scale=1.0), SIZE) == (None, hand)


def test_a_large_hand_is_what_the_model_says() -> None:
    hand = hand_at(405, 245, 260, label="right")
    assert settle(hand, None, WRISTS, SIZE) == (None, hand)


def test_one_hand_found_by_both_followers_is_one_hand() -> None:
    a, b = hand_at(402, 240, 50, "left"), hand_at(404, 241, 50, "left")
    assert settle(a, b, WRISTS, SIZE) == (a, None)


def test_swapped_hands_are_swapped_back_and_true_ones_left_alone() -> None:
    near_left, near_right = hand_at(402, 240, 50, "left"), hand_at(238, 240, 50, "right")
    assert settle(near_right, near_left, WRISTS, SIZE) == (near_left, near_right)
    assert settle(near_left, near_right, WRISTS, SIZE) == (near_left, near_right)


def test_errors_pass_through_the_silence_and_chatter_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_native():
        os.write(2, b"I0000 00:00:1.1 1 x.cc:1] info\nW0000 00:00:1.1 1 x.cc:1] warning\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"E0000 00:00:1.1 1 x.cc:1] real trouble\n")
        print("a word of ours", file=sys.stderr)
    words = capfd.readouterr().err
    assert "real trouble" in words
    assert "a word of ours" in words
    assert "warning" not in words
    assert "XNNPACK" not in words


def test_silence_ends_with_the_block_even_after_an_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(io.UnsupportedOperation), quiet_native():
        raise io.UnsupportedOperation
    os.write(2, b"W0000 heard again\n")
    assert "heard again" in capfd.readouterr().err


class StillTracker:
    """A user's own tracker."""

    def __init__(self, answer: int = 0) -> None:
        self.answer = answer

    def track(self, image: Image) -> list[Observation]:
        return [Observation(timestamp_ns=image.timestamp_ns)] * self.answer

    def close(self) -> None:
        pass


def test_a_registered_tracker_can_be_opened_by_name() -> None:
    register_tracker("still", StillTracker)
    tracker = open_tracker("still", answer=1)
    assert isinstance(tracker, Tracker)
    image = Image(pixels=np.zeros((4, 4, 3), np.uint8), timestamp_ns=5, index=0)
    assert [o.timestamp_ns for o in tracker.track(image)] == [5]
    assert "still" in tracker_names()
    with pytest.raises(UsageError, match="taken"):
        register_tracker("still", StillTracker)


def test_an_unknown_tracker_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="mediapipe"):
        open_tracker("crystal ball")


@pytest.mark.parametrize(
    "wrong",
    [
        {"pose": "huge"},
        {"long_side_px": 3},
        {"face_every": -1},
        {"min_presence": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))}.*expected"):
        TrackerConfig(**wrong)


def test_modes_are_the_three_of_the_command_line() -> None:
    assert set(MODES) == {"light", "balanced", "performance"}
    assert tracker_config() == TrackerConfig()
    with pytest.raises(UsageError, match="light"):
        tracker_config("ludicrous")
