"""All meshes of a glTF scene as one mesh, one skin and named morphs, in the skeleton's world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, F64, U32, Array
from twinsdk.core.avatar import Material, Mesh, Morphs, Skin
from twinsdk.errors import FormatError
from twinsdk.formats.accessors import AccessorReader
from twinsdk.formats.glb import Document, whole
from twinsdk.formats.materials import MaterialReader
from twinsdk.formats.nodes import JointSpace, NodeTree
from twinsdk.formats.skin_read import SkinBinder

__all__ = ["BuiltMesh", "MeshReader"]

_MAX_MORPH_BYTES = 2 << 30
_MAX_VERTICES = 8_000_000
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_IDENTITY_TOLERANCE = 1e-6
UNIT_TOLERANCE = 1e-6


@dataclass(kw_only=True)
class _Part:
    """Vertices that share one node, one set of accessors and one list of morph targets."""

    vertices: F64
    normals: F64 | None
    uvs: F32
    joints: Array
    weights: F32
    morphs: dict[str, F64] = field(default_factory=dict)
    triangles: list[tuple[U32, int]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, eq=False)
class BuiltMesh:
    """What `MeshReader.build` returns.

    Attributes:
        mesh, skin, morphs: See their types.
        targets: (mesh index, target index) -> morph name.
        material_sources: Index into the file's materials of each material, None for the default.
        notes: What was odd and how it was taken.
    """

    mesh: Mesh
    skin: Skin
    morphs: Morphs
    targets: Mapping[tuple[int, int], str]
    material_sources: tuple[int | None, ...]
    notes: tuple[str, ...]


class MeshReader:
    """Walks the scene once and gathers parts."""

    def __init__(
        self, document: Document, accessors: AccessorReader, tree: NodeTree, space: JointSpace
    ) -> None:
        self._document, self._accessors, self._tree = document, accessors, tree
        self._materials = MaterialReader(document)
        self._binder = SkinBinder(document, accessors, tree, space)
        self._parts: list[_Part] = []
        self._targets: dict[tuple[int, int], str] = {}
        self._vertices = 0
        self._notes: list[str] = []

    def build(self) -> BuiltMesh:
        """Return everything merged.

        Raises:
            FormatError: A mesh is malformed; the message names it.
        """
        # Skinned parts first: they say what the bind pose is.
        placed = [i for i in self._scene() if "mesh" in self._document.items("nodes")[i]]
        placed.sort(key=lambda i: "skin" not in self._document.items("nodes")[i])
        for node in placed:
            self._node(node)
        mesh, offsets, skin = self._merged()
        return BuiltMesh(
            mesh=mesh,
            skin=skin,
            morphs=offsets,
            targets=self._targets,
            material_sources=tuple(self._materials.sources),
            notes=(*self._notes, *self._binder.notes),
        )

    def _scene(self) -> list[int]:
        scenes = self._document.items("scenes")
        if not scenes:
            return list(self._tree.order)
        scene = scenes[whole(self._document.json.get("scene", 0), len(scenes), "scene")]
        roots = [
            whole(node, len(self._tree.names), "scene: nodes") for node in scene.get("nodes", [])
        ]
        inside = set(roots)
        for node in self._tree.order:
            if self._tree.parents[node] in inside:
                inside.add(node)
        return [node for node in self._tree.order if node in inside]

    def _node(self, node: int) -> None:
        entry = self._document.items("nodes")[node]
        index = whole(entry["mesh"], len(self._document.items("meshes")), f"node {node}: meshes")
        mesh = self._document.items("meshes")[index]
        shared: dict[str, _Part] = {}
        for i, primitive in enumerate(mesh.get("primitives", [])):
            where = f"mesh {index} ({mesh.get('name', 'unnamed')}), primitive {i}"
            mode = primitive.get("mode", _TRIANGLES)
            if mode not in (_TRIANGLES, _STRIP, _FAN):
                self._notes.append(f"{where}: points or lines were left out")
                continue
            names = self._target_names(mesh, primitive, index)
            material = self._materials.of(primitive, where)
            key = (
                f"{sorted(primitive['attributes'].items())} {primitive.get('targets')} "
                f"{self._materials.uv_key(material)}"
            )
            part = shared.get(key)
            if part is None:
                part = shared[key] = self._part(primitive, node, names, material, where)
                self._parts.append(part)
            triangles = self._triangles(primitive, mode, len(part.vertices), where)
            part.triangles.append((triangles, material))

    def _target_names(
        self, mesh: Mapping[str, Any], primitive: Mapping[str, Any], index: int
    ) -> list[str]:
        targets = primitive.get("targets", [])
        extras = mesh.get("extras"), primitive.get("extras")
        given: list[Any] = []
        for place in extras:
            if isinstance(place, dict) and isinstance(place.get("targetNames"), list):
                given = place["targetNames"]
                break
        names: list[str] = []
        for t in range(len(targets)):
            name = str(given[t]) if t < len(given) else f"{mesh.get('name', 'mesh')}.{t}"
            while name in names:
                name += "_2"
            names.append(name)
            self._targets[index, t] = name
        return names

    def _part(
        self, primitive: Mapping[str, Any], node: int, names: list[str], material: int, where: str
    ) -> _Part:
        attributes = primitive["attributes"]
        read = self._accessors
        vertices = read.floats(attributes.get("POSITION"), 3, f"{where}: POSITION")
        count = len(vertices)
        self._vertices += count
        if self._vertices > _MAX_VERTICES:
            raise FormatError(f"{where}: expected at most {_MAX_VERTICES} vertices in all")
        normals = None
        if "NORMAL" in attributes:
            normals = self._attribute(attributes, "NORMAL", 3, count, where)
        uvs = np.zeros((count, 2), np.float32)
        uv_set = f"TEXCOORD_{self._materials.uv_set(material)}"
        if uv_set in attributes:
            uvs = self._attribute(attributes, uv_set, 2, count, where)
            uvs = self._materials.moved_uvs(material, uvs)
        joints, weights, matrix = self._binder.skinning(attributes, node, count, where)
        part = _Part(
            vertices=_points(matrix, vertices),
            normals=None if normals is None else _directions(_normal_matrix(matrix), normals),
            uvs=uvs,
            joints=joints,
            weights=weights,
        )
        for name, target in zip(names, primitive.get("targets", []), strict=True):
            if "POSITION" in target:
                moved = self._attribute(target, "POSITION", 3, count, f"{where}: target {name!r}")
                part.morphs[name] = _directions(matrix[..., :3, :3], moved)
        return part

    def _attribute(
        self, attributes: Mapping[str, Any], name: str, width: int, count: int, where: str
    ) -> F32:
        values = self._accessors.floats(attributes[name], width, f"{where}: {name}")
        if len(values) != count:
            raise FormatError(f"{where}: {name}: expected {count} elements, got {len(values)}")
        return values

    def _triangles(self, primitive: Mapping[str, Any], mode: int, count: int, where: str) -> U32:
        if "indices" in primitive:
            flat = self._accessors.integers(primitive["indices"], 1, f"{where}: indices")[:, 0]
        else:
            flat = np.arange(count, dtype=np.uint32)
        if flat.size and int(flat.max()) >= count:
            raise FormatError(f"{where}: expected indices below {count}, got {int(flat.max())}")
        if mode == _STRIP:
            corners = np.stack([flat[:-2], flat[1:-1], flat[2:]], 1) if len(flat) > 2 else flat[:0]
            corners = corners.reshape(-1, 3).copy()
            corners[1::2] = corners[1::2, [1, 0, 2]]
        elif mode == _FAN:
            first = np.full(max(len(flat) - 2, 0), flat[0] if len(flat) else 0)
            corners = np.stack([first, flat[1 : len(first) + 1], flat[2 : len(first) + 2]], 1)
        else:
            if len(flat) % 3:
                raise FormatError(f"{where}: expected a multiple of 3 indices, got {len(flat)}")
            corners = flat.reshape(-1, 3)
        return corners.astype(np.uint32)

    def _merged(self) -> tuple[Mesh, Morphs, Skin]:
        parts = self._parts
        width = max((part.joints.shape[1] for part in parts), default=1)
        names = list(dict.fromkeys(name for part in parts for name in part.morphs))
        if len(names) * self._vertices * 12 > _MAX_MORPH_BYTES:
            raise FormatError(
                f"expected fewer morphs, got {len(names)} of {self._vertices} vertices"
            )
        offsets = np.zeros((len(names), self._vertices, 3), np.float32)
        triangles: list[Array] = [np.zeros((0, 3), np.uint32)]
        materials: list[Array] = [np.zeros(0, np.uint16)]
        start = 0
        for part in parts:
            end = start + len(part.vertices)
            for name, moved in part.morphs.items():
                offsets[names.index(name), start:end] = moved
            for corners, material in part.triangles:
                triangles.append(corners + np.uint32(start))
                materials.append(np.full(len(corners), material, np.uint16))
            start = end
        faces = np.concatenate(triangles)
        vertices = _joined([part.vertices for part in parts], 3)
        fallback = _vertex_normals(vertices, faces)
        normals, start = fallback.copy(), 0
        for part in parts:
            if part.normals is not None:
                normals[start : start + len(part.normals)] = part.normals
            start += len(part.vertices)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        unit = np.where(length > 1e-9, normals / np.maximum(length, 1e-9), fallback)
        # What is of unit length but for rounding is kept bit for bit.
        normals = np.where(np.abs(length - 1) < UNIT_TOLERANCE, normals, unit)
        mesh = Mesh(
            vertices=vertices.astype(np.float32),
            normals=normals.astype(np.float32),
            uvs=_joined([part.uvs for part in parts], 2).astype(np.float32),
            triangles=faces,
            materials=tuple(self._materials.materials) or (Material(),),
            triangle_materials=np.concatenate(materials),
        )
        skin = Skin(
            joints=_joined([_padded(p.joints, width) for p in parts], width).astype(np.uint16),
            weights=_joined([_padded(p.weights, width) for p in parts], width).astype(np.float32),
            inverse_bind=self._binder.inverse_bind().astype(np.float32),
        )
        return mesh, Morphs(names=tuple(names), offsets=offsets), skin


def _joined(arrays: list[Array], width: int) -> Array:
    return np.concatenate([np.zeros((0, width)), *arrays])


def _padded(values: Array, width: int) -> Array:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _points(matrix: F64, points: Array) -> F64:
    return _directions(matrix[..., :3, :3], points) + matrix[..., :3, 3]


def _directions(matrix: F64, directions: Array) -> F64:
    if matrix.ndim == 2 and np.abs(matrix - np.eye(3)).max() < _IDENTITY_TOLERANCE:
        return directions.astype(np.float64)  # what stands where it should is kept bit for bit
    if matrix.ndim == 3:
        turned: F64 = np.einsum("vij,vj->vi", matrix, directions.astype(np.float64))
        return turned
    return directions.astype(np.float64) @ matrix.T


def _normal_matrix(matrix: F64) -> F64:
    linear = matrix[..., :3, :3]
    determinant = np.linalg.det(linear)
    if (np.abs(determinant) < 1e-18).any():
        return linear
    return np.swapaxes(np.linalg.inv(linear), -1, -2).astype(np.float64)


def _vertex_normals(vertices: F64, triangles: Array) -> F64:
    normals = np.zeros_like(vertices)
    if len(triangles):
        a, b, c = (vertices[triangles[:, i]] for i in range(3))
        face = np.cross(b - a, c - a)
        for i in range(3):
            np.add.at(normals, triangles[:, i], face)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])
