"""Webcam takes: clips seen by simulated cameras and put through the very fitter used live.

The network corrects the fitter's pose, so it has to learn from the fitter's own errors: filters,
fading, gravity, the root's drift. The pass costs about a millisecond a frame and is kept in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.files import atomic_path
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import FormatError
from twinsdk.motion.fitting.fit import BodyFitter
from twinsdk.motion.model.body import IN_HUMANOID, forward, nearest_yaw, turn_y
from twinsdk.motion.model.slots import STYLES
from twinsdk.motion.training.corpus import Clip
from twinsdk.motion.training.noise import Camera, LandmarkNoise, body_points, observe

__all__ = ["Take", "film", "read_takes", "write_takes"]

_LONGEST, _SHORTEST = 240, 24  # frames of a take
_STRIDES = ((2, 0.8), (3, 0.12), (4, 0.08))  # of 60 fps; 30 fps clips go by half of it
_IDLE = STYLES.index("idle")
_SHAKIEST, _DEPTHS = 6.0, (0.75, 1.03)  # factor of white noise; how deep landmarks make people
_FRAMINGS = {"full": 0.35, "knees": 0.25, "upper": 0.4}  # their shares
_SIZE_PX = (1280, 720)
_HALF_WIDTH = float(np.tan(np.radians(30.0)))  # the fitter's own 60 degrees


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """A stretch of a clip as a webcam and the fitter saw it.

    Attributes:
        clip: Index of the clip.
        frames: (T,) its frames.
        dt: Seconds between them.
        heading: Turn of the clip about +Y into the camera's axes, radians.
        landmarks: (T, 33, 3) f16.
        visibility: (T, 33) f16.
        rotations: (T, 22, 4) f16 xyzw, the fit's.
        root: (T, 3) f32, the fit's, for the 1.70 m skeleton.
        confidence: (T, 22) f16.
    """

    clip: int
    frames: Array
    dt: float
    heading: float
    landmarks: Array
    visibility: Array
    rotations: Array
    root: Array
    confidence: Array


def film(
    clips: Sequence[Clip],
    *,
    seed: int,
    noise: LandmarkNoise | None = None,
    only: str | None = None,
    idle_share: float = 1.0,
) -> Iterator[Take]:
    """Yield takes that cover all clips once.

    Args:
        clips: What people did.
        seed: Of cameras and noise.
        noise: Sizes of the errors; None draws them, since cameras and trackers differ.
        only: "full", "knees" or "upper" for one kind of framing; None draws it.
        idle_share: Share of the takes of idle clips that is kept: standing still is learnt soon.
    """
    for index, clip in enumerate(clips):
        rng = np.random.default_rng([seed, index])
        start = 0
        while start < len(clip):
            strides = [s for s, _ in _STRIDES]
            stride = int(rng.choice(strides, p=[share for _, share in _STRIDES]))
            stride = max(1, round(stride * clip.fps / 60))
            frames = np.arange(start, min(start + stride * _LONGEST, len(clip)), stride)
            start = int(frames[-1]) + stride
            kept = clip.style != _IDLE or rng.random() < idle_share
            if len(frames) >= _SHORTEST and kept:
                yield _take(clip, index, frames, rng, noise or _some_noise(rng), only)


def _take(
    clip: Clip,
    index: int,
    frames: Array,
    rng: np.random.Generator,
    noise: LandmarkNoise,
    only: str | None,
) -> Take:
    heading = float(-nearest_yaw(clip.rotations[frames[0], 0]) + np.radians(rng.normal(0, 45.0)))
    turn = turn_y(heading)
    local = clip.rotations[frames].copy()
    local[:, 0] = turn @ local[:, 0]
    root = clip.root[frames] @ turn.T
    middle = (root.min(0) + root.max(0)) / 2
    root = root - np.array([middle[0], 0.0, root[:, 2].max()], np.float32)
    world, places = forward(local, root, clip.offsets)
    reach = float(np.ptp(root[:, 0]) + 0.6 * np.ptp(root[:, 2]))
    camera = _camera(rng, reach, float(np.median(root[:, 1])), only)
    dt = float(frames[1] - frames[0]) / clip.fps
    marks, sure, uv = observe(
        body_points(world, places), rng, camera=camera, fps=1 / dt, noise=noise
    )
    return _fitted(index, frames, dt, heading, marks, sure, uv)


def _some_noise(rng: np.random.Generator) -> LandmarkNoise:
    usual = LandmarkNoise()
    shake = float(np.exp(rng.uniform(0.0, np.log(_SHAKIEST))))
    return replace(
        usual,
        white_m=usual.white_m * shake,
        white_depth_m=usual.white_depth_m * shake,
        slow_s=usual.slow_s * float(rng.uniform(0.6, 1.2)),
        depth=float(rng.uniform(*_DEPTHS)),
    )


def _camera(rng: np.random.Generator, reach: float, hips_m: float, only: str | None) -> Camera:
    framing = only or str(rng.choice(list(_FRAMINGS), p=list(_FRAMINGS.values())))
    upper = framing == "upper"
    half_height = _HALF_WIDTH * _SIZE_PX[1] / _SIZE_PX[0]
    if upper:  # sitting or standing at a desk: the picture ends between hips and chest
        distance = float(rng.uniform(0.8, 1.4)) + 0.3 * reach
        height = float(hips_m + rng.uniform(0.3, 0.55))
    elif framing == "knees":
        distance = float(rng.uniform(1.6, 2.3)) + 0.5 * reach
        height = float(hips_m + rng.uniform(0.1, 0.5))
    else:
        distance = float(rng.uniform(3.0, 4.5)) + 0.7 * reach
        height = float(rng.uniform(0.7, 1.5))
    aim = hips_m + {"full": 0.0, "knees": 0.25, "upper": 0.45}[framing]
    pitch = float(np.arctan2(height - aim, distance) + np.radians(rng.normal(0, 2.0)))
    # Half the cameras tilt towards the person; the rest look level, as a laptop's lid happens to.
    pitch = pitch if rng.random() < 0.5 or not upper else float(np.radians(rng.normal(-5, 7)))
    return Camera(
        distance_m=distance,
        height_m=height,
        pitch=pitch,
        roll=float(np.radians(rng.normal(0, 1.5))),
        half_width=_HALF_WIDTH,
        half_height=half_height,
    )


def _fitted(
    index: int, frames: Array, dt: float, heading: float, marks: F32, sure: F32, uv: F32
) -> Take:
    fitter = BodyFitter()
    fits = []
    for t in range(len(frames)):
        found = sure[t].max() > 0
        fits.append(
            fitter.step(
                Observation(
                    timestamp_ns=round(t * dt * 1e9) + 1,
                    body=Landmarks(names=BODY_NAMES, positions=marks[t], visibility=sure[t])
                    if found
                    else None,
                    image_body=ImageLandmarks(
                        names=BODY_NAMES, uv=uv[t], size_px=_SIZE_PX, visibility=sure[t]
                    )
                    if found
                    else None,
                )
            )
        )
    return Take(
        clip=index,
        frames=frames.astype(np.int32),
        dt=dt,
        heading=heading,
        landmarks=marks.astype(np.float16),
        visibility=(sure * ((uv > 0) & (uv < 1)).all(-1)).astype(np.float16),
        rotations=np.stack([fit.pose.rotations[IN_HUMANOID] for fit in fits]).astype(np.float16),
        root=np.stack([fit.pose.root_translation for fit in fits]),
        confidence=np.stack([fit.joint_confidence[IN_HUMANOID] for fit in fits]).astype(np.float16),
    )


_ARRAYS = ("frames", "landmarks", "visibility", "rotations", "root", "confidence")


def write_takes(path: str | Path, takes: Sequence[Take], *, sha256: str) -> None:
    """Write takes of the corpus of that hash, by atomic rename."""
    packed = {name: np.concatenate([getattr(take, name) for take in takes]) for name in _ARRAYS}
    packed["start"] = np.cumsum([0, *(len(take.frames) for take in takes)])
    packed["clip"] = np.array([take.clip for take in takes])
    packed["dt"] = np.array([take.dt for take in takes])
    packed["heading"] = np.array([take.heading for take in takes])
    packed["sha256"] = np.array(sha256)
    with atomic_path(path) as temporary:
        np.savez(temporary, allow_pickle=False, **packed)


def read_takes(path: str | Path, *, sha256: str) -> list[Take]:
    """Return the takes of a file.

    Raises:
        FormatError: They were made of another corpus.
    """
    with np.load(path, allow_pickle=False) as packed:
        data = {key: packed[key] for key in packed.files}
    if str(data["sha256"]) != sha256:
        raise FormatError(
            f"takes: expected those of corpus {sha256[:12]}, got {str(data['sha256'])[:12]}; "
            f"remove the file to film again: {path}"
        )
    start = data["start"]
    return [
        Take(
            clip=int(data["clip"][k]),
            dt=float(data["dt"][k]),
            heading=float(data["heading"][k]),
            **{name: data[name][start[k] : start[k + 1]] for name in _ARRAYS},
        )
        for k in range(len(start) - 1)
    ]


def rotations_of(take: Take) -> F32:
    """Return the fit's rotations (T, 22, 3, 3)."""
    unit = quat.normalize(take.rotations.astype(np.float32))
    return np.asarray(quat.to_matrix(unit), np.float32)
