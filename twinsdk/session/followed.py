"""One followed person: their filters, their planted feet, their place in the stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.fitting.person import on_skeleton
from twinsdk.retarget import Retargeter
from twinsdk.session.between import InBetween
from twinsdk.session.motion_stage import MotionStage, motion_model
from twinsdk.session.rows import source_rows
from twinsdk.session.timing import StageTimes

__all__ = ["Followed"]

_EFFECTIVE_M = 1e-3
_PLAIN_FACE = np.zeros(EXPRESSION_COUNT, np.float32)


class Followed:
    """From observations of one person to their twin's frames.

    Attributes:
        fitter: What knows the person.
        avatar_id: Their twin's.

    Args:
        fit: How landmarks become a pose.
        avatar: Their twin.
        avatar_id: Its number in the stream.
        modelled: Whether the motion model completes what is seen.
        predict_s: How far ahead they are shown.
        times: Where the stages' times go.
        filling: Whether there are to be frames in between.
    """

    def __init__(
        self,
        fit: FitConfig,
        avatar: Avatar,
        *,
        avatar_id: int,
        modelled: bool,
        predict_s: float,
        times: StageTimes,
        filling: bool,
    ) -> None:
        skeleton = humanoid_skeleton(fit.height_m)
        self.fitter = BodyFitter(fit)
        self.avatar_id = avatar_id
        model = motion_model(skeleton, seed=avatar_id) if modelled else None
        self._motion = MotionStage(skeleton, model, predict_s=predict_s)
        self._retargeter = Retargeter(skeleton, avatar)
        self._between = InBetween() if filling else None
        self._rows = source_rows(avatar, HUMANOID_NAMES)
        self._still_eyes = _looks_by_morphs(avatar)
        self._times = times
        self._sequence = 0
        self._last_ns: int | None = None
        self._middle = np.zeros(3, np.float32)
        self._place = np.zeros(3, np.float32)

    def frame(
        self, observation: Observation, grabbed_ns: int, *, expressive: bool = True
    ) -> TwinFrame:
        """Return the twin of what was seen.

        Args:
            observation: Of this person; without anything found when they were not.
            grabbed_ns: When the picture was taken.
            expressive: Whether the face moves.
        """
        with self._times.measure("fit"):
            fit = self.fitter.step(observation)
            fit = replace(fit, pose=on_skeleton(fit.pose, self._retargeter.source.skeleton))
        step_s = self._elapsed_s(observation.timestamp_ns)
        with self._times.measure("motion"):
            shown = self._motion.webcam(observation, fit, step_s)
        with self._times.measure("retarget"):
            canonical = _eyes_at_rest(shown.pose) if self._still_eyes else shown.pose
            pose = self._retargeter.step(canonical, step_s)
        self._place = pose.root_translation
        frame = TwinFrame(
            avatar_id=self.avatar_id,
            sequence=self._sequence,
            timestamp_ns=grabbed_ns,
            pose=pose,
            expressions=fit.expressions if expressive else _PLAIN_FACE,
            confidence=fit.confidence,
            joint_confidence=shown.joint_confidence[self._rows],
            state=shown.state,
            generated=shown.generated[self._rows],
        )
        return self._numbered(frame if self._between is None else self._between.fresh(frame))

    def between(
        self, passed_ns: int, *, before_ns: int | None, waited_s: float, reach_s: float
    ) -> TwinFrame | None:
        """Return a frame in between, None before any was tracked.

        Args:
            passed_ns: How long ago the last frame was shown.
            before_ns: The time of the picture that is being looked at: its frame comes next.
            waited_s: How long ago the last tracked one was.
            reach_s: See `InBetween.between`.
        """
        if self._between is None:
            return None
        last_ns = self._between.shown_ns
        if before_ns is not None and before_ns > last_ns:
            passed_ns = min(passed_ns, (before_ns - last_ns) // 2)
        frame = self._between.between(
            last_ns + max(passed_ns, 1), waited_s=waited_s, reach_s=reach_s
        )
        return None if frame is None else self._numbered(frame)

    def to_middle(self) -> None:
        """Show the person in the middle of the floor from now on, wherever they are."""
        self._middle = np.array([1, 0, 1], np.float32) * self._place

    def _numbered(self, frame: TwinFrame) -> TwinFrame:
        pose = frame.pose
        if self._middle.any():
            pose = replace(pose, root_translation=pose.root_translation - self._middle)
        frame = replace(frame, sequence=self._sequence, pose=pose)
        self._sequence = (self._sequence + 1) % 2**32
        return frame

    def _elapsed_s(self, timestamp_ns: int) -> float:
        """Return the seconds since the last call; 0 at the first and when time goes back."""
        last, self._last_ns = self._last_ns, timestamp_ns
        return 0.0 if last is None else max(0.0, (timestamp_ns - last) / 1e9)


def _looks_by_morphs(avatar: Avatar) -> bool:
    """Return whether the avatar's eyeLook morphs turn its eyes; its eye bones must then rest."""
    rows = [i for i, name in enumerate(avatar.morphs.names) if name.startswith("eyeLook")]
    return bool(rows) and bool(np.abs(avatar.morphs.offsets[rows]).max() > _EFFECTIVE_M)


def _eyes_at_rest(pose: Pose) -> Pose:
    rotations = pose.rotations.copy()
    rotations[[pose.skeleton.joint("leftEye"), pose.skeleton.joint("rightEye")]] = quat.IDENTITY
    return replace(pose, rotations=rotations)
