"""Motion without a camera: idle, a style, going on from a clip, getting from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip, clip_of
from twinsdk.core.expressions import EXPRESSION_COUNT, expression
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.errors import SkeletonMismatchError, UsageError, ValueRangeError
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.generation.performances import BODY, heading
from twinsdk.motion.generation.performer import BODY_ROWS, Performer, posed
from twinsdk.motion.vectors import smoothstep

if TYPE_CHECKING:
    from twinsdk.motion.generation.learned import LearnedPerformer

__all__ = ["WAYS", "generate"]

WAYS = ("captured", "learned")
"""Performances strung together, or the network that learned from them."""

_LONGEST_S = 24 * 3600.0
_REMEMBERED_S = 1.0
_HEAT_BETWEEN = 0.5  # between two poses, the likelier ways are nearer to what people did
_TAIL_S = 0.9  # in which the limbs come to the pose at the end
_EXACT_S = 0.25  # in which held feet are let go to be exactly there
_BLINK_S = 0.18
_BETWEEN_BLINKS_S = (1.5, 7.0)
_UP = np.array([0.0, 1.0, 0.0])


def generate(
    seconds: float,
    *,
    seed: int = 0,
    style: str = "idle",
    start: MotionClip | None = None,
    end: MotionClip | None = None,
    fps: float = 30.0,
    by: str | None = None,
) -> MotionClip:
    """Return motion on the canonical 1.70 m skeleton; the same arguments give the same.

    Args:
        seconds: How long.
        seed: Which of many.
        style: One of `performances.styles()`.
        start: It goes on from this clip's last pose, with its speed.
        end: It arrives at this clip's first pose.
        fps: Frames a second of the result.
        by: One of `WAYS`; None is what was measured to be better: "learned" where there is an end,
            else "captured".

    Raises:
        ValueRangeError: `seconds` or `fps` is out of range.
        UsageError: There is no such style or way.
        SkeletonMismatchError: A clip is not on `humanoid_skeleton()`.
    """
    if not 1 <= fps <= 240:
        raise ValueRangeError(f"fps: expected 1 to 240, got {fps}")
    if not 1 / fps <= seconds <= _LONGEST_S:
        raise ValueRangeError(f"seconds: expected one frame to {_LONGEST_S:.0f}, got {seconds}")
    for name, clip in (("start", start), ("end", end)):
        if clip is not None and not clip.skeleton.matches(humanoid_skeleton()):
            raise SkeletonMismatchError(
                f"{name}: expected a clip on humanoid_skeleton(); use twinsdk.retarget first"
            )
    by = by or ("captured" if end is None else "learned")
    if by not in WAYS:
        raise UsageError(f"by: expected one of {', '.join(WAYS)}, got {by!r}")
    count = max(1, round(seconds * fps))
    performer = _performer(by, style, seed, start, end, count / fps)
    if end is None:
        poses = [performer.step(1 / fps) for _ in range(count)]
    else:
        poses = _between(performer, end[0], count, fps)
    return clip_of(poses, fps=fps, expressions=_blinks(count, fps, seed))


def _performer(
    by: str, style: str, seed: int, start: MotionClip | None, end: MotionClip | None, end_s: float
) -> Performer | LearnedPerformer:
    learned = by == "learned"
    fps = 30.0 if start is None else start.fps
    known = round(_REMEMBERED_S * fps) + 1 if learned else 2
    before = () if start is None else tuple(start[max(0, len(start) - known) :])
    if not learned:
        return Performer(style, seed=seed, start=before, start_fps=fps)
    # Here, for the network's sizes are the motion model's, which generates by this module.
    from twinsdk.motion.generation.learned import LearnedPerformer

    if end is None:
        return LearnedPerformer(style, seed=seed, start=before, start_fps=fps)
    return LearnedPerformer(
        style,
        seed=seed,
        start=before,
        start_fps=fps,
        end=end[0],
        end_s=end_s,
        heat=_HEAT_BETWEEN,
    )


def _between(
    performer: Performer | LearnedPerformer, end: Pose, count: int, fps: float
) -> list[Pose]:
    """Return poses of which the last is `end`: the way is turned and moved to lead there."""
    made = [performer.advance(1 / fps) for _ in range(count)]
    rotations = np.stack([m[0] for m in made])
    roots = np.stack([m[1] for m in made])
    goal = end.rotations[BODY_ROWS].astype(np.float64)
    share = smoothstep(np.arange(1, count + 1) / count, 0, 1)
    turn = float(heading(goal[0]) - heading(rotations[-1, 0]))
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    about = quat.from_axis_angle(_UP, turn * share)
    rotations[:, 0] = quat.multiply(about, rotations[:, 0])
    pivot = roots[0]
    roots = pivot + quat.rotate(about, roots - pivot)
    roots = roots + share[:, None] * (end.root_translation - roots[-1])
    rotations = _led(rotations, goal, _tail(count, _TAIL_S * fps))
    holder = FootHolder(BODY)
    held = [
        holder.step(r, p, m[2], 1 / fps)[0] for r, p, m in zip(rotations, roots, made, strict=True)
    ]
    exact = _led(np.stack(held), goal, _tail(count, _EXACT_S * fps))
    rest = end.rotations.astype(np.float64)
    return [posed(r, p, rest=rest) for r, p in zip(exact, roots, strict=True)]


def _tail(count: int, frames: float) -> Array:
    """Return (T,) weights that rise to 1 at the last frame."""
    frames = min(frames, float(count))
    return smoothstep(1 - np.arange(count - 1, -1, -1) / frames, 0, 1)


def _led(rotations: Array, goal: Array, weights: Array) -> Array:
    """Return rotations (T, J, 4) led to `goal` (J, 4) by as much of the last difference."""
    apart = quat.to_rotation_vector(quat.multiply(goal, quat.conjugate(rotations[-1])))
    return quat.normalize(
        quat.multiply(quat.from_rotation_vector(weights[:, None, None] * apart), rotations)
    )


def _blinks(count: int, fps: float, seed: int) -> F32:
    """Return expressions (T, 52): eyes that blink now and then, by rule, not from data."""
    rng = np.random.default_rng([seed, 1])
    out = np.zeros((count, EXPRESSION_COUNT), np.float32)
    eyes = [expression("eyeBlinkLeft"), expression("eyeBlinkRight")]
    times = np.arange(count) / fps
    at = float(rng.uniform(*_BETWEEN_BLINKS_S))
    while at < times[-1]:
        closed = np.clip(1 - np.abs(times - at) / (_BLINK_S / 2), 0, 1)
        out[:, eyes] = np.maximum(out[:, eyes], closed[:, None])
        at += float(rng.uniform(*_BETWEEN_BLINKS_S))
    return out
