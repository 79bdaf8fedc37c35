"""Train the network of `motion.fitting.depth` on rendered and simulated people.

    python benchmarks/depth_hints.py MOTION.npz... --stills STILLS/ --sequences SEQUENCES/ \
        --takes TAKE.npz... --out O.npz

Stills come from `capture_stills.py`, sequences from `capture_sequences.py`; those of people that
are kept are judged by, not trained on. Takes are few: there are few people in them. Simulated
people without errors see to it that exact points are believed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch
from depth_examples import HEAD, USED, Examples, filmed, hide, joined, simulated, stills
from still_poses import SKIPPED, captured, designed

WIDTH, LAYERS, BATCH, AHEAD = 512, 3, 512, 20
DROPPED = 0.1
DESIGNED = 12000  # poses of the simulated people, and as many captured ones
COUNT = len(USED)
SHARES = {"stills": 0.42, "sequences": 0.24, "takes": 0.08, "simulated": 0.08, "clean": 0.18}
JITTER = np.array([0.01, 0.01, 0.03, 0.03, 0.03, 0.0])  # of a point's features
WHOLE_JITTER = np.array([0.03, 0.03, 0.05])
# The logs of Laplace's scales become those of standard deviations.
TO_DEVIATION = np.repeat([0.0, np.log(2) / 2], (3 * COUNT, 2 * COUNT))
POINTS = [i for i in range(COUNT) if i not in HEAD]


class Network(torch.nn.Module):
    """A layer and residual ones: shift right and up, depth, two log deviations a point."""

    def __init__(self, told: int) -> None:
        super().__init__()
        sizes = (told, *[WIDTH] * (1 + LAYERS), 5 * COUNT)
        layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        self.layers = torch.nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 5, P)."""
        soft = torch.nn.functional.leaky_relu
        drop = torch.nn.functional.dropout
        x = soft(self.layers[0](x), 0.1)
        for layer in self.layers[1:-1]:
            x = x + soft(layer(drop(x, DROPPED, self.training)), 0.1)
        return self.layers[-1](x).unflatten(-1, (5, COUNT))


class Pool:
    """Examples of several sources, drawn with shares, mirrored, rolled and hidden at random."""

    def __init__(self, parts: dict[str, Examples], seed: int) -> None:
        self._parts = {name: part for name, part in parts.items() if len(part)}
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[np.ndarray, ...]:
        """Return features (N, 6 P + 3), wanted, shares told and metres in random order."""
        rng, total = self._rng, sum(SHARES[name] for name in self._parts)
        chosen = joined(
            [
                part[rng.integers(0, len(part), round(count * SHARES[name] / total))]
                for name, part in self._parts.items()
            ]
        )
        flip = rng.random(len(chosen)) < 0.5
        chosen = joined([chosen[flip].mirrored(), chosen[~flip]])
        chosen = hide(chosen.rolled(rng.normal(0, np.radians(4), len(chosen))), rng)
        # Nobody tells the angle of view.
        usual = rng.random(len(chosen)) < 0.7
        chosen = chosen.zoomed(np.where(usual, 1.0, rng.uniform(0.8, 1.25, len(chosen))))
        points, whole, *rest = chosen[rng.permutation(len(chosen))].told()
        points = points + rng.normal(0, 1, points.shape) * JITTER * (points != 0)
        whole = whole + rng.normal(0, 1, whole.shape) * WHOLE_JITTER
        return flat_of(points, whole), *rest


def flat_of(points: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.concatenate([points.reshape(len(points), -1), whole], 1)


def loss_of(out: torch.Tensor, wanted: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Return Laplace's negative log likelihood."""
    off = (out[:, :3] - wanted).abs()
    across, deep = out[:, 3].clamp(-5, 1), out[:, 4].clamp(-5, 1)
    flat = (off[:, 0] + off[:, 1]) * torch.exp(-across) + 2 * across
    depth = off[:, 2] * torch.exp(-deep) + deep
    return (0.5 * told * flat + (0.15 + 0.85 * told) * depth).mean()


def judge(network: Network, given: Examples, mean: np.ndarray, scale: np.ndarray) -> str:
    """Return mean errors of depth and across, millimetres, of the network and the tracker."""
    points, whole, wanted, told, metres = given.told()
    flat = flat_of(points, whole)
    with torch.no_grad():
        out = network(torch.from_numpy(((flat - mean) * scale).astype(np.float32))).numpy()
    mm, weight = 1e3 * metres[:, None], told[:, POINTS]
    lines = []
    for name, rows, own in (("depth", [2], out[:, 4]), ("across", [0, 1], out[:, 3])):
        off = np.abs(out[:, rows] - wanted[:, rows]).sum(1)
        raw = np.abs(wanted[:, rows]).sum(1)
        sure = off * np.exp(-np.clip(own, -5, 1)) / len(rows)
        means = [((a * b)[:, POINTS] * weight).sum() / weight.sum()
                 for a, b in ((off, mm), (raw, mm), (sure, 1.0))]  # fmt: skip
        lines.append("{} {:.1f} (tracker {:.1f}) mm, calibration {:.2f}".format(name, *means))
    return ", ".join(lines)


def train(
    pool: Pool,
    kept: dict[str, Examples],
    *,
    steps: int,
    out: str,
    begin: str | None = None,
    report_every: int = 1000,
) -> None:
    """Train, report on what is kept and write the weights, as an average over the steps."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rate, start = (5e-4 if begin else 1.5e-3), time.process_time()
    told = pool.draw(6000)[0]
    mean, scale = told.mean(0), 1 / (told.std(0) + 0.05)
    network, best = Network(told.shape[1]), Network(told.shape[1]).eval()
    if begin:
        mean, scale = read(begin, network)
        best.load_state_dict(network.state_dict())
    adam = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    for step in range(steps):
        if step % AHEAD == 0:
            drawn = pool.draw(BATCH * AHEAD)
        rows = slice(step % AHEAD * BATCH, (step % AHEAD + 1) * BATCH)
        told, wanted, share = (array[rows] for array in drawn[:3])
        flat = (told - mean) * scale
        x, y, w = (torch.from_numpy(a.astype(np.float32)) for a in (flat, wanted, share))
        for group in adam.param_groups:
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-5
        loss = loss_of(network(x), y, w)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        adam.step()
        keep = 0.0 if step < 200 and not begin else 0.998
        with torch.no_grad():
            for a, b in zip(best.parameters(), network.parameters(), strict=True):
                a.mul_(keep).add_(b, alpha=1 - keep)
        if (step + 1) % report_every == 0 or step + 1 == steps:
            print(step + 1, f"{time.process_time() - start:.0f} s, loss {loss.item():.3f}")
            for name, given in kept.items():
                print("   ", name, judge(best, given, mean, scale), flush=True)
            write(out, best, mean, scale)


def write(path: str, network: Network, mean: np.ndarray, scale: np.ndarray) -> None:
    arrays = {"mean": mean, "scale": scale}
    for k, layer in enumerate(network.layers):
        arrays[f"w{k}"] = layer.weight.detach().numpy().T
        arrays[f"b{k}"] = layer.bias.detach().numpy()
    last = f"b{LAYERS + 1}"
    arrays[last] = arrays[last] + TO_DEVIATION
    np.savez_compressed(Path(path), **{name: a.astype(np.float16) for name, a in arrays.items()})


def read(path: str, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Fill the network with weights that `write` wrote; return their mean and scale."""
    with np.load(path) as found:
        arrays = {name: array.astype(np.float32) for name, array in found.items()}
    arrays[f"b{LAYERS + 1}"] -= TO_DEVIATION.astype(np.float32)
    for k, layer in enumerate(network.layers):
        layer.weight.data = torch.from_numpy(arrays[f"w{k}"].T.copy())
        layer.bias.data = torch.from_numpy(arrays[f"b{k}"])
    return arrays["mean"], arrays["scale"]


def people(folder: Path) -> tuple[list[Examples], list[Examples]]:
    """Return what is trained on and what is kept."""
    found: tuple[list[Examples], list[Examples]] = ([], [])
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            kept, count = bool(data["kept"]), len(data["frame" if "frame" in data else "uv"])
        if count:
            found[kept].append(stills(path))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--sequences", type=Path, required=True)
    parser.add_argument("--takes", nargs="*", default=[])
    parser.add_argument("--out", required=True)
    parser.add_argument("--begin", help="weights to go on from")
    parser.add_argument("--steps", type=int, default=6000)
    given = parser.parse_args()
    rng = np.random.default_rng(3)
    motion = captured(given.motion, lambda subject: subject not in SKIPPED)
    chosen = motion[rng.integers(0, len(motion), (2, DESIGNED))]
    motion = np.concatenate([chosen[0], [designed(rng, legs)[0] for legs in chosen[1]]])
    (seen, kept), (moved, held) = (people(folder) for folder in (given.stills, given.sequences))
    parts = {
        "stills": joined(seen),
        "sequences": joined(moved),
        "simulated": joined([simulated(motion, rng, 5000, clean=False) for _ in range(8)]),
        "clean": joined([simulated(motion, rng, 5000, clean=True) for _ in range(6)]),
    }
    if given.takes:
        parts["takes"] = joined([filmed(path) for path in given.takes])
    judged = {"kept clean": simulated(motion, rng, 1000, clean=True)}
    judged |= {"kept stills": joined(kept), "kept sequences": joined(held)}
    print({name: len(part) for name, part in (parts | judged).items()}, flush=True)
    train(Pool(parts, 1), judged, steps=given.steps, out=given.out, begin=given.begin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
