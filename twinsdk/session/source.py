"""Opening a source by name; the one place that knows our own rendered sample."""

from __future__ import annotations

from typing import Any

from twinsdk.capture import FrameSource
from twinsdk.capture import open_source as open_captured

__all__ = ["open_source"]


def open_source(spec: int | str, **options: Any) -> FrameSource:
    """Return an opened source of `Image`s; use it as a context manager.

    Args:
        spec: Camera index, path of a video file or image folder, "sample" (a clip of a real person,
            fetched once) or "self" (a close-up rendered from our own avatar, made once).
        **options: As `twinsdk.capture.open_source` takes them: width, height, fps, realtime.

    Raises:
        FileMissingError, FormatError, DeviceError, ModelMissingError: See `twinsdk.capture`.
    """
    if spec == "self":
        from twinsdk.session.truth import ensure_self_sample

        ensure_self_sample()
    return open_captured(spec, **options)
