"""Clothes: shirt, trousers and shoes cut out of the base's tights, and the skin they cover.

A cut is a plane in the T-pose placed by joints, so hems are straight on every body. The cloth is
drawn taut over the tights by repeated smoothing that never goes below them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Part, Sheet, cut, sheet_of_quads, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material

__all__ = ["SOLE_M", "Outfit", "cover_field", "dress_body", "outfit_of"]

SOLE_M = 0.014
_RIM_M = 0.012  # of the shoe: how far its sole reaches up the side of the foot
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
    """

    sleeve: float
    leg: float
    collar_m: float
    hem_m: float
    ease_m: float
    leg_ease_m: float


_OUTFITS = {
    "casual": Outfit(
        sleeve=0.62, leg=1.98, collar_m=0.0, hem_m=0.03, ease_m=0.012, leg_ease_m=0.016
    ),
    "smart": Outfit(
        sleeve=1.93, leg=2.0, collar_m=0.03, hem_m=0.02, ease_m=0.009, leg_ease_m=0.014
    ),
    "sporty": Outfit(
        sleeve=0.42, leg=0.86, collar_m=-0.005, hem_m=0.05, ease_m=0.014, leg_ease_m=0.03
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

    shoe = _shoe_shape(tights, pose)
    shoes = _cut_out(tights, _fields(shoe, pose, outfit), ("shoe",))
    above_sole = (SOLE_M + _RIM_M - 1e-4) - shoe[:, 1]
    return [
        _cloth("top", shirt, over, pose, materials["top"]),
        _cloth("bottom", trousers, under, pose, materials["bottom"]),
        _cloth("shoes", cut(shoes, above_sole), shoe, pose, materials["shoes"]),
        _cloth("soles", cut(shoes, -above_sole), shoe, pose, materials["soles"], hemmed=False),
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
    return {
        "sleeve": np.abs(p[:, 0]) - np.interp(outfit.sleeve, [0, 1, 2], [shoulder, elbow, wrist]),
        "hem": (hip - outfit.hem_m) - p[:, 1],
        # The collar's plane leans forward by 27 degrees, as the base of a neck does.
        "collar": (p[:, 1] - neck[1] - outfit.collar_m) * 0.89 + (p[:, 2] - neck[2]) * 0.45,
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
    whole = vertices.astype(np.float64).copy()
    whole[tights.mix.indices] = out  # the tights' rows are single base vertices
    return whole


def _shoe_shape(tights: Sheet, pose: TPose) -> F64:
    """Return the base's vertices (V, 3) with the tights' feet made a shoe on a flat sole."""
    shape = _draped(tights, pose.vertices, np.full(len(pose.vertices), 0.007), rounds=12)
    top = SOLE_M + _RIM_M
    # What lies under the rim is pressed into the sole's wall and its flat bottom.
    depth = np.clip((top - shape[:, 1]) / _RIM_M, 0, 1)
    shape[:, 1] = np.where(depth > 0, top * (1 - depth), shape[:, 1])
    return shape


def _cloth(
    name: str, sheet: Sheet, shape: F64, pose: TPose, material: Material, *, hemmed: bool = True
) -> Part:
    vertices = sheet.mix @ shape
    triangles = sheet.triangles
    normals = vertex_normals(vertices, triangles)
    mix, uvs = sheet.mix, sheet.uvs
    if hemmed:  # turn the border inwards, so that cloth has a thickness where it ends
        border = _border_edges(triangles)
        rim, back = np.unique(border, return_inverse=True)
        back = back.reshape(-1, 2) + len(vertices)
        strip = [(b, a, i) for (a, b), (i, _) in zip(border, back, strict=True)]
        strip += [(b, i, j) for (_, b), (i, j) in zip(border, back, strict=True)]
        outward = _outward(vertices, normals, border)[rim]
        inner = vertices[rim] - normals[rim] * _HEM_DEPTH_M
        inner -= outward * ((inner - vertices[rim]) * outward).sum(1, keepdims=True)
        inner -= outward * _HEM_DEPTH_M / 2
        vertices = np.concatenate([vertices, inner])
        triangles = np.concatenate([triangles, np.array(strip, np.int32)])
        mix = sparse.vstack([mix, mix[rim]]).tocsr()
        uvs = np.concatenate([uvs, uvs[rim]])
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
