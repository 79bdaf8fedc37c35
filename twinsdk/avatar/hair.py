"""Hair: a shell of locks combed from the crown over the scalp to the hairline, and beyond it.

The shell stands on the template's scalp, so it fits every head; the hairline is the painted one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from twinsdk.avatar.atlas import skin_regions
from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Part, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.avatar.skin_paint import hairline_height
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["hair_parts"]

_CENTRE = np.array([0.0, 0.765, 0.05])  # inside the template's skull
_WHORL = np.array([0.0, 1.0, -0.30])  # direction from there to the crown's whorl
_COLUMNS = 192
_ROWS = 22


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One haircut; lengths in metres on the template.

    Attributes:
        top, side, back: Thickness there.
        fringe: How far locks fall below the hairline in front.
        tips: How uneven the tips are.
        locks: Locks around the head.
        depth: Of the furrows between locks, as a share of the thickness.
        fall: How far hair hangs below the height `leave`; 0: it follows the scalp to the hairline.
        leave: Height where hanging hair leaves the scalp.
    """

    top: float
    side: float
    back: float
    fringe: float
    tips: float
    locks: int
    depth: float
    fall: float = 0.0
    leave: float = 0.742


_CUTS = {
    "short": _Cut(
        top=0.017, side=0.008, back=0.008, fringe=0.012, tips=0.007, locks=38, depth=0.30
    ),
    "bob": _Cut(
        top=0.016,
        side=0.021,
        back=0.020,
        fringe=0.026,
        tips=0.006,
        locks=44,
        depth=0.16,
        fall=0.095,
    ),
    "long": _Cut(
        top=0.016,
        side=0.020,
        back=0.020,
        fringe=0.010,
        tips=0.016,
        locks=40,
        depth=0.18,
        fall=0.225,
    ),
}


def hair_parts(base: Base, pose: TPose, style: str, material: Material) -> list[Part]:
    """Return the hair of a style of `spec.HAIR_STYLES`; none for "shaved", which is painted."""
    if style not in _CUTS:
        return []
    cut = _CUTS[style]
    azimuth = np.linspace(-np.pi, np.pi, _COLUMNS + 1)
    mix, away = _scalp_grid(base, style)
    rows = _ROWS
    scalp = (mix @ pose.vertices.astype(np.float64)).reshape(rows, _COLUMNS + 1, 3)
    centre = scalp.reshape(-1, 3).mean(0)
    out = scalp - centre
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    scale = np.linalg.norm(scalp - centre, axis=-1).mean() / away
    thickness = _thickness(cut, azimuth, rows) * scale
    shell = scalp + out * thickness[..., None]
    weights = (mix @ pose.weights).reshape(rows, _COLUMNS + 1, -1)
    if cut.fall:
        shell, weights = _hang(cut, shell, weights, azimuth, scale, base, pose)
    return [_part(shell, weights, pose, material)]


@lru_cache(maxsize=4)
def _scalp_grid(base: Base, style: str) -> tuple[sparse.csr_matrix, float]:
    """Return scalp points as mixtures (rows x columns, V), and their mean distance from within."""
    cut = _CUTS[style]
    azimuth = np.linspace(-np.pi, np.pi, _COLUMNS + 1)
    height = hairline_height(azimuth)
    if cut.fall:
        height = np.where(_hanging(azimuth) > 0, np.maximum(height, cut.leave), height)
    front = np.clip(1 - np.abs(azimuth) / np.radians(62), 0, 1) ** 0.7
    height = height - cut.fringe * front * (0.55 + 0.45 * _locks(cut, azimuth, 0.0))
    height -= cut.tips * (0.5 + 0.5 * _locks(cut, azimuth, 0.0)) * (1 - front) * (cut.fall == 0)

    quads, _ = skin_regions(base)["face"]
    corners = base.quads[quads].astype(np.int64)
    corners = corners[base.template[corners][..., 1].min(1) > 0.6]
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])

    level = np.full(len(azimuth), 0.08)
    for _ in range(5):  # where the scalp has the hairline's height
        ends = np.stack([level * np.sin(azimuth), height - _CENTRE[1], level * np.cos(azimuth)], -1)
        place, _ = _cast(base, triangles, ends)
        level = np.hypot(place[:, 0], place[:, 2] - _CENTRE[2])
    ends /= np.linalg.norm(ends, axis=1, keepdims=True)
    start = _WHORL / np.linalg.norm(_WHORL)
    share = np.linspace(0.015, 1, _ROWS)[:, None, None]
    rays = (1 - share) * start + share * ends
    place, mix = _cast(base, triangles, rays.reshape(-1, 3))
    return mix, float(np.linalg.norm(place - place.mean(0), axis=1).mean())


def _cast(base: Base, triangles: Array, rays: F64) -> tuple[F64, sparse.csr_matrix]:
    """Return the first hits (N, 3) of rays from the skull's centre, as places and as mixtures.

    Source: Moeller and Trumbore 1997.
    """
    corner = base.template[triangles].astype(np.float64)
    ab, ac, from_corner = (
        corner[:, 1] - corner[:, 0],
        corner[:, 2] - corner[:, 0],
        _CENTRE - corner[:, 0],
    )
    # With one origin for all rays the triple products are linear in the ray: three products do.
    det_of, v_of, w_of = (
        np.cross(ac, ab).T,
        np.cross(ac, from_corner).T,
        np.cross(from_corner, ab).T,
    )
    reach = (ac * w_of.T).sum(1)
    best = np.empty((len(rays), 4))
    for first in range(0, len(rays), 512):
        ray = rays[first : first + 512]
        det = ray @ det_of
        det = np.where(np.abs(det) < 1e-15, 1e-15, det)
        v, w, t = (ray @ v_of) / det, (ray @ w_of) / det, reach / det
        t[(v < -1e-6) | (w < -1e-6) | (v + w > 1 + 1e-6) | (t <= 0)] = np.inf
        at = t.argmin(1)
        row = np.arange(len(at))
        best[first : first + 512] = np.stack([at, v[row, at], w[row, at], t[row, at]], -1)
    at = best[:, 0].astype(np.int64)
    share = np.stack([1 - best[:, 1] - best[:, 2], best[:, 1], best[:, 2]], -1)
    mix = sparse.csr_matrix(
        (share.ravel(), (np.repeat(np.arange(len(at)), 3), triangles[at].ravel())),
        shape=(len(at), len(base.template)),
    )
    return _CENTRE + rays * best[:, 3:], mix


def _thickness(cut: _Cut, azimuth: F64, rows: int) -> F64:
    """Return the shell's thickness (rows, columns) over the scalp."""
    s = np.linspace(0, 1, rows)[:, None]
    turn = np.degrees(np.abs(azimuth))
    low = np.interp(
        turn, [0, 45, 70, 110, 150, 180], [cut.top, cut.top, cut.side, cut.side, cut.back, cut.back]
    )
    rise = np.interp(s[:, 0], [0, 0.25, 0.6, 1], [1.0, 1.0, 0.35, 0.0])[:, None]
    body = cut.top * rise + low * (1 - rise)
    if cut.fall:
        taper = np.where(_hanging(azimuth) > 0, 1.0, 1 - 0.75 * _ease((s - 0.8) / 0.2))
    else:
        taper = 1 - 0.82 * _ease((s - 0.72) / 0.28)
    furrow = 1 + cut.depth * _locks(cut, azimuth, s) * _ease(s / 0.25)
    return body * taper * furrow


def _locks(cut: _Cut, azimuth: F64, s: F64 | float) -> F64:
    """Return the locks' relief in [-1, 1] at azimuths and shares of the way from the crown."""
    rng = np.random.default_rng(21)
    phase, bend = rng.uniform(0, 2 * np.pi, 6), rng.uniform(-0.9, 0.9, 6)
    out = np.zeros(np.broadcast(azimuth, s).shape)
    turns = cut.locks * np.array([1.0, 0.63, 0.41, 1.5, 0.25, 0.8])
    size = np.array([0.45, 0.35, 0.25, 0.15, 0.25, 0.2])
    for n, k, b, a in zip(np.round(turns), phase, bend, size, strict=True):
        out = out + a * np.cos(n * azimuth + k + 2.2 * b * s)
    return np.clip(out, -1, 1)


def _hanging(azimuth: F64) -> F64:
    """Return how freely hair hangs at an azimuth: 0 over the face, 1 at the sides and behind."""
    return np.asarray(_ease((np.degrees(np.abs(azimuth)) - 62) / 10), np.float64)


def _hang(
    cut: _Cut,
    shell: F64,
    weights: Array,
    azimuth: F64,
    scale: float,
    base: Base,
    pose: TPose,
) -> tuple[F64, Array]:
    """Return the shell and weights with the rows that hang below it."""
    count = 14
    down = np.linspace(0, 1, count + 1)[1:, None]
    turn = np.degrees(np.abs(azimuth))
    # Beside the face hair stops at the chin; only behind the ears does it reach its length.
    chin = min(cut.fall, 0.100)
    length = np.interp(turn, [62, 72, 105, 130, 180], [0.0, chin, chin, cut.fall, cut.fall])
    length = (
        length * _hanging(azimuth) * (1 + 0.5 * cut.tips / cut.fall * _locks(cut, azimuth, 1.0))
    )
    last = shell[-1]
    flat = last - shell.reshape(-1, 3).mean(0)
    flat[:, 1] = 0
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    swing = 0.010 * np.sin(np.pi * down * 0.8) - 0.014 * down**2
    relief = 0.0035 * _locks(cut, azimuth, 1.0 + down)
    hanging = _hanging(azimuth)[None, :, None]
    rows = last[None] + flat[None] * ((swing + relief) * scale)[..., None] * hanging
    rows[..., 1] -= (length * down) * scale
    rows = _outside(rows, base, pose, 0.016)
    # Below the neck's base the back carries hair, or it would swing through the shoulders.
    neck, chest = pose.joint("neck")[1], pose.joint("upperChest")[1]
    back = np.clip((neck + 0.04 - rows[..., 1]) / (neck + 0.04 - chest), 0, 1)[..., None]
    rest = np.zeros(weights.shape[-1], np.float32)
    rest[HUMANOID_NAMES.index("upperChest")] = 1
    hung = weights[-1][None] * (1 - back) + rest * back
    return np.concatenate([shell, rows]), np.concatenate([weights, hung])


def _outside(rows: F64, base: Base, pose: TPose, clearance: float) -> F64:
    """Return points moved out to `clearance` over the body's nearest vertices."""
    quads = base.quads[base.group("body")].astype(np.int64)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    normals = vertex_normals(pose.vertices, triangles)
    body = np.unique(triangles)
    flat = rows.reshape(-1, 3)
    _, near = KDTree(pose.vertices[body]).query(flat)
    near = body[near]
    depth = ((flat - pose.vertices[near]) * normals[near]).sum(1)
    moved: F64 = flat + normals[near] * np.maximum(clearance - depth, 0)[:, None]
    return moved.reshape(rows.shape)


def _part(shell: F64, weights: Array, pose: TPose, material: Material) -> Part:
    rows, columns = shell.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    vertices = shell.reshape(-1, 3)
    normals = vertex_normals(vertices, triangles).reshape(rows, columns, 3)
    seam = normals[:, 0] + normals[:, -1]  # both ends of a row are the same place
    normals[:, 0] = normals[:, -1] = seam / np.linalg.norm(seam, axis=1, keepdims=True)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    flat = weights.reshape(rows * columns, -1)
    return Part(
        name="hair",
        material=material,
        vertices=vertices,
        normals=normals.reshape(-1, 3),
        uvs=np.stack([u, v], -1).reshape(-1, 2),
        triangles=triangles.astype(np.int32),
        weights=(flat / flat.sum(1, keepdims=True)).astype(np.float32),
        mix=sparse.csr_matrix((rows * columns, len(pose.vertices))),
    )


def _ease(t: Array | float) -> Array:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
