"""A live camera: a thread grabs, the newest frame wins, and unplugging is survived."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2

from twinsdk.capture.cameras import camera_name, why_no_camera
from twinsdk.capture.opencv import quiet_opencv, rgb_from_bgr
from twinsdk.capture.slot import LatestSlot
from twinsdk.capture.source import BaseSource, SourceStatus
from twinsdk.core.arrays import Array
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.image import Image
from twinsdk.errors import DeviceError

__all__ = ["CaptureDevice", "WebcamConfig", "WebcamSource"]

_MJPG_FROM_ROWS = 720
_PROBE_STEP_PX = 8  # a sensor's noise changes some of these pixels in every picture


class CaptureDevice(Protocol):
    """The part of `cv2.VideoCapture` that is used here."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102
    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, prop: int, /) -> float: ...  # noqa: D102
    def set(self, prop: int, value: float, /) -> bool: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class WebcamConfig:
    """When a camera counts as lost, and how it is sought again.

    Attributes:
        open_timeout_s: To the first frame; slow USB cameras take 2 to 3 s.
        stall_s: Without a new picture for so long it counts as lost, also where a driver repeats
            the last one; dim light brings some cameras to 5 fps.
        failed_grabs: So many failures in a row mean unplugged; single ones happen on busy USB,
            and several while some cameras warm up.
        failed_wait_s: Wait after a failure; a device that is gone fails at once.
        retry_first_s: Wait before the first attempt to reopen.
        retry_most_s: The wait doubles up to this.
        patience_s: How long iteration waits for a frame before DeviceLostError.
    """

    open_timeout_s: float = 10.0
    stall_s: float = 2.0
    failed_grabs: int = 10
    failed_wait_s: float = 0.05
    retry_first_s: float = 0.25
    retry_most_s: float = 4.0
    patience_s: float = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grabbed:
    frame: Array
    timestamp_ns: int
    index: int


class WebcamSource(BaseSource):
    """A camera by its index.

    Attributes:
        reopened: How many times it came back after it was lost.
    """

    live = True

    def __init__(
        self,
        index: int,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        max_frames: int | None = None,
        config: WebcamConfig | None = None,
        device: Callable[[int], CaptureDevice] | None = None,
        clock: Clock = now_ns,
    ) -> None:
        """Open the camera and wait for its first frame.

        Args:
            index: As `list_cameras` gives it.
            width: Asked of the camera, which may choose another; `size_px` tells.
            height: As `width`.
            fps: Asked of the camera.
            max_frames: End after so many were read.
            config: See `WebcamConfig`.
            device: Opens the camera; OpenCV when None.
            clock: Stamps the frames, monotonic nanoseconds.

        Raises:
            DeviceError: There is no such camera, it is busy, or it gives no picture in time.
        """
        super().__init__(name=camera_name(index), max_frames=max_frames)
        self.index = index
        self.reopened = 0
        self._config = config or WebcamConfig()
        self.patience_s = self._config.patience_s
        self._wanted = (width, height, fps)
        self._device = device or _opencv_device
        self._clock = clock
        self._slot: LatestSlot[_Grabbed] = LatestSlot()
        self._grabbed = 0
        self._lost = False
        self._last_ns = clock()
        self._probe = b""
        self._answered = threading.Event()
        self._failed_first = False
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        try:
            self._await_first_frame()
        except BaseException:
            self.close()
            raise

    def _await_first_frame(self) -> None:
        answered = self._answered.wait(self._config.open_timeout_s)
        if answered and not self._failed_first:
            return
        reason = (
            why_no_camera(self.index)
            if answered
            else f"no picture within {self._config.open_timeout_s:g} s; replug it"
        )
        raise DeviceError(f"{self.name}: cannot be opened: {reason}")

    @property
    def status(self) -> SourceStatus:
        """LOST while it is unplugged or frozen; frames resume by themselves."""
        status = super().status
        silent_s = (self._clock() - self._last_ns) * 1e-9
        if status is SourceStatus.RUNNING and (self._lost or silent_s > self._config.stall_s):
            return SourceStatus.LOST
        return status

    @property
    def dropped(self) -> int:
        """Frames replaced by a newer one before anyone read them."""
        return self._slot.dropped

    def _next(self, timeout_s: float) -> Image | None:
        grabbed = self._slot.take(timeout_s)
        if grabbed is None:
            return None
        # Colours are turned here, so that no time is spent on frames that nobody reads.
        pixels = rgb_from_bgr(grabbed.frame)
        return Image(pixels=pixels, timestamp_ns=grabbed.timestamp_ns, index=grabbed.index)

    def _release(self) -> None:
        self._slot.finish(discard=True)
        # A grab that hangs cannot be cancelled; its thread lets go of the device when it wakes.
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        wait_s = self._config.retry_first_s
        while not self._closing.is_set():
            before = self._grabbed
            self._use_once()
            if before == self._grabbed and not self._answered.is_set():
                self._failed_first = True
            self._lost = True
            self._answered.set()
            came = self._grabbed > before
            wait_s = self._config.retry_first_s if came else wait_s
            if self._closing.wait(wait_s):
                return
            wait_s = min(2 * wait_s, self._config.retry_most_s)

    def _use_once(self) -> None:
        """Open the device and grab from it until it fails or the source is closed."""
        device = None
        try:
            with quiet_opencv():
                device = self._device(self.index)
                if device.isOpened():
                    self._ask_for(device)
                    self._grab(device)
        except (cv2.error, OSError):  # drivers throw when the device goes away under them
            pass
        finally:
            if device is not None:
                device.release()

    def _ask_for(self, device: CaptureDevice) -> None:
        width, height, fps = self._wanted
        if (height or 0) >= _MJPG_FROM_ROWS or (width or 0) >= _MJPG_FROM_ROWS * 16 / 9:
            # Uncompressed 720p fills USB 2 at about 10 fps; the code must precede the size.
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        for prop, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
        ):
            if value is not None:
                device.set(prop, value)
        stated = device.get(cv2.CAP_PROP_FPS)
        self.fps = stated if 0 < stated < 1000 else float(fps or 30)

    def _grab(self, device: CaptureDevice) -> None:
        failures = 0
        while not self._closing.is_set() and failures < self._config.failed_grabs:
            ok = device.grab()
            timestamp_ns = self._clock()  # before decoding, as near to the exposure as we get
            frame = device.retrieve()[1] if ok else None
            if frame is None or frame.size == 0:
                failures += 1
                self._closing.wait(self._config.failed_wait_s)
                continue
            failures = 0
            self._accept(frame, timestamp_ns)

    def _accept(self, frame: Array, timestamp_ns: int) -> None:
        probe = frame[::_PROBE_STEP_PX, ::_PROBE_STEP_PX].tobytes()
        frozen_s = (timestamp_ns - self._last_ns) * 1e-9
        if probe == self._probe and frozen_s > self._config.stall_s:
            return
        self.size_px = (int(frame.shape[1]), int(frame.shape[0]))
        if probe != self._probe:
            self._probe, self._last_ns = probe, timestamp_ns
        self.reopened += self._lost
        self._lost = False
        self._slot.put(_Grabbed(frame=frame, timestamp_ns=timestamp_ns, index=self._grabbed))
        self._grabbed += 1
        self._answered.set()


def _opencv_device(index: int) -> CaptureDevice:
    backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    device: CaptureDevice = cv2.VideoCapture(index, backend)
    return device
