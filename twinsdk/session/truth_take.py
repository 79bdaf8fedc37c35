"""Takes: what a tracker saw of a rendered person beside what was truly there, one .npz each.

Layout of the file (T frames, J = 55 joints in canonical order, L = 33 body points, float32 unless
said). Lengths are metres, world axes are glTF's (+Y up), pictures have row 0 at the top.

Truth:

- `rotations` (T, J, 4), `root_translations` (T, 3): the pose on the canonical skeleton
  (`humanoid_skeleton(height_m)`), so without the avatar's own proportions;
- `joint_positions` (T, J, 3): the joints of the rendered body in the world;
- `joint_pixels` (T, J, 3): the same as column, row and depth along the view;
- `bone_lengths` (J,): from each joint to its parent, of the rendered body; the root's is 0;
- `landmarks` (T, L, 3), `landmark_pixels` (T, L, 3), `landmark_known` (L,) bool: the body points
  that the body's joints and skin tell;
- `expressions` (T, 52); `contacts` (T, 4) bool: left foot, left toes, right foot, right toes;
- `present` (T,) bool: whether the person is in the picture at all.

Camera: `camera_position`, `camera_axes` (3, 3; rows right, up, forward), `fov_deg` (horizontal),
`size_px`. It stands still.

Observed: `timestamps_ns` (T,) int64; for each part (`body`, `left_hand`, `right_hand`, `face`)
`PART_found` (T,) bool and, NaN where not found, `body_world` (T, 33, 3), `body_visibility`,
`body_uv`, `body_depth`, `HAND_world` (T, 21, 3), `HAND_uv`, `HAND_depth`, `face_uv` (T, 478, 2),
`face_depth`, `seen_expressions` (T, 52).

`about`: JSON with `version`, `name`, `seed`, `split`, `kind`, `shot`, `motion`, `height_m`, `spec`.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.files import atomic_path, existing_file, existing_folder
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import FileMissingError, FormatError

__all__ = ["TAKE_VERSION", "Take", "load_take", "load_takes", "save_take"]

TAKE_VERSION = 1

_PARTS = {"body": BODY_NAMES, "left_hand": HAND_NAMES, "right_hand": HAND_NAMES, "face": FACE_NAMES}


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """One filmed person: truth, camera and observations; the module tells shapes and units."""

    about: dict[str, Any]
    rotations: F32
    root_translations: F32
    joint_positions: F32
    joint_pixels: F32
    bone_lengths: F32
    landmarks: F32
    landmark_pixels: F32
    landmark_known: Array
    expressions: F32
    contacts: Array
    present: Array
    camera_position: F32
    camera_axes: F32
    fov_deg: float
    size_px: tuple[int, int]
    observations: tuple[Observation, ...]

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def height_m(self) -> float:
        """The person's height, shoes on."""
        return float(self.about["height_m"])

    @property
    def times_s(self) -> Array:
        """Seconds of every frame (T,)."""
        return np.array([seen.timestamp_ns for seen in self.observations]) / 1e9


def save_take(take: Take, path: str | Path) -> None:
    """Write a take as .npz.

    Raises:
        OutputError: It cannot be written.
    """
    arrays: dict[str, Any] = {
        entry.name: getattr(take, entry.name)
        for entry in fields(take)
        if entry.name not in ("about", "observations")
    }
    arrays["about"] = json.dumps(take.about)
    arrays |= _stacked(take.observations)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_take(path: str | Path) -> Take:
    """Return the take in an .npz file.

    Raises:
        FileMissingError, FormatError: There is none, or it is no take of this version.
    """
    file = existing_file(path, what="take")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays["about"]))
        if about["version"] != TAKE_VERSION:
            raise FormatError(
                f"take: expected version {TAKE_VERSION}, got {about['version']}; "
                f"film it again: {file}"
            )
        arrays["fov_deg"] = float(arrays["fov_deg"])
        arrays["size_px"] = tuple(int(side) for side in arrays["size_px"])
        wanted = {entry.name for entry in fields(Take)} - {"about", "observations"}
        return Take(
            about=about,
            observations=_observations(arrays, arrays["size_px"]),
            **{name: arrays[name] for name in wanted},
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"take: expected a take's .npz, got another file: {file}") from error


def load_takes(folder: str | Path) -> list[Take]:
    """Return all takes of a folder, in the order of their names.

    Raises:
        FileMissingError: There is no such folder, or no .npz file in it.
        FormatError: A file is no take.
    """
    found = sorted(existing_folder(folder, what="takes").glob("*.npz"))
    if not found:
        raise FileMissingError(f"takes: expected .npz files, found none: {folder}")
    return [load_take(path) for path in found]


def _stacked(seen: tuple[Observation, ...]) -> dict[str, Array]:
    """Return the arrays of all observations, NaN where a part was not found."""
    out: dict[str, Array] = {
        "timestamps_ns": np.array([one.timestamp_ns for one in seen], np.int64)
    }
    for part, names in _PARTS.items():
        count = len(names)
        images = [getattr(one, f"image_{part}") for one in seen]
        out[f"{part}_found"] = np.array([image is not None for image in images])
        out[f"{part}_uv"] = _filled(images, "uv", (count, 2))
        out[f"{part}_depth"] = _filled(images, "depth", (count,))
        if part != "face":
            worlds = [getattr(one, part) for one in seen]
            out[f"{part}_world"] = _filled(worlds, "positions", (count, 3))
        if part == "body":
            out["body_visibility"] = _filled(images, "visibility", (count,))
    out["seen_expressions"] = _filled(seen, "expressions", (52,))
    return out


def _filled(things: Any, name: str, shape: tuple[int, ...]) -> F32:
    rows = np.full((len(things), *shape), np.nan, np.float32)
    for row, thing in zip(rows, things, strict=True):
        value = None if thing is None else getattr(thing, name)
        if value is not None:
            row[:] = value
    return rows


def _observations(arrays: dict[str, Array], size_px: tuple[int, int]) -> tuple[Observation, ...]:
    return tuple(_observation(arrays, t, size_px) for t in range(len(arrays["timestamps_ns"])))


def _observation(arrays: dict[str, Array], t: int, size_px: tuple[int, int]) -> Observation:
    parts: dict[str, Any] = {}
    for part, names in _PARTS.items():
        if not arrays[f"{part}_found"][t]:
            continue
        sure = arrays["body_visibility"][t] if part == "body" else np.ones(len(names), np.float32)
        parts[f"image_{part}"] = ImageLandmarks(
            names=names,
            uv=arrays[f"{part}_uv"][t],
            size_px=size_px,
            visibility=sure,
            depth=arrays[f"{part}_depth"][t],
        )
        if part != "face" and np.isfinite(arrays[f"{part}_world"][t, 0, 0]):
            parts[part] = Landmarks(
                names=names, positions=arrays[f"{part}_world"][t], visibility=sure
            )
    face = arrays["seen_expressions"][t]
    return Observation(
        timestamp_ns=int(arrays["timestamps_ns"][t]),
        expressions=None if np.isnan(face[0]) else face,
        **parts,
    )
