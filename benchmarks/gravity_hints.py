"""Train the network of `motion.fitting.gravity`: which way is up, from how a body is held.

    python benchmarks/gravity_hints.py MOTION.npz... --stills STILLS/ --out gravity.npz

Captured, designed and performed poses stand before cameras of every pitch. What the body solver
gets wrong is taken from stills (`capture_stills.py`): its errors on a rendered person who faces the
same way are added. Three minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch
from depth_examples import FEET, LEGS, TRUNK, USED, people_in, true_points
from still_poses import SKIPPED, captured, designed

from twinsdk.core import quat
from twinsdk.core.files import atomic_path
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks
from twinsdk.motion.fitting.body import JOINTS, ROWS
from twinsdk.motion.fitting.estimate import BodyEstimator
from twinsdk.motion.fitting.gravity import features
from twinsdk.motion.vectors import turn_y
from twinsdk.session.truth_motion import perform

HEIGHT_M, USUAL_FOV_DEG = 1.70, 60.0
WIDTH, BATCH, STEPS, EXAMPLES, JUDGED = 64, 512, 12000, 320_000, 8000
DESIGNED, PERFORMED = 12000, 30  # poses; performances of twenty seconds of each kind
EXACT = 0.2  # share of bodies seen without errors
ALIKE = 150  # stills to either side, in the order of how they face, to take errors from


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    errors = Errors(sorted(args.stills.glob("*.npz")))
    motion = poses(args.motion, rng)
    print(f"{len(motion)} poses, errors of {len(errors)} stills", flush=True)
    parts = [examples(motion, errors, rng, 4000) for _ in range(EXAMPLES // 4000)]
    told, wanted = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    with atomic_path(args.out) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **trained(told, wanted))


class Errors:
    """What the body solver gets wrong of rendered stills, in heights of the person."""

    def __init__(self, paths: list[Path]) -> None:
        off, seen, facing = [], [], []
        for number, path in enumerate(paths):
            for points, true, sure in solved(path, start=number % 2):
                about = true - true[TRUNK].mean(0)
                off.append(points - points[TRUNK].mean(0) - about)
                seen.append(sure)
                facing.append(features(about, sure)[1])
        order = np.argsort(facing)
        self._facing = np.array(facing)[order]
        self._off, self._seen = np.array(off)[order], np.array(seen)[order]

    def __len__(self) -> int:
        return len(self._facing)

    def of(self, facing: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return errors and how surely points are seen, of bodies that face about the same way."""
        at = np.searchsorted(self._facing, facing) + rng.integers(-ALIKE, ALIKE, len(facing))
        at %= len(self)
        return self._off[at], self._seen[at].copy()


def solved(path: Path, *, start: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return points as solved, true points and how surely they are seen, of every second still."""
    data = np.load(path)
    height = float(data["height_m"])
    true = true_points(data["joints"], data["rotations"], height)
    estimator = BodyEstimator(height_m=height)
    out = []
    for t in range(start, len(true), 2):
        size = (int(data["size_px"][t, 0]), int(data["size_px"][t, 1]))
        image = ImageLandmarks(names=BODY_NAMES, uv=data["uv"][t], size_px=size)
        seen = data["visibility"][t] * image.inside()
        estimator.forget_pose()
        focal = size[0] / 2 / np.tan(np.radians(USUAL_FOV_DEG) / 2)
        points = data["world"][t].astype(np.float64) * (1, -1, -1)
        found = estimator.step(points, image, seen, focal_px=focal, step_s=0.0)
        out.append((found.points[USED] / height, true[t] / height, seen[USED]))
    return out


def poses(paths: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return rotations (N, 55, 4) on the canonical joints, upright in the world."""
    frames = captured(paths, lambda subject: subject not in SKIPPED)[::3]
    made = [designed(rng, frames[rng.integers(len(frames))])[0] for _ in range(DESIGNED)]
    acted = [
        perform(kind, rng, duration_s=20.0).rotations[::3]
        for kind in ("gestures", "seated", "steps")
        for _ in range(PERFORMED)
    ]
    return np.concatenate([frames, np.array(made, np.float32), *acted])


def examples(
    motion: np.ndarray, errors: Errors, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is told (count, 4 P + 2) and up (count, 2): to the body's left and ahead."""
    rotations = motion[rng.integers(0, len(motion), count)][:, ROWS].astype(np.float64)
    facing = rng.normal(0, 0.6, count)
    anyhow = rng.random(count) < 0.4
    facing[anyhow] = rng.uniform(-np.pi, np.pi, anyhow.sum())
    heading = 2 * np.arctan2(rotations[:, 0, 1], rotations[:, 0, 3])
    pitch, roll = np.radians(rng.normal(5, 11, count)), rng.normal(0, 0.03, count)
    far = rng.random(count) < 0.4
    pitch[far] = np.radians(rng.uniform(-30, 50, far.sum()))
    tilt = quat.from_rotation_vector(np.stack([pitch, 0 * pitch, roll], -1))
    turn = np.stack([0 * pitch, facing - heading, 0 * pitch], -1)
    turn = quat.multiply(tilt, quat.from_rotation_vector(turn))
    rotations[:, 0] = quat.multiply(turn, rotations[:, 0])
    jitter = rng.normal(0, 0.03, (count, len(JOINTS), 3))
    rotations = quat.multiply(rotations, quat.from_rotation_vector(jitter))
    points = people_in(rotations, rng, count, on_joints=False) / HEIGHT_M
    points -= points[:, TRUNK].mean(1, keepdims=True)
    off, seen = errors.of(features(points, np.ones(points.shape[:2]))[1], rng)
    share = rng.uniform(0.4, 1.1, (count, 1, 1))  # somebody followed is seen better than a still
    exact = rng.random(count) < EXACT
    share[exact], seen[exact] = 0.0, 1.0
    kind = rng.random(count)
    seen[np.ix_(kind < 0.10, LEGS)] = 0
    seen[np.ix_((kind > 0.10) & (kind < 0.18), FEET)] = 0
    told, turned = features(points + share * off, seen)
    up = quat.rotate(tilt, np.tile([0.0, 1.0, 0.0], (count, 1)))
    up = (up[:, None] @ turn_y(turned))[:, 0, [0, 2]]
    return told.astype(np.float32), up.astype(np.float32)


def trained(told: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weights, trained by the likelihood of a Gaussian."""
    mean, scale = told.mean(0), 1 / (told.std(0) + 1e-3)
    x, y = torch.tensor((told - mean) * scale), torch.tensor(wanted)
    sizes = (x.shape[1], WIDTH, WIDTH, 4)
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    parameters = [p for layer in layers for p in layer.parameters()]
    optimiser = torch.optim.AdamW(parameters, 1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)

    def told_by(rows: torch.Tensor) -> torch.Tensor:
        for layer in layers[:-1]:
            rows = torch.nn.functional.leaky_relu(layer(rows), 0.1)
        return layers[-1](rows)

    for step in range(STEPS):
        rows = torch.randint(JUDGED, len(x), (BATCH,))
        out = told_by(x[rows])
        logs = out[:, 2:].clamp(-4, 1)
        loss = (logs + 0.5 * ((y[rows] - out[:, :2]) / logs.exp()) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 2000 == 1999:
            with torch.no_grad():
                off = ((told_by(x[:JUDGED])[:, :2] - y[:JUDGED]) ** 2).mean(0).sqrt()
            print(step + 1, "off by, degrees:", np.degrees(off.numpy()).round(2), flush=True)
    weights: dict[str, np.ndarray] = {"mean": mean, "scale": scale}
    for i, layer in enumerate(layers):
        weights[f"w{i}"] = layer.weight.detach().numpy().T
        weights[f"b{i}"] = layer.bias.detach().numpy()
    return {name: array.astype(np.float32) for name, array in weights.items()}


if __name__ == "__main__":
    main()
