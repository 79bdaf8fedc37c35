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
    from twinsdk.capture import model_status, resolve_models

    if args.fetch:
        resolve_models()
        if args.official:
            _fetch_official()
        if args.samples:
            from twinsdk.capture import sample_path
            from twinsdk.session.truth import ensure_self_sample

            sample_path()
            ensure_self_sample()
    complete = True
    for model in model_status():
        size = f"{model.size_bytes / 1e6:.1f} MB" if model.size_bytes else "-"
        wanted = "" if model.needed else "optional, "
        print(f"{model.name:<36}{model.state:<9}{size:>8}  {wanted}{model.source}")
        print(f"{'':<45}{model.path}")
        complete &= model.state == "ready" or not model.needed
    if not complete:
        print("missing models are fetched on first use, or now with: twinsdk models --fetch")
    return 0 if complete else 2


def _fetch_official() -> None:
    from twinsdk.capture import fetch_official

    _, problems = fetch_official()
    for problem in problems:
        print(f"not fetched: {problem}")
    if problems:
        print("the assembled models go on being used")
