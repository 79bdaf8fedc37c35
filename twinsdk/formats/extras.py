"""What an avatar file carries beyond geometry, in `Avatar.meta`, and the way back.

Keys of `meta`: the VRM 1.0 meta fields (`name`, `authors`, ...), `thumbnail` (encoded image),
`expressions` (VRM name -> {morph: weight}), `spring_bones`, `constraints`, `look_at`,
`first_person` (raw VRM with node numbers replaced by joint names), `gltf` (source version and
extensions that we keep without understanding them), and whatever the maker put there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twinsdk.formats import vrm
from twinsdk.formats.glb import Document
from twinsdk.formats.images import image_bytes, image_type
from twinsdk.formats.kept import kept_materials
from twinsdk.formats.mesh_read import BuiltMesh
from twinsdk.formats.nodes import NodeTree

__all__ = ["EXTRAS_KEY", "mapped_nodes", "meta_of", "plain", "referenced_nodes"]

EXTRAS_KEY = "twinsdk"
_OURS = frozenset({"VRM", "VRMC_vrm", "VRMC_springBone"})


def meta_of(
    document: Document, tree: NodeTree, person: vrm.Vrm | None, built: BuiltMesh
) -> dict[str, Any]:
    """Return `Avatar.meta` of a document."""
    own = document.json["asset"].get("extras")
    own = own.get(EXTRAS_KEY) if isinstance(own, dict) else None
    meta: dict[str, Any] = dict(own) if isinstance(own, dict) else {}
    before = meta.get("gltf")
    gltf: dict[str, Any] = dict(before) if isinstance(before, dict) else {}
    gltf["version"] = "glTF" if person is None else f"VRM {person.version}"
    gltf.update(kept_materials(document, built))
    unknown = {
        name: value
        for name, value in document.json.get("extensions", {}).items()
        if name not in _OURS
    }
    if unknown:
        gltf["extensions"] = unknown
    if person is not None:
        meta.update(person.meta)
        _person(document, tree, person, built, meta, gltf)
    meta["gltf"] = gltf
    return meta


def referenced_nodes(document: Document) -> list[int]:
    """Return nodes that spring bones and constraints need as joints."""
    found: list[int] = []

    def take(node: int) -> int:
        found.append(node)
        return node

    count = len(document.items("nodes"))
    spring = document.extension("VRMC_springBone")
    if spring is not None:
        mapped_nodes(spring, lambda node: take(node) if _is_index(node, count) else node)
    for i, node in enumerate(document.items("nodes")):
        constraint = node.get("extensions", {}).get("VRMC_node_constraint")
        if isinstance(constraint, dict):
            found.append(i)
            mapped_nodes(constraint, lambda node: take(node) if _is_index(node, count) else node)
    return found


def mapped_nodes(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy of VRM JSON with every `node`, `source` and `center` sent through `change`."""
    if isinstance(value, dict):
        return {
            key: change(item)
            if key in ("node", "source", "center") and isinstance(item, (int, str))
            else mapped_nodes(item, change)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mapped_nodes(item, change) for item in value]
    return value


def plain(value: Any) -> Any:
    """Return what of `value` JSON can hold; anything else is left out.

    Bytes, arrays and open objects have no place in a glTF's extras.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if plain(item) is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value if plain(item) is not None]
    return value if isinstance(value, (str, int, float, bool)) else None


def _person(
    document: Document,
    tree: NodeTree,
    person: vrm.Vrm,
    built: BuiltMesh,
    meta: dict[str, Any],
    gltf: dict[str, Any],
) -> None:
    def named(node: Any) -> Any:
        return tree.names[node] if _is_index(node, len(tree.names)) else node

    if person.thumbnail is not None:
        picture = image_bytes(document, person.thumbnail, "thumbnail")
        if image_type(picture):
            meta["thumbnail"] = picture
    expressions: dict[str, dict[str, float]] = {}
    for name, bindings in person.expressions.items():
        weights: dict[str, float] = {}
        for bind in bindings:
            morph = built.targets.get((bind.mesh, bind.target))
            if morph is not None:
                weights[morph] = weights.get(morph, 0.0) + bind.weight
        expressions[name] = weights
    if expressions:
        meta["expressions"] = expressions
    if person.version == 0:
        gltf["VRM"] = dict(person.raw)
        return
    if "lookAt" in person.raw:
        meta["look_at"] = dict(person.raw["lookAt"])
    spring = document.extension("VRMC_springBone")
    if spring is not None:
        meta["spring_bones"] = mapped_nodes(spring, named)
    constraints = {}
    for i, node in enumerate(document.items("nodes")):
        constraint = node.get("extensions", {}).get("VRMC_node_constraint")
        if isinstance(constraint, dict):
            constraints[tree.names[i]] = mapped_nodes(constraint, named)
    if constraints:
        meta["constraints"] = constraints


def _is_index(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count
