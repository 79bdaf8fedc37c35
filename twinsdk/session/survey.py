"""A look over somebody's clip: their bone lengths and the best frames of their face.

Lengths are taken on frames whose points are sure, and their medians count. Of the face the sharp,
neutral frames from the front and from both sides are kept, and nothing else of any picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from twinsdk.avatar import FaceView
from twinsdk.avatar.face_fit import face_turn
from twinsdk.core.arrays import F32, U8, Array
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.image import Image
from twinsdk.core.landmarks import ImageLandmarks
from twinsdk.core.observation import Observation
from twinsdk.errors import LandmarkError
from twinsdk.session.body_lengths import BodyLengths

__all__ = ["ASIDE_DEG", "FRONT_DEG", "Survey", "Surveyor"]

FRONT_DEG = 12.0  # a view turned less is one from the front
ASIDE_DEG = (15.0, 45.0)  # how far a side view is turned
_BINS = {"front": 0.0, "left": 28.0, "right": -28.0}
_KEPT = 2  # frames of each
LEAST_FACE_PX = 60
_STILL = [
    i
    for i, name in enumerate(EXPRESSION_NAMES)
    if not name.startswith(("eyeLook", "brow", "cheek", "nose"))
]
_JAW_OPEN = EXPRESSION_NAMES.index("jawOpen")
_OPEN = 0.35
# Landmarks: skin right below the lower lids, and further down on the cheeks.
_BELOW_EYES = (230, 450, 120, 349)
_CHEEKS = (205, 425, 187, 411)
_SHADED = 0.42  # the skin below the eyes as bright as this share of the cheeks' is behind glass
_COUNTED_EVERY = 12  # frames between two counts of the people, the first few only
_COUNTS = 6


@dataclass(order=True)
class _Candidate:
    score: float
    yaw_deg: float
    view: FaceView = field(compare=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What a clip shows of its person.

    Attributes:
        frames: Looked at.
        faces: Of them with a face.
        views: The chosen frames: from the front, from the person's left, from their right.
        yaws_deg: How far the head is turned in each; above 0 to the person's left.
        lengths: Of the body, see `BodyLengths.measures`.
        warnings: What makes the result doubtful, in words.
    """

    frames: int
    faces: int
    views: tuple[FaceView, ...]
    yaws_deg: tuple[float, ...]
    lengths: BodyLengths
    warnings: tuple[str, ...]


class Surveyor:
    """Takes a clip frame by frame.

    Args:
        count_people: Returns how many people a picture shows; None does not ask.
    """

    def __init__(self, count_people: Callable[[U8], int] | None = None) -> None:
        self._count_people = count_people
        self._lengths = BodyLengths()
        self._kept: dict[str, list[_Candidate]] = {name: [] for name in _BINS}
        self._frames = self._faces = self._small = 0
        self._largest_px = 0.0
        self._turned: list[float] = []
        self._shades: list[float] = []
        self._crowded = self._counted = 0
        self._seen = Counter[str]()

    @property
    def found(self) -> dict[str, int]:
        """How many frames were of use, by what for.

        "body": seen whole; "arms_bent", "knees_bent": limbs that tell their lengths; "near": the
        face from the front, large enough; "left_seen", "right_seen": turned to the person's side;
        "mouth_open".
        """
        bent = self._lengths.bent
        return dict(self._seen) | {
            "body": self._lengths.frames,
            "arms_bent": bent["arm"],
            "knees_bent": bent["leg"],
        }

    def add(self, image: Image, observations: Sequence[Observation]) -> None:
        """Look at one frame."""
        self._frames += 1
        if len(observations) > 1:
            self._crowded += 1
            self._counted += 1
        elif self._count_people is not None and self._due(observations):
            self._counted += 1
            self._crowded += self._count_people(image.pixels) > 1
        if not observations:
            return
        self._lengths.add(observations[0])
        face = observations[0].image_face
        if face is not None:
            self._faces += 1
            self._look(image, face, observations[0].expressions)

    def finish(self) -> Survey:
        """Return what was found.

        Raises:
            LandmarkError: There is no face, it is too small, covered or never seen from the front,
                or there are several people.
        """
        self._refuse()
        views = [c for name in _BINS for c in sorted(self._kept[name], reverse=True)]
        missing = [name for name in ("left", "right") if not self._kept[name]]
        warnings = [f"the face was not seen turned to the {name}" for name in missing]
        return Survey(
            frames=self._frames,
            faces=self._faces,
            views=tuple(c.view for c in views),
            yaws_deg=tuple(c.yaw_deg for c in views),
            lengths=self._lengths,
            warnings=tuple(warnings),
        )

    def _due(self, observations: Sequence[Observation]) -> bool:
        few = self._counted < _COUNTS
        return few and len(observations) > 0 and self._frames % _COUNTED_EVERY == 1

    def _look(self, image: Image, face: ImageLandmarks, expressions: F32 | None) -> None:
        marks = face.pixels()
        across = float(np.ptp(marks[:, 0]))
        self._largest_px = max(self._largest_px, across)
        turn = face_turn(face)
        yaw = float(np.degrees(np.arctan2(-turn[2, 0], turn[2, 2])))
        self._turned.append(yaw)
        if across < LEAST_FACE_PX:
            self._small += 1
            return
        if not face.inside().all():
            return
        if expressions is not None and expressions[_JAW_OPEN] > _OPEN:
            self._seen["mouth_open"] += 1
        name = _bin(yaw)
        if name is None:
            return
        self._seen["near" if name == "front" else f"{name}_seen"] += 1
        if name == "front":
            self._shades.append(_shade(image.pixels, marks))
        moving = 0.0 if expressions is None else float(np.sort(expressions[_STILL])[-4:].sum())
        off = abs(yaw - _BINS[name]) / 20
        score = _sharpness(image.pixels, marks) * np.exp(-1.5 * moving - off * off)
        kept = self._kept[name]
        if len(kept) < _KEPT or score > min(kept).score:
            view = FaceView(pixels=image.pixels.copy(), landmarks=face)
            self._kept[name] = sorted([*kept, _Candidate(score, yaw, view)])[-_KEPT:]

    def _refuse(self) -> None:
        if self._crowded > self._counted / 2:
            raise LandmarkError(
                f"expected one person, found several in {self._crowded} of {self._counted} "
                "frames looked at: let the others step out of the picture"
            )
        if not self._faces:
            raise LandmarkError(
                f"expected a face, found none in {self._frames} frames: "
                "face the camera, in light that comes from the front"
            )
        if self._small == self._faces:
            raise LandmarkError(
                f"expected a face of {LEAST_FACE_PX} pixels across or more, found at most "
                f"{self._largest_px:.0f}: come nearer or film in a higher resolution"
            )
        if self._shades and float(np.median(self._shades)) < _SHADED:
            raise LandmarkError(
                f"expected bare eyes, found the skin around them {np.median(self._shades):.0%} "
                "as bright as the cheeks: take off dark glasses, or light the face from the front"
            )
        if not self._kept["front"]:
            nearest = min((abs(yaw) for yaw in self._turned), default=0.0)
            if nearest > FRONT_DEG:
                raise LandmarkError(
                    f"expected the face from the front, found it turned by {nearest:.0f} degrees "
                    "or more in every frame: look into the camera for a second"
                )
            raise LandmarkError(
                "expected the whole face in the picture, found it cut off in every frame from "
                "the front: move to the middle"
            )


def _bin(yaw_deg: float) -> str | None:
    if abs(yaw_deg) <= FRONT_DEG:
        return "front"
    if ASIDE_DEG[0] <= abs(yaw_deg) <= ASIDE_DEG[1]:
        return "left" if yaw_deg > 0 else "right"
    return None


def _sharpness(pixels: U8, marks: F32) -> float:
    """Return the spread of the face's Laplacian, grey levels."""
    from scipy import ndimage

    low = np.clip(marks.min(0), 0, None).astype(int)
    high = marks.max(0).astype(int) + 1
    grey = pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32).mean(-1)
    return float(ndimage.laplace(grey).std())


def _shade(pixels: U8, marks: F32) -> float:
    """Return how bright the skin below the eyes is, in the cheeks' brightness."""
    radius = max(1, round(float(np.ptp(marks[:, 0])) / 60))

    def level(points: tuple[int, ...]) -> float:
        found: list[Array] = []
        for x, y in np.round(marks[list(points)]).astype(int):
            patch = pixels[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
            found.append(np.median(patch.reshape(-1, 3), axis=0) if patch.size else np.zeros(3))
        return float(np.median([colour.mean() for colour in found]))

    return level(_BELOW_EYES) / max(level(_CHEEKS), 1.0)
