"""The training loop: resumable, averaged, one process or many.

    twinsdk train settings.toml
    torchrun --nproc-per-node 4 -m twinsdk train settings.toml

Everything drawn comes from the seed and the number of the episode, so a run that was stopped goes
on as if it had not been. Several processes draw different episodes and average their gradients.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twinsdk.errors import FormatError
from twinsdk.motion.model.body import INDEX, JOINTS
from twinsdk.motion.model.network import MotionNetwork
from twinsdk.motion.model.weights import layers_of, weights_path
from twinsdk.motion.training.checkpoint import Average, Parts, Progress
from twinsdk.motion.training.corpus import Corpus
from twinsdk.motion.training.dev import measure_dev
from twinsdk.motion.training.episodes import Episode, Episodes
from twinsdk.motion.training.losses import Targets, tracking_loss
from twinsdk.motion.training.run import CHECKPOINT, TrainingRun, opened
from twinsdk.motion.training.settings import TrainConfig, config_hash
from twinsdk.motion.training.takes import Take, film, read_takes, write_takes

__all__ = ["CHECKPOINT", "train"]

_DEV_EPISODES = 2
_CENTRAL = (
    "hips",
    "spine",
    "chest",
    "leftUpperArm",
    "rightUpperArm",
    "leftUpperLeg",
    "rightUpperLeg",
)


def train(config: TrainConfig, *, report: Callable[[str], None] = lambda _: None) -> Path:
    """Train until the time or the steps are used up; return the last checkpoint.

    Args:
        config: What and how.
        report: Takes a line now and then.

    Raises:
        FileMissingError, FormatError: A motion set is missing or wrong, or the folder holds a run
            with other settings.
    """
    rank, world = _processes()
    corpus = opened(config)
    network = MotionNetwork(config.network)
    if config.begin:  # wrong weights are told before minutes of filming
        _begin(network, config.begin)
    if world > 1 and rank > 0:  # the first process films, the others read what it wrote
        torch.distributed.barrier()
    takes = [take for seed in config.film_seeds for take in _takes(config, corpus, seed, report)]
    if world > 1 and rank == 0:
        torch.distributed.barrier()
    run = _Run(config, network, corpus, takes, rank=rank, world=world)
    return run.train(corpus, report, also=f", {len(takes)} takes")


class _Run(TrainingRun[MotionNetwork]):
    """The motion model's."""

    config: TrainConfig

    def __init__(
        self,
        config: TrainConfig,
        network: MotionNetwork,
        corpus: Corpus,
        takes: list[Take],
        *,
        rank: int,
        world: int,
    ) -> None:
        self.rank, self.world = rank, world
        clips = corpus.clips
        train_index = {i for i, clip in enumerate(clips) if clip.split == "train"}
        self.episodes = Episodes(
            corpus.part("train"),
            _renumbered([t for t in takes if t.clip in train_index], clips, "train"),
            config.episodes,
            seed=config.seed,
        )
        self.dev = Episodes(
            corpus.part("dev") or corpus.part("train"),
            _renumbered([t for t in takes if t.clip not in train_index], clips, "dev"),
            replace(config.episodes, nothing=0.1, scaling=0.0, speed=0.0, canonical=0.0),
            seed=9001,
        )
        if not config.begin:
            _standardise(network, self.episodes.draw(2**31))
        optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.99),
        )
        average = Average(network, config.averaging)
        super().__init__(
            config,
            Parts(network=network, optimiser=optimiser, average=average),
            Progress(config=config_hash(config), data=corpus.sha256),
        )
        weights = [1.5 if name in _CENTRAL else 1.0 for name in JOINTS]
        weights[INDEX["leftToes"]] = weights[INDEX["rightToes"]] = 0.5
        self.joint_weights = torch.tensor(weights) * len(weights) / sum(weights)

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def held_out(self) -> dict[str, float]:
        """Return the tracker's errors on dev, see `dev.measure_dev`."""
        drawn = [self.dev.draw(i) for i in range(_DEV_EPISODES)]
        return measure_dev(self.parts.network, drawn)

    def agreed(self, seconds: float) -> float:
        """Return the first process's time: rate and end hang on it, and must be everybody's."""
        if self.world == 1:
            return seconds
        shared = torch.tensor([seconds], dtype=torch.float64)
        torch.distributed.broadcast(shared, src=0)
        return float(shared)

    def share_gradients(self) -> None:
        """Average the gradients over all processes."""
        if self.world == 1:
            return
        for parameter in self.parts.network.parameters():
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.world

    def _seed(self) -> None:
        seed = (self.config.seed * 1_000_003 + self.progress.episode) * 64 + self.rank
        torch.manual_seed(seed)

    def advance(self) -> dict[str, float]:
        """Train on the windows of the next episode."""
        self._seed()
        terms = self._episode(self.episodes.draw(self.progress.episode * self.world + self.rank))
        self.progress.episode += 1
        return terms

    def _episode(self, episode: Episode) -> dict[str, float]:
        network = self.parts.network
        frames, state = self.config.window, None
        slots = torch.from_numpy(episode.slots)
        whole = {name: torch.from_numpy(value) for name, value in episode.targets.items()}
        sums: dict[str, float] = {}
        windows = slots.shape[1] // frames
        for k in range(windows):
            part = slice(k * frames, (k + 1) * frames)
            targets = _window(whole, part)
            with self._precision():
                dt = targets.dt[:, None].expand(-1, frames)
                outputs, state = network(slots[:, part], dt, state)
            outputs = type(outputs)(**{n: v.float() for n, v in vars(outputs).items()})
            state = state.detach()
            loss, terms = tracking_loss(outputs, targets, self.config.weights, self.joint_weights)
            self.descend(loss, [network.parameters()])
            terms["loss"] = float(loss.detach())
            self.progress.step += 1
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value / windows
        return sums

    def _precision(self) -> AbstractContextManager[Any]:
        if self.config.precision == "bfloat16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return nullcontext()


def _window(whole: dict[str, Tensor], part: slice) -> Targets:
    still = ("offsets", "bones", "dt")
    return Targets(
        **{name: value if name in still else value[:, part] for name, value in whole.items()}
    )


def _begin(network: MotionNetwork, name: str) -> None:
    path = weights_path(name)
    found = {key: torch.from_numpy(value) for key, value in layers_of(path).items()}
    try:
        network.load_state_dict(found)
    except RuntimeError as error:
        words = " ".join(str(error).split())[:200]
        raise FormatError(
            f"begin: weights of other sizes than [network] ({words}): {path}"
        ) from error


def _standardise(network: MotionNetwork, episode: Episode) -> None:
    rows = torch.from_numpy(episode.slots).flatten(0, 1)
    with torch.no_grad():
        network.mean.copy_(rows.mean(0))
        network.scale.copy_(1 / rows.std(0).clamp(min=0.1))


def _takes(
    config: TrainConfig, corpus: Corpus, seed: int, report: Callable[[str], None]
) -> list[Take]:
    path = Path(config.folder) / f"takes-{seed}.npz"
    if not path.exists():
        report(f"filming all clips with seed {seed}")
        takes = list(film(corpus.clips, seed=seed, idle_share=config.film_idle_share))
        write_takes(path, takes, sha256=corpus.sha256)
    return read_takes(path, sha256=corpus.sha256)


def _renumbered(takes: list[Take], clips: Any, split: str) -> list[Take]:
    order = [i for i, clip in enumerate(clips) if clip.split == split]
    place = {i: k for k, i in enumerate(order)}
    return [replace(take, clip=place[take.clip]) for take in takes]


def _processes() -> tuple[int, int]:
    """Return this process's rank and how many there are, joining them under torchrun."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), world


def read_curves(folder: str | Path) -> list[dict[str, Any]]:
    """Return the lines that a run wrote."""
    text = (Path(folder) / "curves.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
