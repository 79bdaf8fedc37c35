"""Fits how surely a foot stands to what the network says of it, its speed and its height.

    python benchmarks/motion/contacts.py data/motion/cmu30_train.npz

Prints the log odds' weights, fitted by likelihood on train, and the area under the curve on dev, of
what the network says alone and of the three together. Climbers are left out. Two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.optimize import minimize

from twinsdk.core.arrays import Array
from twinsdk.motion.evaluation.clips import TrueClip, read_packed
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.model import MotionModel, show
from twinsdk.motion.score import FEET

LONGEST, SHORTEST, EVERY = 300, 60, 3  # frames; of the train clips one in so many
LEVEL = 0.5  # share of frames in which a foot must be on the floor
LEAST_M_S = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a packed set with train and dev")
    parser.add_argument("--weights", default="default", help="of the motion model")
    args = parser.parse_args()
    clips = list(read_packed(args.data, split="train"))[::EVERY]
    seen, stands = features(clips, args.weights)
    there, true = features(read_packed(args.data, split="dev"), args.weights)
    weights = fitted(seen, stands)
    print("said, log speed, height, constant:", weights.round(3).tolist())
    for foot, name in enumerate(FEET):
        alone = ranked(there[:, foot, 0], true[:, foot])
        both = ranked(there[:, foot] @ weights[:-1], true[:, foot])
        print(f"{name}: said {alone:.3f}, all three {both:.3f}")


def features(clips: Iterable[TrueClip], weights: str) -> tuple[Array, Array]:
    """Return said log odds, log speed and height (N, 4, 3) of feet not yet held, and the truth."""
    out: list[Array] = []
    stands = []

    def noted(said: Array, speed: Array, height: Array) -> Array:
        sure = np.clip(said, 1e-4, 1 - 1e-4)
        out.append(np.stack([np.log(sure / (1 - sure)), np.log(speed + LEAST_M_S), height], -1))
        return said

    for true in clips:
        clip = true.clip[:LONGEST]
        grounded = true.contacts.any(1).mean() > LEVEL  # climbers' supports are not in the data
        if len(clip) < SHORTEST or not grounded:
            continue
        model = MotionModel.load(weights, skeleton=clip.skeleton)
        with patch.object(show, "stand", noted):
            for t, trackers in enumerate(trackers_of(clip)):
                before = len(out)
                model.step(trackers, 1 / clip.fps)
                stands += [true.contacts[t]] * (len(out) - before)
    return np.array(out), np.array(stands, bool)


def fitted(seen: Array, stands: Array) -> Array:
    """Return the weights (4,), a constant last, under which the truth is likeliest."""
    rows = np.concatenate([seen, np.ones((*seen.shape[:-1], 1))], -1).reshape(-1, 4)
    sign = np.where(stands.ravel(), -1.0, 1.0)
    return np.asarray(minimize(lambda w: np.logaddexp(0, sign * (rows @ w)).mean(), np.zeros(4)).x)


def ranked(said: Array, true: Array) -> float:
    """Return how often a foot that stands is told from one that does not."""
    order = np.argsort(np.argsort(said))
    up = int(true.sum())
    return float((order[true].sum() - up * (up - 1) / 2) / (up * (len(true) - up)))


if __name__ == "__main__":
    main()
