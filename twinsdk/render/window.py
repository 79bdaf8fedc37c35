"""A window on the screen that shows pictures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from twinsdk.core.arrays import U8
from twinsdk.errors import DeviceError

__all__ = ["Window"]

_QUIT_KEYS = (ord("q"), 27)  # q, Escape


class Window:
    """One window; use it from the thread that made it.

    Attributes:
        key: What was pressed when the last picture was shown, "" for nothing.

    Raises:
        DeviceError: There is no display, or OpenCV was built without windows.
    """

    def __init__(self, title: str) -> None:
        import cv2

        self._cv2, self._title = cv2, title
        self._shown = False
        self.key = ""
        has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.platform.startswith("linux") and not has_display:
            raise DeviceError("preview: there is no display here; use --headless, or --render FILE")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise DeviceError(
                "preview: this OpenCV has no windows; use --headless, or --render FILE"
            ) from error

    def on_click(self, clicked: Callable[[int, int], None]) -> None:
        """Call `clicked(column, row)` of the shown picture where the left button goes down."""

        def heard(event: int, x: int, y: int, _flags: int, _param: object) -> None:
            if event == self._cv2.EVENT_LBUTTONDOWN:
                clicked(x, y)

        self._cv2.setMouseCallback(self._title, heard)

    def show(self, picture: U8 | None) -> bool:
        """Show a picture (None: the one before); return False once the user closed it."""
        if picture is not None:
            if not self._shown:
                self._cv2.resizeWindow(self._title, picture.shape[1], picture.shape[0])
            self._cv2.imshow(self._title, picture[..., ::-1])
            self._shown = True
        pressed = self._cv2.waitKey(1) & 0xFF
        self.key = chr(pressed) if pressed < 128 else ""
        if pressed in _QUIT_KEYS:
            return False
        visible = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE)
        return not self._shown or visible >= 1

    def close(self) -> None:
        """Close the window."""
        self._cv2.destroyWindow(self._title)
