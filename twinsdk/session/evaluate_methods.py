"""What is judged: the tracker's points as they come, a tuned One Euro filter, and our live path.

All give the same twelve points in axes that lie as the camera sees the world, so that one set of
measures fits all: `camera` axes lie along the picture (+X right, +Y up, +Z towards the camera),
`level` axes are those turned upright by the truth's gravity. The tracker's own points claim the
former, ours the latter; each is held to what it claims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation
from twinsdk.motion import BodyFitter, FitConfig, OneEuroConfig, PointFilter
from twinsdk.motion.fitting.person import on_skeleton
from twinsdk.retarget import Retargeter
from twinsdk.session.motion_stage import MotionStage, motion_model
from twinsdk.session.truth_take import Take

__all__ = [
    "JOINTS",
    "METHODS",
    "POINTS",
    "TUNED",
    "Estimate",
    "Method",
    "one_euro",
    "ours",
    "raw",
    "truth_points",
    "upper_length",
]

_PARTS = (
    ("Shoulder", "UpperArm"),
    ("Elbow", "LowerArm"),
    ("Wrist", "Hand"),
    ("Hip", "UpperLeg"),
    ("Knee", "LowerLeg"),
    ("Ankle", "Foot"),
)
POINTS = tuple(f"{side}{part}" for side in ("left", "right") for part, _ in _PARTS)
JOINTS = [HUMANOID_NAMES.index(f"{s}{joint}") for s in ("left", "right") for _, joint in _PARTS]
_BODY = [BODY_NAMES.index(name) for name in POINTS]
_UPPER = ((0, 1), (1, 2), (6, 7), (7, 8), (0, 3), (6, 9), (0, 6))  # what every shot shows
_USUAL_FOV_DEG = 60.0

# Tuned on the dev split by `python benchmarks/capture_truth.py tune`: of the settings that lag at
# most 35 ms more than none, the one with the least error of velocities; and arms and trunk over
# height, as the tracker gives them where its points lie best on the truth.
TUNED = OneEuroConfig(min_cutoff_hz=1.0, speed_gain=2.0)
_UPPER_OF_HEIGHT = 1.30


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """What a method says of a take.

    Attributes:
        axes: "camera" or "level".
        points: (T, 12, 3) metres, `POINTS` about whatever root, the same for all frames.
        placed: (T, 12, 3) the same where the person is, up to one constant shift.
        expressions: (T, 52).
        sure: (T,) whether the method says that it sees the person.
    """

    axes: str
    points: Array
    placed: Array
    expressions: Array
    sure: Array


Method = Callable[[Take], Estimate]


def truth_points(take: Take, axes: str) -> Array:
    """Return the true `POINTS` (T, 12, 3) in "camera" or "level" axes, origin at the camera."""
    basis = take.camera_axes.astype(np.float64)
    if axes == "level":
        forward = basis[2] * (1, 0, 1)
        forward /= np.linalg.norm(forward)
        up = np.array([0.0, 1.0, 0.0])
        basis = np.stack([np.cross(forward, up), up, forward])
    points = take.joint_positions[:, JOINTS].astype(np.float64) - take.camera_position
    return np.asarray(points @ basis.T * (1, 1, -1))


def raw(take: Take) -> Estimate:
    """Return the tracker's points, held where nobody is found, placed by the closed form."""
    return _filtered(take, None, scale=1.0)


def one_euro(take: Take, config: OneEuroConfig | None = None) -> Estimate:
    """Return the tracker's points scaled to the person's height and smoothed."""
    return _filtered(
        take, config or TUNED, scale=take.height_m * _UPPER_OF_HEIGHT / upper_length(take)
    )


def upper_length(take: Take) -> float:
    """Return the median summed length of arms and trunk as the tracker gives them, metres."""
    points = _held([_space(seen) for seen in take.observations])
    start, end = ([bone[i] for bone in _UPPER] for i in (0, 1))
    return float(np.median(np.linalg.norm(points[:, end] - points[:, start], axis=-1).sum(-1)))


def ours(take: Take) -> Estimate:
    """Return what the live session makes of the observations: fit, motion model, planted feet.

    The pose is shown on a body of the person's height. Errors are those on the lengths the fit has
    learnt; feet are followed on the body that is shown.
    """
    shown_on = humanoid_skeleton(take.height_m)
    fitter = BodyFitter(FitConfig(height_m=take.height_m))
    stage = MotionStage(shown_on, motion_model(shown_on))
    retargeter = Retargeter(shown_on, shown_on)
    points, placed, faces, sure = [], [], [], []
    steps = np.diff(take.times_s, prepend=take.times_s[0]).tolist()
    for seen, step_s in zip(take.observations, steps, strict=True):
        fit = fitter.step(seen)
        own = fit.pose.skeleton
        shown = stage.webcam(seen, replace(fit, pose=on_skeleton(fit.pose, shown_on)), step_s)
        pose = retargeter.step(shown.pose, step_s)
        points.append(on_skeleton(pose, own).world()[1][JOINTS])
        placed.append(pose.world()[1][JOINTS])
        faces.append(fit.expressions)
        sure.append(fit.state in (TrackingState.TRACKING, TrackingState.PARTIAL))
    return Estimate(
        axes="level",
        points=np.array(points, np.float64),
        placed=np.array(placed, np.float64),
        expressions=np.array(faces),
        sure=np.array(sure),
    )


METHODS: dict[str, Method] = {"raw": raw, "one_euro": one_euro, "ours": ours}


def _filtered(take: Take, config: OneEuroConfig | None, *, scale: float) -> Estimate:
    points = scale * _held([_space(seen) for seen in take.observations])
    uv = _held([_picture(seen) for seen in take.observations])
    roots = np.stack([_place(p, q, take.size_px) for p, q in zip(points, uv, strict=True)])
    if config is not None:
        steps = np.diff(take.times_s, prepend=take.times_s[0])
        points, roots = (_smooth(x, steps, config) for x in (points, roots[:, None]))
        roots = roots[:, 0]
    faces = [seen.expressions for seen in take.observations]
    return Estimate(
        axes="camera",
        points=points,
        placed=points + roots[:, None],
        expressions=_held(faces, (52,)),
        sure=np.array([seen.body is not None for seen in take.observations]),
    )


def _smooth(points: Array, steps: Array, config: OneEuroConfig) -> Array:
    follower = PointFilter(config)
    return np.stack([follower.step(p, float(s)) for p, s in zip(points, steps, strict=True)])


def _space(seen: Observation) -> Array | None:
    return None if seen.body is None else seen.body.positions[_BODY]


def _picture(seen: Observation) -> Array | None:
    return None if seen.image_body is None else seen.image_body.pixels()[_BODY]


def _held(rows: list[Array] | list[Array | None], shape: tuple[int, ...] = ()) -> Array:
    """Return the rows, the last one standing in for one that is missing; before all, the first."""
    there = [row for row in rows if row is not None]
    if not there:
        return np.zeros((len(rows), *shape))
    last, out = there[0], []
    for row in rows:
        last = last if row is None else row
        out.append(last)
    return np.array(out, np.float64)


def _place(points: Array, pixels: Array, size_px: tuple[int, int]) -> Array:
    """Return the shift (3,) that lays points (12, 3) best on their picture (12, 2).

    Linear least squares of the pinhole equations, a usual angle of view assumed.
    """
    focal = size_px[0] / 2 / np.tan(np.radians(_USUAL_FOV_DEG) / 2)
    off = pixels - np.array(size_px) / 2
    count = len(points)
    system, wanted = np.zeros((2 * count, 3)), np.zeros(2 * count)
    system[:count, 0] = focal
    system[:count, 2] = off[:, 0]
    wanted[:count] = -focal * points[:, 0] - off[:, 0] * points[:, 2]
    system[count:, 1] = focal
    system[count:, 2] = -off[:, 1]
    wanted[count:] = -focal * points[:, 1] + off[:, 1] * points[:, 2]
    return np.asarray(np.linalg.lstsq(system, wanted, rcond=None)[0])
