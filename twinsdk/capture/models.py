"""Tracker models that are simply there: found, fetched, assembled, checked, healed.

MediaPipe 1.x ships no models. Each bundle is looked for in the folder the user names, then in the
user's cache; what is missing is assembled from the TFLite models inside the PyPI wheel of
mediapipe 0.10.21, downloaded once and never installed. Google's own bundles (a lighter and a
heavier pose model, and a face model with the 52-expression network) are fetched on request, and
used wherever they are found.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from twinsdk.capture.downloads import by_hand, fetch_wheel
from twinsdk.capture.model_catalogue import (
    BLENDSHAPES_MEMBER,
    BUILT_NAMES,
    MEMBER_SHA256,
    MEMBERS,
    OFFICIAL_BUNDLES,
    WHEEL_NAME,
    WHEEL_REQUIREMENT,
    WHEEL_SHA256,
)
from twinsdk.core.files import atomic_path, cache_dir, existing_folder, sha256_of
from twinsdk.errors import FormatError, ModelMissingError, TwinError

__all__ = [
    "ModelPaths",
    "ModelStatus",
    "fetch_official",
    "model_status",
    "resolve_models",
]

_DOWNLOADS = "downloads"  # folder inside the cache
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelPaths:
    """The three bundles a tracker loads.

    Attributes:
        pose, hand, face: `.task` files.
        blendshapes: Whether the face bundle holds the 52-expression network.
    """

    pose: Path
    hand: Path
    face: Path
    blendshapes: bool


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One bundle as `twinsdk models` and `twinsdk doctor` show it.

    Attributes:
        name: "pose", "hand" or "face", then the variant.
        needed: Whether tracking needs it; the others are improvements.
        source: Where it comes from, in words.
        path: Where it is or would be.
        size_bytes: Of the file that is there, else None.
        state: "ready", "missing" or "damaged".
    """

    name: str
    needed: bool
    source: str
    path: Path
    size_bytes: int | None
    state: str


def resolve_models(
    model_dir: str | Path | None = None,
    *,
    fetch: bool = True,
    progress: bool = True,
    pose: str = "full",
) -> ModelPaths:
    """Return the bundles, fetching and assembling what is missing.

    Args:
        model_dir: A folder to look in first; its files are used as they are, never changed.
        fetch: Whether the internet may be asked.
        progress: Whether to show a progress bar on stderr.
        pose: The pose model wanted: "lite", "full" or "heavy". Where that one is not to be found
            "full" is taken: only it can be assembled from the wheel.

    Raises:
        FileMissingError: `model_dir` is no folder.
        FormatError: A bundle in `model_dir` is damaged or something else.
        ModelMissingError: A bundle is missing and could not be fetched; the message says which
            files to put where.
    """
    cache = cache_dir("models")
    folder = None if model_dir is None else existing_folder(model_dir, what="model folder")
    found = {kind: _find(kind, folder, cache, pose) for kind in MEMBERS}
    missing = [kind for kind, path in found.items() if path is None]
    if missing:
        wheel = _wheel(folder, cache, fetch=fetch, progress=progress)
        try:
            for kind in missing:
                found[kind] = _assemble(kind, wheel, cache)
        finally:
            if wheel.parent.name == _DOWNLOADS:
                wheel.unlink(missing_ok=True)
    face = found["face"]
    return ModelPaths(
        pose=_sure(found["pose"]),
        hand=_sure(found["hand"]),
        face=_sure(face),
        blendshapes=BLENDSHAPES_MEMBER in _names_in(_sure(face)),
    )


def fetch_official(*, progress: bool = True) -> tuple[list[Path], list[str]]:
    """Fetch Google's own bundles into the cache; return (those there now, what went wrong).

    What cannot be reached is reported and left out: the assembled bundles go on being used.
    """
    from twinsdk.capture.downloads import fetch_url

    cache = cache_dir("models")
    there, problems = [], []
    for remote in OFFICIAL_BUNDLES:
        target = cache / remote.name
        if target.exists() and sha256_of(target) == remote.sha256:
            there.append(target)
            continue
        try:
            part = fetch_url(
                remote.url,
                cache_dir("models", _DOWNLOADS) / remote.name,
                sha256=remote.sha256,
                size_bytes=remote.size_bytes,
                progress=progress,
            )
        except TwinError as error:
            problems.append(str(error))
            continue
        part.replace(target)
        _write_checksum(target)
        there.append(target)
    return there, problems


def model_status(model_dir: str | Path | None = None) -> list[ModelStatus]:
    """Return the state of every bundle, without fetching anything.

    Raises:
        FileMissingError: `model_dir` is no folder.
    """
    cache = cache_dir("models")
    folder = None if model_dir is None else existing_folder(model_dir, what="model folder")
    official = {remote.name for remote in OFFICIAL_BUNDLES}
    rows = []
    for kind in MEMBERS:
        covered = False
        for name in _candidates(kind, "heavy" if kind == "pose" else "full"):
            path = next(
                (base / name for base in (folder, cache) if base and (base / name).exists()),
                cache / name,
            )
            if folder is not None and path.parent == folder:
                source = "your folder"
            elif name in official:
                source = "Google's official bundle (twinsdk models --fetch --official)"
            else:
                source = "assembled from the PyPI wheel mediapipe 0.10.21"
            there = path.exists()
            state = "missing" if not there else "damaged" if _problem(kind, path) else "ready"
            rows.append(
                ModelStatus(
                    name=f"{kind}: {name}",
                    needed=name == BUILT_NAMES[kind] and not covered,
                    source=source,
                    path=path,
                    size_bytes=path.stat().st_size if there else None,
                    state=state,
                )
            )
            covered |= kind == "face" and state == "ready"  # another face bundle does as well
    return rows


def _candidates(kind: str, pose: str) -> list[str]:
    if kind == "pose":
        wanted = [f"pose_landmarker_{pose}.task"] if pose != "full" else []
        rest = ["pose_landmarker_full.task"]
        if pose == "heavy":
            rest.append("pose_landmarker_lite.task")
        return [*wanted, *rest]
    if kind == "face":
        return ["face_landmarker.task", BUILT_NAMES["face"]]
    return [BUILT_NAMES[kind]]


def _find(kind: str, folder: Path | None, cache: Path, pose: str) -> Path | None:
    usable = [name for name in _candidates(kind, pose) if pose == "lite" or "lite" not in name]
    for name in usable:
        if folder is not None and (folder / name).exists():
            problem = _problem(kind, folder / name)
            if problem:
                raise FormatError(f"model: {problem}; replace or remove it: {folder / name}")
            return folder / name
    for name in usable:
        path = cache / name
        if not path.exists():
            continue
        problem = _problem(kind, path)
        if problem is None:
            return path
        _log.warning("model in the cache is damaged (%s); making it anew: %s", problem, path)
        path.unlink(missing_ok=True)
        _checksum_path(path).unlink(missing_ok=True)
    return None


def _problem(kind: str, path: Path) -> str | None:
    """Return what is wrong with a bundle, or None."""
    checksum = _checksum_path(path)
    if checksum.exists() and checksum.read_text("ascii", "replace").strip() != sha256_of(path):
        return "its checksum differs"
    try:
        with zipfile.ZipFile(path) as archive:
            lacking = set(MEMBERS[kind]) - set(archive.namelist())
            # A bundle without a checksum beside it was put there by hand: read all of it once.
            broken = None if checksum.exists() else archive.testzip()
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):
        return "it is no .task bundle"
    if lacking:
        return f"it lacks {sorted(lacking)}"
    return f"{broken} inside it is damaged" if broken else None


def _names_in(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _wheel(folder: Path | None, cache: Path, *, fetch: bool, progress: bool) -> Path:

    for base in (folder, cache):
        path = base / WHEEL_NAME if base else None
        if path and path.exists():
            if sha256_of(path) == WHEEL_SHA256:
                return path
            _log.warning("the wheel is damaged or another one and is not used: %s", path)
    if not fetch:
        raise _missing("fetching is switched off", folder or cache)
    try:
        return fetch_wheel(
            WHEEL_REQUIREMENT,
            cache_dir("models", _DOWNLOADS) / WHEEL_NAME,
            sha256=WHEEL_SHA256,
            progress=progress,
        )
    except TwinError as error:
        raise _missing(str(error), folder or cache) from error


def _missing(reason: str, folder: Path) -> ModelMissingError:
    return ModelMissingError(
        f"tracker models are not here and could not be fetched ({reason}). Put {WHEEL_NAME} "
        f"(35.6 MB; elsewhere: {by_hand(WHEEL_REQUIREMENT)}), or "
        f"{', '.join(BUILT_NAMES.values())}, into this folder: {folder}"
    )


def _assemble(kind: str, wheel: Path, cache: Path) -> Path:
    from twinsdk.capture.model_surgery import bundle

    with zipfile.ZipFile(wheel) as archive:
        data = bundle(_RECIPES[kind](lambda name: _member(archive, name)))
    target = cache / BUILT_NAMES[kind]
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)
    _write_checksum(target)
    return target


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    import hashlib

    data = archive.read(f"mediapipe/modules/{name}.tflite")
    if hashlib.sha256(data).hexdigest() != MEMBER_SHA256[name]:
        raise FormatError(f"model: {name} in the wheel has another checksum than expected")
    return data


_Read = Callable[[str], bytes]


def _pose_files(read: _Read) -> dict[str, bytes]:
    from twinsdk.capture.model_surgery import with_normalisation

    detector, landmarks = MEMBERS["pose"]
    return {
        detector: with_normalisation(read("pose_detection/pose_detection"), mean=127.5, std=127.5),
        landmarks: with_normalisation(read("pose_landmark/pose_landmark_full"), mean=0, std=255),
    }


def _hand_files(read: _Read) -> dict[str, bytes]:
    detector, landmarks = MEMBERS["hand"]
    return {  # MediaPipe normalises these two by itself
        detector: read("palm_detection/palm_detection_full"),
        landmarks: read("hand_landmark/hand_landmark_full"),
    }


def _face_files(read: _Read) -> dict[str, bytes]:
    from twinsdk.capture.model_surgery import refined_face_model, with_normalisation

    detector, landmarks = MEMBERS["face"]
    short_range = read("face_detection/face_detection_short_range")
    return {
        detector: with_normalisation(short_range, mean=127.5, std=127.5),
        landmarks: refined_face_model(read("face_landmark/face_landmark_with_attention")),
    }


_RECIPES: Mapping[str, Callable[[_Read], dict[str, bytes]]] = {
    "pose": _pose_files,
    "hand": _hand_files,
    "face": _face_files,
}


def _checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _write_checksum(path: Path) -> None:
    with atomic_path(_checksum_path(path)) as temporary:
        temporary.write_text(sha256_of(path) + "\n", "ascii")


def _sure(path: Path | None) -> Path:
    assert path is not None  # every kind was found or assembled  # noqa: S101
    return path
