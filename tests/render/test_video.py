"""Films, sheets and PNGs: what is written is what is read back, or nothing is left behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES, ImageLandmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import OutputError, ShapeError, ValueRangeError
from twinsdk.render import (
    VideoWriter,
    contact_sheet,
    draw_hud,
    draw_observation,
    save_png,
    side_by_side,
)


def plain(color, height=96, width=128):
    return np.full((height, width, 3), color, np.uint8)


def read(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame[..., ::-1])


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_film_read_back_has_its_frames_size_rate_and_colours(tmp_path, suffix):
    colors = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    path = tmp_path / f"film{suffix}"
    with VideoWriter(path, 24, (128, 96)) as film:
        for k in range(30):
            film.write(plain(colors[k // 10]))
    frames, fps = read(path)
    assert len(frames) == 30
    assert fps == pytest.approx(24, abs=0.01)
    for k in (5, 15, 25):
        assert frames[k].shape == (96, 128, 3)
        # 8-bit video levels and chroma subsampling move a flat colour by a few bytes.
        np.testing.assert_allclose(frames[k].mean((0, 1)), colors[k // 10], atol=8)


def test_odd_sides_are_cut_and_other_sizes_scaled(tmp_path):
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, 30, (129, 97)) as film:
        film.write(plain((9, 9, 9), 97, 129))
        film.write(plain((9, 9, 9), 40, 60))
    frames, _ = read(path)
    assert [frame.shape for frame in frames] == [(96, 128, 3)] * 2


def test_an_interrupted_film_is_whole_up_to_there(tmp_path):
    path = tmp_path / "cut.mp4"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 30, (64, 64)) as film:
        for k in range(100):
            film.write(plain((k, k, k), 64, 64))
            if k == 11:
                raise KeyboardInterrupt
    assert len(read(path)[0]) == 12
    assert list(tmp_path.iterdir()) == [path]


def test_a_film_without_frames_leaves_nothing(tmp_path):
    with VideoWriter(tmp_path / "none.mp4", 30, (64, 64)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(OutputError, match=r"ending in \.mp4 or \.webm, got film\.avi"):
        VideoWriter(tmp_path / "film.avi", 30, (64, 64))
    with (
        pytest.raises(OutputError, match="cannot write there"),
        VideoWriter(tmp_path / "no" / "film.mp4", 30, (64, 64)),
    ):
        pass
    with pytest.raises(ValueRangeError, match="fps"):
        VideoWriter(tmp_path / "film.mp4", 0, (64, 64))
    film = VideoWriter(tmp_path / "film.mp4", 30, (64, 64))
    film.write(plain((1, 2, 3)))
    film.close()
    with pytest.raises(OutputError, match="already closed"):
        film.write(plain((1, 2, 3)))


def test_a_png_read_back_is_the_same_picture(tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    path = tmp_path / "Bild ä.png"
    save_png(path, picture)
    back = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(back[..., ::-1], picture)
    with pytest.raises(OutputError, match=r"ends in \.png"):
        save_png(tmp_path / "a.jpg", picture)


def test_a_sheet_places_every_picture_in_reading_order():
    pictures = [plain((50 * k, 0, 0)) for k in range(5)]
    sheet = contact_sheet(pictures, 3)
    cells = [(r, c) for r in range(2) for c in range(3)][:5]
    for k, (row, column) in enumerate(cells):
        y, x = 6 + row * 102 + 48, 6 + column * 134 + 64
        assert sheet[y, x, 0] == 50 * k
    assert sheet.shape == (2 * 102 + 6, 3 * 134 + 6, 3)
    assert not np.array_equal(sheet, contact_sheet(pictures, 3, [f"p{k}" for k in range(5)]))
    with pytest.raises(ShapeError, match="labels: expected 5"):
        contact_sheet(pictures, 3, ["a"])


def test_side_by_side_scales_the_second_to_the_first():
    both = side_by_side(plain((10, 10, 10), 100, 80), plain((200, 0, 0), 50, 60))
    assert both.shape == (100, 80 + 120, 3)
    np.testing.assert_array_equal(both[50, 150], (200, 0, 0))


def observation(visibility):
    uv = np.tile([0.5, 0.5], (33, 1))
    uv[BODY_NAMES.index("leftShoulder")] = (0.75, 0.25)
    uv[BODY_NAMES.index("leftElbow")] = (0.75, 0.75)
    hand = ImageLandmarks(names=HAND_NAMES, uv=np.full((21, 2), 3.0), size_px=(64, 64))
    face = ImageLandmarks(names=FACE_NAMES, uv=np.full((478, 2), 0.1), size_px=(64, 64))
    body = ImageLandmarks(
        names=BODY_NAMES, uv=uv, size_px=(64, 64), visibility=np.full(33, visibility)
    )
    return Observation(timestamp_ns=0, image_body=body, image_left_hand=hand, image_face=face)


def test_a_limb_is_drawn_between_its_points_and_hidden_ones_are_not():
    black = plain((0, 0, 0), 200, 200)
    seen = draw_observation(black, observation(1.0))
    assert seen[100, 150].max() > 100  # half way down the upper arm
    assert seen[100, 150, 0] > seen[100, 150, 2]  # the left side is warm
    assert seen[20, 20].max() > 50  # face points
    hidden = draw_observation(black, observation(0.1))
    assert hidden[100, 150].max() == 0
    unsure = draw_observation(black, observation(0.4))
    assert unsure[100, 150].astype(int).sum() < seen[100, 150].astype(int).sum()
    assert black.max() == 0
    np.testing.assert_array_equal(draw_observation(black, None), black)


def test_the_hud_writes_in_its_corner_only():
    grey = plain((120, 120, 120), 240, 320)
    out = draw_hud(grey, {"fps": 29.97, "state": "tracking"})
    assert out[:40, :60].max() > 200
    np.testing.assert_array_equal(out[120:, 160:], grey[120:, 160:])
