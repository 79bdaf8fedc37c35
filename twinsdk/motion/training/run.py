"""What every training run is: settings, steps under a falling rate, checkpoints, curves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic

import numpy as np
import torch
from torch import Tensor, nn

from twinsdk.core.clock import now_ns
from twinsdk.errors import FormatError
from twinsdk.motion.training.checkpoint import (
    Network,
    Parts,
    Progress,
    load_checkpoint,
    save_checkpoint,
)
from twinsdk.motion.training.corpus import Corpus, read_packed
from twinsdk.motion.training.curves import Curves
from twinsdk.motion.training.settings import RunConfig

__all__ = ["CHECKPOINT", "TrainingRun", "opened"]

CHECKPOINT = "checkpoint.npz"


def opened(config: RunConfig) -> Corpus:
    """Set torch up as the settings say, make the run's folder and return its data.

    Raises:
        FileMissingError, FormatError: A motion set is missing or wrong.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    Path(config.folder).mkdir(parents=True, exist_ok=True)
    return read_packed(config.data, dev_subjects=config.dev_subjects)


class TrainingRun(ABC, Generic[Network]):
    """A run: what it trains, on what it says, and how far it is.

    Args:
        config: Its settings.
        parts: Network, optimiser and averaged weights.
        progress: Where a fresh run begins; a checkpoint must have the same settings and data.

    Attributes:
        unit: What a step is called, and what several are.
        shown_every: How many calls of `advance` a line of the curves stands for.
        least: Share of the learning rate that is left in the end.
    """

    unit = "window", "windows"
    shown_every = 1
    least = 0.05

    def __init__(self, config: RunConfig, parts: Parts[Network], progress: Progress) -> None:
        self.config, self.parts, self.progress = config, parts, progress
        self.checkpoint = Path(config.folder) / CHECKPOINT

    @abstractmethod
    def advance(self) -> dict[str, float]:
        """Train a piece, count its steps, and return the terms of the loss, `loss` among them."""

    @abstractmethod
    def held_out(self) -> dict[str, float]:
        """Return what the network, which holds the averaged weights now, loses on dev."""

    def agreed(self, seconds: float) -> float:
        """Return the time that all processes of a run go by."""
        return seconds

    @property
    def leads(self) -> bool:
        """Whether this process measures and writes."""
        return True

    def parameters(self) -> int:
        """Return how many there are."""
        return sum(p.numel() for p in self.parts.network.parameters())

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; return whether there was.

        Raises:
            FormatError: It was made with other settings or data.
        """
        if not self.checkpoint.exists():
            return False
        found = load_checkpoint(self.checkpoint, self.parts)
        if (found.config, found.data) != (self.progress.config, self.progress.data):
            raise FormatError(
                "checkpoint: made with other settings or data; choose another folder or remove it: "
                f"{self.checkpoint}"
            )
        self.progress = found
        return True

    def begin(self) -> None:
        """Get the parts of a fresh run ready."""

    def train(self, corpus: Corpus, report: Callable[[str], None], *, also: str = "") -> Path:
        """Go on from the checkpoint or begin, train, and return the last checkpoint.

        Args:
            corpus: What is trained on.
            report: Takes a line now and then.
            also: What else there is to train on, for the first line.
        """
        if not self.resume():
            self.begin()
        to_train, dev = corpus.minutes("train"), corpus.minutes("dev")
        report(
            f"{to_train:.0f} min to train on, {dev:.0f} dev{also}; "
            f"{self.parameters() / 1e6:.2f} M parameters; from {self.unit[0]} {self.progress.step}"
        )
        with Curves(Path(self.config.folder), self.config, active=self.leads) as curves:
            self.loop(curves, report)
        return self.checkpoint

    def loop(self, curves: Curves, report: Callable[[str], None]) -> None:
        """Train until the time or the steps are used up."""
        progress = self.progress
        saved = progress.seconds
        sums: dict[str, float] = {}
        pieces = 0
        while not self._done():
            begun = now_ns()
            for name, value in self.advance().items():
                sums[name] = sums.get(name, 0.0) + value
            pieces += 1
            progress.seconds = self.agreed(progress.seconds + (now_ns() - begun) / 1e9)
            if pieces == self.shown_every or self._done():
                curves.add(progress, self._rate(), {n: v / pieces for n, v in sums.items()})
                sums, pieces = {}, 0
            if progress.seconds - saved > 60 * self.config.checkpoint_minutes or self._done():
                saved = progress.seconds
                if self.leads:
                    found = self.measure()
                    curves.dev(progress, found)
                    minutes = progress.seconds / 60
                    report(f"{minutes:.1f} min, {progress.step} {self.unit[1]}: {found}")
                    save_checkpoint(self.checkpoint, self.parts, progress)

    def measure(self) -> dict[str, float]:
        """Return what the averaged network loses on dev."""
        network = self.parts.network
        self.parts.average.swap(network)
        network.eval()
        found = self.held_out()
        network.train()
        self.parts.average.swap(network)
        return found

    def descend(self, loss: Tensor, groups: Iterable[Iterable[nn.Parameter]]) -> None:
        """Take one step down; each group's gradient is clipped by itself, a bad batch left out."""
        network, optimiser = self.parts.network, self.parts.optimiser
        for group in optimiser.param_groups:
            group["lr"] = self._rate()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.share_gradients()
        clip = self.config.clip
        norms = [float(torch.nn.utils.clip_grad_norm_(group, clip)) for group in groups]
        if np.isfinite(sum(norms)):
            optimiser.step()
            self.parts.average.add(network)

    def share_gradients(self) -> None:
        """Average the gradients over all processes."""

    def _done(self) -> bool:
        return (
            self.progress.step >= self.config.steps
            or self.progress.seconds >= 60 * self.config.minutes
        )

    def _rate(self) -> float:
        c, p = self.config, self.progress
        gone = min(max(p.seconds / (60 * c.minutes), p.step / c.steps), 1.0)
        rise = min((p.step + 1) / c.warmup, 1.0)
        fall = self.least + (1 - self.least) * 0.5 * (1 + np.cos(np.pi * gone))
        return float(c.learning_rate * rise * fall)
