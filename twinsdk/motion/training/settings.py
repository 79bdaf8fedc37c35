"""The training's settings: one TOML file, unknown keys refused."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from twinsdk.core.files import existing_file
from twinsdk.errors import DependencyError, FormatError, UsageError, ValueRangeError
from twinsdk.motion.model.network import NetworkConfig
from twinsdk.motion.training.episodes import EpisodeConfig
from twinsdk.motion.training.losses import Weights

__all__ = ["RunConfig", "TrainConfig", "config_hash", "read_config"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How any network is trained.

    Attributes:
        data: Packed motion sets; the order belongs to their hash.
        dev_subjects: Subjects kept for choosing where a set has no split of its own.
        folder: Where checkpoints and curves go, and what was filmed.
        seed: Of everything that is drawn.
        minutes: Wall time after which training is done, pauses not counted.
        steps: Windows or batches after which it is done, whichever comes first.
        learning_rate: Largest, after `warmup` steps of linear rise; it falls along a cosine.
        warmup: See `learning_rate`.
        weight_decay: Of AdamW.
        clip: Largest norm of the gradient.
        averaging: Decay of the averaged weights, which are the ones kept.
        checkpoint_minutes: Between checkpoints; each also measures dev.
        precision: "float32" or "bfloat16" (products only).
        threads: Of torch.
        tensorboard: Write event files, if the package is there.
        wandb_project: Name of a Weights & Biases project; empty for none.
    """

    data: tuple[str, ...] = ()
    dev_subjects: tuple[str, ...] = ()
    folder: str = "motion-run"
    seed: int = 0
    minutes: float = 60.0
    steps: int = 1_000_000
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    averaging: float = 0.998
    checkpoint_minutes: float = 5.0
    precision: str = "float32"
    threads: int = 1
    tensorboard: bool = False
    wandb_project: str = ""

    def __post_init__(self) -> None:
        checks = (
            ("data", bool(self.data), "at least one packed motion set"),
            ("minutes", self.minutes > 0, "above 0"),
            ("learning_rate", 0 < self.learning_rate < 1, "0 to 1"),
            ("averaging", 0 <= self.averaging < 1, "0 to 1"),
            ("precision", self.precision in ("float32", "bfloat16"), "float32 or bfloat16"),
            ("threads", self.threads >= 1, "1 or more"),
            *self._checks(),
        )
        for name, ok, wanted in checks:
            if not ok:
                raise ValueRangeError(f"{name}: expected {wanted}, got {getattr(self, name)}")

    def _checks(self) -> tuple[tuple[str, bool, str], ...]:
        """Return the names of fields of one's own, whether they are right, and what is."""
        return ()


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """How a motion model is trained.

    Attributes:
        begin: Weights file that a new run starts from, of a network of the same sizes; "default" is
            the package's, empty starts from nothing.
        window: Frames of a training window; an episode is cut into them.
        film_seeds: One pass of simulated webcams over the clips each.
        film_idle_share: Share of idle takes kept.
        network, episodes, weights: Of the parts.
    """

    learning_rate: float = 1.5e-3
    begin: str = ""
    window: int = 40
    film_seeds: tuple[int, ...] = (1, 2)
    film_idle_share: float = 0.3
    network: NetworkConfig = field(default_factory=NetworkConfig)
    episodes: EpisodeConfig = field(default_factory=EpisodeConfig)
    weights: Weights = field(default_factory=Weights)

    def _checks(self) -> tuple[tuple[str, bool, str], ...]:
        frames = self.episodes.frames
        return (
            ("window", 8 <= self.window <= frames, "8 to episodes.frames"),
            ("window", frames % self.window == 0, "a divisor of episodes.frames"),
        )


def read_config(
    path: str | Path, kinds: Mapping[str, type[RunConfig]] | None = None, **changes: Any
) -> Any:
    """Return the settings of a TOML file, with `changes` over them.

    Args:
        path: Of the file.
        kinds: Other networks' settings by the `kind` that stands in their files; a file without
            one is a motion model's, `TrainConfig`.
        **changes: By key.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not TOML.
        UsageError: A key or the kind is unknown.
        DependencyError: Python is older than 3.11.
        ValueRangeError: A value is out of range.
    """
    file = existing_file(path, what="training settings")
    tables = _toml_of(file)
    kind, known = tables.pop("kind", None), kinds or {}
    if kind is not None and kind not in known:
        raise UsageError(f"kind: expected {' or '.join(known)} or nothing, got {kind!r}: {file}")
    return _filled(TrainConfig if kind is None else known[kind], {**tables, **changes}, file)


def config_hash(config: Any) -> str:
    """Return a hash of what decides the training, without where and how long it runs."""
    kept = asdict(config)
    for name in (
        "folder",
        "minutes",
        "steps",
        "threads",
        "tensorboard",
        "wandb_project",
        "data",
        "begin",
    ):
        kept.pop(name, None)
    return hashlib.sha256(repr(sorted(kept.items())).encode()).hexdigest()


def _toml_of(file: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        FormatError: It is not TOML.
        DependencyError: Python is older than 3.11.
    """
    if sys.version_info < (3, 11):
        raise DependencyError("training settings: TOML needs Python 3.11")
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"training settings: not TOML ({error}): {file}") from error


def _filled(kind: Any, given: dict[str, Any], file: Path) -> Any:
    """Return a dataclass of settings filled from tables; defaults where nothing is given.

    Raises:
        UsageError: A key is unknown.
    """
    known = {item.name: item for item in fields(kind)}
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(f"training settings: unknown {unknown}; there are {sorted(known)}: {file}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        default = known[name].default_factory
        nested = default() if default is not MISSING else None
        if is_dataclass(nested) and isinstance(value, dict):
            values[name] = _filled(type(nested), value, file)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
