"""Avatars to GLB and VRM 1.0: one mesh, one skin, sparse morphs, all in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, U16
from twinsdk.core.avatar import Avatar, Material, Skin
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import OutputError
from twinsdk.formats import vrm_write
from twinsdk.formats.build import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Builder
from twinsdk.formats.extras import EXTRAS_KEY, plain
from twinsdk.formats.glb import write_glb
from twinsdk.formats.kept import restored
from twinsdk.formats.mesh_read import UNIT_TOLERANCE

__all__ = ["GENERATOR", "WriteReport", "joint_nodes", "write_avatar"]

GENERATOR = "twinsdk"
_INFLUENCES = 4


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """What a file could not hold.

    Attributes:
        cut_vertices: Vertices with more than four joints.
        dropped_weight_max: Largest share of one vertex's weight that was cut, in [0, 1].
        dropped_weight_mean: Mean over the cut vertices, in [0, 1].
        unused_vertices: Vertices in no triangle; written all the same.
    """

    cut_vertices: int
    dropped_weight_max: float
    dropped_weight_mean: float
    unused_vertices: int


def write_avatar(avatar: Avatar, path: str | Path) -> WriteReport:
    """Write a .vrm (VRM 1.0) or .glb; a .glb holds the same VRM data for readers that know it.

    Influences beyond the four largest of a vertex are cut and the rest renormalised.

    Args:
        avatar: The figure; `meta` may hold the VRM 1.0 meta fields and a `thumbnail`.
        path: Where to.

    Raises:
        OutputError: The file cannot be written, or the mesh is empty.
    """
    mesh = avatar.mesh
    if not len(mesh.vertices) or not len(mesh.triangles):
        raise OutputError(f"avatar: expected a mesh with triangles, got none: {path}")
    builder = Builder()
    joints, weights, report = _four(avatar)
    nodes = joint_nodes(avatar.skeleton)
    gltf = avatar.meta.get("gltf")
    kept = gltf if isinstance(gltf, Mapping) else {}
    figure = len(nodes)
    nodes.append({"name": _free_name(avatar.skeleton, "figure"), "mesh": 0, "skin": 0})
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": GENERATOR,
            "extras": {EXTRAS_KEY: plain(vrm_write.own_meta(avatar.meta))},
        },
        "scene": 0,
        # A skinned node stands beside its joints: its own transform is not used.
        "scenes": [{"nodes": [0, figure]}],
        "nodes": nodes,
        "meshes": [_mesh(avatar, joints, weights, builder)],
        "skins": [
            {
                "joints": list(range(len(avatar.skeleton))),
                "skeleton": 0,
                "inverseBindMatrices": builder.accessor(_columns(avatar.skin)),
            }
        ],
        "materials": [_material(material, kept, builder) for material in mesh.materials],
    }
    vrm_write.add_vrm(document, avatar, figure, builder)
    builder.finish(document)
    write_glb(path, document, builder.binary)
    return report


def joint_nodes(skeleton: Skeleton) -> list[dict[str, Any]]:
    """Return one node a joint, in the skeleton's order."""
    nodes: list[dict[str, Any]] = []
    for j, name in enumerate(skeleton.names):
        node: dict[str, Any] = {
            "name": name,
            "translation": skeleton.rest_translations[j].astype(float).tolist(),
        }
        if np.abs(skeleton.rest_rotations[j, :3]).max() > 0:
            node["rotation"] = unit_list(skeleton.rest_rotations[j])
        nodes.append(node)
    for j, above in enumerate(skeleton.parents.tolist()[1:], 1):
        nodes[above].setdefault("children", []).append(j)
    return nodes


def unit_list(quaternion: F32) -> list[float]:
    """Return a quaternion as doubles of unit length, as validators measure it."""
    exact = quaternion.astype(np.float64)
    values: list[float] = (exact / np.linalg.norm(exact)).tolist()
    return values


def _mesh(avatar: Avatar, joints: U16, weights: F32, builder: Builder) -> dict[str, Any]:
    mesh = avatar.mesh
    slots = joints.astype(np.uint8 if len(avatar.skeleton) <= 256 else np.uint16)
    attributes = {
        "POSITION": builder.accessor(mesh.vertices, target=ARRAY_BUFFER, bounds=True),
        "NORMAL": builder.accessor(_unit(mesh.normals), target=ARRAY_BUFFER),
        "JOINTS_0": builder.accessor(slots, target=ARRAY_BUFFER),
        "WEIGHTS_0": builder.accessor(weights, target=ARRAY_BUFFER),
    }
    textured = [material.texture is not None for material in mesh.materials]
    if any(textured) or mesh.uvs.any():
        attributes["TEXCOORD_0"] = builder.accessor(mesh.uvs, target=ARRAY_BUFFER)
    # Deltas of rest positions; one list of accessors shared by every primitive.
    targets = [{"POSITION": builder.sparse(offsets)} for offsets in avatar.morphs.offsets]
    kind = np.uint16 if len(mesh.vertices) <= 65535 else np.uint32
    primitives = []
    for i in range(len(mesh.materials)):
        faces = mesh.triangles[mesh.triangle_materials == i].astype(kind).reshape(-1)
        if not len(faces):
            continue
        primitive: dict[str, Any] = {
            "attributes": attributes,
            "indices": builder.accessor(faces, target=ELEMENT_ARRAY_BUFFER),
            "material": i,
        }
        if targets:
            primitive["targets"] = targets
        primitives.append(primitive)
    entry: dict[str, Any] = {"name": "figure", "primitives": primitives}
    if targets:
        entry["weights"] = [0.0] * len(targets)
        entry["extras"] = {"targetNames": list(avatar.morphs.names)}
    return entry


def _material(material: Material, kept: Mapping[str, Any], builder: Builder) -> dict[str, Any]:
    entry = {"name": material.name, **restored(material, kept, builder)}
    surface: dict[str, Any] = {
        "metallicFactor": 0.0,
        **entry.get("pbrMetallicRoughness", {}),
        "baseColorFactor": [float(c) for c in material.base_color],
        "roughnessFactor": float(material.roughness),
    }
    if material.texture is not None:
        surface["baseColorTexture"] = {"index": builder.texture(material.texture)}
    entry["pbrMetallicRoughness"] = surface
    if material.double_sided:
        entry["doubleSided"] = True
    if material.alpha_mode != "OPAQUE":
        entry["alphaMode"] = material.alpha_mode
    if material.alpha_mode != "MASK":
        entry.pop("alphaCutoff", None)
    return entry


def _columns(skin: Skin) -> F32:
    # glTF matrices are column-major, and their last row is exactly 0 0 0 1.
    matrices = skin.inverse_bind.copy()
    matrices[:, 3] = (0, 0, 0, 1)
    return np.ascontiguousarray(matrices.transpose(0, 2, 1)).reshape(-1, 16)


def _four(avatar: Avatar) -> tuple[U16, F32, WriteReport]:
    """Return joints (V, 4), weights (V, 4) and what was cut."""
    joints, weights = _merged(avatar.skin)
    count, width = weights.shape
    if width < _INFLUENCES:
        pad = ((0, 0), (0, _INFLUENCES - width))
        joints, weights = np.pad(joints, pad), np.pad(weights, pad)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :_INFLUENCES]
    kept = np.take_along_axis(weights, order, 1).astype(np.float64)
    dropped = np.maximum(1 - kept.sum(1) / weights.sum(1, dtype=np.float64), 0)
    cut = dropped > 1e-6
    kept = (kept / kept.sum(1, keepdims=True)).astype(np.float32)
    # The largest takes the rounding of the others, so that the stored numbers sum to 1.
    kept[:, 0] = 1 - kept[:, 1:].sum(1, dtype=np.float64)
    chosen = np.where(kept > 0, np.take_along_axis(joints, order, 1), 0).astype(np.uint16)
    used = np.zeros(count, bool)
    used[avatar.mesh.triangles.reshape(-1)] = True
    report = WriteReport(
        cut_vertices=int(cut.sum()),
        dropped_weight_max=float(dropped.max(initial=0.0)),
        dropped_weight_mean=float(dropped[cut].mean()) if cut.any() else 0.0,
        unused_vertices=int((~used).sum()),
    )
    return chosen, kept, report


def _merged(skin: Skin) -> tuple[U16, F32]:
    """Return the skin with a joint that a vertex names twice named once."""
    joints, weights = skin.joints, skin.weights.copy()
    for later in range(1, joints.shape[1]):
        for earlier in range(later):
            same = (joints[:, later] == joints[:, earlier]) & (weights[:, later] > 0)
            weights[same, earlier] += weights[same, later]
            weights[same, later] = 0
    return joints, weights


def _unit(normals: F32) -> F32:
    length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    unit = np.where(length > 1e-6, normals / np.maximum(length, 1e-6), [0.0, 1.0, 0.0])
    unit = np.where(np.abs(length - 1) < UNIT_TOLERANCE, normals, unit)
    result: F32 = unit.astype(np.float32)
    return result


def _free_name(skeleton: Skeleton, name: str) -> str:
    while skeleton.has(name):
        name += "_"
    return name
