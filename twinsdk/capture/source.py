"""FrameSource: where pictures come from, and the one function that opens any of them."""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from twinsdk.core.closing import Closing
from twinsdk.core.image import Image
from twinsdk.errors import DeviceLostError, FileMissingError, UsageError

__all__ = ["BaseSource", "FrameSource", "SourceStatus", "open_source"]

T = TypeVar("T")
Self = TypeVar("Self", bound="BaseSource")


class SourceStatus(str, Enum):
    """What a source is doing."""

    RUNNING = "running"
    LOST = "lost"  # a camera stopped answering; it is being reopened
    ENDED = "ended"
    CLOSED = "closed"


@runtime_checkable
class FrameSource(Protocol):
    """A context manager that iterates `Image`s, in order, each once."""

    @property
    def name(self) -> str:
        """What people call it: "camera 0" or a file name."""
        ...

    @property
    def live(self) -> bool:
        """Whether frames come by themselves and the newest wins; else none is ever skipped."""
        ...

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the frames."""
        ...

    @property
    def fps(self) -> float:
        """Frames a second, as the camera or file states it."""
        ...

    @property
    def frame_count(self) -> int | None:
        """Estimated number of frames; None for a camera. Files of variable rate may be off."""
        ...

    @property
    def status(self) -> SourceStatus:
        """What it is doing now."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that came and were replaced by a newer one before anyone read them."""
        ...

    def read(self, timeout_s: float = 1.0) -> Image | None:
        """Return the next frame; None when none came in time, or at the end (see `status`)."""
        ...

    def close(self) -> None:
        """Let go of the device or file; a reader that waits returns at once. Idempotent."""
        ...

    def __iter__(self) -> Iterator[Image]: ...

    def __next__(self) -> Image: ...

    def __enter__(self: T) -> T: ...

    def __exit__(self, *_: object) -> None: ...


class BaseSource(Closing):
    """Counting, ending, iterating and closing, the same for every source."""

    live = False
    patience_s = 30.0
    """How long iteration waits for a live frame before DeviceLostError."""

    def __init__(self, *, name: str, max_frames: int | None) -> None:
        if max_frames is not None and max_frames < 1:
            raise UsageError(f"max_frames: expected at least 1, got {max_frames}")
        self.name = name
        self.size_px: tuple[int, int] = (0, 0)
        self.fps = 0.0
        self.frame_count: int | None = None
        self._left = max_frames
        self._closing = threading.Event()
        self._ended = False

    @property
    def status(self) -> SourceStatus:
        """What the source is doing now."""
        if self._closing.is_set():
            return SourceStatus.CLOSED
        return SourceStatus.ENDED if self._ended else SourceStatus.RUNNING

    @property
    def dropped(self) -> int:
        """Frames replaced by a newer one before anyone read them."""
        return 0

    def read(self, timeout_s: float = 1.0) -> Image | None:
        """Return the next frame; None when none came in `timeout_s`, or at the end."""
        if self._ended or self._closing.is_set():
            return None
        image = self._next(timeout_s)
        if image is not None and self._left is not None:
            self._left -= 1
            self._ended = self._left == 0
        return image

    def close(self) -> None:
        """Let go of the device or file. May be called from any thread, any number of times."""
        if not self._closing.is_set():
            self._closing.set()
            self._release()

    @abstractmethod
    def _next(self, timeout_s: float) -> Image | None:
        """Return a frame, or None when none came; set `_ended` at the end."""

    @abstractmethod
    def _release(self) -> None:
        """Free what was opened; called once."""

    def __iter__(self: Self) -> Self:
        return self

    def __next__(self) -> Image:
        image = self.read(self.patience_s)
        if image is not None:
            return image
        if self.status in (SourceStatus.ENDED, SourceStatus.CLOSED):
            raise StopIteration
        raise DeviceLostError(
            f"{self.name}: no frame for {self.patience_s:g} s; plug it in again or close the "
            "program that holds it"
        )


def open_source(
    spec: int | str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    realtime: bool = False,
    max_frames: int | None = None,
) -> FrameSource:
    """Open a camera, video, picture folder or sample.

    Args:
        spec: Camera index (0 or "0", or "/dev/video0"); path of a video, of one picture or of a
            folder of pictures (natural order, one size); "sample", a real person fetched once;
            "self", a close-up rendered from our own avatar. A file called sample is "./sample".
        width: Cameras: asked of the device, which may choose another. Files: frames are scaled
            down to fit, proportions kept, never enlarged.
        height: As `width`.
        fps: Cameras: asked of the device. Videos: frames above this rate are left out.
            Picture folders: the rate at which they were taken, 30 when not given.
        realtime: Play a file at media speed as a camera would: frames carry the monotonic time
            at which they were due, and the newest wins. Cameras always do.
        max_frames: End after so many frames.

    Raises:
        UsageError: An option makes no sense.
        FileMissingError: There is no such file or folder.
        FormatError: The file is not a video or picture that can be read.
        DeviceError: There is no such camera, or it is busy.
        ModelMissingError: The sample is not here and could not be fetched.
    """
    for name, value in (("width", width), ("height", height), ("fps", fps)):
        if value is not None and not value > 0:
            raise UsageError(f"{name}: expected a positive number, got {value}")
    if max_frames is not None and max_frames < 1:
        raise UsageError(f"max_frames: expected at least 1, got {max_frames}")
    index = _camera_index(spec)
    if index is not None:
        from twinsdk.capture.webcam import WebcamSource

        return WebcamSource(index, width=width, height=height, fps=fps, max_frames=max_frames)
    source = _open_file(str(spec), width, height, fps, max_frames=None if realtime else max_frames)
    if not realtime:
        return source
    from twinsdk.capture.playback import RealtimeSource

    return RealtimeSource(source, max_frames=max_frames)


def _camera_index(spec: object) -> int | None:
    if isinstance(spec, bool) or not isinstance(spec, (int, str, Path)):
        raise UsageError(
            f"source: expected a camera index, a path, 'sample' or 'self', got {spec!r}"
        )
    if isinstance(spec, int):
        if spec < 0:
            raise UsageError(f"source: expected a camera index from 0, got {spec}")
        return spec
    match = re.fullmatch(r"(?:/dev/video)?([0-9]{1,3})", str(spec)) if spec != "" else None
    return int(match.group(1)) if match else None


def _open_file(
    spec: str, width: int | None, height: int | None, fps: float | None, *, max_frames: int | None
) -> BaseSource:
    from twinsdk.capture.images import PICTURE_SUFFIXES, PictureSource
    from twinsdk.capture.sample import SAMPLE_NAMES, open_sample
    from twinsdk.capture.video import VideoSource

    if spec in SAMPLE_NAMES:
        return open_sample(spec, width=width, height=height, fps=fps, max_frames=max_frames)
    path = Path(spec)
    if not spec.strip() or not _is_there(path):
        raise FileMissingError(
            f"source: expected a camera index, 'sample', 'self', or a file or folder that is "
            f"there, got no such path: {spec!r}"
        )
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureSource(path, width=width, height=height, fps=fps, max_frames=max_frames)
    return VideoSource(path, width=width, height=height, fps=fps, max_frames=max_frames)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long, or a folder on the way may not be entered
        return False
