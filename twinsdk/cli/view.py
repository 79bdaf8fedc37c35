"""`twinsdk view`: the page that shows a stream in browsers, phones and headsets."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Show a stream in browsers, phones, VR and AR."
EXAMPLES = """examples:
  twinsdk view                                     then open the address it prints
  twinsdk view --avatar me.vrm                     the avatar that is streamed
  twinsdk view --host 0.0.0.0 --certificate cert.pem key.pem   for headsets in your network
  adb reverse tcp:8765 tcp:8765                    or: http://localhost:8765 inside a Quest
"""


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
        help="whose mesh is shown; 'none' shows the joints (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="(%(default)s)")
    parser.add_argument(
        "--certificate", nargs=2, metavar=("CERT", "KEY"), help="serve https, as headsets ask"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long")


def run(args: argparse.Namespace) -> int:
    """Run `view` until it is interrupted and return its exit code."""
    with tempfile.TemporaryDirectory(prefix="twinsdk-view-") as folder:
        return asyncio.run(_serve(args, _mesh(args.avatar, Path(folder))))


def _mesh(avatar: str, folder: Path) -> Path | None:
    """Return the avatar as a VRM 1.0 file, whose joints are those of the stream."""
    if avatar == "none":
        return None
    from twinsdk.avatar import load_avatar
    from twinsdk.formats import save_avatar

    file = folder / "avatar.vrm"
    save_avatar(load_avatar(avatar), file)
    return file


async def _serve(args: argparse.Namespace, mesh: Path | None) -> int:
    import secrets

    from twinsdk.bridge.gateway import Gateway, is_loopback

    async with Gateway(
        args.endpoint,
        host=args.host,
        port=args.port,
        avatar_file=mesh,
        secret=None if is_loopback(args.host) else secrets.token_urlsafe(9),
        certificate=tuple(args.certificate) if args.certificate else None,
    ) as gateway:
        print(f"open {gateway.url}", file=sys.stderr, flush=True)
        waited = 0.0
        while args.seconds is None or waited < args.seconds:
            await asyncio.sleep(0.25)
            waited += 0.25
            if gateway.failure is not None:
                raise gateway.failure
    return 0
