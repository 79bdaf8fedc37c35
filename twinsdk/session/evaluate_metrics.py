"""Measures of tracked motion against its truth: pure functions of arrays.

Points are (T, P, 3) metres, est and truth in the same axes and of the same instants; `fps` is
frames a second. Where a measure takes `mask` (T, P), only what is set counts; a measure of nothing
is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twinsdk.core.arrays import Array

__all__ = [
    "aligned",
    "angle_between",
    "best_lag_s",
    "bone_lengths",
    "correlation",
    "direction_errors",
    "hinge_errors",
    "jerk",
    "masked_mean",
    "position_errors",
    "recovery_s",
    "speeds",
    "still_deviation",
    "swapped",
]

Pair = tuple[int, int]
_EARLIEST_S, _LATEST_S = -0.1, 0.4
_FINE = 0.05  # frames


def masked_mean(values: Array, mask: Array) -> float:
    """Return the mean of `values` where `mask` is set, NaN where it nowhere is."""
    chosen = np.asarray(values)[np.asarray(mask, bool)]
    return float(chosen.mean()) if chosen.size else float("nan")


def aligned(points: Array, root: Sequence[int]) -> Array:
    """Return the points with the middle of those called `root` put at the origin."""
    out: Array = points - points[:, list(root)].mean(1, keepdims=True)
    return out


def position_errors(est: Array, truth: Array, root: Sequence[int]) -> Array:
    """Return distances (T, P), metres, once the roots lie on one another."""
    out: Array = np.linalg.norm(aligned(est, root) - aligned(truth, root), axis=-1)
    return out


def angle_between(a: Array, b: Array) -> Array:
    """Return the angle (...,) between directions (..., 3), degrees; 0 where one has no length."""
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    out: Array = np.degrees(np.arctan2(across, (a * b).sum(-1)))
    return out


def direction_errors(est: Array, truth: Array, bones: Sequence[Pair]) -> Array:
    """Return how far each bone (from, to) points elsewhere (T, B), degrees."""
    start, end = ([bone[i] for bone in bones] for i in (0, 1))
    return angle_between(est[:, end] - est[:, start], truth[:, end] - truth[:, start])


def hinge_errors(est: Array, truth: Array, hinges: Sequence[tuple[int, int, int]]) -> Array:
    """Return how far the bend at the middle of (above, hinge, below) is off (T, H), degrees."""
    above, at, below = ([hinge[i] for hinge in hinges] for i in range(3))

    def bend(points: Array) -> Array:
        return angle_between(points[:, at] - points[:, above], points[:, below] - points[:, at])

    out: Array = np.abs(bend(est) - bend(truth))
    return out


def bone_lengths(points: Array, bones: Sequence[Pair]) -> Array:
    """Return the lengths (T, B) of the bones (from, to)."""
    start, end = ([bone[i] for bone in bones] for i in (0, 1))
    out: Array = np.linalg.norm(points[:, end] - points[:, start], axis=-1)
    return out


def speeds(points: Array, fps: float) -> Array:
    """Return the speed (T - 1, P) from each frame to the next, metres a second."""
    out: Array = np.linalg.norm(np.diff(points, axis=0), axis=-1) * fps
    return out


def jerk(points: Array, fps: float) -> Array:
    """Return the size of the third derivative (T - 3, P), metres a second cubed."""
    out: Array = np.linalg.norm(np.diff(points, n=3, axis=0), axis=-1) * fps**3
    return out


def still_deviation(points: Array) -> Array:
    """Return the standard deviation (P,) of places that should not move, metres."""
    out: Array = np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean(0))
    return out


def best_lag_s(est: Array, truth: Array, fps: float) -> float:
    """Return by how many seconds `est` comes after `truth`, where both agree best.

    What is off all the time is left aside: each point's mean is taken out. NaN where the truth does
    not move.
    """
    a, b = est - est.mean(0), truth - truth.mean(0)
    if np.abs(b).max(initial=0) < 1e-3:
        return float("nan")
    first, last = int(np.floor(_EARLIEST_S * fps)), int(np.ceil(_LATEST_S * fps))
    inner = np.arange(max(0, -first), len(a) - last)
    if len(inner) < 2:
        return float("nan")
    at = b[inner]
    shifts = np.arange(first, last + 1)
    costs = np.array([((a[inner + shift] - at) ** 2).sum() for shift in shifts])
    best = int(costs.argmin())
    fine = np.arange(-1.0, 1.0 + _FINE, _FINE) + shifts[best]
    fine = fine[(fine >= first) & (fine <= last)]
    costs = np.array([((_shifted(a, inner + shift) - at) ** 2).sum() for shift in fine])
    return float(fine[costs.argmin()] / fps)


def swapped(est: Array, truth: Array, limbs: Sequence[Sequence[Pair]]) -> Array:
    """Return (T,) whether in some limb left and right are taken for one another.

    A limb is swapped where its points lie less than half as far from the truth when their sides are
    exchanged, and the two sides are a hand's breadth apart in truth.

    Args:
        est: Root-aligned points.
        truth: Root-aligned points.
        limbs: For each limb pairs (left point, right point).
    """
    out = np.zeros(len(est), bool)
    for pairs in limbs:
        left, right = ([pair[i] for pair in pairs] for i in (0, 1))

        def off(a: list[int], b: list[int]) -> Array:
            gap: Array = np.linalg.norm(est[:, a] - truth[:, b], axis=-1).mean(-1)
            return gap

        straight = off(left, left) + off(right, right)
        crossed = off(left, right) + off(right, left)
        apart = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1).mean(-1)
        out |= (crossed < 0.5 * straight) & (apart > 0.1)
    return out


def correlation(est: Array, truth: Array, least_deviation: float = 0.08) -> Array:
    """Return Pearson's correlation of each column (E,); NaN where the truth hardly changes."""
    out = np.full(truth.shape[1], np.nan)
    for e in range(truth.shape[1]):
        if truth[:, e].std() >= least_deviation:
            moving = est[:, e].std() > 1e-6
            out[e] = np.corrcoef(est[:, e], truth[:, e])[0, 1] if moving else 0.0
    return out


def recovery_s(errors: Array, present: Array, times_s: Array, *, factor: float = 1.5) -> float:
    """Return how long after the person's return the error is as before, seconds.

    As before is: below `factor` times the median of the time before they left, from then on for
    three frames. NaN where nobody left or returned; infinite where it never is.

    Args:
        errors: (T,) of each frame.
        present: (T,) whether the person is there.
        times_s: (T,) seconds.
        factor: How much worse than before still counts as recovered.
    """
    gone = np.flatnonzero(~np.asarray(present, bool))
    if not len(gone) or gone[0] == 0 or gone[-1] + 1 >= len(present):
        return float("nan")
    back = gone[-1] + 1
    good = errors <= factor * np.median(errors[: gone[0]])
    for t in range(back, len(errors)):
        if good[t : t + 3].all():
            return float(times_s[t] - times_s[back])
    return float("inf")


def _shifted(points: Array, at: Array) -> Array:
    """Return points at fractional frames by straight lines."""
    low = np.clip(np.floor(at).astype(int), 0, len(points) - 2)
    share = (at - low)[:, None, None]
    out: Array = points[low] * (1 - share) + points[low + 1] * share
    return out
