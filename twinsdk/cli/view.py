"""`twinsdk view`: the page that shows a stream in browsers, phones and headsets."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinsdk.bridge import SubscriberStats

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Show a stream in browsers, phones, VR and AR."
EXAMPLES = """examples:
  twinsdk view                                     then open the address it prints
  twinsdk view --avatar me.vrm                     the avatar that is streamed
  twinsdk view TOKEN --avatar stream               fetched from the publisher, if it gives it away
  twinsdk view --discover                          what streams are there
  twinsdk view --host 0.0.0.0 --certificate cert.pem key.pem   for headsets in your network
  adb reverse tcp:8765 tcp:8765                    or: http://localhost:8765 inside a Quest
"""

_STEP_S = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `view`."""
    from twinsdk.cli.capture import DEFAULT_ENDPOINT

    parser.add_argument(
        "endpoint",
        nargs="?",
        default=DEFAULT_ENDPOINT,
        metavar="ENDPOINT",
        help="endpoint or pairing token (default: %(default)s)",
    )
    parser.add_argument(
        "--avatar",
        default="default",
        metavar="FILE|NAME",
        help="whose mesh is shown; 'stream' fetches it from the publisher, 'none' shows the joints "
        "(default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="(%(default)s)")
    parser.add_argument(
        "--certificate", nargs=2, metavar=("CERT", "KEY"), help="serve https, as headsets ask"
    )
    parser.add_argument(
        "--discover", action="store_true", help="list the streams that announce themselves and stop"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")


def run(args: argparse.Namespace) -> int:
    """Run `view` until it is interrupted and return its exit code."""
    if args.discover:
        return _list_streams()
    with tempfile.TemporaryDirectory(prefix="twinsdk-view-") as folder:
        mesh = None if args.avatar in ("none", "stream") else _mesh(args.avatar, Path(folder))
        return asyncio.run(_serve(args, mesh, Path(folder)))


def _list_streams() -> int:
    from twinsdk.bridge.discovery import discover

    found = discover()
    for stream in found:
        lock = "with keys, ask for a token" if stream.secure else "open"
        print(f"{stream.name:24} {stream.endpoint:32} {lock}")
    if not found:
        print("no stream announces itself here; start one with --announce NAME", file=sys.stderr)
    return 0


def _mesh(avatar: str, folder: Path) -> Path:
    """Return the avatar as a VRM 1.0 file, whose joints are those of the stream."""
    from twinsdk.avatar import load_avatar
    from twinsdk.formats import save_avatar

    file = folder / f"{Path(avatar).stem}.vrm"
    save_avatar(load_avatar(avatar), file)
    return file


async def _serve(args: argparse.Namespace, mesh: Path | None, folder: Path) -> int:
    import secrets

    from twinsdk.bridge.gateway import Gateway, is_loopback

    async with Gateway(
        args.endpoint,
        host=args.host,
        port=args.port,
        avatar_file=mesh,
        prepare=(lambda file: _mesh(str(file), folder)) if args.avatar == "stream" else None,
        secret=None if is_loopback(args.host) else secrets.token_urlsafe(9),
        certificate=tuple(args.certificate) if args.certificate else None,
    ) as gateway:
        print(f"open {gateway.url}", file=sys.stderr, flush=True)
        waited, steps = 0.0, 0
        while args.seconds is None or waited < args.seconds:
            await asyncio.sleep(_STEP_S)
            waited, steps = waited + _STEP_S, steps + 1
            if gateway.failure is not None:
                raise gateway.failure
            if sys.stderr.isatty() and steps % 4 == 0:
                print(f"\r{_arrival(gateway.stats)}", end="", file=sys.stderr, flush=True)
        print(_arrival(gateway.stats), file=sys.stderr)
    return 0


def _arrival(stats: SubscriberStats) -> str:
    """Return in one line how the stream arrived; the publisher is told the same each second."""
    if not stats.received:
        return "no frame yet"
    return (
        f"{stats.received} frames  {stats.lost} lost  "
        f"age {stats.age_p50_ms:.1f}/{stats.age_p99_ms:.1f} ms (p50/p99)   "
    )
