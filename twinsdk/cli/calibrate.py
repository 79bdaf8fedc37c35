"""`twin-capture --board` and `--calibrate`: the board to print, and cameras measured with it."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from twinsdk.errors import OutputError

if TYPE_CHECKING:
    from twinsdk.capture.board import BoardViews
    from twinsdk.capture.source import FrameSource

__all__ = ["run"]

_SQUARE_PX = 354  # 30 mm at 300 dots an inch


def run(args: argparse.Namespace) -> int:
    """Write the board, or calibrate the cameras; return the exit code."""
    target = Path(args.board or args.calibrate)
    if not target.parent.is_dir():
        raise OutputError(f"no such folder; make it first: {target.parent}")
    from twinsdk.capture.board import Board

    board = Board(args.square_mm / 1000)
    if args.board:
        from twinsdk.render import save_png

        save_png(target, board.picture(_SQUARE_PX))
        print(f"{target}  print it flat, measure a square, tell it with --square-mm")
        return 0
    from twinsdk.capture.board import BoardViews, calibrate
    from twinsdk.cli.capture import sources_of
    from twinsdk.session.source import open_source

    specs, options = sources_of(args)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(specs, **options))
        views = BoardViews(board, len(specs))
        _gather(source, views, args)
    rig = calibrate(views)
    rig.save(target)
    for k, camera in enumerate(rig.cameras):
        away = float((camera.translation**2).sum() ** 0.5)
        place = f", {away:.2f} m from the first" if k else ""
        print(
            f"camera {k + 1}: {camera.lens.fov_deg:.1f} degrees across, "
            f"fits within {camera.error_px:.2f} px{place}"
        )
    print(target)
    return 0


def _gather(source: FrameSource, views: BoardViews, args: argparse.Namespace) -> None:
    """Look for the board until there are views enough, the source ends or Ctrl-C."""
    from tqdm import tqdm

    if source.live:
        print("show the board to every camera, near and far, tilted; Ctrl-C when done")
    bar = tqdm(desc="views of the board", unit=" frames", disable=True if args.quiet else None)
    try:
        with bar:
            for image in source:
                pictures = [image, *image.views]
                if None not in pictures and views.add([p.pixels for p in pictures if p]):
                    bar.set_postfix_str(f"{len(views)} views")
                bar.update()
                if views.full or (args.max_frames and bar.n >= args.max_frames):
                    return
    except KeyboardInterrupt:
        print(file=sys.stderr)
