"""Rendered truth for capture: filming takes from motion files, and tuning the baseline on them.

    python benchmarks/capture_truth.py film dev takes/ 26 --motion clips/   # half a minute a take
    python benchmarks/capture_truth.py tune takes/     # One Euro settings and scale, for the table
    python benchmarks/capture_truth.py describe takes/ # errors by joint and direction

`twinsdk evaluate capture --data takes/` judges. Needs the `avatar` extra to film.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from twinsdk.motion import OneEuroConfig
from twinsdk.session import evaluate_metrics as metrics
from twinsdk.session.evaluate_methods import (
    JOINTS,
    POINTS,
    one_euro,
    raw,
    truth_points,
    upper_length,
)
from twinsdk.session.truth_film import ensure_takes
from twinsdk.session.truth_take import Take, load_takes

CUTOFFS_HZ = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
GAINS = (0.5, 1.0, 2.0, 4.0, 8.0)
HIPS = [POINTS.index("leftHip"), POINTS.index("rightHip")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    film = commands.add_parser("film")
    film.add_argument("split", choices=("dev", "test"))
    film.add_argument("folder", type=Path)
    film.add_argument("count", type=int)
    film.add_argument("--motion", type=Path, help="a folder of motion files")
    for name in ("tune", "describe"):
        commands.add_parser(name).add_argument("folder", type=Path)
    args = parser.parse_args()
    if args.command == "film":
        motions = sorted(args.motion.iterdir()) if args.motion else ()
        ensure_takes(args.folder, args.split, args.count, motions=motions)
    elif args.command == "tune":
        tune(load_takes(args.folder))
    else:
        describe(load_takes(args.folder))


def tune(takes: list[Take]) -> None:
    """Print the scale and the filter settings that come nearest to the truth."""
    whole = [take for take in takes if take.about["shot"] != "bust" and take.present.all()]
    scales = [best_scale(take) * upper_length(take) / take.height_m for take in whole]
    print(f"arms and trunk over height: {np.median(scales):.3f} ({np.std(scales):.3f})")
    print("| min cutoff, Hz | speed gain, Hz s/m | velocity error, cm/s | lag, ms |")
    print("|---|---|---|---|")
    moving = [take for take in whole if take.about["kind"] != "still"]
    for cutoff in CUTOFFS_HZ:
        for gain in GAINS:
            config = OneEuroConfig(min_cutoff_hz=cutoff, speed_gain=gain)
            both = np.mean([unsteadiness(take, config) for take in moving], axis=0)
            print(f"| {cutoff:g} | {gain:g} | {1e2 * both[0]:.2f} | {1e3 * both[1]:.0f} |")


def best_scale(take: Take) -> float:
    """Return by what the tracker's points come nearest to the truth, turned as they may be."""
    a = metrics.aligned(raw(take).points, HIPS).reshape(-1, 3)
    b = metrics.aligned(truth_points(take, "camera"), HIPS).reshape(-1, 3)
    spread = np.linalg.svd(a.T @ b, compute_uv=False)
    return float(spread.sum() / (a * a).sum())


def unsteadiness(take: Take, config: OneEuroConfig) -> tuple[float, float]:
    """Return the mean error of velocities, m/s, which rises with jitter and delay, and the lag."""
    fps = (len(take) - 1) / float(take.times_s[-1] - take.times_s[0])
    found = metrics.aligned(one_euro(take, config).points, HIPS)
    truth = metrics.aligned(truth_points(take, "camera"), HIPS)
    return (
        float(metrics.speeds(found - truth, fps).mean()),
        metrics.best_lag_s(found, truth, fps),
    )


def describe(takes: list[Take]) -> None:
    """Print bias and deviation of the tracker's points by direction, hips at the origin."""
    print(
        "| point | bias x, y, z, mm | deviation x, y, z, mm | picture: bias, mm | deviation, mm |"
    )
    print("|---|---|---|---|---|")
    off, flat = [], []
    for take in takes:
        if take.about["shot"] == "bust":
            continue
        there = np.array([seen.image_body is not None for seen in take.observations])
        there &= take.present
        points = metrics.aligned(raw(take).points, HIPS)
        off.append((points - metrics.aligned(truth_points(take, "camera"), HIPS))[there])
        focal = take.size_px[0] / 2 / np.tan(np.radians(take.fov_deg) / 2)
        pixels = take.joint_pixels[there][:, JOINTS]
        seen = np.array([pixels_of(take, t) for t in np.flatnonzero(there)])
        flat.append((seen - pixels[..., :2]) * pixels[..., 2:] / focal)
    space, picture = 1e3 * np.concatenate(off), 1e3 * np.concatenate(flat)
    for i, name in enumerate(POINTS):
        cells = [space[:, i].mean(0), space[:, i].std(0), picture[:, i].mean(0)]
        cells.append(picture[:, i].std(0))
        texts = [" ".join(f"{value:.0f}" for value in cell) for cell in cells]
        print(f"| {name} | " + " | ".join(texts) + " |")


def pixels_of(take: Take, t: int) -> np.ndarray:
    image = take.observations[t].image_body
    assert image is not None
    return image.pixels()[[image.index(name) for name in POINTS]]


if __name__ == "__main__":
    main()
