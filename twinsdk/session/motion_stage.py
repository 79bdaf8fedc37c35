"""Between fit and retarget: the motion model, or where there is none what goes without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.frame import TrackingState
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import ModelMissingError
from twinsdk.motion import Fit
from twinsdk.motion.filters.ahead import SteadyAhead
from twinsdk.motion.filters.inertia import Crossing
from twinsdk.motion.filters.standing import StandingFeet
from twinsdk.motion.trackers.three_points import TrackerSolver

if TYPE_CHECKING:
    from twinsdk.motion.model import MotionModel
    from twinsdk.motion.model.step import MotionStep
    from twinsdk.motion.model.unseen import UnseenLegs

__all__ = ["MotionStage", "Shown", "motion_model"]

_FILLED_IN = 0.35  # confidence of joints that rules filled in
_TURN_RAD_S2, _MOVE_M_S2 = 36.0, 5.0  # that fit and idling may be brought together with
_LEAST_S = 1e-3
_MADE_UP_EVERY_S = 1 / 16  # legs that nobody sees need no more, and the tracker needs the cores
_HALF = 0.5  # share from which on a joint counts as made up
_FINGERS = ("Metacarpal", "Proximal", "Intermediate", "Distal")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What a person is to be shown like.

    Attributes:
        pose: On the stage's skeleton.
        joint_confidence: (J,) in [0, 1].
        generated: (J,) bool: made up, since no source shows the joint.
        state: Where the pose comes from.
    """

    pose: Pose
    joint_confidence: F32
    generated: Array
    state: TrackingState


def motion_model(
    skeleton: Skeleton, *, seed: int = 0, weights: str | Path = "default"
) -> MotionModel | None:
    """Return the motion model on `skeleton`, the package's; None where its weights are not here."""
    from twinsdk.motion.model import MotionModel

    try:
        return MotionModel.load(weights, skeleton=skeleton, seed=seed)
    except ModelMissingError:
        return None


class MotionStage:
    """One person's motion, completed and thrown ahead.

    Args:
        skeleton: That poses are on.
        model: See `motion_model`; None shows the fit, and trackers by rules.
        predict_s: Show the pose so many seconds ahead, to hide that much delay: trackers by the
            model's forecast, a webcam's pose by the joints' own speeds.
    """

    def __init__(
        self, skeleton: Skeleton, model: MotionModel | None, *, predict_s: float = 0.0
    ) -> None:
        self.skeleton = skeleton
        self._model = model
        self._predict_s = predict_s
        self._feet = StandingFeet(skeleton)
        self._steady = SteadyAhead()
        self._crossing = Crossing(np.full(len(skeleton), _TURN_RAD_S2), np.array([_MOVE_M_S2]))
        self._last: Pose | None = None
        self._before: tuple[Pose, float] | None = None
        self._alive = False
        self._legs: UnseenLegs | None = None
        self._made: MotionStep | None = None
        self._made_s = 0.0
        self._solver: TrackerSolver | None = None

    def webcam(self, observation: Observation, fit: Fit, step_s: float) -> Shown:
        """Return the person whom a webcam saw `step_s` seconds after the last call.

        What is seen is shown as the fit has it: on rendered people whose motion is known the
        model's corrections made it worse (`twinsdk evaluate capture`). Legs that are not seen are
        the model's. When the fit has come to rest the model lets the person live on, and hands
        them back without a jump.
        """
        shown = Shown(
            pose=self._feet.step(fit.pose, fit.standing, step_s),
            joint_confidence=fit.joint_confidence,
            generated=np.zeros(len(self.skeleton), bool),
            state=fit.state,
        )
        if self._model is not None:
            shown = self._completed(self._model, observation, fit, shown, step_s)
            shown = replace(shown, pose=self._handed(shown, step_s))
        return replace(shown, pose=self._ahead(shown.pose, step_s))

    def _completed(
        self, model: MotionModel, observation: Observation, fit: Fit, shown: Shown, step_s: float
    ) -> Shown:
        """Return the person with legs where none are seen; or how they live on, being gone."""
        from twinsdk.motion.model import Webcam
        from twinsdk.motion.model.unseen import UnseenLegs

        gone = fit.state in (TrackingState.HOLDING, TrackingState.IDLE)
        legs = self._legs or UnseenLegs(self.skeleton)
        if not gone and not legs.missing(fit.joint_confidence):
            if self._legs is not None:
                model.reset()
            self._legs, self._made, self._made_s = None, None, 0.0
            return shown
        self._legs = legs
        self._made_s += step_s
        made = self._made
        if made is None or gone or self._made_s >= _MADE_UP_EVERY_S:
            made = model.step(Webcam(observation=observation, fit=fit), self._made_s or None)
            self._made, self._made_s = made, 0.0
        if made.state is TrackingState.GENERATED:
            return self._of(made)
        sure = None if gone else fit.joint_confidence
        pose = legs.step(shown.pose, sure, made, max(step_s, _LEAST_S))
        guessed = np.minimum(made.joint_confidence, _FILLED_IN)
        return replace(
            shown,
            pose=pose,
            joint_confidence=np.where(legs.share > _HALF, guessed, shown.joint_confidence),
            generated=legs.share > _HALF,
        )

    def _handed(self, coming: Shown, step_s: float) -> Pose:
        """Return the coming pose; after a change of hands, what differs is brought to nothing."""
        last, pose = self._last, coming.pose
        alive = coming.state is TrackingState.GENERATED
        step_s = max(step_s, _LEAST_S)
        if last is not None and alive != self._alive and last.skeleton is pose.skeleton:
            before, since_s = self._before or (last, step_s)
            turned = quat.multiply(last.rotations, quat.conjugate(before.rotations))
            moved = last.root_translation - before.root_translation
            self._crossing.begin(
                last.rotations,
                quat.to_rotation_vector(turned) / since_s,
                last.root_translation[None],
                moved[None] / since_s,
            )
        self._alive = alive
        if self._crossing.busy:
            rotations, points = self._crossing.step(
                pose.rotations, pose.root_translation[None], step_s
            )
            pose = Pose(
                skeleton=pose.skeleton,
                rotations=rotations.astype(np.float32),
                root_translation=points[0].astype(np.float32),
            )
        if last is not None:
            self._before = (last, step_s)
        self._last = pose
        return pose

    def worn(self, trackers: Trackers, step_s: float) -> Shown:
        """Return the person who wears the trackers, `step_s` seconds after the last call."""
        if self._model is not None:
            return self._modelled(trackers if trackers.seen.any() else None, step_s)
        self._solver = self._solver or TrackerSolver(self.skeleton)
        pose = self._solver.step(trackers, step_s)
        sure = _tracked(self.skeleton, trackers)
        return Shown(
            pose=self._ahead(pose, step_s),
            joint_confidence=np.where(sure, 1.0, _FILLED_IN).astype(np.float32),
            generated=~sure,
            state=TrackingState.TRACKING if trackers.seen.all() else TrackingState.PARTIAL,
        )

    def _modelled(self, source: Trackers | None, step_s: float) -> Shown:
        assert self._model is not None  # noqa: S101  # asked before
        # No time has passed before the first frame, but there is something to show.
        return self._of(self._model.step(source, step_s if step_s > 0 else None))

    def _of(self, made: MotionStep) -> Shown:
        return Shown(
            pose=made.ahead(self._predict_s) if self._predict_s > 0 else made.pose,
            joint_confidence=made.joint_confidence,
            generated=made.generated,
            state=made.state,
        )

    def _ahead(self, pose: Pose, step_s: float) -> Pose:
        return self._steady.step(pose, step_s, self._predict_s) if self._predict_s > 0 else pose


def _tracked(skeleton: Skeleton, trackers: Trackers) -> Array:
    """Return which joints (J,) a tracker stands for; a hand's stands for its fingers, too."""
    sure = np.zeros(len(skeleton), bool)
    for j, name in enumerate(skeleton.names):
        if name in TRACKER_NAMES:
            sure[j] = trackers.seen[TRACKER_NAMES.index(name)]
        elif name.endswith(_FINGERS):
            sure[j] = sure[skeleton.parents[j]]
    return sure
