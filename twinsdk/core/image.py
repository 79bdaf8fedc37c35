"""Image: one picture with the instant it was taken."""

from __future__ import annotations

from dataclasses import dataclass

from twinsdk.core.arrays import U8
from twinsdk.errors import ShapeError

__all__ = ["Image"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """One frame of a source.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, row 0 at the top, never mirrored.
        timestamp_ns: When it was taken: monotonic for cameras, media time for files.
        index: Count of frames the source produced before it, those dropped included.
        views: The same instant by further cameras; None where one has no picture of it.
    """

    pixels: U8
    timestamp_ns: int
    index: int
    views: tuple[Image | None, ...] = ()

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != "uint8" or len(shape) != 3 or shape[2] != 3:
            raise ShapeError(f"pixels: expected (H, W, 3) uint8, got {shape} {self.pixels.dtype}")

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])
