"""`twinsdk relay`: repeat streams for many receivers, other machines or further relays."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Repeat one or more streams for many receivers."
EXAMPLES = """examples:
  twinsdk relay tcp://127.0.0.1:5560 --at tcp://127.0.0.1:5570
  twinsdk relay TOKEN_A TOKEN_B --at tcp://0.0.0.0:5570   a room of two performers, with keys
"""
_STATUS_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relay`."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="endpoints or pairing tokens")
    parser.add_argument(
        "--at", required=True, metavar="ENDPOINT", help="where this relay sends from"
    )
    parser.add_argument("--keys", metavar="DIR", help="folder of this relay's keys")
    parser.add_argument(
        "--announce", metavar="NAME", help="let receivers in the local network find it (mDNS)"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    parser.add_argument("--quiet", action="store_true", help="no status line")


def run(args: argparse.Namespace) -> int:
    """Run `relay` until it is interrupted and return its exit code."""
    from twinsdk.bridge import Relay
    from twinsdk.bridge.discovery import Announcement
    from twinsdk.bridge.endpoints import parse_endpoint
    from twinsdk.bridge.keys import keys_for

    keys = keys_for(args.at, args.keys)
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(args.sources, args.at, keys=keys))
        if args.announce:
            places = parse_endpoint(relay.endpoint), parse_endpoint(relay.state_endpoint)
            stack.enter_context(
                Announcement(args.announce, pose=places[0], state=places[1], secure=bool(keys))
            )
        print(f"relaying from {relay.endpoint}", file=sys.stderr)
        end = None if args.seconds is None else time.monotonic() + args.seconds
        while end is None or time.monotonic() < end:
            time.sleep(_STATUS_S if end is None else min(_STATUS_S, max(0, end - time.monotonic())))
            stats = relay.stats
            if not args.quiet:
                print(
                    f"twins {stats.avatars}  frames {stats.outlet.sent}  "
                    f"receivers {stats.outlet.clients}  collisions {stats.collisions}",
                    file=sys.stderr,
                )
    return 0
