"""What trackers and a webcam would have seen of captured motion: seeded, and versioned.

`NOISE_VERSION` names the numbers below; figures of different versions must not be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import mirrored
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.fitting.points import BODY, HEAD_MODEL, HEAD_POINTS, REST, SOLE_DROP

__all__ = ["NOISE_VERSION", "WebcamTake", "body_points", "trackers_of", "webcam_take"]

NOISE_VERSION = 1

_AT_JOINT = {
    "Shoulder": "UpperArm",
    "Elbow": "LowerArm",
    "Wrist": "Hand",
    "Hip": "UpperLeg",
    "Knee": "LowerLeg",
    "Ankle": "Foot",
}
_ON_JOINT = {  # left side, metres on the 1.70 m skeleton
    "Pinky": ("Hand", REST["leftLittleProximal"] - REST["leftHand"]),
    "Index": ("Hand", REST["leftIndexProximal"] - REST["leftHand"]),
    "Thumb": ("Hand", REST["leftThumbDistal"] - REST["leftHand"]),
    "Heel": ("Foot", np.array([0.0, 0.24 * np.tan(SOLE_DROP) - 0.075, -0.05])),
    "FootIndex": ("Foot", np.array([0.0, -0.075, 0.19])),
}
_LEGS = [
    BODY[f"{side}{part}"]
    for part in ("Knee", "Ankle", "Heel", "FootIndex")
    for side in ("left", "right")
]
_ARM_ENDS = [
    [BODY[f"{side}{part}"] for part in ("Elbow", "Wrist", "Pinky", "Index", "Thumb")]
    for side in ("left", "right")
]
_MIRROR = np.array([BODY[mirrored(name)] for name in BODY_NAMES])
_FOREARM_M = float(np.linalg.norm(REST["leftHand"] - REST["leftLowerArm"]))

# Metres, per axis across and along the line of sight.
_WHITE_M, _WANDER_M = np.array([0.008, 0.008, 0.020]), np.array([0.022, 0.022, 0.055])
_WANDER_KEPT = 0.93  # a thirtieth of a second later
_BLUR_M = 0.004  # of white noise a metre per second
_HALLUCINATED_M = 0.15
_BURST_M = 0.12
_HIPS_BIAS_M = 0.03  # towards the camera
_IMAGE_PX = (640, 480)
_FOCAL = 0.9  # of the image's width
_WHOLE_M, _CLOSE_M = 3.0, 1.3  # distance of a camera that sees all, or no knees


@dataclass(frozen=True, kw_only=True, eq=False)
class WebcamTake:
    """A clip as a webcam saw it.

    Attributes:
        observations: One a frame; without a body where the person was lost.
        truth: The clip, turned so that the camera stands in +Z.
        pitch_deg: How far that camera looks down.
    """

    observations: tuple[Observation, ...]
    truth: MotionClip
    pitch_deg: float


def trackers_of(clip: MotionClip, *, seen: Array | None = None) -> list[Trackers]:
    """Return perfect trackers of every frame.

    Args:
        clip: Its joints have VRM's names.
        seen: (6,) or (T, 6) bool; None is a headset and two controllers.
    """
    rows = [clip.skeleton.joint(name) for name in TRACKER_NAMES]
    turns, places = clip.world()
    if seen is None:
        seen = np.arange(len(TRACKER_NAMES)) < 3
    given = np.broadcast_to(seen, (len(clip), len(TRACKER_NAMES)))
    return [
        Trackers(
            positions=places[t, rows],
            rotations=turns[t, rows],
            seen=given[t],
            timestamp_ns=round(t * 1e9 / clip.fps),
        )
        for t in range(len(clip))
    ]


def body_points(clip: MotionClip) -> F64:
    """Return where a tracker without error would see the 33 points (T, 33, 3), metres, world."""
    turns, places = (a.astype(np.float64) for a in clip.world())
    skeleton = clip.skeleton
    out = np.zeros((len(clip), len(BODY_NAMES), 3))
    head = skeleton.joint("head")
    scale = np.linalg.norm(skeleton.rest_translations[skeleton.joint("leftHand")]) / _FOREARM_M
    out[:, HEAD_POINTS] = places[:, head, None] + quat.rotate(
        turns[:, head, None], scale * HEAD_MODEL[None]
    )
    for side, mirror in (("left", (1, 1, 1)), ("right", (-1, 1, 1))):
        for part, joint in _AT_JOINT.items():
            out[:, BODY[f"{side}{part}"]] = places[:, skeleton.joint(f"{side}{joint}")]
        for part, (joint, offset) in _ON_JOINT.items():
            j = skeleton.joint(f"{side}{joint}")
            moved = np.broadcast_to(scale * offset * mirror, (len(clip), 3))
            out[:, BODY[f"{side}{part}"]] = places[:, j] + quat.rotate(turns[:, j], moved)
    return out


def webcam_take(clip: MotionClip, *, seed: int, legs: bool) -> WebcamTake:
    """Return what a webcam's tracker would have made of a clip.

    The camera faces the way the person faces on average and follows the hips. Errors: a wrong
    scale, white and slowly wandering noise that is larger along the line of sight and half common
    to a limb, blur, a bias of the hips, bursts of lost arms, sides mistaken, whole losses.

    Args:
        clip: Its joints have VRM's names.
        seed: The same gives the same noise.
        legs: Whether the legs are in the picture; if not, they are guessed, with low visibility.
    """
    rng = np.random.default_rng(seed)
    truth = _facing_camera(clip)
    pitch_deg = float(rng.normal(5, 10))
    points = body_points(truth)
    seen = np.full(points.shape[:2], 0.99)
    hips = (points[:, BODY["leftHip"]] + points[:, BODY["rightHip"]]) / 2
    about = points - hips[:, None]
    tilt = quat.to_matrix(quat.from_axis_angle(np.array([1.0, 0.0, 0.0]), np.radians(pitch_deg)))
    given = about @ tilt.T
    if not legs:
        _hide_legs(given, seen, rng)
    image = _projected(given, _WHOLE_M if legs else _CLOSE_M, rng)
    _spoil(given, seen, clip.fps, rng)
    lost = _runs(len(clip), clip.fps, rng, every_s=45, lasting_s=(0.1, 2.0))
    return WebcamTake(
        observations=tuple(
            Observation(timestamp_ns=round(t * 1e9 / clip.fps))
            if lost[t]
            else Observation(
                timestamp_ns=round(t * 1e9 / clip.fps),
                body=Landmarks(names=BODY_NAMES, positions=given[t], visibility=seen[t]),
                image_body=ImageLandmarks(
                    names=BODY_NAMES, uv=image[t], size_px=_IMAGE_PX, visibility=seen[t]
                ),
            )
            for t in range(len(clip))
        ),
        truth=truth,
        pitch_deg=pitch_deg,
    )


def _facing_camera(clip: MotionClip) -> MotionClip:
    """Return the clip turned so that its hips face +Z on average."""
    ahead = quat.rotate(
        clip.rotations[:, 0].astype(np.float64), np.tile([0.0, 0.0, 1.0], (len(clip), 1))
    ).mean(0)
    back = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), -float(np.arctan2(ahead[0], ahead[2])))
    rotations = clip.rotations.copy()
    turns = np.broadcast_to(back, (len(clip), 4))
    rotations[:, 0] = quat.multiply(turns, rotations[:, 0].astype(np.float64))
    return MotionClip(
        skeleton=clip.skeleton,
        fps=clip.fps,
        rotations=rotations,
        root_translations=quat.rotate(turns, clip.root_translations.astype(np.float64)),
    )


def _hide_legs(points: Array, seen: Array, rng: np.random.Generator) -> None:
    """Guess straight legs where the true ones are out of the picture."""
    count = len(points)
    for side in ("left", "right"):
        hip = points[:, BODY[f"{side}Hip"]]
        for part, drop, ahead in (
            ("Knee", 0.42, 0.02),
            ("Ankle", 0.83, 0.0),
            ("Heel", 0.88, -0.04),
            ("FootIndex", 0.90, 0.14),
        ):
            points[:, BODY[f"{side}{part}"]] = hip + np.array([0.0, -drop, ahead])
    points[:, _LEGS] += _wander(count, len(_LEGS), rng) * _HALLUCINATED_M
    seen[:, _LEGS] = np.clip(0.12 + 0.05 * _wander(count, len(_LEGS), rng)[..., 0], 0.01, 0.28)


def _projected(points: Array, distance_m: float, rng: np.random.Generator) -> F64:
    """Return the points (T, 33, 3) on the image, fractions of its size."""
    depth = np.maximum(distance_m - points[..., 2:], 0.3)
    scale = _FOCAL * np.array([1.0, -_IMAGE_PX[0] / _IMAGE_PX[1]])
    # From close by the camera is at chest height: the knees are below the picture.
    middle = np.array([0.0, 0.0 if distance_m > 2 else 0.35])
    uv = 0.5 + scale * (points[..., :2] - middle) / depth
    return uv + rng.normal(0, 0.003, uv.shape)


def _spoil(points: Array, seen: Array, fps: float, rng: np.random.Generator) -> None:
    """Add a tracker's errors to points (T, 33, 3) and visibilities (T, 33) in place."""
    count = len(points)
    speed = np.zeros((count, len(BODY_NAMES), 1))
    speed[1:] = np.linalg.norm(np.diff(points, axis=0), axis=-1, keepdims=True) * fps
    white = rng.normal(size=points.shape) * (_WHITE_M + _BLUR_M * np.minimum(speed, 4))
    common = _wander(count, 5, rng)[:, [_limb_of(name) for name in BODY_NAMES]]
    wander = (np.sqrt(0.5) * (common + _wander(count, len(BODY_NAMES), rng))) * _WANDER_M
    for ends in _ARM_ENDS:
        burst = _runs(count, fps, rng, every_s=20, lasting_s=(0.2, 1.5))
        own = _wander(count, len(ends), rng) * _BURST_M
        points[:, ends] += np.where(burst[:, None, None], own, 0)
        seen[:, ends] = np.where(burst[:, None], 0.45, seen[:, ends])
    scale = rng.normal(1, [0.04, 0.04, 0.10])
    scale[1] = scale[0]
    hips = [BODY["leftHip"], BODY["rightHip"]]
    spoilt = points * scale + white + wander
    spoilt[:, hips, 2] += _HIPS_BIAS_M
    spoilt -= spoilt[:, hips].mean(1, keepdims=True)
    swapped = _runs(count, fps, rng, every_s=60, lasting_s=(1 / 30, 1 / 3))
    points[:] = np.where(swapped[:, None, None], spoilt[:, _MIRROR], spoilt)


def _wander(count: int, points: int, rng: np.random.Generator) -> F64:
    """Return slowly wandering noise (T, P, 3) of unit variance."""
    out = rng.normal(size=(count, points, 3))
    fresh = np.sqrt(1 - _WANDER_KEPT**2)
    for t in range(1, count):
        out[t] = _WANDER_KEPT * out[t - 1] + fresh * out[t]
    return out


def _runs(
    count: int,
    fps: float,
    rng: np.random.Generator,
    *,
    every_s: float,
    lasting_s: tuple[float, float],
) -> Array:
    """Return (T,) bool: random stretches, one in `every_s` seconds on average."""
    out = np.zeros(count, bool)
    for start in np.flatnonzero(rng.random(count) < 1 / (every_s * fps)):
        out[start : start + max(1, round(fps * rng.uniform(*lasting_s)))] = True
    return out


def _limb_of(name: str) -> int:
    for limb, parts in enumerate(
        (("Elbow", "Wrist", "Pinky", "Index", "Thumb"), ("Knee", "Ankle", "Heel", "FootIndex"))
    ):
        if name.endswith(parts) and not name.startswith("mouth"):
            return 1 + 2 * limb + (name.startswith("right"))
    return 0
