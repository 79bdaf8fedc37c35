"""OpenCV kept quiet, and the few picture operations that every source shares."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import cv2
import numpy as np

from twinsdk.core.arrays import U8, Array
from twinsdk.errors import FormatError

__all__ = [
    "MAX_SIDE_PX",
    "MIN_SIDE_PX",
    "check_size",
    "fit_inside",
    "quiet_ffmpeg",
    "quiet_opencv",
    "rgb_from_bgr",
]

MIN_SIDE_PX = 16
"""Below this no tracker can find a person; such files are icons or damaged."""

MAX_SIDE_PX = 8192
"""8K film is 8192 px wide; a larger header would make one frame take over 200 MB."""

_FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_QUIET = "-8"  # AV_LOG_QUIET

_quiet_lock = threading.Lock()
_quiet_depth = 0
_level_before = 0
_ffmpeg_told = False


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from writing to stderr; our errors say what is wrong.

    The level is a global of the process, so nested and parallel uses are counted and the
    level found by the first is put back by the last.
    """
    global _quiet_depth, _level_before  # noqa: PLW0603  # the level they guard is global too
    logging = cv2.utils.logging
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _level_before = int(logging.getLogLevel())
            logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                logging.setLogLevel(_level_before)


@contextmanager
def quiet_ffmpeg() -> Iterator[None]:
    """Keep OpenCV's FFmpeg from writing to stderr, where this is the first use of it.

    OpenCV reads the level from the environment once, when the first video of the process is
    opened; so the variable is set for that moment alone. A level chosen by the user stands.
    """
    global _ffmpeg_told  # what it remembers is once per process too
    with _quiet_lock:
        first, _ffmpeg_told = not _ffmpeg_told, True
    if not first or _FFMPEG_LEVEL in os.environ:
        yield
        return
    os.environ[_FFMPEG_LEVEL] = _QUIET
    try:
        yield
    finally:
        os.environ.pop(_FFMPEG_LEVEL, None)


def check_size(what: str, width: int, height: int, path: object) -> None:
    """Refuse pictures too small to hold a person or too large to be meant.

    Raises:
        FormatError: A side is below 16 px or above 8192 px.
    """
    if min(width, height) < MIN_SIDE_PX:
        raise FormatError(
            f"{what}: expected at least {MIN_SIDE_PX}x{MIN_SIDE_PX} px, "
            f"got {width}x{height} px, too small to show a person: {path}"
        )
    if max(width, height) > MAX_SIDE_PX:
        raise FormatError(
            f"{what}: expected at most {MAX_SIDE_PX} px a side, "
            f"got {width}x{height} px; scale it down first: {path}"
        )


def fit_inside(pixels: U8, width: int | None, height: int | None) -> U8:
    """Return `pixels` scaled down to fit the box, proportions kept; never enlarged."""
    rows, columns = pixels.shape[:2]
    scale = min(1.0, (width or columns) / columns, (height or rows) / rows)
    if scale == 1.0:
        return pixels
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    # INTER_AREA averages: a scaled-down edge does not flicker from frame to frame.
    return cast("U8", cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def rgb_from_bgr(frame: Array) -> U8:
    """Return an OpenCV frame, (H, W, 3) BGR or (H, W) grey uint8, as (H, W, 3) RGB."""
    grey = frame.ndim == 2 or frame.shape[2] == 1
    code: Any = cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB
    return cast("U8", cv2.cvtColor(np.asarray(frame), code))
