"""Several cameras on one person: frames of one instant together, bodies triangulated from them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from twinsdk.capture.camera_rig import CameraRig
from twinsdk.capture.source import BaseSource, FrameSource, SourceStatus
from twinsdk.capture.tracker import Tracker
from twinsdk.core.arrays import F64, Array
from twinsdk.core.axes import gltf_from_mediapipe
from twinsdk.core.closing import Closing
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

__all__ = ["ViewsSource", "ViewsTracker"]

_LATE_NS = 100_000_000  # a camera's picture older than this is not of the same instant
_SEEN = 0.3  # visibility from which a camera's opinion counts
_MISFIT = 0.05  # radians: sights farther apart mean that a camera is wrong
_HIPS = [BODY_NAMES.index(name) for name in ("leftHip", "rightHip")]
_NOSE = 1  # of the face's points
_FEWEST = 6  # triangulated points that make a body


class ViewsSource(BaseSource):
    """Sources that look at one scene; each image carries the others' of the same instant.

    Cameras are not triggered together: of each the newest picture is taken, at most 0.1 s old.
    Files are read frame by frame and must have been started together.

    Args:
        sources: The first one decides time and size; all live, or none. Closed with this one.

    Raises:
        UsageError: Fewer than two sources, or cameras and files together.
    """

    def __init__(self, sources: Sequence[FrameSource]) -> None:
        if len(sources) < 2 or len({source.live for source in sources}) != 1:
            raise UsageError("views: expected two or more cameras, or two or more files")
        first = sources[0]
        super().__init__(name=" + ".join(s.name for s in sources), max_frames=None)
        self.live = first.live
        self.size_px, self.fps, self.frame_count = first.size_px, first.fps, first.frame_count
        self._sources = list(sources)
        self._newest: list[Image | None] = [None] * len(sources)

    @property
    def status(self) -> SourceStatus:
        """What the first source is doing."""
        own = super().status
        return own if own is not SourceStatus.RUNNING else self._sources[0].status

    @property
    def dropped(self) -> int:
        """Frames of the first source that nobody read."""
        return self._sources[0].dropped

    def _next(self, timeout_s: float) -> Image | None:
        image = self._sources[0].read(timeout_s)
        if image is None:
            self._ended = self._sources[0].status is SourceStatus.ENDED
            return None
        views = tuple(self._view(k, image) for k in range(1, len(self._sources)))
        return replace(image, views=views)

    def _view(self, k: int, image: Image) -> Image | None:
        source = self._sources[k]
        if not source.live:
            return source.read(0.0)
        while (newer := source.read(0.0)) is not None:
            self._newest[k] = newer
        newest = self._newest[k]
        late = newest is None or image.timestamp_ns - newest.timestamp_ns > _LATE_NS
        return None if late else newest

    def _release(self) -> None:
        for source in self._sources:
            source.close()


class ViewsTracker(Closing):
    """Tracks one person through several calibrated cameras, a tracker for each.

    The body's points are triangulated; a point that fewer than two cameras see is filled in from
    the first camera's guess, laid over those that are known. Hands come from the camera that sees
    them largest, face and expressions from the one that looks at it most from the front.

    Args:
        trackers: One a camera, closed with this one.
        rig: Their calibration, in the same order.

    Raises:
        UsageError: The numbers differ.
    """

    def __init__(self, trackers: Sequence[Tracker], rig: CameraRig) -> None:
        if len(trackers) != len(rig.cameras):
            raise UsageError(
                f"calibration: expected one of {len(trackers)} cameras, got {len(rig.cameras)}"
            )
        self._trackers, self._rig = list(trackers), rig
        self._pool = ThreadPoolExecutor(len(trackers), "views")
        self.timings: dict[str, float] = {}

    def close(self) -> None:
        """Free all trackers."""
        self._pool.shutdown()
        for tracker in self._trackers:
            tracker.close()

    def calibrate(self) -> None:
        """Take the face of the next second for neutral; may be called from another thread."""
        for tracker in self._trackers:
            getattr(tracker, "calibrate", lambda: None)()

    def track(self, image: Image) -> list[Observation]:
        """Return the person as the first camera sees them, with a measured body."""
        pictures = (image, *image.views)
        jobs = [
            self._pool.submit(tracker.track, picture) if picture is not None else None
            for tracker, picture in zip(self._trackers, pictures, strict=True)
        ]
        found = [job.result() if job is not None else [] for job in jobs]
        self.timings = dict(getattr(self._trackers[0], "timings", {}))
        seen = [observations[0] if observations else None for observations in found]
        merged = merged_views(seen, self._rig, image.timestamp_ns)
        return [] if merged is None else [merged]


def merged_views(
    seen: Sequence[Observation | None], rig: CameraRig, timestamp_ns: int
) -> Observation | None:
    """Return one observation of what several cameras saw of a person, in the first one's axes.

    None when no camera saw them; a single camera's observation is turned and kept as it is.
    """
    if all(observation is None for observation in seen):
        return None
    turned = [
        None if one is None else _turned(one, camera.rotation)
        for one, camera in zip(seen, rig.cameras, strict=True)
    ]
    first = turned[0] or Observation(timestamp_ns=timestamp_ns)
    left = _largest(turned, "image_left_hand")
    right = _largest(turned, "image_right_hand")
    face = _frontmost(turned)
    measured = _measured(seen, turned, rig)
    fallback = next((one.body for one in turned if one is not None and one.body), None)
    return replace(
        first,
        timestamp_ns=timestamp_ns,
        body=measured or fallback,
        measured=measured is not None,
        left_hand=left.left_hand if left else None,
        right_hand=right.right_hand if right else None,
        expressions=face.expressions if face else None,
    )


def _measured(
    seen: Sequence[Observation | None], turned: Sequence[Observation | None], rig: CameraRig
) -> Landmarks | None:
    """Return the triangulated body, None where too little is seen by two cameras."""
    count = len(BODY_NAMES)
    uv, weights = np.zeros((len(seen), count, 2)), np.zeros((len(seen), count))
    for k, observation in enumerate(seen):
        body = observation.image_body if observation is not None else None
        if body is not None:
            uv[k] = body.uv
            weights[k] = np.where(body.visibility > _SEEN, body.visibility, 0.0)
    points, misfit = rig.triangulate(uv, weights)
    points[misfit > _MISFIT] = np.nan
    known = np.isfinite(points[:, 0])
    if known.sum() < _FEWEST or not known[_HIPS].any():
        return None
    space = gltf_from_mediapipe(points)  # OpenCV's axes are MediaPipe's
    guess = next(one.body.positions for one in turned if one is not None and one.body is not None)
    fit = _laid_over(guess.astype(np.float64), space, known)
    filled = np.where(known[:, None], space, fit)
    return Landmarks(
        names=BODY_NAMES,
        positions=(filled - filled[_HIPS].mean(0)).astype(np.float32),
        visibility=np.where(known, weights.max(0), 0.3 * weights.max(0)).astype(np.float32),
    )


def _laid_over(guess: F64, points: F64, known: Array) -> F64:
    """Return `guess` moved, turned and scaled so that its known points lie on `points`.

    Source: Umeyama 1991.
    """
    a, b = guess[known], points[known]
    middle_a, middle_b = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - middle_b).T @ (a - middle_a))
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = u @ flip @ vt
    scale = (s * np.diag(flip)).sum() / max(((a - middle_a) ** 2).sum(), 1e-12)
    return np.asarray(scale * (guess - middle_a) @ turn.T + middle_b)


def _turned(observation: Observation, camera_from_first: F64) -> Observation:
    """Return the observation with its points in space in the first camera's axes."""
    flip = np.diag([1.0, -1.0, -1.0])
    turn = flip @ camera_from_first.T @ flip

    def moved(points: Landmarks | None) -> Landmarks | None:
        if points is None:
            return None
        return replace(points, positions=(points.positions @ turn.T).astype(np.float32))

    return replace(
        observation,
        body=moved(observation.body),
        left_hand=moved(observation.left_hand),
        right_hand=moved(observation.right_hand),
    )


def _largest(seen: Sequence[Observation | None], part: str) -> Observation | None:
    def size(observation: Observation) -> float:
        points: ImageLandmarks = getattr(observation, part)
        return float(np.ptp(points.uv, axis=0).max())

    with_it = [one for one in seen if one is not None and getattr(one, part) is not None]
    return max(with_it, key=size, default=None)


def _frontmost(seen: Sequence[Observation | None]) -> Observation | None:
    """Return who sees the nose most in the middle between both ends of the face."""
    asides = [
        (_aside(one.image_face), one)
        for one in seen
        if one is not None and one.image_face is not None and one.expressions is not None
    ]
    return min(asides, key=lambda pair: pair[0])[1] if asides else None


def _aside(face: ImageLandmarks) -> float:
    across = face.uv[:, 0]
    return abs(float(across[_NOSE] - across.min()) / max(float(np.ptp(across)), 1e-6) - 0.5)
