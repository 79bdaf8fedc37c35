"""Simulated sources, version 1: what trackers and a webcam's landmarks would have said.

Errors of landmarks are of three kinds at once: white per frame, slow (AR(1)) per point and half of
it shared by a limb, and constant per take (scale, hips towards the camera). Depth errs most.
Numbers are metres on the 1.70 m skeleton; every draw comes from the generator given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.motion.fitting.points import HEAD_MODEL, HEAD_POINTS
from twinsdk.motion.model.body import INDEX, rotation_from_vector

__all__ = [
    "NOISE_VERSION",
    "Camera",
    "LandmarkNoise",
    "TrackerNoise",
    "body_points",
    "observe",
    "shake_trackers",
    "slow_noise",
]

NOISE_VERSION = 1
_BODY = {name: i for i, name in enumerate(BODY_NAMES)}
_JOINT_POINTS = {
    "Shoulder": "UpperArm",
    "Elbow": "LowerArm",
    "Wrist": "Hand",
    "Hip": "UpperLeg",
    "Knee": "LowerLeg",
    "Ankle": "Foot",
}
# From the hand joint along the T-pose's left arm, and from the ankle.
_HAND_POINTS = {
    "Index": (0.092, 0.0, 0.028),
    "Pinky": (0.078, 0.0, -0.036),
    "Thumb": (0.060, -0.012, 0.056),
}
_FOOT_POINTS = {"Heel": (0.0, -0.02, -0.05), "FootIndex": (0.0, -0.071, 0.19)}
_LIMB = np.zeros(len(BODY_NAMES), int)
for _name, _i in _BODY.items():
    _part = 1 + ("Hip" in _name or "Knee" in _name or "Ankle" in _name or "Heel" in _name)
    _part += "FootIndex" in _name
    if _i >= 11:
        _LIMB[_i] = 2 * min(_part, 2) - 1 + _name.startswith("right")
_ARM_POINTS = [
    [_BODY[f"{s}{p}"] for p in ("Elbow", "Wrist", "Index", "Pinky", "Thumb")]
    for s in ("left", "right")
]
_EXCHANGED = np.array(
    [
        _BODY[
            n.replace("left", "@")
            .replace("right", "left")
            .replace("@", "right")
            .replace("Left", "@")
            .replace("Right", "Left")
            .replace("@", "Right")
        ]
        for n in BODY_NAMES
    ]
)


# Centimetres in the picture's plane and in depth: of the slow error, then of what stays a take
# long. Measured on MediaPipe's full model over our own rendered persons, whose points are known.
# Points of the face err with the nose, of a hand with the wrist, of a foot with the ankle, and by
# these besides.
SPREAD_CM: dict[str, tuple[float, float, float, float]] = {
    "nose": (1.1, 4.0, 3.0, 7.0),
    "face": (0.2, 0.5, 0.3, 0.8),
    "Shoulder": (1.4, 3.5, 2.5, 5.0),
    "Elbow": (2.8, 9.0, 3.0, 6.0),
    "Wrist": (3.5, 12.0, 4.0, 6.5),
    "Hand": (1.0, 2.5, 1.2, 2.0),
    "Hip": (0.3, 0.5, 1.2, 0.5),
    "Knee": (1.1, 3.5, 2.0, 2.5),
    "Ankle": (1.0, 4.5, 3.0, 4.0),
    "Foot": (0.7, 1.5, 1.0, 3.0),
}


def _spread() -> Array:
    """Return the table by point (33, 4), metres."""
    rows = []
    for name in BODY_NAMES:
        part = name.removeprefix("left").removeprefix("right")
        if part in ("Heel", "FootIndex"):
            part = "Foot"
        elif part in ("Index", "Pinky", "Thumb"):
            part = "Hand"
        rows.append(SPREAD_CM.get(part, SPREAD_CM["face"]))
    return np.array(rows) / 100


_SPREAD = _spread()


def _carriers() -> Array:
    """Return the point (33,) whose error each point shares besides its own; itself for none."""
    out = []
    for i, name in enumerate(BODY_NAMES):
        side = "left" if name.startswith("left") else "right"
        if i < 11:
            out.append(0)
        elif name.endswith(("Index", "Pinky", "Thumb")) and "Foot" not in name:
            out.append(_BODY[f"{side}Wrist"])
        elif name.endswith(("Heel", "FootIndex")):
            out.append(_BODY[f"{side}Ankle"])
        else:
            out.append(i)
    return np.array(out)


_CARRIER = _carriers()
_CARRIED = (np.arange(len(BODY_NAMES)) != _CARRIER)[:, None]


@dataclass(frozen=True, kw_only=True)
class LandmarkNoise:
    """How a webcam's landmarks err, over the table `SPREAD_CM` of the points' own sizes.

    Attributes:
        scale: Relative standard deviation of the body's size in the picture's plane.
        depth: Mean factor of depths, which trackers make too small.
        depth_scale: Standard deviation of that factor.
        white_m: Per frame and point: sideways and up.
        white_depth_m: The same in depth.
        slow_s: Time constant of the slow error, seconds.
        shared: Share of the slow error's variance common to a limb.
        speed: Metres of error a metre a second of the point adds.
        hidden_m: Slow error of points outside the picture, which trackers still make up.
        swap_share: Share of takes with frames whose sides are exchanged.
        flip_share: Share of takes in which a limb is mirrored in depth for some frames.
        burst_share: Share of takes in which an arm is hidden for a while.
        loss_share: Share of takes in which the whole person is lost for a while.
    """

    scale: float = 0.04
    depth: float = 0.82
    depth_scale: float = 0.12
    white_m: float = 0.0015
    white_depth_m: float = 0.005
    slow_s: float = 0.5
    shared: float = 0.5
    speed: float = 0.012
    hidden_m: float = 0.15
    swap_share: float = 0.02
    flip_share: float = 0.05
    burst_share: float = 0.15
    loss_share: float = 0.12


@dataclass(frozen=True, kw_only=True)
class TrackerNoise:
    """Standard deviations of trackers.

    Attributes:
        white_m: Per frame.
        white_rad: Per frame.
        place_m: Constant a take: where on the hand or the head a device is worn.
        turn_rad: The same for its turn.
        worn_share: Share of takes with that constant error; the rest are worn as calibrated.
    """

    white_m: float = 0.0015
    white_rad: float = 0.006
    place_m: float = 0.012
    turn_rad: float = 0.06
    worn_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A webcam: `distance_m` from the person, `height_m` over the floor, looking down by `pitch`.

    `roll` and `pitch` are radians, `half_width` and `half_height` tangents of half the view.
    """

    distance_m: float
    height_m: float
    pitch: float
    roll: float
    half_width: float
    half_height: float


def body_points(world: Array, places: Array) -> F32:
    """Return the 33 body points (..., 33, 3) of people whose joints are known.

    Args:
        world: (..., 22, 3, 3) world rotations.
        places: (..., 22, 3).
    """
    out = np.zeros((*places.shape[:-2], len(BODY_NAMES), 3), np.float32)
    head = INDEX["head"]
    out[..., HEAD_POINTS, :] = places[..., head, None, :] + HEAD_MODEL.astype(
        np.float32
    ) @ np.swapaxes(world[..., head, :, :], -1, -2)
    for s, side in enumerate(("left", "right")):
        for point, joint in _JOINT_POINTS.items():
            out[..., _BODY[side + point], :] = places[..., INDEX[side + joint], :]
        for points, joint in ((_HAND_POINTS, "Hand"), (_FOOT_POINTS, "Foot")):
            j = INDEX[side + joint]
            for point, at in points.items():
                own = np.array(at, np.float32) * ((1, 1, 1) if s == 0 else (-1, 1, 1))
                out[..., _BODY[side + point], :] = places[..., j, :] + (
                    world[..., j, :, :] @ own.astype(np.float32)
                )
    return out


def slow_noise(
    rng: np.random.Generator, count: int, shape: tuple[int, ...], *, keep: float
) -> Array:
    """Return AR(1) noise (count, *shape) of unit variance whose neighbours correlate by `keep`."""
    from scipy.signal import lfilter

    white = rng.standard_normal((count, *shape))
    white[1:] *= np.sqrt(1 - keep * keep)
    smooth: Array = lfilter([1.0], [1.0, -keep], white, axis=0)
    return smooth


def observe(
    points: Array,
    rng: np.random.Generator,
    *,
    camera: Camera,
    fps: float,
    noise: LandmarkNoise,
    lose: bool = True,
) -> tuple[F32, F32, F32]:
    """Return what a tracker makes of points seen by a camera.

    Args:
        points: (T, 33, 3) world, +Z to the camera, x = 0 its axis, z = 0 where `distance_m` is.
        rng: Of every draw.
        camera: Where it stands.
        fps: Frames a second.
        noise: Sizes of the errors.
        lose: Whether parts are hidden, lost and mixed up for a while.

    Returns:
        Landmarks (T, 33, 3) about the hips in the camera's axes, visibility (T, 33), uv (T, 33, 2).
        A frame in which nobody is found has visibility 0 throughout.
    """
    count = len(points)
    turn = rotation_from_vector(np.array([camera.pitch, 0, 0])) @ rotation_from_vector(
        np.array([0, 0, camera.roll])
    )
    eye = np.array([0.0, camera.height_m, camera.distance_m])
    seen_from = (points - eye) @ turn.T
    depth = np.maximum(-seen_from[..., 2], 0.2)
    uv = np.stack(
        [
            0.5 + 0.5 * seen_from[..., 0] / depth / camera.half_width,
            0.5 - 0.5 * seen_from[..., 1] / depth / camera.half_height,
        ],
        axis=-1,
    )
    inside = ((uv > 0.0) & (uv < 1.0)).all(-1) & (seen_from[..., 2] < -0.25)
    marks = seen_from - seen_from[:, [23, 24]].mean(1, keepdims=True)
    plane = 1 + noise.scale * rng.standard_normal()
    scale = np.array([plane, plane, noise.depth + noise.depth_scale * rng.standard_normal()])
    visible = inside.astype(np.float64)
    marks, visible = _mixed_up(marks, visible, rng, fps, noise) if lose else (marks, visible)
    keep = float(np.exp(-1 / (noise.slow_s * fps)))
    own = slow_noise(rng, count, (33, 3), keep=keep) * np.sqrt(1 - noise.shared)
    limb = slow_noise(rng, count, (5, 3), keep=keep)[:, _LIMB] * np.sqrt(noise.shared)
    size, constant = _SPREAD[:, [0, 0, 1]], _SPREAD[:, [2, 2, 3]]
    take = np.sqrt(1 - noise.shared) * rng.standard_normal((33, 3))
    take = take + np.sqrt(noise.shared) * rng.standard_normal((5, 3))[_LIMB]
    moved = np.linalg.norm(np.gradient(marks, axis=0), axis=-1, keepdims=True) * fps
    hidden = 1 - np.clip(visible, 0, 1)[..., None]
    size = size + ~_CARRIED * (noise.speed * np.minimum(moved, 5.0) + hidden * noise.hidden_m)
    white = rng.standard_normal((count, 33, 3)) * (
        noise.white_m,
        noise.white_m,
        noise.white_depth_m,
    )
    error = (own + limb) * size + take * constant
    marks = marks * scale + error + _CARRIED * error[:, _CARRIER] + white
    marks -= marks[:, [23, 24]].mean(1, keepdims=True)
    uv = uv + rng.standard_normal(uv.shape) * 0.003
    wave = slow_noise(rng, count, (33,), keep=keep)
    sure = np.where(visible > 0.5, 0.97 - 0.04 * np.abs(wave), 0.12 + 0.08 * np.abs(wave))
    sure = np.clip(sure * np.where(visible < 0, 0, 1), 0, 1)
    lost = visible.max(-1) <= 0
    sure[lost] = 0
    return marks.astype(np.float32), sure.astype(np.float32), uv.astype(np.float32)


def _span(rng: np.random.Generator, count: int, fps: float, low_s: float, high_s: float) -> slice:
    length = max(1, int(rng.uniform(low_s, high_s) * fps))
    start = int(rng.integers(0, max(1, count - length)))
    return slice(start, start + length)


def _mixed_up(
    marks: Array, visible: Array, rng: np.random.Generator, fps: float, noise: LandmarkNoise
) -> tuple[Array, Array]:
    """Return points and visibility with the gross faults of a take."""
    marks, visible = marks.copy(), visible.copy()
    count = len(marks)
    if rng.random() < noise.swap_share:
        span = _span(rng, count, fps, 0.03, 0.33)
        marks[span] = marks[span][:, _EXCHANGED]
    if rng.random() < noise.flip_share:
        span = _span(rng, count, fps, 0.1, 0.5)
        arm = _ARM_POINTS[int(rng.integers(2))]
        root = marks[span][:, [11 if arm == _ARM_POINTS[0] else 12]]
        piece = marks[span]
        piece[:, arm, 2] = 2 * root[:, :, 2] - piece[:, arm, 2]
        marks[span] = piece
    if rng.random() < noise.burst_share:
        for _ in range(int(rng.integers(1, 4))):
            arm = _ARM_POINTS[int(rng.integers(2))][int(rng.integers(2)) :]
            visible[_span(rng, count, fps, 0.2, 1.5), arm] = 0
    if rng.random() < noise.loss_share:
        visible[_span(rng, count, fps, 0.1, 2.0)] = -1
    return marks, visible


def shake_trackers(
    positions: Array, rotations: Array, rng: np.random.Generator, noise: TrackerNoise
) -> tuple[F32, F32]:
    """Return tracker poses (B, T, 6, 3), (B, T, 6, 3, 3) as devices would measure them."""
    batch, count = positions.shape[:2]
    worn = (rng.random((batch, 1, 1, 1)) < noise.worn_share) * 1.0
    shift = worn * noise.place_m * rng.standard_normal((batch, 1, 6, 3))
    turn = worn * noise.turn_rad * rng.standard_normal((batch, 1, 6, 3))
    turn = turn + noise.white_rad * rng.standard_normal((batch, count, 6, 3))
    moved = positions + (rotations @ np.broadcast_to(shift, positions.shape)[..., None])[..., 0]
    moved = moved + noise.white_m * rng.standard_normal(positions.shape)
    turned = rotations @ rotation_from_vector(turn.astype(np.float32))
    return moved.astype(np.float32), turned.astype(np.float32)
