"""ExpressionSolver: the 52 expressions out of the 478 face points, against the person's own rest.

The points are laid onto a canonical head by their rigid part (forehead, temples, nose bridge, eye
corners). A turned head still changes them, more than most expressions do: what the face model
makes of a turn on average is known and taken out. What is left over the person's own neutral face
goes, beside the turn, through a small network (one hidden layer beside a linear path, 0.04 ms)
trained on renders of generated avatars with known weights; see `face_expressions.md` for data and
measured quality.
The neutral face is learned while looking: at first from a second of frames, then slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from twinsdk.core.arrays import F32, F64, Array, as_f32
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import ShapeError

__all__ = [
    "UNSEEN_EXPRESSIONS",
    "ExpressionSolver",
    "FaceNetwork",
    "face_frame",
    "load_network",
    "turns",
]

UNSEEN_EXPRESSIONS: tuple[str, ...] = (
    "jawForward",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "cheekSquintLeft",
    "cheekSquintRight",
    "tongueOut",
)
"""Channels that the points do not determine: they stay 0 (measured: correlation below 0.5)."""

_WEIGHTS = Path(__file__).with_name("face_expressions.npz")
_WAYS = ("Up", "Down", "In", "Out")
_SETTLE_S = 1.0  # the first second is taken to show the person at rest, within limits
# More than this of a channel is an expression from the start, whoever it is; of the others (brows,
# lids, how lips are shaped) people differ so much that all of it is taken for the neutral face.
_REST_LIMITS = {
    "jawOpen": 0.3,
    "mouthSmileLeft": 0.3,
    "mouthSmileRight": 0.3,
    "mouthPucker": 0.5,
    "mouthFunnel": 0.5,
    "eyeBlinkLeft": 0.6,
    "eyeBlinkRight": 0.6,
}
_PLAIN = 0.4
_RISE_S = 180.0  # afterwards what somebody wears all the time becomes their neutral face
_FALL_S = 0.5  # and what they relax below shows at once that it was none
_SLACK = 0.05  # noise of the projection
_SHAPE_S = 10.0  # what no expression explains is shape: the mean of what was seen for that long
_CALM_S = 0.09  # what changes little is averaged for that long, what changes much is shown at once
_FEW_PX, _ENOUGH_PX = 15.0, 45.0  # a face so narrow is read badly; one so wide as any
# Of what is read from the narrowest, this much is true of most channels (the slope of the truth
# over it, people not trained on); of the others all is.
_LEAST_SURE = 0.35
_TOLD_FROM_AFAR = ("eyeBlink", "eyeLook", "jawOpen", "mouthSmile", "mouthFrown", "browInnerUp")
_LONGEST_STEP_S = 0.5
_TURN_UNIT = 0.5  # radians
_MOST_TURNED = 1.3  # of that unit: beyond, nothing was seen
_RIDGE = 1e-3  # of the expression basis, in units of the outer eye distance squared


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceNetwork:
    """The trained weights; P points are used, H hidden units.

    Attributes:
        canonical: (478, 3) neutral face, +X the person's left, +Y up, +Z forward; the outer eye
            corners are 1 apart.
        stable: Indices of the points that expressions hardly move.
        used: (P,) indices of the points that go in.
        unit: What displacements are divided by.
        turned: (9, 478, 3) what turning the head does to a face at rest, by the terms of `turns`.
        skip, skip_bias: (3P + 2, 52), (52,) the linear path.
        hidden, hidden_bias, out: (3P + 2, H), (H,), (H, 52) the path through tanh.
        basis: (52, 478, 3) how far each expression at weight 1 moves each point.
    """

    canonical: F32
    stable: Array
    used: Array
    unit: float
    turned: F32
    skip: F32
    skip_bias: F32
    hidden: F32
    hidden_bias: F32
    out: F32
    basis: F32

    def straight(self, laid: F32, turn: F32) -> F32:
        """Return points (478, 3) on the canonical head as they were if it looked ahead."""
        face: F32 = laid - np.tensordot(turns(turn), self.turned, 1)
        return face

    def __call__(self, displacement: F32, turn: F32) -> F32:
        """Return the weights (52,), not clipped, of points (478, 3) displaced from neutral."""
        moved = displacement[self.used].reshape(-1) / self.unit
        given = np.concatenate([moved, turn]).astype(np.float32)
        weights: F32 = given @ self.skip + self.skip_bias
        weights += np.tanh(given @ self.hidden + self.hidden_bias) @ self.out
        return weights


class ExpressionSolver:
    """Solves one person's expressions, frame after frame.

    The neutral face is the mean of the first second's faces, less what the network finds plainly
    expressive in them against the canonical face. Afterwards it changes slowly, by shares of
    expressions (what somebody wears all the time) and by shape that no expression makes, kept
    apart so that an expression held, and read a little too low, does not seep into it. What is
    shown is averaged over a tenth of a second where it hardly changes. Of a face narrower than 45
    pixels most channels are shown weaker and calmer: there their noise is as large as they are.
    """

    def __init__(self) -> None:
        self._network = load_network()
        self._basis = self._network.basis.reshape(len(EXPRESSION_NAMES), -1)
        gram = self._basis @ self._basis.T
        self._inverse_gram = np.linalg.inv(gram + _RIDGE * np.eye(len(gram))).astype(np.float32)
        self._unseen = [EXPRESSION_NAMES.index(name) for name in UNSEEN_EXPRESSIONS]
        self._rest_limit = np.array(
            [_REST_LIMITS.get(name, 1.0) for name in EXPRESSION_NAMES], np.float32
        )
        self._eyes = [
            (
                [EXPRESSION_NAMES.index(f"eyeLook{way}{side}") for way in _WAYS],
                EXPRESSION_NAMES.index(f"eyeBlink{side}"),
            )
            for side in ("Left", "Right")
        ]
        self._from_afar = np.array([name.startswith(_TOLD_FROM_AFAR) for name in EXPRESSION_NAMES])
        self._shown: F32 | None = None
        self._asked = False
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._base: F32 = self._network.canonical
        self._worn: F32 = np.zeros(len(EXPRESSION_NAMES), np.float32)
        self._share: F32 = np.zeros(len(EXPRESSION_NAMES), np.float32)
        self._seen_s = self._taken_s = 0.0
        self._told = False
        self._shown = None

    def calibrate(self) -> None:
        """Take the faces of the next second for neutral, whatever they look like.

        May be called from another thread.
        """
        self._asked = True

    def begin_with(self, neutral: F32) -> None:
        """Start from the `neutral` face (478, 3) of another session; it is settled.

        Raises:
            ShapeError: It has another shape.
        """
        self.reset()
        self._base = as_f32("neutral", neutral, self._network.canonical.shape)
        self._seen_s = _SHAPE_S

    @property
    def settled(self) -> bool:
        """Whether the person was seen for long enough that `neutral` is theirs."""
        return self._seen_s >= _SETTLE_S

    @property
    def neutral(self) -> F32:
        """The person's face at rest as far as known, (478, 3) on the canonical head."""
        worn = (self._share @ self._basis).reshape(-1, 3)
        face: F32 = self._base + worn
        return face

    def solve(self, image_face: ImageLandmarks, dt_s: float = 1 / 30) -> F32:
        """Return the weights (52,) in [0, 1].

        Args:
            image_face: The 478 points with depth.
            dt_s: Seconds since the frame before.

        Raises:
            ShapeError: There are not 478 points.
        """
        if len(image_face.names) != len(FACE_NAMES):
            raise ShapeError(f"image_face: expected 478 points, got {len(image_face.names)}")
        if self._asked:
            self.reset()
            self._asked, self._told = False, True
        laid, turn = self._laid(image_face)
        step_s = min(max(dt_s, 0.0), _LONGEST_STEP_S)
        self._seen_s += step_s
        settling = self._seen_s <= _SETTLE_S
        if settling:
            self._settle(laid, turn, step_s)
        displaced = laid - self.neutral
        raw = self._network(displaced, turn)
        if not settling:
            self._adapt(displaced, raw, step_s)
        weights: F32 = np.clip(raw, 0, 1)
        weights[self._unseen] = 0
        for gaze, lid in self._eyes:  # a lid that comes down takes the iris' points along
            weights[gaze] *= min(2 * (1 - weights[lid]), 1)
        sure = self._sureness(image_face)
        weights *= sure
        self._shown = self._calmed(weights, step_s * sure**2)
        return self._shown.copy()

    def _sureness(self, face: ImageLandmarks) -> F32:
        """Return how much of each channel (52,), read from a face of this width, is believed."""
        width = float(np.ptp(face.pixels()[:, 0]))
        share = float(np.clip((width - _FEW_PX) / (_ENOUGH_PX - _FEW_PX), 0, 1))
        sure: F32 = np.where(self._from_afar, 1.0, _LEAST_SURE + (1 - _LEAST_SURE) * share)
        return sure.astype(np.float32)

    def _calmed(self, weights: F32, step_s: F32) -> F32:
        """Return the weights averaged over time, the less the more they change."""
        if self._shown is None:
            return weights
        change = weights - self._shown
        share = np.clip(1 - np.exp(-step_s / _CALM_S) + np.abs(change), 0, 1)
        calm: F32 = (self._shown + share * change).astype(np.float32)
        return calm

    def _laid(self, face: ImageLandmarks) -> tuple[F32, F32]:
        width, _ = face.size_px
        pixels = np.column_stack([face.pixels(), face.depth * width])
        seen = pixels * np.array([1, -1, -1], np.float32)
        laid, turn = face_frame(seen, self._network.canonical, self._network.stable)
        return self._network.straight(laid, turn), turn

    def _settle(self, laid: F32, turn: F32, step_s: float) -> None:
        if self._told:
            self._taken_s += max(step_s, 1e-6)
            self._base = self._base + np.float32(max(step_s, 1e-6) / self._taken_s) * (
                laid - self._base
            )
            return
        # Against the canonical face, which stays: against the face being learned, a smile held
        # would be taken in share by share.
        plain = np.clip(self._network(laid - self._network.canonical, turn), 0, 1)
        worn = np.minimum(plain, self._rest_limit)
        rest = laid - ((plain - worn) @ self._basis).reshape(-1, 3)
        # Somebody who starts to speak meanwhile says little about their face at rest.
        moved = float(self._network(laid - self._base, turn).max()) > _PLAIN
        weight = max(step_s, 1e-6) * (0.1 if moved and self._taken_s > 0 else 1.0)
        self._taken_s += weight
        rate = np.float32(weight / self._taken_s)
        self._base = self._base + rate * (rest - self._base)
        self._worn = self._worn + rate * (np.where(self._rest_limit < 1, worn, 0) - self._worn)

    def _adapt(self, displaced: F32, raw: F32, step_s: float) -> None:
        flat = displaced.reshape(-1)
        along = self._inverse_gram @ (self._basis @ flat)
        rise = np.clip(raw, 0, 1) * step_s / _RISE_S
        # Below 0 the network's output means nothing: there the plain projection serves.
        fall = np.where(raw < 0, np.clip(along + _SLACK, -1, 0), 0) * step_s / _FALL_S
        # It cannot fall below what was taken in: nobody wears less than nothing.
        self._share = np.clip(self._share + rise + fall, -self._worn, 1).astype(np.float32)
        # A face that does much says little about its shape.
        calm = 1 / (1 + float(np.clip(raw, 0, 1).sum()))
        rate = np.float32(calm * step_s / min(self._seen_s, _SHAPE_S))
        unexplained: F32 = (flat - along @ self._basis).reshape(-1, 3).astype(np.float32)
        self._base = self._base + rate * unexplained


def turns(turn: ArrayLike) -> F32:
    """Return the terms (9,) of a head turned by (left, up), in units of half a radian."""
    left, up = np.clip(np.asarray(turn, np.float32), -_MOST_TURNED, _MOST_TURNED)
    terms = (left, up, left**2, left * up, up**2, left**3, left**2 * up, left * up**2, up**3)
    return np.array(terms, np.float32)


def face_frame(points: Array, canonical: Array, stable: ArrayLike) -> tuple[F32, F32]:
    """Return points (478, 3), +Y up and +Z at the camera, laid onto the `canonical` head.

    The rotation, scale and shift that bring the `stable` points closest to the canonical ones; and
    how far (2,) the head is turned to the camera's right and up, in units of half a radian.
    Source: Umeyama 1991.
    """
    index = np.asarray(stable)
    source: F64 = points[index].astype(np.float64)
    target: F64 = canonical[index].astype(np.float64)
    middle, goal = source.mean(0), target.mean(0)
    centred = source - middle
    u, s, vt = np.linalg.svd((target - goal).T @ centred)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    spread = max(float((centred**2).sum()), 1e-12)
    rotation = (u * flip) @ vt
    scale = (s * flip).sum() / spread
    laid: F32 = (scale * (points - middle) @ rotation.T + goal).astype(np.float32)
    right, up, ahead = rotation[2]  # where the nose points
    turn = np.array([np.arctan2(right, ahead), np.arcsin(np.clip(up, -1, 1))]) / _TURN_UNIT
    return laid, turn.astype(np.float32)


@lru_cache(maxsize=1)
def load_network() -> FaceNetwork:
    """Return the trained network that ships with the package."""
    with np.load(_WEIGHTS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    whole = {"stable", "used"}
    plain = {
        name: value.astype(np.int32 if name in whole else np.float32)
        for name, value in arrays.items()
        if name != "unit"
    }
    return FaceNetwork(unit=float(arrays["unit"]), **plain)
