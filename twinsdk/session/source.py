"""Opening a source by name; the one place that knows our own rendered sample."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twinsdk.capture import FrameSource
from twinsdk.capture import open_source as open_captured

__all__ = ["open_source"]


def open_source(
    spec: int | str | Path | list[int | str] | tuple[int | str, ...], **options: Any
) -> FrameSource:
    """Return an opened source of `Image`s; use it as a context manager.

    Args:
        spec: Camera index, path of a video file or image folder, "sample" (a clip of a real person,
            fetched once) or "self" (a close-up rendered from our own avatar, made once). Several
            cameras or files are views of one scene.
        **options: As `twinsdk.capture.open_source` takes them: width, height, fps, realtime.

    Raises:
        FileMissingError, FormatError, DeviceError, ModelMissingError: See `twinsdk.capture`.
    """
    if isinstance(spec, list | tuple):
        return _open_views(spec, options)
    if spec == "self":
        from twinsdk.session.truth import ensure_self_sample

        ensure_self_sample()
    return open_captured(spec, **options)


def _open_views(specs: Sequence[int | str], options: dict[str, Any]) -> FrameSource:
    if len(specs) == 1:
        return open_source(specs[0], **options)
    from twinsdk.capture.views import ViewsSource

    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(spec, **options)) for spec in specs]
        views = ViewsSource(sources)
        stack.pop_all()
        return views
