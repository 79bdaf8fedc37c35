"""Train the network of `motion.fitting.depth` on rendered stills and takes and simulated people.

    python benchmarks/depth_hints.py MOTION.npz... --stills STILLS/ --takes TAKE.npz... --out O.npz

Stills come from `capture_stills.py`; those of people that are kept are judged by, not trained on.
Takes are few: there are few people in them. Simulated people without errors see to it that
exact points are believed.
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

WIDTH, BATCH, AHEAD = 256, 512, 20
DESIGNED = 12000  # poses of the simulated people, and as many captured ones
COUNT = len(USED)
SHARES = {"stills": 0.65, "takes": 0.08, "simulated": 0.10, "clean": 0.17}
JITTER = np.array([0.01, 0.01, 0.03, 0.03, 0.03, 0.0])  # of the features, by column
# The logs of Laplace's scales become those of standard deviations.
TO_DEVIATION = np.repeat([0.0, np.log(2) / 2], (3 * COUNT, 2 * COUNT))
POINTS = [i for i in range(COUNT) if i not in HEAD]


class Network(torch.nn.Module):
    """Three layers, two of them residual: shift right and up, depth, two log deviations a point."""

    def __init__(self, told: int) -> None:
        super().__init__()
        sizes = (told, WIDTH, WIDTH, WIDTH, 5 * COUNT)
        layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        self.layers = torch.nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 5, P)."""
        soft = torch.nn.functional.leaky_relu
        x = soft(self.layers[0](x), 0.1)
        for layer in self.layers[1:3]:
            x = x + soft(layer(x), 0.1)
        return self.layers[3](x).unflatten(-1, (5, COUNT))


class Pool:
    """Examples of several sources, drawn with shares, mirrored, rolled and hidden at random."""

    def __init__(self, parts: dict[str, Examples], seed: int) -> None:
        self._parts = {name: part for name, part in parts.items() if len(part)}
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[np.ndarray, ...]:
        """Return features, wanted, told shares and metres in random order; see `Examples`."""
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
        return chosen[rng.permutation(len(chosen))].told()


def loss_of(out: torch.Tensor, wanted: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Return Laplace's negative log likelihood."""
    off = (out[:, :3] - wanted).abs()
    across, deep = out[:, 3].clamp(-5, 1), out[:, 4].clamp(-5, 1)
    flat = (off[:, 0] + off[:, 1]) * torch.exp(-across) + 2 * across
    depth = off[:, 2] * torch.exp(-deep) + deep
    return (0.5 * told * flat + (0.15 + 0.85 * told) * depth).mean()


def judge(network: Network, given: Examples, mean: np.ndarray, scale: np.ndarray) -> str:
    """Return mean errors of depth and across, millimetres, of the network and the tracker."""
    features, wanted, told, metres = given.told()
    flat = features.reshape(len(features), -1)
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
    report_every: int = 2000,
) -> None:
    """Train, report on what is kept and write the weights, as an average over the steps."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng, rate, start = np.random.default_rng(1), 2e-3, time.process_time()
    told = pool.draw(6000)[0].reshape(-1, 6 * COUNT)
    mean, scale = told.mean(0), 1 / (told.std(0) + 0.05)
    network, best = Network(told.shape[1]), Network(told.shape[1])
    if begin:
        mean, scale = read(begin, network)
    adam = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-3)
    for step in range(steps):
        if step % AHEAD == 0:
            drawn = pool.draw(BATCH * AHEAD)
        rows = slice(step % AHEAD * BATCH, (step % AHEAD + 1) * BATCH)
        told, wanted, share = (array[rows] for array in drawn[:3])
        told = told + rng.normal(0, 1, told.shape) * JITTER * (told != 0)
        flat = (told.reshape(len(told), -1) - mean) * scale
        x, y, w = (torch.from_numpy(a.astype(np.float32)) for a in (flat, wanted, share))
        for group in adam.param_groups:
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-5
        loss = loss_of(network(x), y, w)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        adam.step()
        keep = 0.0 if step < 200 else 0.998
        with torch.no_grad():
            for a, b in zip(best.parameters(), network.parameters(), strict=True):
                a.mul_(keep).add_(b, alpha=1 - keep)
        if (step + 1) % report_every == 0 or step + 1 == steps:
            print(step + 1, f"{time.process_time() - start:.0f} s, loss {loss.item():.3f}")
            for name, given in kept.items():
                print("   ", name, judge(best, given, mean, scale), flush=True)
            write(out, best, mean, scale)


def read(path: str, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Take a file's weights; return its mean and scale."""
    stored = np.load(path)
    with torch.no_grad():
        for k, layer in enumerate(network.layers):
            layer.weight.copy_(torch.from_numpy(stored[f"w{k}"].T.astype(np.float32)))
            layer.bias.copy_(torch.from_numpy(stored[f"b{k}"].astype(np.float32)))
        network.layers[3].bias.sub_(torch.from_numpy(TO_DEVIATION.astype(np.float32)))
    return stored["mean"].astype(np.float64), stored["scale"].astype(np.float64)


def write(path: str, network: Network, mean: np.ndarray, scale: np.ndarray) -> None:
    arrays = {"mean": mean, "scale": scale}
    for k, layer in enumerate(network.layers):
        arrays[f"w{k}"] = layer.weight.detach().numpy().T
        arrays[f"b{k}"] = layer.bias.detach().numpy()
    arrays["b3"] = arrays["b3"] + TO_DEVIATION
    np.savez_compressed(Path(path), **{name: a.astype(np.float16) for name, a in arrays.items()})


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--takes", nargs="*", default=[])
    parser.add_argument("--out", required=True)
    parser.add_argument("--begin", help="weights to go on from")
    parser.add_argument("--steps", type=int, default=12000)
    given = parser.parse_args()
    rng = np.random.default_rng(3)
    motion = captured(given.motion, lambda subject: subject not in SKIPPED)
    chosen = motion[rng.integers(0, len(motion), (2, DESIGNED))]
    motion = np.concatenate([chosen[0], [designed(rng, legs)[0] for legs in chosen[1]]])
    people = [(np.load(path)["kept"], stills(path)) for path in sorted(given.stills.glob("*.npz"))]
    parts = {
        "stills": joined([one for kept, one in people if not kept]),
        "simulated": joined([simulated(motion, rng, 5000, clean=False) for _ in range(8)]),
        "clean": joined([simulated(motion, rng, 5000, clean=True) for _ in range(6)]),
    }
    if given.takes:
        parts["takes"] = joined([filmed(path) for path in given.takes])
    kept = [one for is_kept, one in people if is_kept]
    judged = {"clean": simulated(motion, rng, 1000, clean=True)}
    if kept:
        judged["kept people"] = joined(kept)
    print({name: len(part) for name, part in (parts | judged).items()}, flush=True)
    train(Pool(parts, 1), judged, steps=given.steps, out=given.out, begin=given.begin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
