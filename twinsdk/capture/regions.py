"""Square regions of a picture: where a face or a hand is looked for, cut out and mapped back.

Detectors see the whole picture at 128 to 192 px; of a person seen in full, a face is then 10 px
and is not found. A square cut around it, at the picture's own resolution, is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, U8, Array
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks

__all__ = [
    "Square",
    "body_scale",
    "cut",
    "face_region",
    "fits_head",
    "hand_region",
    "on_image",
    "region_around",
    "shrunk",
    "whole",
]

_INDEX = {name: i for i, name in enumerate(BODY_NAMES)}
_FACE_POINTS = [_INDEX[n] for n in ("nose", "leftEye", "rightEye", "leftEar", "rightEar")]
_FACE_SIDE_M = 0.45  # a head is 0.24 m high; the detector wants some air around it
_FACE_M = (0.10, 0.45)  # the points span 0.2 m from brow to chin
_HAND_SIDE_M = 0.60  # a hand is 0.19 m long and moves 0.1 m a frame when waving at 20 fps
_SEEN = 0.5  # visibility above which a body point counts as seen
_HINTED = 0.1  # a wrist less visible than this is a guess of the body model
_LEAST_SIDE_PX = 24.0


@dataclass(frozen=True, kw_only=True)
class Square:
    """An upright square of a picture, which may reach over its edge.

    Attributes:
        x: Centre, pixels from the left.
        y: Centre, pixels from the top.
        side: Pixels.
    """

    x: float
    y: float
    side: float

    def overlap(self, size_px: tuple[int, int]) -> float:
        """Return which fraction of the square lies within a picture of (width, height)."""
        half = self.side / 2
        across = min(self.x + half, size_px[0]) - max(self.x - half, 0)
        down = min(self.y + half, size_px[1]) - max(self.y - half, 0)
        return max(across, 0.0) * max(down, 0.0) / (self.side * self.side)


def body_scale(body: Landmarks, image_body: ImageLandmarks) -> float | None:
    """Return pixels a metre at the person's distance, or None when too little is seen.

    The ratio of the points' spread on the picture to their spread in space, both across the view.
    """
    seen = (image_body.visibility > _SEEN) & (image_body.inside() > 0)
    if seen.sum() < 4:
        return None
    across = body.positions[seen, :2]
    pixels = image_body.pixels()[seen]
    metres = float(np.sqrt(((across - across.mean(0)) ** 2).sum()))
    spread = float(np.sqrt(((pixels - pixels.mean(0)) ** 2).sum()))
    return spread / metres if metres > 1e-3 else None


def face_region(body: Landmarks, image_body: ImageLandmarks) -> Square | None:
    """Return the square around the head as the body tracker sees it, None when it does not."""
    scale = body_scale(body, image_body)
    if scale is None or image_body.visibility[_INDEX["nose"]] < _SEEN:
        return None
    x, y = image_body.pixels()[_FACE_POINTS].mean(0)
    side = max(_FACE_SIDE_M * scale, _LEAST_SIDE_PX)
    return _inside(Square(x=float(x), y=float(y), side=side), image_body.size_px)


def hand_region(body: Landmarks, image_body: ImageLandmarks, side: str) -> Square | None:
    """Return the square around the "left" or "right" hand, None when it is out of the picture."""
    scale = body_scale(body, image_body)
    wrist, index, pinky = (_INDEX[f"{side}{part}"] for part in ("Wrist", "Index", "Pinky"))
    if scale is None or image_body.visibility[wrist] < _HINTED:
        return None
    pixels = image_body.pixels()
    # The middle of an open hand lies a little beyond the knuckles' row.
    x, y = pixels[wrist] + 1.1 * ((pixels[index] + pixels[pinky]) / 2 - pixels[wrist])
    width = max(_HAND_SIDE_M * scale, _LEAST_SIDE_PX)
    return _inside(Square(x=float(x), y=float(y), side=width), image_body.size_px)


def fits_head(face_uv: F32, body: Landmarks, image_body: ImageLandmarks) -> bool:
    """Return whether a face (L, 2) is as large as the body's distance makes a face.

    A small, blurred head sometimes yields a whole face on its chin. True where the body tells
    nothing.
    """
    scale = body_scale(body, image_body)
    if scale is None or image_body.visibility[_INDEX["nose"]] < _SEEN:
        return True
    pixels = face_uv * np.asarray(image_body.size_px, np.float32)
    return _FACE_M[0] < float(np.ptp(pixels, axis=0).max()) / scale < _FACE_M[1]


def region_around(points: F32, size_px: tuple[int, int], margin: float) -> Square:
    """Return a square centred on points (L, 2) in image fractions, `margin` times their extent."""
    pixels = points * np.asarray(size_px, np.float32)
    low, high = pixels.min(0), pixels.max(0)
    centre = (low + high) / 2
    side = max(float((high - low).max()) * margin, _LEAST_SIDE_PX)
    return Square(x=float(centre[0]), y=float(centre[1]), side=side)


def cut(pixels: U8, square: Square, size: int) -> U8:
    """Return the square as a picture (size, size, 3); what lies over the edge is black."""
    import cv2

    height, width = pixels.shape[:2]
    step = size / square.side
    left, top = square.x - square.side / 2, square.y - square.side / 2
    x0 = y0 = 0
    grid_x = grid_y = 1.0
    if step < 0.6:  # average first, lest fine detail turn into noise
        x0, y0 = max(int(left), 0), max(int(top), 0)
        x1 = min(int(np.ceil(left + square.side)), width)
        y1 = min(int(np.ceil(top + square.side)), height)
        if x1 <= x0 or y1 <= y0:
            return np.zeros((size, size, 3), np.uint8)
        fine = 1.5 * step
        shape = (max(round((x1 - x0) * fine), 1), max(round((y1 - y0) * fine), 1))
        pixels = cv2.resize(pixels[y0:y1, x0:x1], shape, interpolation=cv2.INTER_AREA)
        grid_x, grid_y = shape[0] / (x1 - x0), shape[1] / (y1 - y0)
    # target = scale * source + offset between edges; warpAffine counts from pixel centres.
    scale_x, scale_y = step / grid_x, step / grid_y
    matrix = np.array(
        [
            [scale_x, 0, (x0 - left) * step + 0.5 * scale_x - 0.5],
            [0, scale_y, (y0 - top) * step + 0.5 * scale_y - 0.5],
        ],
        np.float64,
    )
    out: U8 = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return out


def on_image(points: Array, square: Square, size_px: tuple[int, int]) -> tuple[F32, F32]:
    """Return (uv, depth) on the whole picture of points (L, 3) in fractions of the square.

    MediaPipe gives z in fractions of the width of the picture it saw; here of the whole one.
    """
    corner = np.array([square.x - square.side / 2, square.y - square.side / 2])
    uv = (corner + points[:, :2] * square.side) / np.asarray(size_px)
    depth = points[:, 2] * square.side / size_px[0]
    return uv.astype(np.float32), depth.astype(np.float32)


def shrunk(pixels: U8, long_side: int) -> U8:
    """Return the picture with its longer side about `long_side` pixels at most, contiguous.

    What is less than a third larger is left as it is: shrinking it would cost more (3 ms of
    averaging, or jitter without) than the body model saves.
    """
    import cv2

    height, width = pixels.shape[:2]
    factor = long_side / max(height, width)
    if factor > 0.75:
        return np.ascontiguousarray(pixels)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    out: U8 = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return out


def whole(size_px: tuple[int, int]) -> Square:
    """Return the square around a whole picture of (width, height)."""
    width, height = size_px
    return Square(x=width / 2, y=height / 2, side=float(max(size_px)))


def _inside(square: Square, size_px: tuple[int, int]) -> Square | None:
    return square if square.overlap(size_px) > 0.3 else None
