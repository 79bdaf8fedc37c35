"""Landmarks: named points a tracker saw, in metres or on the image, each with its visibility."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core.arrays import F32, as_f32
from twinsdk.errors import LandmarkError, ShapeError

__all__ = ["BODY_NAMES", "FACE_NAMES", "HAND_NAMES", "ImageLandmarks", "Landmarks"]

# The 33 body points of BlazePose GHUM, MediaPipe's order, our spelling.
BODY_NAMES: tuple[str, ...] = (
    "nose",
    "leftEyeInner",
    "leftEye",
    "leftEyeOuter",
    "rightEyeInner",
    "rightEye",
    "rightEyeOuter",
    "leftEar",
    "rightEar",
    "mouthLeft",
    "mouthRight",
    "leftShoulder",
    "rightShoulder",
    "leftElbow",
    "rightElbow",
    "leftWrist",
    "rightWrist",
    "leftPinky",
    "rightPinky",
    "leftIndex",
    "rightIndex",
    "leftThumb",
    "rightThumb",
    "leftHip",
    "rightHip",
    "leftKnee",
    "rightKnee",
    "leftAnkle",
    "rightAnkle",
    "leftHeel",
    "rightHeel",
    "leftFootIndex",
    "rightFootIndex",
)

# The 21 points of a hand: wrist, then four a finger from palm to tip.
HAND_NAMES: tuple[str, ...] = (
    "wrist",
    *(f"thumb{part}" for part in ("Cmc", "Mcp", "Ip", "Tip")),
    *(
        f"{finger}{part}"
        for finger in ("index", "middle", "ring", "little")
        for part in ("Mcp", "Pip", "Dip", "Tip")
    ),
)

# The 478 points of MediaPipe's face mesh with irises: 468 mesh, 5 + 5 iris.
FACE_NAMES: tuple[str, ...] = tuple(f"face{i}" for i in range(478))


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """Points in space.

    Attributes:
        names: L names.
        positions: (L, 3) metres, our axes turned so that +Z points at the camera; body: origin
            between the hips; hand: origin the hand's centre.
        visibility: (L,) in [0, 1]: how sure the tracker is that the point is seen.
    """

    names: tuple[str, ...]
    positions: F32
    visibility: F32

    def __post_init__(self) -> None:
        count = len(self.names)
        set_ = object.__setattr__
        set_(self, "positions", as_f32("positions", self.positions, (count, 3)))
        set_(self, "visibility", _visibility(self.visibility, count))

    def index(self, name: str) -> int:
        """Return the index of the point called `name`."""
        return _index(self.names, name)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageLandmarks:
    """Points on the image; another type than Landmarks so that the two cannot be mixed up.

    Attributes:
        names: L names.
        uv: (L, 2) fractions of image width and height, +v down; may leave [0, 1].
        size_px: (width, height) of the image.
        visibility: (L,) in [0, 1]; ones where the tracker gives none.
        depth: (L,) in fractions of the image width, away from the camera, of no fixed origin;
            zeros where the tracker gives none.
    """

    names: tuple[str, ...]
    uv: F32
    size_px: tuple[int, int]
    visibility: F32 = field(default=None)  # type: ignore[arg-type]  # filled below
    depth: F32 = field(default=None)  # type: ignore[arg-type]  # filled below

    def __post_init__(self) -> None:
        count = len(self.names)
        width, height = self.size_px
        if width < 1 or height < 1:
            raise ShapeError(f"size_px: expected at least 1 x 1, got {width} x {height}")
        given = np.ones(count) if self.visibility is None else self.visibility
        depth = np.zeros(count) if self.depth is None else self.depth
        set_ = object.__setattr__
        set_(self, "uv", as_f32("uv", self.uv, (count, 2)))
        set_(self, "visibility", _visibility(given, count))
        set_(self, "depth", as_f32("depth", depth, (count,)))

    def index(self, name: str) -> int:
        """Return the index of the point called `name`."""
        return _index(self.names, name)

    def pixels(self) -> F32:
        """Return the points in pixels (L, 2)."""
        pixels: F32 = self.uv * np.asarray(self.size_px, np.float32)
        return pixels

    def inside(self) -> F32:
        """Return (L,) 1 where the point lies within the image, else 0."""
        return np.asarray(((self.uv >= 0) & (self.uv <= 1)).all(-1), np.float32)


def _visibility(value: F32, count: int) -> F32:
    clipped: F32 = np.clip(as_f32("visibility", value, (count,)), 0, 1)
    return clipped


def _index(names: tuple[str, ...], name: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise LandmarkError(f"no landmark {name!r}; there are {list(names)[:40]}") from None
