"""Where the curves go: a line of JSON an episode, a progress bar, TensorBoard and W&B if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twinsdk.core.closing import Closing
from twinsdk.errors import DependencyError
from twinsdk.motion.training.checkpoint import Progress
from twinsdk.motion.training.settings import RunConfig

__all__ = ["Curves"]


class Curves(Closing):
    """Writes what a run says of itself; appends to what an earlier part of it wrote.

    Args:
        folder: Of the run; the lines go to `curves.jsonl`.
        config: Says whether TensorBoard and Weights & Biases are wanted.
        active: Only the first of several processes writes.

    Raises:
        DependencyError: One of them is wanted and not installed.
    """

    def __init__(self, folder: Path, config: RunConfig, *, active: bool) -> None:
        from tqdm import tqdm

        self._path = folder / "curves.jsonl" if active else None
        self._bar: Any = tqdm(
            total=round(60 * config.minutes), unit="s", disable=not active, leave=False
        )
        self._board: Any = _board(folder) if active and config.tensorboard else None
        self._wandb: Any = _wandb(config) if active and config.wandb_project else None

    def add(self, progress: Progress, rate: float, terms: dict[str, float]) -> None:
        """Take the terms of one episode."""
        self._bar.n = min(round(progress.seconds), self._bar.total)
        self._bar.set_postfix(loss=f"{terms['loss']:.3f}", windows=progress.step)
        self._write("train", progress, {**terms, "learning_rate": rate})

    def dev(self, progress: Progress, found: dict[str, float]) -> None:
        """Take what was measured on dev."""
        self._write("dev", progress, found)

    def _write(self, kind: str, progress: Progress, values: dict[str, float]) -> None:
        if self._path is None:
            return
        line = {"kind": kind, "step": progress.step, "seconds": round(progress.seconds, 1)}
        rounded = {name: float(f"{float(value):.6g}") for name, value in values.items()}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, **rounded}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, progress.step)
        if self._wandb is not None:
            named = {f"{kind}/{name}": value for name, value in values.items()}
            self._wandb.log(named, step=progress.step)

    def close(self) -> None:
        """Close bar and writers."""
        self._bar.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError("TensorBoard curves need it: pip install tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))


def _wandb(config: RunConfig) -> Any:
    try:
        import wandb  # type: ignore[import-not-found]
    except ImportError as error:
        raise DependencyError("curves in Weights & Biases need it: pip install wandb") from error
    return wandb.init(project=config.wandb_project, resume="allow")
