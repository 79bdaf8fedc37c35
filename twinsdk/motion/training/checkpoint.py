"""Checkpoints: everything a run needs to go on, in one .npz written by atomic rename."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from twinsdk.core.files import atomic_path
from twinsdk.errors import FormatError

__all__ = ["Average", "Progress", "load_checkpoint", "save_checkpoint"]

Network = TypeVar("Network", bound=nn.Module)


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Windows done.
        episode: Episodes drawn.
        seconds: Wall time spent training.
        config: Hash of the settings.
        data: Hash of the motion sets.
    """

    step: int = 0
    episode: int = 0
    seconds: float = 0.0
    config: str = ""
    data: str = ""


class Average:
    """Exponential average of a module's parameters, which is what is kept in the end.

    Args:
        module: Whose.
        decay: How much of the old stays a step; less at first, so that the start is forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.count = 0
        self.values = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def add(self, module: nn.Module) -> None:
        """Take the module's present parameters in."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, parameter in module.named_parameters():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the average and the module's parameters; a second call undoes the first."""
        for name, parameter in module.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name] = kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts(Generic[Network]):
    """The network of a run with its optimiser and the average of its weights."""

    network: Network
    optimiser: torch.optim.Optimizer
    average: Average


def save_checkpoint(path: str | Path, parts: Parts[Any], progress: Progress) -> None:
    """Write a checkpoint."""
    arrays: dict[str, np.ndarray] = {
        f"progress/{name}": np.array(value) for name, value in vars(progress).items()
    }
    for key, value in parts.network.state_dict().items():
        arrays[f"tracker/weights/{key}"] = value.numpy()
    for key, value in parts.average.values.items():
        arrays[f"tracker/average/{key}"] = value.numpy()
    arrays["tracker/average_count"] = np.array(parts.average.count)
    for index, moments in parts.optimiser.state_dict()["state"].items():
        for key, value in moments.items():
            arrays[f"tracker/optimiser/{index}/{key}"] = np.asarray(value)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_checkpoint(path: str | Path, parts: Parts[Any]) -> Progress:
    """Fill the parts from a checkpoint and return how far it was.

    Raises:
        FormatError: It is of other sizes, or no checkpoint.
    """
    try:
        with np.load(path, allow_pickle=False) as packed:
            arrays = {key: packed[key] for key in packed.files}
        parts.network.load_state_dict(_under(arrays, "tracker/weights/"))
        parts.average.values.update(_under(arrays, "tracker/average/"))
        parts.average.count = int(arrays["tracker/average_count"])
        _load_moments(parts.optimiser, _under(arrays, "tracker/optimiser/"))
        values = {name: arrays[f"progress/{name}"].item() for name in vars(Progress())}
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())[:300]
        raise FormatError(f"checkpoint: does not fit these settings ({words}): {path}") from error
    return Progress(**values)


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): torch.from_numpy(np.array(value))
        for key, value in arrays.items()
        if key.startswith(prefix)
    }


def _load_moments(optimiser: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    whole = optimiser.state_dict()
    whole["state"] = state
    optimiser.load_state_dict(whole)
