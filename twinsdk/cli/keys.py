"""`twinsdk keys`: the stream's keys, and the devices that may listen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Make and list the keys of your stream; pair devices with it and shut them out."
EXAMPLES = """examples:
  twinsdk keys                                          who may listen
  twinsdk keys --pair quest3 --at tcp://192.168.0.7:5560   print the token for a headset
  twinsdk keys --pair phone --at tcp://192.168.0.7:5560 --qr   and show it as a QR code
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
    parser.add_argument(
        "--qr",
        nargs="?",
        const="-",
        metavar="FILE.png",
        help="with --pair: the token as a QR code, in the terminal or as a picture",
    )
    parser.add_argument("--folder", metavar="DIR", help="where the keys lie")


def run(args: argparse.Namespace) -> int:
    """Run `keys` and return its exit code."""
    from twinsdk.bridge.keys import clients, make_server_keys, pair, revoke
    from twinsdk.errors import UsageError

    if args.pair and not args.at:
        raise UsageError("--pair: expected --at tcp://HOST:PORT, what the device connects to")
    if args.qr and not args.pair:
        raise UsageError("--qr: expected --pair NAME, whose token it shows")
    draw = _drawer(args.qr) if args.qr else None
    server = make_server_keys(args.folder)
    if args.pair:
        token = str(pair(args.pair, endpoint=args.at, folder=args.folder))
        # The token alone on standard output, so that it can be piped into a file.
        print(token)
        if draw is not None:
            draw(token)
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


def _drawer(place: str) -> Callable[[str], None]:
    """Return what draws a token, found before a device is paired in vain.

    Raises:
        DependencyError: segno is not installed.
        UsageError: `place` is no .png file.
    """
    from twinsdk.core.files import atomic_path
    from twinsdk.errors import DependencyError, UsageError

    try:
        import segno
    except ImportError as error:
        raise DependencyError("--qr needs segno: pip install 'twinsdk[qr]'") from error
    if place != "-" and Path(place).suffix.lower() != ".png":
        raise UsageError(f"--qr: expected a file name that ends in .png, got {place}")
    if not Path(place).parent.is_dir():
        raise UsageError(f"--qr: no such folder: {Path(place).parent}")

    def draw(token: str) -> None:
        code = segno.make(token, micro=False, error="l")
        if place == "-":
            code.terminal(out=sys.stderr, compact=True)
            return
        with atomic_path(place) as file:
            code.save(str(file), scale=8)
        Path(place).chmod(0o600)  # whoever can read it can watch

    return draw
