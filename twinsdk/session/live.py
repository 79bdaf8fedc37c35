"""The live loop: frames in, twin frames out, every stage timed, none waiting for a slower one.

One thread grabs (inside the source), one tracks, and the caller's thread fits, retargets and
streams. Between them is one slot: a live source drops the older of two waiting frames and counts
it; a file waits, so that a run over a file is complete and repeatable.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from twinsdk.avatar import load_avatar
from twinsdk.bridge import Publisher
from twinsdk.capture import FrameSource, SourceStatus, Tracker
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.core.image import Image
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError
from twinsdk.session.between import Rhythm
from twinsdk.session.config import SessionConfig, settled, tracker_for
from twinsdk.session.followed import Followed
from twinsdk.session.profile import Profile
from twinsdk.session.source import open_source
from twinsdk.session.timing import StageStats, StageTimes

__all__ = ["Session", "SessionConfig", "Step"]

_PATIENCE_S = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """All that one source frame led to.

    Attributes:
        image: The source frame; of a lost camera the last one.
        observations: What was seen, one a person; empty when nobody was found.
        frames: One twin frame a person that is or was followed.
        media_ns: The image's own timestamp, for recording; equals the capture time for cameras.
        filled: Whether it lies between two source frames: `image` and `observations` are those of
            the one before then, `frames` and `media_ns` are of a time after it.
    """

    image: Image
    observations: tuple[Observation, ...]
    frames: tuple[TwinFrame, ...]
    media_ns: int
    filled: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tracked:
    image: Image
    observations: tuple[Observation, ...]
    grabbed_ns: int


class Session(Closing):
    """The live loop; iterate it for `TwinFrame`s.

    ```python
    with tw.Session(0, "default") as session:
        for frame in session:
            print(frame.pose.rotation("head"))
    ```

    Args:
        source: What `twinsdk.open_source` takes, or an open `FrameSource`.
        avatar: An `Avatar`, a file, or "default".
        config: See `SessionConfig`.
        tracker: Another `Tracker` than MediaPipe.
        publisher: Where frames go; entered and closed by its owner, not here.
        on_step: Called with every `Step` before its frames are yielded.

    Raises:
        TwinError: The source, the avatar or the tracker's models cannot be opened.
    """

    def __init__(
        self,
        source: int | str | FrameSource,
        avatar: Avatar | str = "default",
        *,
        config: SessionConfig | None = None,
        tracker: Tracker | None = None,
        publisher: Publisher | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self.config = settled(config or SessionConfig())
        self.avatar = load_avatar(avatar) if isinstance(avatar, str) else avatar
        self.times = StageTimes()
        self.dropped = self.filled = 0
        self.expressive = True
        self._source = open_source(source) if isinstance(source, int | str) else source
        self._owns_source = isinstance(source, int | str)
        self._owns_tracker = tracker is None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._tracker = tracker or tracker_for(self.config, live=self._source.live)
        except BaseException:
            self.close()
            raise
        self._publisher = publisher
        self._on_step = on_step
        self._people: dict[int, Followed] = {}
        fill_fps = self.config.fill_fps if self._source.live else None
        self._rhythm = None if fill_fps is None else Rhythm(fill_fps)
        self._looking_ns: int | None = None
        self._newest: Step | None = None
        self._put_out_ns = 0
        profile = self.config.profile
        if profile is not None and profile.neutral_face is not None:
            getattr(self._tracker, "begin_with", lambda _face: None)(profile.neutral_face)
        self._slot: queue.Queue[_Tracked | BaseException | None] = queue.Queue(
            maxsize=1 if self._source.live else 2
        )

    def close(self) -> None:
        """Stop the loop and release the source and the tracker; may be called twice."""
        self.stop()
        if self._owns_source:
            self._source.close()  # first: a reader that waits returns at once
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self._owns_tracker and hasattr(self, "_tracker"):
            self._tracker.close()

    def stop(self) -> None:
        """Ask the loop to end after the frame it is at; safe from a signal handler."""
        self._stop.set()

    def follow(self, x: float, y: float) -> None:
        """Follow whoever is nearest to a place in the picture, in fractions of it, from now on.

        Raises:
            UsageError: The tracker follows whom it finds; say `follow` or `people` in the config.
        """
        choose = getattr(self._tracker, "follow", None)
        if choose is None:
            raise UsageError('follow: expected a session with config.follow, e.g. "largest"')
        choose((x, y))

    @property
    def source(self) -> FrameSource:
        """The source being read."""
        return self._source

    def stats(self) -> dict[str, StageStats]:
        """Return the time every stage took; see `StageStats`."""
        return self.times.stats()

    @property
    def met(self) -> int:
        """How many people were followed since the start."""
        return len(self._people)

    @property
    def lifeless(self) -> list[int]:
        """Who of those followed has never moved in ten seconds: most likely a picture."""
        return list(getattr(self._tracker, "lifeless", ()))

    def learnt(self) -> Profile:
        """Return what is known of the person by now, for later sessions to start from."""
        given = self.config.profile or Profile(height_m=self.config.fit.height_m)
        face = getattr(self._tracker, "neutral_face", None)
        first = next(iter(self._people.values()), None)
        return replace(
            given,
            learnt=given.learnt if first is None else first.fitter.learnt(),
            neutral_face=given.neutral_face if face is None else face,
        )

    def calibrate(self) -> None:
        """Take the face of the next second for neutral, and learn the person's lengths anew."""
        getattr(self._tracker, "calibrate", lambda: None)()
        for person in self._people.values():
            person.fitter.relearn()

    def to_middle(self) -> None:
        """Put every twin back to the middle of the floor."""
        for person in self._people.values():
            person.to_middle()

    def __iter__(self) -> Iterator[TwinFrame]:
        for step in self.steps():
            yield from step.frames

    def steps(self) -> Iterator[Step]:
        """Yield a `Step` for every source frame until the source ends or `stop` is called."""
        if self._thread is not None:
            raise RuntimeError("a session runs once; make another for another run")
        self._thread = threading.Thread(target=self._track, name="twinsdk-track", daemon=True)
        self._thread.start()
        tracked = shown = time.perf_counter_ns()
        while (step := self._next()) is not None:
            if self._on_step is not None:
                self._on_step(step)
            now = time.perf_counter_ns()
            self.times.add("output", (now - shown) / 1e6)
            shown = now
            if not step.filled:
                self.times.add("frame", (now - tracked) / 1e6)
                tracked = now
            yield step

    def _next(self) -> Step | None:
        """Return the next step, tracked or in between; None at the end."""
        while not self._stop.is_set():
            try:
                item = self._slot.get(timeout=self._patience_s())
            except queue.Empty:
                step = self._between()
                if step is not None:
                    return step
                continue
            if isinstance(item, BaseException):
                raise item
            return None if item is None or self._stop.is_set() else self._solve(item)
        return None

    def _patience_s(self) -> float:
        if self._rhythm is None:
            return _PATIENCE_S
        return min(_PATIENCE_S, max(self._rhythm.due_s() - time.monotonic(), 0.0))

    def _between(self) -> Step | None:
        """Put out everybody as they go on until the next frame is tracked; None if not due."""
        newest, rhythm = self._newest, self._rhythm
        if newest is None or rhythm is None or time.monotonic() < rhythm.due_s():
            return None
        waited_s = rhythm.filled(time.monotonic())
        passed_ns = time.monotonic_ns() - self._put_out_ns
        going_on = (
            person.between(
                passed_ns,
                before_ns=self._looking_ns,
                waited_s=waited_s,
                reach_s=2 * rhythm.interval_s,
            )
            for person in self._people.values()
        )
        frames = tuple(frame for frame in going_on if frame is not None)
        if not frames:
            return None
        self.filled += 1
        self._put_out(frames)
        return replace(newest, frames=frames, media_ns=frames[0].timestamp_ns, filled=True)

    def _put_out(self, frames: tuple[TwinFrame, ...]) -> None:
        if self._publisher is not None:
            with self.times.measure("stream"):
                for frame in frames:
                    self._publisher.send(frame)
        self._put_out_ns = time.monotonic_ns()

    def _track(self) -> None:
        """Tracking thread: newest image in, observations into the slot."""
        try:
            for image, fresh in self._images():
                grabbed = image.timestamp_ns if self._source.live else now_ns()
                self._looking_ns = grabbed
                observations: tuple[Observation, ...] = ()
                if fresh:
                    with self.times.measure("track"):
                        observations = tuple(self._tracker.track(image))
                    for part, milliseconds in getattr(self._tracker, "timings", {}).items():
                        self.times.add(f"track.{part}", milliseconds)
                self._offer(_Tracked(image=image, observations=observations, grabbed_ns=grabbed))
            self._offer(None)
        except BaseException as error:  # handed to the caller's thread
            self._offer(error)

    def _images(self) -> Iterator[tuple[Image, bool]]:
        """Yield the source's images; of a lost camera, its last one again and again, not fresh.

        So the twin of somebody who was in view is held, then eases to rest, while the source
        reopens its camera.
        """
        count, last = 0, None
        while not self._stop.is_set() and count != self.config.max_frames:
            image = self._source.read(timeout_s=_PATIENCE_S)
            if image is not None:
                count, last = count + 1, image
                yield image, True
            elif self._source.status in (SourceStatus.ENDED, SourceStatus.CLOSED):
                return
            elif last is not None and self._source.live:
                last = replace(last, timestamp_ns=now_ns())
                yield last, False

    def _offer(self, item: _Tracked | BaseException | None) -> None:
        newest_wins = self._source.live and isinstance(item, _Tracked)
        while not self._stop.is_set():
            try:
                self._slot.put(item, block=not newest_wins, timeout=0.1)
            except queue.Full:
                if newest_wins:
                    self._drop_oldest()
            else:
                return

    def _drop_oldest(self) -> None:
        try:
            self._slot.get_nowait()
            self.dropped += 1
        except queue.Empty:  # the other thread was quicker
            pass

    def _solve(self, tracked: _Tracked) -> Step:
        """Fit, retarget and stream everybody who is or was seen."""
        start = time.perf_counter_ns()
        seen = {observation.person: observation for observation in tracked.observations}
        for person in seen:
            if person not in self._people:
                self._people[person] = self._another()
        frames = tuple(
            followed.frame(
                seen.get(person)
                or Observation(timestamp_ns=tracked.image.timestamp_ns, person=person),
                tracked.grabbed_ns,
                expressive=self.expressive,
            )
            for person, followed in self._people.items()
        )
        self._put_out(frames)
        if self._rhythm is not None:
            self._rhythm.fresh(time.monotonic())
        done = time.perf_counter_ns()
        self.times.add("ours", (done - start) / 1e6)
        self.times.add("latency", (now_ns() - tracked.grabbed_ns) / 1e6)
        self._newest = Step(
            image=tracked.image,
            observations=tracked.observations,
            frames=frames,
            media_ns=tracked.image.timestamp_ns,
        )
        return self._newest

    def _another(self) -> Followed:
        followed = Followed(
            self.config.fit,
            self.avatar,
            avatar_id=len(self._people),
            modelled=self.config.motion_model,
            predict_s=self.config.predict_s,
            times=self.times,
            filling=self._rhythm is not None,
        )
        if self.config.profile is not None:
            followed.fitter.begin_with(self.config.profile.learnt)
        return followed
