"""How near the ways between two poses are to what people did: straight, performed, drawn.

    python benchmarks/motion/between.py cmu30_train.npz idle30.npz --dev 003,010

Stretches of 1 and 2 s of the dev people, the second before them known, the last pose given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip, clip_of
from twinsdk.core.pose import Pose
from twinsdk.motion.generation.generate import generate
from twinsdk.motion.generation.performances import BODY, styles
from twinsdk.motion.generation.performer import BODY_ROWS, posed
from twinsdk.motion.model.slots import STYLES
from twinsdk.motion.score import accelerations, contacts_of, foot_speed_cm_s
from twinsdk.motion.training.corpus import Clip, read_packed

FPS, KNOWN = 30, 31
GAPS_S = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--dev", default="", help="subjects, with commas")
    parser.add_argument("--stretches", type=int, default=40)
    args = parser.parse_args()
    corpus = read_packed(args.data, dev_subjects=args.dev.split(","))
    longest = KNOWN + FPS * max(GAPS_S)
    clips = [clip for clip in corpus.part("dev") if len(clip) > longest + 30]
    print("| gap | way | off cm | peak m/s² | feet in true contacts cm/s |\n|---|---|---|---|---|")
    for gap_s in GAPS_S:
        rng = np.random.default_rng(11)
        found: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(args.stretches):
            clip = clips[int(rng.integers(len(clips)))]
            first = int(rng.integers(0, len(clip) - KNOWN - FPS * gap_s))
            for way, row in measured(clip, first, gap_s, seed).items():
                found.setdefault(way, []).append(row)
        for way, rows in found.items():
            off, peak, feet = np.nanmean(rows, axis=0)
            print(f"| {gap_s} s | {way} | {off:.1f} | {peak:.0f} | {feet:.0f} |")


def measured(clip: Clip, first: int, gap_s: int, seed: int) -> dict[str, tuple[float, ...]]:
    """Return error, peak acceleration and foot speed of each way over one stretch."""
    turns = quat.from_matrix(clip.rotations[first : first + KNOWN + FPS * gap_s].astype(float))
    poses = [posed(r, clip.root[first + t].astype(float)) for t, r in enumerate(turns)]
    past, truth = poses[:KNOWN], poses[KNOWN:]
    style = STYLES[clip.style] if clip.style >= 0 and STYLES[clip.style] in styles() else "idle"
    made: dict[str, Sequence[Pose] | MotionClip] = {
        "truth": truth,
        "straight": straight(past[-1], truth[-1], len(truth)),
    }
    for by in ("captured", "learned"):
        made[by] = generate(
            len(truth) / FPS,
            seed=seed,
            style=style,
            start=clip_of(past, fps=FPS),
            end=clip_of(truth[-1:], fps=FPS),
            by=by,
        )
    true, before = places(truth), places(past[-3:])
    standing = contacts_of(BODY, true, FPS)
    out = {}
    for way, found in made.items():
        where = places(found)
        out[way] = (
            100 * float(np.linalg.norm(where - true, axis=-1).mean()),
            float(accelerations(np.concatenate([before, where]), FPS).max()),
            foot_speed_cm_s(BODY, where, standing, FPS),
        )
    return out


def straight(start: Pose, end: Pose, count: int) -> list[Pose]:
    a, b = (pose.rotations[BODY_ROWS].astype(float) for pose in (start, end))
    away = end.root_translation - start.root_translation
    shares = [(k + 1) / count for k in range(count)]
    return [posed(quat.slerp(a, b, s), start.root_translation + s * away) for s in shares]


def places(poses: Sequence[Pose] | MotionClip) -> np.ndarray:
    return np.stack(
        [BODY.forward(p.rotations[BODY_ROWS], p.root_translation)[1] for p in poses]
    ).astype(np.float64)


if __name__ == "__main__":
    main()
