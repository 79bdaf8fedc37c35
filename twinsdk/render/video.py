"""Video files that browsers play: VP9 in .mp4 or .webm, through OpenCV.

OpenCV's wheels also write "mp4v", which browsers refuse; H.264 is not in them.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import U8
from twinsdk.core.closing import Closing
from twinsdk.core.files import atomic_path
from twinsdk.errors import OutputError, ValueRangeError
from twinsdk.render.sheet import as_picture

__all__ = ["VideoWriter"]

_CODES = {".mp4": "vp09", ".webm": "vp09"}
_MAX_SIDE = 8192
_MOST_PENDING = 4  # VP9 is slow: pictures are encoded while the next ones are drawn


class VideoWriter(Closing):
    """Writes a film of constant frame rate; use it with `with`.

    The file appears under its name when the block ends, also when an exception ends it, then with
    the frames up to there. A film without any frame is not left behind.

    Args:
        path: Ends in .mp4 or .webm.
        fps: Frames a second.
        size: (width, height); an odd side is cut by one pixel, as VP9's chroma asks.

    Raises:
        OutputError: The name is of another kind, or the path cannot be written.
        ValueRangeError: Size or fps is out of range.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path = Path(path)
        code = _CODES.get(self.path.suffix.lower())
        if code is None:
            raise OutputError(
                f"video: expected a name ending in .mp4 or .webm, got {self.path.name}: {self.path}"
            )
        if not (np.isfinite(fps) and 0 < fps <= 1000):
            raise ValueRangeError(f"fps: expected 0 to 1000 frames a second, got {fps}")
        width, height = (int(side) // 2 * 2 for side in size)
        if not (2 <= width <= _MAX_SIDE and 2 <= height <= _MAX_SIDE):
            raise ValueRangeError(f"size: expected 2 to {_MAX_SIDE} pixels, got {tuple(size)}")
        self.size_px = (width, height)
        self.fps = float(fps)
        self.frames = 0
        self._code = code
        self._stack = ExitStack()
        self._writer: Any = None
        self._temporary: Path | None = None
        self._encoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="twinsdk-encode")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> VideoWriter:
        self._open()
        return self

    def write(self, picture: U8) -> None:
        """Append one RGB picture (H, W, 3); another size is scaled, an odd side cut.

        Raises:
            OutputError: The film is closed.
            ShapeError: It is no picture.
        """
        import cv2

        pixels = as_picture(picture)
        if self._writer is None:
            if self._temporary is not None or self.frames:
                raise OutputError(f"video: already closed: {self.path}")
            self._open()
        width, height = self.size_px
        pixels = pixels[: pixels.shape[0] // 2 * 2 or 1, : pixels.shape[1] // 2 * 2 or 1]
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        if len(self._pending) >= _MOST_PENDING:
            self._pending.popleft().result()
        bgr = np.ascontiguousarray(pixels[..., ::-1])
        self._pending.append(self._encoder.submit(self._writer.write, bgr))
        self.frames += 1

    def close(self) -> None:
        """Finish the file and give it its name; a second call does nothing."""
        if self._writer is None:
            return
        self._encoder.shutdown(wait=True)
        self._writer.release()
        self._writer = None
        temporary = self._temporary
        if self.frames and temporary is not None and temporary.stat().st_size > 0:
            self._stack.close()
            return
        self._drop()
        if self.frames:
            raise OutputError(f"video: nothing was written, is the disk full: {self.path}")

    def _drop(self) -> None:
        error = _NothingWrittenError()
        # An exception is what tells `atomic_path` to remove the temporary file.
        self._stack.__exit__(type(error), error, None)

    def _open(self) -> None:
        if self._writer is not None:
            return
        import cv2

        self._temporary = self._stack.enter_context(atomic_path(self.path))
        fourcc = cv2.VideoWriter.fourcc(*self._code)
        writer = cv2.VideoWriter(
            str(self._temporary), cv2.CAP_FFMPEG, fourcc, self.fps, self.size_px
        )
        if not writer.isOpened():
            self._drop()
            raise OutputError(
                f"video: this OpenCV cannot write VP9 in {self.path.suffix} at "
                f"{self.size_px[0]} x {self.size_px[1]}: {self.path}"
            )
        self._writer = writer


class _NothingWrittenError(Exception):
    """The film has no frame."""
