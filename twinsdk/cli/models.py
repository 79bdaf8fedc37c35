"""`twinsdk models`: which model files are needed, where they come from, whether they are whole."""

from __future__ import annotations

import argparse

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Show or fetch the tracker's model files and the sample clips."
EXAMPLES = """examples:
  twinsdk models                 what is needed and whether it is here
  twinsdk models --fetch         fetch what is missing, once; works offline afterwards
  twinsdk models --fetch --official   Google's own bundles (heavier pose, face expressions)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `models`."""
    parser.add_argument("--fetch", action="store_true", help="fetch and assemble what is missing")
    parser.add_argument(
        "--official", action="store_true", help="with --fetch: Google's bundles, by checksum"
    )
    parser.add_argument(
        "--samples", action="store_true", help="with --fetch: the sample clips as well"
    )


def run(args: argparse.Namespace) -> int:
    """Run `models` and return its exit code: 0 when everything needed is here, else 2."""
    from twinsdk.capture.models import model_status, resolve_models

    if args.fetch:
        resolve_models(fetch=True, official=args.official)
        if args.samples:
            from twinsdk.capture.sample import fetch_sample
            from twinsdk.session.truth import ensure_self_sample

            fetch_sample()
            ensure_self_sample()
    complete = True
    for model in model_status():
        size = f"{model.size / 1e6:.1f} MB" if model.size else "-"
        print(f"{model.name:<22}{model.state:<10}{size:>9}  {model.origin}")
        if model.path:
            print(f"{'':<22}{model.path}")
        complete &= model.state == "whole" or not model.required
    if not complete:
        print("missing models are fetched on first use, or now with: twinsdk models --fetch")
    return 0 if complete else 2
