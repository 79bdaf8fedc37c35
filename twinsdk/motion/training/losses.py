"""What the tracker is trained to make small.

Positions are compared in the source's frame: with the head on its true place where a tracker knows
it, else with the hips over their true place on the floor, so that the unknowable costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from twinsdk.motion.model.body import COUNT, FEET_TOES, INDEX, LEVELS
from twinsdk.motion.model.network import Outputs

__all__ = ["Targets", "Weights", "forward", "gram_schmidt", "tracking_loss"]

_EPS = 1e-8


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each term counts.

    Attributes:
        rotation: L1 of the local rotations' 6D.
        position: L1 of the joints, metres.
        velocity: L1 of the joints' velocity, m/s.
        acceleration: L1 of the joints' acceleration, m/s^2.
        root: L1 of height (m), velocity (m/s) and heading's rate (rad/s).
        contact: Cross entropy of the four contacts.
        slide: Speed of feet in true contacts, m/s.
        spread: Likelihood of the joints' errors under the expected ones.
        bones: L1 of the log of bone lengths.
    """

    rotation: float = 2.0
    position: float = 4.0
    velocity: float = 0.4
    acceleration: float = 0.006
    root: float = 0.2
    contact: float = 0.2
    slide: float = 0.1
    spread: float = 0.01
    bones: float = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """The truth of B rows of T frames, in the source's frame.

    Attributes:
        start: (B, T, 22, 3, 3) the analytic start, hips in the frame.
        start_height: (B, T).
        rotations: (B, T, 22, 3, 3) true, hips in the frame.
        places: (B, T, 22, 3) true, aligned.
        by_head: (B, T) 1 where positions are aligned by the head, 0 by the hips.
        turn: (B, T, 3, 3) the frame's axes in the world.
        feet_velocity: (B, T, 4, 3) true, world, m/s.
        root: (B, T, 4) true height above the start's, velocity and heading's rate.
        contacts: (B, T, 4).
        offsets: (B, 22, 3).
        bones: (B, 21) log of lengths over the canonical ones.
        dt: (B,) seconds.
        weight: (B, T) of each frame.
    """

    start: Tensor
    start_height: Tensor
    rotations: Tensor
    places: Tensor
    by_head: Tensor
    turn: Tensor
    feet_velocity: Tensor
    root: Tensor
    contacts: Tensor
    offsets: Tensor
    bones: Tensor
    dt: Tensor
    weight: Tensor


def gram_schmidt(six: Tensor) -> Tensor:
    """Return the rotations (..., 3, 3) of two columns (..., 6)."""
    a, b = six[..., :3], six[..., 3:]
    x = a * (a.square().sum(-1, keepdim=True) + _EPS).rsqrt()
    b = b - (x * b).sum(-1, keepdim=True) * x
    y = b * (b.square().sum(-1, keepdim=True) + _EPS).rsqrt()
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def forward(local: Tensor, offsets: Tensor) -> Tensor:
    """Return the places (N, 22, 3) of joints about the hips.

    Args:
        local: (N, 22, 3, 3).
        offsets: (N, 22, 3).
    """
    world: list[Tensor] = [local[:, 0]] * COUNT
    places: list[Tensor] = [torch.zeros_like(offsets[:, 0])] * COUNT
    for found, parents in LEVELS:
        above = torch.stack([world[int(p)] for p in parents], 1)
        at = (above @ offsets[:, found, :, None])[..., 0]
        turned = above @ local[:, found]
        for k, (j, p) in enumerate(zip(found, parents, strict=True)):
            world[int(j)] = turned[:, k]
            places[int(j)] = places[int(p)] + at[:, k]
    return torch.stack(places, 1)


def posed(outputs: Outputs, targets: Targets) -> tuple[Tensor, Tensor]:
    """Return local rotations (B, T, 22, 3, 3) and aligned places (B, T, 22, 3) of the outputs."""
    batch, count = targets.weight.shape
    local = targets.start @ gram_schmidt(outputs.turns)
    offsets = targets.offsets[:, None].expand(batch, count, COUNT, 3)
    places = forward(local.flatten(0, 1), offsets.flatten(0, 1)).view(batch, count, COUNT, 3)
    by_head = targets.by_head[..., None]
    height = targets.start_height + outputs.root[..., 0]
    lift = torch.stack([torch.zeros_like(height), height, torch.zeros_like(height)], -1)
    shift = by_head * -places[:, :, INDEX["head"]] + (1 - by_head) * lift
    return local, places + shift[:, :, None]


def tracking_loss(
    outputs: Outputs, targets: Targets, weights: Weights, joint_weights: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its terms.

    Args:
        outputs: Of the network.
        targets: The truth.
        weights: Of the terms.
        joint_weights: (22,) mean 1.
    """
    local, places = posed(outputs, targets)
    w = targets.weight
    total = w.sum().clamp(min=1.0)
    error = places - targets.places
    world = (targets.turn[:, :, None] @ error[..., None])[..., 0]
    rate = 1 / targets.dt[:, None, None, None]
    both = (w[:, 1:] * w[:, :-1]) > 0
    wv = w[:, 1:] * both
    drift = (world[:, 1:] - world[:, :-1]) * rate
    jolt = (drift[:, 1:] - drift[:, :-1]) * rate
    apart = (local - targets.rotations)[..., :2].abs().mean((-1, -2))
    distance = (error.square().sum(-1) + _EPS).sqrt()
    speed = drift[:, :, FEET_TOES] + targets.feet_velocity[:, 1:]
    slide = (speed[..., [0, 2]].square().sum(-1) + 1e-6).sqrt() * targets.contacts[:, 1:]
    root_by_hips = torch.cat(
        [(1 - targets.by_head)[..., None], torch.ones_like(w)[..., None].expand(-1, -1, 3)], -1
    )
    spread = outputs.spread.clamp(-6, 1)
    ratio = distance.detach() * torch.exp(-spread)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs.contacts, targets.contacts, reduction="none"
    ).mean(-1)
    terms = {
        "rotation": ((apart * joint_weights).mean(-1) * w).sum() / total,
        "position": ((distance * joint_weights).mean(-1) * w).sum() / total,
        "velocity": ((drift.abs().mean(-1) * joint_weights).mean(-1) * wv).sum() / total,
        "acceleration": (jolt.abs().mean((-1, -2)) * wv[:, 1:] * both[:, :-1]).sum() / total,
        "root": (((outputs.root - targets.root).abs() * root_by_hips).mean(-1) * w).sum() / total,
        "contact": (entropy * w).sum() / total,
        "slide": (slide.mean(-1) * wv).sum() / total,
        "spread": ((ratio + spread).mean(-1) * w).sum() / total,
        "bones": ((outputs.bones - targets.bones[:, None]).abs().mean(-1) * w).sum() / total,
    }
    loss = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
    return loss, {name: float(term.detach()) for name, term in terms.items()}
