"""The network: a small recurrent one that corrects the analytic start.

Torch is imported here and in training only; the live step runs the same weights without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from twinsdk.motion.model.body import COUNT
from twinsdk.motion.model.slots import WIDTH

__all__ = ["MotionNetwork", "NetworkConfig", "Outputs"]

ROOT_WIDTH = 4
CONTACTS = 4
BONES = COUNT - 1


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
        hidden: Width of the trunk.
        layers: How many recurrent blocks it has.
        dropout: Share of the first layer's units dropped in training.
    """

    hidden: int = 256
    layers: int = 3
    dropout: float = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
    """What the tracker says of every frame (B, T, ...).

    Attributes:
        turns: (B, T, 22, 6) corrections of the start, 6D about the identity.
        root: (B, T, 4) height above the start's, velocity x and z in the frame, heading's rate.
        contacts: (B, T, 4) logits.
        spread: (B, T, 22) log of each joint's expected error, metres.
        bones: (B, T, 21) log of the bones' lengths over the canonical ones.
    """

    turns: Tensor
    root: Tensor
    contacts: Tensor
    spread: Tensor
    bones: Tensor


class MotionNetwork(nn.Module):
    """Rows of slots in, corrections of the analytic start out; causal, with a carried state.

    The trunk is a gated linear recurrence: gates and candidates depend on the input alone, so that
    all products with weights are done for the whole sequence at once, and a gate is a decay per
    second, so that any frame rate is the same filter. Source: Feng et al. 2024, "Were RNNs all we
    needed?" (minGRU); De et al. 2024, "Griffin" (gated output, residual blocks).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        hidden = self.config.hidden
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))
        self.enter = nn.Linear(WIDTH, hidden)
        self.drop = nn.Dropout(self.config.dropout)
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(self.config.layers))
        self.leave = nn.Linear(hidden, hidden)
        self.turns = nn.Linear(hidden, 6 * COUNT)
        self.others = nn.Linear(hidden, ROOT_WIDTH + CONTACTS + COUNT + BONES)
        # The start is the baseline: every correction begins at nothing.
        for layer in (self.turns, self.others):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            first = ROOT_WIDTH + CONTACTS
            self.others.bias[first : first + COUNT] = -2.5

    def forward(
        self, slots: Tensor, dt: Tensor, state: Tensor | None = None
    ) -> tuple[Outputs, Tensor]:
        """Return the outputs of frames (B, T, WIDTH) and the state (layers, B, hidden) after them.

        Args:
            slots: Rows made by `slots.encode`.
            dt: (B, T) seconds since the frame before.
            state: After the frame before; None starts afresh.
        """
        batch, count = slots.shape[:2]
        row = ((slots - self.mean) * self.scale).clamp(-6, 6)
        x = self.drop(nn.functional.silu(self.enter(row)))
        if state is None:
            state = slots.new_zeros(len(self.blocks), batch, self.config.hidden)
        ticks = (30 * dt)[..., None]
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            x, last = block(x, ticks, before)
            after.append(last)
        left = nn.functional.silu(self.leave(rms_norm(x)))
        identity = slots.new_tensor([1.0, 0, 0, 0, 1.0, 0])
        turns = self.turns(left).view(batch, count, COUNT, 6) + identity
        root, contacts, spread, bones = self.others(left).split(
            [ROOT_WIDTH, CONTACTS, COUNT, BONES], -1
        )
        return Outputs(
            turns=turns, root=root, contacts=contacts, spread=spread, bones=bones
        ), torch.stack(after)


class Block(nn.Module):
    """One recurrence and one mixing layer, both added to what passes through."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.up = nn.Linear(hidden, hidden)
        self.down = nn.Linear(hidden, hidden)
        with torch.no_grad():
            # Memories from one frame to two seconds, spread evenly in their logarithm.
            frames = torch.logspace(0.0, 1.8, hidden)
            self.gates.bias[:hidden] = torch.log(torch.expm1(1 / frames))
            self.gates.weight[:hidden] *= 0.5
        for layer in (self.out, self.down):
            nn.init.normal_(layer.weight, std=0.5 / hidden**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, ticks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, T, hidden) and the state (B, hidden) after it; ticks (B, T, 1) of 1/30 s."""
        # In mixed precision only the products are short: a long memory needs all its digits.
        rate, candidate, gate = self.gates(rms_norm(x)).float().chunk(3, -1)
        keep = torch.exp(-nn.functional.softplus(rate) * ticks)
        kept: Tensor = Scan.apply(keep, candidate, state)  # type: ignore[no-untyped-call]
        x = x + self.out(kept * nn.functional.silu(gate))
        x = x + self.down(nn.functional.silu(self.up(rms_norm(x))))
        return x, kept[:, -1]


class Scan(torch.autograd.Function):
    """h_t = keep_t h_(t-1) + (1 - keep_t) candidate_t, with both passes written out."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, candidate: Tensor, state: Tensor) -> Tensor:
        """Return h (B, T, H) from keep and candidate (B, T, H) and state (B, H)."""
        out = torch.empty_like(candidate)
        step = state
        for t in range(keep.shape[1]):
            step = torch.lerp(candidate[:, t], step, keep[:, t])
            out[:, t] = step
        ctx.save_for_backward(keep, candidate, state, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of keep, candidate and state."""
        keep, candidate, state, out = ctx.saved_tensors
        flow = torch.empty_like(grad)
        step = torch.zeros_like(state)
        for t in range(keep.shape[1] - 1, -1, -1):
            step = step + grad[:, t]
            flow[:, t] = step
            step = step * keep[:, t]
        before = torch.cat([state[:, None], out[:, :-1]], 1)
        return flow * (before - candidate), flow * (1 - keep), step


def rms_norm(x: Tensor) -> Tensor:
    """Return `x` (..., H) with unit mean square."""
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
