"""The learned generator's weights, and what it draws with them: NumPy alone.

Given the last second, a style and perhaps a goal, the next half second is one draw from a learned
distribution: a Gaussian whose mean and spread the past decides, and a flow that bends it to what
people do. Both were fitted by maximum likelihood, the flow by its bound on velocities. Source:
Liu et al. 2022, "Flow straight and fast: rectified flow".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.errors import FormatError
from twinsdk.motion.generation.windows import FRAME, LENGTH, PAST, POSTURE
from twinsdk.motion.model.slots import STYLES
from twinsdk.motion.weights_file import read_sealed, write_sealed

__all__ = [
    "AGO",
    "COND",
    "FREQUENCIES",
    "GOAL",
    "KEPT",
    "SPREADS",
    "Bases",
    "Flow",
    "condition",
    "generator",
    "read_flow",
    "shapes_of",
    "write_flow",
]

KEPT = 128
"""Coefficients of a window."""
_PAST_KEPT, _POSTURE_KEPT = 128, 48
GOAL = FRAME - 4
_STYLES = len(STYLES) + 1  # the last is none
_ACTIVITY = (0, 3, 7)  # entries of the past whose size says how lively somebody is
COND = _PAST_KEPT + _POSTURE_KEPT + 4 + len(_ACTIVITY) + _STYLES + _POSTURE_KEPT + 3 + 4
FREQUENCIES = np.array([1, 2, 4, 8], np.float32) * np.float32(np.pi)
AGO: F32 = (np.array(PAST, np.float32) ** -1.5)[:, None]
"""(10, 1) weights of what is remembered: the way somebody moves now is worth most."""
SPREADS = (-3.5, 1.5)  # of a coefficient, log
_SIZES = ("hidden", "blocks", "narrow")
_VERSION = 1
_FILE = Path(__file__).parent / "generator.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Bases:
    """Principal components of windows, pasts and postures.

    Attributes:
        window_mean: (2240,); window_basis: (2240, 128) orthonormal; window_scale: (128,) spreads.
        past_basis: (1400, 128); past_scale: (128,), of pasts in `AGO`'s weights.
        posture_mean: (133,); posture_basis: (133, 48); posture_scale: (48,).
    """

    window_mean: F32
    window_basis: F32
    window_scale: F32
    past_basis: F32
    past_scale: F32
    posture_mean: F32
    posture_basis: F32
    posture_scale: F32


_BASES = {
    "window_mean": (LENGTH * FRAME,),
    "window_basis": (LENGTH * FRAME, KEPT),
    "window_scale": (KEPT,),
    "past_basis": (len(PAST) * FRAME, _PAST_KEPT),
    "past_scale": (_PAST_KEPT,),
    "posture_mean": (POSTURE,),
    "posture_basis": (POSTURE, _POSTURE_KEPT),
    "posture_scale": (_POSTURE_KEPT,),
}


def shapes_of(sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays of a generator whose network has these sizes."""
    hidden, narrow = sizes["hidden"], sizes["narrow"]
    layers = {
        "skip": (COND, KEPT),
        "gauss.0": (COND, narrow),
        "gauss.1": (narrow, narrow),
        "gauss.2": (narrow, 2 * KEPT),
        "trunk.0": (COND, hidden),
        "trunk.1": (hidden, hidden),
        "time": (2 * len(FREQUENCIES), hidden),
        "enter": (KEPT, hidden),
        "leave": (hidden, KEPT),
    }
    for k in range(sizes["blocks"]):
        for part in ("up", "given", "down"):
            layers[f"block.{k}.{part}"] = (hidden, hidden)
    out = dict(_BASES)
    for name, (wide, high) in layers.items():
        out[f"{name}.weight"] = (high, wide)
        out[f"{name}.bias"] = (high,)
    return out


def condition(
    bases: Bases,
    past: Array,
    own: Array,
    styles: Array,
    *,
    goal: Array | None = None,
    frames: Array | None = None,
) -> F32:
    """Return what the network is told (B, COND).

    Args:
        bases: Of the weights.
        past: (B, 10, 140), see `windows.pasts`.
        own: (B, 137).
        styles: (B,) indices into `STYLES`, -1 for none.
        goal: (B, 136), see `windows.goals`.
        frames: (B,) frames to the goal; 0 where there is none.
    """
    count = len(past)
    parts = [
        (past * AGO).reshape(count, -1) @ bases.past_basis * bases.past_scale,
        (own[:, :POSTURE] - bases.posture_mean) @ bases.posture_basis * bases.posture_scale,
        own[:, POSTURE:] * 30,
    ]
    lively = np.sqrt((past[:, _ACTIVITY, :GOAL] ** 2).mean(-1))
    parts.append(np.log(lively + 1e-3) + 4)
    parts.append(np.eye(_STYLES, dtype=np.float32)[np.asarray(styles, np.int64)])
    if goal is None or frames is None:
        parts.append(np.zeros((count, _POSTURE_KEPT + 3 + 4), np.float32))
    else:
        there = (frames > 0).astype(np.float32)[:, None]
        far = np.maximum(frames, 1).astype(np.float32)[:, None]
        parts.append(there * (goal[:, :POSTURE] @ bases.posture_basis) * bases.posture_scale)
        parts.append(there * goal[:, POSTURE:] * 2)
        parts.append(there * np.concatenate([far**0, far / 30, 1 / far, np.exp(-far / 15)], 1))
    return np.clip(np.concatenate(parts, axis=1), -30, 30).astype(np.float32)


class Flow:
    """A trained generator.

    Args:
        sizes: `hidden`, `blocks` and `narrow` of the network.
        arrays: As `shapes_of` says.
        about: What the file says of itself.
    """

    def __init__(
        self, sizes: Mapping[str, int], arrays: Mapping[str, Array], about: Mapping[str, Any]
    ) -> None:
        self.about = about
        self.bases = Bases(**{name: np.asarray(arrays[name], np.float32) for name in _BASES})
        self._blocks = sizes["blocks"]
        self._layers = {
            name.removesuffix(".weight"): (
                np.ascontiguousarray(np.asarray(arrays[name], np.float32).T),
                np.asarray(arrays[f"{name.removesuffix('.weight')}.bias"], np.float32),
            )
            for name in arrays
            if name.endswith(".weight")
        }

    def draw(
        self, told: F32, rng: np.random.Generator, *, steps: int = 6, heat: float = 1.0
    ) -> F32:
        """Return one window (B, 16, 140) for each row of `told` (B, COND).

        Args:
            told: See `condition`.
            rng: What is drawn with.
            steps: Of the flow, two evaluations each; 0 draws from the Gaussian alone.
            heat: 1 draws as people are; less is tamer, 0 the likeliest.
        """
        middle, spread = self.gaussian(told)
        x = (heat * rng.standard_normal((len(told), KEPT))).astype(np.float32)
        if steps:
            given = self._given(told)
            for k in range(steps):
                half = x + self._velocity(x, k / steps, given) * np.float32(0.5 / steps)
                x = x + self._velocity(half, (k + 0.5) / steps, given) * np.float32(1 / steps)
        z = middle + spread * np.clip(x, -6, 6)
        bases = self.bases
        flat = (z * bases.window_scale) @ bases.window_basis.T + bases.window_mean
        return np.asarray(flat.reshape(len(told), LENGTH, FRAME), np.float32)

    def gaussian(self, told: F32) -> tuple[F32, F32]:
        """Return mean and spread (B, 128) of a window's coefficients."""
        hidden = _silu(self._linear("gauss.0", told))
        hidden = _silu(self._linear("gauss.1", hidden))
        middle, spread = np.split(self._linear("gauss.2", hidden), 2, axis=1)
        middle = middle + self._linear("skip", told)
        low, high = SPREADS
        return middle, np.exp((low + high) / 2 + (high - low) / 2 * np.tanh(spread))

    def velocity(self, x: F32, share: float, told: F32) -> F32:
        """Return where (B, 128) of the way `share` from noise to motion leads next."""
        return self._velocity(x, share, self._given(told))

    def _given(self, told: F32) -> F32:
        return self._linear("trunk.1", _silu(self._linear("trunk.0", told)))

    def _velocity(self, x: F32, share: float, given: F32) -> F32:
        waves = np.concatenate([np.sin(FREQUENCIES * share), np.cos(FREQUENCIES * share)])
        now = _silu(given + self._linear("time", waves.astype(np.float32)[None]))
        hidden = self._linear("enter", x)
        for k in range(self._blocks):
            inner = self._linear(f"block.{k}.up", _normal(hidden))
            inner = _silu(inner + self._linear(f"block.{k}.given", now))
            hidden = hidden + self._linear(f"block.{k}.down", inner)
        return self._linear("leave", _silu(_normal(hidden)))

    def _linear(self, name: str, x: F32) -> F32:
        matrix, bias = self._layers[name]
        return np.asarray(x @ matrix + bias, np.float32)


def _silu(x: F32) -> F32:
    return np.asarray(x / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def _normal(x: F32) -> F32:
    apart = x - x.mean(-1, keepdims=True)
    return np.asarray(apart / np.sqrt((apart * apart).mean(-1, keepdims=True) + 1e-5), np.float32)


@lru_cache(maxsize=1)
def generator() -> Flow:
    """Return the package's own generator."""
    return read_flow(_FILE)


def read_flow(path: str | Path) -> Flow:
    """Return the generator of a weights file.

    Raises:
        ModelMissingError: It is not there.
        FormatError: It is no such file, of another version, damaged, or of other sizes.
    """
    file = Path(path)
    about, sizes, arrays = read_sealed(file, what="generator", version=_VERSION, sizes=_SIZES)
    wanted = shapes_of(sizes)
    for name in sorted(set(wanted) | set(arrays)):
        shape = arrays[name].shape if name in arrays else None
        if shape != wanted.get(name):
            raise FormatError(
                f"generator: {name}: expected shape {wanted.get(name)}, got {shape}; it was "
                f"trained for other inputs or outputs: {file}"
            )
        if not np.isfinite(arrays[name].astype(np.float32)).all():
            raise FormatError(f"generator: {name}: expected finite numbers: {file}")
    return Flow(sizes, arrays, about)


def write_flow(
    path: str | Path,
    sizes: Mapping[str, int],
    arrays: Mapping[str, Array],
    *,
    trained: Mapping[str, Any],
) -> str:
    """Write a weights file of float16 arrays by atomic rename; return their SHA-256.

    Raises:
        FormatError: The arrays are not those of `sizes`.
    """
    wanted = shapes_of(sizes)
    got = {name: np.shape(array) for name, array in arrays.items()}
    if got != wanted:
        wrong = sorted(name for name in set(got) | set(wanted) if got.get(name) != wanted.get(name))
        raise FormatError(f"generator: expected the arrays of {dict(sizes)}, wrong: {wrong[:4]}")
    halves = {name: np.asarray(arrays[name], np.float16) for name in sorted(arrays)}
    return write_sealed(path, halves, version=_VERSION, sizes=sizes, trained=trained)
