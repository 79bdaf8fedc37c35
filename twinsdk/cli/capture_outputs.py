"""Where the steps of `twin-capture` go."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinsdk.errors import OutputError, UsageError

if TYPE_CHECKING:
    from twinsdk.bridge import Publisher
    from twinsdk.bridge.vmc import VmcSender
    from twinsdk.capture import FrameSource
    from twinsdk.core.avatar import Avatar
    from twinsdk.session.film import Film
    from twinsdk.session.live import Session, Step
    from twinsdk.session.preview import Preview
    from twinsdk.session.virtual_camera import VirtualCamera

__all__ = ["Outputs", "check_outputs", "write_report"]


class Outputs:
    """Everything a step goes to, as the options ask; `stack` closes it."""

    def __init__(
        self,
        args: argparse.Namespace,
        avatar: Avatar,
        reopen: Callable[[], FrameSource] | None,
        stack: ExitStack,
    ) -> None:
        from twinsdk.bridge import Publisher
        from twinsdk.bridge.keys import keys_for
        from twinsdk.bridge.vmc import VmcSender
        from twinsdk.session.film import Film
        from twinsdk.session.takes import Takes

        self._avatar = avatar
        self.publisher: Publisher | None = None
        self.film: Film | None = None
        self._vmc: VmcSender | None = None
        if args.stream:
            keys = keys_for(args.stream)
            self.publisher = stack.enter_context(
                Publisher(
                    args.stream,
                    avatar=avatar,
                    avatar_file=_given_away(args.avatar),
                    keys=keys,
                    announce=args.announce,
                )
            )
        self._virtual: VirtualCamera | None = None
        if args.virtual_camera is not None:
            from twinsdk.session.virtual_camera import VirtualCamera

            camera = VirtualCamera(avatar, device=args.virtual_camera or None)
            self._virtual = stack.enter_context(camera)
            print(f"virtual camera: {camera.device}", file=sys.stderr)
        if args.vmc:
            self._vmc = stack.enter_context(VmcSender(args.vmc, avatar=avatar))
        self.takes = stack.enter_context(Takes(args.record, avatar=avatar))
        if args.render or args.sheet:
            film = Film(args.render, args.sheet, avatar=avatar, mirror=args.mirror, reopen=reopen)
            self.film = stack.enter_context(film)
        self.window: Preview | None = None

    def open_window(self, session: Session, args: argparse.Namespace, stack: ExitStack) -> None:
        """Open the preview, whose keys tell `session` what to do.

        Raises:
            DeviceError: There is no display.
        """
        from twinsdk.session.figures import figures_of
        from twinsdk.session.keys import session_keys
        from twinsdk.session.preview import Preview

        def figures(step: Step) -> list[str]:
            recorded = f"REC {self.takes.seconds:.0f} s"
            return [figures_of(session, step).line(), *([recorded] * self.takes.running)]

        window = Preview(
            self._avatar,
            mirror=args.mirror,
            pick=session.follow if args.follow or args.people > 1 else None,
            keys=session_keys(session, self.takes),
            figures=figures,
        )
        self.window = stack.enter_context(window)

    def take(self, step: Step) -> bool:
        """Hand on one step; return False once the user closed the window."""
        if not step.filled:  # whoever reads a recording knows what comes next, and need not guess
            for frame in step.frames:
                self.takes.add(frame, step.media_ns)
        if self._vmc is not None:
            for frame in step.frames[:1]:  # VMC knows one person
                self._vmc.send(frame)
        if self._virtual is not None:
            self._virtual.show(step)
        if self.film is not None:
            self.film.add(step)
        return self.window is None or self.window.show(step)


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written before the first frame, not after the last."""
    wanted = {"--render": (".mp4", ".webm"), "--sheet": (".png",), "--report": (".json",)}
    for option, suffixes in wanted.items():
        given = getattr(args, option.removeprefix("--"))
        if given is None:
            continue
        path = Path(given)
        if path.suffix.lower() not in suffixes:
            raise UsageError(f"{option}: expected {' or '.join(suffixes)}, got: {path}")
        if not path.parent.is_dir():
            raise OutputError(f"{option}: no such folder; make it first: {path.parent}")


def write_report(path: str, report: dict[str, Any]) -> None:
    """Write the report as JSON."""
    from twinsdk.core.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")


def _given_away(avatar: str) -> Path | None:
    """Return the avatar's file where receivers can be given it: a binary glTF the user named."""
    path = Path(avatar)
    return path if path.suffix.lower() in {".vrm", ".glb"} and path.is_file() else None
