"""Training of the performer: windows of motion, their principal components, and the flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from twinsdk.core.arrays import F32, Array
from twinsdk.errors import ValueRangeError
from twinsdk.motion.model.network import Performer
from twinsdk.motion.model.slots import STYLES
from twinsdk.motion.model.windows import BACK, FRAME, WINDOW, contexts, frames_of, windows_of
from twinsdk.motion.training.corpus import Clip, mirror

__all__ = ["Performances", "fit_basis", "flow_loss"]

_LEAST = 0.03  # numbers that hardly vary are not blown up
_STYLE_HIDDEN = 0.3
_CONTEXT_NOISE = 0.05


class Performances:
    """Windows of clips and what came before them.

    Args:
        clips: What people did.

    Raises:
        ValueRangeError: No clip is long enough.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.seed(0)
        frames, ends, styles, total = [], [], [], 0
        for clip in clips:
            stride = max(1, round(clip.fps / 30))
            local, root = clip.rotations[::stride], clip.root[::stride]
            contacts = clip.contacts[::stride].astype(np.float32)
            if len(root) < WINDOW + 2:
                continue
            for flip in (False, True):
                turned, moved = mirror(local, root) if flip else (local, root)
                planted = contacts[:, [2, 3, 0, 1]] if flip else contacts
                frames.append(frames_of(turned, moved, planted))
                first = min(BACK[-1], len(root) - WINDOW - 1)
                last = np.arange(first, len(root) - WINDOW) + total
                ends.append(last)
                styles.append(np.full(len(last), clip.style))
                total += len(root)
        if not frames:
            raise ValueRangeError(f"performer: no clip of at least {WINDOW + 2} frames at 30 Hz")
        self.frames: F32 = np.concatenate(frames)
        self.ends = np.concatenate(ends)
        self.styles = np.concatenate(styles)
        # A long clip of one style does not crowd the others out.
        share = np.array(
            [1 / np.sqrt(max((self.styles == s).sum(), 1)) for s in range(len(STYLES))]
        )
        weight = np.where(self.styles >= 0, share[self.styles], share.min())
        self._weight = np.cumsum(weight / weight.sum())

    def seed(self, seed: int) -> None:
        """Begin the draws anew."""
        self._rng = np.random.default_rng([seed, 77])

    def draw(self, count: int) -> tuple[Array, Array, Array]:
        """Return contexts, windows and styles of `count` random moments."""
        at = np.searchsorted(self._weight, self._rng.random(count)).clip(max=len(self.ends) - 1)
        last = self.ends[at]
        return contexts(self.frames, last), windows_of(self.frames, last), self.styles[at]

    def spread(self) -> tuple[F32, F32]:
        """Return mean and standard deviation (140,) of the frames."""
        some = self.frames[:: max(1, len(self.frames) // 50000)]
        return some.mean(0), np.maximum(some.std(0), _LEAST)


def fit_basis(performer: Performer, performances: Performances) -> float:
    """Set the performer's standardisation and components; return the variance they explain."""
    mean, std = performances.spread()
    _, windows, _ = performances.draw(12000)
    scale = np.tile(1 / std, WINDOW)
    centre = windows.mean(0)
    rows = ((windows - centre) * scale).astype(np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    keep = np.argsort(values)[::-1][: performer.config.latent]
    basis = (vectors[:, keep] * np.sqrt(values[keep])).T / scale
    with torch.no_grad():
        performer.frame_mean.copy_(torch.from_numpy(mean))
        performer.frame_scale.copy_(torch.from_numpy(1 / std))
        performer.window_mean.copy_(torch.from_numpy(centre))
        performer.window_basis.copy_(torch.from_numpy(basis.astype(np.float32)))
    return float(values[keep].sum() / values.sum())


def latents_of(performer: Performer, windows: Array) -> Tensor:
    """Return the latents (N, latent) of windows (N, 8 * 140)."""
    scale = performer.frame_scale.repeat(WINDOW)
    basis = performer.window_basis * scale
    rows = (torch.from_numpy(windows) - performer.window_mean) * scale
    return rows @ basis.T / basis.square().sum(-1)


def context_rows(performer: Performer, given: Array, styles: Array) -> Tensor:
    """Return standardised contexts with styles (N, ...)."""
    past = torch.from_numpy(given).view(len(given), len(BACK), FRAME)
    past = (past - performer.frame_mean) * performer.frame_scale
    hot = torch.zeros(len(given), len(STYLES))
    known = np.flatnonzero(styles >= 0)
    hot[known, styles[known]] = 1
    return torch.cat([past.flatten(1), hot], -1)


def flow_loss(
    performer: Performer, drawn: tuple[Array, Array, Array], generator: torch.Generator
) -> Tensor:
    """Return the mean square error of the flow's velocity on drawn windows."""
    given, windows, styles = drawn
    hidden = torch.rand(len(styles), generator=generator).numpy() < _STYLE_HIDDEN
    context = context_rows(performer, given, np.where(hidden, -1, styles))
    # The performer will live on its own frames, which are not quite the data's.
    noise = torch.randn(context.shape, generator=generator) * _CONTEXT_NOISE
    noise[:, len(BACK) * FRAME :] = 0
    goal = latents_of(performer, windows)
    start = torch.randn(goal.shape, generator=generator)
    time = torch.sigmoid(torch.randn(len(goal), generator=generator))
    between = start + time[:, None] * (goal - start)
    velocity = performer(between, time, context + noise)
    return (velocity - (goal - start)).square().mean()
