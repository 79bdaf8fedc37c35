"""Captured motion as the truth of an evaluation: 22 joints, one skeleton a clip, foot contacts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import existing_file
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError
from twinsdk.formats.guard import reading
from twinsdk.motion.score import contacts_of

__all__ = ["BODY_JOINTS", "TrueClip", "body_of", "is_packed", "read_packed"]

BODY_JOINTS: tuple[str, ...] = (
    *("hips", "spine", "chest", "upperChest", "neck", "head"),
    *(
        f"{side}{part}"
        for side in ("left", "right")
        for part in ("Shoulder", "UpperArm", "LowerArm", "Hand")
    ),
    *(
        f"{side}{part}"
        for side in ("left", "right")
        for part in ("UpperLeg", "LowerLeg", "Foot", "Toes")
    ),
)
"""The joints that captured motion has: a VRM humanoid without fingers, eyes and jaw."""

_PARENTS = np.array(
    [-1, *(BODY_JOINTS.index(str(HUMANOID_PARENTS[name])) for name in BODY_JOINTS[1:])], np.int32
)
_LOWEST_M = 0.03  # a toe joint above the ground
_MAX_BYTES = 4 << 30
_MEMBERS = ("joint_names", "fps", "quats", "root", "clip_start", "clip_id", "skeleton", "offsets")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueClip:
    """One captured clip.

    Attributes:
        name: Which.
        subject: Whose; an evaluation says how many there were.
        clip: On a skeleton of `BODY_JOINTS`, in T-pose at rest, the ground at y = 0.
        contacts: (T, 4) bool, see `score.FEET`.
    """

    name: str
    subject: str
    clip: MotionClip
    contacts: Array


def is_packed(path: str | Path) -> bool:
    """Return whether a file is an .npz of many clips, as `read_packed` reads them."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
    return set(_MEMBERS) <= members


def read_packed(path: str | Path, *, split: str | None = None) -> Iterator[TrueClip]:
    """Yield the clips of a packed set.

    Args:
        path: An .npz with the members `joint_names`, `fps`, `quats` (F, 22, 4) wxyz, `root` (F, 3),
            `clip_start` (N + 1), `clip_id`, `skeleton` (N) and `offsets` (K, 22, 3); and, where
            known, `contacts` (F, 4), `subject` and `split` (N).
        split: Only clips of that split; None is all.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not such a file.
    """
    arrays = _arrays(path)
    names = tuple(str(name) for name in arrays["joint_names"])
    if sorted(names) != sorted(BODY_JOINTS):
        raise FormatError(f"joint_names: expected the 22 of a VRM body, got {list(names)}: {path}")
    order = [names.index(name) for name in BODY_JOINTS]
    starts, fps = arrays["clip_start"], float(arrays["fps"])
    skeletons = [body_skeleton(offsets[order]) for offsets in arrays["offsets"]]
    splits = arrays.get("split")
    for i, name in enumerate(arrays["clip_id"]):
        if split is not None and splits is not None and str(splits[i]) != split:
            continue
        a, b = int(starts[i]), int(starts[i + 1])
        wxyz = arrays["quats"][a:b, order].astype(np.float32)
        clip = MotionClip(
            skeleton=skeletons[int(arrays["skeleton"][i])],
            fps=fps,
            rotations=quat.normalize(np.ascontiguousarray(wxyz[..., [1, 2, 3, 0]])),
            root_translations=arrays["root"][a:b],
        )
        contacts = arrays.get("contacts")
        yield TrueClip(
            name=str(name),
            subject=str(arrays["subject"][i]) if "subject" in arrays else "?",
            clip=clip,
            contacts=_labelled(clip) if contacts is None else contacts[a:b],
        )


def body_of(clip: MotionClip, *, name: str, subject: str = "?") -> TrueClip:
    """Return the body of a clip whose joints have VRM's names and rest without rotation.

    Raises:
        JointNameError: A body joint is missing.
    """
    rows = [clip.skeleton.joint(joint) for joint in BODY_JOINTS]
    body = MotionClip(
        skeleton=body_skeleton(clip.skeleton.rest_translations[rows]),
        fps=clip.fps,
        rotations=clip.rotations[:, rows],
        root_translations=clip.root_translations,
    )
    return TrueClip(name=name, subject=subject, clip=body, contacts=_labelled(body))


def body_skeleton(offsets: Array) -> Skeleton:
    """Return the skeleton of `BODY_JOINTS` with bone offsets (22, 3), its soles at y = 0."""
    placed = np.array(offsets, np.float32)
    placed[0] = 0
    skeleton = _skeleton(placed)
    placed[0, 1] = _LOWEST_M - float(skeleton.rest_world()[1][:, 1].min())
    return _skeleton(placed)


def to_humanoid(rotations: Array) -> Array:
    """Return body rotations (..., 22, 4) as those of the canonical 55 joints, others at rest."""
    out = np.zeros((*rotations.shape[:-2], len(HUMANOID_NAMES), 4), np.float32)
    out[..., 3] = 1
    out[..., [HUMANOID_NAMES.index(name) for name in BODY_JOINTS], :] = rotations
    return out


def _skeleton(offsets: Array) -> Skeleton:
    return Skeleton(
        names=BODY_JOINTS,
        parents=_PARENTS,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(BODY_JOINTS), 1)),
    )


def _labelled(clip: MotionClip) -> Array:
    return contacts_of(clip.skeleton, clip.world()[1], clip.fps)


def _arrays(path: str | Path) -> dict[str, Array]:
    file = existing_file(path, what="motion set")
    if not is_packed(file):
        raise FormatError(f"motion set: expected an .npz with {', '.join(_MEMBERS)}: {path}")
    with reading(file, "motion set"):
        with zipfile.ZipFile(file) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _MAX_BYTES:
            raise FormatError(f"expected at most {_MAX_BYTES} bytes, got {size}")
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        frames = len(arrays["quats"])
        count = len(arrays["clip_id"])
        checks = (
            ("quats", (frames, len(BODY_JOINTS), 4)),
            ("root", (frames, 3)),
            ("clip_start", (count + 1,)),
            ("skeleton", (count,)),
        )
        for name, shape in checks:
            if arrays[name].shape != shape:
                raise FormatError(f"{name}: expected shape {shape}, got {arrays[name].shape}")
        starts = arrays["clip_start"]
        if starts[0] < 0 or starts[-1] > frames or (np.diff(starts) < 1).any():
            raise FormatError(f"clip_start: expected to rise from 0 to {frames}")
        if not 0 <= arrays["skeleton"].min() <= arrays["skeleton"].max() < len(arrays["offsets"]):
            raise FormatError(f"skeleton: expected indices below {len(arrays['offsets'])}")
    return arrays
