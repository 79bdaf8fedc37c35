"""A person's profile: what is asked or learnt of them once and holds for every later session.

It is a JSON file in the user's data folder and goes nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, as_f32
from twinsdk.core.files import atomic_path, data_dir, existing_file
from twinsdk.core.landmarks import FACE_NAMES
from twinsdk.errors import FormatError, TwinError, UsageError, ValueRangeError
from twinsdk.motion.fitting.learnt import Learnt

__all__ = ["Profile", "profile_path", "profiles"]

_SUFFIX = ".json"
_VERSION = 1
_NAME = re.compile(r"\w[\w .-]{0,63}")
_LARGEST = 1 << 20  # bytes
_DAMAGE = (TwinError, ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError)


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """What is known of one person.

    Attributes:
        height_m: Shoes on.
        learnt: Bone lengths and the camera's pitch.
        neutral_face: (478, 3) their face at rest on the canonical head, None if it was never seen.

    Raises:
        ValueRangeError: A height that is none.
        ShapeError: A face of another shape.
    """

    height_m: float = 1.70
    learnt: Learnt = field(default_factory=Learnt)
    neutral_face: F32 | None = None

    def __post_init__(self) -> None:
        if not 0.3 <= self.height_m <= 3.0:
            raise ValueRangeError(f"height: expected 30 to 300 cm, got {100 * self.height_m:g}")
        if self.neutral_face is not None:
            face = as_f32("neutral_face", self.neutral_face, (len(FACE_NAMES), 3))
            object.__setattr__(self, "neutral_face", face)

    @staticmethod
    def load(path: str | Path) -> Profile:
        """Return the profile in a file.

        Raises:
            FileMissingError: There is no such file.
            FormatError: It is damaged.
        """
        file = existing_file(path, what="profile")
        try:
            if file.stat().st_size > _LARGEST:
                raise FormatError(f"expected at most {_LARGEST} bytes")
            return _read(json.loads(file.read_text(encoding="utf-8")))
        except _DAMAGE as error:
            words = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
            raise FormatError(
                f"profile: damaged ({words}); delete it, or name another: {file}"
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the profile; the file is never half written.

        Raises:
            OutputError: It cannot be written.
        """
        face, pitch = self.neutral_face, self.learnt.camera_pitch_deg
        written = {
            "twinsdk_profile": _VERSION,
            "height_cm": round(100 * self.height_m, 2),
            "lengths": {
                name: {"ratio": round(ratio, 5), "deviation": round(deviation, 5)}
                for name, (ratio, deviation) in self.learnt.lengths.items()
            },
            "camera_pitch_deg": None if pitch is None else round(pitch, 3),
            "neutral_face": None if face is None else np.round(face.astype(float), 6).tolist(),
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(written) + "\n", encoding="utf-8")


def profile_path(name: str) -> Path:
    """Return where the profile called `name` is, or is to be; a path to a .json file is itself.

    Raises:
        UsageError: The name cannot be that of a file.
        OutputError: The folder cannot be made.
    """
    if name.endswith(_SUFFIX):
        return Path(name)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"profile: expected a name of letters, digits, dots and dashes, or a .json file, "
            f"got {name!r}"
        )
    return data_dir("profiles") / f"{name}{_SUFFIX}"


def profiles() -> list[Path]:
    """Return the files of all profiles in the user's data folder, by name."""
    return sorted(data_dir("profiles").glob(f"*{_SUFFIX}"))


def _read(given: Any) -> Profile:
    if given["twinsdk_profile"] != _VERSION:
        raise FormatError(f"version {given['twinsdk_profile']!r}, expected {_VERSION}")
    pitch, face = given["camera_pitch_deg"], given["neutral_face"]
    learnt = Learnt(
        lengths={
            str(name): (float(length["ratio"]), float(length["deviation"]))
            for name, length in given["lengths"].items()
        },
        camera_pitch_deg=None if pitch is None else float(pitch),
    )
    return Profile(
        height_m=float(given["height_cm"]) / 100,
        learnt=learnt,
        neutral_face=None if face is None else np.asarray(face, np.float32),
    )
