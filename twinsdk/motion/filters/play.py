"""Play: what rests stays where it is until it has gone further than it may, like a loose joint.

However slow a filter is, a tracker's errors wander more slowly. Within its play somebody who stands
still is still; what leaves it is followed at once and without a jump, by so much behind. Whoever
begins to move is given less play from frame to frame, and catches up.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array

__all__ = ["point_play", "rotation_play"]

_TINY = 1e-12


def point_play(shown: Array, coming: Array, play: float) -> Array:
    """Return what to show of a point (D,) last shown at `shown`, at most `play` behind `coming`."""
    apart = shown - coming
    far = float(np.sqrt((apart * apart).sum()))
    return np.asarray(coming + min(play / max(far, _TINY), 1.0) * apart)


def rotation_play(shown: Array, coming: Array, play: Array) -> Array:
    """Return what to show of rotations (J, 4), each at most `play` (J,) radians behind `coming`.

    Args:
        shown: What was shown last, unit.
        coming: Unit.
        play: Small angles: they are taken for twice the chord between two quaternions.
    """
    near = np.where(((shown * coming).sum(-1) < 0)[:, None], -shown, shown)
    apart = near - coming
    angle = 2 * np.sqrt((apart * apart).sum(-1))
    share = np.minimum(play / np.maximum(angle, _TINY), 1.0)
    out = coming + share[:, None] * apart
    return np.asarray(out / np.sqrt((out * out).sum(-1, keepdims=True)))
