"""The generator's network as PyTorch trains it; `flow.Flow` is the same in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from twinsdk.core.arrays import F32
from twinsdk.motion.generation.flow import COND, FREQUENCIES, KEPT, SPREADS, Bases

__all__ = ["FlowConfig", "FlowNetwork", "losses", "surprise"]

_TAILS = 3.0  # spreads


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Sizes of the network.

    Attributes:
        hidden: Width of the flow.
        blocks: How many of them.
        narrow: Width of the Gaussian's layers.
        dropout: Of the Gaussian's layers, in training.
    """

    hidden: int = 256
    blocks: int = 2
    narrow: int = 192
    dropout: float = 0.1


class _Block(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.up, self.given, self.down = (nn.Linear(hidden, hidden) for _ in range(3))
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, hidden: Tensor, now: Tensor) -> Tensor:
        inner = self.up(functional.layer_norm(hidden, hidden.shape[-1:])) + self.given(now)
        step: Tensor = hidden + self.down(functional.silu(inner))
        return step


class FlowNetwork(nn.Module):
    """A Gaussian of the next window's coefficients and a flow that bends it.

    Args:
        config: Sizes.
        bases: Kept with the weights.
    """

    def __init__(self, config: FlowConfig, bases: Bases) -> None:
        super().__init__()
        self.config = config
        hidden, narrow = config.hidden, config.narrow
        self.gauss = nn.ModuleList(
            [nn.Linear(COND, narrow), nn.Linear(narrow, narrow), nn.Linear(narrow, 2 * KEPT)]
        )
        self.skip = nn.Linear(COND, KEPT)
        self.trunk = nn.ModuleList([nn.Linear(COND, hidden), nn.Linear(hidden, hidden)])
        self.time = nn.Linear(2 * len(FREQUENCIES), hidden)
        self.enter = nn.Linear(KEPT, hidden)
        self.block = nn.ModuleList([_Block(hidden) for _ in range(config.blocks)])
        self.leave = nn.Linear(hidden, KEPT)
        for name, parameter in self.named_parameters():
            if name.startswith(("gauss.2", "leave")):
                nn.init.zeros_(parameter)
        for of, array in vars(bases).items():
            self.register_buffer(of, torch.from_numpy(np.array(array, np.float32)))

    @torch.no_grad()
    def begin(self, matrix: F32, offset: F32, spread: F32) -> None:
        """Let the Gaussian begin at a linear guess, see `flow_data.straight`."""
        self.skip.weight.copy_(torch.from_numpy(matrix))
        self.skip.bias.copy_(torch.from_numpy(offset))
        low, high = SPREADS
        held = (torch.from_numpy(spread).log() - (low + high) / 2) / ((high - low) / 2)
        for name, parameter in self.gauss.named_parameters():
            if name == "2.bias":
                parameter[KEPT:] = held.clamp(-0.95, 0.95).atanh()

    def gaussian(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log spread (B, 128)."""
        drop = self.config.dropout
        hidden = functional.silu(self.gauss[0](told))
        hidden = functional.dropout(hidden, drop, self.training)
        hidden = functional.silu(self.gauss[1](hidden))
        hidden = functional.dropout(hidden, drop, self.training)
        middle, spread = self.gauss[2](hidden).chunk(2, dim=-1)
        # Held by a curve: a spread that could run off would take the mean's gradients with it.
        middle = middle + self.skip(told)
        low, high = SPREADS
        return middle, (low + high) / 2 + (high - low) / 2 * spread.tanh()

    def velocity(self, x: Tensor, share: Tensor, told: Tensor) -> Tensor:
        """Return where x (B, 128) leads, `share` (B, 1) of the way from noise to motion."""
        given = self.trunk[1](functional.silu(self.trunk[0](told)))
        angles = share * torch.from_numpy(FREQUENCIES)
        waves = torch.cat([angles.sin(), angles.cos()], -1)
        now = functional.silu(given + self.time(waves))
        hidden = self.enter(x)
        for block in self.block:
            hidden = block(hidden, now)
        out: Tensor = self.leave(functional.silu(functional.layer_norm(hidden, hidden.shape[-1:])))
        return out


def surprise(rest: Tensor) -> Tensor:
    """Return the negative log of a Gaussian's density that falls exponentially from 3 spreads on.

    With the Gaussian's own tails a few wild windows would be all that is learnt from. Source:
    Huber 1964; the density's integral is 1 to a part in a thousand.
    """
    return functional.huber_loss(
        rest, torch.zeros_like(rest), reduction="none", delta=_TAILS
    ) + 0.5 * np.log(2 * np.pi)


def losses(
    network: FlowNetwork, told: Tensor, z: Tensor, noise: Tensor, share: Tensor
) -> dict[str, Tensor]:
    """Return the Gaussian's negative log-likelihood a coefficient, and the flow's velocity error.

    Args:
        network: Which.
        told: (B, COND).
        z: (B, 128) coefficients of what came next.
        noise: (B, 128) of unit spread.
        share: (B, 1) of the way from noise to motion.
    """
    middle, spread = network.gaussian(told)
    rest = (z - middle) * torch.exp(-spread)
    likelihood = (surprise(rest) + spread).mean()
    aim = rest.detach().clamp(-6, 6)
    x = share * aim + (1 - share) * noise
    error = network.velocity(x, share, told) - (aim - noise)
    return {"likelihood": likelihood, "velocity": error.square().mean()}
