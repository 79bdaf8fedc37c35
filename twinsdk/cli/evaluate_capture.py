"""`twinsdk evaluate capture`: tracking against rendered people whose truth is known."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from twinsdk.errors import UsageError

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Judge tracking on rendered people whose truth is known."
EXAMPLES = """examples:
  twinsdk evaluate capture                      film 6 takes once (some 4 minutes), then judge
  twinsdk evaluate capture --motion clips/      people moving as in your motion files
  twinsdk evaluate capture --data takes/ --json results.json
"""
_MOTION_SUFFIXES = (".bvh", ".gz", ".npz", ".fbx", ".glb", ".gltf", ".vrma", ".amc", ".c3d", ".trc")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate capture`."""
    parser.add_argument("--data", metavar="FOLDER", type=Path, help="takes filmed before")
    parser.add_argument("--motion", metavar="FOLDER", type=Path, help="motion files to be filmed")
    parser.add_argument("--takes", metavar="N", type=int, default=6, help="how many (default: 6)")
    parser.add_argument(
        "--split", choices=("dev", "test"), default="test", help="whose people are filmed"
    )
    parser.add_argument("--rate", action="store_true", help="measure the live output rate as well")
    parser.add_argument("--json", metavar="FILE", type=Path, help="all figures, by take")


def run(args: argparse.Namespace) -> int:
    """Run `evaluate capture` and return its exit code."""
    from twinsdk.session.evaluate import evaluate_takes, markdown
    from twinsdk.session.truth_take import load_take, load_takes

    if args.takes < 1:
        raise UsageError(f"evaluate: expected --takes of 1 or more, got {args.takes}")
    if args.data is not None:
        if args.motion is not None:
            raise UsageError("evaluate: expected --data or --motion, got both")
        takes = load_takes(args.data)
    else:
        takes = [load_take(path) for path in _filmed(args)]
    results = evaluate_takes(takes)
    rates = _rates(args) if args.rate else {}
    print(markdown(results, rates))
    if args.json is not None:
        _save(args.json, results | {"rates": rates})
    return 0


def _filmed(args: argparse.Namespace) -> list[Path]:
    """Return the takes in the cache, filmed now where they are not there."""
    import hashlib

    from twinsdk.core.files import cache_dir
    from twinsdk.session.truth_film import ensure_takes
    from twinsdk.session.truth_take import TAKE_VERSION

    motions = _motions(args.motion)
    names = "\n".join(f"{path.name} {path.stat().st_size}" for path in motions)
    kept = hashlib.sha256(names.encode()).hexdigest()[:8] if motions else "own"
    folder = cache_dir("truth") / f"v{TAKE_VERSION}-{args.split}-{kept}"
    return ensure_takes(folder, args.split, args.takes, motions=motions)


def _motions(folder: Path | None) -> list[Path]:
    from twinsdk.core.files import existing_folder

    if folder is None:
        return []
    inside = existing_folder(folder, what="evaluate: --motion").rglob("*")
    found = sorted(path for path in inside if path.suffix.lower() in _MOTION_SUFFIXES)
    if not found:
        raise UsageError(f"evaluate: expected motion files, found none: {folder}")
    return found


def _rates(args: argparse.Namespace) -> dict[str, float]:
    from twinsdk.session.evaluate_live import live_rates
    from twinsdk.session.truth_scene import scene_of

    return live_rates(scene_of(args.split, 0, motions=tuple(_motions(args.motion))))


def _save(path: Path, results: dict[str, Any]) -> None:
    from twinsdk.core.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_plain(results), indent=1) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return the value with null for what is not finite, which JSON cannot write."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
