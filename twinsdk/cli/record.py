"""`twinsdk record`: a stream into an MCAP file."""

from __future__ import annotations

import argparse
import sys
import time

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Record a stream to an MCAP file that Foxglove's tools read too."
EXAMPLES = """examples:
  twinsdk record take.mcap                               the stream of `twinsdk capture`
  twinsdk record take.mcap --from tcp://127.0.0.1:6000 --seconds 30
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `record`."""
    from twinsdk.cli.capture import DEFAULT_ENDPOINT

    parser.add_argument("file", metavar="FILE.mcap", help="where to")
    parser.add_argument(
        "--from",
        dest="endpoint",
        default=DEFAULT_ENDPOINT,
        metavar="ENDPOINT",
        help="endpoint or pairing token (default: %(default)s)",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    parser.add_argument(
        "--wait", type=float, default=10.0, metavar="S", help="for the first frame (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Run `record` until it is interrupted and return its exit code."""
    from twinsdk.bridge import Subscriber
    from twinsdk.bridge.recorder import Recorder
    from twinsdk.errors import FormatError

    if not args.file.endswith(".mcap"):
        raise FormatError(f"recording: expected a name that ends with .mcap, got {args.file}")
    with Subscriber(args.endpoint, name="twinsdk record") as subscriber:
        subscriber.wait(args.wait)
        with Recorder(args.file) as recorder:
            end = None if args.seconds is None else time.monotonic() + args.seconds
            try:
                while end is None or time.monotonic() < end:
                    frame = subscriber.recv(0.2)
                    if frame is not None:
                        descriptor = subscriber.descriptors[frame.avatar_id]
                        recorder.add_message(subscriber.message, descriptor=descriptor)
            finally:
                lost = subscriber.stats.lost
                print(
                    f"{recorder.frames} frames, {lost} lost on the way: {args.file}",
                    file=sys.stderr,
                )
    return 0
