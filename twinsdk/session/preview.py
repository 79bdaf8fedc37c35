"""The preview window: the camera with its landmarks beside the twin, never holding up the loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from twinsdk.core.arrays import U8
from twinsdk.core.avatar import Avatar
from twinsdk.core.closing import Closing
from twinsdk.render import side_by_side
from twinsdk.render.overlay import draw_hud, draw_label, draw_observation
from twinsdk.render.window import Window
from twinsdk.session.film import TwinPanels
from twinsdk.session.keys import Key, Keys
from twinsdk.session.live import Step

__all__ = ["Preview"]

_SIZE_PX = (400, 400)
_HEIGHT_PX = 480
_SAID_S = 3.0  # that what a key did is shown
_SHARE = 0.25  # of one core's time: the rest is the tracker's


class Preview(Closing):
    """A window with a painter thread of its own and one slot: the newest step wins.

    Args:
        avatar: Who is shown.
        mirror: Whether the picture is mirrored, as in a looking glass; m turns it.
        pick: Called with a place in the camera's picture, in fractions of it, when it is clicked.
        keys: What else can be pressed; m, h and q are the window's own.
        figures: Returns a line for each thing that is to be said of a step.

    Raises:
        DeviceError: There is no display.
    """

    def __init__(
        self,
        avatar: Avatar,
        *,
        mirror: bool = False,
        pick: Callable[[float, float], None] | None = None,
        keys: Sequence[Key] = (),
        figures: Callable[[Step], list[str]] | None = None,
    ) -> None:
        self._keys = Keys(
            [
                *keys,
                Key(letter="m", says="mirror", does=self._turn_mirror),
                Key(letter="h", says="these lines", does=self._turn_help),
            ]
        )
        self._figures = figures
        self._helping = False
        self._said = ""
        self._said_until_s = 0.0
        self._window = Window("twinsdk")
        if pick is not None:
            self._window.on_click(partial(self._picked, pick))
        self._camera_px = (1, 1)  # of the camera's part of the picture
        self._panels = TwinPanels(avatar, size_px=_SIZE_PX, antialias=1)
        self._mirror = mirror
        self._newest: Step | None = None
        self._picture: U8 | None = None
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._paint, name="twinsdk-preview", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop painting and close the window."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(timeout=5)
        self._window.close()

    def show(self, step: Step) -> bool:
        """Offer a step and refresh the window; return False once its user closed it.

        Must be called from the thread that made the window.
        """
        with self._wake:
            self._newest = step
            picture = self._picture
            self._wake.notify()
        shown = self._window.show(picture)
        if said := self._keys.press(self._window.key):
            self._said, self._said_until_s = said, time.monotonic() + _SAID_S
        return shown

    def _turn_mirror(self) -> str:
        self._mirror = not self._mirror
        return f"mirror {'on' if self._mirror else 'off'}"

    def _turn_help(self) -> str:
        self._helping = not self._helping
        return ""

    def _lines(self, step: Step) -> list[str]:
        """Return what is written in the picture's corner."""
        lines = [] if self._figures is None else self._figures(step)
        if time.monotonic() < self._said_until_s:
            lines.append(self._said)
        if self._helping:
            lines += ["", *self._keys.lines(), "q  quit"]
        return lines

    def _picked(self, pick: Callable[[float, float], None], column: int, row: int) -> None:
        x, y = column / self._camera_px[0], row / self._camera_px[1]
        if x < 1:
            pick(1 - x if self._mirror else x, y)

    def _paint(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._ended or self._newest is not None)
                if self._ended:
                    return
                step, self._newest = self._newest, None
            if step is None or not step.frames:
                continue
            started = time.perf_counter()
            left = step.image.pixels
            for observation in step.observations:
                left = draw_observation(left, observation)
            right = self._panels.draw(step.frames, media_ns=step.media_ns)
            if self._mirror:
                left, right = left[:, ::-1], right[:, ::-1]
            both = np.ascontiguousarray(left), np.ascontiguousarray(right)
            picture = side_by_side(*both, height=_HEIGHT_PX)
            self._camera_px = (left.shape[1] * _HEIGHT_PX // left.shape[0], _HEIGHT_PX)
            people = "   ".join(f"{f.state.value} {f.confidence:.0%}" for f in step.frames)
            picture = draw_hud(picture, self._lines(step))
            self._picture = draw_label(picture, f"{people}   h: keys  q: quit")
            self._rest(time.perf_counter() - started)

    def _rest(self, painted_s: float) -> None:
        """Wait so long that painting takes only its share of the time."""
        with self._wake:
            self._wake.wait_for(lambda: self._ended, timeout=painted_s * (1 / _SHARE - 1))
