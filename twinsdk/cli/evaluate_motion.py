"""`twinsdk evaluate motion`: the motion model and its yardsticks on captured motion."""

from __future__ import annotations

import argparse
import json
import sys

from twinsdk.errors import OutputError, UsageError

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "how well trackers and landmarks become motion, as Markdown and JSON"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate motion`."""
    parser.add_argument(
        "--data",
        metavar="FILE|FOLDER",
        help="a packed set (.npz, its dev split) or motion files; without it a clip of our own",
    )
    parser.add_argument("--json", metavar="FILE", help="all figures, joint by joint")
    parser.add_argument(
        "--over", choices=("frames", "clips"), default="frames", help="what counts alike"
    )
    parser.add_argument(
        "--weights", metavar="FILE.npz", default="default", help="of the motion model, else ours"
    )
    parser.add_argument(
        "--idle-minutes", type=float, default=10.0, metavar="N", help="of idling (%(default)g)"
    )
    parser.add_argument(
        "--styles",
        metavar="NAMES",
        default="idle",
        help="what is generated and measured, with commas (%(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="no word of what is being measured")


def run(args: argparse.Namespace) -> int:
    """Run `evaluate motion` and return its exit code."""
    from pathlib import Path

    from twinsdk.core.files import atomic_path
    from twinsdk.motion.evaluation.tables import alone_markdown, as_json, as_markdown
    from twinsdk.motion.generation.learned import learned_styles
    from twinsdk.session.evaluate_motion import (
        evaluate_alone,
        evaluate_motion,
        evaluation_set,
    )

    if args.json is not None and not Path(args.json).parent.is_dir():
        raise OutputError(f"--json: no such folder; make it first: {Path(args.json).parent}")
    if not args.idle_minutes > 0:
        raise UsageError(f"--idle-minutes: expected above 0, got {args.idle_minutes:g}")
    styles = args.styles.split(",")
    if unknown := sorted({*styles} - {*learned_styles()}):  # told before minutes of measuring
        raise UsageError(
            f"--styles: expected of {', '.join(learned_styles())}, got {', '.join(unknown)!r}"
        )
    data = evaluation_set(args.data)

    def say(words: str) -> None:
        if not args.quiet:
            print(f"-> {words}", file=sys.stderr)

    rows, about = evaluate_motion(data, say=say, weights=args.weights)
    print(f"Measured on {data.words}; {data.minutes:.1f} minutes.\n")
    print(as_markdown(rows, over=args.over))
    say("motion that nobody did")
    alone = evaluate_alone(minutes=args.idle_minutes, styles=styles)
    print(f"\n{alone_markdown(alone)}")
    if args.json is not None:
        with atomic_path(args.json) as temporary:
            temporary.write_text(
                json.dumps(as_json(rows, {**about, "alone": alone}), indent=1) + "\n"
            )
    return 0
