"""The tasks of the evaluation: each runs a follower over true clips and measures what it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twinsdk.core.arrays import F64, Array
from twinsdk.motion.evaluation.clips import TrueClip
from twinsdk.motion.evaluation.followers import Estimate, Follower
from twinsdk.motion.evaluation.simulated import trackers_of, webcam_take
from twinsdk.motion.score import Measured, accelerations, aligned, joints_of, measure, summary

__all__ = ["DROPOUTS_S", "Row", "dropouts", "headset", "webcam"]

DROPOUTS_S = (0.5, 2.0, 5.0)
"""For how long both hands are lost."""

_AHEAD_S = 0.1
_SETTLED_S = 1.0  # before the first loss, and between two
_SWITCH_S = 0.5  # the stretch around a switch in which a jump would show
_ARRIVED_S = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """What one follower did at one task.

    Attributes:
        task: Which.
        method: The follower's name.
        frames: Frames measured.
        over_frames: Measure -> mean over frames, see `score.measure`.
        over_clips: The same, every clip alike.
        joint_rotation_deg: Joint -> mean rotation error.
    """

    task: str
    method: str
    frames: int
    over_frames: dict[str, float]
    over_clips: dict[str, float]
    joint_rotation_deg: dict[str, float] = field(default_factory=dict)


def headset(follower: Follower, clips: Sequence[TrueClip]) -> Row:
    """Return how a headset and two controllers are followed, heads aligned.

    Besides `score.measure`: `ahead_cm`, `held_cm` and `straight_cm`, how far off joints are that
    are forecast 0.1 s ahead, held, or moved on at their speed; `ahead_move_cm`,
    `held_move_cm` and `straight_move_cm` count the movement alone, without where it starts;
    and `hands_cm`, hands against their controllers without any alignment.
    """
    measured = []
    for true in clips:
        clip = true.clip
        made = follower.follow(trackers_of(clip), clip.skeleton, clip.fps)
        found = measure(clip, made.clip, contacts=true.contacts, estimated_contacts=made.contacts)
        extra = _forecasts(true, made)
        hands = joints_of(clip.skeleton, "hand")
        apart = made.clip.world()[1][:, hands] - clip.world()[1][:, hands]
        extra["hands_cm"] = 100 * float(np.linalg.norm(apart, axis=-1).mean())
        measured.append(_with(found, extra))
    return _row("headset and controllers", follower, measured)


def webcam(follower: Follower, clips: Sequence[TrueClip], *, legs: bool) -> Row:
    """Return how a webcam's landmarks are followed, hips aligned."""
    measured = []
    for i, true in enumerate(clips):
        take = webcam_take(true.clip, seed=i, legs=legs)
        made = follower.follow(take.observations, true.clip.skeleton, true.clip.fps)
        measured.append(
            measure(
                take.truth,
                made.clip,
                align="hips",
                contacts=true.contacts,
                estimated_contacts=made.contacts,
            )
        )
    return _row("webcam, all seen" if legs else "webcam, legs hidden", follower, measured)


def dropouts(follower: Follower, clips: Sequence[TrueClip], *, lost_s: float) -> Row | None:
    """Return what losing both hands for `lost_s` seconds does; None where all clips are too short.

    `lost_cm` and `arrived_cm` are the hands' errors while lost and in the 0.2 s after;
    `switch_peak` is the mean over switches of the highest acceleration of any joint within 0.5 s,
    `normal_peak` the mean of the truth's over stretches as long, m/s^2.
    """
    measured = []
    for true in clips:
        clip, fps = true.clip, true.clip.fps
        lost, switches = _losses(len(clip), fps, lost_s)
        if not switches:
            continue
        seen = np.tile(np.arange(6) < 3, (len(clip), 1))
        seen[lost, 1:3] = False
        made = follower.follow(trackers_of(clip, seen=seen), clip.skeleton, fps)
        found = measure(clip, made.clip, contacts=true.contacts, estimated_contacts=made.contacts)
        truth = clip.world()[1].astype(np.float64)
        places = aligned(made.clip.world()[1], truth, clip.skeleton.joint("head"))
        hands = joints_of(clip.skeleton, "hand")
        apart = 100 * np.linalg.norm(places[:, hands] - truth[:, hands], axis=-1).mean(1)
        window = round(_SWITCH_S * fps)
        peaks = accelerations(places, fps).max(1)
        true_peaks = _window_peaks(accelerations(truth, fps).max(1), window)
        around = [peaks[max(0, at - 2) : at + window] for at in switches]
        after = round(_ARRIVED_S * fps)
        extra = {
            "lost_cm": float(apart[lost].mean()),
            "arrived_cm": float(np.mean([apart[at : at + after].mean() for at in switches[1::2]])),
            "switch_peak": float(np.mean([peak.max() for peak in around])),
            "normal_peak": float(true_peaks.mean()),
        }
        measured.append(_with(found, extra))
    return _row(f"hands lost {lost_s:g} s", follower, measured) if measured else None


def _losses(count: int, fps: float, lost_s: float) -> tuple[Array, list[int]]:
    """Return which frames are lost (T,) and the frames of every loss and return."""
    lost, switches = np.zeros(count, bool), []
    settled, length = round(_SETTLED_S * fps), round(lost_s * fps)
    start = settled
    while start + length + settled <= count:
        lost[start : start + length] = True
        switches += [start, start + length]
        start += length + 2 * settled
    return lost, switches


def _window_peaks(values: F64, window: int) -> F64:
    return np.array([values[t : t + window].max() for t in range(0, len(values), window)])


def _forecasts(true: TrueClip, made: Estimate) -> dict[str, float]:
    """Return the errors of three ways to say where joints are 0.1 s later."""
    clip = true.clip
    steps = round(_AHEAD_S * clip.fps)
    if steps < 1 or len(clip) < steps + 4:
        return {}
    truth = clip.world()[1].astype(np.float64)
    now = made.clip.world()[1].astype(np.float64)
    speed = (now[2:-steps] - now[: -steps - 2]) / 2
    later, here = truth[2 + steps :], now[2:-steps]
    moved = later - truth[2:-steps]
    ways = {"held": here, "straight": here + steps * speed}
    if made.ahead is not None:
        ways["ahead"] = made.ahead[2:-steps]
    out = {}
    for way, places in ways.items():
        out[f"{way}_cm"] = 100 * float(np.linalg.norm(places - later, axis=-1).mean())
        out[f"{way}_move_cm"] = 100 * float(np.linalg.norm(places - here - moved, axis=-1).mean())
    return out


def _with(found: Measured, extra: dict[str, float]) -> Measured:
    return Measured(
        frames=found.frames,
        values={**found.values, **extra},
        joint_rotation_deg=found.joint_rotation_deg,
        joint_names=found.joint_names,
    )


def _row(task: str, follower: Follower, measured: Sequence[Measured]) -> Row:
    weights = np.array([found.frames for found in measured], np.float64)
    joints = weights @ np.stack([found.joint_rotation_deg for found in measured]) / weights.sum()
    return Row(
        task=task,
        method=follower.name,
        frames=int(weights.sum()),
        over_frames=summary(measured, over="frames"),
        over_clips=summary(measured, over="clips"),
        joint_rotation_deg=dict(
            zip(measured[0].joint_names, joints.round(2).tolist(), strict=True)
        ),
    )
