"""`MotionModel`: one small network behind webcam, trackers and nothing at all, frame by frame."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.clip import MotionClip
from twinsdk.core.frame import TrackingState
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.observation import Observation
from twinsdk.core.recurrent import RecurrentNetwork, Steps
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import Trackers
from twinsdk.errors import DependencyError, FormatError, ShapeError, UsageError
from twinsdk.motion.fitting.fit import BodyFitter
from twinsdk.motion.generation.generate import generate
from twinsdk.motion.generation.performances import library
from twinsdk.motion.model.body import COUNT, INDEX
from twinsdk.motion.model.person import NOTHING_READ, Body, Person, Read
from twinsdk.motion.model.show import perform, show
from twinsdk.motion.model.slots import STYLES, Seen, Source, encode
from twinsdk.motion.model.step import MotionStep, Webcam
from twinsdk.motion.model.weights import Weights, read_weights, weights_path
from twinsdk.motion.vectors import smoothstep

__all__ = ["MotionModel", "MotionState"]

_LEAST_S = 1 / 66  # quicker sources are answered with the last corrections on a fresh start
_LONGEST_S = 0.5
_PATIENCE_S = 0.6  # without a source, until the person moves on their own
_UNSEEN = (0.3, 0.7)  # a joint less sure is all the network's, a surer one not at all
_NAMES = {Source.WEBCAM: "webcam", Source.TRACKERS: "trackers", Source.NOTHING: "nothing"}


class MotionState:
    """What a model remembers of its people; opaque."""

    def __init__(self, people: list[Person]) -> None:
        self._people = copy.deepcopy(people)

    def people(self) -> list[Person]:
        """Return a copy of what was remembered."""
        return copy.deepcopy(self._people)


class MotionModel:
    """Follows people by whatever shows them, completes them, and knows where they are going.

    A network corrects a closed-form start; where it was not found better than the start, the start
    is shown. Hands and feet with trackers are then put where these are, standing feet are held, and
    at a change of source the difference dies away. Nothing seen for 0.6 s, the person idles.

    Args:
        weights: See `read_weights`.
        skeleton: That poses are on: VRM's joint names (at least the 22 of the body), T-pose with
            identity rest rotations, the person's size where trackers are used. None is
            `humanoid_skeleton()`.
        seed: Of what people do on their own.
        people: How many `step_many` follows.
        network: That runs the weights; None is the weights' own.

    Raises:
        NotHumanoidError: The skeleton is another.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        skeleton: Skeleton | None = None,
        seed: int = 0,
        people: int = 1,
        network: Steps | None = None,
    ) -> None:
        self.weights = weights
        self._network = network or weights.network
        self.skeleton = skeleton or humanoid_skeleton()
        self._body = Body(self.skeleton)
        self._seed = seed
        self._people = [self._fresh() for _ in range(people)]
        self.style: str | None = None

    @classmethod
    def load(
        cls,
        name: str | Path = "default",
        *,
        skeleton: Skeleton | None = None,
        seed: int = 0,
        people: int = 1,
        device: str | None = None,
    ) -> MotionModel:
        """Return a model with weights by name ("default" is in the package) or path (.npz).

        Args:
            name: See above.
            skeleton: See the class, as `seed` and `people`.
            seed: Of what people do on their own.
            people: How many.
            device: Of torch, "cuda" for crowds: the network is run there for all of them at once.
                None runs it compiled on one core, as quick for one person.

        Raises:
            ModelMissingError: There are none.
            FormatError: They are damaged or for another version.
            UsageError: Torch knows no such device.
            DependencyError: There is no such device, or no torch.
        """
        library("idle")  # 0.3 s that a live loop would wait when somebody leaves
        weights = read_weights(weights_path(name))
        network = None if device is None else _on(device, weights.network)
        return cls(weights, skeleton=skeleton, seed=seed, people=people, network=network)

    def step(
        self, source: Observation | Webcam | Trackers | None, dt_s: float | None = None
    ) -> MotionStep:
        """Return the first person's pose, `dt_s` seconds after the last.

        Args:
            source: A webcam's observation (fitted here), or one with its fit, trackers in the
                skeleton's own metres, or None when nothing is seen.
            dt_s: Seconds, best 1/120 to 1/15. None is 1/30. None passes where it is 0, negative or
                not finite: the last step is returned.
        """
        return self.step_many([source], dt_s)[0]

    def step_many(
        self,
        sources: Sequence[Observation | Webcam | Trackers | None],
        dt_s: float | None = None,
    ) -> list[MotionStep]:
        """Return the poses of several people, the network run once for all.

        Raises:
            ShapeError: There are more or fewer sources than people.
        """
        if len(sources) != len(self._people):
            raise ShapeError(f"sources: expected {len(self._people)}, got {len(sources)}")
        dt_s = 1 / 30 if dt_s is None else float(dt_s)
        steps: list[MotionStep | None] = [None] * len(sources)
        if not (np.isfinite(dt_s) and dt_s > 0):
            steps = [person.last for person in self._people]
            dt_s = 1 / 30  # for those who have no last step
        dt_s = min(dt_s, _LONGEST_S)
        seen: dict[int, Seen] = {}
        for k, source in enumerate(sources):
            if steps[k] is not None:
                continue
            person = self._people[k]
            given = self._given(person, source)
            person.blind_s = 0.0 if _shows(given) else person.blind_s + dt_s
            if (person.seen is None and not _shows(given)) or person.blind_s > _PATIENCE_S:
                steps[k] = perform(person, dt_s, self._seed + k)
                continue
            if person.performer is not None:  # back from idling
                person.performer = None
            seen[k] = person.see(given, dt_s, self._style())
            person.since_s += dt_s
        self._read([self._people[k] for k in seen])
        for k, now in seen.items():
            person = self._people[k]
            read = self._believed(person, Source(int(now.source[0])))
            steps[k] = show(person, now, read, dt_s)
        return [step for step in steps if step is not None]

    def generate(
        self,
        seconds: float,
        seed: int = 0,
        style: str | None = None,
        start: MotionClip | None = None,
        **more: object,
    ) -> MotionClip:
        """Return motion that nobody did, see `twinsdk.motion.generation.generate.generate`."""
        return generate(seconds, seed=seed, style=style or "idle", start=start, **more)  # type: ignore[arg-type]

    def state(self) -> MotionState:
        """Return what is remembered of everybody, to go on from it later."""
        return MotionState(self._people)

    def restore(self, state: MotionState) -> None:
        """Go on from a state of this model.

        Raises:
            UsageError: It is of another number of people, another skeleton or other weights.
        """
        people = state.people()
        fresh = self._fresh()
        if len(people) != len(self._people) or any(
            person.state.shape != fresh.state.shape
            or not person.body.skeleton.matches(self.skeleton)
            for person in people
        ):
            raise UsageError("state: of another model, skeleton or number of people")
        self._people = people

    def reset(self) -> None:
        """Forget everybody."""
        self._people = [self._fresh() for _ in self._people]

    def _fresh(self) -> Person:
        return Person(body=self._body, state=self._network.fresh_state(1))

    def _style(self) -> int:
        if self.style is None:
            return -1
        if self.style not in STYLES:
            raise UsageError(f"style: no {self.style!r}; there are {list(STYLES)}")
        return STYLES.index(self.style)

    def _given(
        self, person: Person, source: Observation | Webcam | Trackers | None
    ) -> Webcam | Trackers | None:
        if isinstance(source, Observation):
            person.fitter = person.fitter or BodyFitter()
            return Webcam(observation=source, fit=person.fitter.step(source))
        return source

    def _read(self, people: list[Person]) -> None:
        """Run the network for those whose last run is long enough ago."""
        due = [person for person in people if person.since_s >= _LEAST_S or person.before is None]
        if not due:
            return
        now = _stacked([person.seen for person in due])
        before = _stacked([person.before or person.seen for person in due])
        dt = np.array([person.since_s for person in due], np.float32)
        state = np.concatenate([person.state for person in due])
        out = self._network.step(encode(now, before, dt), 30 * dt, state)
        for k, person in enumerate(due):
            if not np.isfinite(out[k].sum()):  # cannot be with finite weights and clamped inputs
                raise FormatError("motion model: the weights give numbers that are not finite")
            person.state = state[k : k + 1].copy()
            read = _read_of(out[k])
            same = person.before is not None and _alike(now, before, k)
            person.pace = (read.turns - person.read.turns) / dt[k] if same else 0 * read.turns
            person.before, person.since_s, person.read = person.seen, 0.0, read

    def _believed(self, person: Person, source: Source) -> Read:
        """Return what the network said, or no correction where it is no better than its start."""
        better = self.weights.better
        if _NAMES[source] in better:
            # Between two runs the start moves on, and what it is corrected by with it.
            return replace(
                person.read, turns=person.read.turns + np.float32(person.since_s) * person.pace
            )
        if source == Source.WEBCAM and "unseen" in better and person.seen is not None:
            return _where_unseen(person.read, person.seen.confidence[0])
        return Read(**{**vars(NOTHING_READ), "contacts": person.read.contacts})


def _on(device: str, network: RecurrentNetwork) -> Steps:
    try:
        from twinsdk.motion.model.torch_step import TorchRecurrentNetwork
    except ImportError as error:
        raise DependencyError(f"device: {device!r} needs torch; pip install torch") from error
    return TorchRecurrentNetwork(network, device)


def _where_unseen(read: Read, confidence: F32) -> Read:
    """Return the corrections of joints that a webcam hardly sees; of all where no leg is seen.

    A fit of a whole person is sure of more than the network is; half a person is guessed at.
    """
    share = 1 - smoothstep(confidence, *_UNSEEN)
    legs = share[[INDEX["leftLowerLeg"], INDEX["rightLowerLeg"]]].min()
    share = np.maximum(share, legs)[:, None]
    turns = NOTHING_READ.turns + share * (read.turns - NOTHING_READ.turns)
    root = read.root * np.array([legs, 1, 1, 1], np.float32)
    return Read(**{**vars(read), "turns": turns.astype(np.float32), "root": root})


def _shows(source: Webcam | Trackers | None) -> bool:
    if isinstance(source, Trackers):
        return bool(source.seen.any())
    return source is not None and source.fit.state is not TrackingState.IDLE


def _alike(now: Seen, before: Seen, k: int) -> bool:
    """Return whether person `k` is seen by the same as before."""
    same = (now.source[k] == before.source[k]).all()
    return bool(same and (now.tracker_seen[k] == before.tracker_seen[k]).all())


def _stacked(seen: Sequence[Seen | None]) -> Seen:
    if len(seen) == 1 and seen[0] is not None:
        return seen[0]
    return Seen(
        **{
            name: np.concatenate([getattr(one, name) for one in seen])
            for name in Seen.__dataclass_fields__
        }
    )


def _read_of(out: F32) -> Read:
    turns, root, contacts, spread, _ = np.split(out, np.cumsum([6 * COUNT, 4, 4, COUNT]))
    return Read(
        turns=turns.reshape(COUNT, 6) + np.array([1, 0, 0, 0, 1, 0], np.float32),
        root=root,
        contacts=np.asarray(1 / (1 + np.exp(-np.clip(contacts, -30, 30))), np.float32),
        spread=np.asarray(np.exp(np.clip(spread, -6, 1)), np.float32),
    )
