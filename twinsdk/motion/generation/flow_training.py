"""The generator's training loop: resumable, averaged, on one thread.

    twinsdk train generator.toml          # with kind = "generator" in it

Everything drawn comes from the seed and the number of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twinsdk.core.arrays import Array
from twinsdk.core.clock import now_ns
from twinsdk.core.files import existing_file
from twinsdk.errors import FormatError, UsageError, ValueRangeError
from twinsdk.motion.generation.flow import shapes_of
from twinsdk.motion.generation.flow_data import Batch, FlowData, bases_of, straight, tracked
from twinsdk.motion.generation.flow_network import FlowConfig, FlowNetwork, losses, surprise
from twinsdk.motion.training.checkpoint import (
    Average,
    Parts,
    Progress,
    load_checkpoint,
    save_checkpoint,
)
from twinsdk.motion.training.corpus import read_packed
from twinsdk.motion.training.curves import Curves
from twinsdk.motion.training.settings import config_hash, filled, toml_of

__all__ = [
    "GeneratorConfig",
    "arrays_of_checkpoint",
    "held_out",
    "read_generator",
    "train_generator",
]

_DEV_BATCHES = 4
_CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """How the generator is trained.

    Attributes:
        data: Packed motion sets; the order belongs to their hash.
        dev_subjects: Subjects kept for choosing where a set has no split of its own.
        folder: Where checkpoint and curves go.
        seed: Of everything that is drawn.
        minutes: Wall time after which training is done, pauses not counted.
        steps: Batches after which it is done, whichever comes first.
        batch: Windows a batch.
        learning_rate: Largest, after `warmup` batches; it falls to a fiftieth along a cosine.
        warmup: Batches of linear rise.
        weight_decay: Of AdamW.
        clip: Largest norm of the gradient.
        averaging: Decay of the averaged weights, which are the ones kept.
        checkpoint_minutes: Between checkpoints; each also measures dev.
        precision: "float32" or "bfloat16" (products only).
        threads: Of torch.
        tensorboard: Write event files, if the package is there.
        wandb_project: Name of a Weights & Biases project; empty for none.
        network: Sizes.
    """

    data: tuple[str, ...] = ()
    dev_subjects: tuple[str, ...] = ()
    folder: str = "generator-run"
    seed: int = 0
    minutes: float = 30.0
    steps: int = 1_000_000
    batch: int = 256
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.02
    clip: float = 1.0
    averaging: float = 0.999
    checkpoint_minutes: float = 2.0
    precision: str = "float32"
    threads: int = 1
    tensorboard: bool = False
    wandb_project: str = ""
    network: FlowConfig = field(default_factory=FlowConfig)

    def __post_init__(self) -> None:
        checks = (
            ("data", bool(self.data), "at least one packed motion set"),
            ("minutes", self.minutes > 0, "above 0"),
            ("batch", 2 <= self.batch <= 65536, "2 to 65536"),
            ("learning_rate", 0 < self.learning_rate < 1, "0 to 1"),
            ("averaging", 0 <= self.averaging < 1, "0 to 1"),
            ("precision", self.precision in ("float32", "bfloat16"), "float32 or bfloat16"),
            ("threads", self.threads >= 1, "1 or more"),
        )
        for name, ok, wanted in checks:
            if not ok:
                raise ValueRangeError(f"{name}: expected {wanted}, got {getattr(self, name)}")


def read_generator(path: str | Path, **changes: Any) -> GeneratorConfig | None:
    """Return the settings of a TOML file whose `kind` is "generator", with `changes` over them.

    None where it is a tracker's.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not TOML.
        UsageError: A key or the kind is unknown.
        DependencyError: Python is older than 3.11.
        ValueRangeError: A value is out of range.
    """
    file = existing_file(path, what="training settings")
    tables = toml_of(file)
    kind = tables.pop("kind", None)
    if kind is None:
        return None
    if kind != "generator":
        raise UsageError(f'kind: expected "generator" or nothing, got {kind!r}: {file}')
    config: GeneratorConfig = filled(GeneratorConfig, {**tables, **changes}, file)
    return config


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
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    folder = Path(config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = read_packed(config.data, dev_subjects=config.dev_subjects)
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
    checkpoint = folder / _CHECKPOINT
    if not run.resume(checkpoint):
        network.begin(*straight(data))
    report(
        f"{corpus.minutes('train'):.0f} min to train on, {corpus.minutes('dev'):.0f} dev; "
        f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters; "
        f"from batch {run.progress.step}"
    )
    with Curves(folder, config, active=True) as curves:
        run.loop(checkpoint, curves, report)
    return checkpoint


class _Run:
    """One training run: network, data and how far it is."""

    def __init__(
        self,
        config: GeneratorConfig,
        parts: Parts[FlowNetwork],
        data: FlowData,
        dev: FlowData,
        at: Progress,
    ) -> None:
        self.config, self.parts, self.data, self.dev, self.progress = config, parts, data, dev, at

    def resume(self, checkpoint: Path) -> bool:
        if not checkpoint.exists():
            return False
        found = load_checkpoint(checkpoint, self.parts)
        if (found.config, found.data) != (self.progress.config, self.progress.data):
            raise FormatError(
                "checkpoint: made with other settings or data; choose another folder or remove it: "
                f"{checkpoint}"
            )
        self.progress = found
        return True

    def loop(self, checkpoint: Path, curves: Curves, report: Callable[[str], None]) -> None:
        progress = self.progress
        saved = progress.seconds
        sums: dict[str, float] = {}
        while not self._done():
            begun = now_ns()
            for name, value in self._step().items():
                sums[name] = sums.get(name, 0.0) + value
            progress.step += 1
            progress.seconds += (now_ns() - begun) / 1e9
            if progress.step % 50 == 0 or self._done():
                count = (progress.step - 1) % 50 + 1
                curves.add(progress, self._rate(), {n: v / count for n, v in sums.items()})
                sums = {}
            if progress.seconds - saved > 60 * self.config.checkpoint_minutes or self._done():
                saved = progress.seconds
                found = self.measure()
                curves.dev(progress, found)
                report(f"{progress.seconds / 60:.1f} min, {progress.step} batches: {found}")
                save_checkpoint(checkpoint, self.parts, progress)

    def measure(self) -> dict[str, float]:
        """Return what the averaged network loses on dev."""
        network = self.parts.network
        self.parts.average.swap(network)
        network.eval()
        found = held_out(network, [self.dev.draw(i, 1024) for i in range(_DEV_BATCHES)])
        network.train()
        self.parts.average.swap(network)
        return found

    def _done(self) -> bool:
        return (
            self.progress.step >= self.config.steps
            or self.progress.seconds >= 60 * self.config.minutes
        )

    def _rate(self) -> float:
        c, p = self.config, self.progress
        gone = min(max(p.seconds / (60 * c.minutes), p.step / c.steps), 1.0)
        rise = min((p.step + 1) / c.warmup, 1.0)
        return float(c.learning_rate * rise * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * gone))))

    def _step(self) -> dict[str, float]:
        config, network, optimiser = self.config, self.parts.network, self.parts.optimiser
        torch.manual_seed(config.seed * 1_000_003 + self.progress.step)
        batch = self.data.draw(self.progress.step, config.batch)
        told, z = torch.from_numpy(batch.told), torch.from_numpy(batch.z)
        share = torch.sigmoid(torch.randn(len(z), 1))
        half = config.precision == "bfloat16"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            terms = losses(network, told, z, torch.randn_like(z), share)
        loss = terms["likelihood"] + terms["velocity"]
        for group in optimiser.param_groups:
            group["lr"] = self._rate()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parts: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
        for name, parameter in network.named_parameters():
            parts[name.startswith(("gauss", "skip"))].append(parameter)
        # Each by itself, or a wild window of one would still the other.
        norm = sum(torch.nn.utils.clip_grad_norm_(part, config.clip) for part in parts.values())
        if np.isfinite(float(norm)):  # a bad batch is left out
            optimiser.step()
            self.parts.average.add(network)
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
        with np.load(existing_file(path, what="checkpoint"), allow_pickle=False) as data:
            arrays = {
                key.removeprefix("tracker/weights/"): data[key]
                for key in data.files
                if key.startswith("tracker/weights/")
            }
            for key in data.files:
                if key.startswith("tracker/average/"):
                    arrays[key.removeprefix("tracker/average/")] = data[key]
            progress = {
                key.split("/", 1)[1]: data[key].item()
                for key in data.files
                if key.startswith("progress/")
            }
        sizes = {
            "hidden": len(arrays["enter.bias"]),
            "narrow": len(arrays["gauss.0.bias"]),
            "blocks": sum(key.endswith(".up.bias") for key in arrays),
        }
        arrays = {name: arrays[name] for name in shapes_of(sizes)}
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"checkpoint: not one of a generator ({error}): {path}") from error
    return sizes, arrays, progress
