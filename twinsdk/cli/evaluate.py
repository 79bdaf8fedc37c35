"""`twinsdk evaluate`: the public evaluations, a Markdown table on stdout."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Judge what twinsdk does against known truth; prints a Markdown table."
EXAMPLES = """examples:
  twinsdk evaluate capture            rendered people, filmed once
  twinsdk evaluate retarget           one body under many skeletons
  twinsdk evaluate motion --data cmu30_train.npz
  twinsdk evaluate capture --help     what it takes
"""
_EVALUATIONS = ("capture", "retarget", "motion")  # each is a module twinsdk.cli.evaluate_NAME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the evaluations, each with its own options."""
    kinds = parser.add_subparsers(dest="evaluation", metavar="WHAT", required=True)
    for name in _EVALUATIONS:
        module = import_module(f"twinsdk.cli.evaluate_{name}")
        kind = kinds.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(kind)
        kind.set_defaults(evaluate=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the evaluation that was named and return its exit code."""
    return int(args.evaluate(args))
