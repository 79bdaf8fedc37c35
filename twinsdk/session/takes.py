"""Takes: recordings that begin and end while a session runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

from twinsdk.core.avatar import Avatar
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.errors import OutputError
from twinsdk.session.recorder import Recorder

__all__ = ["Takes"]

_FOLDER = Path("recordings")


class Takes(Closing):
    """Records take after take; files are written beside the running session.

    Args:
        paths: Where the first take goes; it begins at once. Later ones get the time of day into
            their names. Without any, takes are `recordings/<time>.bvh`, and none begins by itself.
        avatar: Whose skeleton the frames are on.
        folder: Instead of `recordings`.

    Raises:
        FormatError: An extension that cannot be written.
        OutputError: A folder that is not there or not writable.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, avatar: Avatar, folder: Path = _FOLDER
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._avatar = avatar
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, "twinsdk-takes")
        self._writing: list[Future[None]] = []
        self._recorder = Recorder(self._paths, avatar=avatar) if self._paths else None
        self._done = 0
        self.seconds = 0.0
        """Length of the running take."""
        self._began_ns: int | None = None

    @property
    def running(self) -> bool:
        """Whether frames are recorded now."""
        return self._recorder is not None

    @property
    def count(self) -> int:
        """Frames recorded, of all takes."""
        return self._done + (self._recorder.count if self._recorder is not None else 0)

    def add(self, frame: TwinFrame, media_ns: int) -> None:
        """Record one frame, if a take is running."""
        if self._recorder is None:
            return
        self._began_ns = media_ns if self._began_ns is None else self._began_ns
        self.seconds = (media_ns - self._began_ns) / 1e9
        self._recorder.add(frame, media_ns)

    def toggle(self) -> str:
        """End the running take, or begin another; return where it is, for people.

        Raises:
            OutputError: The folder cannot be made or written to.
        """
        if self._recorder is not None:
            return f"recorded {self._end()}"
        paths = self._named(time.strftime("%Y%m%d-%H%M%S"))
        self._recorder = Recorder(paths, avatar=self._avatar)
        return f"recording {paths[0]}"

    def close(self) -> None:
        """End the running take and wait until everything is written.

        Raises:
            OutputError: A file could not be written.
        """
        if self._recorder is not None:
            self._end()
        self._writer.shutdown()
        for written in self._writing:
            written.result()
        self._writing.clear()

    def _end(self) -> Path:
        recorder, self._recorder = self._recorder, None
        assert recorder is not None  # noqa: S101  # asked before
        self._done += recorder.count
        self._began_ns, self.seconds = None, 0.0
        self._writing.append(self._writer.submit(recorder.close))
        return recorder.paths[0]

    def _named(self, now: str) -> list[Path]:
        """Return the files of a take that begins now; none of them is there yet."""
        if not self._paths:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"record: cannot make the folder ({error.strerror}): {self._folder}"
                ) from error
        for turn in count(1):
            mark = now if turn == 1 else f"{now}-{turn}"
            named = [path.with_stem(f"{path.stem}-{mark}") for path in self._paths]
            files = named or [self._folder / f"{mark}.bvh"]
            journal = files[0].with_name(f"{files[0].name}.twinclip")  # still being written
            if not any(file.exists() for file in (*files, journal)):
                break
        return files
