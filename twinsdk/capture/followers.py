"""Followers: each keeps one hand or the face in its square from frame to frame.

A follower knows no tracker library: it is given a function that looks at a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from twinsdk.capture.regions import Square, cut, on_image, region_around
from twinsdk.core.arrays import F32, U8

__all__ = ["Follower", "Found", "LookAt"]


_VOTE_RATE = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A hand or a face as a model gives it.

    Attributes:
        points: (L, 3) fractions of the picture it saw, z in fractions of its width.
        world: (L, 3) metres in the model's axes; None for a face.
        label: "left" or "right", the model's opinion; "" for a face.
        expressions: The model's own weights (52,), or None.
        uv: (L, 2) on the whole picture; empty until a follower fills it.
        depth: (L,) in fractions of the whole picture's width; empty until then.
    """

    points: F32
    world: F32 | None = None
    label: str = ""
    expressions: F32 | None = None
    uv: F32 = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    depth: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


LookAt = Callable[[U8, int], list[Found]]
"""(picture, timestamp in ms) -> what is in it."""


class Follower:
    """Looks for one thing where it was last, or else where the caller expects it."""

    def __init__(self, look: LookAt, *, tile_px: int, margin: float, slack: float = 0.0) -> None:
        """Follow with `look`.

        Args:
            look: The model; it keeps its own track, so each follower needs its own.
            tile_px: Side of the picture it is shown.
            margin: Side of the square over the extent of the points.
            slack: How far the thing may drift from the square's centre, in fractions of its side,
                before the square moves.
        """
        self._look = look
        self._tile_px = tile_px
        self._margin = margin
        self._slack = slack
        self._square: Square | None = None
        self._tracking = False
        self._last_ms = -1
        self._vote = 0.0
        self.missed = 0

    @property
    def square(self) -> Square | None:
        """Where it looks next, None when it has lost the thing."""
        return self._square

    def find(self, pixels: U8, expected: Square | None, timestamp_ms: int) -> Found | None:
        """Return what is found in the last square, else in `expected`, on the whole picture."""
        size_px = (pixels.shape[1], pixels.shape[0])
        found = None
        for square in (self._square, expected):
            if square is None:
                continue
            found = self._look_in(pixels, square, size_px, timestamp_ms)
            if found is not None:
                break
        self._tracking = found is not None
        if found is None:
            self._square = None
            self._vote = 0.0
            self.missed += 1
            return None
        self._square = self._next_square(found.uv, size_px)
        self.missed = 0
        return self._voted(found)

    def adopt(self, uv: F32, size_px: tuple[int, int]) -> None:
        """Look next around `uv` (L, 2), where something else has found the thing."""
        self._square = region_around(uv, size_px, self._margin)
        self._tracking = False
        self.missed = 0

    def forget(self) -> None:
        """Lose the thing, for instance because another follower has it."""
        self._square = None
        self._tracking = False
        self._vote = 0.0
        self.missed += 1

    def _voted(self, found: Found) -> Found:
        # A hand seen edge-on is called now left, now right: the label is a running majority.
        if not found.label:
            return found
        self._vote += _VOTE_RATE * ((1.0 if found.label == "left" else -1.0) - self._vote)
        return replace(found, label="left" if self._vote > 0 else "right")

    def _look_in(
        self, pixels: U8, square: Square, size_px: tuple[int, int], timestamp_ms: int
    ) -> Found | None:
        tile = cut(pixels, square, self._tile_px)
        # The model first looks where it saw the thing last; in another square that is the wrong
        # place, and only a second look searches the whole of it.
        for _ in range(2 if self._tracking else 1):
            self._last_ms = max(timestamp_ms, self._last_ms + 1)
            seen = self._look(tile, self._last_ms)
            self._tracking = False
            if seen:
                best = min(seen, key=lambda f: float(np.abs(f.points[:, :2].mean(0) - 0.5).max()))
                uv, depth = on_image(best.points, square, size_px)
                return replace(best, uv=uv, depth=depth)
        return None

    def _next_square(self, uv: F32, size_px: tuple[int, int]) -> Square:
        wanted = region_around(uv, size_px, self._margin)
        now = self._square
        if now is None:
            return wanted
        drift = max(abs(wanted.x - now.x), abs(wanted.y - now.y)) / now.side
        growth = wanted.side / now.side
        if drift <= self._slack and abs(growth - 1) <= 2 * self._slack:
            return now
        # A hand closing must not shrink the square at once: sizes change slowly.
        return Square(x=wanted.x, y=wanted.y, side=now.side + 0.3 * (wanted.side - now.side))
