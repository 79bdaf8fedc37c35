"""Motion as the performer sees it: frames of numbers, windows of frames, and the way back.

A frame (140) at 30 Hz is the 6D of all 22 joints without the heading, the height of the hips,
their velocity in the heading's axes, the heading's rate and the four contacts. Whoever integrates
velocity and rate gets the motion back.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.motion.model.body import COUNT, gram_schmidt, nearest_yaw, six_of, turn_y

__all__ = ["FRAME", "POSED", "WINDOW", "Walk", "contexts", "frames_of", "windows_of"]

FRAME = 6 * COUNT + 8
WINDOW = 8
"""Frames of a window."""
POSED = 6 * COUNT + 1
"""The first numbers of a frame are a pose; the rest are rates and contacts."""
BACK = (0, 1, 4, 9, 18)
"""Frames before the window that the performer is given, counted back from the last."""
RATE_HZ = 30


def frames_of(local: Array, root: Array, contacts: Array) -> F32:
    """Return the frames (T, 140) of a motion at 30 Hz.

    Args:
        local: (T, 22, 3, 3), the hips in the world.
        root: (T, 3).
        contacts: (T, 4).
    """
    yaw = nearest_yaw(local[:, 0])
    back = np.swapaxes(turn_y(yaw), -1, -2)
    turned = local.copy()
    turned[:, 0] = back @ turned[:, 0]
    moved = np.diff(root, axis=0, prepend=root[:1]) * RATE_HZ
    moved[:1] = moved[1:2]
    moved = (back @ moved[..., None])[..., 0]
    rate = np.diff(yaw, prepend=yaw[:1])
    rate = ((rate + np.pi) % (2 * np.pi) - np.pi) * RATE_HZ
    rate[:1] = rate[1:2]
    return np.concatenate(
        [
            six_of(turned).reshape(len(root), -1),
            root[:, 1:2],
            moved[:, [0, 2]],
            rate[:, None],
            contacts,
        ],
        axis=-1,
    ).astype(np.float32)


def contexts(frames: Array, last: Array) -> F32:
    """Return what is known before windows (N, len(BACK) * 140), frames ending at `last` (N,)."""
    at = np.maximum(last[:, None] - np.array(BACK), 0)
    return np.asarray(frames[at].reshape(len(last), -1), np.float32)


def windows_of(frames: Array, last: Array) -> F32:
    """Return the windows (N, 8 * 140) after `last` (N,): poses against the last, rates as such."""
    ahead = frames[last[:, None] + np.arange(1, WINDOW + 1)].copy()
    ahead[..., :POSED] -= frames[last][:, None, :POSED]
    return np.asarray(ahead.reshape(len(last), -1), np.float32)


class Walk:
    """Turns frames back into poses in the world.

    Args:
        yaw: Heading to start from, radians.
        place: (2,) x and z to start from, metres.
    """

    def __init__(self, yaw: float, place: Array) -> None:
        self.yaw = yaw
        self.place = np.array(place, np.float64)

    def step(self, frame: Array, step_s: float) -> tuple[F32, F32]:
        """Return local rotations (22, 3, 3), the hips in the world, and the root (3,)."""
        rates = frame[POSED : POSED + 3]
        self.yaw += float(rates[2]) * step_s
        turn = turn_y(self.yaw)
        way = turn @ np.array([rates[0], 0.0, rates[1]], np.float32)
        self.place += way[[0, 2]] * step_s
        local = gram_schmidt(frame[: 6 * COUNT].reshape(COUNT, 6).astype(np.float32))
        local[0] = turn @ local[0]
        root = np.array([self.place[0], frame[6 * COUNT], self.place[1]], np.float32)
        return local, root
