"""Cameras are found again from views of a board, and points in space from two cameras."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from twinsdk.capture.board import Board, BoardViews, calibrate
from twinsdk.capture.camera_rig import CameraRig, Lens, Placed
from twinsdk.errors import FileMissingError, FormatError, UsageError

SIZE = (640, 480)
LENSES = (
    Lens(size_px=SIZE, focal_px=(610.0, 612.0), centre_px=(325.0, 236.0)),
    Lens(size_px=SIZE, focal_px=(540.0, 540.0), centre_px=(318.0, 244.0)),
)


def rotation(x: float, y: float, z: float) -> np.ndarray:
    return cv2.Rodrigues(np.radians([x, y, z]).astype(float))[0]


def pair(yaw_deg: float = 25.0, apart_m: float = 0.45) -> CameraRig:
    """Two cameras, the second one to the right, turned to what the first one looks at."""
    turn = rotation(2, yaw_deg, 1)
    stands = np.array([apart_m, -0.03, 0.1])
    return CameraRig(
        cameras=(
            Placed(lens=LENSES[0], rotation=np.eye(3), translation=np.zeros(3)),
            Placed(lens=LENSES[1], rotation=turn, translation=-turn @ stands),
        )
    )


def photograph(board: Board, camera: Placed, turn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The board at a place in the first camera's axes, as `camera` sees it."""
    picture = board.picture(square_px=60)
    metres_a_pixel = board.square_m / 60
    corners = np.array([[0, 0], [picture.shape[1], 0], picture.shape[1::-1], [0, picture.shape[0]]])
    flat = (corners - 30) * metres_a_pixel  # the edge is half a square
    world = np.pad(flat, ((0, 0), (0, 1))) @ turn.T + place
    seen = world @ camera.rotation.T + camera.translation
    pixels = seen[:, :2] / seen[:, 2:] * camera.lens.focal_px + camera.lens.centre_px
    # A pixel's middle is at .5 in our pictures' edges and at .0 in OpenCV's.
    warp = cv2.getPerspectiveTransform(
        (corners - 0.5).astype(np.float32), pixels.astype(np.float32)
    )
    return cv2.warpPerspective(
        picture, warp, SIZE, flags=cv2.INTER_AREA, borderValue=(200, 205, 210)
    )


def shown(board: Board, rig: CameraRig, count: int = 18) -> BoardViews:
    rng = np.random.default_rng(3)
    views = BoardViews(board, len(rig.cameras))
    middle = np.array([4, 3, 0]) * board.square_m
    for _ in range(count):
        turn = rotation(*rng.uniform([-35, -20, -25], [35, 45, 25]))
        place = rng.uniform([-0.12, -0.12, 0.75], [0.22, 0.12, 1.1]) - turn @ middle
        views.add([photograph(board, camera, turn, place) for camera in rig.cameras])
    return views


@pytest.fixture(scope="module")
def calibrated():
    rig, board = pair(), Board(0.045)
    return rig, calibrate(shown(board, rig))


def test_lenses_are_found(calibrated):
    for true, found in zip(calibrated[0].cameras, calibrated[1].cameras, strict=True):
        np.testing.assert_allclose(found.lens.focal_px, true.lens.focal_px, rtol=0.01)
        np.testing.assert_allclose(found.lens.centre_px, true.lens.centre_px, atol=8)
        assert found.error_px < 0.4


def test_the_second_camera_is_found_where_it_stands(calibrated):
    true, found = (rig.cameras[1] for rig in calibrated)
    np.testing.assert_allclose(found.translation, true.translation, atol=0.012)
    turn = cv2.Rodrigues(found.rotation @ true.rotation.T)[0]
    assert np.degrees(np.linalg.norm(turn)) < 0.7


def test_points_seen_by_two_cameras_are_where_they_are():
    rig, rng = pair(), np.random.default_rng(1)
    points = rng.uniform([-0.5, -0.8, 1.5], [0.5, 0.8, 3.5], (40, 3))
    uv = np.stack([project(camera, points) for camera in rig.cameras])
    found, misfit = rig.triangulate(uv, np.ones((2, 40)))
    np.testing.assert_allclose(found, points, atol=1e-6)
    assert misfit.max() < 1e-6


def test_depth_from_two_cameras_is_as_sure_as_their_angle_allows():
    rig, rng = pair(apart_m=1.0), np.random.default_rng(1)
    points = rng.uniform([-0.4, -0.8, 2.0], [0.4, 0.8, 2.4], (400, 3))
    uv = np.stack([project(camera, points) for camera in rig.cameras])
    noisy = uv + rng.normal(0, 2, uv.shape) / SIZE  # two pixels
    found, _ = rig.triangulate(noisy, np.ones((2, 400)))
    depth_error = (found - points)[:, 2].std()
    assert 0.01 < depth_error < 0.03  # z^2 / (f b) times 2.8 px is 23 mm


def test_a_point_that_one_camera_alone_sees_is_not_a_number():
    rig = pair()
    points = np.array([[0.0, 0, 2], [0.1, 0, 2], [0, 0.2, 2]])
    uv = np.stack([project(camera, points) for camera in rig.cameras])
    weights = np.array([[1.0, 1, 0], [1, 0, 0]])
    found, _ = rig.triangulate(uv, weights)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


def test_sights_that_do_not_meet_have_a_misfit():
    rig = pair()
    points = np.array([[0.0, 0, 2]])
    uv = np.stack([project(camera, points) for camera in rig.cameras])
    uv[1, 0, 1] += 0.1
    assert rig.triangulate(uv, np.ones((2, 1)))[1][0] > 0.03


def test_a_lens_takes_its_distortion_back():
    lens = Lens(**{**vars(LENSES[0]), "distortion": (-0.2, 0.05, 0.001, -0.002, 0.0)})
    points = np.random.default_rng(2).uniform([-0.3, -0.3, 1], [0.3, 0.3, 1], (50, 3))
    pixels, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), lens.matrix, np.array(lens.distortion)
    )
    np.testing.assert_allclose(
        lens.directions(pixels.reshape(-1, 2) / SIZE), points[:, :2], atol=1e-4
    )


def project(camera: Placed, points: np.ndarray) -> np.ndarray:
    seen = points @ camera.rotation.T + camera.translation
    return (seen[:, :2] / seen[:, 2:] * camera.lens.focal_px + camera.lens.centre_px) / SIZE


def test_a_rig_is_read_back_as_it_was_written(tmp_path):
    rig = pair()
    rig.save(tmp_path / "room.json")
    for a, b in zip(rig.cameras, CameraRig.load(tmp_path / "room.json").cameras, strict=True):
        assert a.lens == b.lens
        np.testing.assert_array_equal(a.rotation, b.rotation)
        np.testing.assert_array_equal(a.translation, b.translation)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.update(version=9),
        lambda table: table.update(cameras=[]),
        lambda table: table["cameras"][0].update(focal_px=[0, 600]),
        lambda table: table["cameras"][1].update(rotation=[[1, 0, 0], [0, 1, 0], [0, 0, -1]]),
        lambda table: table["cameras"][1].update(translation=[1, 2]),
        lambda table: table["cameras"][1].pop("distortion"),
    ],
)
def test_another_file_is_refused_in_words(tmp_path, spoil):
    pair().save(tmp_path / "room.json")
    table = json.loads((tmp_path / "room.json").read_text())
    spoil(table)
    (tmp_path / "room.json").write_text(json.dumps(table))
    with pytest.raises(FormatError, match="expected what twin-capture --calibrate writes"):
        CameraRig.load(tmp_path / "room.json")
    with pytest.raises(FileMissingError):
        CameraRig.load(tmp_path / "none.json")


def test_too_few_views_and_boards_that_do_not_fit_are_refused():
    board, rig = Board(0.045), pair()
    with pytest.raises(FormatError, match="at least 8 different places, got 3"):
        calibrate(shown(board, rig, 3))
    apart = shown(board, pair(yaw_deg=-60))  # the second camera looks past the board
    with pytest.raises(FormatError, match="camera"):
        calibrate(apart)
    with pytest.raises(UsageError, match="5 to 500 mm"):
        Board(5.0)


def test_a_board_that_stands_still_is_one_view():
    board, rig = Board(0.045), pair()
    views = BoardViews(board, 2)
    place = np.array([-0.15, -0.12, 0.9])
    pictures = [photograph(board, camera, rotation(10, 15, 0), place) for camera in rig.cameras]
    assert [views.add(pictures) for _ in range(3)] == [True, False, False]
    assert not views.add([np.full((480, 640, 3), 128, np.uint8)] * 2)
    with pytest.raises(UsageError, match="camera 1: expected"):
        views.add([np.zeros((100, 100, 3), np.uint8)] * 2)


def test_the_commands_make_a_board_and_calibrate_from_pictures_of_it(tmp_path, capsys):
    from twinsdk.cli import main
    from twinsdk.render import save_png

    board, rig, rng = Board(0.045), pair(), np.random.default_rng(3)
    for shot in range(14):
        turn = rotation(*rng.uniform([-35, -20, -25], [35, 45, 25]))
        middle = turn @ np.array([4, 3, 0]) * board.square_m
        place = rng.uniform([-0.12, -0.12, 0.75], [0.22, 0.12, 1.1]) - middle
        for name, camera in zip("ab", rig.cameras, strict=True):
            (tmp_path / name).mkdir(exist_ok=True)
            save_png(tmp_path / name / f"{shot}.png", photograph(board, camera, turn, place))
    assert main(["capture", "--board", str(tmp_path / "board.png")]) == 0
    assert len(Board(0.03).find(cv2.imread(str(tmp_path / "board.png")))[0]) == 35  # 7 x 5 corners
    views = ["--video", str(tmp_path / "a"), "--video", str(tmp_path / "b"), "--square-mm", "45"]
    assert main(["capture", *views, "--calibrate", str(tmp_path / "room.json")]) == 0
    assert "0.46 m from the first" in capsys.readouterr().out
    assert len(CameraRig.load(tmp_path / "room.json").cameras) == 2
    assert main(["capture", *views, "--no-stream"]) == 2
    assert "--calibration: expected one for 2 cameras" in capsys.readouterr().err
