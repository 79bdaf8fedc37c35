"""Where the person stands: place from the solver, height from the feet.

The lowest sole is on the ground, unless the image shows it well above where soles have been: a
jump.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.landmarks import ImageLandmarks
from twinsdk.core.skeleton import Skeleton
from twinsdk.motion.filters.glide import GlideConfig, PointGlide
from twinsdk.motion.filters.play import point_play
from twinsdk.motion.fitting.points import BODY

__all__ = ["ANKLE_M", "RootFollower", "Soles", "hips_in_camera"]

_USED = np.array(
    [BODY["nose"]]
    + [
        BODY[f"{side}{part}"]
        for part in ("Shoulder", "Hip", "Elbow", "Knee", "Ankle")
        for side in ("left", "right")
    ]
)
ANKLE_M = 0.075
"""Height of the ankle above the sole on the 1.70 m skeleton."""
# Heel, ball and tip of the toes below the ankle.
_SOLES = np.array([[0.0, -ANKLE_M, -0.05], [0.0, -ANKLE_M, 0.135], [0.0, -ANKLE_M, 0.19]])

_LEAST_WEIGHT = 2.0  # sure points needed for a depth
_NEAREST_M, _FARTHEST_M = 0.3, 30.0
# The floor is where soles have lately been: of 1.2 s the low fifth. A jump is shorter than the rest
# of that window; walking up and down a badly known slope is slower than it.
_FLOOR_SAMPLES, _FLOOR_EVERY_S, _FLOOR_SHARE = 18, 1 / 15, 0.2
_JUMP_M = 0.08  # soles this far above the floor are in the air
_HIGHEST_JUMP_M = 0.6
_ARRIVAL_S = 0.6  # until size and depth have settled the person stays at the origin
# One camera tells how far away somebody is many times worse than where on the picture.
_ACROSS, _AWAY = GlideConfig(min_hz=1.5, gain=2.0), GlideConfig(min_hz=0.5, gain=1.0)
_PLAY_M = 0.015  # how far off somebody may stand who has been at rest
_LEAP_M = 1.5  # nobody moves so far between two frames: another scene


class Soles:
    """The soles of a skeleton with VRM's joint names, rest rotations the identity.

    Args:
        skeleton: Of any lengths.
        ankle_m: Height of its ankles above them.
    """

    def __init__(self, skeleton: Skeleton, ankle_m: float) -> None:
        feet = [skeleton.joint("leftFoot"), skeleton.joint("rightFoot")]
        points = (ankle_m / ANKLE_M * _SOLES).astype(np.float32)
        self._points = np.stack([points, points])
        self._rows = np.repeat(np.array(feet)[:, None], len(points), 1)

    def lowest(self, world: F32, places: F32) -> float:
        """Return the height of the lowest sole, metres.

        Args:
            world: (J, 4) world rotations.
            places: (J, 3) metres.
        """
        below = quat.rotate(world[self._rows], self._points)[..., 1]
        return float((places[self._rows, 1] + below).min())


def hips_in_camera(points: Array, image: ImageLandmarks, seen: Array, focal: float) -> Array | None:
    """Return the hips' place before the camera (3,), or None when too little is seen.

    Every point says u (Z - z) = f (X + x) and likewise for v; the least squares in (X, Y, Z) has a
    closed form: Z from the spread of the points, then X and Y on the line of sight.

    Args:
        points: (33, 3) metres about the middle of the hips, the camera's axes.
        image: The same points on the image.
        seen: (33,) in [0, 1].
        focal: Focal length, pixels.
    """
    width, height = image.size_px
    weight = seen[_USED] ** 2
    total = weight.sum()
    if total < _LEAST_WEIGHT:
        return None
    w = (weight / total)[:, None]
    p = points[_USED]
    ray = (image.uv[_USED] - 0.5) * np.array([width, -height]) / focal
    known = -p[:, :2] - ray * p[:, 2:]
    ray_mean, known_mean = (w * ray).sum(0), (w * known).sum(0)
    apart = ray - ray_mean
    spread = (w * apart * apart).sum()
    if spread < 1e-6:
        return None
    depth = float(-(w * apart * (known - known_mean)).sum() / spread)
    if not _NEAREST_M < depth < _FARTHEST_M:
        return None
    across = ray_mean * depth + known_mean
    return np.array([across[0], across[1], -depth])


class RootFollower:
    """Keeps the root's place from frame to frame."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget: the next place is the origin."""
        self._across, self._away = PointGlide(_ACROSS), PointGlide(_AWAY)
        self._origin: Array | None = None
        self._place = np.zeros(2)
        self._soles = np.zeros(0)
        self._since_s = np.inf
        self._followed_s = 0.0
        self._lift = 0.0
        self._pitch = 0.0

    def step(
        self,
        place: Array | None,
        *,
        sole: float,
        legs: float,
        upright: Array,
        rest: float = 0.0,
        step_s: float,
    ) -> Array:
        """Return the root translation (3,), metres.

        Args:
            place: (3,) the hips before the camera, its axes; None: nobody was seen.
            sole: Height of the lowest sole against the hips, as shown.
            legs: How far the legs are seen, [0, 1].
            upright: (3, 3) turns the camera's axes to the world's.
            rest: [0, 1] how much everything is at rest.
            step_s: Seconds since the last frame.
        """
        lift = 0.0
        if place is not None:
            at = self._smoothed(upright @ place, step_s)
            self._followed_s += step_s
            if self._origin is None or self._followed_s < _ARRIVAL_S:
                self._origin = at
            moved = (at - self._origin)[::2] - self._place
            if moved @ moved > _LEAP_M**2:  # go on from where the twin stands
                self._origin = self._origin + np.array([moved[0], 0.0, moved[1]])
                self._soles = np.zeros(0)
            self._place = point_play(self._place, (at - self._origin)[::2], _PLAY_M * rest)
            self._settle_floor(upright)
            lift = legs * self._above_floor(at[1] + sole, step_s)
        # Into the air at once, down without a drop when the legs go out of sight.
        self._lift = max(lift, self._lift - 3.0 * step_s)
        return np.array([self._place[0], max(self._lift - sole, 0.1), self._place[1]])

    def _smoothed(self, place: Array, step_s: float) -> Array:
        """Return the smoothed place (3,), level axes."""
        flat, depth = place * (1, 1, 0), place * (0, 0, 1)
        across, away = self._across.step(flat[None], step_s), self._away.step(depth[None], step_s)
        return np.asarray((across + away)[0])

    def _settle_floor(self, upright: Array) -> None:
        """Forget the floor's height while the camera's pitch is still being learnt."""
        pitch = float(upright[2, 1])
        if abs(pitch - self._pitch) > 0.01:
            self._pitch = pitch
            self._soles = np.zeros(0)

    def _above_floor(self, sole: float, step_s: float) -> float:
        """Return how far soles at height `sole`, against the camera, are in the air, metres."""
        self._since_s += step_s
        if self._since_s >= _FLOOR_EVERY_S:
            self._since_s = 0.0
            self._soles = np.append(self._soles[-_FLOOR_SAMPLES + 1 :], sole)
        if len(self._soles) < _FLOOR_SAMPLES // 2:
            return 0.0
        floor = np.sort(self._soles)[int(_FLOOR_SHARE * len(self._soles))]
        return min(max(0.0, float(sole - floor) - _JUMP_M), _HIGHEST_JUMP_M)
