"""One person as the motion model follows them: what is seen, what was shown, and between."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.frame import TrackingState
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.fitting.fit import BodyFitter
from twinsdk.motion.generation.performer import Performer
from twinsdk.motion.model.analytic import HEAD, Held, TrackerHold, solve_trackers
from twinsdk.motion.model.body import (
    CANONICAL_OFFSETS,
    COUNT,
    IN_HUMANOID,
    INDEX,
    nearest_yaw,
    offsets_on,
    size_of,
)
from twinsdk.motion.model.foresight import Moment
from twinsdk.motion.model.handover import Handover
from twinsdk.motion.model.pins import Pins
from twinsdk.motion.model.slots import MARKS, STYLES, Seen, Source
from twinsdk.motion.model.step import MotionStep, Webcam
from twinsdk.motion.vectors import matrix_of

__all__ = ["Body", "Person", "Read"]

_TRACKED = np.array([INDEX[name] for name in TRACKER_NAMES])
_EYE = np.eye(3, dtype=np.float32)


class Body:
    """The skeleton that poses are on, as the network sees it.

    Args:
        skeleton: With VRM's joint names and identity rest rotations.

    Raises:
        NotHumanoidError: It is another.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        offsets = offsets_on(skeleton)
        self.skeleton = skeleton
        self.rows = np.array([skeleton.joint(name) for name in INDEX])
        self.scale = float(size_of(CANONICAL_OFFSETS) / size_of(offsets))
        """Metres of the canonical size for one of the skeleton's."""
        self.offsets: F32 = np.asarray(offsets * self.scale, np.float32)
        self.pins = Pins(skeleton)


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """What the network said at its last step.

    Attributes:
        turns: (22, 6) corrections; root: (4,); contacts: (4,) in [0, 1]; spread: (22,) metres.
    """

    turns: F32
    root: F32
    contacts: F32
    spread: F32


NOTHING_READ = Read(
    turns=np.tile(np.array([1, 0, 0, 0, 1, 0], np.float32), (COUNT, 1)),
    root=np.zeros(4, np.float32),
    contacts=np.zeros(4, np.float32),
    spread=np.full(COUNT, 0.1, np.float32),
)


@dataclass(kw_only=True)
class Person:
    """All that is remembered of one person; copying it copies the person.

    Attributes:
        body: Shared, never changed.
        state: (1, layers, hidden) of the network.
        pace: (22, 6) a second, how fast the corrections change.
        past: Poses of the last third of a second, feet held.
        tracked: (6,) which trackers there are.
        feet_at: (4, 3) where feet and toes were before they were held, canonical metres.
    """

    body: Body
    state: F32
    hold: TrackerHold = field(default_factory=lambda: TrackerHold((1,)))
    handover: Handover = field(init=False)
    source: Source = Source.NOTHING
    before: Seen | None = None
    seen: Seen | None = None
    held: Held | None = None
    since_s: float = 0.0
    read: Read = NOTHING_READ
    pace: F32 = field(default_factory=lambda: np.zeros_like(NOTHING_READ.turns))
    tracked: Array = field(default_factory=lambda: np.zeros(len(TRACKER_NAMES), bool))
    turns: F32 = field(default_factory=lambda: NOTHING_READ.turns)
    marks: F32 = field(default_factory=lambda: np.zeros((1, len(MARKS), 3), np.float32))
    place: Array = field(default_factory=lambda: np.zeros(2))
    anchor: Array = field(default_factory=lambda: np.zeros(2))
    standing: Array = field(default_factory=lambda: np.zeros(4, bool))
    feet_at: F32 | None = None
    blind_s: float = 0.0
    performer: Performer | None = None
    fitter: BodyFitter | None = None
    feet: FootHolder | None = None
    webcam: Webcam | None = None
    last: MotionStep | None = None
    past: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        self.handover = Handover(self.body.skeleton, self.body.pins)

    def see(self, source: Trackers | Webcam | None, dt_s: float, style: int) -> Seen:
        """Return what is seen now, canonical size, leading dim 1; nothing repeats the last start.

        Args:
            source: Where from.
            dt_s: Seconds since the last call.
            style: Index into `STYLES` or -1.
        """
        self.webcam = source if isinstance(source, Webcam) else self.webcam
        if isinstance(source, Trackers) and self.source != Source.TRACKERS:
            # The hand-over smooths what comes back; fading in besides would hurry it.
            self.hold = TrackerHold((1,))
        held = self._held(source, dt_s)
        if isinstance(source, Trackers) and source.seen.any():
            start = solve_trackers(held, self.body.offsets)
            confidence = np.zeros((1, COUNT), np.float32)
            confidence[:, _TRACKED] = held.weights
            head = held.positions[:, HEAD]
            self.seen = self._seen(
                Source.TRACKERS,
                held,
                start.local,
                start.root,
                confidence,
                held.yaw,
                head[:, [0, 2]],
                style,
            )
        elif isinstance(source, Webcam) and source.fit.state is not TrackingState.IDLE:
            self.seen = self._webcam(source, held, style)
        elif self.seen is not None:
            self.seen = _blind(self.seen, held)
        else:
            raise AssertionError("nothing was ever seen: the performer shows such a person")
        self.held = held
        return self.seen

    def _held(self, source: Trackers | Webcam | None, dt_s: float) -> Held:
        if isinstance(source, Trackers):
            positions = source.positions[None] * np.float32(self.body.scale)
            rotations = quat.to_matrix(source.rotations)[None].astype(np.float32)
            seen = source.seen[None]
        elif self.held is not None and not self.hold.started.any():
            return self.held  # there never was a tracker
        else:
            positions = np.zeros((1, 6, 3), np.float32)
            rotations = np.broadcast_to(_EYE, (1, 6, 3, 3))
            seen = np.zeros((1, 6), bool)
        return self.hold.step(positions, rotations, seen, np.array([dt_s], np.float32))

    def _webcam(self, source: Webcam, held: Held, style: int) -> Seen:
        fit, body = source.fit, source.observation.body
        local = matrix_of(fit.pose.rotations[IN_HUMANOID]).astype(np.float32)[None]
        height = float(fit.pose.skeleton.rest_translations[0, 1])
        root = (fit.pose.root_translation * np.float32(_HIPS_M / height))[None]
        visibility = np.zeros((1, len(MARKS)), np.float32)
        if body is not None:
            self.marks = np.array(body.positions[MARKS][None])
            sure = body.visibility
            if source.observation.image_body is not None:
                sure = sure * source.observation.image_body.inside()
            visibility[0] = sure[MARKS]
        seen = self._seen(
            Source.WEBCAM,
            held,
            local,
            root,
            fit.joint_confidence[IN_HUMANOID][None],
            nearest_yaw(local[:, 0]),
            root[:, [0, 2]],
            style,
        )
        return Seen(**{**vars(seen), "landmarks": self.marks, "visibility": visibility})

    def _seen(
        self,
        source: Source,
        held: Held,
        local: Array,
        root: Array,
        confidence: Array,
        yaw: Array,
        origin: Array,
        style: int,
    ) -> Seen:
        return Seen(
            source=np.array([source]),
            tracker_positions=held.positions,
            tracker_rotations=held.rotations,
            tracker_seen=held.seen,
            tracker_weights=held.weights,
            landmarks=np.zeros((1, len(MARKS), 3), np.float32),
            visibility=np.zeros((1, len(MARKS)), np.float32),
            start=local,
            start_root=root,
            confidence=confidence,
            yaw=yaw,
            origin=origin,
            offsets=self.body.offsets[None],
            bones_known=np.ones(1, np.float32),
            style=np.array([style if -1 <= style < len(STYLES) else -1]),
        )


_HIPS_M = 0.935


def _blind(last: Seen, held: Held) -> Seen:
    return Seen(
        **{
            **vars(last),
            "source": np.array([Source.NOTHING]),
            "tracker_positions": held.positions,
            "tracker_rotations": held.rotations,
            "tracker_seen": held.seen,
            "tracker_weights": held.weights,
            "visibility": np.zeros_like(last.visibility),
            "confidence": np.zeros_like(last.confidence),
        }
    )
