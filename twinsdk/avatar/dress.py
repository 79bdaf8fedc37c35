"""Clothes: shirt, trousers and shoes cut out of the base's tights, and the skin they cover.

A cut is a plane in the T-pose placed by joints, so hems are straight on every body. The cloth is
drawn taut over the tights by repeated smoothing that never goes below them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import ConvexHull, KDTree

from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Part, Sheet, cut, sheet_of_quads, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.avatar.skirt import skirt_part
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["SOLE_M", "Outfit", "cover_field", "dress_body", "outfit_of"]

SOLE_M = 0.014
_RIM_M = 0.012  # of the shoe: how far its sole reaches up the side of the foot
_SOLE_SLICES = 25
_HEM_DEPTH_M = 0.006


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """How far the clothes reach.

    Attributes:
        sleeve: Along the arm: 1 is the elbow, 2 the wrist.
        leg: Along the leg: 1 is the knee, 2 the ankle.
        collar_m: How far above the base of the neck the shirt ends.
        hem_m: How far below the hip joints the shirt ends.
        ease_m: Clearance of the shirt over the body.
        leg_ease_m: Clearance of the trousers at the hem; they follow the body at the waist.
        skirt: Along the leg, as `leg`; 0: none. The trousers under it are short.
    """

    sleeve: float
    leg: float
    collar_m: float
    hem_m: float
    ease_m: float
    leg_ease_m: float
    skirt: float = 0.0


_OUTFITS = {
    "casual": Outfit(
        sleeve=0.62, leg=1.98, collar_m=0.0, hem_m=-0.012, ease_m=0.012, leg_ease_m=0.016
    ),
    "smart": Outfit(
        sleeve=1.93, leg=2.0, collar_m=0.03, hem_m=-0.015, ease_m=0.009, leg_ease_m=0.014
    ),
    "sporty": Outfit(
        sleeve=0.56, leg=0.86, collar_m=-0.005, hem_m=-0.01, ease_m=0.014, leg_ease_m=0.03
    ),
    "skirt": Outfit(
        sleeve=0.35, leg=0.3, collar_m=0.0, hem_m=-0.055, ease_m=0.009, leg_ease_m=0.006, skirt=0.9
    ),
}


def outfit_of(style: str) -> Outfit:
    """Return the outfit of a style of `spec.STYLES`."""
    return _OUTFITS[style]


def dress_body(
    base: Base, pose: TPose, outfit: Outfit, materials: dict[str, Material]
) -> list[Part]:
    """Return shirt, trousers, shoes and soles.

    Args:
        base: The base.
        pose: The body in T-pose.
        outfit: How far they reach.
        materials: For "top", "bottom", "shoes" and "soles".
    """
    tights = sheet_of_quads(len(base.template), base.quads[base.group("helper-tights")])
    ease = np.full(len(pose.vertices), outfit.ease_m)
    over = _draped(tights, pose.vertices, ease, rounds=25)
    shirt = _cut_out(tights, _fields(over, pose, outfit), ("sleeve", "hem", "collar"))

    low, high = pose.joint("leftFoot")[1], pose.joint("leftUpperLeg")[1]
    share = np.clip((high - pose.vertices[:, 1]) / (high - low), 0, 1)
    ease = 0.005 + (outfit.leg_ease_m - 0.005) * share
    under = _draped(tights, pose.vertices, ease, rounds=15)
    trousers = _cut_out(tights, _fields(under, pose, outfit), ("waist", "leg"))

    shoe = _draped(tights, pose.vertices, np.full(len(pose.vertices), 0.007), rounds=12)
    shoes = _cut_out(tights, _fields(shoe, pose, outfit), ("shoe",))
    upper = cut(shoes, (SOLE_M + _RIM_M / 2) - shoe[:, 1])
    skirt = [skirt_part(base, pose, outfit.skirt, materials["bottom"])] if outfit.skirt else []
    return [
        _cloth("top", shirt, over, pose, materials["top"]),
        _cloth("bottom", trousers, under, pose, materials["bottom"]),
        *skirt,
        _cloth("shoes", upper, shoe, pose, materials["shoes"], hem_above_m=0.05),
        *(_sole(tights, shoe, pose, side, materials["soles"]) for side in ("left", "right")),
    ]


def cover_field(pose: TPose, outfit: Outfit, *, margin_m: float = 0.02) -> Array:
    """Return (V,) below zero where clothes hide the skin, `margin_m` inside every hem."""
    field = _fields(pose.vertices, pose, outfit)
    field = {name: value + margin_m for name, value in field.items()}
    shirt = np.maximum.reduce([field["sleeve"], field["hem"], field["collar"]])
    trousers = np.maximum(field["waist"], field["leg"])
    return np.minimum.reduce([shirt, trousers, field["shoe"]])


def _cut_out(sheet: Sheet, field: dict[str, Array], names: tuple[str, ...]) -> Sheet:
    for name in names:
        sheet = cut(sheet, field[name])
    return sheet


def _fields(shape: Array, pose: TPose, outfit: Outfit) -> dict[str, Array]:
    """Return the signed distances (V,) that a cloth of `shape` is cut by, below zero inside."""
    p = shape.astype(np.float64)
    shoulder, elbow, wrist = (
        pose.joint(f"left{part}")[0] for part in ("UpperArm", "LowerArm", "Hand")
    )
    hip, knee, ankle = (pose.joint(f"left{part}")[1] for part in ("UpperLeg", "LowerLeg", "Foot"))
    neck = pose.joint("neck")
    # The collar's plane leans forward by 27 degrees, as the base of a neck does; over raised or
    # muscular shoulders it is lifted, or it would cut them.
    plane = (p[:, 1] - neck[1] - outfit.collar_m) * 0.89 + (p[:, 2] - neck[2]) * 0.45
    arms = [HUMANOID_NAMES.index(f"{s}UpperArm") for s in ("left", "right")]
    plane -= max(0.0, float(plane[pose.weights[:, arms].sum(1) > 0.3].max()) + 0.004)
    return {
        "sleeve": np.abs(p[:, 0]) - np.interp(outfit.sleeve, [0, 1, 2], [shoulder, elbow, wrist]),
        "hem": (hip - outfit.hem_m) - p[:, 1],
        "collar": plane,
        "waist": p[:, 1] - (hip + 0.09),
        "leg": np.interp(outfit.leg, [0, 1, 2], [hip, knee, ankle]) - p[:, 1],
        "shoe": p[:, 1] - (ankle + 0.015),
    }


def _draped(tights: Sheet, vertices: Array, ease: Array, *, rounds: int) -> F64:
    """Return the base's vertices (V, 3) with the tights drawn taut, `ease` (V,) off at least."""
    p = tights.mix @ vertices.astype(np.float64)
    normals = vertex_normals(p, tights.triangles)
    least = tights.mix @ ease
    spread = _neighbours(tights)
    edge = _border_rows(tights.triangles)
    out = p + normals * least[:, None]
    for _ in range(rounds):
        smooth = 0.5 * out + 0.5 * (spread @ out)
        smooth[edge] = out[edge]
        depth = ((smooth - p) * normals).sum(1)
        out = smooth + normals * np.maximum(least - depth, 0)[:, None]
    for _ in range(2):  # what was pushed into an armpit folds: give way a little
        inner = 0.5 * out + 0.5 * (spread @ out)
        inner[edge] = out[edge]
        out = inner
    whole = vertices.astype(np.float64).copy()
    whole[tights.mix.indices] = out  # the tights' rows are single base vertices
    return whole


def _sole(tights: Sheet, shoe: F64, pose: TPose, side: str, material: Material) -> Part:
    """Return a flat sole under one shoe: slices across the hull of the foot's outline."""
    feet = tights.mix.indices
    feet = feet[(shoe[feet, 0] > 0) == (side == "left")]
    low = feet[shoe[feet, 1] < SOLE_M + 0.035]
    outline = shoe[low][:, [2, 0]]
    middle = outline.mean(0)
    outline = middle + (outline - middle) * (1 + 0.004 / np.abs(outline - middle).max(0))
    hull = outline[ConvexHull(outline).vertices]
    low_chain, high_chain = _chains(hull)
    z = np.cos(np.linspace(np.pi, 0, _SOLE_SLICES)) * 0.5 + 0.5
    z = hull[:, 0].min() + z * np.ptp(hull[:, 0])
    inner, outer = np.interp(z, *low_chain.T), np.interp(z, *high_chain.T)
    rim = SOLE_M + _RIM_M
    corners = [(inner, rim), (inner, 0.0), (outer, 0.0), (outer, rim)]
    rows = np.stack([np.stack([x, np.full_like(z, y), z], -1) for x, y in corners], 1)

    # Each of the four walls has its own vertices, so that the sole's edge stays sharp.
    walls = np.stack([rows, np.roll(rows, -1, axis=1)], 2)  # (slice, wall, end, xyz)
    index = np.arange(walls[..., 0].size).reshape(walls.shape[:3])
    a, b, c, d = index[:-1, :, 0], index[:-1, :, 1], index[1:, :, 1], index[1:, :, 0]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    vertices = walls.reshape(-1, 3)
    _, near = KDTree(shoe[low][:, [0, 2]]).query(vertices[:, [0, 2]])
    mix = sparse.csr_matrix(
        (np.ones(len(near)), (np.arange(len(near)), low[near])), shape=(len(near), len(shoe))
    )
    normals = vertex_normals(vertices, triangles)
    if (normals[index[:, 1]][..., 1] > 0).all():  # the second wall is the bottom
        triangles, normals = triangles[:, ::-1], -normals
    return Part(
        name="soles",
        material=material,
        vertices=vertices,
        normals=normals,
        uvs=np.zeros((len(vertices), 2)),
        triangles=triangles.astype(np.int32),
        weights=(mix @ pose.weights).astype(np.float32),
        mix=mix,
    )


def _chains(hull: F64) -> tuple[F64, F64]:
    """Return the lower and the upper border (N, 2) of a convex polygon over its first axis."""
    start, end = hull[:, 0].argmin(), hull[:, 0].argmax()
    around = np.roll(hull, -start, axis=0)
    turn = int((end - start) % len(hull))
    first, second = around[: turn + 1], np.concatenate([around[turn:], around[:1]])[::-1]
    return (first, second) if first[:, 1].mean() < second[:, 1].mean() else (second, first)


def _cloth(
    name: str,
    sheet: Sheet,
    shape: F64,
    pose: TPose,
    material: Material,
    *,
    hem_above_m: float = 0.0,
) -> Part:
    vertices = sheet.mix @ shape
    triangles = sheet.triangles
    normals = vertex_normals(vertices, triangles)
    mix, uvs = sheet.mix, sheet.uvs
    border = _border_edges(triangles)
    border = border[vertices[border][..., 1].min(1) > hem_above_m]
    if len(border):  # turn the border inwards, so that cloth has a thickness where it ends
        rim, back = np.unique(border, return_inverse=True)
        outer = back.reshape(-1, 2) + len(vertices)  # copies: the edge stays sharp
        turned = outer + len(rim)
        strip = np.concatenate(
            [
                np.stack([outer[:, 1], outer[:, 0], turned[:, 0]], -1),
                np.stack([outer[:, 1], turned[:, 0], turned[:, 1]], -1),
            ]
        )
        outward = _outward(vertices, normals, border)[rim]
        inner = vertices[rim] - normals[rim] * _HEM_DEPTH_M
        inner -= outward * (((inner - vertices[rim]) * outward).sum(1) + _HEM_DEPTH_M / 2)[:, None]
        vertices = np.concatenate([vertices, vertices[rim], inner])
        triangles = np.concatenate([triangles, strip.astype(np.int32)])
        mix = sparse.vstack([mix, mix[rim], mix[rim]]).tocsr()
        uvs = np.concatenate([uvs, uvs[rim], uvs[rim]])
        normals = vertex_normals(vertices, triangles)
    return Part(
        name=name,
        material=material,
        vertices=vertices,
        normals=normals,
        uvs=uvs,
        triangles=triangles,
        weights=(mix @ pose.weights).astype(np.float32),
        mix=mix,
    )


def _outward(vertices: F64, normals: F64, border: Array) -> F64:
    """Return at border vertices the unit direction (N, 3) off the sheet, within it."""
    along = np.zeros_like(vertices)
    for end in range(2):
        np.add.at(along, border[:, end], vertices[border[:, 1]] - vertices[border[:, 0]])
    out = np.cross(along, normals)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def _neighbours(sheet: Sheet) -> sparse.csr_matrix:
    n = len(sheet)
    t = sheet.triangles
    a = np.concatenate([t[:, 0], t[:, 1], t[:, 2]])
    b = np.concatenate([t[:, 1], t[:, 2], t[:, 0]])
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    return sparse.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links


def _border_edges(triangles: Array) -> Array:
    """Return the directed edges (N, 2) that only one triangle has."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = np.sort(edges, 1)
    _, first, count = np.unique(key, axis=0, return_index=True, return_counts=True)
    return edges[np.sort(first[count == 1])]


def _border_rows(triangles: Array) -> Array:
    return np.unique(_border_edges(triangles))
