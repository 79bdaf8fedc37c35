"""CameraRig: calibrated cameras, their file, and points in space from what several of them see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F64, Array
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.errors import FormatError, ValueRangeError

__all__ = ["CameraRig", "Lens", "Placed"]

_VERSION = 1
_MOST_CAMERAS = 8


@dataclass(frozen=True, kw_only=True)
class Lens:
    """How a camera's pixels see directions: a pinhole with Brown's distortion.

    Attributes:
        size_px: (width, height) it was calibrated at; other sizes of that shape are scaled to.
        focal_px: Across and down.
        centre_px: Where the line of sight meets the picture.
        distortion: k1, k2, p1, p2, k3.

    Source: Brown 1966; Zhang 2000, as OpenCV has them.
    """

    size_px: tuple[int, int]
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        numbers = [*self.size_px, *self.focal_px, *self.centre_px, *self.distortion]
        if not np.isfinite(numbers).all() or min(*self.size_px, *self.focal_px) <= 0:
            raise ValueRangeError(f"lens: expected finite numbers, sizes above 0, got {numbers}")

    @property
    def matrix(self) -> F64:
        """The camera matrix (3, 3)."""
        (fx, fy), (cx, cy) = self.focal_px, self.centre_px
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])

    @property
    def fov_deg(self) -> float:
        """Angle of view across the picture."""
        return float(np.degrees(2 * np.arctan(self.size_px[0] / (2 * self.focal_px[0]))))

    def directions(self, uv: Array) -> F64:
        """Return x / z and y / z (..., 2) of picture places (..., 2) in fractions, +y down."""
        import cv2

        pixels = np.asarray(uv, np.float64) * np.asarray(self.size_px, np.float64)
        flat = cv2.undistortPoints(pixels.reshape(-1, 1, 2), self.matrix, np.array(self.distortion))
        return np.asarray(flat.reshape(pixels.shape), np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """A camera and where it stands.

    Attributes:
        lens: See `Lens`.
        rotation: (3, 3), translation: (3,): camera_from_first, OpenCV's axes (x right, y down, z
            away), metres; the first camera's are identity and zero.
        error_px: Root mean square of the calibration's reprojection.
    """

    lens: Lens
    rotation: F64
    translation: F64
    error_px: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraRig:
    """One or several calibrated cameras, in the order in which they are opened."""

    cameras: tuple[Placed, ...]

    def triangulate(self, uv: Array, weights: Array) -> tuple[F64, F64]:
        """Return points (L, 3) in the first camera's axes, metres, and their misfit (L,).

        A point that fewer than two cameras see, or that lies behind one, is NaN. The misfit is the
        largest angle between a sight and the point, radians.

        Args:
            uv: (C, L, 2) fractions of each picture.
            weights: (C, L) 0 where a camera does not see the point.

        Source: Hartley and Zisserman 2004, 12.2: the linear method, each sight by its weight.
        """
        sights = np.stack([c.lens.directions(p) for c, p in zip(self.cameras, uv, strict=True)])
        turns = np.stack([camera.rotation for camera in self.cameras])
        shifts = np.stack([camera.translation for camera in self.cameras])
        # x = (R0 p + t0) / (R2 p + t2), and likewise y: two rows for each sight.
        rows = sights[..., None] * turns[:, None, 2:3] - turns[:, None, :2]
        wanted = shifts[:, None, :2] - sights * shifts[:, None, 2:3]
        w = np.asarray(weights, np.float64)[..., None]
        a = np.einsum("clij,clik->ljk", rows * w[..., None], rows * w[..., None])
        b = np.einsum("clij,cli->lj", rows * w[..., None], wanted * w)
        seen = (np.asarray(weights) > 0).sum(0) >= 2
        a[~seen] = np.eye(3)
        points = np.linalg.solve(a, b[..., None])[..., 0]
        local = np.einsum("cij,lj->cli", turns, points) + shifts[:, None]
        ahead = np.where(np.asarray(weights) > 0, local[..., 2], 1.0).min(0) > 0
        true = local / np.maximum(np.linalg.norm(local, axis=-1, keepdims=True), 1e-9)
        given = np.concatenate([sights, np.ones((*sights.shape[:2], 1))], -1)
        given /= np.linalg.norm(given, axis=-1, keepdims=True)
        off = np.arccos(np.clip((true * given).sum(-1), -1, 1))
        misfit = np.where(np.asarray(weights) > 0, off, 0.0).max(0)
        points[~(seen & ahead)] = np.nan
        return points, misfit

    def save(self, path: str | Path) -> None:
        """Write the rig as JSON.

        Raises:
            OutputError: It cannot be written.
        """
        cameras = [
            {
                **asdict(camera.lens),
                "rotation": camera.rotation.tolist(),
                "translation": camera.translation.tolist(),
                "error_px": camera.error_px,
            }
            for camera in self.cameras
        ]
        text = json.dumps({"version": _VERSION, "cameras": cameras}, indent=2) + "\n"
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> CameraRig:
        """Return the rig of a file.

        Raises:
            FileMissingError, FormatError: No such file, or it is no camera rig.
        """
        file = existing_file(path, what="calibration")
        try:
            return CameraRig(cameras=_cameras(json.loads(file.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise FormatError(
                f"calibration: expected what twin-capture --calibrate writes, got another file "
                f"({type(error).__name__}: {error}): {file}"
            ) from error


def _cameras(table: Mapping[str, Any]) -> tuple[Placed, ...]:
    entries = table["cameras"]
    if table["version"] != _VERSION or not 1 <= len(entries) <= _MOST_CAMERAS:
        raise ValueError(f"expected version {_VERSION} and 1 to {_MOST_CAMERAS} cameras")
    return tuple(_camera(entry) for entry in entries)


def _camera(entry: Mapping[str, Any]) -> Placed:
    def numbers(name: str, shape: Sequence[int]) -> F64:
        value = np.asarray(entry[name], np.float64)
        if value.shape != tuple(shape) or not np.isfinite(value).all():
            raise ValueError(f"{name}: expected finite numbers {tuple(shape)}, got {value.shape}")
        return value

    rotation = numbers("rotation", (3, 3))
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
        raise ValueError("rotation: expected a rotation matrix")
    width, height = numbers("size_px", (2,)).astype(int)
    fx, fy = numbers("focal_px", (2,))
    cx, cy = numbers("centre_px", (2,))
    k1, k2, p1, p2, k3 = numbers("distortion", (5,))
    return Placed(
        lens=Lens(
            size_px=(int(width), int(height)),
            focal_px=(float(fx), float(fy)),
            centre_px=(float(cx), float(cy)),
            distortion=(float(k1), float(k2), float(p1), float(p2), float(k3)),
        ),
        rotation=rotation,
        translation=numbers("translation", (3,)),
        error_px=float(entry.get("error_px", 0.0)),
    )
