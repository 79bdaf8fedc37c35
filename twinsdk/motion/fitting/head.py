"""Head, neck and eyes.

The head turns as the best rotation of a rigid face onto the points seen. Of its turn against the
chest the neck takes two fifths, about the same axis. Source: Kabsch 1976.
"""

from __future__ import annotations

from math import atan, atan2
from statistics import median

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.expressions import expression
from twinsdk.core.landmarks import ImageLandmarks
from twinsdk.motion.fitting.points import FACE_MODEL, FACE_POINTS, HEAD_MODEL
from twinsdk.motion.vectors import turn_x

__all__ = [
    "NECK_SHARE",
    "NeutralFace",
    "face_rotation",
    "gaze_vectors",
    "head_rotation",
    "line_of_sight",
]

NECK_SHARE = 0.4
_EYE_YAW, _EYE_PITCH = np.radians(30.0), np.radians(22.0)
_LEVEL_EVERY_S, _LEVEL_SAMPLES, _LEVEL_FIRST, _LEVEL_EASE_S = 0.2, 100, 8, 1.0
_LEVEL_LIMIT = np.radians(12.0)
_GAZE = np.array(
    [
        [expression(f"eyeLook{way}{side}") for way in ("Down", "Up", "Out", "In")]
        for side in ("Left", "Right")
    ]
)


def head_rotation(points: Array, weights: Array) -> Array | None:
    """Return the world rotation (3, 3) of the head, or None when the points carry none.

    Args:
        points: (11, 3) metres, in the order of `HEAD_POINTS`.
        weights: (11,) how sure each is.
    """
    return _kabsch(HEAD_MODEL, points, weights)


def face_rotation(face: ImageLandmarks) -> Array | None:
    """Return the world rotation (3, 3) of the head from the 478 points with depth, or None.

    The picture is taken as a weak perspective: depth in the same unit as width.
    """
    width, height = face.size_px
    chosen = np.zeros((len(FACE_POINTS), 3))
    chosen[:, :2] = face.uv[FACE_POINTS] * (width, -height)
    chosen[:, 2] = face.depth[FACE_POINTS] * -width
    if not chosen[:, 2].any():  # a tracker without depth: no pose in it
        return None
    return _kabsch(FACE_MODEL, chosen, np.ones(len(FACE_POINTS)))


def line_of_sight(u: float, v: float, *, half_width: float, aspect: float) -> tuple[float, float]:
    """Return how far right and up of the camera's axis an image point lies, radians.

    What is judged by its looks, as trackers do, is judged against this line: a person beside the
    axis who seems to face the camera is turned towards it.

    Args:
        u: Fraction of the image's width.
        v: Fraction of the image's height, down.
        half_width: Tangent of half the horizontal field of view.
        aspect: Width over height.
    """
    return atan((2 * u - 1) * half_width), atan((1 - 2 * v) * half_width / aspect)


class NeutralFace:
    """Learns how a person holds their head, so that looking straight ahead is straight ahead.

    Faces differ from the model face, by some degrees in pitch most of all. The median pitch of many
    frames, within narrow bounds, is what is taken as level.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._pitches: list[float] = []
        self._since_s = np.inf
        self._offset = 0.0

    def level(self, rotation: Array, step_s: float) -> Array:
        """Return the head's world rotation (3, 3) with the person's own level taken out."""
        self._since_s += step_s
        if self._since_s >= _LEVEL_EVERY_S and rotation[2, 2] > 0.5:
            self._since_s = 0.0
            self._pitches.append(float(atan2(-rotation[1, 2], rotation[2, 2])))
            self._pitches = self._pitches[-_LEVEL_SAMPLES:]
        if len(self._pitches) >= _LEVEL_FIRST:
            goal = float(median(self._pitches))
            goal = min(max(goal, -_LEVEL_LIMIT), _LEVEL_LIMIT)
            self._offset += (goal - self._offset) * min(step_s / _LEVEL_EASE_S, 1.0)
        return rotation @ turn_x(-self._offset)


def gaze_vectors(expressions: Array) -> Array:
    """Return the rotation vectors (2, 3) of both eyes against the head, from eyeLook* weights."""
    down, up, outwards, inwards = expressions[_GAZE].T
    vectors = np.zeros((2, 3))
    vectors[:, 0] = (down - up) * _EYE_PITCH
    vectors[:, 1] = (outwards - inwards) * _EYE_YAW * (1.0, -1.0)
    return vectors


def _kabsch(model: Array, points: Array, weights: Array) -> Array | None:
    total = float(weights.sum())
    if total < 1e-6:
        return None
    w = (weights / total)[:, None]
    centred = points - (w * points).sum(0)
    covariance = (w * centred).T @ (model - (w * model).sum(0))
    u, singular, vt = np.linalg.svd(covariance)
    # Two spread directions fix a rotation; with one, any turn about it fits as well.
    if not singular[1] > 1e-3 * singular[0] or not singular[0] > 0:
        return None
    rotation: Array = u @ vt
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0:  # a mirror image
        u[:, 2] *= -1
        rotation = u @ vt
    return rotation
