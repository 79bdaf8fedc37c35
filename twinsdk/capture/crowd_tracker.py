"""CrowdTracker: several people, or a chosen one of several, each followed in their own window."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from twinsdk.capture.crowd import SAME_BODY, Glimpse, Roster, colours_of
from twinsdk.capture.followed_person import FollowedPerson
from twinsdk.capture.mediapipe_models import BodyFinder
from twinsdk.capture.models import resolve_models
from twinsdk.capture.quiet import quiet_native
from twinsdk.capture.regions import Square, cut, on_image, shrunk
from twinsdk.capture.tracker_config import TrackerConfig, parse_choice
from twinsdk.core.arrays import F32
from twinsdk.core.closing import Closing
from twinsdk.core.image import Image
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

__all__ = ["CrowdTracker"]

_SEARCH_EVERY = 15  # frames between looks at the whole picture
_SEARCH_SOON = 5  # while somebody is missing
_BYSTANDERS = 2  # looked at besides those followed, lest one of them be taken for a followed one
_MARGIN = 1.5  # side of a window over the body's extent
_FOLLOWING = 0.2  # share of the way a window goes a frame: the model's own square lags by as much
_TILES = 3  # of a wide picture in which nobody was found
_LOST_MARGIN = 3.0  # side of where a lost person is looked for over their extent
_MISSED = 3  # frames without a body after which its window is given up


@dataclass(kw_only=True, eq=False)
class _Followed:
    models: FollowedPerson
    window: Square | None = None
    missed: int = 0


class CrowdTracker(Closing):
    """Follows up to `config.people` people, the ones `config.follow` chooses.

    Each has a number from 0 that stays with them through crossings and short absences: who is who
    is told by where they were and by the colours of their trunk. Who leaves for ten seconds loses
    the number to somebody else. Each person costs a tracker's time.

    Attributes:
        config: How it works.
        timings: Milliseconds of the last frame, summed over people.
    """

    def __init__(self, config: TrackerConfig) -> None:
        """Load the models, fetching them on the first run.

        Raises:
            ModelMissingError: They are not here and cannot be fetched.
            FormatError: A model in `config.model_dir` is damaged.
        """
        self.config = config
        self.timings: dict[str, float] = {}
        self._paths = resolve_models(config.model_dir, fetch=config.fetch, pose=config.pose)
        self._pool = ThreadPoolExecutor(4, "tracker") if config.parallel else None
        with quiet_native():
            self._finder = BodyFinder(
                self._paths, config.min_detection, people=config.people + _BYSTANDERS
            )
        self._open = True
        self._last_ns: int | None = None
        self._neutral: F32 | None = None
        self._wanted: str | tuple[float, float] | None = None
        self._followed: dict[int, _Followed] = {}
        self._start_afresh()

    def close(self) -> None:
        """Free models and threads; calling it twice does nothing more."""
        if not self._open:
            return
        self._open = False
        self._finder.close()
        for person in self._followed.values():
            person.models.close()
        if self._pool is not None:
            self._pool.shutdown()

    def follow(self, choice: str | tuple[float, float]) -> None:
        """Choose anew from the next frame on: a word of `CHOICES` or a place in [0, 1] x [0, 1].

        May be called from another thread.
        """
        self._wanted = choice

    @property
    def lifeless(self) -> list[int]:
        """Who of those followed has never moved in ten seconds: most likely a picture."""
        return [] if self._last_ns is None else self._roster.lifeless(self._last_ns)

    @property
    def neutral_face(self) -> F32 | None:
        """The face at rest (478, 3) of the first person, None while it is not known."""
        return self._followed[0].models.neutral_face if 0 in self._followed else None

    def begin_with(self, neutral: F32) -> None:
        """Start the first person from the neutral face (478, 3) of another session."""
        self._neutral = neutral

    def calibrate(self) -> None:
        """Take everybody's face of the next second for neutral; from any thread."""
        for person in list(self._followed.values()):
            person.models.calibrate()

    def track(self, image: Image) -> list[Observation]:
        """Return what is seen of each followed person, by number.

        Raises:
            UsageError: The tracker is closed.
        """
        if not self._open:
            raise UsageError("tracker: expected an open one, this one has been closed")
        if self._last_ns is not None and image.timestamp_ns < self._last_ns:
            self._close_people()
            self._start_afresh()
        self._last_ns = image.timestamp_ns
        if self._wanted is not None:
            self._choose(image)
        with quiet_native():  # each person's models write to stderr when they first find something
            if self._search_due():
                self._search(image)
            observations = {
                number: person.models.observe(image, person.window)
                for number, person in self._followed.items()
                if person.window is not None
            }
        self._frame += 1
        self.timings = self._summed(observations)
        seen = self._glimpsed(observations, image)
        for number in self._roster.doubles(seen):
            self._lose(number)
            del seen[number], observations[number]
        for a, b in self._roster.swapped(seen):
            self._swap(a, b)
            seen[a], seen[b] = seen[b], seen[a]
            observations[a], observations[b] = observations[b], observations[a]
        for number, glimpse in seen.items():
            self._roster.see(
                number, glimpse, image.timestamp_ns, clear=self._roster.clear(number, seen)
            )
            self._move_window(number, glimpse)
        return [
            replace(observation, person=number)
            for number, observation in sorted(observations.items())
            if observation.found
        ]

    def _start_afresh(self) -> None:
        self._last_ns = None
        self._frame = 0
        self._wanted = parse_choice(self.config.follow or "largest")
        self._roster = Roster(self.config.people)
        self._followed = {}

    def _close_people(self) -> None:
        for person in self._followed.values():
            person.models.close()

    def _choose(self, image: Image) -> None:
        wanted, self._wanted = self._wanted, None
        if isinstance(wanted, tuple):
            wanted = wanted[0] * image.size_px[0], wanted[1] * image.size_px[1]
        self._roster.forget(wanted or "largest")
        for number in self._followed:
            self._lose(number)

    def _search_due(self) -> bool:
        looking = [person for person in self._followed.values() if person.window is not None]
        every = _SEARCH_EVERY if len(looking) == self.config.people else _SEARCH_SOON
        return not looking or self._frame % every == 0

    def _search(self, image: Image) -> None:
        """Look at everybody, and send followers who lost their person to where they are now."""
        glimpses: list[Glimpse] = []
        for square in (None, *self._where_lost()):
            self._add_glimpses(glimpses, image, square)
        if not glimpses and image.size_px[0] > image.size_px[1]:  # far away they are too small
            width, height = image.size_px
            for x in np.linspace(height / 2, width - height / 2, _TILES):
                tile = Square(x=float(x), y=height / 2, side=float(height))
                self._add_glimpses(glimpses, image, tile)
        for number, glimpse in self._roster.assign(glimpses, image.timestamp_ns).items():
            if number not in self._followed:
                models = FollowedPerson(self.config, self._paths, self._pool)
                if number == 0 and self._neutral is not None:
                    models.begin_with(self._neutral)
                self._followed[number] = _Followed(models=models)
            person = self._followed[number]
            x, y = glimpse.middle
            if person.window is None or not _holds(person.window, float(x), float(y)):
                person.window, person.missed = glimpse.square(_MARGIN), 0

    def _where_lost(self) -> list[Square]:
        """Return the surroundings of where those who are not followed now were last."""
        return [
            self._roster.last(number).square(_LOST_MARGIN)
            for number, person in self._followed.items()
            if person.window is None and self._roster.knows(number)
        ]

    def _add_glimpses(self, glimpses: list[Glimpse], image: Image, square: Square | None) -> None:
        long_side = self.config.long_side_px
        if square is None:
            picture = shrunk(image.pixels, long_side)
        else:
            picture = cut(image.pixels, square, min(long_side, max(round(square.side), 64)))
        for body in self._finder(picture):
            uv = body.points[:, :2]
            if square is not None:
                uv, _ = on_image(body.points, square, image.size_px)
            pixels = uv * np.asarray(image.size_px, np.float32)
            glimpse = Glimpse(
                pixels=pixels, visibility=body.visibility, colours=colours_of(image.pixels, pixels)
            )
            if all(glimpse.distance(other) > SAME_BODY for other in glimpses):
                glimpses.append(glimpse)

    def _glimpsed(self, observations: dict[int, Observation], image: Image) -> dict[int, Glimpse]:
        seen = {}
        for number, observation in observations.items():
            person, body = self._followed[number], observation.image_body
            if body is None:
                person.missed += 1
                if person.missed >= _MISSED:
                    self._lose(number)
                continue
            person.missed = 0
            pixels = body.pixels()
            seen[number] = Glimpse(
                pixels=pixels,
                visibility=body.visibility,
                colours=colours_of(image.pixels, pixels),
            )
        return seen

    def _move_window(self, number: int, glimpse: Glimpse) -> None:
        person, wanted = self._followed[number], glimpse.square(_MARGIN)
        now = person.window or wanted
        person.window = Square(
            x=now.x + _FOLLOWING * (wanted.x - now.x),
            y=now.y + _FOLLOWING * (wanted.y - now.y),
            side=now.side + _FOLLOWING * (wanted.side - now.side),
        )

    def _lose(self, number: int) -> None:
        self._followed[number].window = None

    def _swap(self, a: int, b: int) -> None:
        self._followed[a], self._followed[b] = self._followed[b], self._followed[a]

    def _summed(self, observations: dict[int, Observation]) -> dict[str, float]:
        total: dict[str, float] = {}
        for number in observations:
            for stage, milliseconds in self._followed[number].models.timings.items():
                total[stage] = total.get(stage, 0.0) + milliseconds
        return total


def _holds(window: Square, x: float, y: float) -> bool:
    """Return whether a point lies well within a window."""
    return max(abs(x - window.x), abs(y - window.y)) < 0.35 * window.side
