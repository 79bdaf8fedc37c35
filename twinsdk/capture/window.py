"""A window that follows one person through a clip, from a small table."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from twinsdk.core.arrays import U8

__all__ = ["FollowingWindow"]

_WINDOW_PX = 512
_OUTPUT_PX = 640
_SMOOTHING_FRAMES = 9

# (frame, x, y): centre of the man in the 1768x994 picture, read off the frames. He does jumping
# jacks on a roof up to frame 100 (the window stands still there, so that his jumps stay jumps),
# turns, leaps off with a somersault at 166-190, lands, and walks off behind a tree at 226. The
# woman who crosses the lawn below is never nearer than the window's edge.
_CENTRES = (
    (0, 645, 256),
    (100, 645, 256),
    (112, 680, 256),
    (128, 740, 256),
    (142, 785, 256),
    (158, 815, 270),
    (166, 865, 300),
    (170, 887, 262),
    (174, 890, 256),
    (178, 940, 260),
    (182, 1030, 358),
    (186, 1055, 537),
    (190, 1070, 690),
    (194, 1105, 738),
    (202, 1168, 738),
    (206, 1211, 738),
    (210, 1260, 738),
    (214, 1340, 726),
    (218, 1410, 726),
    (222, 1468, 726),
    (226, 1512, 714),
    (229, 1512, 714),
)


class FollowingWindow:
    """A square window that follows table points through a clip and is scaled to one size.

    Each frame depends on its index alone, so a clip can be read from anywhere.
    """

    def __init__(
        self,
        centres: tuple[tuple[int, int, int], ...] = _CENTRES,
        *,
        window_px: int = _WINDOW_PX,
        output_px: int = _OUTPUT_PX,
    ) -> None:
        """Interpolate the table and smooth its corners.

        Args:
            centres: (frame, x, y) in pixels, frames increasing.
            window_px: Side of the window in the clip.
            output_px: Side of what is delivered.
        """
        knots = np.asarray(centres, np.float64)
        half = _SMOOTHING_FRAMES // 2
        frames = np.arange(knots[0, 0] - half, knots[-1, 0] + half + 1)
        mean = np.full(_SMOOTHING_FRAMES, 1 / _SMOOTHING_FRAMES)
        self._path = np.stack(
            [
                np.convolve(np.interp(frames, knots[:, 0], knots[:, axis]), mean, mode="valid")
                for axis in (1, 2)
            ],
            axis=-1,
        )
        self._window, self._output = window_px, output_px

    def corner(self, index: int, width: int, height: int) -> tuple[int, int]:
        """Return (x, y) of the window's upper left in a picture of that size, kept inside."""
        centre = self._path[min(max(index, 0), len(self._path) - 1)]
        x, y = np.rint(centre - self._window / 2).astype(int)
        return int(np.clip(x, 0, width - self._window)), int(np.clip(y, 0, height - self._window))

    def __call__(self, index: int, frame: U8) -> U8:
        """Return the window of `frame`, enlarged; (output, output, 3)."""
        x, y = self.corner(index, frame.shape[1], frame.shape[0])
        part = frame[y : y + self._window, x : x + self._window]
        size = (self._output, self._output)
        return cast("U8", cv2.resize(part, size, interpolation=cv2.INTER_LINEAR))
