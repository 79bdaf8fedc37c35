"""`twinsdk retarget`: motion files onto an avatar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twinsdk.errors import UsageError

if TYPE_CHECKING:
    from twinsdk.core.avatar import Avatar
    from twinsdk.core.skeleton import Skeleton
    from twinsdk.retarget import FileReport

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Put motion files onto an avatar."
EXAMPLES = """examples:
  twinsdk retarget walk.bvh --to me.vrm -o walk.vrma
  twinsdk retarget captures/ --to default -o out/ --format bvh --workers 2 --report report.json
  twinsdk retarget odd.bvh --to me.vrm --write-map odd.json
  twinsdk retarget odd.bvh --to me.vrm --map odd.json -o odd.glb
"""
_SUFFIXES = (".vrm", ".glb", ".gltf", ".npz", ".bvh", ".fbx", ".vrma", ".amc", ".gz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `retarget`."""
    parser.add_argument("sources", nargs="+", metavar="SRC", help="files, folders, globs")
    parser.add_argument(
        "--to", required=True, metavar="AVATAR", help=".vrm, .glb, a motion file, or 'default'"
    )
    parser.add_argument("-o", "--out", metavar="OUT", help="a folder, or a file for one source")
    parser.add_argument("--format", metavar="EXT", help="of the results: bvh, glb, npz, vrma")
    parser.add_argument(
        "--root",
        default="full",
        choices=("full", "in-place", "preserve-distance"),
        help="travel in leg lengths, none, or in metres (default: full)",
    )
    parser.add_argument("--no-plant", action="store_true", help="leave standing feet to slide")
    parser.add_argument("--map", metavar="FILE.json", help="which joint of the source is which")
    parser.add_argument(
        "--write-map", metavar="FILE.json", help="write the map found for the first source"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="work on a Ray cluster: auto, HOST:6379, or local"
    )
    parser.add_argument("--report", metavar="FILE.json", help="what became of every file")
    parser.add_argument("--resume", action="store_true", help="skip results that are there")


def run(args: argparse.Namespace) -> int:
    """Run `retarget` and return its exit code: 2 if any file failed."""
    from tqdm import tqdm

    from twinsdk.retarget import RetargetConfig, load_map, retarget_files, save_report
    from twinsdk.retarget.batch import find_sources

    if args.out is None and args.write_map is None:
        raise UsageError("retarget: expected -o OUT, or --write-map FILE.json alone")
    if args.write_map is not None:
        _write_map(find_sources(args.sources)[0][0], args.write_map)
        if args.out is None:
            return 0
    roles = None if args.map is None else load_map(args.map)
    config = RetargetConfig(root=args.root, plant_feet=not args.no_plant, source_roles=roles)
    count = len(find_sources(args.sources))
    reports: list[FileReport] = []
    bar = tqdm(total=count, unit=" files", disable=None if count > 1 else True)

    def show(report: FileReport) -> None:
        reports.append(report)
        bar.update()
        if report.status == "failed":
            with bar.external_write_mode(file=sys.stderr):
                print(f"twinsdk retarget: {report.error}", file=sys.stderr)

    try:
        retarget_files(
            args.sources,
            _figure(args.to),
            args.out,
            suffix=args.format,
            config=config,
            workers=args.workers,
            ray=args.ray,
            resume=args.resume,
            on_done=show,
        )
    finally:
        bar.close()
        if args.report is not None and reports:
            save_report(args.report, sorted(reports, key=lambda report: report.source))
    return _summary(reports)


def _figure(name: str) -> Avatar | Skeleton:
    if name.lower().endswith(_SUFFIXES):
        from twinsdk.retarget import load_figure

        return load_figure(name)
    from twinsdk.avatar import load_avatar

    return load_avatar(name)


def _write_map(source: Path, path: str) -> None:
    from twinsdk.formats import load_clip
    from twinsdk.retarget import humanoid_map, save_map

    found = humanoid_map(load_clip(source).skeleton)
    save_map(path, found)
    unsure = [role for role, sure in found.confidence.items() if sure < 0.7]
    print(f"{path}  {len(found.roles)} joints of {source.name}, unsure: {', '.join(unsure) or '-'}")


def _summary(reports: list[FileReport]) -> int:
    by_status = {
        kind: [report for report in reports if report.status == kind]
        for kind in ("done", "skipped", "failed")
    }
    frames = sum(report.frames for report in by_status["done"])
    print(
        f"{len(by_status['done'])} done ({frames} frames), {len(by_status['skipped'])} skipped, "
        f"{len(by_status['failed'])} failed"
    )
    for report in by_status["done"][:1] if len(reports) == 1 else ():
        sure = min(report.confidence.values(), default=1.0)
        error = report.measures["limb_error_mean_deg"]
        print(
            f"{report.target}  {len(report.roles)} joints mapped (least sure {sure:.2f}), "
            f"limbs within {error:.2f} degrees on average"
        )
        for note in report.notes:
            print(f"  {note}")
    return 2 if by_status["failed"] else 0
