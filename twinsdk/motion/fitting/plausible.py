"""Bodies that trackers make of a hand or an arm: not to be shown as people."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.landmarks import ImageLandmarks
from twinsdk.core.observation import Observation
from twinsdk.motion.fitting.palms import palm_px
from twinsdk.motion.fitting.points import BODY

__all__ = ["Plausible"]

_SHOULDERS = [BODY["leftShoulder"], BODY["rightShoulder"]]
_HIPS = [BODY["leftHip"], BODY["rightHip"]]
_EARS = [BODY["leftEar"], BODY["rightEar"]]
_HANGING = 0.35  # cosine: a head hangs at most 20 degrees below level with the trunk upright
_PALM_M = 0.10  # wrist to knuckle
_LARGE = 1.1  # palms over what bodies are to have: of people seen whole 99 in 100 are below 0.96
_HIPS_SEEN = 0.8
_FRAMES = 8  # in a row that show face or hips: trackers find them in a fist now and then


class Plausible:
    """Says of one body after another whether it may be somebody's.

    A hand near the camera is larger than its body's distance lets it be, and so is one of which a
    tracker has made a whole body. Behind the first there is somebody who has shown face or hips.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody is known."""
        self._times = 0
        self._known = self._hand_alone = False

    def step(self, observation: Observation, points: Array, seen: Array) -> bool:
        """Return whether a body may be believed.

        Args:
            observation: That it is of.
            points: (33, 3) in space, metres.
            seen: (33,) in [0, 1].
        """
        hips = float(seen[_HIPS].mean()) > _HIPS_SEEN
        self._times = self._times + 1 if hips or observation.image_face is not None else 0
        self._known |= self._times >= _FRAMES
        if self._known:
            self._hand_alone = False
        elif observation.image_body is not None and (self._hand_alone or not hips):
            palm = _largest_palm(observation) / _pixels_a_metre(observation.image_body, points)
            if palm > 0:
                self._hand_alone = palm > _LARGE * _PALM_M
        return not self._hand_alone and _upright_in_itself(points)


def _largest_palm(observation: Observation) -> float:
    found = (observation.image_left_hand, observation.image_right_hand)
    sizes = palm_px(observation)
    return max((float(s) for s, hand in zip(sizes, found, strict=True) if hand), default=0.0)


def _pixels_a_metre(image: ImageLandmarks, points: Array) -> float:
    flat = image.uv * np.array(image.size_px)
    return float(np.sqrt(flat.var(0).sum() / max(points[:, :2].var(0).sum(), 1e-9))) or 1e-9


def _upright_in_itself(points: Array) -> bool:
    """Return whether the head is on the shoulders and not below, as in bodies seen in hands."""
    hips, shoulders = points[_HIPS].sum(0), points[_SHOULDERS].sum(0)
    trunk, neck = shoulders - hips, points[_EARS].sum(0) - shoulders
    return bool(trunk @ neck > -_HANGING * np.sqrt((trunk @ trunk) * (neck @ neck)))
