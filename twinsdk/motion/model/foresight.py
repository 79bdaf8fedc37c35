"""Where a body will be in a quarter of a second: a small network reads how it moved until now.

Going straight on at the joints' own speeds is where it starts from; the network says by how much a
body departs from that, as a cubic in time. It learnt it of motion as the model shows it, in which
hands and head are known and legs are guessed. Source of the idea that so little is enough: Guo et
al. 2023, "Back to MLP" (siMLPe).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.half_matrix import HalfMatrix
from twinsdk.core.pose import Pose
from twinsdk.errors import FormatError
from twinsdk.motion.model.body import COUNT, nearest_yaw, rotation_vector, six_of, turn_y
from twinsdk.motion.vectors import matrix_of
from twinsdk.motion.weights_file import read_sealed, write_sealed

__all__ = [
    "FARTHEST",
    "FOREKNOWN",
    "HISTORY",
    "POWERS",
    "STEP_S",
    "USUAL_S",
    "Foresight",
    "Moment",
    "Past",
    "Told",
    "foresight",
    "read_foresight",
    "remembered",
    "steady_s",
    "told",
    "write_foresight",
]

HISTORY, STEP_S = 12, 1 / 30
"""How many instants are told, and how far apart they are."""
FOREKNOWN = COUNT * (3 + 6 + 3 + 3 * (HISTORY - 1))
"""Numbers the network is told: places, rotations, spins, and speeds back in time."""
POWERS = 3
"""Of time, in what the network says."""
USUAL_S = 0.1
"""Unit of time of these powers."""
FARTHEST = 8.0
"""Spreads; nothing that is told is believed to be further off."""
_FADE_S = 0.25  # in which a speed that is gone on with dies away
_NEWEST = 0.7  # of the root's speed over the last step; the rest is over the last two
_STILL_M_S = 0.05  # joints' speed at which most of a departure is believed
_VERSION = 1
_FILE = Path(__file__).parent / "foresight.npz"
_ARRAYS = ("mean", "scale", "w0", "b0", "w1", "b1", "w2", "b2")


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A pose and when it was shown, seconds."""

    at_s: float
    pose: Pose


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """Poses of one body, oldest first, canonical size.

    Attributes:
        at_s: (T,) when, seconds.
        rotations: (T, 22, 4) local.
        places: (T, 22, 3) metres, world.
    """

    at_s: Array
    rotations: F32
    places: F32


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What is known of N motions, in axes that stand upright and face ahead with the hips.

    Attributes:
        inputs: (N, `FOREKNOWN`).
        spin: (N, 22, 3) rad/s, in the joints' own axes.
        speed: (N, 3) m/s, of the hips.
        turn: (N, 3, 3) from the world's axes to these.
        lively: (N,) in [0, 1), share in which a departure from going straight on is believed: who
            stands still stays.
    """

    inputs: F32
    spin: F32
    speed: F32
    turn: F32
    lively: F32


def told(places: Array, local: Array, before: Array, before_s: Array) -> Told:
    """Return what the network is told.

    Args:
        places: (N, `HISTORY`, 22, 3) metres, world, the newest first, `STEP_S` apart.
        local: (N, 22, 3, 3) now.
        before: (N, 22, 3, 3) a little earlier.
        before_s: (N,) how much.
    """
    count = len(places)
    turn = turn_y(-nearest_yaw(local[:, 0]))
    back = np.swapaxes(turn, -1, -2)
    speeds = ((places[:, :-1] - places[:, 1:]) / STEP_S) @ back[:, None]
    about = (places[:, 0] - places[:, 0, :1] * np.array([1, 0, 1], np.float32)) @ back
    spin = rotation_vector(np.swapaxes(before, -1, -2) @ local) / before_s[:, None, None]
    six = six_of(local)
    six[:, 0] = six_of(turn @ local[:, 0])
    parts = [part.reshape(count, -1) for part in (about, six, spin, speeds)]
    newest, next_s = speeds[:, 0, 0], speeds[:, 1, 0]
    square = (speeds**2).sum(-1).mean((1, 2))
    return Told(
        inputs=np.concatenate(parts, axis=1).astype(np.float32),
        spin=spin.astype(np.float32),
        speed=(newest + (1 - _NEWEST) / 2 * (next_s - newest)).astype(np.float32),
        turn=turn,
        lively=-np.expm1(-square / _STILL_M_S**2),
    )


def steady_s(seconds: Array) -> Array:
    """Return for how long of the time ahead a speed counts in full."""
    return -_FADE_S * np.expm1(-seconds / _FADE_S)


def remembered(past: tuple[Moment, ...], pose: Pose, dt_s: float) -> tuple[Moment, ...]:
    """Return the past, oldest first, with what is shown `dt_s` seconds after its last moment.

    What is too long ago to be told is left out, but for two moments.
    """
    at_s = past[-1].at_s + dt_s if past else 0.0
    first = 0
    while first + 1 < len(past) and past[first + 1].at_s <= at_s - (HISTORY - 1) * STEP_S:
        first += 1
    return (*past[first:], Moment(at_s=at_s, pose=pose))


class Foresight:
    """The network.

    Args:
        arrays: By the names of the weights file, float32.
        sha256: Of them.
    """

    def __init__(self, arrays: Mapping[str, Array], sha256: str) -> None:
        given = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
        self._mean, self._scale = given["mean"], given["scale"]
        self._layers = [(HalfMatrix(given[f"w{k}"]), given[f"b{k}"]) for k in range(3)]
        self.sha256 = sha256

    def ahead(self, past: Past, seconds: F32) -> tuple[F32, F32]:
        """Return how joints will have turned (T, 22, 3) and the hips moved (T, 3) by then.

        Rotation vectors in the joints' own axes; metres of the canonical size, world. Nothing
        known of the past, everything stays; before it is long enough, joints go on as they do.

        Args:
            past: At least the pose now.
            seconds: (T,) from now.
        """
        out = np.zeros((len(seconds), COUNT + 1, 3))
        if len(past.at_s) < 2:
            return out[:, :-1].astype(np.float32), out[:, -1].astype(np.float32)
        known = _told_of(past)
        out += steady_s(seconds)[:, None, None] * np.concatenate([known.spin[0], known.speed])
        if past.at_s[-1] - past.at_s[0] >= (HISTORY - 1.1) * STEP_S:
            powers = (seconds / USUAL_S)[:, None] ** np.arange(1, POWERS + 1)
            said = known.lively[0] * self._said(known.inputs[0])
            out += USUAL_S * np.tensordot(powers, said, 1)
        return out[:, :-1].astype(np.float32), (out[:, -1] @ known.turn[0]).astype(np.float32)

    def _said(self, inputs: F32) -> F32:
        """Return the departures (`POWERS`, 23, 3) from going straight on."""
        x = np.clip((inputs - self._mean) * self._scale, -FARTHEST, FARTHEST)
        for matrix, bias in self._layers[:-1]:
            x = matrix.after(x) + bias
            x = x / (1 + np.exp(-x))
        matrix, bias = self._layers[-1]
        return np.asarray((matrix.after(x) + bias).reshape(POWERS, COUNT + 1, 3), np.float32)


def _told_of(past: Past) -> Told:
    """Return what is known of one past, brought to even steps."""
    times, now_s = past.at_s, past.at_s[-1]
    wanted = now_s - STEP_S * np.arange(HISTORY)
    after = np.clip(np.searchsorted(times, wanted - 1e-6), 1, len(times) - 1)
    share = np.clip((wanted - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
    earlier = past.places[after - 1]
    even = earlier + share[:, None, None].astype(np.float32) * (past.places[after] - earlier)
    nearest = int(np.abs(times[:-1] - wanted[1]).argmin())
    local = matrix_of(past.rotations[[-1, nearest]]).astype(np.float32)
    return told(even[None], local[:1], local[1:], np.array([now_s - times[nearest]], np.float32))


def write_foresight(
    path: str | Path, arrays: Mapping[str, Array], *, trained: Mapping[str, Any]
) -> str:
    """Write a weights file, arrays as float16, by atomic rename; return the SHA-256 of these."""
    stored = {name: np.asarray(arrays[name], np.float16) for name in _ARRAYS}
    sizes = {"inputs": FOREKNOWN, "hidden": stored["w0"].shape[1]}
    return write_sealed(path, stored, version=_VERSION, sizes=sizes, trained=trained)


def read_foresight(path: str | Path) -> Foresight:
    """Return the weights of a file.

    Raises:
        ModelMissingError: It is not there.
        FormatError: It is no such file, of another version or other sizes, or damaged.
    """
    about, sizes, arrays = read_sealed(
        path, what="foresight", version=_VERSION, sizes=("inputs", "hidden"), names=_ARRAYS
    )
    hidden, outputs = sizes["hidden"], POWERS * 3 * (COUNT + 1)
    shapes = [(FOREKNOWN,), (FOREKNOWN,), (FOREKNOWN, hidden), (hidden,)]
    shapes += [(hidden, hidden), (hidden,), (hidden, outputs), (outputs,)]
    if got := [
        (n, arrays[n].shape) for n, s in zip(_ARRAYS, shapes, strict=True) if arrays[n].shape != s
    ]:
        raise FormatError(f"foresight: trained for other inputs or outputs, {got[0]}: {path}")
    return Foresight(arrays, str(about["sha256"]))


@lru_cache(maxsize=1)
def foresight() -> Foresight:
    """Return the package's own.

    Raises:
        ModelMissingError: Its weights are not installed.
    """
    return read_foresight(_FILE)
