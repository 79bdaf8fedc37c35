"""`twin-capture --xr`: a headset and its controllers instead of a camera."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from twinsdk.errors import UsageError

__all__ = ["run"]

_SAY_EVERY = 150


def run(args: argparse.Namespace) -> int:
    """Run `capture --xr` and return its exit code."""
    _check(args)
    from twinsdk.avatar import load_avatar
    from twinsdk.bridge import Publisher
    from twinsdk.bridge.keys import keys_for
    from twinsdk.bridge.vmc import VmcSender
    from twinsdk.cli.capture import interruptible
    from twinsdk.session.recorder import Recorder
    from twinsdk.session.xr import XrConfig, XrSession

    config = XrConfig(
        convention=args.xr,
        height_m=None if args.wearer_height is None else args.wearer_height / 100,
        max_frames=args.max_frames,
        motion_model=args.motion_model,
        predict_s=args.predict_ms / 1000,
    )
    with ExitStack() as stack:
        avatar = load_avatar(args.avatar)
        publisher = stack.enter_context(
            Publisher(args.stream, avatar=avatar, keys=keys_for(args.stream))
        )
        recorder = (
            stack.enter_context(Recorder(args.record, avatar=avatar)) if args.record else None
        )
        vmc = stack.enter_context(VmcSender(args.vmc, avatar=avatar)) if args.vmc else None
        session = stack.enter_context(XrSession(publisher, avatar, config))
        if not args.quiet:
            print(
                f"waiting on {publisher.endpoint} for a headset: open the page of `twinsdk view` "
                "in it, or a client of yours; then stand in a T-pose for a second",
                file=sys.stderr,
            )
        with interruptible(session) as interrupted:
            for frame in session:
                if recorder is not None:
                    recorder.add(frame, frame.timestamp_ns)
                if vmc is not None:
                    vmc.send(frame)
                if not args.quiet and frame.sequence % _SAY_EVERY == 0:
                    _say(session)
    return 130 if interrupted else 0


def _say(session: object) -> None:
    from twinsdk.session.xr import XrSession

    assert isinstance(session, XrSession)  # noqa: S101  # ours alone
    known = session.rig.calibration
    if known is not None:
        how = "T-pose seen" if known.measured else "no T-pose seen yet"
        print(f"{session.wearer}  {known.height_m:.2f} m tall, {how}", file=sys.stderr)


def _check(args: argparse.Namespace) -> None:
    if not args.stream:
        raise UsageError("--xr: expected --stream, for the headset sends its poses up the stream")
    for option in ("render", "sheet", "preview", "report", "benchmark", "profile"):
        if getattr(args, option):
            raise UsageError(f"--xr: expected no --{option}, which goes with a camera")
