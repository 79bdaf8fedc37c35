"""How foresight is trained: on motion as the model shows it, against what people did next.

    twinsdk train foresight.toml          # with kind = "foresight" in it

The motion model is run once over all clips, as a headset and controllers show them, and what it
made of them is kept in the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twinsdk.core.arrays import Array
from twinsdk.errors import FormatError
from twinsdk.motion.model.body import COUNT, PARENTS
from twinsdk.motion.model.foresight import (
    FARTHEST,
    FOREKNOWN,
    POWERS,
    STEP_S,
    USUAL_S,
    steady_s,
)
from twinsdk.motion.training.checkpoint import Average, Parts, Progress
from twinsdk.motion.training.foresight_data import (
    FUTURES,
    Shown,
    Windows,
    drawn,
    shown_of,
    shown_poses,
    windows_at,
)
from twinsdk.motion.training.run import TrainingRun, opened
from twinsdk.motion.training.settings import RunConfig, config_hash
from twinsdk.motion.weights_file import averaged_weights

__all__ = ["ForesightConfig", "ForesightNetwork", "arrays_of_foresight", "train_foresight"]

SHOWN = "shown.npz"
_HARD_CM = torch.tensor([1.0, 2.0, 3.3, 4.9, 8.0, 11.0])
"""How far off going straight on is then: each is to count about as much."""
_DEV_WINDOWS = 20_000
_MEAN_WINDOWS = 8192


@dataclass(frozen=True, kw_only=True)
class ForesightConfig(RunConfig):
    """How foresight is trained.

    Attributes:
        begin: Weights of the motion model that shows the clips.
        batch: Windows a batch.
        hidden: Width of both hidden layers.
        dropout: Share of their outputs left out.
        true_share: Share of the batches whose past is what was captured, not what was shown.
        scaling: Spread of people's sizes.
    """

    folder: str = "foresight-run"
    minutes: float = 12.0
    learning_rate: float = 1.5e-3
    warmup: int = 200
    weight_decay: float = 0.03
    checkpoint_minutes: float = 1.0
    begin: str = "default"
    batch: int = 256
    hidden: int = 256
    dropout: float = 0.1
    true_share: float = 0.0
    scaling: float = 0.05

    def _checks(self) -> tuple[tuple[str, bool, str], ...]:
        return (
            ("batch", 2 <= self.batch <= 65536, "2 to 65536"),
            ("hidden", 1 <= self.hidden <= 4096, "1 to 4096"),
            ("dropout", 0 <= self.dropout < 1, "0 to 1"),
            ("true_share", 0 <= self.true_share <= 1, "0 to 1"),
            ("scaling", 0 <= self.scaling <= 0.2, "0 to 0.2"),
        )


class ForesightNetwork(nn.Module):
    """Two layers between what is told and how far a body departs from going straight on."""

    mean: Tensor
    scale: Tensor

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(FOREKNOWN, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, POWERS * 3 * (COUNT + 1))
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("mean", torch.zeros(FOREKNOWN))
        self.register_buffer("scale", torch.ones(FOREKNOWN))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (N, `POWERS`, 23, 3)."""
        x = ((inputs - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST)
        for layer in (self.first, self.second):
            x = self.drop(nn.functional.silu(layer(x)))
        out: Tensor = self.last(x)
        return out.view(-1, POWERS, COUNT + 1, 3)

    def moved(self, windows: Windows, seconds: Tensor) -> Tensor:
        """Return how far joints are said to go (N, F, 22, 3), metres."""
        steady = torch.from_numpy(steady_s(seconds.numpy()))[:, None, None]
        powers = (seconds / USUAL_S)[:, None] ** torch.arange(1, POWERS + 1)
        said = windows.lively[:, None, None, None] * self(windows.inputs)
        out = steady * windows.going[:, None] + USUAL_S * torch.einsum(
            "fk,nkjc->nfjc", powers, said
        )
        local = windows.local[:, None] @ _rotations(out[:, :, :-1])
        root = windows.places[:, None, 0] + out[:, :, -1]
        return _places(local, root, windows.offsets[:, None]) - windows.places[:, None]


def train_foresight(
    config: ForesightConfig, *, report: Callable[[str], None] = lambda _: None
) -> Path:
    """Train until the time or the steps are used up; return the last checkpoint.

    Raises:
        FileMissingError, FormatError: A motion set is missing or wrong, or the folder holds a run
            with other settings.
    """
    corpus = opened(config)
    poses = shown_poses(
        Path(config.folder) / SHOWN, corpus.clips, config.begin, corpus.sha256, report
    )
    network = ForesightNetwork(config.hidden, config.dropout)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=1e-3, weight_decay=config.weight_decay, betas=(0.9, 0.99)
    )
    run = _Run(
        config,
        Parts(network=network, optimiser=optimiser, average=Average(network, config.averaging)),
        Progress(config=config_hash(config), data=corpus.sha256),
    )
    split = [clip.split for clip in corpus.clips]
    dev = "dev" if "dev" in split else "train"
    run.take(
        shown_of(corpus.clips, poses, "train"),
        shown_of(corpus.clips, None, "train"),
        shown_of(corpus.clips, poses, dev),
    )
    return run.train(corpus, report)


class _Run(TrainingRun[ForesightNetwork]):
    """Foresight's."""

    config: ForesightConfig
    unit = "batch", "batches"
    shown_every = 50
    least = 0.02

    def take(self, shown: Shown, true: Shown, dev: Shown) -> None:
        """Take the data."""
        self.shown, self.true, self.dev = shown, true, dev
        self.seconds = torch.from_numpy((FUTURES * STEP_S).astype(np.float32))

    def begin(self) -> None:
        """Measure what is told, so that all of it counts alike."""
        rng = np.random.default_rng(self.config.seed)
        rows = drawn(self.shown, rng, _MEAN_WINDOWS, scaling=self.config.scaling).inputs
        network = self.parts.network
        network.mean.copy_(rows.mean(0))
        network.scale.copy_(1 / rows.std(0).clamp(min=0.1))

    def advance(self) -> dict[str, float]:
        """Train on one batch."""
        rng = np.random.default_rng([self.config.seed, self.progress.step])
        torch.manual_seed(self.config.seed * 1_000_003 + self.progress.step)
        data = self.true if rng.random() < self.config.true_share else self.shown
        windows = drawn(data, rng, self.config.batch, scaling=self.config.scaling)
        off_cm = self._off_cm(windows).mean((0, 2))
        loss = (off_cm / _HARD_CM).mean()
        self.descend(loss, [self.parts.network.parameters()])
        self.progress.step += 1
        return {"loss": float(loss.detach()), "cm_100ms": float(off_cm[2].detach())}

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """Return how far off joints are on dev, cm, and what going straight on is off."""
        usable = self.dev.usable
        frames = usable[:: max(1, len(usable) // _DEV_WINDOWS)]
        found, straight = [], []
        for part in np.array_split(frames, max(1, len(frames) // 1000)):
            found.append(self._off_cm(windows_at(self.dev, part)).mean(2))
            speed = (self.dev.places[part] - self.dev.places[part - 2]) / 2
            moved = self.dev.true[part + 3] - self.dev.true[part]
            straight.append(100 * np.linalg.norm(3 * speed - moved, axis=-1).mean(1))
        means = torch.cat(found).mean(0)
        out = {f"cm_{round(1e3 * k * STEP_S)}ms": float(means[i]) for i, k in enumerate(FUTURES)}
        out["straight_100ms"] = float(np.concatenate(straight).mean())
        return out

    def _off_cm(self, windows: Windows) -> Tensor:
        """Return how far off joints are said to be (N, F, 22)."""
        apart = self.parts.network.moved(windows, self.seconds) - windows.moved
        return 100 * (apart.square().sum(-1) + 1e-8).sqrt()


def _rotations(vectors: Tensor) -> Tensor:
    """Return the rotations (..., 3, 3) of axis times angle (..., 3)."""
    square = vectors.square().sum(-1) + 1e-12
    angle = square.sqrt()
    x, y, z = vectors.unbind(-1)
    none = torch.zeros_like(x)
    skew = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).view(*vectors.shape, 3)
    sine, versine = torch.sin(angle) / angle, (1 - torch.cos(angle)) / square
    return torch.eye(3) + sine[..., None, None] * skew + versine[..., None, None] * (skew @ skew)


def _places(local: Tensor, root: Tensor, offsets: Tensor) -> Tensor:
    """Return positions (..., 22, 3), see `body.forward`."""
    world, places = [local[..., 0, :, :]], [root]
    for j in range(1, COUNT):
        above = world[PARENTS[j]]
        world.append(above @ local[..., j, :, :])
        places.append(places[PARENTS[j]] + (above @ offsets[..., j, :, None])[..., 0])
    return torch.stack(places, -2)


def arrays_of_foresight(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return arrays and progress of a checkpoint of foresight, its averaged weights.

    Raises:
        FormatError: It is no such checkpoint.
    """
    try:
        own, progress = averaged_weights(path)
        arrays = {name: own[name] for name in ("mean", "scale")}
        for number, layer in enumerate(("first", "second", "last")):
            arrays[f"w{number}"] = own[f"{layer}.weight"].T
            arrays[f"b{number}"] = own[f"{layer}.bias"]
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"checkpoint: not one of foresight ({error}): {path}") from error
    return arrays, progress
