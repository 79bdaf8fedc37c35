"""Pack the performances that ship with the package from the public motion set.

    python benchmarks/motion/pack_performances.py --idle idle30.npz --cmu cmu30_train.npz

`idle30.npz` is ReActIdle (MIT), `cmu30_train.npz` the train split of the CMU set; see
twinsdk/motion/generation/performances.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from twinsdk.motion.evaluation.clips import read_packed
from twinsdk.motion.generation.performances import pack

OUT = Path(__file__).parents[2] / "twinsdk/motion/generation/performances.npz"
# Style -> words of a clip's description, subjects.
STYLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "walk": (("walk",), ("16", "35", "39", "07", "08", "91", "131")),
    "salsa": (("salsa",), ("61",)),
    "gesture": (("signals", "nursery", "Alaskan", "traffic", "laugh"), ("29", "14")),
    "work": (("wash", "mop"), ("14",)),
    "sport": (("jumping jacks",), ("14",)),
    "fight": (("boxing", "punch"), ("14", "02")),
}
NOT = ("Duck", "Hop", "uneven", "exaggerated", "Sad")
SHORTEST = 45  # frames
MOST_SALSA = 8
ACTED = ("002", "004", "008", "009", "012", "014")  # one idle clip in two is enough


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=Path, required=True)
    parser.add_argument("--cmu", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    clips = [
        ("idle", true.clip)
        for true in read_packed(args.idle)
        if true.name.endswith("genuine") or true.subject in ACTED
    ]
    with np.load(args.cmu, allow_pickle=False) as archive:
        words = dict(zip(archive["clip_id"].tolist(), archive["description"].tolist(), strict=True))
    salsa = 0
    for true in read_packed(args.cmu, split="train"):
        said = words[true.name]
        if len(true.clip) < SHORTEST or any(word in said for word in NOT):
            continue
        for style, (names, subjects) in STYLES.items():
            if true.subject in subjects and any(name.lower() in said.lower() for name in names):
                salsa += style == "salsa"
                if style == "salsa" and salsa > MOST_SALSA:
                    break
                clips.append((style, true.clip))
                break
    pack(clips, args.out)
    print(f"{args.out}  {args.out.stat().st_size / 1e6:.2f} MB")
    for style in dict(clips):
        seconds = sum(clip.duration_s for name, clip in clips if name == style)
        print(f"{style:<8} {seconds / 60:5.1f} min")


if __name__ == "__main__":
    main()
