"""MediaPipe's landmarkers as plain functions: a picture in, arrays out; the only door to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.capture.followers import Found
from twinsdk.capture.models import ModelPaths
from twinsdk.capture.quiet import quiet_native
from twinsdk.core.arrays import F32, U8
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES

__all__ = ["BodyFinder", "BodyModel", "FaceModel", "FoundBody", "HandModel"]

_NAMES = {name: i for i, name in enumerate(EXPRESSION_NAMES)}


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundBody:
    """A body as the model gives it.

    Attributes:
        points: (33, 3) fractions of the picture, z in fractions of its width from the hips on.
        world: (33, 3) metres in MediaPipe's axes, origin mid-hip.
        visibility: (33,) in [0, 1].
    """

    points: F32
    world: F32
    visibility: F32


class BodyModel:
    """PoseLandmarker in video mode: one person, followed and smoothed by MediaPipe."""

    def __init__(
        self, paths: ModelPaths, detection: float, presence: float, tracking: float
    ) -> None:
        from mediapipe.tasks.python import vision

        self._task = vision.PoseLandmarker.create_from_options(
            vision.PoseLandmarkerOptions(
                base_options=_base(paths.pose),
                running_mode=vision.RunningMode.VIDEO,
                min_pose_detection_confidence=detection,
                min_pose_presence_confidence=presence,
                min_tracking_confidence=tracking,
            )
        )

    def __call__(self, pixels: U8, timestamp_ms: int) -> FoundBody | None:
        """Return the body in a picture; timestamps must rise."""
        found = _bodies(self._task.detect_for_video(_image(pixels), timestamp_ms))
        return found[0] if found else None

    def close(self) -> None:
        """Free the model."""
        _free(self._task)


class BodyFinder:
    """PoseLandmarker in image mode: everybody in a picture, none followed."""

    def __init__(self, paths: ModelPaths, detection: float, *, people: int) -> None:
        from mediapipe.tasks.python import vision

        self._task = vision.PoseLandmarker.create_from_options(
            vision.PoseLandmarkerOptions(
                base_options=_base(paths.pose),
                num_poses=people,
                min_pose_detection_confidence=detection,
            )
        )

    def __call__(self, pixels: U8) -> list[FoundBody]:
        """Return the bodies in a picture; one person is at times found twice."""
        return _bodies(self._task.detect(_image(pixels)))

    def close(self) -> None:
        """Free the model."""
        _free(self._task)


class HandModel:
    """HandLandmarker: one hand followed from picture to picture, or several in any picture."""

    def __init__(
        self,
        paths: ModelPaths,
        detection: float,
        presence: float,
        tracking: float,
        *,
        hands: int = 1,
    ) -> None:
        from mediapipe.tasks.python import vision

        self._video = hands == 1
        mode = vision.RunningMode.VIDEO if self._video else vision.RunningMode.IMAGE
        self._task = vision.HandLandmarker.create_from_options(
            vision.HandLandmarkerOptions(
                base_options=_base(paths.hand),
                running_mode=mode,
                num_hands=hands,
                min_hand_detection_confidence=detection,
                min_hand_presence_confidence=presence,
                min_tracking_confidence=tracking,
            )
        )

    def __call__(self, pixels: U8, timestamp_ms: int) -> list[Found]:
        """Return the hands in a picture; timestamps must rise where one hand is followed."""
        image = _image(pixels)
        if self._video:
            result = self._task.detect_for_video(image, timestamp_ms)
        else:
            result = self._task.detect(image)
        return [
            Found(points=_xyz(points), world=_xyz(world), label=label[0].category_name.lower())
            for points, world, label in zip(
                result.hand_landmarks, result.hand_world_landmarks, result.handedness, strict=True
            )
        ]

    def close(self) -> None:
        """Free the model."""
        _free(self._task)


class FaceModel:
    """FaceLandmarker, each picture by itself: 478 points, and 52 expressions where it has them.

    In video mode MediaPipe finds the face where its last points were, and smooths the points; both
    blur what a face does.
    """

    def __init__(self, paths: ModelPaths, detection: float, presence: float) -> None:
        from mediapipe.tasks.python import vision

        self._task = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=_base(paths.face),
                min_face_detection_confidence=detection,
                min_face_presence_confidence=presence,
                output_face_blendshapes=paths.blendshapes,
            )
        )

    def __call__(self, pixels: U8, timestamp_ms: int) -> list[Found]:
        """Return the face in a picture, whenever it was taken."""
        del timestamp_ms
        result = self._task.detect(_image(pixels))
        weights = [_weights(shapes) for shapes in result.face_blendshapes or []]
        return [
            Found(points=_xyz(points), expressions=weights[i] if i < len(weights) else None)
            for i, points in enumerate(result.face_landmarks)
        ]

    def close(self) -> None:
        """Free the model."""
        _free(self._task)


def _free(task: Any) -> None:
    with quiet_native():  # models say that they go
        task.close()


def _base(path: Any) -> Any:
    from mediapipe.tasks.python import BaseOptions

    return BaseOptions(model_asset_path=str(path))


def _image(pixels: U8) -> Any:
    import mediapipe

    return mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
    )


def _bodies(result: Any) -> list[FoundBody]:
    return [
        FoundBody(
            points=_xyz(points),
            world=_xyz(world),
            visibility=np.array([p.visibility or 0.0 for p in points], np.float32),
        )
        for points, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
    ]


def _xyz(points: Any) -> F32:
    return np.array([(p.x, p.y, p.z) for p in points], np.float32)


def _weights(shapes: Any) -> F32:
    # MediaPipe's 52 are `_neutral` and 51 of ARKit's; it has no tongueOut, which stays 0.
    out = np.zeros(EXPRESSION_COUNT, np.float32)
    for shape in shapes:
        if shape.category_name in _NAMES:
            out[_NAMES[shape.category_name]] = shape.score
    return out
