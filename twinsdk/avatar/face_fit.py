"""Face landmarks to face shape: the sliders under which the base's face projects onto them.

Where MediaPipe's landmarks lie on the template is in `face_points.npz`: the mean over nine renders
of three generated faces, found by casting the landmarks' rays onto the mesh and made symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

import numpy as np

from twinsdk.avatar.base import Base, load_base
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F64, Array
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import AvatarError

__all__ = ["FaceFit", "LandmarkPoints", "face_turn", "fit_face", "landmark_points"]

_FOLDERS = ("cheek", "chin", "eyes", "eyebrows", "forehead", "head", "mouth", "nose")
# Sliders that move the whole head, tilt the face or take it off its middle.
_LEFT_OUT = (
    "head-trans",
    "head-angle",
    "head-age",
    "mouth-trans-out",
    "nose-trans-out",
    "head-back",
)
_PRIOR_SLIDER = 0.35
# Of a landmark on a face. A tracker's errors go together from point to point, so each counts for
# less than its own 1.5 mm: with 3 mm, faces tracked on renders came nearer to the truth.
_NOISE_M = 0.003
_ROUNDS = 12


@dataclass(frozen=True, kw_only=True)
class FaceFit:
    """A fitted face.

    Attributes:
        spec: With the face's sliders, and without `face_variety`.
        before_m, after_m: Root mean square distance of the landmarks from the face's projection,
            metres on the face, with the spec's own face and with the fitted one.
        yaws_deg: How far the head was found turned in each view.
        warnings: What makes the result doubtful, in words.
    """

    spec: AvatarSpec
    before_m: float
    after_m: float
    yaws_deg: tuple[float, ...]
    warnings: tuple[str, ...]


def fit_face(
    views: Sequence[ImageLandmarks],
    *,
    spec: AvatarSpec | None = None,
    fov_deg: float = 50.0,
    progress: bool = True,
) -> FaceFit:
    """Return the face whose projection meets the landmarks of several views best.

    Depth (nose, chin, cheeks) shows only when some views are turned by 15 degrees or more.

    Args:
        views: The 478 face landmarks of neutral frames of one person.
        spec: Everything else about the person; its `local` beyond the face is kept.
        fov_deg: The camera's vertical angle of view.
        progress: Whether to show a bar where the base must be baked first.

    Raises:
        AvatarError: There is no view, or one has not the 478 landmarks.
    """
    if not views:
        raise AvatarError("views: expected face landmarks of at least one frame, got none")
    if not 10 <= fov_deg <= 120:
        raise AvatarError(f"fov_deg: expected 10 to 120, got {fov_deg!r}")
    base = load_base(progress=progress)
    names = _sliders(base)
    spec = spec or AvatarSpec()
    kept = {k: v for k, v in spec.local.items() if k not in {n for pair in names for n in pair}}
    plain = replace(spec, local=kept, face_variety=0.0)
    points = landmark_points()
    seen = [_observed(view, points.landmarks) for view in views]
    focal = [view.size_px[1] / 2 / np.tan(np.radians(fov_deg) / 2) for view in views]

    face = _Face(base, plain, names)
    x = np.zeros(len(names))
    deviation = np.hypot(_NOISE_M, points.spread_m)
    before = _rms(_residuals(face.places(x), seen, focal)[0], deviation)
    for _ in range(_ROUNDS):
        places = face.places(x)
        rows, turns = _residuals(places, seen, focal)
        slopes = face.slopes(x)
        normal = np.eye(len(x)) / _PRIOR_SLIDER**2
        pull = -x / _PRIOR_SLIDER**2
        for off, turn in zip(rows, turns, strict=True):
            moved = np.einsum("ij,npj->nip", turn[:2], slopes) / deviation
            moved = moved.reshape(len(x), -1)
            normal += moved @ moved.T / len(rows)
            pull += moved @ (off.T / deviation).ravel() / len(rows)
        x = np.clip(x + np.linalg.solve(normal, pull), -1, 1)
    rows, turns = _residuals(face.places(x), seen, focal)
    fitted = {name: float(v) for v, pair in zip(x, names, strict=True) for name in pair}
    yaws = tuple(float(np.degrees(np.arctan2(-turn[2, 0], turn[2, 2]))) for turn in turns)
    after = _rms(rows, deviation)
    return FaceFit(
        spec=replace(plain, local=kept | fitted),
        before_m=before,
        after_m=after,
        yaws_deg=yaws,
        warnings=_warnings(yaws, after),
    )


def face_turn(view: ImageLandmarks) -> F64:
    """Return the head's turn (3, 3), camera axes from the template's, rows right, up and ahead."""
    points = landmark_points()
    template = load_base().template[points.vertices].astype(np.float64)
    places = np.einsum("pk,pkc->pc", points.weights, template)
    far = [1e4 * view.size_px[1]]  # perspective matters little for a direction
    return _residuals(places, [_observed(view, points.landmarks)], far)[1][0]


def _warnings(yaws: tuple[float, ...], after: float) -> tuple[str, ...]:
    out = []
    if max(yaws) - min(yaws) < 15:
        out.append("no view is turned by 15 degrees: the face's depth is the average one's")
    if min(abs(yaw) for yaw in yaws) > 25:
        out.append("no view is from the front: show the face to the camera")
    if after > 0.006:
        out.append(f"landmarks are {after * 1000:.1f} mm off: covered, grimacing or several faces?")
    return tuple(out)


@dataclass(frozen=True, kw_only=True, eq=False)
class LandmarkPoints:
    """Where landmarks lie on the template.

    Attributes:
        landmarks: (P,) indices into the 478.
        vertices, weights: (P, 3) the mixture of base vertices.
        spread_m: (P,) how far the renders they come from disagreed.
    """

    landmarks: Array
    vertices: Array
    weights: F64
    spread_m: F64


@lru_cache(maxsize=1)
def landmark_points() -> LandmarkPoints:
    """Return where the landmarks of a face lie on the template."""
    with (files("twinsdk.avatar") / "face_points.npz").open("rb") as stream:
        stored = np.load(stream)
        return LandmarkPoints(
            landmarks=stored["landmarks"].astype(np.int64),
            vertices=stored["vertices"].astype(np.int64),
            weights=stored["weights"].astype(np.float64),
            spread_m=stored["spread_m"].astype(np.float64),
        )


class _Face:
    """The landmarks' places on a face as a function of its sliders."""

    def __init__(self, base: Base, spec: AvatarSpec, names: list[tuple[str, ...]]) -> None:
        points = landmark_points()

        def on(vertices: Array) -> F64:
            return np.einsum("pk,pkc->pc", points.weights, vertices[points.vertices])

        self._rest = on(shape_body(base, spec).astype(np.float64))
        moved = [[base.locals_[n] for n in pair] for pair in names]
        ends = [
            [on(np.sum([base.target(sides[end]) for sides in pair], axis=0)) for pair in moved]
            for end in (0, 1)
        ]
        self._down, self._up = -np.array(ends[0]), np.array(ends[1])

    def slopes(self, x: F64) -> F64:
        """Return (N, P, 3) metres per unit of each slider; at rest the mean of both directions."""
        share = np.clip(0.5 + 10 * x, 0, 1)[:, None, None]
        out: F64 = self._down + share * (self._up - self._down)
        return out

    def places(self, x: F64) -> F64:
        """Return (P, 3) metres."""
        up, down = np.maximum(x, 0), np.minimum(x, 0)
        out: F64 = self._rest + np.tensordot(up, self._up, 1) + np.tensordot(down, self._down, 1)
        return out


def _residuals(places: F64, seen: list[F64], focal: list[float]) -> tuple[list[F64], list[F64]]:
    """Return per view: (P, 2) metres on the face off the projection, and the head's turn (3, 3)."""
    rows, turns = [], []
    middle = places - places.mean(0)
    for pixels, f in zip(seen, focal, strict=True):
        flat = pixels
        for _ in range(3):  # weak perspective, corrected by each point's depth
            shift = flat.mean(0)
            linear = np.linalg.lstsq(middle, flat - shift, rcond=None)[0].T
            u, s, vt = np.linalg.svd(linear, full_matrices=False)
            pair, scale = u @ vt, float(s.mean())
            turn = np.stack([pair[0], pair[1], np.cross(pair[0], pair[1])])
            flat = pixels * (1 - (middle @ turn[2]) * scale / f)[:, None]
        rows.append((flat - flat.mean(0)) / scale - middle @ turn[:2].T)
        turns.append(turn)
    return rows, turns


def _rms(rows: list[F64], deviation: F64) -> float:
    weight = 1 / deviation**2
    mean = [float((weight * (row**2).sum(1)).sum() / weight.sum()) for row in rows]
    return float(np.sqrt(np.mean(mean)))


def _observed(view: ImageLandmarks, landmarks: Array) -> F64:
    """Return the chosen landmarks (P, 2) in pixels from the picture's middle, y up."""
    if tuple(view.names) != FACE_NAMES:
        raise AvatarError(
            f"views: expected the {len(FACE_NAMES)} face landmarks, got {len(view.names)}"
        )
    uv = np.asarray(view.uv, np.float64)[landmarks]
    return (uv - 0.5) * view.size_px * [1.0, -1.0]


def _sliders(base: Base) -> list[tuple[str, ...]]:
    """Return the face's sliders, left and right ones tied together."""
    tied: dict[str, list[str]] = {}
    for name in base.locals_:
        folder, _, slider = name.partition("/")
        if folder in _FOLDERS and not any(slider.startswith(part) for part in _LEFT_OUT):
            stem = slider.removeprefix("l-").removeprefix("r-")
            tied.setdefault(f"{folder}/{stem}", []).append(name)
    return [tuple(names) for names in tied.values()]
