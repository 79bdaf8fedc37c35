"""Camera: where a picture is taken from, and which ray belongs to which pixel.

Pixel (column 0, row 0) is the top left one. Seen from the front (the camera looks along -Z) the
person's left, +X, is on the right of the picture; nothing is mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinsdk.core.arrays import F32, as_f32
from twinsdk.errors import ShapeError, ValueRangeError

__all__ = ["Camera"]

Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera.

    Attributes:
        position: Metres, world.
        target: The point in the middle of the picture, metres, world.
        up: The direction that is up in the picture.
        fov_deg: Vertical angle of view, degrees, in (0, 170].

    Raises:
        ValueRangeError: Position and target coincide, `up` lies along the view, or fov is out of
            range.
    """

    position: Vector = (0.0, 1.0, 4.0)
    target: Vector = (0.0, 1.0, 0.0)
    up: Vector = (0.0, 1.0, 0.0)
    fov_deg: float = 30.0

    def __post_init__(self) -> None:
        for name in ("position", "target", "up"):
            value = as_f32(name, getattr(self, name), (3,))
            object.__setattr__(self, name, tuple(float(x) for x in value))
        if not 0 < self.fov_deg <= 170:
            raise ValueRangeError(f"fov_deg: expected degrees in (0, 170], got {self.fov_deg}")
        view = np.subtract(self.target, self.position)
        if np.linalg.norm(view) < 1e-6:
            raise ValueRangeError("target: expected another point than the camera's position")
        if np.linalg.norm(np.cross(view, self.up)) < 1e-6 * np.linalg.norm(view):
            raise ValueRangeError("up: expected a direction that is not the direction of view")

    def axes(self) -> F32:
        """Return the rows right, up, forward (3, 3): unit, in the world."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, self.up)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward]).astype(np.float32)

    def directions(self, pixels: F32, size_px: tuple[int, int]) -> F32:
        """Return ray directions (..., 3), depth 1 along the view, through `pixels`.

        Args:
            pixels: (..., 2) column and row; the middle of the top left pixel is (0.5, 0.5).
            size_px: Width and height of the picture.
        """
        width, height = size_px
        half = np.float32(np.tan(np.radians(self.fov_deg) / 2))
        across = (pixels[..., :1] * np.float32(2 / width) - 1) * (half * width / height)
        upward = (1 - pixels[..., 1:] * np.float32(2 / height)) * half
        right, up, forward = self.axes()
        out: F32 = (across * right + upward * up + forward).astype(np.float32, copy=False)
        return out

    def project(self, points: npt.ArrayLike, size_px: tuple[int, int]) -> F32:
        """Return column, row (pixels) and depth (metres along the view) of world points (..., 3).

        Points at or behind the camera have a depth <= 0 and no meaningful column and row.
        """
        width, height = size_px
        local = (
            np.asarray(points, np.float32) - np.array(self.position, np.float32)
        ) @ self.axes().T
        depth = local[..., 2]
        scale = (
            height / (2 * np.tan(np.radians(self.fov_deg) / 2)) / np.where(depth > 1e-6, depth, 1)
        )
        columns = width / 2 + local[..., 0] * scale
        rows = height / 2 - local[..., 1] * scale
        return np.stack([columns, rows, depth], axis=-1).astype(np.float32)

    @classmethod
    def framing(
        cls,
        points: npt.ArrayLike,
        margin: float = 1.12,
        *,
        yaw_deg: float = 0.0,
        pitch_deg: float = 4.0,
        fov_deg: float = 26.0,
        aspect: float = 4 / 3,
    ) -> Camera:
        """Return the camera from which all `points` just fit into the picture.

        Args:
            points: (P, 3) metres, world, at least one.
            margin: How much larger than the points the view is; 1 touches the edges.
            yaw_deg: 0 looks at the front (-Z), 90 at the person's left side, 180 at the back.
            pitch_deg: How far the camera looks down.
            fov_deg: Vertical angle of view.
            aspect: Width over height of the picture.

        Raises:
            ShapeError: There is no point.
        """
        cloud = as_f32("points", points, ("P", 3)).astype(np.float64)
        if len(cloud) == 0:
            raise ShapeError("points: expected at least one, got none")
        yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
        away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
        up = np.cross(away, right)
        centre = (cloud.min(0) + cloud.max(0)) / 2
        local = (cloud - centre) @ np.stack([right, up, away]).T
        half = np.tan(np.radians(fov_deg) / 2)
        wanted = [
            np.abs(local[:, 0]) * margin / (half * aspect) + local[:, 2],
            np.abs(local[:, 1]) * margin / half + local[:, 2],
        ]
        distance = max(float(np.max(wanted)), 0.05)
        position = centre + away * distance
        return cls(position=_tuple(position), target=_tuple(centre), up=_tuple(up), fov_deg=fov_deg)

    @classmethod
    def front(cls, points: npt.ArrayLike, *, aspect: float = 4 / 3) -> Camera:
        """Return a camera on the whole of `points` (P, 3) from the front."""
        return cls.framing(points, aspect=aspect)

    @classmethod
    def side(cls, points: npt.ArrayLike, *, aspect: float = 4 / 3) -> Camera:
        """Return a camera on the whole of `points` (P, 3) from the person's left."""
        return cls.framing(points, yaw_deg=90.0, aspect=aspect)

    @classmethod
    def face(cls, points: npt.ArrayLike, *, yaw_deg: float = 0.0, aspect: float = 4 / 3) -> Camera:
        """Return a close-up of the head of a standing person.

        Args:
            points: (P, 3) vertices of the whole person; the head is taken to be the top eighth
                of the height (the adult canon), or give the head's vertices alone.
            yaw_deg: 0 is from the front, 90 from the person's left.
            aspect: Width over height of the picture.

        Raises:
            ShapeError: There is no point.
        """
        cloud = as_f32("points", points, ("P", 3))
        if len(cloud) == 0:
            raise ShapeError("points: expected at least one, got none")
        top, bottom = float(cloud[:, 1].max()), float(cloud[:, 1].min())
        head = cloud[cloud[:, 1] >= top - (top - bottom) / 7.5]
        middle = np.median(head, axis=0)
        radius = (top - bottom) / 9
        near = head[np.abs(head[:, 0] - middle[0]) < 1.5 * radius]
        return cls.framing(near, 1.25, yaw_deg=yaw_deg, pitch_deg=0.0, fov_deg=22.0, aspect=aspect)


def _tuple(vector: npt.NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in vector)
    return x, y, z
