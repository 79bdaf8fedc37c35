"""The public evaluation of motion: whose clips, which methods, one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.clip import MotionClip, clip_of
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.observation import Observation
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import Trackers
from twinsdk.errors import FileMissingError, FormatError, ModelMissingError, TwinError
from twinsdk.formats import load_clip
from twinsdk.formats.dispatch import CLIP_READERS, extension
from twinsdk.motion.evaluation.alone import alone, frechet, latents, spread
from twinsdk.motion.evaluation.clips import TrueClip, body_of, is_packed, read_packed
from twinsdk.motion.evaluation.followers import (
    BODY_ROWS,
    AnalyticTrackers,
    AnalyticWebcam,
    Estimate,
    Follower,
    MeanPose,
    Modelled,
    NearestNeighbour,
)
from twinsdk.motion.evaluation.protocol import DROPOUTS_S, Row, dropouts, headset, webcam
from twinsdk.motion.evaluation.simulated import NOISE_VERSION
from twinsdk.motion.fitting.fit import BodyFitter
from twinsdk.motion.fitting.person import on_skeleton
from twinsdk.motion.generation.flow import generator, read_flow
from twinsdk.motion.generation.learned import LearnedPerformer
from twinsdk.motion.generation.performances import BODY, library
from twinsdk.motion.generation.performer import Performer
from twinsdk.retarget import RetargetConfig, retarget
from twinsdk.session.choreography import close_up
from twinsdk.session.motion_stage import MotionStage, motion_model

__all__ = ["EvaluationSet", "LiveWebcam", "evaluate_alone", "evaluate_motion", "evaluation_set"]

_SHORTEST = 20  # frames
_TALL_M = 1.7
_FPS = 30.0
_TAKES = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSet:
    """What is measured on.

    Attributes:
        words: One line that says so.
        clips: The truth.
        examples: Other people's clips, for the baselines that learn; may be empty.
    """

    words: str
    clips: tuple[TrueClip, ...]
    examples: tuple[TrueClip, ...] = ()

    @property
    def minutes(self) -> float:
        """How long the clips are together."""
        return sum(true.clip.duration_s for true in self.clips) / 60


def evaluation_set(path: str | Path | None) -> EvaluationSet:
    """Return the clips of a file or folder, or without one those that the package makes.

    A packed set with a split gives its "dev" clips as the truth and its "train" clips as examples.
    Other clips are put on the canonical skeleton first.

    Raises:
        FileMissingError, FormatError: There is nothing usable there.
    """
    if path is None:
        made = body_of(close_up(), name="close-up", subject="scripted")
        return EvaluationSet(
            words="one scripted clip of 8 s that the package makes: it shows that everything runs, "
            "not how good it is; give captured motion with --data",
            clips=(made,),
        )
    given = Path(path)
    if not given.exists():
        raise FileMissingError(f"--data: no such file or folder: {given}")
    if given.is_file() and is_packed(given):
        return _packed(given)
    files = sorted(p for p in given.rglob("*") if p.is_file()) if given.is_dir() else [given]
    clips: list[TrueClip] = []
    for file in files:
        if given.is_dir() and (extension(file) not in CLIP_READERS or _is_avatar(file)):
            continue
        if file.suffix == ".npz" and is_packed(file):
            clips += read_packed(file)
            continue
        try:
            clips.append(_canonical(file))
        except TwinError:
            if not given.is_dir():
                raise
    usable = _usable(clips)
    if not usable:
        raise FormatError(
            f"--data: expected motion clips of {_SHORTEST} frames or more, got none: {given}"
        )
    return EvaluationSet(words=f"{len(usable)} clips of {given.name}", clips=usable)


def evaluate_motion(
    data: EvaluationSet,
    *,
    say: Callable[[str], None] = lambda _: None,
    weights: str | Path = "default",
) -> tuple[list[Row], dict[str, Any]]:
    """Return a row for every task and method, and what they were measured on.

    Args:
        data: See `evaluation_set`.
        say: Told what is being measured.
        weights: Of the motion model, see `MotionModel.load`; left out where there are none.
    """
    worn: list[Follower] = []
    if data.examples:
        worn += [MeanPose(data.examples), NearestNeighbour(data.examples)]
    worn.append(AnalyticTrackers())
    seen: list[Follower] = [AnalyticWebcam(), LiveWebcam(weights)]
    try:
        model = Modelled(weights)
    except ModelMissingError:
        say("no weights of the motion model here: its rows are left out")
    else:
        worn.append(model)
        seen.append(model)
    rows: list[Row] = []
    for follower in worn:
        say(f"headset: {follower.name}")
        rows.append(headset(follower, data.clips))
    for legs in (True, False):
        for follower in seen:
            say(f"webcam{'' if legs else ', legs hidden'}: {follower.name}")
            rows.append(webcam(follower, data.clips, legs=legs))
    for lost_s in DROPOUTS_S:
        for follower in [way for way in worn if not isinstance(way, MeanPose | NearestNeighbour)]:
            say(f"hands lost {lost_s:g} s: {follower.name}")
            row = dropouts(follower, data.clips, lost_s=lost_s)
            rows += [] if row is None else [row]
    about = {
        "data": data.words,
        "clips": len(data.clips),
        "subjects": len({true.subject for true in data.clips}),
        "minutes": round(data.minutes, 2),
        "noise_version": NOISE_VERSION,
    }
    return rows, about


def evaluate_alone(
    *,
    minutes: float = 10.0,
    seed: int = 0,
    styles: Sequence[str] = ("idle",),
    flow: str | Path | None = None,
) -> dict[str, dict[str, float]]:
    """Return the measures of motion that nobody did beside those of the people it is made of.

    For each style: the data; performances strung together; what the learned generator draws. The
    Frechet distance of one half of the data from the other says how much is chance.

    Args:
        minutes: Of idling; other styles are made in takes of a minute, two at most.
        seed: Of the first take.
        styles: Which.
        flow: Weights of the generator; None is the package's.
    """
    weights = generator() if flow is None else read_flow(flow)
    rows: dict[str, dict[str, float]] = {}
    for style in styles:
        data = _captured(style)
        true = latents(data)
        own = spread(true)
        halves = [latents(data[i::2]) for i in range(2)] if len(data) > 1 else [true, true]
        rows[f"{style}: captured"] = {
            **alone(data),
            "frechet": frechet(*halves),
            "diversity": 1.0,
        }
        takes = 1 if style == "idle" else max(1, min(round(minutes), _TAKES))
        lasting = 60 * minutes / takes if style == "idle" else min(60.0, 60 * minutes)
        for way in ("performances", "learned"):
            made = []
            for k in range(takes):
                performer = (
                    Performer(style, seed=seed + k)
                    if way == "performances"
                    else LearnedPerformer(style, seed=seed + k, flow=weights)
                )
                count = round(lasting * _FPS)
                clip = clip_of([performer.step(1 / _FPS) for _ in range(count)], fps=_FPS)
                made.append(body_of(clip, name=style).clip)
            ours = latents(made)
            rows[f"{style}: {way}, {takes * lasting / 60:g} min"] = {
                **alone(made),
                "frechet": frechet(true, ours),
                "diversity": spread(ours) / own,
            }
    return rows


class LiveWebcam:
    """What the live loop shows of a webcam: the fit, and the model's legs where these are hidden.

    Args:
        weights: Of the motion model; without any the fit alone is shown.
    """

    name = "live loop"

    def __init__(self, weights: str | Path = "default") -> None:
        self._weights = weights

    def follow(
        self, sources: Sequence[Trackers | Observation], skeleton: Skeleton, fps: float
    ) -> Estimate:
        """Return the poses shown."""
        shown_on = humanoid_skeleton(_TALL_M)
        fitter = BodyFitter()
        stage = MotionStage(shown_on, motion_model(shown_on, weights=self._weights))
        poses = []
        for seen in sources:
            assert isinstance(seen, Observation)  # noqa: S101  # a webcam's task gives no other
            fit = fitter.step(seen)
            fit = replace(fit, pose=on_skeleton(fit.pose, shown_on))
            poses.append(stage.webcam(seen, fit, 1 / fps).pose)
        return Estimate(
            clip=MotionClip(
                skeleton=skeleton,
                fps=fps,
                rotations=np.stack([pose.rotations[BODY_ROWS] for pose in poses]),
                root_translations=np.stack([pose.root_translation for pose in poses]),
            )
        )


def _captured(style: str) -> list[MotionClip]:
    found = library(style)
    ends = list(dict.fromkeys(found.ends.tolist()))
    return [
        MotionClip(
            skeleton=BODY,
            fps=found.fps,
            rotations=found.rotations[a:b],
            root_translations=found.roots[a:b],
        )
        for a, b in zip([0, *ends], ends, strict=False)
    ]


def _packed(path: Path) -> EvaluationSet:
    dev, train = (_usable(read_packed(path, split=split)) for split in ("dev", "train"))
    if dev and train and {t.subject for t in dev} != {t.subject for t in train}:
        subjects = len({true.subject for true in dev})
        return EvaluationSet(
            words=f"the dev split of {path.name}: {len(dev)} clips of {subjects} subjects "
            "whom nothing was learnt from",
            clips=dev,
            examples=train,
        )
    every = _usable(read_packed(path))
    return EvaluationSet(words=f"all {len(every)} clips of {path.name}", clips=every)


def _usable(clips: Iterable[TrueClip]) -> tuple[TrueClip, ...]:
    return tuple(true for true in clips if len(true.clip) >= _SHORTEST)


def _canonical(path: Path) -> TrueClip:
    clip = load_clip(path)
    moved = retarget(clip, humanoid_skeleton(_TALL_M), config=RetargetConfig(plant_feet=False))
    return body_of(moved, name=path.stem)


def _is_avatar(path: Path) -> bool:
    return path.suffix.lower() in {".vrm", ".glb", ".gltf", ".usdz"}
