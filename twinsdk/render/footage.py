"""Footage: a live camera's pictures, kept cheaply for later (Motion-JPEG, about 3 ms a picture)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import U8
from twinsdk.core.closing import Closing
from twinsdk.errors import OutputError

__all__ = ["FootageReader", "FootageWriter"]


class FootageWriter(Closing):
    """Writes RGB pictures of one size to an .avi file.

    Raises:
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path, *, size_px: tuple[int, int]) -> None:
        import cv2

        self._cv2 = cv2
        self._size_px = size_px
        codec = cv2.VideoWriter.fourcc(*"MJPG")
        self._writer = cv2.VideoWriter(str(path), codec, 30.0, size_px)
        if not self._writer.isOpened():
            raise OutputError(f"footage: cannot write there: {path}")

    def write(self, picture: U8) -> None:
        """Append one picture (H, W, 3); another size, as after a replug, is scaled."""
        bgr = self._cv2.cvtColor(np.ascontiguousarray(picture), self._cv2.COLOR_RGB2BGR)
        if (bgr.shape[1], bgr.shape[0]) != self._size_px:
            bgr = self._cv2.resize(bgr, self._size_px)
        self._writer.write(bgr)

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()


class FootageReader:
    """Iterates the RGB pictures of footage."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[U8]:
        import cv2

        reader = cv2.VideoCapture(str(self._path))
        try:
            while True:
                there, bgr = reader.read()
                if not there:
                    return
                yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        finally:
            reader.release()
