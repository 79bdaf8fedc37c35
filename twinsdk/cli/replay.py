"""`twinsdk replay`: an MCAP recording as a live stream."""

from __future__ import annotations

import argparse
import sys

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Play a recording as a live stream, at any speed."
EXAMPLES = """examples:
  twinsdk replay take.mcap
  twinsdk replay take.mcap --speed 0.5 --loop --to tcp://127.0.0.1:6000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `replay`."""
    from twinsdk.cli.capture import DEFAULT_ENDPOINT

    parser.add_argument("file", metavar="FILE.mcap", help="a recording")
    parser.add_argument(
        "--to", default=DEFAULT_ENDPOINT, metavar="ENDPOINT", help="default: %(default)s"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast")
    parser.add_argument("--loop", action="store_true", help="again and again")


def run(args: argparse.Namespace) -> int:
    """Run `replay` and return its exit code."""
    from twinsdk.bridge import Publisher
    from twinsdk.bridge.keys import keys_for
    from twinsdk.bridge.recorder import Recording, replay
    from twinsdk.errors import UsageError

    if not args.speed > 0:
        raise UsageError(f"--speed: expected more than 0, got {args.speed}")
    recording = Recording(args.file)
    avatars = recording.descriptors()
    sent = 0
    with Publisher(args.to, avatar=avatars, keys=keys_for(args.to)) as publisher:
        print(f"playing to {publisher.endpoint}", file=sys.stderr)
        for _ in replay(recording, publisher, speed=args.speed, loops=0 if args.loop else 1):
            sent += 1
    print(f"{sent} frames", file=sys.stderr)
    return 0
