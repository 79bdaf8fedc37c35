"""Left is left: trackers now and then take front for back, and with it left for right.

A person's shoulders do not turn about by half a circle from one frame to the next. Where they seem
to, and the sides exchanged would go on as before, the sides are exchanged. If the tracker insists,
it is believed: the person did turn while it was blind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core.humanoid import mirrored
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.motion.fitting.points import BODY

__all__ = ["Sides"]

_EXCHANGED = np.array([BODY_NAMES.index(mirrored(name)) for name in BODY_NAMES])
_LEFT, _RIGHT = BODY["leftShoulder"], BODY["rightShoulder"]
_HALF_TURN = np.radians(100.0)
_MAX_SPEED = 10.0  # rad/s about the vertical
_INSISTS_S = 0.6
_LEAST_WIDTH_M = 0.05  # seen from above; of a narrower line the heading is noise


class Sides:
    """Remembers which way a person faces."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget it."""
        self._heading: float | None = None
        self._against_s = 0.0

    def put_right(self, observation: Observation, step_s: float) -> Observation:
        """Return the observation, its left and right exchanged where they are mixed up.

        Args:
            observation: Of the followed person.
            step_s: Seconds since the last frame.
        """
        heading = _heading(observation.body)
        if heading is None:
            return observation
        if self._heading is None:
            self._heading = heading
            return observation
        turned = _apart(heading, self._heading)
        mixed_up = (
            turned > max(_HALF_TURN, _MAX_SPEED * step_s)
            and _apart(heading + np.pi, self._heading) < turned
        )
        self._against_s = self._against_s + step_s if mixed_up else 0.0
        if not mixed_up or self._against_s > _INSISTS_S:
            self._heading, self._against_s = heading, 0.0
            return observation
        self._heading = heading + np.pi
        return _exchanged(observation)


def _heading(body: Landmarks | None) -> float | None:
    """Return the angle of the shoulder line about the vertical; None where it cannot be told."""
    if body is None:
        return None
    across = body.positions[_LEFT] - body.positions[_RIGHT]
    if float(np.hypot(across[0], across[2])) < _LEAST_WIDTH_M:
        return None
    return float(np.arctan2(-across[2], across[0]))


def _apart(a: float, b: float) -> float:
    return abs((a - b + np.pi) % (2 * np.pi) - np.pi)


def _exchanged(observation: Observation) -> Observation:
    body, image = observation.body, observation.image_body
    return replace(
        observation,
        body=None if body is None else _landmarks(body),
        image_body=None if image is None else _image_landmarks(image),
        left_hand=observation.right_hand,
        right_hand=observation.left_hand,
        image_left_hand=observation.image_right_hand,
        image_right_hand=observation.image_left_hand,
    )


def _landmarks(marks: Landmarks) -> Landmarks:
    return replace(
        marks, positions=marks.positions[_EXCHANGED], visibility=marks.visibility[_EXCHANGED]
    )


def _image_landmarks(marks: ImageLandmarks) -> ImageLandmarks:
    return replace(
        marks,
        uv=marks.uv[_EXCHANGED],
        visibility=marks.visibility[_EXCHANGED],
        depth=marks.depth[_EXCHANGED],
    )
