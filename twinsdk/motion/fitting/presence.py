"""Which parts of a person are seen: visibility and in-frame, with hysteresis, fading in time."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.fitting.rest import GROUPS
from twinsdk.motion.vectors import smoothstep

__all__ = ["Presence", "group_confidence", "guessed_groups", "seen_points"]


def _pair(part: str) -> list[int]:
    return [BODY[f"left{part}"], BODY[f"right{part}"]]


_SHOULDERS, _HIPS = _pair("Shoulder"), _pair("Hip")
_ELBOWS, _WRISTS, _INDEXES, _PINKIES = (_pair(p) for p in ("Elbow", "Wrist", "Index", "Pinky"))
_KNEES, _ANKLES, _HEELS, _TOES = (_pair(p) for p in ("Knee", "Ankle", "Heel", "FootIndex"))
_FACE = [BODY[n] for n in ("nose", "leftEye", "rightEye", "leftEar", "rightEar")]
_HAND_SHOWS_ARM, _WRIST_SHOWS_ELBOW = 0.9, 0.9
_FACE_SHARE = np.full(len(_FACE), 1 / len(_FACE))


_ARMS, _LEGS = (
    np.array([name.endswith(parts) for name in GROUPS])
    for parts in (("Arm", "Forearm"), ("Thigh", "Shank", "Foot"))
)
_LEGS_TOLD = 0.3  # below, a desk may hide them, and trackers guess straight ones
_LEAST_SEEN = 0.1  # points without an image that are seen less are not told
_GUESSED = 0.02  # how surely at least a point is seen that is hidden within the image


def seen_points(observation: Observation) -> Array:
    """Return how surely each body point is seen (33,): visible and within the image.

    What is hidden within the image is guessed by the tracker, and above 0. Without an image nobody
    knows what is within it.
    """
    if observation.body is None:
        return np.zeros(len(BODY_NAMES))
    seen = observation.body.visibility.astype(np.float64)
    if observation.image_body is None:
        return np.where(seen > _LEAST_SEEN, seen, 0.0)
    guessed = np.where(seen > 0, np.maximum(seen, _GUESSED), 0.0)
    return np.asarray(guessed * observation.image_body.inside())


def guessed_groups(observation: Observation, points: Array) -> Array:
    """Return which limbs of `GROUPS` a tracker guesses well (16,), bool.

    Arms within the image are, however hidden; legs are where something of them is seen.

    Args:
        observation: Of this frame.
        points: (33,) of `seen_points`.
    """
    if observation.image_body is None:
        return np.zeros(len(GROUPS), bool)
    arms, legs = (
        group_confidence((points > least) * 1.0, np.zeros(2), face=False) > 0
        for least in (0.0, _LEGS_TOLD)
    )
    return np.asarray(_ARMS & arms | _LEGS & legs)


def group_confidence(points: Array, hands: Array, face: bool) -> Array:
    """Return how surely each of `GROUPS` is seen (16,), each no surer than what carries it.

    Args:
        points: (33,) visibility of the body points, 0 outside the image.
        hands: (2,) whether each hand's own points were found and believed.
        face: Whether the face's own points were found.
    """
    found = hands.astype(np.float64)
    torso = (points[_SHOULDERS[0]] + points[_SHOULDERS[1]]) / 2
    head = max(float(points[_FACE] @ _FACE_SHARE), float(face))
    # A hand found by its own tracker shows that the arm's end is there, and between a shoulder and
    # a wrist that are seen an elbow below the picture's edge has little freedom left.
    wrists = np.maximum(points[_WRISTS], _HAND_SHOWS_ARM * found)
    elbows = np.maximum(points[_ELBOWS], _WRIST_SHOWS_ELBOW * wrists)
    arm = np.minimum(points[_SHOULDERS], elbows)
    forearm = np.minimum(arm, wrists)
    knuckles = np.minimum(points[_INDEXES], points[_PINKIES])
    palm = np.minimum(forearm, np.maximum(knuckles, found))
    fingers = np.minimum(forearm, found)
    thigh = np.minimum(points[_HIPS], points[_KNEES])
    shank = np.minimum(thigh, points[_ANKLES])
    foot = np.minimum(shank, (points[_HEELS] + points[_TOES]) / 2)
    return np.concatenate([[torso, head], arm, forearm, palm, fingers, thigh, shank, foot])


class Presence:
    """Follows what is seen: on above one threshold, off below another, weights easing between.

    Attributes:
        seen: (16,) bool, which of `GROUPS` count as seen.
        shown: (16,) bool, those and the ones that are hidden within the picture: a tracker's guess
            of them is nearer than rest.
        fresh: (16,) bool, those whose points in this very frame may be believed.
        confidence: (16,) smoothed, in [0, 1].
    """

    def __init__(self, *, on: float, off: float, fade_in_s: float, fade_out_s: float) -> None:
        self._on, self._off = on, off
        self._fade_in_s, self._fade_out_s = fade_in_s, fade_out_s
        self.reset()

    def reset(self) -> None:
        """Nothing is seen."""
        self.seen = self.shown = self.fresh = np.zeros(len(GROUPS), bool)
        self.confidence = np.zeros(len(GROUPS))
        self._linear = np.zeros(len(GROUPS))

    def start(self, confidence: Array, guessed: Array) -> None:
        """Begin with what is seen at once, without fading in."""
        self.confidence = confidence.copy()
        self.seen = confidence > (self._on + self._off) / 2
        self.shown = self.fresh = self.seen | guessed
        self._linear = self.shown.astype(np.float64)

    def step(self, confidence: Array, step_s: float, guessed: Array) -> None:
        """Take the next frame.

        Args:
            confidence: (16,) of this frame.
            step_s: Seconds after the last.
            guessed: (16,) bool: which are told at all.
        """
        self.confidence = self.confidence + blend_amount(3.0, step_s) * (
            confidence - self.confidence
        )
        self.seen = np.where(self.seen, self.confidence > self._off, self.confidence > self._on)
        was, self.shown = self.shown, self.seen | guessed
        self.fresh = self.seen & (confidence > self._off) | guessed
        # Whoever takes over from rest sees it at rest first, and fades from standing.
        rise = was * step_s / self._fade_in_s
        rate = np.where(self.shown, rise, -step_s / self._fade_out_s)
        self._linear = np.minimum(np.maximum(self._linear + rate, 0.0), 1.0)

    @property
    def weights(self) -> Array:
        """How far each group shows what is seen (1) and not rest (0), (16,)."""
        return smoothstep(self._linear, 0, 1)
