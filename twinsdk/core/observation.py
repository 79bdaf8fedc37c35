"""Observation: all that one camera frame yields of one person."""

from __future__ import annotations

from dataclasses import dataclass

from twinsdk.core.arrays import F32, as_f32
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.core.landmarks import ImageLandmarks, Landmarks

__all__ = ["Observation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """What was seen of one person; None is "not found in this frame".

    Attributes:
        timestamp_ns: Capture time of the frame.
        person: Which person, stable while they are followed.
        body: The 33 body points in space.
        left_hand, right_hand: 21 points each, the person's own left and right.
        image_body, image_left_hand, image_right_hand: The same points on the image.
        image_face: The 478 face points on the image, with depth.
        expressions: (52,) in [0, 1].
        measured: Whether `body` is triangulated by several cameras: its depth and size are then as
            sure as the rest; one camera guesses them.
    """

    timestamp_ns: int
    person: int = 0
    body: Landmarks | None = None
    left_hand: Landmarks | None = None
    right_hand: Landmarks | None = None
    image_body: ImageLandmarks | None = None
    image_left_hand: ImageLandmarks | None = None
    image_right_hand: ImageLandmarks | None = None
    image_face: ImageLandmarks | None = None
    expressions: F32 | None = None
    measured: bool = False

    def __post_init__(self) -> None:
        if self.expressions is not None:
            weights = as_f32("expressions", self.expressions, (EXPRESSION_COUNT,))
            object.__setattr__(self, "expressions", weights)

    @property
    def found(self) -> bool:
        """Whether anything of the person was found."""
        parts = (self.body, self.left_hand, self.right_hand, self.image_face)
        return any(part is not None for part in parts)
