"""A tracked person's body lengths, from many frames.

A tracker's points in space have nearly the same proportions whoever stands there; on the picture
they differ as people do, most where a limb is bent: in the middle of a straight arm or leg the
tracker guesses the joint. So lengths are read from the picture, standing straight as shares of the
way from the eyes to the heels, bent ones as shares of the way from the eyes to the hips. What
people's lengths are, given any of these, was learnt on rendered people of known measures. See
`benchmarks/body_measures.py`.
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

__all__ = ["BENT", "FEATURES", "STANDING", "BodyLengths", "given"]

STANDING = (*MEASURES, "eyes_to_shoulders", "shoulders_to_hips", "hips_to_heels", "ears")
BENT = ("bent_upper_arm", "bent_forearm", "bent_thigh", "bent_shin")
FEATURES = (*STANDING, *BENT)
_POINT = {name: i for i, name in enumerate(BODY_NAMES)}
_SIDES = ("left", "right")
_LEGS = tuple(f"{side}{part}" for side in _SIDES for part in ("Hip", "Knee", "Ankle", "Heel"))
_WHOLE = [
    _POINT[name]
    for name in (
        *(f"{s}{p}" for s in _SIDES for p in ("Eye", "Shoulder", "Elbow", "Wrist")),
        *_LEGS,
    )
]
_ARMS = [_POINT[f"{s}{p}"] for s in _SIDES for p in ("Shoulder", "Elbow", "Wrist")]
_TRUNK = [_POINT[f"{s}{p}"] for s in _SIDES for p in ("Eye", "Shoulder", "Hip")]
_LIMBS = {"arm": ("Shoulder", "Elbow", "Wrist"), "leg": ("Hip", "Knee", "Ankle")}
_SURE = 0.6
_LEAST_FRAMES = 5
_LEAST_BENT = 3
_LEAST_STATURE_PX = 120
_STRAIGHT_DEG = 30.0  # what is bent less is straight
_BENT_DEG = (50.0, 135.0)  # on the picture
_ACROSS = 0.8  # of a segment's length points at the camera at most, as the tracker has it
_HIGH = 75  # percentile: the picture shortens what points towards the camera
_ARM_MEASURES = ("upper_arm", "forearm", "shoulder_width")


class BodyLengths:
    """Collects frames of one person.

    Attributes:
        frames: Taken in which the whole body was seen, standing.
        bent: Frames taken with a bent "arm" and "leg" that lay across the line of sight.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.bent = dict.fromkeys(_LIMBS, 0)
        self._standing: list[F64] = []
        self._bent: dict[str, list[F64]] = {name: [] for name in _LIMBS}
        self._arms: list[F64] = []

    def add(self, seen: Observation) -> None:
        """Take one frame; it counts where its points are sure and inside the picture."""
        if seen.body is None or seen.image_body is None:
            return
        sure = np.minimum(seen.image_body.visibility, seen.image_body.inside())
        space = np.asarray(seen.body.positions, np.float64)
        pixels = np.asarray(seen.image_body.pixels(), np.float64)
        if sure[_ARMS].min() > _SURE:
            self._arms.append(_arm_lengths(space))
        if sure[_TRUNK].min() <= _SURE:
            return
        for name, parts in _LIMBS.items():
            limbs = [[_POINT[f"{side}{part}"] for part in parts] for side in _SIDES]
            told = [_bent(pixels, space, limb) for limb in limbs if sure[limb].min() > _SURE]
            found = [one for one in told if one is not None]
            if found:
                self._bent[name].append(np.mean(found, axis=0) / _eyes_to_hips(pixels))
                self.bent[name] += 1
        if sure[_WHOLE].min() > _SURE and _straight(pixels, "leg"):
            shares, stature_px = standing_shares(pixels)
            if not _straight(pixels, "arm"):
                shares[[STANDING.index(name) for name in ("upper_arm", "forearm")]] = np.nan
            if stature_px >= _LEAST_STATURE_PX:
                self._standing.append(shares)
                self.frames += 1

    @property
    def whole(self) -> bool:
        """Whether enough frames show the whole body."""
        return self.frames >= _LEAST_FRAMES

    def tells(self, limb: str) -> bool:
        """Return whether an "arm" or "leg" was seen bent often enough."""
        return self.bent[limb] >= _LEAST_BENT

    def features(self) -> F64:
        """Return the logs (15,) of `FEATURES`, NaN what was not seen often enough."""
        out = np.full(len(FEATURES), np.nan)
        for k, shares in enumerate(np.transpose(self._standing)):
            if np.isfinite(shares).any():
                out[k] = np.nanpercentile(shares, _HIGH)
        for k, name in enumerate(_LIMBS):
            if self.tells(name):
                at = len(STANDING) + 2 * k
                out[at : at + 2] = np.percentile(self._bent[name], _HIGH, axis=0)
        return np.asarray(np.log(out))

    def measures(self, height_m: float) -> tuple[dict[str, float], dict[str, float]]:
        """Return the lengths and their standard deviations by the names of `MEASURES`, metres.

        Without the whole body only the arms and shoulders are told, by the tracker's own metres.

        Args:
            height_m: Of the person, shoes on.
        """
        if self.whole:
            learnt = _learnt()
            logs, deviations = given(self.features(), learnt["mean"], learnt["covariance"])
            lengths = np.exp(logs) * height_m
            return _named(lengths), _named(lengths * deviations)
        if len(self._arms) < _LEAST_FRAMES:
            return {}, {}
        medians = np.median(self._arms, axis=0).tolist()
        return (
            dict(zip(_ARM_MEASURES, medians, strict=True)),
            dict.fromkeys(_ARM_MEASURES, 0.03),
        )


def given(features: F64, mean: F64, covariance: F64) -> tuple[F64, F64]:
    """Return the logs (7,) of the measures over the height, and their standard deviations.

    Args:
        features: (15,) logs of `FEATURES`, NaN what is not known.
        mean: (22,) of features and measures among people.
        covariance: (22, 22) of them.

    Source: the conditional of a normal distribution.
    """
    count = len(FEATURES)
    known = np.flatnonzero(np.isfinite(features))
    inner = covariance[np.ix_(known, known)]
    slopes = np.linalg.solve(inner, covariance[known, count:]).T
    # What lies beyond the people it was learnt from is a mistake of the tracker.
    reach = 3 * np.sqrt(np.diag(inner))
    off = np.clip(features[known] - mean[known], -reach, reach)
    left = covariance[count:, count:] - slopes @ covariance[known, count:]
    return mean[count:] + slopes @ off, np.asarray(np.sqrt(np.maximum(np.diag(left), 1e-6)))


def standing_shares(points: F64) -> tuple[F64, float]:
    """Return `STANDING` (11,), shares of the stature, and the stature from eyes to heels.

    Args:
        points: (33, 2) pixels.
    """
    at = {name: points[i] for name, i in _POINT.items()}

    def apart(a: str, b: str) -> float:
        return float(np.mean([np.linalg.norm(at[f"{s}{a}"] - at[f"{s}{b}"]) for s in _SIDES]))

    def across(a: str) -> float:
        return float(np.linalg.norm(at[f"left{a}"] - at[f"right{a}"]))

    eyes, shoulders, hips, heels = (_middle(points, a) for a in ("Eye", "Shoulder", "Hip", "Heel"))
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
    return np.maximum(lengths, 1e-6) / max(stature, 1e-9), stature


def _straight(points: F64, limb: str) -> bool:
    """Return whether both arms or legs are straight on the picture."""
    parts = [[_POINT[f"{side}{part}"] for part in _LIMBS[limb]] for side in _SIDES]
    return max(_bend_deg(points[one]) for one in parts) < _STRAIGHT_DEG


def _bent(pixels: F64, space: F64, parts: list[int]) -> F64 | None:
    """Return both segments' lengths in pixels, None where the limb does not tell them.

    It does where it is bent on the picture, hardly points at the camera, and ends beside the body.
    """
    limb = pixels[parts]
    segments = np.diff(space[parts], axis=0)
    towards = np.abs(segments[:, 2]) > _ACROSS * np.linalg.norm(segments, axis=1)
    middle = float(_middle(pixels, "Hip")[0] + _middle(pixels, "Shoulder")[0]) / 2
    beside = abs(limb[2, 0] - middle) > abs(limb[0, 0] - middle)
    if towards.any() or not beside or not _BENT_DEG[0] < _bend_deg(limb) < _BENT_DEG[1]:
        return None
    return np.asarray(np.maximum(np.linalg.norm(np.diff(limb, axis=0), axis=1), 1e-3))


def _bend_deg(limb: F64) -> float:
    """Return by how much the middle one of points (3, 2) bends the way."""
    (a, b), (c, d) = np.diff(limb, axis=0)
    return float(np.degrees(abs(np.arctan2(a * d - b * c, a * c + b * d))))


def _middle(points: F64, part: str) -> Array:
    return np.asarray(points[[_POINT[f"{side}{part}"] for side in _SIDES]].mean(0))


def _eyes_to_hips(points: F64) -> float:
    return max(float(np.linalg.norm(_middle(points, "Eye") - _middle(points, "Hip"))), 1e-3)


def _arm_lengths(points: F64) -> F64:
    at = {name: points[i] for name, i in _POINT.items()}

    def apart(a: str, b: str) -> float:
        return float(np.mean([np.linalg.norm(at[f"{s}{a}"] - at[f"{s}{b}"]) for s in _SIDES]))

    width = float(np.linalg.norm(at["leftShoulder"] - at["rightShoulder"]))
    return np.array([apart("Shoulder", "Elbow"), apart("Elbow", "Wrist"), width])


@lru_cache(maxsize=1)
def _learnt() -> Mapping[str, F64]:
    with (files("twinsdk.session") / "body_lengths.npz").open("rb") as stream:
        stored = np.load(stream)
        return {name: stored[name].astype(np.float64) for name in stored.files}


def _named(values: F64) -> dict[str, float]:
    return dict(zip(MEASURES, values.tolist(), strict=True))
