"""`twinsdk evaluate retarget`: retargeting where the right answer is known, and on files."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Judge retargeting where the right answer is known, and on your motion files."
EXAMPLES = """examples:
  twinsdk evaluate retarget                     about a minute; nothing but generated bodies
  twinsdk evaluate retarget --data captures/    also a row a file, on the default avatar
  twinsdk evaluate retarget --json results.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate retarget`."""
    parser.add_argument(
        "--data", metavar="FILE_OR_FOLDER", type=Path, help="motion files to measure besides"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="all figures")


def run(args: argparse.Namespace) -> int:
    """Run `evaluate retarget` and return its exit code: 2 if a file could not be measured."""
    from twinsdk.core.files import atomic_path
    from twinsdk.session.retarget_evaluation import evaluate_retargeting
    from twinsdk.session.retarget_table import markdown

    with ExitStack() as stack:
        # A place that cannot be written is found out now, not after a minute.
        kept = None if args.json is None else stack.enter_context(atomic_path(args.json))
        result = evaluate_retargeting(args.data)
        print(markdown(result))
        if kept is not None:
            kept.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 2 if any("error" in row for row in result.get("files", ())) else 0
