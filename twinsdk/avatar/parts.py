"""Parts of an avatar's mesh as sparse mixtures of the base's vertices, and cutting them.

Every vertex that is drawn is a mixture of the base's vertices plus an offset. A mixture carries
positions, skin weights and morphs alike, so cutting cloth at any line needs no fitting afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from twinsdk.core.arrays import F32, F64, I32, Array
from twinsdk.core.avatar import Material

__all__ = ["Chain", "Part", "Sheet", "cut", "sheet_of_quads", "subdivide", "vertex_normals"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """Triangles over mixtures.

    Attributes:
        mix: (N, V) sparse, rows sum to 1.
        triangles: (F, 3) into its rows, counter-clockwise outside.
        uvs: (N, 2).
    """

    mix: sparse.csr_matrix
    triangles: I32
    uvs: F64

    def __len__(self) -> int:
        return int(self.mix.shape[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Joints that swing, from the one they hang on outwards.

    Attributes:
        name: Its joints are called by it and their number.
        above: The humanoid joint it hangs on.
        places: (n, 3) metres in the T-pose; the last one is the end.
        radius_m: How thick it is to what it hits.
        stiffness, gravity, drag: As VRM's spring bones take them.
    """

    name: str
    above: str
    places: F64
    radius_m: float
    stiffness: float
    gravity: float
    drag: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A finished part in T-pose.

    Attributes:
        name: Of the part.
        material: What it looks like.
        vertices: (N, 3) metres.
        normals: (N, 3) unit.
        uvs: (N, 2).
        triangles: (F, 3).
        weights: (N, 55), and a column more for each joint of its chains.
        mix: (N, V) sparse: which of the base's vertices move it in the morphs; may be all zero.
        chains: What of it swings.
    """

    name: str
    material: Material
    vertices: F64
    normals: F64
    uvs: F64
    triangles: I32
    weights: F32
    mix: sparse.csr_matrix
    chains: tuple[Chain, ...] = ()


def sheet_of_quads(count: int, quads: Array, uv_of_corner: F64 | None = None) -> Sheet:
    """Return a sheet of `quads` (Q, 4) over `count` base vertices.

    Args:
        count: V.
        quads: (Q, 4) base vertices.
        uv_of_corner: (Q, 4, 2): corners that share a vertex and a uv share a row; None: uv zero.
    """
    flat = quads.reshape(-1).astype(np.int64)
    if uv_of_corner is None:
        used, rows = np.unique(flat, return_inverse=True)
        uvs = np.zeros((len(used), 2))
    else:
        key = np.concatenate([flat[:, None], np.round(uv_of_corner.reshape(-1, 2) * 1e6)], 1)
        _, first, rows = np.unique(key, axis=0, return_index=True, return_inverse=True)
        used, uvs = flat[first], uv_of_corner.reshape(-1, 2)[first]
    mix = sparse.csr_matrix(
        (np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), count)
    )
    corners = rows.reshape(-1, 4)
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]]).astype(np.int32)
    return Sheet(mix=mix, triangles=triangles, uvs=uvs)


def cut(sheet: Sheet, field: Array) -> Sheet:
    """Return the part of a sheet where a field is below zero, cut exactly along its zero line.

    Args:
        sheet: Any.
        field: (V,) on the base's vertices; mixed like everything else.
    """
    value = sheet.mix @ field
    value = np.where(np.abs(value) < 1e-9, 1e-9, value)
    inside = value < 0
    kept = inside[sheet.triangles].sum(1)
    out = [sheet.triangles[kept == 3]]
    edges: dict[tuple[int, int], int] = {}
    new_from: list[tuple[int, int, float]] = []

    def crossing(a: int, b: int) -> int:
        low, high = (a, b) if a < b else (b, a)
        if (low, high) not in edges:
            edges[low, high] = len(sheet) + len(new_from)
            new_from.append((low, high, value[low] / (value[low] - value[high])))
        return edges[low, high]

    for triangle in sheet.triangles[(kept == 1) | (kept == 2)]:
        alone = inside[triangle].sum() == 1
        k = int(np.flatnonzero(inside[triangle] == alone)[0])
        a, b, c = (int(triangle[(k + i) % 3]) for i in range(3))
        ab, ac = crossing(a, b), crossing(a, c)
        if alone:
            out.append(np.array([[a, ab, ac]]))
        else:
            out.append(np.array([[ab, b, c], [ab, c, ac]]))
    grown = _with_mixed_rows(sheet, new_from)
    return _compact(replace(grown, triangles=np.concatenate(out).astype(np.int32)))


def subdivide(sheet: Sheet) -> Sheet:
    """Return the sheet with every triangle split into four at the edges' middles."""
    edges: dict[tuple[int, int], int] = {}
    new_from: list[tuple[int, int, float]] = []

    def middle(a: int, b: int) -> int:
        key = (a, b) if a < b else (b, a)
        if key not in edges:
            edges[key] = len(sheet) + len(new_from)
            new_from.append((*key, 0.5))
        return edges[key]

    out = []
    for a, b, c in sheet.triangles.tolist():
        ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
        out += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return replace(_with_mixed_rows(sheet, new_from), triangles=np.array(out, np.int32))


def vertex_normals(vertices: Array, triangles: Array) -> F64:
    """Return area-weighted unit normals (N, 3)."""
    a, b, c = (vertices[triangles[:, i]].astype(np.float64) for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros((len(vertices), 3))
    for i in range(3):
        np.add.at(normals, triangles[:, i], faces)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-20, normals / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])


def _with_mixed_rows(sheet: Sheet, new_from: list[tuple[int, int, float]]) -> Sheet:
    if not new_from:
        return sheet
    low = np.array([row[0] for row in new_from])
    high = np.array([row[1] for row in new_from])
    share = np.array([row[2] for row in new_from])
    rows = sparse.diags(1 - share) @ sheet.mix[low] + sparse.diags(share) @ sheet.mix[high]
    uvs = (1 - share)[:, None] * sheet.uvs[low] + share[:, None] * sheet.uvs[high]
    return replace(
        sheet,
        mix=sparse.vstack([sheet.mix, rows]).tocsr(),
        uvs=np.concatenate([sheet.uvs, uvs]),
    )


def _compact(sheet: Sheet) -> Sheet:
    used, rows = np.unique(sheet.triangles, return_inverse=True)
    return Sheet(
        mix=sheet.mix[used],
        triangles=rows.reshape(-1, 3).astype(np.int32),
        uvs=sheet.uvs[used],
    )
