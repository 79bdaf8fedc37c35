"""From somebody's clip to their avatar: track, measure, shape, bake. Nothing leaves the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from twinsdk.avatar import AvatarSpec, bake_face, fit_body, fit_face, generate_avatar
from twinsdk.capture import FrameSource, Tracker, open_tracker
from twinsdk.core.arrays import U8
from twinsdk.core.avatar import Avatar
from twinsdk.formats import save_avatar
from twinsdk.session.guide import Guide
from twinsdk.session.portrait import with_thumbnail
from twinsdk.session.survey import Survey, Surveyor

__all__ = ["FittedAvatar", "fit_avatar", "survey_source"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedAvatar:
    """An avatar made of a clip.

    Attributes:
        avatar: With the person's face, and a thumbnail.
        spec: What it was generated from; the face's picture is in the avatar alone.
        survey: What the clip showed.
        measures: Joint distances read from the clip, metres, by the names of `MEASURES`; empty
            where the body was not seen.
        coverage: Share of the face's skin that was seen squarely, in [0, 1].
        warnings: What makes the result doubtful, in words.
    """

    avatar: Avatar
    spec: AvatarSpec
    survey: Survey
    measures: dict[str, float]
    coverage: float
    warnings: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write the avatar, and its spec as .json beside it; return the spec's path.

        Raises:
            OutputError: They cannot be written.
        """
        save_avatar(self.avatar, path)
        beside = Path(path).with_suffix(".json")
        self.spec.save(beside)
        return beside


def fit_avatar(
    source: FrameSource,
    *,
    height_m: float | None = None,
    spec: AvatarSpec | None = None,
    say: Callable[[str], None] | None = None,
    tracker: Tracker | None = None,
    progress: bool = True,
) -> FittedAvatar:
    """Return the avatar of the one person a source shows.

    Args:
        source: Opened; a camera with `say` is guided and ends by itself, else it is watched to
            its end.
        height_m: The person's, shoes on; None: the spec's, with a warning.
        spec: Everything a clip does not show: style, hair, name, licence.
        say: Takes the words that guide a person at a camera.
        tracker: Another one than MediaPipe.
        progress: Whether to show bars.

    Raises:
        LandmarkError: There is no face, it is too small, covered or never seen from the front, or
            there are several people.
        AvatarError: The measures contradict the height.
    """
    spec = spec or AvatarSpec(gender=0.5)
    survey = survey_source(source, say=say, tracker=tracker, progress=progress)
    warnings = list(survey.warnings)
    if height_m is None:
        warnings.append(f"no height was given: taken as {spec.height_m * 100:.0f} cm")
    tall = spec.height_m if height_m is None else height_m
    spec = replace(spec, height_m=tall)
    measures, deviations = survey.lengths.measures(tall)
    if measures:
        body = fit_body(
            measures, height_m=height_m, spec=spec, deviation_m=deviations, progress=progress
        )
        spec = body.spec
    if not survey.lengths.whole:
        warnings.append("the body was not seen whole: legs and trunk are average for the height")
    else:
        warnings += [
            f"{joints} were never seen bent to the side: {limb}s are told half as well"
            for limb, joints in (("arm", "elbows"), ("leg", "knees"))
            if not survey.lengths.tells(limb)
        ]
    face = fit_face([view.landmarks for view in survey.views], spec=spec, progress=progress)
    picture = bake_face(survey.views, spec=face.spec, progress=progress)
    warnings += [*face.warnings, *picture.warnings]
    avatar = generate_avatar(picture.spec, face_picture=picture.picture, progress=progress)
    return FittedAvatar(
        avatar=with_thumbnail(avatar),
        spec=picture.spec,
        survey=survey,
        measures=measures,
        coverage=picture.coverage,
        warnings=tuple(warnings),
    )


def survey_source(
    source: FrameSource,
    *,
    say: Callable[[str], None] | None = None,
    tracker: Tracker | None = None,
    progress: bool = True,
) -> Survey:
    """Watch a source and return what it shows of its person.

    Raises:
        LandmarkError: As `fit_avatar`.
    """
    from tqdm import tqdm

    with ExitStack() as stack:
        count: Callable[[U8], int] | None = None
        if tracker is None:
            from twinsdk.capture.people import PeopleCounter

            counter = PeopleCounter()
            stack.callback(counter.close)
            count = counter.count
            tracker = open_tracker()
            stack.callback(tracker.close)
        surveyor = Surveyor(count)
        guide = Guide(say) if source.live and say is not None else None
        bar = stack.enter_context(
            tqdm(
                total=source.frame_count,
                desc=f"watching {source.name}",
                unit=" frames",
                disable=None if progress else True,
            )
        )
        for image in source:
            surveyor.add(image, tracker.track(image))
            bar.update()
            if guide is not None and not guide.step(surveyor.found, time.monotonic()):
                break
    return surveyor.finish()
