"""Skin, eyes, teeth, tongue and lashes as parts of the mesh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from twinsdk.avatar.atlas import skin_regions
from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Part, Sheet, sheet_of_quads, subdivide, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material

__all__ = ["face_parts", "skin_parts"]

# The tongue, metres: how far its sides lie below its middle, how deep the groove along it, within
# which height its upper side begins; and by which share it is narrower than the base's.
_TONGUE_ARCH_M, _TONGUE_GROOVE_M, _TONGUE_EDGE_M = 0.009, 0.0018, 0.006
_TONGUE_NARROWER = 0.15
_LASH_LENGTH = 0.35  # of the base's own, which are a doll's
# Rows of teeth on the template, metres: y of the biting edge and of the root, each front and back.
_UPPER, _LOWER = "helper-upper-teeth", "helper-lower-teeth"
_ROWS = {
    _UPPER: ((0.6600, 0.6720), (0.6791, 0.6834)),
    _LOWER: ((0.6594, 0.6713), (0.6419, 0.6594)),
}
_ROW_ENDS = (0.147, 0.096)  # z, front and back


def skin_parts(
    base: Base, pose: TPose, covered: Array, materials: dict[str, Material]
) -> list[Part]:
    """Return face, remaining skin and the mouth's inside, without what clothes hide.

    Args:
        base: The base.
        pose: The body in T-pose.
        covered: (V,) below zero where clothes hide the skin.
        materials: For "face", "skin" and "mouth".
    """
    # Normals come from the whole body: no crease at uv seams nor where skin ends under cloth.
    whole = base.quads[base.group("body")].astype(np.int64)
    triangles = np.concatenate([whole[:, [0, 1, 2]], whole[:, [0, 2, 3]]])
    normals = vertex_normals(pose.vertices, triangles)
    parts = []
    for name, (quads, uvs) in skin_regions(base).items():
        corners = base.quads[quads].astype(np.int64)
        seen = (covered[corners] >= 0).any(1)
        sheet = sheet_of_quads(len(base.template), corners[seen], uvs[seen])
        parts.append(_part(name, sheet, pose, materials[name], normals=sheet.mix @ normals))
    return parts


def face_parts(base: Base, pose: TPose, materials: dict[str, Material]) -> list[Part]:
    """Return eyes, teeth, tongue and lashes.

    Args:
        base: The base.
        pose: The body in T-pose.
        materials: For "eyes", "teeth", "tongue" and "lashes".
    """
    parts = [_eye(base, pose, side, materials["eyes"]) for side in ("left", "right")]
    parts.append(_part("teeth", _teeth(base), pose, materials["teeth"]))
    for name, groups in (
        ("tongue", ("helper-tongue",)),
        ("lashes", ("helper-l-eyelashes-2", "helper-r-eyelashes-2")),
    ):
        sheet = sheet_of_quads(len(base.template), base.quads[base.group(*groups)])
        if name == "lashes":
            sheet = _shortened(base, sheet)
        moved = None
        if name == "tongue":
            sheet = subdivide(sheet)
            moved = _rounding(sheet.mix @ base.template.astype(np.float64))
        parts.append(_part(name, sheet, pose, materials[name], moved=moved))
    return parts


def _rounding(tongue: F64) -> F64:
    """Return what makes the base's tongue (V, 3), a board, round: narrower, arched, grooved."""
    x, y, z = tongue.T
    height = y - np.polyval(np.polyfit(z, y, 2), z)
    top = np.clip(0.5 + height / _TONGUE_EDGE_M, 0, 1)
    arch = _TONGUE_ARCH_M * (x / np.abs(x).max()) ** 2
    groove = _TONGUE_GROOVE_M * np.exp(-((x / 0.003) ** 2))
    return np.stack([-_TONGUE_NARROWER * x, -top * (arch + groove), np.zeros_like(x)], axis=1)


def _teeth(base: Base) -> Sheet:
    """Return both rows of teeth; u is the angle along the arch, v runs from edge to root."""
    sheet = sheet_of_quads(len(base.template), base.quads[base.group(*_ROWS)])
    x, y, z = (sheet.mix @ base.template.astype(np.float64)).T
    back = np.clip((_ROW_ENDS[0] - z) / (_ROW_ENDS[0] - _ROW_ENDS[1]), 0, 1)
    upper = sheet.mix @ np.isin(np.arange(len(base.template)), base.quads[base.group(_UPPER)]) > 0
    v = np.empty(len(sheet))
    for row, here in ((_UPPER, upper), (_LOWER, ~upper)):
        edge, root = (front + back[here] * (behind - front) for front, behind in _ROWS[row])
        v[here] = (y[here] - edge) / (root - edge)
    u = 0.5 + np.arctan2(x, z - _ROW_ENDS[1]) / np.pi
    return replace(sheet, uvs=np.stack([u, np.clip(v, 0, 1)], axis=1))


def _eye(base: Base, pose: TPose, side: str, material: Material) -> Part:
    """Return one eyeball, its uv a disc about the line of sight: 0.5 is 90 degrees from it."""
    quads = base.quads[base.group(f"helper-{side[0]}-eye")]
    sheet = subdivide(subdivide(sheet_of_quads(len(base.template), quads)))
    coarse = pose.vertices[np.unique(quads)].astype(np.float64)
    centre = (coarse.min(0) + coarse.max(0)) / 2
    away = sheet.mix @ pose.vertices.astype(np.float64) - centre
    length = np.linalg.norm(away, axis=1, keepdims=True)
    # Splitting left the facets flat; the ball's radius is put back onto the new vertices.
    radius = np.linalg.norm(coarse - centre, axis=1).mean()
    vertices = centre + away * (radius / length)
    direction = away / length
    angle = np.arccos(np.clip(direction[:, 2], -1, 1)) / np.pi
    around = direction[:, :2] / np.maximum(np.linalg.norm(direction[:, :2], axis=1), 1e-9)[:, None]
    uvs = 0.5 + around * [1.0, -1.0] * angle[:, None]
    part = _part(f"{side} eye", replace(sheet, uvs=uvs), pose, material, normals=direction)
    return replace(part, vertices=vertices)


def _shortened(base: Base, lashes: Sheet) -> Sheet:
    """Return the lashes drawn back to the lids, which they then follow as well."""
    skin = np.unique(base.quads[base.group("body")])
    own = lashes.mix @ base.template
    _, near = KDTree(base.template[skin]).query(own, k=3)
    rows = np.repeat(np.arange(len(own)), 3)
    lids = sparse.csr_matrix(
        (np.full(len(rows), 1 / 3), (rows, skin[near].ravel())), shape=lashes.mix.shape
    )
    return replace(lashes, mix=(_LASH_LENGTH * lashes.mix + (1 - _LASH_LENGTH) * lids).tocsr())


def _part(
    name: str,
    sheet: Sheet,
    pose: TPose,
    material: Material,
    *,
    normals: F64 | None = None,
    moved: F64 | None = None,
) -> Part:
    vertices = sheet.mix @ pose.vertices.astype(np.float64)
    if moved is not None:  # from the template's shape, metres
        vertices += np.einsum("vij,vj->vi", _turns(sheet, pose), moved)
    if normals is None:
        normals = vertex_normals(vertices, sheet.triangles)
    return Part(
        name=name,
        material=material,
        vertices=vertices,
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        uvs=sheet.uvs,
        triangles=sheet.triangles,
        weights=(sheet.mix @ pose.weights).astype(np.float32),
        mix=sheet.mix,
    )


def _turns(sheet: Sheet, pose: TPose) -> F64:
    """Return what the bake did to directions at each vertex of a sheet (V, 3, 3)."""
    flat = pose.turns.reshape(len(pose.turns), -1).astype(np.float64)
    return np.asarray((sheet.mix @ flat).reshape(-1, 3, 3))
