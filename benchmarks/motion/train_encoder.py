"""Train the frozen encoder of the evaluation once: seconds on one core.

    python benchmarks/motion/train_encoder.py --data cmu30_train.npz idle30.npz

An auto-encoder of one hidden layer on windows of one second, train split only. Its latents measure
generated motion; a new one starts new figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from twinsdk.core.files import atomic_path
from twinsdk.motion.evaluation.alone import WINDOW, windows_of
from twinsdk.motion.evaluation.clips import read_packed

OUT = Path(__file__).parents[2] / "twinsdk/motion/evaluation/encoder.npz"
HIDDEN, LATENT, BATCH, STEPS = 160, 32, 256, 1500
EVERY = 4  # windows; neighbours are a tenth of a second apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    clips = [true.clip for path in args.data for true in read_packed(path, split="train")]
    x = np.concatenate([windows_of(clip)[::EVERY] for clip in clips if len(clip) >= WINDOW])
    mean, scale = x.mean(0), np.maximum(x.std(0), 0.05)
    data = torch.from_numpy((x - mean) / scale)
    encoder = nn.Sequential(nn.Linear(data.shape[1], HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, data.shape[1]))
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(weights, 1e-3)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / STEPS)
        batch = data[torch.randint(len(data), (BATCH,))]
        loss = ((decoder(encoder(batch)) - batch) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 500 == 0:
            print(f"step {step}  unexplained {loss.item():.3f}", flush=True)
    with torch.no_grad():
        spread = encoder(data[:: max(1, len(data) // 20000)]).std(0)
    arrays = {
        "mean": mean,
        "scale": scale,
        "w1": encoder[0].weight.detach().numpy().T,
        "b1": encoder[0].bias.detach().numpy(),
        # Latents of unit spread, so that a distance means the same along each.
        "w2": (encoder[2].weight.detach() / spread[:, None]).numpy().T,
        "b2": (encoder[2].bias.detach() / spread).numpy(),
    }
    with atomic_path(args.out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{k: v.astype(np.float16) for k, v in arrays.items()})
    print(f"{args.out}  {args.out.stat().st_size / 1e6:.2f} MB from {len(x)} windows")


if __name__ == "__main__":
    main()
