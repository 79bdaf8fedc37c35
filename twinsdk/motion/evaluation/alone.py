"""How motion that nobody did compares with motion that somebody did: stillness, sway, variety.

The latents are of a small auto-encoder that was trained once, on the public train split, and is
frozen: figures of another one must not be compared. Source of the distance: Heusel et al. 2017
(FID).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.linalg import sqrtm

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.errors import ShapeError
from twinsdk.formats.npz import read_arrays
from twinsdk.motion.generation.performances import heading
from twinsdk.motion.score import contacts_of, foot_speed_cm_s, jerk_m_s3

__all__ = ["STEP", "WINDOW", "alone", "frechet", "latents", "spread", "windows_of"]

WINDOW, STEP = 30, 3  # frames at 30 Hz: one second, every third frame of it
_FILE = Path(__file__).parent / "encoder.npz"
_STILL_CM_S = 2.0
_SWAY_S = 10.0
_PAIRS = 4000


def alone(clips: Sequence[MotionClip]) -> dict[str, float]:
    """Return what tells living motion from frozen, drifting or nervous motion, over `clips`.

    `still_share` is the share of joints and frames below 2 cm/s (real idle: 0.6 to 0.7);
    `speed_median` and `speed_p95` are cm/s; `sway_cm` how far the hips wander in 10 s (root mean
    square); `posture_deg` how far joints stray from their mean; `drift_cm` how far the hips are
    from where they began at the end of a clip, at most; `motionless_s` the longest time in which no
    joint is faster than 2 cm/s; `foot_speed` of standing feet, cm/s; `jerk` of all joints, m/s^3.
    """
    speeds, sways, strays, drifts, still, slides, frames = [], [], [], [], [], [], []
    jerks = []
    for clip in clips:
        places = clip.world()[1].astype(np.float64)
        speed = 100 * clip.fps * np.linalg.norm(np.diff(places, axis=0), axis=-1)
        speeds.append(speed.ravel())
        hips = 100 * places[:, 0, [0, 2]]
        size = round(_SWAY_S * clip.fps)
        for a in range(0, len(hips) - size + 1, size):
            sways.append(((hips[a : a + size] - hips[a : a + size].mean(0)) ** 2).sum(1).mean())
        strays.append(_stray_deg(clip.rotations[:, 1:]))
        drifts.append(float(np.linalg.norm(hips[-1] - hips[0])))
        still.append(_longest(speed.max(1) < _STILL_CM_S) / clip.fps)
        contacts = contacts_of(clip.skeleton, places, clip.fps)
        slides.append(foot_speed_cm_s(clip.skeleton, places, contacts, clip.fps))
        jerks.append(jerk_m_s3(places, clip.fps))
        frames.append(len(clip))
    speed = np.concatenate(speeds)
    return {
        "still_share": float((speed < _STILL_CM_S).mean()),
        "speed_median": float(np.median(speed)),
        "speed_p95": float(np.percentile(speed, 95)),
        "sway_cm": float(np.sqrt(np.mean(sways))) if sways else float("nan"),
        "posture_deg": float(np.average(strays, weights=frames)),
        "drift_cm": max(drifts),
        "motionless_s": max(still),
        "foot_speed": float(np.nanmean(slides)),
        "jerk": float(np.average(jerks, weights=frames)),
    }


def windows_of(clip: MotionClip) -> F32:
    """Return the windows (N, 1360) of one second, ten a second, that the encoder reads.

    Of every third frame: rotations without heading as 6D, height of the hips, their velocity in
    the heading's axes, and the heading's rate.

    Raises:
        ShapeError: The clip is not of `BODY_JOINTS` at 30 frames a second.
    """
    if len(clip.skeleton) != 22 or abs(clip.fps - 30) > 0.1:
        raise ShapeError(
            f"clip: expected 22 joints at 30 frames a second, got {len(clip.skeleton)} at "
            f"{clip.fps:g}"
        )
    rotations = clip.rotations.astype(np.float64)
    yaw = np.unwrap(heading(rotations[:, 0]))
    back = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -yaw)
    rotations[:, 0] = quat.multiply(back, rotations[:, 0])
    moved = np.gradient(clip.root_translations.astype(np.float64), axis=0) * clip.fps
    moved = quat.rotate(back, moved)
    six = quat.to_matrix(rotations)[..., :2].reshape(len(clip), -1)
    rate = np.gradient(yaw)[:, None] * clip.fps
    tall = clip.root_translations[:, 1:2] / clip.skeleton.rest_translations[0, 1]
    frames = np.concatenate([six, tall, moved[:, [0, 2]], rate], axis=1).astype(np.float32)
    starts = np.arange(0, len(clip) - WINDOW + 1, STEP)
    return frames[starts[:, None] + np.arange(0, WINDOW, STEP)].reshape(len(starts), -1)


def latents(clips: Sequence[MotionClip]) -> F64:
    """Return the encoder's latents (N, 32) of every window of clips of 22 joints at 30 Hz."""
    net = _encoder()
    x = np.concatenate([windows_of(clip) for clip in clips if len(clip) >= WINDOW])
    hidden = np.tanh(((x - net["mean"]) / net["scale"]) @ net["w1"] + net["b1"])
    return (hidden @ net["w2"] + net["b2"]).astype(np.float64)


def frechet(a: Array, b: Array) -> float:
    """Return the Frechet distance of Gaussians fitted to latents (N, D) and (M, D)."""
    means = [x.mean(0) for x in (a, b)]
    spreads = [np.cov(x, rowvar=False) for x in (a, b)]
    root = sqrtm(spreads[0] @ spreads[1]).real
    apart = means[0] - means[1]
    return float(apart @ apart + np.trace(spreads[0] + spreads[1] - 2 * root))


def spread(a: Array, *, seed: int = 0) -> float:
    """Return the mean distance between random pairs of latents (N, D): how varied they are."""
    rng = np.random.default_rng(seed)
    i, j = rng.integers(len(a), size=(2, _PAIRS))
    return float(np.linalg.norm(a[i] - a[j], axis=1).mean())


@lru_cache(maxsize=1)
def _encoder() -> dict[str, F32]:
    return {name: array.astype(np.float32) for name, array in read_arrays(_FILE).items()}


def _stray_deg(rotations: Array) -> float:
    """Return how far rotations (T, J, 4) are from their joint's mean, root mean square."""
    q = rotations.astype(np.float64)
    moments = np.einsum("tja,tjb->jab", q, q)
    mean = np.linalg.eigh(moments)[1][..., -1]
    return float(np.degrees(np.sqrt((quat.angle(q, mean[None]) ** 2).mean())))


def _longest(flags: Array) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
