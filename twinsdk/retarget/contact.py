"""Contact: when heel and toe of a foot stand on the floor, from height and speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import Array

__all__ = ["ContactConfig", "contacts", "speeds"]


@dataclass(frozen=True, kw_only=True)
class ContactConfig:
    """When a point of the foot counts as standing; lengths are in leg lengths (0.83 m adult).

    Attributes:
        speed_on, speed_off: Leg lengths a second below which contact begins, above which it ends.
        height_on, height_off: Leg lengths above its height on level soles, likewise.
        shortest_s: Contacts and gaps shorter than this are noise.
        ease_s: Time over which a lock is taken on and let go.
    """

    speed_on: float = 0.25
    speed_off: float = 0.45
    height_on: float = 0.07
    height_off: float = 0.10
    shortest_s: float = 0.06
    ease_s: float = 0.10


def contacts(height: Array, speed: Array, fps: float, config: ContactConfig) -> Array:
    """Return (T,) whether a point stands, with hysteresis.

    Args:
        height: (T,) above the place it has on level soles, leg lengths.
        speed: (T,) leg lengths a second.
        fps: Frames a second.
        config: Thresholds.
    """
    on = (speed < config.speed_on) & (height < config.height_on)
    off = (speed > config.speed_off) | (height > config.height_off)
    event = np.where(on, 1, np.where(off, -1, 0))
    event[0] = 1 if on[0] else -1
    last = np.maximum.accumulate(np.where(event != 0, np.arange(len(event)), 0))
    standing = event[last] > 0
    least = max(1, round(config.shortest_s * fps))
    return _without_short(~_without_short(~standing, least), least)


def speeds(points: Array, fps: float) -> Array:
    """Return (T,) how fast a point (T, 3) moves, central differences, lengths a second."""
    if len(points) < 2:
        return np.zeros(len(points))
    return np.asarray(np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps)


def _without_short(flags: Array, least: int) -> Array:
    """Return flags (T,) with runs of True shorter than `least` cleared, but at the ends."""
    out = flags.copy()
    for start, end in runs(flags):
        if end - start < least and start > 0 and end < len(flags):
            out[start:end] = False
    return out


def runs(flags: Array) -> list[tuple[int, int]]:
    """Return (start, end) of every run of True in flags (T,); the end is not in it."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True))
