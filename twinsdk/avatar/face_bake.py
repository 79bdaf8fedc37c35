"""Photographs of a person to the picture of their avatar's face.

Each frame is drawn onto the face's picture through the landmarks, weighted by how squarely it saw
the skin and how sharp it is; what no frame saw well is taken from the other side of the face, and
all of it fades into the painted skin, which takes the tone of the face's outline. Nothing leaves
the machine.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import ConvexHull, Delaunay

from twinsdk.avatar.atlas import pixel_map, skin_regions
from twinsdk.avatar.base import Base, load_base
from twinsdk.avatar.face_fit import face_turn, landmark_points
from twinsdk.avatar.parts import vertex_normals
from twinsdk.avatar.skin_paint import paint_face
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F32, F64, U8, Array
from twinsdk.core.landmarks import FACE_NAMES, ImageLandmarks
from twinsdk.errors import AvatarError

__all__ = ["FacePicture", "FaceView", "bake_face"]

_IRISES = ((468, range(469, 473)), (473, range(474, 478)))
_FEATHER_PX = 26
_LEAST_FACE_PX = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceView:
    """One frame of a person's face.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, not mirrored.
        landmarks: The 478 face landmarks on it.
    """

    pixels: U8
    landmarks: ImageLandmarks


@dataclass(frozen=True, kw_only=True)
class FacePicture:
    """A baked face.

    Attributes:
        spec: With the person's skin and eye colours.
        picture: JPEG of the face's picture, for `generate_avatar`.
        coverage: Share of the face's skin that some frame saw well, in [0, 1].
        warnings: What makes the result doubtful, in words.
    """

    spec: AvatarSpec
    picture: bytes
    coverage: float
    warnings: tuple[str, ...]


def bake_face(
    views: Sequence[FaceView], *, spec: AvatarSpec | None = None, progress: bool = True
) -> FacePicture:
    """Return the face's picture blended from frames of one person.

    Args:
        views: Neutral, evenly lit frames; some turned left and right cover the cheeks.
        spec: Of the avatar; its colours are replaced by the person's.
        progress: Whether to show a bar where the base must be baked first.

    Raises:
        AvatarError: There is no view, landmarks and pixels disagree, or a face is too small.
    """
    for view in views:
        _check(view)
    if not views:
        raise AvatarError("views: expected at least one frame with its landmarks, got none")
    base = load_base(progress=progress)
    pixels = pixel_map(base, "face")
    at, normals = _landmarks_on_picture(base, len(pixels.place))
    photo, trust = _blend(views, at, normals, len(pixels.place))
    # The picture is symmetric about its middle row, and so is a face, nearly.
    spare = 0.35 * trust[::-1]
    total = trust + spare
    photo = photo * trust[..., None] + photo[::-1] * spare[..., None]
    photo /= np.maximum(total, 1e-6)[..., None]
    depth = _depth(total > 0.06)
    rim = (depth > _FEATHER_PX) & (depth < 3 * _FEATHER_PX)
    tone = np.median(photo[rim], axis=0) * 255 if rim.any() else None
    spec = _with_colours(spec or AvatarSpec(), views, tone)
    painted = paint_face(base, spec, pixels)
    amount = np.clip(depth / _FEATHER_PX, 0, 1) * pixels.covered
    amount = (amount * amount * (3 - 2 * amount))[..., None].astype(np.float32)
    toned = painted + _spill(photo - painted, amount[..., 0])
    seen = pixels.covered & _hull(at, len(trust))
    coverage = float((trust[seen] > 0.12).mean())
    warnings = []
    if coverage < 0.6:
        warnings.append(
            f"only {coverage:.0%} of the face was seen squarely: turn the head left and right"
        )
    return FacePicture(
        spec=spec,
        picture=_jpeg(toned + (photo - toned) * amount),
        coverage=coverage,
        warnings=tuple(warnings),
    )


def _check(view: FaceView) -> None:
    shape = view.pixels.shape
    if view.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise AvatarError(f"pixels: expected (H, W, 3) uint8, got {shape} {view.pixels.dtype}")
    if tuple(view.landmarks.names) != FACE_NAMES:
        raise AvatarError(f"landmarks: expected {len(FACE_NAMES)}, got {len(view.landmarks.names)}")
    across = np.ptp(_on_image(view)[:, 0])
    if across < _LEAST_FACE_PX:
        raise AvatarError(
            f"face: expected at least {_LEAST_FACE_PX} pixels across, got {across:.0f}: come nearer"
        )


def _on_image(view: FaceView) -> F64:
    """Return the landmarks (478, 2) in pixels, x and y down."""
    height, width = view.pixels.shape[:2]
    return np.asarray(view.landmarks.uv, np.float64) * (width, height) - 0.5


def _landmarks_on_picture(base: Base, size: int) -> tuple[F64, F64]:
    """Return for the fitted landmarks their pixels (P, 2) on the picture and normals (P, 3)."""
    quads, uvs = skin_regions(base)["face"]
    of_vertex = np.full((len(base.template), 2), np.nan)
    of_vertex[base.quads[quads].ravel()] = uvs.reshape(-1, 2)
    points = landmark_points()
    at = np.einsum("pk,pkc->pc", points.weights, of_vertex[points.vertices]) * size - 0.5
    whole = base.quads[base.group("body")].astype(np.int64)
    triangles = np.concatenate([whole[:, [0, 1, 2]], whole[:, [0, 2, 3]]])
    bent = vertex_normals(base.template, triangles)[points.vertices]
    normals = np.einsum("pk,pkc->pc", points.weights, bent)
    return at, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _blend(views: Sequence[FaceView], at: F64, normals: F64, size: int) -> tuple[F32, F32]:
    """Return the blended picture (S, S, 3), sRGB in [0, 1], and how far to trust it (S, S)."""
    chosen = landmark_points().landmarks
    triangulation = Delaunay(at)
    rows, columns = np.nonzero(_hull(at, size))
    asked = np.stack([columns, rows], -1).astype(np.float64)
    total = np.zeros((len(asked), 3))
    weight = np.zeros(len(asked))
    best = np.zeros(len(asked))
    sharpness = np.array([_sharpness(view) for view in views])
    for view, sharp in zip(views, sharpness / sharpness.max(), strict=True):
        marks = _on_image(view)[chosen]
        facing = normals @ face_turn(view.landmarks)[2]
        found = LinearNDInterpolator(triangulation, np.column_stack([marks, facing]))(asked)
        found = np.nan_to_num(found)
        square = np.clip((found[:, 2] - 0.15) / 0.75, 0, 1) ** 2
        share = square**2 * sharp
        colour = [
            ndimage.map_coordinates(view.pixels[..., c], found[:, 1::-1].T, order=1, mode="nearest")
            for c in range(3)
        ]
        total += share[:, None] * np.stack(colour, -1) / 255
        weight += share
        best = np.maximum(best, square)
    picture = np.zeros((size, size, 3), np.float32)
    trust = np.zeros((size, size), np.float32)
    picture[rows, columns] = total / np.maximum(weight, 1e-9)[:, None]
    trust[rows, columns] = best
    return picture, trust


def _hull(at: F64, size: int) -> Array:
    """Return (S, S) whether a pixel lies inside the landmarks' hull."""
    from PIL import Image, ImageDraw

    drawn = Image.new("1", (size, size))
    corners = at[ConvexHull(at).vertices]
    ImageDraw.Draw(drawn).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.asarray(drawn)


def _sharpness(view: FaceView) -> float:
    marks = _on_image(view)
    low = np.clip(marks.min(0), 0, None).astype(int)
    high = marks.max(0).astype(int) + 1
    grey = view.pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32).mean(-1)
    return float(ndimage.laplace(grey).std()) + 1e-3


def _spill(difference: Array, amount: Array) -> F32:
    """Return the photographs' broad difference from the paint, carried on beyond their border."""
    step = 8
    small = difference[::step, ::step] * amount[::step, ::step, None]
    known = ndimage.gaussian_filter(amount[::step, ::step], 10)
    broad = np.stack([ndimage.gaussian_filter(small[..., c], 10) for c in range(3)], -1)
    broad /= np.maximum(known, 1e-4)[..., None]
    outside = ndimage.distance_transform_edt(amount[::step, ::step] < 0.5)
    broad *= np.exp(-((outside / 22) ** 2))[..., None]
    large = ndimage.zoom(broad, (step, step, 1), order=1)
    return np.asarray(large[: len(difference), : len(difference)], np.float32)


def _depth(inside: Array) -> F32:
    """Return (S, S) the distance in pixels from a region's border, exact to two."""
    small = ndimage.distance_transform_edt(inside[::2, ::2])
    large: F32 = ndimage.zoom(small * 2, 2, order=1)[: len(inside), : len(inside)]
    return large


def _with_colours(spec: AvatarSpec, views: Sequence[FaceView], tone: Array | None) -> AvatarSpec:
    irises = []
    for view in views:
        marks = _on_image(view)
        for centre, ring in _IRISES:
            radius = float(np.linalg.norm(marks[list(ring)] - marks[centre], axis=1).mean())
            irises.append(_disc(view.pixels, marks[centre], 0.85 * radius, 0.50 * radius))
    seen = np.concatenate(irises)
    # Neither pupil, lash nor catchlight.
    level = seen.mean(-1)
    seen = seen[(level >= np.percentile(level, 20)) & (level <= np.percentile(level, 85))]
    colours = spec.colors
    if tone is not None:
        colours = replace(colours, skin=_hex(tone), lips=None)
    if len(seen) > 8:
        colours = replace(colours, eyes=_hex(np.clip(np.median(seen, axis=0) * 1.15, 0, 255)))
    return replace(spec, colors=colours)


def _disc(pixels: U8, centre: F64, radius: float, hole: float) -> F64:
    """Return the pixels (N, 3) of a ring."""
    height, width = pixels.shape[:2]
    x0, y0 = np.maximum(np.floor(centre - radius).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(centre + radius).astype(int) + 1, (width, height))
    y, x = np.mgrid[y0 : max(y1, y0), x0 : max(x1, x0)]
    far = np.hypot(x - centre[0], y - centre[1])
    ring = (far <= max(radius, 0.75)) & (far >= hole)
    return np.asarray(pixels[y[ring], x[ring]], np.float64)


def _hex(colour: Array) -> str:
    r, g, b = (int(c) for c in np.round(colour))
    return f"#{r:02x}{g:02x}{b:02x}"


def _jpeg(picture: Array) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    eight_bit = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(eight_bit).save(stream, "JPEG", quality=90, subsampling=0)
    return stream.getvalue()
