"""The ChArUco board: its picture to print, and cameras calibrated from views of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinsdk.capture.camera_rig import CameraRig, Lens, Placed
from twinsdk.core.arrays import F64, U8, Array
from twinsdk.errors import FormatError, UsageError

__all__ = ["Board", "BoardViews", "calibrate"]

_COLUMNS, _ROWS = 8, 6
_MARKER = 0.75  # of a square
_LEAST_CORNERS = 8
_LEAST_VIEWS = 8
_MOST_VIEWS = 40
_NEW_VIEW = 0.04  # of the picture's width: how far a board moves to be worth another look
_WORST_PX = 1.5


class Board:
    """A chessboard of 8 x 6 squares with markers, so that a part of it is enough.

    Args:
        square_m: Side of a square as printed, metres.
    """

    def __init__(self, square_m: float = 0.03) -> None:
        import cv2

        if not 0.005 <= square_m <= 0.5:
            raise UsageError(f"square: expected 5 to 500 mm, got {1000 * square_m:g}")
        self.square_m = square_m
        markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        self._board = cv2.aruco.CharucoBoard(
            (_COLUMNS, _ROWS), square_m, _MARKER * square_m, markers
        )
        self._detector = cv2.aruco.CharucoDetector(self._board)
        self.corners: F64 = np.asarray(self._board.getChessboardCorners(), np.float64)

    def picture(self, square_px: int = 200) -> U8:
        """Return the board (H, W, 3) with a white edge; at 300 dpi 354 px print as 30 mm."""
        size = (_COLUMNS * square_px, _ROWS * square_px)
        grey = self._board.generateImage(size, marginSize=0)
        edge = square_px // 2
        return np.repeat(np.pad(grey, edge, constant_values=255)[..., None], 3, axis=2)

    def find(self, pixels: U8) -> tuple[Array, Array]:
        """Return the numbers (N,) and pixels (N, 2) of the corners seen in a picture."""
        import cv2

        grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
        corners, ids, _, _ = self._detector.detectBoard(grey)
        if ids is None or len(ids) < _LEAST_CORNERS:
            return np.zeros(0, np.int64), np.zeros((0, 2))
        return ids.ravel().astype(np.int64), corners.reshape(-1, 2).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    ids: Array
    pixels: Array


class BoardViews:
    """Views of a board by several cameras at the same instants, gathered one by one.

    Args:
        board: What is held up.
        cameras: How many cameras look.
    """

    def __init__(self, board: Board, cameras: int) -> None:
        self.board = board
        self.size_px: list[tuple[int, int]] = [(0, 0)] * cameras
        self.views: list[list[_View | None]] = []
        self._last: list[Array] = []

    def __len__(self) -> int:
        return len(self.views)

    @property
    def full(self) -> bool:
        """Whether there are as many as are worth having."""
        return len(self.views) >= _MOST_VIEWS

    def add(self, pictures: Sequence[U8]) -> bool:
        """Take the pictures of one instant; return whether the board was seen and had moved.

        Raises:
            UsageError: A camera's pictures changed their size.
        """
        for k, picture in enumerate(pictures):
            size = (picture.shape[1], picture.shape[0])
            if self.size_px[k] not in ((0, 0), size):
                raise UsageError(f"camera {k + 1}: expected {self.size_px[k]} px, got {size}")
            self.size_px[k] = size
        found: list[_View | None] = []
        for picture in pictures:
            ids, pixels = self.board.find(picture)
            found.append(_View(ids=ids, pixels=pixels) if len(ids) else None)
        middles = [
            view.pixels.mean(0) / size[0] if view else np.full(2, np.nan)
            for view, size in zip(found, self.size_px, strict=True)
        ]
        if all(view is None for view in found) or self.full:
            return False
        if self._last and np.nanmax(np.abs(np.subtract(middles, self._last))) < _NEW_VIEW:
            return False
        self._last = middles
        self.views.append(found)
        return True

    def seen_by(self, *cameras: int) -> int:
        """Return how many views all these cameras share."""
        return sum(all(view[k] is not None for k in cameras) for view in self.views)


def calibrate(views: BoardViews) -> CameraRig:
    """Return the cameras that saw `views`, the first one at the origin.

    Raises:
        FormatError: Too few views, or they do not fit together.

    Source: Zhang 2000; OpenCV's calibrateCamera and stereoCalibrate.
    """
    import cv2

    count = len(views.size_px)
    cameras: list[Placed] = []
    for k in range(count):
        if views.seen_by(k) < _LEAST_VIEWS:
            raise FormatError(
                f"camera {k + 1}: expected the board in at least {_LEAST_VIEWS} different places, "
                f"got {views.seen_by(k)}; move and tilt it through the whole picture"
            )
        seen = [view[k] for view in views.views]
        places = [views.board.corners[v.ids].astype(np.float32) for v in seen if v is not None]
        pixels = [v.pixels.astype(np.float32) for v in seen if v is not None]
        error, matrix, distortion, _, _ = cv2.calibrateCamera(
            places, pixels, views.size_px[k], None, None, flags=cv2.CALIB_FIX_K3
        )
        _check(k, float(error))
        lens = Lens(
            size_px=views.size_px[k],
            focal_px=(float(matrix[0, 0]), float(matrix[1, 1])),
            centre_px=(float(matrix[0, 2]), float(matrix[1, 2])),
            distortion=tuple(float(x) for x in distortion.ravel()[:5]),  # type: ignore[arg-type]
        )
        cameras.append(
            Placed(lens=lens, rotation=np.eye(3), translation=np.zeros(3), error_px=float(error))
        )
    placed = [cameras[0], *(_beside_first(views, cameras, k) for k in range(1, count))]
    return CameraRig(cameras=tuple(placed))


def _beside_first(views: BoardViews, cameras: Sequence[Placed], k: int) -> Placed:
    import cv2

    places, first, other = [], [], []
    for view in views.views:
        a, b = view[0], view[k]
        if a is None or b is None:
            continue
        ids, rows_a, rows_b = np.intersect1d(a.ids, b.ids, return_indices=True)
        if len(ids) >= _LEAST_CORNERS:
            places.append(views.board.corners[ids].astype(np.float32))
            first.append(a.pixels[rows_a].astype(np.float32))
            other.append(b.pixels[rows_b].astype(np.float32))
    if len(places) < _LEAST_VIEWS:
        raise FormatError(
            f"cameras 1 and {k + 1}: expected the board in both pictures at least {_LEAST_VIEWS} "
            f"times, got {len(places)}; hold it where both see it"
        )
    lenses = [cameras[0].lens, cameras[k].lens]
    error, *_, rotation, translation, _, _ = cv2.stereoCalibrate(
        places,
        first,
        other,
        lenses[0].matrix,
        np.array(lenses[0].distortion),
        lenses[1].matrix,
        np.array(lenses[1].distortion),
        lenses[0].size_px,
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    _check(k, float(error))
    return Placed(
        lens=cameras[k].lens,
        rotation=np.asarray(rotation, np.float64),
        translation=np.asarray(translation, np.float64).ravel(),
        error_px=float(error),
    )


def _check(camera: int, error_px: float) -> None:
    if not error_px < _WORST_PX:
        raise FormatError(
            f"camera {camera + 1}: expected the board to fit within {_WORST_PX} px, got "
            f"{error_px:.1f}; print it flat, hold it still, focus and light it well"
        )
