"""A person's bone lengths, and depths that agree with them.

A tracker's bones change length by 4 to 14 percent from frame to frame, nearly all of it in depth,
which it guesses. Running medians over sure frames fix the lengths; a bone that looks shorter than
it is then tells by itself how far it points towards the camera or away, and the tracker's depth is
left to say which of the two.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.points import BODY, REST

__all__ = ["BONES", "CANONICAL_LENGTHS", "SEGMENTS", "Proportions", "settled_depth"]

SEGMENTS: tuple[str, ...] = (
    "hips",
    "trunk",
    "shoulders",
    "upperArm",
    "forearm",
    "thigh",
    "shank",
)
"""What has one length, the same left and right."""

_CHAINS = (
    ("upperArm", "Shoulder", "Elbow"),
    ("forearm", "Elbow", "Wrist"),
    ("thigh", "Hip", "Knee"),
    ("shank", "Knee", "Ankle"),
)
_BEYOND = {
    "upperArm": ("Elbow", "Wrist", "Pinky", "Index", "Thumb"),
    "forearm": ("Wrist", "Pinky", "Index", "Thumb"),
    "thigh": ("Knee", "Ankle", "Heel", "FootIndex"),
    "shank": ("Ankle", "Heel", "FootIndex"),
}
_LEG_POINTS = ("Hip", *_BEYOND["thigh"])
_ARM_POINTS = ("Shoulder", *_BEYOND["upperArm"])
_JOINT_OF = {
    "Shoulder": "UpperArm",
    "Elbow": "LowerArm",
    "Wrist": "Hand",
    "Hip": "UpperLeg",
    "Knee": "LowerLeg",
    "Ankle": "Foot",
}


def _bones() -> tuple[tuple[str, ...], Array, Array]:
    """Return segment names, (B, 33) weights of a bone's vector, and (33, B) of what follows it."""
    names: list[str] = []
    vectors: list[Array] = []
    followers: list[Array] = []

    def bone(name: str, minus: list[str], plus: list[str], moved: dict[str, float]) -> None:
        vector, follow = np.zeros(33), np.zeros(33)
        vector[[BODY[n] for n in plus]] = 1 / len(plus)
        vector[[BODY[n] for n in minus]] = -1 / len(minus)
        for point, share in moved.items():
            follow[BODY[point]] = share
        names.append(name)
        vectors.append(vector)
        followers.append(follow)

    legs = {f"{side}{part}": s / 2 for side, s in _SIDES for part in _LEG_POINTS}
    arms = {f"{side}{part}": s / 2 for side, s in _SIDES for part in _ARM_POINTS}
    hips, shoulders = ["leftHip", "rightHip"], ["leftShoulder", "rightShoulder"]
    bone("hips", hips[1:], hips[:1], legs)
    bone("trunk", hips, shoulders, {point: 1.0 for point in BODY if point not in legs})
    bone("shoulders", shoulders[1:], shoulders[:1], arms)
    for name, start, end in _CHAINS:
        for side, _ in _SIDES:
            moved = {f"{side}{part}": 1.0 for part in _BEYOND[name]}
            bone(name, [f"{side}{start}"], [f"{side}{end}"], moved)
    return tuple(names), np.array(vectors), np.array(followers).T


_SIDES = (("left", 1.0), ("right", -1.0))
BONES, _VECTORS, _FOLLOWERS = _bones()
_ENDS = _VECTORS != 0
_SEGMENT_OF = np.array([SEGMENTS.index(name) for name in BONES])
_IN_SEGMENT = (np.arange(len(SEGMENTS))[:, None] == _SEGMENT_OF).astype(np.float64)


def _canonical() -> Array:
    points = np.zeros((33, 3))
    for part, joint in _JOINT_OF.items():
        for side, _ in _SIDES:
            points[BODY[f"{side}{part}"]] = REST[f"{side}{joint}"]
    lengths = np.sqrt(((_VECTORS @ points) ** 2).sum(-1))
    mean: Array = _IN_SEGMENT @ lengths / _IN_SEGMENT.sum(1)
    return mean


CANONICAL_LENGTHS: Array = _canonical()
"""(7,) metres of each segment on the 1.70 m skeleton."""

_WINDOW = 90  # samples kept
_FIRST = 8  # samples before a length is believed
_EVERY_S = 1 / 15  # one sample this often at most, so that the window spans time and not frames
_SURE = 0.6
_DEPTH_M = 0.06  # how far a tracker's depth over one bone is off
_ACROSS_M = 0.02  # how far length and sideways extent are off together
# Widths of hips and shoulders and limbs make the scale; the trunk's points lie on the surface.
_SCALED = np.array(
    [name in ("trunk", "upperArm", "forearm", "thigh", "shank") for name in SEGMENTS]
)


def settled_depth(vectors: Array, lengths: Array) -> Array:
    """Return the depth (B,) of bones of known length, metres.

    Of the two depths +-z that the length allows, the measured one says how likely each is; their
    mean is then weighed against the measured depth by how well the length fixes it, which is well
    for a foreshortened bone and badly for one seen in full.

    Args:
        vectors: (B, 3) measured, the camera's axes.
        lengths: (B,) metres.
    """
    across = vectors[:, 0] ** 2 + vectors[:, 1] ** 2
    depth = np.sqrt(np.maximum(lengths * lengths - across, 0.0))
    measured = vectors[:, 2]
    expected = depth * np.tanh(depth * measured / _DEPTH_M**2)
    doubt = lengths * _ACROSS_M
    variance = np.minimum((doubt / np.maximum(depth, 1e-4)) ** 2, 2 * doubt)
    weight = _DEPTH_M**2 / (_DEPTH_M**2 + variance)
    settled: Array = measured + weight * (expected - measured)
    return settled


class Proportions:
    """Learns the lengths of `SEGMENTS`.

    Attributes:
        lengths: (7,) metres, NaN where not yet known.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self.lengths = np.full(len(SEGMENTS), np.nan)
        self._samples = np.full((_WINDOW, len(SEGMENTS)), np.nan)
        self._taken = 0
        self._since_s = np.inf

    def add(self, points: Array, seen: Array, step_s: float) -> None:
        """Measure one frame.

        Args:
            points: (33, 3) metres.
            seen: (33,) in [0, 1].
            step_s: Seconds since the last frame.
        """
        self._since_s += step_s
        if self._since_s < _EVERY_S:
            return
        self._since_s = 0.0
        bones = _VECTORS @ points
        measured = np.sqrt((bones * bones).sum(-1))
        sure = np.where(_ENDS, seen, 1.0).min(1) > _SURE
        count = _IN_SEGMENT @ sure
        total = _IN_SEGMENT @ (measured * sure)
        sample = np.full(len(SEGMENTS), np.nan)
        np.divide(total, count, out=sample, where=count > 0)
        self._samples[self._taken % _WINDOW] = sample
        self._taken += 1
        if self._taken <= 2 * _FIRST or self._taken % 8 == 0:
            self._settle()

    @property
    def scale(self) -> float:
        """How many metres of the 1.70 m skeleton one metre of this person's points is."""
        known = np.isfinite(self.lengths) & _SCALED
        if not known.any():
            return 1.0
        return float(CANONICAL_LENGTHS[known].sum() / max(self.lengths[known].sum(), 1e-3))

    def apply(self, points: Array) -> Array:
        """Return the points (33, 3), camera axes, with depths that agree with the lengths.

        From the hips outwards; what hangs on a bone moves with it. Before the lengths are known
        the points come back as they are.
        """
        lengths = self.lengths[_SEGMENT_OF]
        vectors = _VECTORS @ points
        change = settled_depth(vectors, lengths) - vectors[:, 2]
        out = points.copy()
        out[:, 2] += _FOLLOWERS @ np.where(np.isfinite(change), change, 0.0)
        return out

    def _settle(self) -> None:
        known = np.isfinite(self._samples).sum(0)
        ordered = np.sort(self._samples, axis=0)  # not yet measured ones go last
        for segment, count in enumerate(known):
            if count >= _FIRST:
                self.lengths[segment] = ordered[count // 2, segment]
