"""Hands from frame to frame: how far they are believed, and palms that do not flicker.

A tracker of hands comes and goes, and of few pixels tells a palm badly; between two frames it may
turn a palm by what no wrist does. So palms are followed against their forearms, slowly where little
tells them.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.observation import Observation
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.points import HAND
from twinsdk.motion.fitting.solve import Palms
from twinsdk.motion.vectors import smoothstep

__all__ = ["FollowedHands", "palm_px"]

_STIFFEST = 0.25
"""Haste of what is hardly seen."""
_KNUCKLE = HAND["middleMcp"]
_TRUSTED = 0.25
_SMALL_PX = (15.0, 60.0)  # palms of few pixels are held still, of many follow at once
_BODY_HZ, _HAND_HZ = 0.5, (1.0, 5.0)  # told by the body's points; by a small and a large hand's


class FollowedHands:
    """Remembers both hands of one person, left then right.

    Attributes:
        believed: (2,) bool whether each hand's own points were to be believed, or there were none.
        haste: (2,) how quickly fingers and palms follow.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget them."""
        self.believed = np.ones(2, bool)
        self.haste = np.ones(2)
        self._held = np.tile([0.0, 0.0, 0.0, 1.0], (2, 1))

    def palms(self, observation: Observation, shown: Array, step_s: float, *, anew: bool) -> Palms:
        """Return how the palms of a frame may be taken.

        Args:
            observation: Of the frame.
            shown: (2,) whether each palm may turn its forearm.
            step_s: Seconds since the last frame.
            anew: Whether nothing is known of the last frame's palms.
        """
        size_px = palm_px(observation)
        large = smoothstep(size_px, *_SMALL_PX)
        self.haste = _STIFFEST + (1 - _STIFFEST) * large
        low, high = _HAND_HZ
        found = [observation.left_hand is not None, observation.right_hand is not None]
        rate_hz = np.where(found, low + (high - low) * large, _BODY_HZ)
        follow = np.ones(2) if anew else blend_amount(rate_hz, step_s)
        return Palms(shown=shown, size_px=size_px, follow=follow, held=self._held)

    def believe(self, hands: tuple[Array | None, Array | None], trust: Array) -> None:
        """Take how far the hands (21, 3) of the last frame agreed with the body (2,)."""
        self.believed = np.array([hand is None for hand in hands]) | (trust > _TRUSTED)


def palm_px(observation: Observation) -> Array:
    """Return the length of each palm on the image (2,), pixels; without an image, large."""
    out = np.full(2, 1e3)
    for side, image in enumerate((observation.image_left_hand, observation.image_right_hand)):
        if image is not None:
            span = (image.uv[_KNUCKLE] - image.uv[0]) * image.size_px
            out[side] = float(np.hypot(span[0], span[1]))
    return out
