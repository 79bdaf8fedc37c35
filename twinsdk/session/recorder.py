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
    """Twins' motion into files, the format chosen by each extension.

    While it runs, `<first path>.twinclip` grows frame by frame; `load_clip` reads it, so nothing is
    lost when the process is killed. `close` turns it into the files asked for and removes it. The
    second twin goes to `name-2.bvh` beside `name.bvh`, and so on.

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
        self.journal = _journal(self.paths[0])
        self._writers = {0: JournalWriter(self.journal, avatar.skeleton)}
        self._recorded: set[int] = set()
        self.count = 0

    def add(self, frame: TwinFrame, media_ns: int) -> None:
        """Append one frame, taken at `media_ns`; it is on disk when this returns."""
        twin = frame.avatar_id
        if twin not in self._writers:
            self._writers[twin] = JournalWriter(
                _journal(_numbered(self.paths[0], twin)), self._avatar.skeleton
            )
        self._writers[twin].append(frame.pose, frame.expressions, media_ns)
        self._recorded.add(twin)
        self.count += 1

    def close(self) -> None:
        """Write the files asked for and remove the journals; without a frame, write nothing."""
        for twin, writer in self._writers.items():
            writer.close()
            journal = _journal(_numbered(self.paths[0], twin))
            if not journal.exists():
                continue
            if twin in self._recorded:
                clip = load_clip(journal)
                for path in self.paths:
                    save_clip(clip, _numbered(path, twin), humanoid=self._avatar.humanoid)
            journal.unlink()


def _numbered(path: Path, twin: int) -> Path:
    return path if twin == 0 else path.with_stem(f"{path.stem}-{twin + 1}")


def _journal(path: Path) -> Path:
    return path.with_name(path.name + ".twinclip")
