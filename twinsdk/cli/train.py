"""`twinsdk train`: the motion model, from clips to weights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from twinsdk.errors import UsageError

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Train the motion model, or turn a checkpoint into weights."
EXAMPLES = """examples:
  twinsdk train settings.toml                      # starts, or goes on where it was
  twinsdk train fast.toml slow.toml --minutes 10   # a sweep: one run after the other
  torchrun --nproc-per-node 4 -m twinsdk train settings.toml
  twinsdk train settings.toml --weights mine.npz   # and write what MotionModel.load reads
  twinsdk train --pack set.npz clips/ --dev 13,09  # BVH, AMC, FBX, GLB... to a motion set

Settings are TOML; docs/motion_model.md lists them; kind = "generator" or "foresight" in
them trains these. A run can be stopped at any time and goes on from its last checkpoint."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `twinsdk train`."""
    parser.add_argument(
        "settings", nargs="+", type=Path, help="TOML files, one run each; with --pack, clips"
    )
    parser.add_argument(
        "--pack", type=Path, metavar="SET.npz", help="make a motion set of clips instead"
    )
    parser.add_argument(
        "--dev", default="", metavar="SUBJECTS", help="with --pack: subjects kept for choosing"
    )
    parser.add_argument("--minutes", type=float, help="train so long instead, pauses not counted")
    parser.add_argument("--steps", type=int, help="train so many windows instead")
    parser.add_argument("--folder", type=Path, help="put the run there instead; one run only")
    parser.add_argument("--weights", type=Path, help="write the weights there (.npz); one run only")
    parser.add_argument(
        "--better",
        default="webcam,trackers,nothing",
        help="sources on which the weights are to be used; on others the analytic start is shown",
    )


def run(args: argparse.Namespace) -> int:
    """Train; exit code 0 when every run is done."""
    if args.pack is not None:
        return _pack(args)
    from twinsdk.motion.generation.flow import write_flow
    from twinsdk.motion.generation.flow_training import (
        GeneratorConfig,
        arrays_of_checkpoint,
        train_generator,
    )
    from twinsdk.motion.model.foresight import write_foresight
    from twinsdk.motion.model.weights import from_checkpoint, write_weights
    from twinsdk.motion.training.foresight import (
        ForesightConfig,
        arrays_of_foresight,
        train_foresight,
    )
    from twinsdk.motion.training.settings import read_config
    from twinsdk.motion.training.train import train

    if len(args.settings) > 1 and (args.folder or args.weights):
        raise UsageError("--folder and --weights: expected one settings file with them")
    better = frozenset(name for name in args.better.split(",") if name)
    if unknown := sorted(better - {"webcam", "trackers", "nothing"}):
        raise UsageError(f"--better: unknown {unknown}; there are webcam, trackers and nothing")
    changes = {
        name: value
        for name, value in (
            ("minutes", args.minutes),
            ("steps", args.steps),
            ("folder", None if args.folder is None else str(args.folder)),
        )
        if value is not None
    }
    kinds = {"generator": GeneratorConfig, "foresight": ForesightConfig}
    configs = [read_config(path, kinds, **changes) for path in args.settings]
    for config in configs:
        if isinstance(config, GeneratorConfig):
            checkpoint = train_generator(config, report=_say)
        elif isinstance(config, ForesightConfig):
            checkpoint = train_foresight(config, report=_say)
        else:
            checkpoint = train(config, report=_say)
        print(checkpoint)
        if args.weights is None:
            continue
        if isinstance(config, GeneratorConfig):
            sizes, arrays, progress = arrays_of_checkpoint(checkpoint)
            digest = write_flow(args.weights, sizes, arrays, trained=progress)
        elif isinstance(config, ForesightConfig):
            arrays, progress = arrays_of_foresight(checkpoint)
            digest = write_foresight(args.weights, arrays, trained=progress)
        else:
            sizes, arrays, progress = from_checkpoint(checkpoint)
            digest = write_weights(args.weights, sizes, arrays, better=better, trained=progress)
        print(f"{args.weights}  {digest}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _pack(args: argparse.Namespace) -> int:
    from twinsdk.session.pack_motion import pack_motion

    dev = frozenset(name for name in args.dev.split(",") if name)
    packed = pack_motion(args.settings, args.pack, dev_subjects=dev)
    for line in packed.refused:
        print(f"left out: {line}", file=sys.stderr)
    print(
        f"{args.pack}: {packed.clips} clips, {packed.minutes:.1f} min, {packed.subjects} subjects"
    )
    return 0
