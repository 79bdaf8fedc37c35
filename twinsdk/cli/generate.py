"""`twinsdk generate`: motion without a camera."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from twinsdk.errors import OutputError, UsageError

if TYPE_CHECKING:
    from twinsdk.core.clip import MotionClip

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Make motion without a camera: idle, a style, on from a clip, between two."
EXAMPLES = """examples:
  twinsdk generate --idle --seconds 60 -o idle.bvh
  twinsdk generate --style salsa --seconds 20 --seed 7 -o dance.vrma
  twinsdk generate --from take.bvh --seconds 10 -o goes-on.npz
  twinsdk generate --from sit.bvh --to stand.bvh --seconds 2 -o between.bvh
  twinsdk generate --idle --seconds 600 --by learned -o drawn.bvh
  twinsdk generate --styles
"""
_FORMATS = (".bvh", ".npz", ".vrma", ".glb", ".usda", ".csv", ".trc")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `generate`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--idle", action="store_true", help="stand as people do who wait (default)")
    what.add_argument("--style", metavar="NAME", help="see --styles")
    what.add_argument("--styles", action="store_true", help="list the styles and stop")
    parser.add_argument("--from", dest="start", metavar="CLIP", help="go on from its last pose")
    parser.add_argument("--to", dest="end", metavar="CLIP", help="arrive at its first pose")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another, another motion")
    parser.add_argument(
        "--by",
        choices=("captured", "learned"),
        help="performances strung together, or drawn by a network (default with --to)",
    )
    parser.add_argument("--fps", type=float, default=30.0, help="(%(default)s)")
    parser.add_argument("-o", "--out", metavar="FILE", help="by extension: " + " ".join(_FORMATS))


def run(args: argparse.Namespace) -> int:
    """Run `generate` and return its exit code."""
    from twinsdk.motion.generation.generate import generate
    from twinsdk.motion.generation.performances import styles

    if args.styles:
        print("\n".join(styles()))
        return 0
    if args.out is None:
        raise UsageError("generate: expected -o FILE, or --styles alone")
    out = Path(args.out)
    if out.suffix.lower() not in _FORMATS:
        raise UsageError(f"-o: expected one of {' '.join(_FORMATS)}, got: {out}")
    if not out.parent.is_dir():
        raise OutputError(f"-o: no such folder; make it first: {out.parent}")
    clip = generate(
        args.seconds,
        seed=args.seed,
        style=args.style or "idle",
        start=_canonical(args.start),
        end=_canonical(args.end),
        fps=args.fps,
        by=args.by,
    )
    from twinsdk.formats import save_clip

    save_clip(clip, out)
    print(f"{out}  {len(clip)} frames, {clip.duration_s:.1f} s, {args.style or 'idle'}")
    return 0


def _canonical(path: str | None) -> MotionClip | None:
    """Return a file's motion on the canonical skeleton."""
    if path is None:
        return None
    from twinsdk.core.humanoid import humanoid_skeleton
    from twinsdk.formats import load_clip
    from twinsdk.retarget import retarget

    clip = load_clip(path)
    skeleton = humanoid_skeleton()
    return clip if clip.skeleton.matches(skeleton) else retarget(clip, skeleton)
