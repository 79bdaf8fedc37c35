"""Scenes: the truth of many people at once, what their sources show, and what to learn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.motion.model.analytic import HEAD, Held, TrackerHold, solve_trackers
from twinsdk.motion.model.body import (
    CANONICAL_OFFSETS,
    COUNT,
    FEET_TOES,
    INDEX,
    forward,
    lengths_of,
    nearest_yaw,
    turn_y,
)
from twinsdk.motion.model.slots import Seen, Source
from twinsdk.motion.training.noise import TrackerNoise, shake_trackers

__all__ = ["Scene", "see", "targets_of"]

_TRACKED = np.array([INDEX[name] for name in TRACKER_NAMES])


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The truth of B rows of T frames and what they are seen by.

    Attributes:
        local: (B, T, 22, 3, 3) true rotations; `root` (B, T, 3).
        contacts: (B, T, 4).
        offsets: (B, 22, 3).
        dt: (B,) seconds.
        valid: (B, T) whether the row has a frame.
        source: (B, T) of `Source`.
        landmarks: (B, T, 23, 3), zero where there are none.
        visibility: (B, T, 23).
        fit: (B, T, 22, 3, 3); `fit_root` (B, T, 3); `confidence` (B, T, 22).
        tracker_seen: (B, T, 6).
        bones_known: (B,), style: (B,).
    """

    local: F32
    root: F32
    contacts: Array
    offsets: F32
    dt: F32
    valid: Array
    source: Array
    landmarks: F32
    visibility: F32
    fit: F32
    fit_root: F32
    confidence: F32
    tracker_seen: Array
    bones_known: Array
    style: Array


def see(
    scene: Scene, rng: np.random.Generator | None, noise: TrackerNoise | None
) -> tuple[Seen, Array]:
    """Return what the sources show of a scene, leading dims (B, T), and its place in the world.

    Args:
        scene: Truth and schedule.
        rng: Of the trackers' noise; None for exact trackers.
        noise: Its size.
    """
    batch, count = scene.valid.shape
    world, places = forward(scene.local, scene.root, scene.offsets[:, None])
    positions, rotations = places[:, :, _TRACKED], world[:, :, _TRACKED]
    if rng is not None and noise is not None:
        positions, rotations = shake_trackers(positions, rotations, rng, noise)
    xr = scene.source == Source.TRACKERS
    hold = TrackerHold((batch,))
    steps = [
        hold.step(
            positions[:, t], rotations[:, t], scene.tracker_seen[:, t] * xr[:, t, None], scene.dt
        )
        for t in range(count)
    ]
    held = Held(
        **{
            name: np.stack([getattr(step, name) for step in steps], 1)
            for name in ("positions", "rotations", "seen", "weights", "yaw")
        }
    )
    start = solve_trackers(held, scene.offsets[:, None])
    webcam = scene.source == Source.WEBCAM
    local = np.where(xr[..., None, None, None], start.local, scene.fit)
    root = np.where(xr[..., None], start.root, scene.fit_root)
    yaw = np.where(xr, held.yaw, nearest_yaw(scene.fit[:, :, 0]))
    head = held.positions[:, :, HEAD]
    origin = np.where(xr[..., None], head[..., [0, 2]], scene.fit_root[..., [0, 2]])
    # Nothing seen: the last start stays where it was.
    last = np.where(scene.source != Source.NOTHING, np.arange(count), 0)
    last = np.maximum.accumulate(last, axis=1)
    rows = np.arange(batch)[:, None]
    local, root, yaw, origin = (
        local[rows, last],
        root[rows, last],
        yaw[rows, last],
        origin[rows, last],
    )
    confidence = np.where(
        webcam[..., None], scene.confidence, xr[..., None] * (1.0 * _shown(held.weights))
    )
    return Seen(
        source=scene.source,
        tracker_positions=held.positions,
        tracker_rotations=held.rotations,
        tracker_seen=held.seen,
        tracker_weights=held.weights,
        landmarks=scene.landmarks,
        visibility=scene.visibility,
        start=local,
        start_root=root,
        confidence=confidence,
        yaw=yaw,
        origin=origin,
        offsets=np.broadcast_to(scene.offsets[:, None], (batch, count, COUNT, 3)),
        bones_known=np.broadcast_to(scene.bones_known[:, None], (batch, count)),
        style=np.broadcast_to(scene.style[:, None], (batch, count)),
    ), places


def _shown(weights: Array) -> Array:
    """Return how far trackers show each joint (..., 22)."""
    out = np.zeros((*weights.shape[:-1], COUNT), np.float32)
    out[..., _TRACKED] = weights
    return out


def targets_of(scene: Scene, seen: Seen, places: Array) -> dict[str, F32]:
    """Return the arrays of `losses.Targets` by name.

    Args:
        scene: The truth.
        seen: What is seen of it.
        places: (B, T, 22, 3) true world positions.
    """
    turn = turn_y(seen.yaw)
    back = np.swapaxes(turn, -1, -2)
    by_head = ((seen.source == Source.TRACKERS) & (seen.tracker_seen[..., HEAD] > 0)) * 1.0
    anchor = places[:, :, INDEX["head"]]
    hips = places[:, :, 0] * (1, 0, 1)
    anchor = np.where(by_head[..., None] > 0, anchor, hips)
    aligned = (places - anchor[:, :, None]) @ turn  # rows times R is R^T times columns
    local = scene.local.copy()
    local[:, :, 0] = back @ local[:, :, 0]
    start = seen.start.copy()
    start[:, :, 0] = back @ start[:, :, 0]
    rate = 1 / scene.dt[:, None, None]
    feet = places[:, :, FEET_TOES]
    feet_velocity = np.diff(feet, axis=1, prepend=feet[:, :1]) * rate[..., None]
    moved = np.diff(scene.root, axis=1, prepend=scene.root[:, :1]) * rate
    moved = (back @ moved[..., None])[..., 0]
    heading = nearest_yaw(scene.local[:, :, 0])
    turned = np.diff(heading, axis=1, prepend=heading[:, :1])
    turned = ((turned + np.pi) % (2 * np.pi) - np.pi) * rate[..., 0]
    root = np.stack(
        [scene.root[..., 1] - seen.start_root[..., 1], moved[..., 0], moved[..., 2], turned], -1
    )
    # Rows that end early repeat their last frame; frames long after loss cannot be known.
    blind = _seconds_blind(seen.source, scene.dt)
    weight = scene.valid * np.exp(-blind / 0.7)
    found = {
        "start": start,
        "start_height": seen.start_root[..., 1],
        "rotations": local,
        "places": aligned,
        "by_head": by_head,
        "turn": turn,
        "feet_velocity": feet_velocity,
        "root": root,
        "contacts": scene.contacts,
        "offsets": scene.offsets,
        "bones": np.log(lengths_of(scene.offsets) / lengths_of(CANONICAL_OFFSETS) + 1e-2),
        "dt": scene.dt,
        "weight": weight,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _seconds_blind(source: Array, dt: Array) -> F32:
    out = np.zeros(source.shape, np.float32)
    for t in range(1, source.shape[1]):
        out[:, t] = np.where(source[:, t] == Source.NOTHING, out[:, t - 1] + dt, 0)
    return out
