"""What the generator learns from: balanced batches of pasts and the windows that followed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.motion.generation.flow import AGO, COND, KEPT, Bases, condition
from twinsdk.motion.generation.windows import (
    LENGTH,
    PAST,
    POSTURE,
    REACH,
    Track,
    futures,
    goals,
    pasts,
    ramp,
    track_of,
)
from twinsdk.motion.training.corpus import Clip, mirror

__all__ = ["Batch", "FlowData", "bases_of", "straight", "tracked"]

_FITTED = 24_000  # windows that the bases are of
_SOFT_M, _SOFT_PAST_M = 0.02, 0.005  # what differs by less is not blown up
_GUESSED, _RIDGE = 16_384, 1000.0
_BALANCE = 0.6  # a style's weight is its length to this power
_SHIFT = 0.1  # how far off a remembered posture is at most, in spreads
_SHAKE = 0.03
_KNOWN_ALL = 0.85  # share of pasts known in full
_NO_STYLE = 0.15
_WITH_GOAL = 0.35


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B examples: what is told (B, COND) and coefficients of what followed (B, 128)."""

    told: F32
    z: F32


def tracked(clips: Sequence[Clip], *, mirrored: bool = True) -> Track:
    """Return clips as one track, each also as a mirror shows it."""
    found = []
    for clip in clips:
        found.append((clip.rotations, clip.root, clip.contacts, clip.style))
        if mirrored:
            rotations, root = mirror(clip.rotations, clip.root)
            across = np.ascontiguousarray(clip.contacts[:, [2, 3, 0, 1]])
            found.append((np.ascontiguousarray(rotations), root, across, clip.style))
    return track_of(found)


def bases_of(track: Track, *, seed: int) -> Bases:
    """Return the principal components of a track's windows, pasts and postures.

    A window counts by the root of its size, or the liveliest would be all that is kept well.
    """
    rng = np.random.default_rng([seed, 7])
    usable = _usable(track)
    now = rng.choice(usable, min(_FITTED, len(usable)))
    window = futures(track, now).reshape(len(now), -1)
    past, own = pasts(track, now)
    past = (past * AGO).reshape(len(now), -1)
    posture = own[:, :POSTURE]
    mean = window.mean(0)
    size = np.sqrt(np.sqrt((window**2).mean(1)) + 0.003)[:, None]
    basis = _components((window - mean) / size, KEPT)
    past_basis = _components(past / np.sqrt(np.sqrt((past**2).mean(1)) + 0.003)[:, None], 128)
    middle = posture.mean(0)
    posture_basis = _components(posture - middle, 48)
    return Bases(
        window_mean=mean,
        window_basis=basis,
        window_scale=((window - mean) @ basis).std(0) + np.float32(1e-4),
        past_basis=past_basis,
        past_scale=1 / np.sqrt((past @ past_basis).var(0) + _SOFT_PAST_M**2),
        posture_mean=middle,
        posture_basis=posture_basis,
        posture_scale=1 / np.sqrt(((posture - middle) @ posture_basis).var(0) + _SOFT_M**2),
    )


class FlowData:
    """Draws batches by number: the same number gives the same batch.

    Args:
        track: Where from.
        bases: Of the weights.
        seed: Of everything drawn.
        plain: As at the evaluation: nothing shaken, every past known, no goal, every frame alike.
    """

    def __init__(self, track: Track, bases: Bases, *, seed: int, plain: bool = False) -> None:
        self.track, self.bases, self.seed, self.plain = track, bases, seed, plain
        self._usable = _usable(track)
        styles = track.styles[self._usable]
        share = np.ones(len(styles))
        if not plain:
            for style in np.unique(styles):
                here = styles == style
                share[here] = here.sum() ** (_BALANCE - 1.0)
        self._share = np.cumsum(share / share.sum())
        self._ramp = ramp()[:, None]

    def draw(self, number: int, count: int) -> Batch:
        """Return a batch of `count` examples."""
        rng = np.random.default_rng([self.seed, number])
        where = np.searchsorted(self._share, rng.random(count)).clip(max=len(self._usable) - 1)
        now = self._usable[where]
        window = futures(self.track, now)
        styles = self.track.styles[now]
        if self.plain:
            past, own = pasts(self.track, now)
            told = condition(self.bases, past, own, styles)
            return Batch(told=told, z=self._coefficients(window))
        kept = np.where(rng.random(count) < _KNOWN_ALL, PAST[-1], rng.integers(0, 30, count))
        past, own = pasts(self.track, now, kept=kept)
        styles = np.where(rng.random(count) < _NO_STYLE, -1, styles)
        frames = np.minimum(rng.integers(1, REACH + 1, count), self.track.last[now] - now)
        goal = goals(self.track, now, frames)
        frames = np.where(rng.random(count) < _WITH_GOAL, frames, 0)
        # Where it is not quite where people are, what follows leads back.
        level = _SHIFT * rng.random((count, 1), np.float32) ** 2
        shift = level * rng.standard_normal((count, self.bases.posture_basis.shape[1]), np.float32)
        shift = (shift / self.bases.posture_scale) @ self.bases.posture_basis.T
        own[:, :POSTURE] += shift
        window[..., :POSTURE] -= self._ramp * shift[:, None]
        goal[:, :POSTURE] -= shift
        told = condition(self.bases, past, own, styles, goal=goal, frames=frames)
        shaken = len(self.bases.past_scale)
        told[:, :shaken] += _SHAKE * rng.standard_normal((count, shaken), np.float32)
        return Batch(told=told, z=self._coefficients(window))

    def _coefficients(self, window: F32) -> F32:
        bases = self.bases
        flat = window.reshape(len(window), -1) - bases.window_mean
        return np.asarray(flat @ bases.window_basis / bases.window_scale, np.float32)


def straight(data: FlowData) -> tuple[F32, F32, F32]:
    """Return the linear guess of what follows: matrix (128, COND), offset and spreads (128,).

    A window counts by the inverse of its size, or the liveliest would be all that is guessed well.
    """
    batches = [data.draw(2**40 + i, _GUESSED // 16) for i in range(16)]
    told = np.concatenate([batch.told for batch in batches]).astype(np.float64)
    z = np.concatenate([batch.z for batch in batches]).astype(np.float64)
    told = np.concatenate([told, np.ones((len(told), 1))], axis=1)
    weight = 1 / (0.05 + np.sqrt((z**2).mean(1, keepdims=True)))
    left = (told * weight).T @ (told * weight) + _RIDGE * np.eye(COND + 1)
    matrix = np.linalg.solve(left, (told * weight).T @ (z * weight))
    spread = np.sqrt(((z - told @ matrix) ** 2).mean(0))
    out = matrix.T.astype(np.float32)
    return out[:, :-1], out[:, -1], np.asarray(spread, np.float32)


def _usable(track: Track) -> Array:
    return np.flatnonzero(np.arange(len(track)) + LENGTH <= track.last)


def _components(rows: Array, count: int) -> F32:
    """Return the first principal directions (D, count) of rows (N, D), by subspace iteration."""
    rows = rows.astype(np.float32)
    spread = rows.T @ rows / np.float32(len(rows))
    found = np.random.default_rng(0).standard_normal((len(spread), count + 16)).astype(np.float32)
    for _ in range(12):
        found = np.linalg.qr(spread @ found)[0]
    vectors = np.linalg.eigh((found.T @ spread @ found).astype(np.float64))[1][:, ::-1]
    return np.ascontiguousarray(found @ vectors[:, :count], np.float32)
