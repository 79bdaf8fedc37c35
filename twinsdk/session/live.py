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
from dataclasses import dataclass, field, replace

import numpy as np

from twinsdk.avatar import load_avatar
from twinsdk.bridge import Publisher
from twinsdk.capture import (
    FrameSource,
    SourceStatus,
    Tracker,
    open_tracker,
    tracker_config,
)
from twinsdk.capture.camera_rig import CameraRig
from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.image import Image
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.errors import UsageError, ValueRangeError
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.person import on_skeleton
from twinsdk.retarget import Retargeter
from twinsdk.session.motion_stage import MotionStage, motion_model
from twinsdk.session.rows import source_rows
from twinsdk.session.source import open_source
from twinsdk.session.timing import StageStats, StageTimes

__all__ = ["Session", "SessionConfig", "Step"]

_PATIENCE_S = 0.1
_EFFECTIVE_M = 1e-3
_FURTHEST_S = 0.25


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """How the live loop runs.

    Attributes:
        mode: "light", "balanced" or "performance": how often hands and face are looked for.
        people: How many people are followed at most, each with a twin.
        follow: Whom to take where there are more: "largest", "nearest", "left", "right", or "X,Y",
            a place in fractions of the picture; None takes whom the tracker finds.
        calibration: Of the cameras, from `twin-capture --calibrate`; with several the body is
            measured. It also tells the angle of view, which `fit` then need not.
        max_frames: Stop after so many source frames; None: at the source's end.
        fit: How landmarks become a pose.
        motion_model: Whether the motion model completes what is seen, where its weights are here.
        predict_s: Show everybody so many seconds ahead, up to 0.25, to hide that much delay.
    """

    mode: str = "balanced"
    people: int = 1
    follow: str | None = None
    calibration: CameraRig | None = None
    max_frames: int | None = None
    fit: FitConfig = field(default_factory=FitConfig)
    motion_model: bool = True
    predict_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.predict_s <= _FURTHEST_S:
            raise ValueRangeError(f"predict_s: expected 0 to {_FURTHEST_S}, got {self.predict_s}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """All that one source frame led to.

    Attributes:
        image: The source frame; of a lost camera the last one.
        observations: What was seen, one a person; empty when nobody was found.
        frames: One twin frame a person that is or was followed.
        media_ns: The image's own timestamp, for recording; equals the capture time for cameras.
    """

    image: Image
    observations: tuple[Observation, ...]
    frames: tuple[TwinFrame, ...]
    media_ns: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tracked:
    image: Image
    observations: tuple[Observation, ...]
    grabbed_ns: int


class _Person:
    """One followed person: their filters, their planted feet, their place in the stream."""

    def __init__(self, config: SessionConfig, avatar: Avatar, avatar_id: int) -> None:
        skeleton = humanoid_skeleton(config.fit.height_m)
        self.fitter = BodyFitter(config.fit)
        model = motion_model(skeleton, seed=avatar_id) if config.motion_model else None
        self.motion = MotionStage(skeleton, model, predict_s=config.predict_s)
        self.retargeter = Retargeter(skeleton, avatar)
        self.avatar_id = avatar_id
        self.sequence = 0
        self._last_ns: int | None = None

    def elapsed_s(self, timestamp_ns: int) -> float:
        """Return the seconds since the last call; 0 at the first and when time goes back."""
        last, self._last_ns = self._last_ns, timestamp_ns
        return 0.0 if last is None else max(0.0, (timestamp_ns - last) / 1e9)


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
        self.config = _with_lens(config or SessionConfig())
        self.avatar = load_avatar(avatar) if isinstance(avatar, str) else avatar
        self.times = StageTimes()
        self.dropped = 0
        self._source = open_source(source) if isinstance(source, int | str) else source
        self._owns_source = isinstance(source, int | str)
        self._owns_tracker = tracker is None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._tracker = tracker or _open_tracker(self.config)
        except BaseException:
            self.close()
            raise
        self._publisher = publisher
        self._on_step = on_step
        self._people: dict[int, _Person] = {}
        self._joint_rows = source_rows(self.avatar, HUMANOID_NAMES)
        self._still_eyes = _looks_by_morphs(self.avatar)
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

    def __iter__(self) -> Iterator[TwinFrame]:
        for step in self.steps():
            yield from step.frames

    def steps(self) -> Iterator[Step]:
        """Yield a `Step` for every source frame until the source ends or `stop` is called."""
        if self._thread is not None:
            raise RuntimeError("a session runs once; make another for another run")
        self._thread = threading.Thread(target=self._track, name="twinsdk-track", daemon=True)
        self._thread.start()
        previous = time.perf_counter_ns()
        while (tracked := self._next()) is not None:
            step = self._solve(tracked)
            if self._on_step is not None:
                self._on_step(step)
            now = time.perf_counter_ns()
            self.times.add("frame", (now - previous) / 1e6)
            previous = now
            yield step

    def _next(self) -> _Tracked | None:
        while True:
            try:
                item = self._slot.get(timeout=0.1)
            except queue.Empty:
                if self._stop.is_set():
                    return None
                continue
            if isinstance(item, BaseException):
                raise item
            return None if self._stop.is_set() else item

    def _track(self) -> None:
        """Tracking thread: newest image in, observations into the slot."""
        try:
            for image, fresh in self._images():
                grabbed = image.timestamp_ns if self._source.live else now_ns()
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
                self._people[person] = _Person(
                    self.config, self.avatar, avatar_id=len(self._people)
                )
        frames = tuple(
            self._frame(
                followed,
                seen.get(person)
                or Observation(timestamp_ns=tracked.image.timestamp_ns, person=person),
                tracked.grabbed_ns,
            )
            for person, followed in self._people.items()
        )
        if self._publisher is not None:
            with self.times.measure("stream"):
                for frame in frames:
                    self._publisher.send(frame)
        done = time.perf_counter_ns()
        self.times.add("ours", (done - start) / 1e6)
        self.times.add("latency", (now_ns() - tracked.grabbed_ns) / 1e6)
        return Step(
            image=tracked.image,
            observations=tracked.observations,
            frames=frames,
            media_ns=tracked.image.timestamp_ns,
        )

    def _frame(self, person: _Person, observation: Observation, grabbed_ns: int) -> TwinFrame:
        with self.times.measure("fit"):
            fit = person.fitter.step(observation)
            fit = replace(fit, pose=on_skeleton(fit.pose, person.retargeter.source.skeleton))
        step_s = person.elapsed_s(observation.timestamp_ns)
        with self.times.measure("motion"):
            shown = person.motion.webcam(observation, fit, step_s)
        with self.times.measure("retarget"):
            canonical = _eyes_at_rest(shown.pose) if self._still_eyes else shown.pose
            pose = person.retargeter.step(canonical, step_s)
        frame = TwinFrame(
            avatar_id=person.avatar_id,
            sequence=person.sequence,
            timestamp_ns=grabbed_ns,
            pose=pose,
            expressions=fit.expressions,
            confidence=fit.confidence,
            joint_confidence=shown.joint_confidence[self._joint_rows],
            state=shown.state,
            generated=shown.generated[self._joint_rows],
        )
        person.sequence = (person.sequence + 1) % 2**32
        return frame


def _with_lens(config: SessionConfig) -> SessionConfig:
    if config.calibration is None:
        return config
    fov_deg = config.calibration.cameras[0].lens.fov_deg
    return replace(config, fit=replace(config.fit, fov_deg=fov_deg))


def _open_tracker(config: SessionConfig) -> Tracker:
    one = replace(tracker_config(config.mode), people=config.people, follow=config.follow)
    rig = config.calibration
    if rig is None or len(rig.cameras) == 1:
        return open_tracker(config=one)
    if config.people > 1:
        raise UsageError("people: expected 1 with several cameras, got more")
    from twinsdk.capture.views import ViewsTracker

    return ViewsTracker([open_tracker(config=one) for _ in rig.cameras], rig)


def _looks_by_morphs(avatar: Avatar) -> bool:
    """Return whether the avatar's eyeLook morphs turn its eyes; its eye bones must then rest."""
    rows = [i for i, name in enumerate(avatar.morphs.names) if name.startswith("eyeLook")]
    return bool(rows) and bool(np.abs(avatar.morphs.offsets[rows]).max() > _EFFECTIVE_M)


def _eyes_at_rest(pose: Pose) -> Pose:
    rotations = pose.rotations.copy()
    rotations[[pose.skeleton.joint("leftEye"), pose.skeleton.joint("rightEye")]] = quat.IDENTITY
    return replace(pose, rotations=rotations)
