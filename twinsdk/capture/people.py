"""How many people a picture shows: the tracker follows one and does not tell of the others."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from twinsdk.capture.mediapipe_models import BodyFinder
from twinsdk.capture.models import resolve_models
from twinsdk.capture.quiet import quiet_native
from twinsdk.core.arrays import U8, Array

__all__ = ["PeopleCounter"]

_MOST = 2
_NOSE, _SHOULDERS, _HIPS = 0, (11, 12), (23, 24)


class PeopleCounter:
    """Counts people in single pictures, to two: enough to know that there is not one alone.

    Raises:
        ModelMissingError: The models are not here and cannot be fetched.
    """

    def __init__(self) -> None:
        from mediapipe.tasks.python import BaseOptions, vision

        paths = resolve_models(None, fetch=True, pose="full")
        with quiet_native():
            self._bodies = BodyFinder(paths, 0.6, people=_MOST)
            self._faces = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(paths.face)),
                    num_faces=_MOST,
                    min_face_detection_confidence=0.6,
                )
            )

    def close(self) -> None:
        """Free the models."""
        self._bodies.close()
        self._faces.close()

    def count(self, pixels: U8) -> int:
        """Return how many people are in a picture (H, W, 3) RGB, at most 2."""
        import mediapipe as mp

        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        with quiet_native():
            bodies = self._bodies(pixels)
            faces = self._faces.detect(image).face_landmarks
        size = np.array([pixels.shape[1], pixels.shape[0]])
        found = [_frame(b.points[[_NOSE, *_SHOULDERS, *_HIPS], :2] * size) for b in bodies]
        seen = [_frame(_points(face) * size) for face in faces]
        return max(_apart(found), _apart(seen))


def _points(landmarks: object) -> Array:
    return np.array([(p.x, p.y) for p in landmarks])  # type: ignore[attr-defined]


def _frame(points: Array) -> Array:
    """Return the middle and the extent (2, 2) of points."""
    return np.stack([points.mean(0), np.ptp(points, axis=0)])


def _apart(frames: list[Array]) -> int:
    """Return 2 where two frames do not lie on one another: one person is at times found twice."""
    for a, b in combinations(frames, 2):
        if np.linalg.norm(a[0] - b[0]) > 0.5 * max(np.linalg.norm(a[1]), np.linalg.norm(b[1])):
            return _MOST
    return min(len(frames), 1)
