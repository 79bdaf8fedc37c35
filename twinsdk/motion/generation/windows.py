"""Motion as the learned generator sees it: a window of frames about the person of this moment.

A frame is 140 numbers: 22 rotations as 6D (the hips without heading), height of the hips, place
and heading about the present frame, four contacts. Everything is weighted by the centimetres that
a change moves, so that equal differences count alike. Sizes are those of the 1.70 m skeleton.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.motion.model.body import COUNT, JOINTS, gram_schmidt, nearest_yaw, six_of, turn_y
from twinsdk.motion.vectors import smoothstep

__all__ = [
    "FPS",
    "FRAME",
    "LENGTH",
    "PAST",
    "POSTURE",
    "REACH",
    "Track",
    "futures",
    "goals",
    "pasts",
    "poses_of",
    "posture_weights",
    "ramp",
    "track_of",
]

FPS = 30.0
LENGTH = 16
"""Frames of a window: 0.53 s."""
PAST: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 11, 15, 20, 30)
"""How many frames ago what is remembered was."""
REACH = 90
"""A goal is at most so many frames away."""
POSTURE = 6 * COUNT + 1
FRAME = POSTURE + 2 + 1 + 4

# Metres that something moves where a joint turns by one radian, about.
_LEVERS = {
    "hips": 0.7,
    "spine": 0.5,
    "chest": 0.4,
    "upperChest": 0.35,
    "neck": 0.12,
    "head": 0.1,
    "Shoulder": 0.4,
    "UpperArm": 0.35,
    "LowerArm": 0.2,
    "Hand": 0.06,
    "UpperLeg": 0.55,
    "LowerLeg": 0.3,
    "Foot": 0.08,
    "Toes": 0.03,
}
_HEADING_M = 0.4
_CONTACT_M = 0.03


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """F frames of one or many clips, one after the other.

    Attributes:
        postures: (F, 133) rotations and height, weighted.
        places: (F, 2) metres, x and z.
        headings: (F,) radians about +Y; the same clip's never jump by a turn.
        contacts: (F, 4) in [0, 1].
        first, last: (F,) the first and the last frame of each frame's clip.
        styles: (F,) index into `STYLES`, -1 for none.
    """

    postures: F32
    places: F32
    headings: F32
    contacts: F32
    first: Array
    last: Array
    styles: Array

    def __len__(self) -> int:
        return len(self.places)


def posture_weights() -> F32:
    """Return the weights (133,) of rotations and height, metres for a unit."""
    levers = [
        next(lever for end, lever in _LEVERS.items() if name.endswith(end)) for name in JOINTS
    ]
    return np.array([*np.repeat(levers, 6), 1.0], np.float32)


_WEIGHTS = posture_weights()


def track_of(
    clips: Sequence[tuple[Array, Array, Array, int]],
) -> Track:
    """Return clips as one track.

    Args:
        clips: Rotations (T, 22, 3, 3), root (T, 3), contacts (T, 4) and style of each.
    """
    parts: list[tuple[Array, ...]] = []
    begun = 0
    for rotations, root, contacts, style in clips:
        yaw = np.unwrap(nearest_yaw(rotations[:, 0]).astype(np.float64)).astype(np.float32)
        local = np.array(rotations, np.float32)
        local[:, 0] = turn_y(-yaw) @ local[:, 0]
        six = six_of(local).reshape(len(root), -1)
        count = len(root)
        parts.append(
            (
                np.concatenate([six, root[:, 1:2]], axis=1).astype(np.float32) * _WEIGHTS,
                root[:, [0, 2]].astype(np.float32),
                yaw,
                np.asarray(contacts, np.float32),
                np.full(count, begun),
                np.full(count, begun + count - 1),
                np.full(count, style),
            )
        )
        begun += count
    names = ("postures", "places", "headings", "contacts", "first", "last", "styles")
    return Track(
        **{
            n: np.concatenate(found)
            for n, found in zip(names, zip(*parts, strict=True), strict=True)
        }
    )


def pasts(track: Track, now: Array, *, kept: Array | None = None) -> tuple[F32, F32]:
    """Return what is remembered at frames `now` (B,): (B, 10, 140) about them, and (B, 137) of now.

    Args:
        track: Where from.
        now: Indices.
        kept: (B,) how many frames before are known; the earliest known stands for those before it.
    """
    earliest = track.first[now]
    if kept is not None:
        earliest = np.maximum(earliest, now - kept)
    at = np.maximum(now[:, None] - np.array(PAST), earliest[:, None])
    own = np.concatenate([track.postures[now], _CONTACT_M * (track.contacts[now] - 0.5)], axis=1)
    return _about(track, now, at), own.astype(np.float32)


def futures(track: Track, now: Array) -> F32:
    """Return the windows (B, 16, 140) after frames `now` (B,), which have as many after them."""
    return _about(track, now, now[:, None] + 1 + np.arange(LENGTH))


def goals(track: Track, now: Array, frames: Array) -> F32:
    """Return the poses (B, 136), without contacts, `frames` (B,) after frames `now` (B,)."""
    return _about(track, now, (now + frames)[:, None])[:, 0, : FRAME - 4]


def _about(track: Track, now: Array, at: Array) -> F32:
    """Return frames `at` (B, N) about frames `now` (B,): (B, N, 140)."""
    out = np.empty((*at.shape, FRAME), np.float32)
    out[..., :POSTURE] = track.postures[at] - track.postures[now][:, None]
    yaw = track.headings[now]
    moved = track.places[at] - track.places[now][:, None]
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    out[..., POSTURE] = c * moved[..., 0] - s * moved[..., 1]
    out[..., POSTURE + 1] = s * moved[..., 0] + c * moved[..., 1]
    out[..., POSTURE + 2] = _HEADING_M * (track.headings[at] - yaw[:, None])
    out[..., POSTURE + 3 :] = _CONTACT_M * (track.contacts[at] - 0.5)
    return out


def ramp() -> F32:
    """Return (16,) how much of a correction has been made at each frame of a window."""
    return smoothstep((np.arange(LENGTH) + 1) / LENGTH, 0, 1).astype(np.float32)


def poses_of(
    window: Array, posture: Array, place: Array, heading: float
) -> tuple[F32, F32, F32, F32]:
    """Return what a window (N, 140) after a frame says.

    Args:
        window: As `futures` has it.
        posture: (133,) of the frame, weighted.
        place: (2,) of the frame.
        heading: Of the frame.

    Returns:
        Rotations (N, 22, 3, 3), root (N, 3), contacts (N, 4), headings (N,).
    """
    plain = (window[:, :POSTURE] + posture) / _WEIGHTS
    headings = heading + window[:, POSTURE + 2] / _HEADING_M
    local = gram_schmidt(plain[:, :-1].reshape(-1, COUNT, 6).astype(np.float32))
    local[:, 0] = turn_y(headings) @ local[:, 0]
    c, s = np.cos(heading), np.sin(heading)
    x, z = window[:, POSTURE], window[:, POSTURE + 1]
    root = np.stack([c * x + s * z + place[0], plain[:, -1], c * z - s * x + place[1]], axis=1)
    contacts = window[:, POSTURE + 3 :] / _CONTACT_M + 0.5
    return (
        local,
        root.astype(np.float32),
        contacts.astype(np.float32),
        np.asarray(headings, np.float32),
    )
