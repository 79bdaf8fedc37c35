"""What is compared: ways to make motion of trackers or of a webcam's landmarks, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.observation import Observation
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import Trackers
from twinsdk.errors import ShapeError
from twinsdk.motion.evaluation.clips import BODY_JOINTS, TrueClip
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.filters.smooth import OneEuroConfig, PointFilter
from twinsdk.motion.fitting.solve import fit_landmarks
from twinsdk.motion.trackers.stance import facing
from twinsdk.motion.trackers.three_points import TrackerSolver
from twinsdk.motion.vectors import matrix_of

__all__ = [
    "BODY_ROWS",
    "AnalyticTrackers",
    "AnalyticWebcam",
    "Estimate",
    "Follower",
    "MeanPose",
    "Modelled",
    "NearestNeighbour",
]

BODY_ROWS = np.array([HUMANOID_NAMES.index(name) for name in BODY_JOINTS])
"""(22,) index of each body joint among the canonical 55."""

_HEAD = BODY_JOINTS.index("head")
_STILL = np.tile(quat.IDENTITY, (len(BODY_JOINTS), 1))
_HISTORY = (0.1, 0.2)  # seconds ago
_AHEAD_S, _STANDS = 0.1, 0.5
_EVERY = 2  # of the example frames, one in so many is searched


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """What a follower made of a clip.

    Attributes:
        clip: T frames on the truth's skeleton.
        contacts: (T, 4) where it says which feet stand, else None.
        ahead: (T, 22, 3) where it says each joint will be 0.1 s later, metres, else None.
    """

    clip: MotionClip
    contacts: Array | None = None
    ahead: Array | None = None


class Follower(Protocol):
    """Makes motion of a sequence of sources, each with what came before alone."""

    name: str

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the motion of the person on `skeleton`, one frame a source."""
        ...


class AnalyticTrackers:
    """`TrackerSolver`: head and hands exact, the rest by rules."""

    name = "analytic IK"

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the solver's poses."""
        solver = TrackerSolver(skeleton)
        poses = [solver.step(_trackers(source), 1 / fps) for source in sources]
        return _estimate(
            skeleton,
            fps,
            np.stack([pose.rotations for pose in poses]),
            np.stack([pose.root_translation for pose in poses]),
        )


class AnalyticWebcam:
    """One Euro filters on the points, then the closed form: what a fit without a model is."""

    name = "One Euro + closed form"

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the closed form of the filtered points; somebody lost stays as they were."""
        points = PointFilter(OneEuroConfig(min_cutoff_hz=1.5, speed_gain=0.3))
        rotations: list[Array] = []
        for source in sources:
            body = _observation(source).body
            if body is not None:
                smooth = points.step(body.positions, 1 / fps)
                found = fit_landmarks(replace(body, positions=smooth.astype(np.float32)))
                rotations.append(found[BODY_ROWS])
            else:
                rotations.append(rotations[-1] if rotations else _STILL)
        roots = np.tile(skeleton.rest_translations[:1], (len(sources), 1))
        return _estimate(skeleton, fps, np.stack(rotations), roots)


class MeanPose:
    """The mean of the examples' poses, turned after the head."""

    name = "mean pose"

    def __init__(self, examples: Sequence[TrueClip]) -> None:
        rotations = np.concatenate([example.clip.rotations for example in examples])
        rotations = rotations.astype(np.float64)
        rotations[:, 0] = _without_heading(rotations[:, 0])
        # The mean rotation is the dominant eigenvector of the sum of q q^T (Markley 2007).
        moments = np.einsum("tja,tjb->jab", rotations, rotations)
        self._mean = np.linalg.eigh(moments)[1][..., -1]

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the mean pose below each frame's head."""
        rotations = np.tile(self._mean, (len(sources), 1, 1))
        given = [_trackers(source) for source in sources]
        return _estimate(skeleton, fps, *_below_heads(rotations, given, skeleton))


class NearestNeighbour:
    """The example frame whose head and hands, now and 0.1 and 0.2 s ago, are most alike."""

    name = "1-NN retrieval"

    def __init__(self, examples: Sequence[TrueClip]) -> None:
        features, rotations = [], []
        for example in examples:
            seen = trackers_of(example.clip)
            features.append(_features(seen, example.clip.fps)[::_EVERY])
            rotations.append(example.clip.rotations[::_EVERY])
        self._features: F32 = np.concatenate(features)
        self._rotations = np.concatenate(rotations).astype(np.float64)
        self._rotations[:, 0] = _without_heading(self._rotations[:, 0])
        self._square = (self._features**2).sum(1) / 2

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the nearest example of each frame, below its head."""
        given = [_trackers(source) for source in sources]
        found = []
        for rows in np.array_split(_features(given, fps), max(1, len(given) // 200)):
            found.append((self._features @ rows.T - self._square[:, None]).argmax(0))
        rotations = self._rotations[np.concatenate(found)]
        return _estimate(skeleton, fps, *_below_heads(rotations, given, skeleton))


class Modelled:
    """The motion model, on a skeleton of the truth's bones where they are worn.

    Args:
        path: Other weights than the package's.

    Raises:
        ModelMissingError: There are no weights.
    """

    name = "motion model"

    def __init__(self, path: str | Path = "default") -> None:
        from twinsdk.motion.model import MotionModel

        self._load = MotionModel.load
        self._path = path
        self._load(path)

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the model's poses, contacts and forecasts."""
        webcam = isinstance(sources[0], Observation)
        model = self._load(self._path, skeleton=None if webcam else skeleton)
        rows = BODY_ROWS if webcam else np.arange(len(BODY_JOINTS))
        rotations, roots, contacts, ahead = [], [], [], []
        for source in sources:
            step = model.step(source, 1 / fps)
            later = step.ahead(_AHEAD_S)
            rotations.append(step.pose.rotations[rows])
            roots.append(step.pose.root_translation)
            contacts.append(step.contacts > _STANDS)
            ahead.append(skeleton.forward(later.rotations[rows], later.root_translation)[1])
        made = _estimate(skeleton, fps, np.stack(rotations), np.stack(roots))
        return Estimate(clip=made.clip, contacts=np.stack(contacts), ahead=np.stack(ahead))


def _observation(source: Trackers | Observation) -> Observation:
    if not isinstance(source, Observation):
        raise ShapeError("sources: expected observations of a webcam")
    return source


def _trackers(source: Trackers | Observation) -> Trackers:
    if not isinstance(source, Trackers):
        raise ShapeError("sources: expected trackers")
    return source


def _features(given: Sequence[Trackers], fps: float) -> F32:
    """Return what retrieval compares (T, 45): poses of head and hands about the head's heading."""
    places = np.stack([t.positions[:3] for t in given]).astype(np.float64)
    turns = np.stack([matrix_of(t.rotations[:3].astype(np.float64)) for t in given])
    yaw = np.array([facing(turn) for turn in turns[:, 0]])
    c, s, zero, one = np.cos(yaw), np.sin(yaw), np.zeros(len(yaw)), np.ones(len(yaw))
    back = np.array([[c, zero, -s], [zero, one, zero], [s, zero, c]]).transpose(2, 0, 1)
    axes = (back[:, None] @ turns)[..., :2].reshape(len(given), -1) * 0.3  # metres to radians
    parts = [axes]
    for ago in (0.0, *_HISTORY):
        was = np.maximum(np.arange(len(given)) - round(ago * fps), 0)
        moved = places[was] - places[:, :1] * (1, 0, 1)
        parts.append((moved @ back.transpose(0, 2, 1)).reshape(len(given), -1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _below_heads(
    rotations: Array, given: Sequence[Trackers], skeleton: Skeleton
) -> tuple[Array, Array]:
    """Return poses turned to their head's heading, and roots that put the head in its place."""
    yaw = [facing(matrix_of(t.rotations[0].astype(np.float64))) for t in given]
    turn = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(yaw))
    rotations = rotations.copy()
    rotations[:, 0] = quat.multiply(turn, rotations[:, 0])
    _, places = skeleton.forward(rotations.astype(np.float32), np.zeros((len(given), 3)))
    heads = np.stack([t.positions[0] for t in given])
    return rotations, heads - places[:, _HEAD]


def _without_heading(hips: Array) -> Array:
    yaw = np.array([facing(turn) for turn in matrix_of(hips)])
    return quat.multiply(quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -yaw), hips)


def _estimate(skeleton: Skeleton, fps: float, rotations: Array, roots: Array) -> Estimate:
    return Estimate(
        clip=MotionClip(
            skeleton=skeleton,
            fps=fps,
            rotations=quat.normalize(rotations),
            root_translations=roots,
        )
    )
