"""Motion files of all kinds to one motion set that the motion model is trained on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import FormatError, TwinError
from twinsdk.formats import load_clip
from twinsdk.motion.training.corpus import Clip, clips_of, write_packed
from twinsdk.retarget import Retargeter
from twinsdk.retarget.batch import find_sources

__all__ = ["Packed", "pack_motion"]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed.

    Attributes:
        clips: Pieces, cut at flips.
        minutes: Their length together.
        subjects: How many people.
        refused: Why files were left out, one line each.
    """

    clips: int
    minutes: float
    subjects: int
    refused: tuple[str, ...]


def pack_motion(
    sources: Iterable[str | Path],
    target: str | Path,
    *,
    dev_subjects: Collection[str] = (),
    fps: float = 60.0,
) -> Packed:
    """Retarget files, folders and globs to the canonical skeleton and write a motion set.

    A file's subject is its name up to the first underscore, as in `13_29.bvh`, and its name's
    words give the style.

    Args:
        sources: What `twinsdk.retarget.batch.find_sources` takes.
        target: The set, .npz.
        dev_subjects: Subjects kept for choosing.
        fps: Frames a second of the set; clips are interpolated to it.

    Raises:
        FormatError: No file could be used.
    """
    clips: list[Clip] = []
    words: list[str] = []
    refused = []
    for file, _ in find_sources(sources):
        subject = file.stem.split("_")[0]
        try:
            clip = load_clip(file)
            made = Retargeter(clip.skeleton, humanoid_skeleton(), sample=clip).clip(clip)
            split = "dev" if subject in dev_subjects else "train"
            pieces = clips_of(_at(made, fps), name=file.stem, subject=subject, split=split)
        except TwinError as error:
            refused.append(str(error))
            continue
        clips += pieces
        words += [file.stem.replace("_", " ")] * len(pieces)
    if not clips:
        raise FormatError(f"motion set: no clip could be used: {'; '.join(refused[:3])}")
    write_packed(target, clips, words)
    return Packed(
        clips=len(clips),
        minutes=sum(len(clip) / clip.fps for clip in clips) / 60,
        subjects=len({clip.subject for clip in clips}),
        refused=tuple(refused),
    )


def _at(clip: MotionClip, fps: float) -> MotionClip:
    """Return the clip at another rate, rotations on the shortest arcs between frames."""
    count = max(1, int((len(clip) - 1) * fps / clip.fps) + 1)
    at = np.minimum(np.arange(count) * clip.fps / fps, len(clip) - 1)
    low = np.minimum(at.astype(int), max(len(clip) - 2, 0))
    high = np.minimum(low + 1, len(clip) - 1)
    share = (at - low).astype(np.float32)
    roots = clip.root_translations
    return MotionClip(
        skeleton=clip.skeleton,
        fps=fps,
        rotations=quat.slerp(clip.rotations[low], clip.rotations[high], share[:, None]),
        root_translations=roots[low] + share[:, None] * (roots[high] - roots[low]),
    )
