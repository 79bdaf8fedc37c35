"""The measures: limb and joint error against the known answer, there and back, feet, agreement."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.formats import load_clip, save_clip
from twinsdk.retarget.evaluation.bodies import LIMBS, Body, canonical_body, reshaped
from twinsdk.retarget.measure import measure
from twinsdk.retarget.retargeter import RetargetConfig, Retargeter

__all__ = [
    "FormatAgreement",
    "Method",
    "TransferError",
    "clip_agreement",
    "cycle_error_deg",
    "foot_speeds",
    "format_agreement",
    "ours",
    "transfer_error",
]

HEIGHT_M = 1.70
_MOST_SPARE_FRAMES = 3
_ENDS = tuple(dict.fromkeys(joint for pair in LIMBS for joint in pair))
_SHAPES = {"long thighs": (1.25, 0.8), "long shins": (0.8, 1.2), "tall": (1.3, 1.3)}
# Feet on the same body need no planting, and random poses stand nowhere.
_BARE = RetargetConfig(plant_feet=False)
# (motion on the source, source, target) -> motion on the target's skeleton
Method = Callable[[MotionClip, Body, Body], MotionClip]


@dataclass(frozen=True, kw_only=True)
class TransferError:
    """How far a result is from the known answer.

    Attributes:
        limb_mean_deg, limb_worst_deg: Angle of the eight limb bones, over frames and limbs.
        joint_share: Mean distance of elbows, wrists, shoulders, hips, knees and ankles from where
            they should be about the hips, over the body's height.
    """

    limb_mean_deg: float
    limb_worst_deg: float
    joint_share: float


@dataclass(frozen=True, kw_only=True)
class FormatAgreement:
    """What is left of one motion after going through a file.

    Attributes:
        suffix: The kind of file.
        limb_worst_deg: After retargeting, against the motion that went through no file.
    """

    suffix: str
    limb_worst_deg: float


def ours(clip: MotionClip, source: Body, target: Body) -> MotionClip:
    """Return what twinsdk makes of it: joints, rest pose, axes and unit found by itself."""
    del source
    return Retargeter(clip.skeleton, target.skeleton, _BARE, sample=clip).clip(clip)


def transfer_error(
    motion: MotionClip, source: Body, target: Body, method: Method = ours
) -> TransferError:
    """Return the error of `method` from one skeleton of a body to another, on `motion`."""
    made = method(source.clip(motion), source, target)
    wanted, found = target.clip(motion), made
    truth, places = (target.places(clip, _ENDS) for clip in (wanted, found))
    angles = np.degrees(np.concatenate([_angle(truth, places, a, b) for a, b in LIMBS]))
    return TransferError(
        limb_mean_deg=float(angles.mean()),
        limb_worst_deg=float(angles.max()),
        joint_share=float(np.linalg.norm(places - truth, axis=-1).mean()) / HEIGHT_M,
    )


def cycle_error_deg(motion: MotionClip, target: Body) -> float:
    """Return the worst joint's angle after going from the canonical skeleton there and back."""
    there = Retargeter(motion.skeleton, target.skeleton, _BARE).clip(motion)
    back = Retargeter(there.skeleton, motion.skeleton, _BARE).clip(there)
    return float(np.degrees(quat.angle(back.rotations, motion.rotations)).max())


def foot_speeds(motion: MotionClip) -> dict[str, dict[str, float | None]]:
    """Return cm/s of feet that stand, on bodies of other legs: of the source, planted and not."""
    table: dict[str, dict[str, float | None]] = {}
    for name, (thigh, shin) in _SHAPES.items():
        target, row = reshaped(name, thigh, shin), dict[str, float | None]()
        for label, plant in (("twinsdk", True), ("not planted", False)):
            config = RetargetConfig(plant_feet=plant)
            made = Retargeter(motion.skeleton, target.skeleton, config, sample=motion)
            found = measure(made, motion, made.clip(motion))
            row["source"] = _cm(found.source_slide_m_s)
            row[label] = _cm(found.slide_m_s)
        table[name] = row
    return table


def format_agreement(motion: MotionClip, suffixes: Sequence[str]) -> list[FormatAgreement]:
    """Return, for each kind of file, how far its motion is from the original after retargeting."""
    target = canonical_body()
    plain = target.places(Retargeter(motion.skeleton, target.skeleton, _BARE).clip(motion), _ENDS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in suffixes:
            path = Path(folder) / f"motion{suffix}"
            save_clip(motion, path)
            clip = load_clip(path)
            made = Retargeter(clip.skeleton, target.skeleton, _BARE, sample=clip).clip(clip)
            places = target.places(made, _ENDS)
            worst = max(float(_angle(plain, places, a, b).max()) for a, b in LIMBS)
            rows.append(FormatAgreement(suffix=suffix, limb_worst_deg=float(np.degrees(worst))))
    return rows


def clip_agreement(one: MotionClip, other: MotionClip) -> tuple[float, float]:
    """Return mean and worst degrees between the limbs of two clips of one take, retargeted.

    Frames are paired by time. Where one has up to three frames more, such as a T-pose put before
    the take, the pairing that agrees best is taken.
    """
    target = canonical_body()
    shown = []
    for clip in (one, other):
        made = Retargeter(clip.skeleton, target.skeleton, _BARE, sample=clip).clip(clip)
        rate = min(one.fps, other.fps)
        count = int(clip.duration_s * rate)
        frames = np.minimum(np.round(np.arange(count) * clip.fps / rate), len(clip) - 1)
        shown.append(target.places(made, _ENDS)[frames.astype(int)])
    short, long = sorted(shown, key=len)
    spare = len(long) - len(short)
    found = []
    for start in range(spare + 1 if spare <= _MOST_SPARE_FRAMES else 1):
        part = long[start : start + len(short)]
        found.append(np.degrees(np.concatenate([_angle(short, part, *pair) for pair in LIMBS])))
    best = min(found, key=lambda angles: float(angles.mean()))
    return float(best.mean()), float(best.max())


def _angle(truth: F64, places: F64, a: str, b: str) -> Array:
    i, j = _ENDS.index(a), _ENDS.index(b)
    u, v = truth[:, j] - truth[:, i], places[:, j] - places[:, i]
    cross = np.linalg.norm(np.cross(u, v), axis=-1)
    return np.arctan2(cross, np.einsum("ti,ti->t", u, v))


def _cm(speed_m_s: float | None) -> float | None:
    return None if speed_m_s is None else 100 * speed_m_s
