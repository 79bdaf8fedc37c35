"""`twinsdk capture`, also `twin-capture`: webcam, video or images to twin to stream."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from twinsdk.cli.capture_outputs import Outputs, check_outputs, write_report
from twinsdk.errors import UsageError

if TYPE_CHECKING:
    from twinsdk.capture.camera_rig import CameraRig

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "interruptible", "run"]

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5560"
SUMMARY = "Follow a person through a camera, video or images and stream their twin."
EXAMPLES = """examples:
  twinsdk capture                                   the first camera; without one, the sample clip
  twinsdk capture --cam 0 --preview                 a window: camera with landmarks beside the twin
  twinsdk capture --video dance.mp4 --record dance.bvh --record dance.vrma
  twinsdk capture --sample --render twin.mp4 --no-stream
  twinsdk capture --cam 1 --avatar me.vrm --stream tcp://127.0.0.1:6000
  twinsdk capture --cam 0 --profile ada --preview   what was learnt of Ada is kept; h lists keys
  twinsdk capture --cam 0 --people 2 --record us.bvh  two twins; the second one's file is us-2.bvh
  twinsdk capture --cam 0 --follow nearest --preview  whoever is nearest; a click chooses another
  twinsdk capture --cam 0 --cam 1 --calibrate room.json     two cameras, once
  twinsdk capture --cam 0 --cam 1 --calibration room.json   depth is measured then, not guessed
  twinsdk capture --xr                              a headset instead, see `twinsdk view`
  twinsdk capture --sample --no-stream --benchmark  time of every stage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `capture`."""
    source = parser.add_argument_group("what to watch (one of)").add_mutually_exclusive_group()
    source.add_argument(
        "--cam",
        type=int,
        action="append",
        metavar="N",
        help="camera number, see --list-cameras; several with --calibration",
    )
    source.add_argument(
        "--video",
        action="append",
        metavar="FILE",
        help="a video file; several views of one scene with --calibration",
    )
    source.add_argument("--images", metavar="DIR", help="a folder of pictures, in name order")
    source.add_argument(
        "--sample",
        nargs="?",
        const="sample",
        choices=["sample", "self"],
        metavar="NAME",
        help="'sample': a clip of a person; 'self': a close-up of our own avatar with its truth",
    )
    source.add_argument(
        "--xr",
        nargs="?",
        const="webxr",
        choices=["webxr", "openxr", "unity"],
        metavar="AXES",
        help="a headset and controllers that listen to the stream; AXES of its client: "
        "webxr (default), openxr, unity",
    )
    source.add_argument("--list-cameras", action="store_true", help="list the cameras and stop")
    camera = parser.add_argument_group("camera")
    camera.add_argument("--width", type=int, metavar="PX", help="width to ask the camera for")
    camera.add_argument("--height", type=int, metavar="PX", help="height to ask the camera for")
    camera.add_argument("--fps", type=float, help="rate to ask the camera for; for images, theirs")
    camera.add_argument(
        "--calibrate",
        metavar="FILE.json",
        help="calibrate the cameras with the board of --board, write FILE and stop",
    )
    camera.add_argument("--calibration", metavar="FILE.json", help="use what --calibrate wrote")
    camera.add_argument("--board", metavar="FILE.png", help="write the board to print and stop")
    camera.add_argument(
        "--square-mm",
        type=float,
        default=30.0,
        metavar="MM",
        help="side of the board's squares as printed (default: %(default)g)",
    )
    camera.add_argument(
        "--realtime",
        action="store_true",
        help="play a video at its own speed, dropping late frames",
    )
    twin = parser.add_argument_group("twin")
    twin.add_argument(
        "--avatar", default="default", metavar="FILE|NAME", help=".vrm or .glb, or 'default'"
    )
    twin.add_argument(
        "--mode",
        choices=["light", "balanced", "performance"],
        default="balanced",
        help="how much the tracker looks at (default: %(default)s)",
    )
    twin.add_argument(
        "--people", type=int, default=1, metavar="N", help="follow up to N people (default: 1)"
    )
    twin.add_argument(
        "--follow",
        metavar="WHO",
        help="of several people: largest, nearest, left, right, or X,Y in fractions of the picture",
    )
    twin.add_argument(
        "--profile",
        metavar="NAME",
        help="start from what earlier sessions learnt of this person (height, lengths, face at "
        "rest) and save it at the end; a name, or a .json file; stays on this machine",
    )
    twin.add_argument(
        "--person-height",
        type=float,
        metavar="CM",
        help="of the person, shoes on (default: the profile's, else 170)",
    )
    twin.add_argument(
        "--wearer-height", type=float, metavar="CM", help="of the headset's wearer, else measured"
    )
    twin.add_argument(
        "--no-motion-model",
        dest="motion_model",
        action="store_false",
        help="whoever leaves rests, instead of idling on",
    )
    twin.add_argument(
        "--predict-ms",
        type=float,
        default=0.0,
        metavar="MS",
        help="show everybody so far ahead, up to 250, to hide that much delay (default: 0)",
    )
    twin.add_argument(
        "--fill-fps",
        type=float,
        default=30.0,
        metavar="FPS",
        help="frames a second that a camera's twin is put out with at least, filled in where the "
        "tracker is slower; 0 fills in nothing (default: %(default)g)",
    )
    twin.add_argument("--mirror", action="store_true", help="mirror preview and film, not the data")
    twin.add_argument("--max-frames", type=int, metavar="N", help="stop after N frames")
    out = parser.add_argument_group("where to")
    out.add_argument(
        "--stream",
        default=DEFAULT_ENDPOINT,
        metavar="ENDPOINT",
        help="ZeroMQ endpoint to publish on (default: %(default)s)",
    )
    out.add_argument(
        "--announce", metavar="NAME", help="let receivers in the local network find it (mDNS)"
    )
    out.add_argument(
        "--virtual-camera",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="show the twin as a camera that other programs see",
    )
    out.add_argument(
        "--no-stream", dest="stream", action="store_const", const=None, help="do not publish"
    )
    out.add_argument(
        "--vmc",
        metavar="HOST:PORT",
        help="send to a VMC receiver too (VSeeFace, Warudo, EVMC4U...; port 39539 by habit)",
    )
    out.add_argument(
        "--record",
        action="append",
        default=[],
        metavar="FILE",
        help="record to .bvh, .npz, .vrma or .glb; may be given several times",
    )
    out.add_argument("--render", metavar="FILE.mp4", help="film: the input beside the moving twin")
    out.add_argument("--sheet", metavar="FILE.png", help="picture: moments of that film")
    out.add_argument("--report", metavar="FILE.json", help="counts and times of every stage")
    window = out.add_mutually_exclusive_group()
    window.add_argument(
        "--preview",
        action="store_true",
        help="open a window: h lists its keys; with --follow or --people a click chooses",
    )
    window.add_argument("--headless", action="store_true", help="no window (the default)")
    out.add_argument("--benchmark", action="store_true", help="print the time of every stage")
    out.add_argument("--quiet", action="store_true", help="no status line")


def run(args: argparse.Namespace) -> int:
    """Run `capture` and return its exit code."""
    if args.list_cameras:
        return _list_cameras()
    if args.board or args.calibrate:
        from twinsdk.cli import calibrate

        return calibrate.run(args)
    if args.max_frames is not None and args.max_frames < 1:
        raise UsageError(f"--max-frames: expected at least 1, got {args.max_frames}")
    if args.xr is not None:
        from twinsdk.cli.capture_xr import run as run_xr

        return run_xr(args)
    check_outputs(args)
    from twinsdk.avatar import load_avatar
    from twinsdk.cli.capture_profile import profile_of, save_profile
    from twinsdk.cli.status import StatusLine
    from twinsdk.motion import FitConfig
    from twinsdk.session.live import Session, SessionConfig
    from twinsdk.session.report import benchmark_table, report_of
    from twinsdk.session.source import open_source

    profile = profile_of(args)
    fit = (
        FitConfig() if args.person_height is None else FitConfig(height_m=args.person_height / 100)
    )
    specs, options = sources_of(args)
    calibration = _calibration(args, len(specs))
    with ExitStack() as stack:
        avatar = load_avatar(args.avatar)
        source = stack.enter_context(open_source(specs, **options))
        reopen = None if source.live else (lambda: open_source(specs, **options))
        outputs = Outputs(args, avatar, reopen, stack)
        config = SessionConfig(
            mode=args.mode,
            people=args.people,
            follow=args.follow,
            max_frames=args.max_frames,
            motion_model=args.motion_model,
            predict_s=args.predict_ms / 1000,
            calibration=calibration,
            fill_fps=args.fill_fps or None,
            profile=profile,
            fit=fit,
        )
        session = stack.enter_context(
            Session(source, avatar, config=config, publisher=outputs.publisher)
        )
        if args.preview:
            outputs.open_window(session, args, stack)
        status = StatusLine(session, endpoint=args.stream, enabled=not args.quiet)
        with interruptible(session) as interrupted:
            for step in session.steps():
                if not outputs.take(step):
                    session.stop()
                status.update(step)
        status.close()
        save_profile(args, session)
        if outputs.film is not None:
            outputs.film.write(progress=not args.quiet)
        report = report_of(
            session,
            frames=status.frames,
            found=status.found,
            fps=status.fps,
            publisher=outputs.publisher,
            recorded=outputs.takes.count,
        )
    if args.report:
        write_report(args.report, report)
    if args.benchmark:
        print(benchmark_table(report))
    return 130 if interrupted else 0


def sources_of(args: argparse.Namespace) -> tuple[list[int | str], dict[str, Any]]:
    """Return what to open, one entry a camera or file, and the options to open it with."""
    options = {"width": args.width, "height": args.height, "fps": args.fps}
    if args.realtime:
        options["realtime"] = True
    for given in (args.cam, args.video, args.images, args.sample):
        if given is not None:
            return (given if isinstance(given, list) else [given]), options
    from twinsdk.capture import list_cameras

    cameras = list_cameras()
    if cameras:
        return [cameras[0].index], options
    print("no camera here: showing the sample clip (--help lists the sources)", file=sys.stderr)
    return ["sample"], options


def _calibration(args: argparse.Namespace, count: int) -> CameraRig | None:
    if args.calibration is None:
        if count > 1:
            raise UsageError(
                f"--calibration: expected one for {count} cameras; make it with "
                "twin-capture --board board.png, then --calibrate room.json"
            )
        return None
    from twinsdk.capture.camera_rig import CameraRig

    return CameraRig.load(args.calibration)


def _list_cameras() -> int:
    from twinsdk.capture import list_cameras

    cameras = list_cameras()
    for camera in cameras:
        print(f"{camera.index}  {camera.name}  {camera.path}")
    if not cameras:
        print("no camera found; a video file works too: --video FILE, or --sample")
    return 0


@contextmanager
def interruptible(session: Any) -> Iterator[list[int]]:
    """Make the first Ctrl-C end the loop so that outputs are completed; the second raises."""
    caught: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        session.stop()
        if len(caught) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
