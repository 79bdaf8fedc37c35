"""A tracked person's body lengths, from many frames.

A tracker's points in space have nearly the same proportions whoever stands there; on the picture
they differ as people do. So lengths are read from the picture, as shares of the way from the eyes
to the heels, and a linear map that was learnt on rendered people of known measures takes them to
joint distances as shares of the height. See `benchmarks/body_measures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import numpy as np

from twinsdk.avatar import MEASURES
from twinsdk.core.arrays import F64, Array
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation

__all__ = ["FEATURES", "BodyLengths", "body_features"]

FEATURES = (*MEASURES, "eyes_to_shoulders", "shoulders_to_hips", "hips_to_heels", "ears")
_POINT = {name: i for i, name in enumerate(BODY_NAMES)}
_WHOLE = [
    _POINT[f"{side}{part}"]
    for side in ("left", "right")
    for part in ("Eye", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Heel")
]
_ARMS = [_POINT[f"{s}{p}"] for s in ("left", "right") for p in ("Shoulder", "Elbow", "Wrist")]
_SURE = 0.6
_LEAST_FRAMES = 5
_LEAST_STATURE_PX = 120
_ARM_MEASURES = ("upper_arm", "forearm", "shoulder_width")


class BodyLengths:
    """Collects frames of one person.

    Attributes:
        frames: Taken in which the whole body was seen.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._features: list[F64] = []
        self._arms: list[F64] = []

    def add(self, seen: Observation) -> None:
        """Take one frame; it counts where its points are sure and inside the picture."""
        if seen.body is None or seen.image_body is None:
            return
        sure = np.minimum(seen.image_body.visibility, seen.image_body.inside())
        if sure[_ARMS].min() > _SURE:
            self._arms.append(_arm_lengths(np.asarray(seen.body.positions, np.float64)))
        if sure[_WHOLE].min() <= _SURE:
            return
        features, stature_px = body_features(np.asarray(seen.image_body.pixels(), np.float64))
        if stature_px >= _LEAST_STATURE_PX:
            self._features.append(features)
            self.frames += 1

    @property
    def whole(self) -> bool:
        """Whether enough frames show the whole body."""
        return self.frames >= _LEAST_FRAMES

    def measures(self, height_m: float) -> tuple[dict[str, float], dict[str, float]]:
        """Return the lengths and their standard deviations by the names of `MEASURES`, metres.

        Without the whole body only the arms and shoulders are told, by the tracker's own metres.

        Args:
            height_m: Of the person, shoes on.
        """
        if self.whole:
            learnt = _learnt()
            x = summary(np.stack(self._features))
            # What lies beyond the people it was learnt from is a mistake of the tracker.
            reach = 3 * learnt["spread"]
            beyond = np.clip(x - learnt["mean"], -reach, reach)
            shares = learnt["offset"] + learnt["slopes"] @ beyond
            return _named(shares * height_m), _named(learnt["deviation"] * height_m)
        if len(self._arms) < _LEAST_FRAMES:
            return {}, {}
        lengths = np.median(self._arms, axis=0).tolist()
        return (
            dict(zip(_ARM_MEASURES, lengths, strict=True)),
            dict.fromkeys(_ARM_MEASURES, 0.03),
        )


def body_features(points: F64) -> tuple[F64, float]:
    """Return `FEATURES` (11,), shares of the stature, and the stature from eyes to heels.

    Args:
        points: (33, 2) pixels.
    """
    at = {name: points[i] for name, i in _POINT.items()}

    def apart(a: str, b: str) -> float:
        pairs = [np.linalg.norm(at[f"{s}{a}"] - at[f"{s}{b}"]) for s in ("left", "right")]
        return float(np.mean(pairs))

    def across(a: str) -> float:
        return float(np.linalg.norm(at[f"left{a}"] - at[f"right{a}"]))

    def middle(a: str) -> Array:
        return np.asarray((at[f"left{a}"] + at[f"right{a}"]) / 2)

    eyes, shoulders, hips, heels = (middle(a) for a in ("Eye", "Shoulder", "Hip", "Heel"))
    stature = float(np.linalg.norm(eyes - heels))
    lengths = np.array(
        [
            apart("Shoulder", "Elbow"),
            apart("Elbow", "Wrist"),
            apart("Hip", "Knee"),
            apart("Knee", "Ankle"),
            across("Shoulder"),
            across("Hip"),
            np.linalg.norm(shoulders - hips),
            np.linalg.norm(eyes - shoulders),
            abs(shoulders[1] - hips[1]),
            abs(hips[1] - heels[1]),
            across("Ear"),
        ]
    )
    return lengths / max(stature, 1e-9), stature


def summary(features: F64) -> F64:
    """Return one value (11,) for each feature of frames (T, 11).

    The picture shortens what points towards the camera, so a high share of each counts.
    """
    return np.asarray(np.percentile(features, 75, axis=0))


def _arm_lengths(points: F64) -> F64:
    at = {name: points[i] for name, i in _POINT.items()}

    def apart(a: str, b: str) -> float:
        return float(np.mean([np.linalg.norm(at[f"{s}{a}"] - at[f"{s}{b}"]) for s in _SIDES]))

    width = float(np.linalg.norm(at["leftShoulder"] - at["rightShoulder"]))
    return np.array([apart("Shoulder", "Elbow"), apart("Elbow", "Wrist"), width])


_SIDES = ("left", "right")


@lru_cache(maxsize=1)
def _learnt() -> Mapping[str, F64]:
    with (files("twinsdk.session") / "body_lengths.npz").open("rb") as stream:
        stored = np.load(stream)
        return {name: stored[name].astype(np.float64) for name in stored.files}


def _named(values: F64) -> dict[str, float]:
    return dict(zip(MEASURES, values.tolist(), strict=True))
