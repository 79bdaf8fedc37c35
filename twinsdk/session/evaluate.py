"""The public evaluation of capture: our live path beside its baselines on rendered truth.

Every row of the table is one measure of `measure_take`, averaged over the takes that have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.session import evaluate_metrics as metrics
from twinsdk.session.evaluate_methods import JOINTS, METHODS, POINTS, TUNED, Estimate, truth_points
from twinsdk.session.truth_take import Take

__all__ = ["ROWS", "Row", "evaluate_takes", "markdown", "measure_take"]

_AT = {name: i for i, name in enumerate(POINTS)}
_SIDES = ("left", "right")
_BONES = tuple(
    (_AT[f"{side}{a}"], _AT[f"{side}{b}"])
    for side in _SIDES
    for a, b in (("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Hip", "Knee"), ("Knee", "Ankle"))
)
_ELBOWS = tuple(
    (_AT[f"{side}Shoulder"], _AT[f"{side}Elbow"], _AT[f"{side}Wrist"]) for side in _SIDES
)
_KNEES = tuple((_AT[f"{side}Hip"], _AT[f"{side}Knee"], _AT[f"{side}Ankle"]) for side in _SIDES)
_HIPS = [_AT["leftHip"], _AT["rightHip"]]
_SHOULDERS = [_AT["leftShoulder"], _AT["rightShoulder"]]
_ANKLES = [_AT["leftAnkle"], _AT["rightAnkle"]]
_ARMS = [(_AT[f"left{part}"], _AT[f"right{part}"]) for part in ("Elbow", "Wrist")]
_LEGS = [(_AT[f"left{part}"], _AT[f"right{part}"]) for part in ("Knee", "Ankle")]
_MOVING_M_S = 0.15
_TELLING_M = 0.05
_SETTLED_S = 2.0
_FACE_PX = 60.0  # what a face must measure for its expressions to be seen


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure: its key, what people read, and how it is written."""

    key: str
    name: str
    form: str = "{:.1f}"
    scale: float = 1.0


ROWS = (
    Row(key="position", name="joint position error, root-aligned, mm", scale=1e3),
    Row(key="direction", name="bone-direction error, degrees"),
    Row(key="elbow", name="elbow angle error, degrees"),
    Row(key="knee", name="knee angle error, degrees"),
    Row(key="depth", name="depth error, root-aligned, mm", scale=1e3),
    Row(key="length_variation", name="bone lengths: variation, %", form="{:.2f}", scale=100),
    Row(key="length_error", name="bone lengths: error to true length, %", scale=100),
    Row(key="jerk", name="jerk relative to truth, moving", form="{:.2f}"),
    Row(key="lag", name="lag against truth, ms", form="{:.0f}", scale=1e3),
    Row(key="still", name="still person: largest std of a joint, mm", form="{:.2f}", scale=1e3),
    Row(key="foot_speed", name="foot speed in true contacts, cm/s", scale=100),
    Row(key="foot_speed_truth", name="the truth's own, cm/s", scale=100),
    Row(key="swaps", name="left/right swaps, % of frames", form="{:.2f}", scale=100),
    Row(key="expressions", name="expression correlation, visible channels", form="{:.2f}"),
    Row(key="recovery", name="recovery after absence, s", form="{:.2f}"),
    Row(key="root_path", name="root path error, std, cm", scale=100),
    Row(key="found", name="frames in which the person is said to be seen, %", scale=100),
)


def measure_take(take: Take, estimate: Estimate) -> dict[str, float]:
    """Return every measure of an estimate by its key, SI units; NaN what this take cannot tell.

    A point counts in frames in which it is in the picture. The root is the middle of the hips, or
    that of the shoulders where the picture does not show the hips.
    """
    truth = truth_points(take, estimate.axes)
    times = take.times_s
    fps = float((len(times) - 1) / max(times[-1] - times[0], 1e-9))
    inside = _inside(take) & np.asarray(take.present, bool)[:, None]
    root = _HIPS if inside[:, _HIPS].mean() > 0.9 * np.mean(take.present) else _SHOULDERS
    both = {"est": metrics.aligned(estimate.points, root), "truth": metrics.aligned(truth, root)}
    errors = np.linalg.norm(both["est"] - both["truth"], axis=-1)
    ends = np.stack([inside[:, a] & inside[:, b] for a, b in _BONES], -1)
    still = take.about.get("kind") == "still"
    out = {
        "position": metrics.masked_mean(errors, inside),
        "direction": metrics.masked_mean(
            metrics.direction_errors(estimate.points, truth, _BONES), ends
        ),
        "depth": metrics.masked_mean(np.abs(both["est"] - both["truth"])[..., 2], inside),
        "swaps": _swaps(both["est"], both["truth"], inside),
        "found": float(np.mean(estimate.sure[take.present])),
        "recovery": metrics.recovery_s(
            np.where(estimate.sure, _frame_means(errors, inside), np.inf), take.present, times
        ),
        "expressions": _expressions(take, estimate),
    }
    for name, hinges in (("elbow", _ELBOWS), ("knee", _KNEES)):
        whole = np.stack([inside[:, list(hinge)].all(-1) for hinge in hinges], -1)
        off = metrics.hinge_errors(estimate.points, truth, hinges)
        out[name] = metrics.masked_mean(off, whole)
    out |= _lengths(take, estimate, ends)
    if still:
        settled = times - times[0] > _SETTLED_S
        shown = inside.mean(0) > 0.9
        steady = metrics.still_deviation(both["est"][settled][:, shown])
        out["still"] = float(steady.max()) if shown.any() else float("nan")
    elif np.all(take.present):
        out |= _dynamics(both["est"], both["truth"], inside, fps)
        placed, where = estimate.placed[:, root].mean(1), truth[:, root].mean(1)
        out["root_path"] = float(metrics.still_deviation((placed - where)[:, None])[0])
        out |= _feet(take, estimate, truth, inside, fps)
    return out


def evaluate_takes(
    takes: Sequence[Take], methods: Sequence[str] = tuple(METHODS)
) -> dict[str, Any]:
    """Return the measures of methods over takes.

    Returns:
        `means` method -> key -> mean over the takes that tell; `takes` a list of name, shot, kind
        and the measures of each method; `channels` method -> expression -> mean correlation;
        `one_euro` the filter's settings.
    """
    rows: list[dict[str, Any]] = []
    channels: dict[str, list[Array]] = {name: [] for name in methods}
    for take in takes:
        row: dict[str, Any] = {key: take.about.get(key) for key in ("name", "shot", "kind")}
        for name in methods:
            estimate = METHODS[name](take)
            row[name] = measure_take(take, estimate)
            channels[name].append(_channels(take, estimate))
        rows.append(row)
    means = {
        name: {row.key: _mean([found[name].get(row.key) for found in rows]) for row in ROWS}
        for name in methods
    }
    told = {
        name: {
            channel: _mean([float(found[e]) for found in each])
            for e, channel in enumerate(EXPRESSION_NAMES)
            if any(np.isfinite(found[e]) for found in each)
        }
        for name, each in channels.items()
    }
    for name in methods:
        means[name]["expressions"] = _mean(list(told[name].values()))
    return {
        "means": means,
        "takes": rows,
        "channels": told,
        "one_euro": {"min_cutoff_hz": TUNED.min_cutoff_hz, "speed_gain": TUNED.speed_gain},
    }


def markdown(results: Mapping[str, Any], rates: Mapping[str, float] | None = None) -> str:
    """Return the table of `evaluate_takes` as Markdown, with the output rates of a live run."""
    means = results["means"]
    setting = results["one_euro"]
    euro = "One-Euro ({min_cutoff_hz:g} Hz, {speed_gain:g} Hz s/m), height known".format(**setting)
    titles = {"raw": "raw MediaPipe", "one_euro": euro, "ours": "ours"}
    lines = [
        "| measure | " + " | ".join(titles[name] for name in means) + " | ours / raw |",
        "|---" * (len(means) + 2) + "|",
    ]
    for row in ROWS:
        values = [means[name][row.key] for name in means]
        if not any(np.isfinite(value) for value in values):
            continue
        cells = [_cell(value * row.scale, row.form) for value in values]
        share = means["ours"][row.key] / means["raw"][row.key] if _both(means, row.key) else np.nan
        lines.append(f"| {row.name} | " + " | ".join([*cells, _cell(share, "{:.2f}")]) + " |")
    for name, rate in (rates or {}).items():
        lines.append(f"| {name} |" + " |" * (len(means) - 1) + f" {rate:.1f} | |")
    return "\n".join(lines)


def _both(means: Mapping[str, Any], key: str) -> bool:
    return "raw" in means and "ours" in means and bool(means["raw"][key])


def _cell(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "-"


def _mean(values: Sequence[float | None]) -> float:
    finite = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _inside(take: Take) -> Array:
    """Return (T, 12) whether each of `POINTS` is in the picture."""
    pixels = take.joint_pixels[:, JOINTS]
    size = np.array(take.size_px)
    inside: Array = np.asarray(
        ((pixels[..., :2] >= 0) & (pixels[..., :2] < size)).all(-1) & (pixels[..., 2] > 0)
    )
    return inside


def _frame_means(errors: Array, inside: Array) -> Array:
    """Return each frame's mean error over the points in the picture (T,), infinite without."""
    count = inside.sum(-1)
    return np.where(count > 0, (errors * inside).sum(-1) / np.maximum(count, 1), np.inf)


def _swaps(est: Array, truth: Array, inside: Array) -> float:
    whole: Array = np.asarray(inside.all(-1))
    if whole.mean() <= 0.5:
        whole = np.asarray(inside[:, _SHOULDERS].all(-1))
    limbs = [pairs for pairs in (_ARMS, _LEGS) if inside[:, np.ravel(pairs)].mean() > 0.9]
    return metrics.masked_mean(metrics.swapped(est, truth, limbs), whole)


def _lengths(take: Take, estimate: Estimate, ends: Array) -> dict[str, float]:
    seen = ends[np.asarray(take.present, bool)].mean(0) > 0.5
    if not seen.any():
        return {}
    bones = [bone for bone, there in zip(_BONES, seen, strict=True) if there]
    found = metrics.bone_lengths(estimate.points, bones)[np.asarray(take.present, bool)]
    late = found[len(found) // 4 :]  # what is learnt is learnt by then
    true = metrics.bone_lengths(truth_points(take, "camera"), bones).mean(0)
    return {
        "length_variation": float((late.std(0) / late.mean(0)).mean()),
        "length_error": float(np.abs(late.mean(0) / true - 1).mean()),
    }


def _dynamics(est: Array, truth: Array, inside: Array, fps: float) -> dict[str, float]:
    moving = (metrics.speeds(truth, fps) > _MOVING_M_S) & inside[1:]
    late = moving[2:] & moving[:-2]
    true = metrics.masked_mean(metrics.jerk(truth, fps), late)
    # What hardly moves tells no delay.
    told = (inside.mean(0) > 0.9) & (metrics.still_deviation(truth) > _TELLING_M)
    return {
        "jerk": metrics.masked_mean(metrics.jerk(est, fps), late) / true if true > 0 else np.nan,
        "lag": metrics.best_lag_s(est[:, told], truth[:, told], fps) if told.any() else np.nan,
    }


def _feet(
    take: Take, estimate: Estimate, truth: Array, inside: Array, fps: float
) -> dict[str, float]:
    standing = take.contacts[:, [0, 2]].astype(bool)
    both = (standing[1:] & standing[:-1]) & (inside[1:, _ANKLES] & inside[:-1, _ANKLES])
    return {
        "foot_speed": metrics.masked_mean(metrics.speeds(estimate.placed[:, _ANKLES], fps), both),
        "foot_speed_truth": metrics.masked_mean(metrics.speeds(truth[:, _ANKLES], fps), both),
    }


def _channels(take: Take, estimate: Estimate) -> Array:
    """Return each expression's correlation (52,), NaN where the take does not show it."""
    if not _face_is_seen(take):
        return np.full(len(EXPRESSION_NAMES), np.nan)
    present = np.asarray(take.present, bool)
    return metrics.correlation(estimate.expressions[present], take.expressions[present])


def _expressions(take: Take, estimate: Estimate) -> float:
    return _mean(_channels(take, estimate).tolist())


def _face_is_seen(take: Take) -> bool:
    """Return whether the face is large enough and mostly turned to the camera."""
    neck, head = (take.joint_pixels[:, HUMANOID_NAMES.index(n), :2] for n in ("neck", "head"))
    size = 2.0 * float(np.median(np.linalg.norm(head - neck, axis=-1)))
    return size > _FACE_PX and abs(float(take.about.get("yaw_deg", 0.0))) < 45
