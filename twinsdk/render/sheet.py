"""Sheets: several pictures as one, and pictures as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import U8
from twinsdk.core.files import atomic_path
from twinsdk.errors import OutputError, ShapeError
from twinsdk.render.overlay import draw_label

__all__ = ["as_picture", "contact_sheet", "save_png", "scaled", "side_by_side"]

_GAP_PX = 6
_PAPER = (250, 250, 252)


def contact_sheet(
    pictures: Sequence[U8],
    columns: int,
    labels: Sequence[str] | None = None,
    *,
    background: tuple[int, int, int] = _PAPER,
) -> U8:
    """Return `pictures` in rows of `columns`, each with its label, as one picture (H, W, 3).

    Pictures of other sizes than the first are scaled to its height, then cut or padded to its
    width. The last row may be shorter.

    Raises:
        ShapeError: There is no picture, one is not (H, W, 3) uint8, or the number of labels or
            columns does not fit.
    """
    if not pictures:
        raise ShapeError("pictures: expected at least one, got none")
    if columns < 1:
        raise ShapeError(f"columns: expected at least 1, got {columns}")
    if labels is not None and len(labels) != len(pictures):
        raise ShapeError(f"labels: expected {len(pictures)}, one a picture, got {len(labels)}")
    first = as_picture(pictures[0])
    height, width = first.shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full(
        (rows * (height + _GAP_PX) + _GAP_PX, columns * (width + _GAP_PX) + _GAP_PX, 3),
        background,
        np.uint8,
    )
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        top, left = _GAP_PX + row * (height + _GAP_PX), _GAP_PX + column * (width + _GAP_PX)
        cell = sheet[top : top + height, left : left + width]
        cell[:] = _fitted(as_picture(picture), height, width, background)
        if labels is not None and labels[i]:
            cell[:] = draw_label(cell, labels[i])
    return sheet


def side_by_side(a: U8, b: U8, *, height: int | None = None) -> U8:
    """Return two pictures beside one another, both scaled to `height`, by default that of `a`.

    Raises:
        ShapeError: One is not (H, W, 3) uint8.
    """
    left, right = as_picture(a), as_picture(b)
    tall = height or left.shape[0]
    return np.ascontiguousarray(np.concatenate([scaled(left, tall), scaled(right, tall)], axis=1))


def scaled(picture: U8, height: int) -> U8:
    """Return a picture (H, W, 3) scaled to `height` pixels, proportions kept."""
    import cv2

    if picture.shape[0] == height:
        return picture
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    shrinks = height < picture.shape[0]
    resized: U8 = cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return resized


def save_png(path: str | Path, picture: U8) -> None:
    """Write an RGB picture (H, W, 3) as a PNG, whole or not at all.

    Raises:
        OutputError: The path cannot be written or is not a .png.
        ShapeError: It is no picture.
    """
    import cv2

    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(
            f"picture: expected a name that ends in .png, got {target.name}: {target}"
        )
    ok, encoded = cv2.imencode(".png", np.ascontiguousarray(as_picture(picture)[..., ::-1]))
    if not ok:
        raise OutputError(f"picture: could not be encoded: {target}")
    with atomic_path(target) as temporary:
        try:
            temporary.write_bytes(encoded.tobytes())
        except OSError as error:
            raise OutputError(f"picture: cannot write ({error.strerror}): {target}") from error


def as_picture(value: U8) -> U8:
    """Return `value` when it is a picture (H, W, 3) uint8 of at least one pixel.

    Raises:
        ShapeError: It is not.
    """
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ShapeError(f"picture: expected (H, W, 3) uint8, got {array.shape} {array.dtype}")
    return array


def _fitted(picture: U8, height: int, width: int, background: tuple[int, int, int]) -> U8:
    sized = scaled(picture, height)
    out = np.full((height, width, 3), background, np.uint8)
    extra = sized.shape[1] - width
    if extra >= 0:
        out[:] = sized[:, extra // 2 : extra // 2 + width]
    else:
        out[:, -extra // 2 : -extra // 2 + sized.shape[1]] = sized
    return out
