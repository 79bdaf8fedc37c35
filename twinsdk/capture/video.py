"""Video files: every frame once, in order, with the times the container gives them."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2

from twinsdk.capture.container import inspect_mp4, why_unplayable
from twinsdk.capture.opencv import check_size, fit_inside, quiet_ffmpeg, quiet_opencv, rgb_from_bgr
from twinsdk.capture.source import BaseSource
from twinsdk.core.arrays import U8
from twinsdk.core.files import existing_file
from twinsdk.core.image import Image
from twinsdk.errors import FileMissingError, FormatError

__all__ = ["VideoSource", "View"]

View = Callable[[int, U8], U8]
"""(index, frame) -> the part of it to deliver; see `sample`."""

_FALLBACK_FPS = 30.0
_MOST_STRETCH = 4.0

_log = logging.getLogger(__name__)


class VideoSource(BaseSource):
    """A video file, deterministic: the same file gives the same frames and times.

    Times come from the container, so a variable rate is kept; rotation metadata is applied.
    A file that was cut off is played as far as it goes, with one warning.

    Attributes:
        truncated: Whether the container says that bytes are missing at the end.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        max_frames: int | None = None,
        view: View | None = None,
    ) -> None:
        """Open the file and decode its first frame.

        Args:
            path: Anything FFmpeg reads: mp4, mov, webm, mkv, avi.
            width: Frames are scaled down to fit; None keeps the size.
            height: As `width`.
            fps: Frames above this rate are left out; None keeps all.
            max_frames: End after so many.
            view: Applied to every decoded frame before scaling, BGR in and out.

        Raises:
            FileMissingError: No such file, it is empty, or may not be read.
            FormatError: No frame can be decoded, or its size is out of bounds.
        """
        super().__init__(name=Path(path).name, max_frames=max_frames)
        self._path = existing_file(path, what="video").resolve()
        self._box, self._wanted_fps, self._view = (width, height), fps, view
        self._lock = threading.Lock()
        self._grabbed = 0
        self._last_ns = -1
        self._last_tick = -1
        try:
            boxes = inspect_mp4(self._path)
        except OSError as error:
            raise FileMissingError(
                f"video: the file cannot be read ({error.strerror}): {self._path}"
            ) from error
        self.truncated = boxes is not None and boxes.missing_bytes > 0
        with quiet_opencv(), quiet_ffmpeg():
            # The absolute path and a named backend keep OpenCV from reading "a%02d.mp4" as a
            # numbered series and FFmpeg from reading "a:b.mp4" as an address.
            self._capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        try:
            first = self._open()
        except BaseException:
            self._capture.release()
            raise
        self.size_px = first.size_px
        self._waiting: Image | None = first

    def _open(self) -> Image:
        if not self._capture.isOpened():
            raise FormatError(f"video: {why_unplayable(self._path)}: {self._path}")
        width, height = (
            round(self._capture.get(which))
            for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width and height:  # else nothing was decodable, which is said below
            check_size("video", width, height, self._path)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self._file_fps = stated if 1 <= stated <= 1000 else _FALLBACK_FPS
        self.fps = min(self._file_fps, self._wanted_fps or math.inf)
        self._stretch = self._pixel_aspect()
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if 0 < count < 1e9:
            self.frame_count = max(1, round(count * self.fps / self._file_fps))
        first = self._decode()
        if first is None:
            raise FormatError(
                f"video: expected at least one frame, none can be decoded"
                f"{' (the file was cut off)' if self.truncated else ''}: {self._path}"
            )
        return first

    def _next(self, timeout_s: float) -> Image | None:  # noqa: ARG002  # a file never waits
        with self._lock:
            if self._closing.is_set():
                return None
            image, self._waiting = self._waiting, None
            image = image or self._decode()
            if image is None:
                self._finish()
            return image

    def _decode(self) -> Image | None:
        with quiet_opencv():
            while self._capture.grab():
                index, self._grabbed = self._grabbed, self._grabbed + 1
                timestamp_ns = self._timestamp_ns(index)
                if not self._due(timestamp_ns):
                    continue
                ok, frame = self._capture.retrieve()
                if not ok or frame is None:
                    return None
                if self._view is not None:
                    frame = self._view(index, frame)
                frame = self._square_pixels(rgb_from_bgr(frame))
                pixels = fit_inside(frame, *self._box)
                return Image(pixels=pixels, timestamp_ns=timestamp_ns, index=index)
        return None

    def _pixel_aspect(self) -> float:
        """Return width over height of one pixel as it is meant to be shown."""
        wide, high = (
            self._capture.get(which) for which in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN)
        )
        if not (wide > 0 and high > 0) or not 1 / _MOST_STRETCH <= wide / high <= _MOST_STRETCH:
            return 1.0
        sideways = round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90
        return float(high / wide if sideways else wide / high)

    def _square_pixels(self, frame: U8) -> U8:
        """Return the frame as it is shown: in camcorder formats a person is stored too thin."""
        if self._stretch == 1.0:
            return frame
        size = (max(1, round(frame.shape[1] * self._stretch)), frame.shape[0])
        return cast("U8", cv2.resize(frame, size, interpolation=cv2.INTER_AREA))

    def _timestamp_ns(self, index: int) -> int:
        milliseconds = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if not math.isfinite(milliseconds) or milliseconds < 0:
            milliseconds = 1000 * index / self._file_fps
        timestamp_ns = round(milliseconds * 1e6)
        if timestamp_ns <= self._last_ns:
            # A bare stream without times, or a broken file whose time stands still or steps back.
            timestamp_ns = self._last_ns + round(1e9 / self._file_fps)
        self._last_ns = timestamp_ns
        return timestamp_ns

    def _due(self, timestamp_ns: int) -> bool:
        if self._wanted_fps is None:
            return True
        # Half a millisecond of slack: containers that count in milliseconds round 1/30 s down.
        tick = math.floor((timestamp_ns * 1e-9 + 5e-4) * self._wanted_fps)
        due, self._last_tick = tick != self._last_tick, tick
        return due

    def _finish(self) -> None:
        self._ended = True
        if self.truncated:
            _log.warning(
                "video: the file was cut off; played the %d frames that are there: %s",
                self._grabbed,
                self._path,
            )

    def _release(self) -> None:
        with self._lock:
            self._capture.release()
