"""The generator's training loop: resumable, averaged, on one thread.

    twinsdk train generator.toml          # with kind = "generator" in it

Everything drawn comes from the seed and the number of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from twinsdk.core.arrays import Array
from twinsdk.errors import FormatError
from twinsdk.motion.generation.flow import shapes_of
from twinsdk.motion.generation.flow_data import Batch, FlowData, bases_of, straight, tracked
from twinsdk.motion.generation.flow_network import FlowConfig, FlowNetwork, losses, surprise
from twinsdk.motion.training.checkpoint import Average, Parts, Progress
from twinsdk.motion.training.run import TrainingRun, opened
from twinsdk.motion.training.settings import RunConfig, config_hash
from twinsdk.motion.weights_file import averaged_weights

__all__ = [
    "GeneratorConfig",
    "arrays_of_checkpoint",
    "held_out",
    "train_generator",
]

_DEV_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(RunConfig):
    """How the generator is trained.

    Attributes:
        batch: Windows a batch.
        network: Sizes.
    """

    folder: str = "generator-run"
    minutes: float = 30.0
    warmup: int = 200
    weight_decay: float = 0.02
    averaging: float = 0.999
    checkpoint_minutes: float = 2.0
    batch: int = 256
    network: FlowConfig = field(default_factory=FlowConfig)

    def _checks(self) -> tuple[tuple[str, bool, str], ...]:
        return (("batch", 2 <= self.batch <= 65536, "2 to 65536"),)


def train_generator(
    config: GeneratorConfig, *, report: Callable[[str], None] = lambda _: None
) -> Path:
    """Train until the time or the steps are used up; return the last checkpoint.

    Args:
        config: What and how.
        report: Takes a line now and then.

    Raises:
        FileMissingError, FormatError: A motion set is missing or wrong, or the folder holds a run
            with other settings.
    """
    corpus = opened(config)
    track = tracked(corpus.part("train"))
    bases = bases_of(track, seed=config.seed)
    data = FlowData(track, bases, seed=config.seed)
    network = FlowNetwork(config.network, bases)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=1e-3, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    run = _Run(
        config,
        Parts(network=network, optimiser=optimiser, average=Average(network, config.averaging)),
        data,
        FlowData(
            tracked(corpus.part("dev") or corpus.part("train"), mirrored=False),
            bases,
            seed=9001,
            plain=True,
        ),
        Progress(config=config_hash(config), data=corpus.sha256),
    )
    return run.train(corpus, report)


class _Run(TrainingRun[FlowNetwork]):
    """The generator's."""

    config: GeneratorConfig
    unit = "batch", "batches"
    shown_every = 50
    least = 0.02

    def __init__(
        self,
        config: GeneratorConfig,
        parts: Parts[FlowNetwork],
        data: FlowData,
        dev: FlowData,
        at: Progress,
    ) -> None:
        super().__init__(config, parts, at)
        self.data, self.dev = data, dev

    def begin(self) -> None:
        """Start from straight lines through what is told."""
        self.parts.network.begin(*straight(self.data))

    def held_out(self) -> dict[str, float]:
        """Return the losses on dev, see `held_out`."""
        return held_out(self.parts.network, [self.dev.draw(i, 1024) for i in range(_DEV_BATCHES)])

    def advance(self) -> dict[str, float]:
        """Train on one batch."""
        config, network = self.config, self.parts.network
        torch.manual_seed(config.seed * 1_000_003 + self.progress.step)
        batch = self.data.draw(self.progress.step, config.batch)
        told, z = torch.from_numpy(batch.told), torch.from_numpy(batch.z)
        share = torch.sigmoid(torch.randn(len(z), 1))
        half = config.precision == "bfloat16"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            terms = losses(network, told, z, torch.randn_like(z), share)
        loss = terms["likelihood"] + terms["velocity"]
        parts: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
        for name, parameter in network.named_parameters():
            parts[name.startswith(("gauss", "skip"))].append(parameter)
        # Each by itself, or a wild window of one would still the other.
        self.descend(loss, parts.values())
        self.progress.step += 1
        found = {name: float(value.detach()) for name, value in terms.items()}
        return {"loss": float(loss.detach()), **found}


@torch.no_grad()
def held_out(network: FlowNetwork, batches: list[Batch]) -> dict[str, float]:
    """Return the mean losses on batches, and those of a network that knows nothing.

    `likelihood` is the Gaussian's, in nats a coefficient, `marginal` that of the Gaussian of all
    windows; `velocity` is the flow's error, `blind` that of the best flow to a unit Gaussian.
    """
    sums: dict[str, float] = {}
    generator = torch.Generator().manual_seed(1)
    for batch in batches:
        told, z = torch.from_numpy(batch.told), torch.from_numpy(batch.z)
        share = torch.rand(len(z), 1, generator=generator)
        noise = torch.randn(z.shape, generator=generator)
        found = losses(network, told, z, noise, share)
        middle, spread = network.gaussian(told)
        rest = ((z - middle) * torch.exp(-spread)).clamp(-6, 6)
        x = share * rest + (1 - share) * noise
        slope = (2 * share - 1) / (share.square() + (1 - share).square())
        found["blind"] = (slope * x - (rest - noise)).square().mean()
        found["marginal"] = surprise(z).mean()
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + float(value) / len(batches)
    return sums


def arrays_of_checkpoint(
    path: str | Path,
) -> tuple[dict[str, int], dict[str, Array], dict[str, Any]]:
    """Return sizes, arrays and progress of a generator's checkpoint, its averaged weights.

    Raises:
        FormatError: It is no such checkpoint.
    """
    try:
        arrays, progress = averaged_weights(path)
        sizes = {
            "hidden": len(arrays["enter.bias"]),
            "narrow": len(arrays["gauss.0.bias"]),
            "blocks": sum(key.endswith(".up.bias") for key in arrays),
        }
        arrays = {name: arrays[name] for name in shapes_of(sizes)}
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"checkpoint: not one of a generator ({error}): {path}") from error
    return sizes, arrays, progress
