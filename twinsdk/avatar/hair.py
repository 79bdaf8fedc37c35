"""Hair: a shell of locks combed from the crown over the scalp to the hairline, and beyond it.

The shell stands on the template's scalp, so it fits every head; the hairline is the painted one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from twinsdk.avatar.atlas import skin_regions
from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Chain, Part, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.avatar.skin_paint import hairline_height
from twinsdk.avatar.springs import chain_weights, strongest
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["hair_parts"]

_CENTRE = np.array([0.0, 0.765, 0.05])  # inside the template's skull
_WHORL = np.array([0.0, 1.0, -0.30])  # direction from there to the crown's whorl
_COLUMNS = 192
_ROWS = 22
_HANGING_ROWS = 14
_STRAND_JOINTS = 4
# Of hanging hair that lies on the back stays there: a pose without springs still looks right.
_LYING = 0.5


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One haircut; lengths in metres on the template.

    Attributes:
        top, side, back: Thickness there.
        part_deg: Azimuth of the parting at the forehead; locks are combed away from it.
        reach: How far the parting runs from the whorl to the forehead: 1 is all the way.
        fringe: How far locks fall below the hairline in front.
        tips: How uneven the tips are.
        locks: Locks around the head.
        depth: Of the furrows between locks, as a share of the thickness.
        fall: How far hair hangs below the height `leave`; 0: it follows the scalp to the hairline.
        leave: Height where hanging hair leaves the scalp.
        strands: Degrees from the front where a chain of swinging joints hangs.
    """

    top: float
    side: float
    back: float
    part_deg: float
    reach: float
    fringe: float
    tips: float
    locks: int
    depth: float
    fall: float = 0.0
    leave: float = 0.772
    strands: tuple[float, ...] = ()


_CUTS = {
    "short": _Cut(
        top=0.019,
        side=0.007,
        back=0.009,
        part_deg=32,
        reach=0.93,
        fringe=0.005,
        tips=0.006,
        locks=34,
        depth=0.26,
    ),
    "bob": _Cut(
        top=0.015,
        side=0.020,
        back=0.020,
        part_deg=-26,
        reach=0.90,
        fringe=0.006,
        tips=0.005,
        locks=40,
        depth=0.14,
        fall=0.128,
    ),
    "long": _Cut(
        top=0.014,
        side=0.019,
        back=0.019,
        part_deg=6,
        reach=0.93,
        fringe=0.004,
        tips=0.020,
        locks=36,
        depth=0.16,
        fall=0.240,
        strands=(95, 140, 180, 220, 265),
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scalp:
    """Where the hair stands on the template.

    Attributes:
        mix: (rows x columns, V) the scalp's points as mixtures of the base's vertices.
        place: (rows, columns, 3) the same on the template.
        mean_m: Their mean distance from their middle.
    """

    mix: sparse.csr_matrix
    place: F64
    mean_m: float


def hair_parts(base: Base, pose: TPose, style: str, material: Material) -> list[Part]:
    """Return the hair of a style of `spec.HAIR_STYLES`; none for "shaved", which is painted."""
    if style not in _CUTS:
        return []
    cut = _CUTS[style]
    ground = _scalp(base, style)
    scalp = (ground.mix @ pose.vertices.astype(np.float64)).reshape(ground.place.shape)
    out = scalp - scalp.reshape(-1, 3).mean(0)
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    scale = float(length.mean()) / ground.mean_m
    shell = scalp + out / length * (_thickness(cut, ground.place) * scale)[..., None]
    weights = (ground.mix @ pose.weights).reshape(*shell.shape[:2], -1)
    chains: tuple[Chain, ...] = ()
    if cut.fall:
        shell, weights = _hang(cut, shell, weights, scale, base, pose)
    if cut.strands:
        chains, weights = _swing(cut, shell, weights)
    return [replace(_part(shell, weights, pose, material), chains=chains)]


@lru_cache(maxsize=4)
def _scalp(base: Base, style: str) -> _Scalp:
    cut = _CUTS[style]
    azimuth = _azimuths()
    relief = 0.5 + 0.5 * _locks(cut, azimuth, 1.0)
    height = hairline_height(azimuth)
    front = np.clip(1 - np.abs(azimuth) / np.radians(62), 0, 1) ** 0.7
    if cut.fall:
        height = np.where(_hanging(azimuth) > 0, np.maximum(height, cut.leave), height)
    else:
        height = height - cut.tips * relief * (1 - front)
    height = height - cut.fringe * front * (0.4 + 0.6 * relief)

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

    # Locks start on the parting, the nearer to the forehead the nearer they end to its front end.
    whorl = _WHORL / np.linalg.norm(_WHORL)
    turn = (np.degrees(azimuth) - cut.part_deg + 180) % 360 - 180
    along = (cut.reach * np.clip(1 - np.abs(turn) / 115, 0, 1))[:, None]
    front_end = ends[np.abs(turn).argmin()]
    starts = whorl + along * (front_end - whorl)
    share = np.linspace(0, 1, _ROWS)[:, None, None]
    rays = (1 - share) * (starts / np.linalg.norm(starts, axis=1, keepdims=True)) + share * ends
    place, mix = _cast(base, triangles, rays.reshape(-1, 3))
    mean_m = float(np.linalg.norm(place - place.mean(0), axis=1).mean())
    return _Scalp(mix=mix, place=place.reshape(_ROWS, len(azimuth), 3), mean_m=mean_m)


def _azimuths() -> F64:
    return np.linspace(-np.pi, np.pi, _COLUMNS + 1)


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


def _thickness(cut: _Cut, place: F64) -> F64:
    """Return the shell's thickness (rows, columns) over the scalp."""
    azimuth = _azimuths()
    s = np.linspace(0, 1, len(place))[:, None]
    behind = np.clip((_CENTRE[2] - place[..., 2]) / 0.06, 0, 1)
    low = cut.side + (cut.back - cut.side) * behind
    body = low + (cut.top - low) * _ease((place[..., 1] - 0.765) / 0.06)
    hanging = _hanging(azimuth) if cut.fall else np.zeros(len(azimuth))
    taper = 1 - (1 - hanging) * 0.93 * _ease((s - 0.66) / 0.34)
    root = 0.45 + 0.55 * _ease(s / 0.22)  # hair lies flat where it is parted
    length = np.linalg.norm(np.diff(place, axis=0), axis=-1).sum(0)
    root = root * (0.25 + 0.75 * _ease(length / 0.06))
    return body * taper * root * (1 + cut.depth * _locks(cut, azimuth, s) * _ease(s / 0.3))


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
    cut: _Cut, shell: F64, weights: Array, scale: float, base: Base, pose: TPose
) -> tuple[F64, Array]:
    """Return the shell and weights with the rows that hang below it."""
    azimuth = _azimuths()
    count = _HANGING_ROWS
    down = np.linspace(0, 1, count + 1)[1:, None]
    turn = np.degrees(np.abs(azimuth))
    # Beside the face hair stops at the chin; only behind the ears does it reach its length.
    chin = min(cut.fall, 0.130)
    length = np.interp(turn, [62, 72, 125, 158, 180], [0.0, chin, chin, cut.fall, cut.fall])
    length = (
        length * _hanging(azimuth) * (1 + 0.5 * cut.tips / cut.fall * _locks(cut, azimuth, 1.0))
    )
    last = shell[-1]
    flat = last - shell.reshape(-1, 3).mean(0)
    flat[:, 1] = 0
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    swing = 0.004 * np.sin(np.pi * down) - 0.010 * down**2
    relief = 0.0035 * _locks(cut, azimuth, 1.0 + down)
    hanging = _hanging(azimuth)[None, :, None]
    rows = last[None] + flat[None] * ((swing + relief) * scale)[..., None] * hanging
    rows[..., 1] -= (length * down) * scale
    rows = _outside(rows, base, pose, 0.026)
    # Below the neck's base the back carries hair, or it would swing through the shoulders.
    neck, chest = pose.joint("neck")[1], pose.joint("upperChest")[1]
    back = np.clip((neck + 0.04 - rows[..., 1]) / (neck + 0.04 - chest), 0, 1)[..., None]
    rest = np.zeros(weights.shape[-1], np.float32)
    rest[HUMANOID_NAMES.index("upperChest")] = 1
    hung = weights[-1][None] * (1 - back) + rest * back
    rows[:, hanging[0, :, 0] == 0] = last[hanging[0, :, 0] == 0]  # nothing hangs over the face
    return np.concatenate([shell, rows]), np.concatenate([weights, hung])


def _swing(cut: _Cut, shell: F64, weights: Array) -> tuple[tuple[Chain, ...], Array]:
    """Return the chains in hanging hair, and the weights with their joints' columns."""
    azimuth = _azimuths()
    rows = np.linspace(0, _HANGING_ROWS, _STRAND_JOINTS).round().astype(int) + _ROWS - 1
    turns = np.radians(cut.strands)[:, None]
    columns = np.abs((azimuth - turns + np.pi) % (2 * np.pi) - np.pi).argmin(1)
    chains = tuple(
        Chain(
            name=f"hair{k}_",
            above="head",
            places=shell[rows, column],
            radius_m=0.018,
            stiffness=0.9,
            gravity=0.25,
            drag=0.45,
        )
        for k, column in enumerate(columns)
    )
    down = np.clip(np.arange(len(shell)) - (_ROWS - 1), 0, None) / _HANGING_ROWS
    along, angles = (a.ravel() for a in np.broadcast_arrays(down[:, None], azimuth))
    swinging = chain_weights(angles % (2 * np.pi), along, cut.strands, _STRAND_JOINTS)
    swinging = swinging.reshape(*weights.shape[:2], -1)
    back = weights[..., HUMANOID_NAMES.index("upperChest")]
    free = np.clip(down * 6, 0, 1)[:, None] * _hanging(azimuth) * (1 - _LYING * back)
    own = weights * (1 - free)[..., None]
    both = np.concatenate([own, swinging * free[..., None]], axis=-1)
    return chains, strongest(both.reshape(-1, both.shape[-1])).reshape(both.shape)


def _outside(rows: F64, base: Base, pose: TPose, clearance: float) -> F64:
    """Return points moved out to `clearance` over shoulders and back."""
    quads = base.quads[base.group("body")].astype(np.int64)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    normals = vertex_normals(pose.vertices, triangles)
    body = np.unique(triangles)
    body = body[base.template[body, 1] < 0.60]  # shoulders and back
    flat = rows.reshape(-1, 3)
    distance, near = KDTree(pose.vertices[body]).query(flat)
    near = body[near]
    depth = ((flat - pose.vertices[near]) * normals[near]).sum(1)
    push = np.where(distance < 3 * clearance, np.maximum(clearance - depth, 0), 0)
    moved: F64 = flat + normals[near] * push[:, None]
    return moved.reshape(rows.shape)


def _part(shell: F64, weights: Array, pose: TPose, material: Material) -> Part:
    rows, columns = shell.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    vertices = shell.reshape(-1, 3)
    corner = vertices[triangles]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    triangles = triangles[np.linalg.norm(area, axis=1) > 1e-10]  # where nothing hangs
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
