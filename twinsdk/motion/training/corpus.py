"""Clips of people moving, as the motion model learns them: 22 joints, canonical size, one hash.

Two kinds of files are read: packed ones (`quats` wxyz, `root`, `clip_start`, `subject`, `split`,
`offsets`..., the layout of the data card) and any clip that `MotionClip` can hold on a skeleton
with VRM's joint names. Everything is scaled to the size of the 1.70 m skeleton.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.errors import FormatError, NotHumanoidError, ValueRangeError
from twinsdk.motion.model.body import (
    CANONICAL_OFFSETS,
    FEET_TOES,
    JOINTS,
    MIRROR,
    forward,
    offsets_on,
    rotation_vector,
    size_of,
)
from twinsdk.motion.model.slots import STYLES

__all__ = [
    "Clip",
    "Corpus",
    "clips_of",
    "contact_labels",
    "mirror",
    "read_packed",
    "style_of",
    "write_packed",
]

_LEAST_FRAMES = 12
_FASTEST = np.radians(2000.0)  # a joint that turns faster has flipped
_FASTEST_ENDS = np.radians(3000.0)
_FASTEST_ROOT = 9.0  # m/s
_ENDS = np.array([name.endswith(("Hand", "Foot", "Toes")) for name in JOINTS])
_CONTACT_SPEED, _CONTACT_RISE = 0.35, 0.08
_WORDS: dict[str, tuple[str, ...]] = {
    "idle": ("idle", "stand", "wait"),
    "salsa": ("salsa",),
    "dance": ("dance", "indian", "ballet", "pirouette", "charleston", "modern", "waltz"),
    "run": ("run", "jog", "sprint"),
    "jump": ("jump", "hop", "leap"),
    "climb": ("climb", "playground", "step over", "stair"),
    "fight": ("box", "punch", "kick", "martial", "karate", "sword", "fight", "bruce lee"),
    "acrobatics": ("cartwheel", "flip", "handspring", "acrobat", "breakdance", "roll", "handstand"),
    "sport": ("sport", "ball", "golf", "swim", "basket", "soccer", "serve", "throw", "tai chi"),
    "gesture": ("gesture", "talk", "wave", "direct", "drink", "laugh", "story", "conversation"),
    "work": ("wash", "mop", "sweep", "pick", "lift", "drill", "screw", "hammer", "paint", "sit"),
    "walk": ("walk", "navigate", "turn", "march", "limp"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """One person moving.

    Attributes:
        name: Where it is from.
        subject: Whose motion; a subject is on one side of the split.
        split: "train" or "dev".
        fps: Frames a second.
        rotations: (T, 22, 3, 3) parent_from_joint.
        root: (T, 3) metres of the canonical size, floor at 0.
        contacts: (T, 4) bool: left foot, left toes, right foot, right toes.
        offsets: (22, 3) metres of the canonical size.
        style: Index into `STYLES`, -1 for none.
    """

    name: str
    subject: str
    split: str
    fps: float
    rotations: F32
    root: F32
    contacts: Array
    offsets: F32
    style: int

    def __len__(self) -> int:
        return len(self.root)


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Clips and the hash of the files they came from."""

    clips: tuple[Clip, ...]
    sha256: str

    def part(self, split: str) -> tuple[Clip, ...]:
        """Return the clips of one side of the split."""
        return tuple(clip for clip in self.clips if clip.split == split)

    def minutes(self, split: str) -> float:
        """Return how long they are together."""
        return sum(len(clip) / clip.fps for clip in self.part(split)) / 60


def read_packed(paths: Sequence[str | Path], *, dev_subjects: Iterable[str] = ()) -> Corpus:
    """Return the clips of packed files.

    Args:
        paths: .npz files; where they have no `split`, `dev_subjects` make one.
        dev_subjects: Subjects kept for choosing, never trained on.

    Raises:
        FileMissingError: A file is not there.
        FormatError: A file has other contents, or nothing is left to train on.
    """
    dev = set(dev_subjects)
    clips: list[Clip] = []
    digest = hashlib.sha256()
    for path in paths:
        file = existing_file(path, what="motion set")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
        clips += _packed(file, dev)
    both = {clip.subject for clip in clips if clip.split == "train"} & {
        clip.subject for clip in clips if clip.split == "dev"
    }
    if both:
        raise FormatError(f"motion set: subjects in both train and dev: {sorted(both)}")
    if not any(clip.split == "train" for clip in clips):
        raise FormatError(f"motion set: no clip to train on in {[str(path) for path in paths]}")
    return Corpus(clips=tuple(clips), sha256=digest.hexdigest())


def _packed(file: Path, dev: set[str]) -> list[Clip]:
    try:
        with np.load(file, allow_pickle=False) as packed:
            data = {key: packed[key] for key in packed.files}
    except (OSError, ValueError) as error:
        raise FormatError(f"motion set: not a packed file ({error}): {file}") from error
    needed = {"quats", "root", "clip_start", "subject", "fps", "offsets", "skeleton", "joint_names"}
    if missing := sorted(needed - set(data)):
        raise FormatError(
            f"motion set: expected arrays {sorted(needed)}, missing {missing}: {file}"
        )
    names = [str(name) for name in data["joint_names"]]
    if sorted(names) != sorted(JOINTS):
        raise FormatError(f"motion set: expected the joints {list(JOINTS)}, got {names}: {file}")
    order = [names.index(name) for name in JOINTS]
    starts = data["clip_start"]
    clips = []
    for k in range(len(starts) - 1):
        piece = slice(int(starts[k]), int(starts[k + 1]))
        subject = str(data["subject"][k])
        wxyz = data["quats"][piece][:, order].astype(np.float32)
        split = str(data["split"][k]) if "split" in data else "dev" if subject in dev else "train"
        words = str(data["description"][k]) if "description" in data else "idle"
        clips.append(
            _clip(
                name=str(data["clip_id"][k]) if "clip_id" in data else f"{file.stem}#{k}",
                subject=subject if "split" in data else f"{file.stem}:{subject}",
                split=split,
                fps=float(data["fps"]),
                rotations=quat.to_matrix(quat.normalize(wxyz[..., [1, 2, 3, 0]])),
                root=data["root"][piece].astype(np.float32),
                contacts=data["contacts"][piece] if "contacts" in data else None,
                offsets=data["offsets"][int(data["skeleton"][k])][order],
                style=style_of(words),
            )
        )
    return [clip for clip in clips if len(clip) >= _LEAST_FRAMES]


def write_packed(path: str | Path, clips: Sequence[Clip], descriptions: Sequence[str]) -> None:
    """Write clips of one frame rate as a packed file, by atomic rename.

    Raises:
        ValueRangeError: There are none, or their frame rates differ.
    """
    rates = sorted({round(clip.fps, 3) for clip in clips})
    if len(rates) != 1:
        raise ValueRangeError(f"motion set: expected clips of one frame rate, got {rates}")
    xyzw = [quat.from_matrix(clip.rotations) for clip in clips]
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            joint_names=np.array(JOINTS),
            fps=np.float32(rates[0]),
            quats=np.concatenate(xyzw)[..., [3, 0, 1, 2]].astype(np.float16),
            root=np.concatenate([clip.root for clip in clips]),
            contacts=np.concatenate([clip.contacts for clip in clips]),
            clip_start=np.cumsum([0, *(len(clip) for clip in clips)]).astype(np.int32),
            clip_id=np.array([clip.name for clip in clips]),
            subject=np.array([clip.subject for clip in clips]),
            split=np.array([clip.split for clip in clips]),
            description=np.array(list(descriptions)),
            skeleton=np.arange(len(clips)),
            offsets=np.stack([clip.offsets for clip in clips]),
        )


def clips_of(clip: MotionClip, *, name: str, subject: str, split: str = "train") -> list[Clip]:
    """Return a clip on a skeleton with VRM's names as pieces without flips, the floor at 0.

    Raises:
        NotHumanoidError: A joint is missing; retarget the clip to the canonical skeleton first.
        ValueRangeError: Fewer than 12 frames.
    """
    try:
        offsets = offsets_on(clip.skeleton)
    except NotHumanoidError as error:
        raise NotHumanoidError(f"{name}: {error}") from error
    if len(clip) < _LEAST_FRAMES:
        raise ValueRangeError(f"{name}: expected at least {_LEAST_FRAMES} frames, got {len(clip)}")
    at = np.array([clip.skeleton.joint(joint) for joint in JOINTS])
    rotations = quat.to_matrix(clip.rotations[:, at])
    pieces = []
    for k, (a, b) in enumerate(_without_flips(rotations, clip.root_translations, clip.fps)):
        piece = _clip(
            name=f"{name}#{k}",
            subject=subject,
            split=split,
            fps=clip.fps,
            rotations=rotations[a:b],
            root=np.array(clip.root_translations[a:b]),
            contacts=None,
            offsets=offsets,
            style=style_of(name),
        )
        pieces.append(_on_floor(piece))
    return pieces


def _without_flips(rotations: Array, root: Array, fps: float) -> list[tuple[int, int]]:
    """Return the spans between frames where a joint or the root jumps."""
    spin = np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]
    speed = np.linalg.norm(rotation_vector(spin), axis=-1) * fps
    jump = (speed > np.where(_ENDS, _FASTEST_ENDS, _FASTEST)).any(-1)
    jump |= np.linalg.norm(np.diff(root, axis=0), axis=-1) * fps > _FASTEST_ROOT
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(jump)), len(rotations)]
    return [(a, b) for a, b in pairwise(cuts) if b - a >= _LEAST_FRAMES]


def _clip(
    *,
    name: str,
    subject: str,
    split: str,
    fps: float,
    rotations: Array,
    root: Array,
    contacts: Array | None,
    offsets: Array,
    style: int,
) -> Clip:
    scale = float(size_of(CANONICAL_OFFSETS) / size_of(offsets))
    local = np.ascontiguousarray(rotations, np.float32)
    sized = np.asarray(offsets * scale, np.float32)
    place = np.asarray(root * scale, np.float32)
    if contacts is None:
        contacts = contact_labels(forward(local, place, sized)[1], fps)
    return Clip(
        name=name,
        subject=subject,
        split=split,
        fps=fps,
        rotations=local,
        root=place,
        contacts=np.asarray(contacts, bool),
        offsets=sized,
        style=style,
    )


def _on_floor(clip: Clip) -> Clip:
    places = forward(clip.rotations, clip.root, clip.offsets)[1][:, FEET_TOES, 1]
    floor = float(np.percentile(places.min(-1), 3)) - 0.03
    root = clip.root - np.array([0.0, floor, 0.0], np.float32)
    places = forward(clip.rotations, root, clip.offsets)[1]
    return Clip(**{**clip.__dict__, "root": root, "contacts": contact_labels(places, clip.fps)})


def contact_labels(places: Array, fps: float) -> Array:
    """Return which of `FEET_TOES` are planted (T, 4): slow, and near their own lowest height."""
    feet = places[:, FEET_TOES]
    moved = np.linalg.norm(np.diff(feet, axis=0, append=feet[-1:]), axis=-1) * fps
    low = np.percentile(feet[..., 1], 5, axis=0)
    planted: Array = (moved < _CONTACT_SPEED) & (feet[..., 1] < low + _CONTACT_RISE)
    return planted


def mirror(rotations: Array, root: Array) -> tuple[Array, Array]:
    """Return the motion (..., 22, 3, 3) and (..., 3) as a mirror across x = 0 shows it."""
    sign = np.array([-1.0, 1.0, 1.0], np.float32)
    return rotations[..., MIRROR, :, :] * (sign[:, None] * sign), root * sign


def style_of(words: str) -> int:
    """Return the index into `STYLES` that a clip's description names first, -1 for none."""
    text = words.lower()
    for style, found in _WORDS.items():
        if any(word in text for word in found):
            return STYLES.index(style)
    return -1
