"""The twin as a camera that other programs see: video calls, OBS."""

from __future__ import annotations

import threading
import time

from twinsdk.core.avatar import Avatar
from twinsdk.core.closing import Closing
from twinsdk.errors import DependencyError, DeviceError
from twinsdk.session.film import TwinPanels
from twinsdk.session.live import Step

__all__ = ["VirtualCamera"]

_SIZE_PX = (640, 480)
_RATE_HZ = 30.0
_SHARE = 0.25  # of one core's time: the rest is the tracker's


class VirtualCamera(Closing):
    """Paints the newest step in a thread of its own and gives it to the system's virtual camera.

    Args:
        avatar: Who is shown.
        device: The system's name of the camera, /dev/video2 for instance; None takes the first.

    Raises:
        DependencyError: pyvirtualcam is not installed.
        DeviceError: This system has no virtual camera.
    """

    def __init__(self, avatar: Avatar, *, device: str | None = None) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise DependencyError(
                "virtual camera: needs pyvirtualcam: pip install 'twinsdk[camera]'"
            ) from error
        width, height = _SIZE_PX
        try:
            self._camera = pyvirtualcam.Camera(
                width=width, height=height, fps=_RATE_HZ, device=device
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise DeviceError(
                "virtual camera: this system has none: on Linux load the v4l2loopback module, on "
                f"Windows and macOS install OBS ({reason})"
            ) from error
        self._panels = TwinPanels(avatar, size_px=_SIZE_PX, antialias=1)
        self._newest: Step | None = None
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._paint, name="twinsdk-camera", daemon=True)
        self._thread.start()

    @property
    def device(self) -> str:
        """What other programs call it."""
        return str(self._camera.device)

    def show(self, step: Step) -> None:
        """Offer a step; it is dropped if a newer one comes before it is painted."""
        with self._wake:
            self._newest = step
            self._wake.notify()

    def close(self) -> None:
        """Stop painting and give the camera back; a second call does nothing."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(timeout=5)
        self._camera.close()

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
            # The camera shows one person.
            self._camera.send(self._panels.draw(step.frames[:1], media_ns=step.media_ns))
            painted_s = time.perf_counter() - started
            with self._wake:
                self._wake.wait_for(lambda: self._ended, timeout=painted_s * (1 / _SHARE - 1))
