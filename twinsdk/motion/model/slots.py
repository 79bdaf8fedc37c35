"""What the network reads: one row of masked slots a frame, the same in training and live.

Everything spatial is in the *frame* of the source: the floor below the head (trackers) or the hips
(webcam), turned to its heading, so that the network never sees where in the room a person is. Sizes
are those of the canonical 1.70 m skeleton. What is not there is zero, and its mask says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.motion.model.analytic import HEAD, LEFT_HAND, RIGHT_HAND
from twinsdk.motion.model.body import CANONICAL_OFFSETS, lengths_of, rotation_vector, six_of, turn_y

__all__ = ["MARKS", "SLOTS", "STYLES", "WIDTH", "Seen", "Source", "encode", "slices"]


class Source(IntEnum):
    """What a frame comes from."""

    NOTHING = 0
    WEBCAM = 1
    TRACKERS = 2


_MARK_NAMES = (
    "nose",
    "leftEar",
    "rightEar",
    *(
        f"{side}{part}"
        for part in ("Shoulder", "Elbow", "Wrist", "Index", "Pinky", "Hip", "Knee", "Ankle")
        for side in ("left", "right")
    ),
    *(f"{side}{part}" for part in ("Heel", "FootIndex") for side in ("left", "right")),
)
MARKS: Array = np.array([BODY_NAMES.index(name) for name in _MARK_NAMES])
"""(23,) the body landmarks used."""

STYLES: tuple[str, ...] = (
    "idle",
    "walk",
    "run",
    "jump",
    "dance",
    "salsa",
    "sport",
    "fight",
    "climb",
    "gesture",
    "work",
    "acrobatics",
)
"""Styles by the words of the clips' descriptions; none is a legal style too."""

SLOTS: tuple[tuple[str, int], ...] = (
    ("tracker_positions", 18),
    ("tracker_rotations", 36),
    ("tracker_velocities", 18),
    ("tracker_turns", 18),
    ("tracker_seen", 6),
    ("tracker_weights", 6),
    ("hands_in_head", 18),
    ("landmarks", 69),
    ("landmark_visibility", 23),
    ("start_rotations", 132),
    ("start_height", 1),
    ("start_confidence", 22),
    ("frame_motion", 3),
    ("bone_lengths", 21),
    ("bones_known", 1),
    ("dt", 2),
    ("source", 3),
    ("style", len(STYLES)),
)
"""Names and sizes of the slots in their order."""

WIDTH = sum(size for _, size in SLOTS)
_TRACKERS = sum(size for name, size in SLOTS if name.startswith(("tracker_", "hands_")))
_SOURCES: F32 = np.eye(3, dtype=np.float32)
_LIMIT = 8.0
_LENGTHS: F32 = np.asarray(lengths_of(CANONICAL_OFFSETS), np.float32)


def slices() -> dict[str, slice]:
    """Return where each slot lies in a row."""
    out, at = {}, 0
    for name, size in SLOTS:
        out[name] = slice(at, at + size)
        at += size
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """All that is known of N persons at one instant, world axes, canonical size.

    Attributes:
        source: (N,) of `Source`.
        tracker_positions: (N, 6, 3) metres.
        tracker_rotations: (N, 6, 3, 3).
        tracker_seen: (N, 6) 0 or 1.
        tracker_weights: (N, 6) in [0, 1].
        landmarks: (N, 23, 3) metres about the hips, turned to the world's axes.
        visibility: (N, 23) in [0, 1].
        start: (N, 22, 3, 3) rotations of the analytic start, the hips' in the world.
        start_root: (N, 3).
        confidence: (N, 22) in [0, 1].
        yaw: (N,) heading of the frame.
        origin: (N, 2) x and z of the frame.
        offsets: (N, 22, 3) of the skeleton.
        bones_known: (N,) whether the skeleton is the person's own.
        style: (N,) index into `STYLES`, -1 for none.
    """

    source: Array
    tracker_positions: Array
    tracker_rotations: Array
    tracker_seen: Array
    tracker_weights: Array
    landmarks: Array
    visibility: Array
    start: Array
    start_root: Array
    confidence: Array
    yaw: Array
    origin: Array
    offsets: Array
    bones_known: Array
    style: Array


def encode(now: Seen, before: Seen, dt: Array) -> F32:
    """Return the rows (N, WIDTH) the network reads; never a value that is not finite.

    Args:
        now: This instant.
        before: The instant `dt` seconds (N,) earlier; `now` itself at the start.
        dt: Seconds.
    """
    count = len(now.yaw)
    to_frame = np.swapaxes(turn_y(now.yaw), -1, -2)
    rate = 1 / np.maximum(dt, 1e-3)
    webcam = (now.source == Source.WEBCAM)[:, None]
    start = now.start.copy()
    start[:, 0] = to_frame @ start[:, 0]
    # Between two sources the frame jumps; nobody moved.
    same = (now.source == before.source) * rate
    turn = ((now.yaw - before.yaw + np.pi) % (2 * np.pi) - np.pi) * same
    moved = np.zeros((count, 1, 3), np.float32)
    moved[:, 0, 0], moved[:, 0, 2] = (now.origin - before.origin).T
    moved = _turned(to_frame, moved)[:, 0] * same[:, None]
    known = now.bones_known[:, None].astype(np.float32)
    style = np.zeros((count, len(STYLES)), np.float32)
    given = now.style >= 0
    style[given, now.style[given]] = 1
    parts = (
        *_trackers(now, before, to_frame, rate),
        _turned(to_frame, now.landmarks) * webcam[..., None],
        now.visibility * webcam,
        six_of(start),
        now.start_root[:, 1:2],
        now.confidence,
        np.stack([turn, moved[:, 0], moved[:, 2]], -1),
        5 * (lengths_of(now.offsets) - _LENGTHS) * known,
        known,
        np.stack([30 * dt, 1 / (30 * np.maximum(dt, 1e-3))], -1),
        _SOURCES[now.source],
        style,
    )
    row = np.concatenate([part.reshape(count, -1) for part in parts], axis=-1)
    row[~np.isfinite(row)] = 0
    return np.minimum(np.maximum(row, -_LIMIT), _LIMIT).astype(np.float32)


def _trackers(now: Seen, before: Seen, to_frame: Array, rate: Array) -> tuple[Array, ...]:
    """Return the slots of the trackers, in their order; zeros of those who wear none."""
    count = len(now.yaw)
    xr = (now.source == Source.TRACKERS)[:, None]
    if not xr.any():
        return (np.zeros((count, _TRACKERS), np.float32),)
    seen = now.tracker_seen * xr
    on = seen[..., None]
    both = (seen * before.tracker_seen)[..., None] * rate[:, None, None]
    floor = np.zeros((count, 1, 3), np.float32)
    floor[:, 0, 0], floor[:, 0, 2] = now.origin[:, 0], now.origin[:, 1]
    places = _turned(to_frame, now.tracker_positions - floor)
    turned = to_frame[:, None] @ now.tracker_rotations
    velocity = _turned(to_frame, now.tracker_positions - before.tracker_positions)
    spin = now.tracker_rotations @ np.swapaxes(before.tracker_rotations, -1, -2)
    turns = _turned(to_frame, rotation_vector(spin))
    from_head = np.swapaxes(turned[:, HEAD], -1, -2)
    hands = [LEFT_HAND, RIGHT_HAND]
    in_head = np.concatenate(
        [
            _turned(from_head, places[:, hands] - places[:, HEAD, None]),
            six_of(from_head[:, None] @ turned[:, hands]),
        ],
        axis=-1,
    )
    return (
        places * on,
        six_of(turned) * on,
        velocity * both,
        turns * both / 3,
        seen,
        now.tracker_weights * xr,
        in_head * (on[:, hands] * on[:, HEAD, None]),
    )


def _turned(rotation: Array, points: Array) -> Array:
    """Return points (N, K, 3) turned by rotations (N, 3, 3)."""
    turned: Array = points @ np.swapaxes(rotation, -1, -2)
    return turned
