"""Errors of the bare network on dev episodes, by source, beside those of the analytic start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from twinsdk.core.arrays import Array
from twinsdk.motion.model.body import JOINTS, rotation_vector
from twinsdk.motion.model.slots import Source
from twinsdk.motion.training.episodes import Episode
from twinsdk.motion.training.losses import Targets, posed

__all__ = ["measure_dev"]

_NAMES = {Source.WEBCAM: "webcam", Source.TRACKERS: "trackers", Source.NOTHING: "nothing"}


@torch.no_grad()
def measure_dev(network: nn.Module, episodes: Sequence[Episode]) -> dict[str, float]:
    """Return means over frames of the episodes, by source.

    `rotation_deg` (local), `position_cm` (head-aligned for trackers, else hips over their true
    place), `velocity_cm_s`, the same of the `start`, the worst joint's rotation, and how well
    contacts are ranked (`contact_auc`).
    """
    sums: dict[str, list[Array]] = {}
    for episode in episodes:
        targets = Targets(**{n: torch.from_numpy(v) for n, v in episode.targets.items()})
        slots = torch.from_numpy(episode.slots)
        dt = targets.dt[:, None].expand(-1, slots.shape[1])
        outputs, _ = network(slots, dt)
        local, places = posed(outputs, targets)
        still = type(outputs)(**{**vars(outputs), "turns": _identity(outputs.turns)})
        still.root[..., 0] = 0
        start, start_places = posed(still, targets)
        kept = targets.weight.numpy() > 0.2
        standing = outputs.contacts.numpy()
        for name, made, at in (("", local, places), ("start_", start, start_places)):
            apart = _degrees(made, targets.rotations)
            distance = 100 * (at - targets.places).norm(dim=-1).numpy()
            world = (targets.turn[:, :, None] @ (at - targets.places)[..., None])[..., 0]
            drift = 100 * (world[:, 1:] - world[:, :-1]).norm(dim=-1).numpy()
            drift = drift / episode.targets["dt"][:, None, None]
            for source, word in _NAMES.items():
                here = kept & (episode.source == source)
                both = here[:, 1:] & here[:, :-1]
                sums.setdefault(f"{word}_{name}rotation_deg", []).append(apart[here])
                sums.setdefault(f"{word}_{name}position_cm", []).append(distance[here])
                sums.setdefault(f"{word}_{name}velocity_cm_s", []).append(drift[both])
        for source, word in _NAMES.items():
            here = kept & (episode.source == source)
            sums.setdefault(f"{word}_contact_auc", []).append(
                _ranked(standing[here], episode.targets["contacts"][here])
            )
    found: dict[str, float] = {}
    for name, parts in sums.items():
        values = np.concatenate(parts)
        if len(values):
            found[name] = round(float(values.mean()), 3)
            if name.endswith("s_rotation_deg") or name == "webcam_rotation_deg":
                worst = int(values.mean(0).argmax())
                found[f"{name}_worst_{JOINTS[worst]}"] = round(float(values.mean(0)[worst]), 2)
    return found


def _ranked(said: Array, true: Array) -> Array:
    """Return how often a foot that stands is said to stand more surely than one that does not."""
    out = []
    for foot in range(said.shape[1]):
        order = np.argsort(np.argsort(said[:, foot]))
        stands = true[:, foot] > 0.5
        up, down = int(stands.sum()), int((~stands).sum())
        if up and down:
            out.append((order[stands].sum() - up * (up - 1) / 2) / (up * down))
    return np.array(out)


def _identity(turns: Tensor) -> Tensor:
    out = torch.zeros_like(turns)
    out[..., 0] = out[..., 4] = 1
    return out


def _degrees(made: Tensor, true: Tensor) -> Array:
    apart = (made.transpose(-1, -2) @ true).numpy()
    return np.degrees(np.linalg.norm(rotation_vector(apart), axis=-1))
