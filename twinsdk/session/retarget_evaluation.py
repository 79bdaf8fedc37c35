"""Evaluating retargeting: bodies whose answer is known, generated avatars, files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from twinsdk.avatar import AvatarSpec, generate_avatar, load_avatar
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import DependencyError, TwinError
from twinsdk.formats import load_clip
from twinsdk.formats.dispatch import extension
from twinsdk.retarget import RetargetConfig, Retargeter, measure
from twinsdk.retarget.batch import find_sources
from twinsdk.retarget.evaluation import (
    KINDS,
    canonical_bodies,
    canonical_body,
    clip_agreement,
    cycle_error_deg,
    foot_speeds,
    format_agreement,
    near_the_body,
    random_clip,
    score_maps,
    transfer_error,
    walk,
)
from twinsdk.retarget.evaluation.speeds import (
    library_seconds,
    reading_rate,
    retarget_rates,
    step_us,
)
from twinsdk.session.retarget_bodies import makehuman_bodies, makehuman_pairs

__all__ = ["evaluate_retargeting"]

_FORMATS = (".bvh", ".glb", ".vrma", ".npz", ".trc")
_SHAPES = {
    "average": AvatarSpec(),
    "heavy": AvatarSpec(weight=1.0, muscle=0.4, gender=0.8),
    "slim, tall": AvatarSpec(weight=0.1, height_m=1.95, gender=0.9),
    "child": AvatarSpec(age_years=12.0, height_m=1.4),
    "old, short": AvatarSpec(age_years=80.0, height_m=1.5, weight=0.7),
}


def evaluate_retargeting(data: str | Path | None = None) -> dict[str, Any]:
    """Return every measure, as JSON holds it; `retarget_table.markdown` makes tables of it.

    Args:
        data: A motion file or a folder of them, measured besides; they need no answer.

    Raises:
        FileMissingError: `data` is not there, or holds no motion.
    """
    named = [] if data is None else find_sources([data])
    result = _on_generated_bodies()
    if named:
        files = [path for path, _ in named]
        result["files"] = list(_files(files))
        result["same_take"] = list(_takes(files))
    return result


def _on_generated_bodies() -> dict[str, Any]:
    motion, plain = random_clip(), canonical_body()
    bodies = canonical_bodies()
    result: dict[str, Any] = {
        "same_body": {body.name: asdict(transfer_error(motion, plain, body)) for body in bodies},
        "cycle_worst_deg": {body.name: cycle_error_deg(motion, body) for body in bodies[1:]},
        "foot_speed_cm_s": foot_speeds(walk()),
        "formats": [asdict(row) for row in format_agreement(walk(4), _formats())],
        "maps": {kind: asdict(score_maps(kind)) for kind in KINDS},
    }
    try:
        result["rigs_of_one_mesh"] = _rigs(motion)
        result["shapes"] = _shapes()
    except DependencyError as error:
        result["left_out"] = str(error)
    result["speed"] = {
        "retarget_frames_s": retarget_rates(),
        "step_us": step_us(),
        "bvh_frames_s": reading_rate(),
        "glb_76_clips_s": library_seconds(),
    }
    return result


def _rigs(motion: MotionClip) -> dict[str, dict[str, float]]:
    return {
        f"{source.name} to {target.name}": asdict(transfer_error(motion, source, target))
        for source, target in makehuman_pairs(makehuman_bodies())
    }


def _shapes() -> dict[str, dict[str, Any]]:
    """Return measures of a walk and of hands near the body, on generated avatars."""
    rows: dict[str, dict[str, Any]] = {}
    for name, spec in _SHAPES.items():
        avatar = load_avatar("default") if name == "average" else generate_avatar(spec)
        row = asdict(_measured(walk(6), avatar))
        near = near_the_body()
        for label, out in (("arms_kept_out", True), ("arms_left_in", False)):
            found = _measured(near, avatar, RetargetConfig(keep_arms_out=out, keep_touch=out))
            row[label] = found.arms_in_trunk
        rows[name] = row
    return rows


def _measured(
    clip: MotionClip, target: Avatar | Skeleton, config: RetargetConfig | None = None
) -> Any:
    made = Retargeter(clip.skeleton, target, config, sample=clip)
    return measure(made, clip, made.clip(clip))


def _formats() -> tuple[str, ...]:
    try:
        from twinsdk.formats.usd import modules

        modules()
    except DependencyError:
        return _FORMATS
    return (*_FORMATS, ".usdc")


def _files(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield a row a file, on the default avatar; what cannot be read says why."""
    target: Avatar | Skeleton
    try:
        target = load_avatar("default")
    except DependencyError:
        target = humanoid_skeleton()
    for path in files:
        try:
            clip = load_clip(path)
            made = Retargeter(clip.skeleton, target, sample=clip)
            found = measure(made, clip, made.clip(clip))
        except TwinError as error:
            yield {"file": path.name, "error": str(error)}
            continue
        confidence = made.source_map.confidence if made.source_map else {}
        yield {
            "file": path.name,
            "frames": len(clip),
            "joints": len(clip.skeleton),
            "roles": len(made.source.roles),
            "least_sure": min(confidence.values(), default=1.0),
            **asdict(found),
        }


def _takes(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield how far files of one name and of two formats agree, retargeted."""
    by_stem: dict[str, list[Path]] = {}
    for path in files:
        by_stem.setdefault(path.name.removesuffix(extension(path)), []).append(path)
    for stem, paths in by_stem.items():
        for one, other in combinations(paths, 2):
            if extension(one).removesuffix(".gz") == extension(other).removesuffix(".gz"):
                continue
            try:
                mean, worst = clip_agreement(load_clip(one), load_clip(other))
            except TwinError:
                continue  # said in the row of the file
            kinds = sorted((extension(one), extension(other)))
            yield {"take": stem, "formats": kinds, "mean_deg": mean, "worst_deg": worst}
