"""Recording that survives a kill: frames go to a journal at once, files are made at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinsdk.core.avatar import Avatar
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.errors import FormatError, OutputError
from twinsdk.formats import load_clip, save_clip
from twinsdk.formats.dispatch import CLIP_WRITERS
from twinsdk.formats.journal import JournalWriter

__all__ = ["Recorder"]


class Recorder(Closing):
    """One twin's motion into one or several files, the format chosen by each extension.

    While it runs, `<first path>.twinclip` grows frame by frame; `load_clip` reads it, so nothing is
    lost when the process is killed. `close` turns it into the files asked for and removes it.

    Args:
        paths: Where to; .bvh, .npz, .vrma, .glb.
        avatar: Whose skeleton the frames are on.

    Raises:
        FormatError: An extension that cannot be written.
        OutputError: A folder that is not there or not writable.
    """

    def __init__(self, paths: Sequence[str | Path], *, avatar: Avatar) -> None:
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if path.suffix.lower() not in CLIP_WRITERS:
                known = " ".join(sorted(CLIP_WRITERS))
                raise FormatError(f"record: expected one of {known}, got {path.suffix!r}: {path}")
            if not path.parent.is_dir():
                raise OutputError(f"record: no such folder; make it first: {path.parent}")
        self._avatar = avatar
        self.journal = self.paths[0].with_name(self.paths[0].name + ".twinclip")
        self._writer = JournalWriter(self.journal, avatar.skeleton)
        self.count = 0

    def add(self, frame: TwinFrame, media_ns: int) -> None:
        """Append one frame, taken at `media_ns`; it is on disk when this returns."""
        self._writer.append(frame.pose, frame.expressions, media_ns)
        self.count += 1

    def close(self) -> None:
        """Write the files asked for and remove the journal; without a frame, write nothing."""
        self._writer.close()
        if not self.journal.exists():
            return
        if self.count:
            clip = load_clip(self.journal)
            for path in self.paths:
                save_clip(clip, path, humanoid=self._avatar.humanoid)
        self.journal.unlink()
