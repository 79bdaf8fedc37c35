"""`twinsdk keys`: the stream's keys, and the devices that may listen."""

from __future__ import annotations

import argparse

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Make and list the keys of your stream; pair devices with it and shut them out."
EXAMPLES = """examples:
  twinsdk keys                                          who may listen
  twinsdk keys --pair quest3 --at tcp://192.168.0.7:5560   print the token for a headset
  twinsdk keys --revoke quest3                          shut it out
  twinsdk capture --stream tcp://0.0.0.0:5560           then streams to paired devices only
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `keys`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--pair", metavar="NAME", help="let a new device in and print its token")
    what.add_argument("--revoke", metavar="NAME", help="shut a device out")
    parser.add_argument(
        "--at",
        metavar="ENDPOINT",
        help="with --pair: the address the device connects to",
    )
    parser.add_argument("--folder", metavar="DIR", help="where the keys lie")


def run(args: argparse.Namespace) -> int:
    """Run `keys` and return its exit code."""
    from twinsdk.bridge.keys import clients, make_server_keys, pair, revoke
    from twinsdk.errors import UsageError

    if args.pair and not args.at:
        raise UsageError("--pair: expected --at tcp://HOST:PORT, what the device connects to")
    server = make_server_keys(args.folder)
    if args.pair:
        # The token alone on standard output, so that it can be piped into a QR code or a file.
        print(pair(args.pair, endpoint=args.at, folder=args.folder))
    elif args.revoke:
        revoke(args.revoke, folder=args.folder)
        print(f"{args.revoke} is shut out from its next connection on")
    else:
        print(f"stream {server.public}  {server.folder}")
        known = clients(args.folder)
        for name, public in known.items():
            print(f"{name:<20} {public}")
        if not known:
            print("no device is paired yet: twinsdk keys --pair NAME --at tcp://HOST:PORT")
    return 0
