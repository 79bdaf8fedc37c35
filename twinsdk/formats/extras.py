"""What an avatar file carries beyond geometry, in `Avatar.meta`, and the way back.

Keys of `meta`: the VRM 1.0 meta fields (`name`, `authors`, ...), `thumbnail` (encoded image),
`expressions` (VRM name -> {morph: weight}), `expression_rules` (VRM name -> the rest of it, with
materials by name), `spring_bones`, `constraints`, `look_at` (VRM 1.0's, with joints by name),
`first_person` (how the one mesh is shown to its wearer), `gltf` (source version; extensions and
extras that we keep without understanding them), and whatever the maker put there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twinsdk.formats import vrm, vrm0
from twinsdk.formats.glb import Document
from twinsdk.formats.images import image_bytes, image_type
from twinsdk.formats.kept import kept_materials
from twinsdk.formats.mesh_read import BuiltMesh
from twinsdk.formats.nodes import NodeTree

__all__ = ["EXTRAS_KEY", "mapped_nodes", "meta_of", "plain", "referenced_nodes", "refers"]

EXTRAS_KEY = "twinsdk"
_OURS = frozenset({"VRM", "VRMC_vrm", "VRMC_springBone"})
_CONSTRAINT = "VRMC_node_constraint"
# Where a number beside one of these stands for an entry of the file, which has other entries when
# it is written again.
_INDEXED = frozenset(
    {
        *("accessor", "bufferView", "buffer", "camera", "image", "index", "material", "materials"),
        *("mesh", "meshes", "node", "nodes", "sampler", "scene", "skin", "source", "texture"),
    }
)
_SHOWN_AS = ("auto", "both", "thirdPersonOnly", "firstPersonOnly")


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
        gltf["extensions"] = {**gltf.get("extensions", {}), **unknown}
    nodes = _kept_of_nodes(document, tree)
    if nodes:
        gltf["nodes"] = nodes
    if person is not None:
        meta.update(person.meta)
        _person(document, tree, person, built, meta, gltf)
    meta["gltf"] = gltf
    return meta


def referenced_nodes(document: Document, tree: NodeTree, person: vrm.Vrm | None) -> list[int]:
    """Return nodes that spring bones and constraints need as joints.

    Raises:
        FormatError: A spring bone of VRM 0.x is no node.
    """
    found: list[int] = []

    def take(node: int) -> int:
        found.append(node)
        return node

    count = len(document.items("nodes"))
    spring = document.extension("VRMC_springBone")
    if spring is not None:
        mapped_nodes(spring, lambda node: take(node) if _is_index(node, count) else node)
    elif person is not None and person.version == 0:
        found += vrm0.spring_nodes(person.raw, tree.children)
    for i, node in enumerate(document.items("nodes")):
        constraint = node.get("extensions", {}).get(_CONSTRAINT)
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
    rules = {name: _with_names(rule, built) for name, rule in person.rules.items() if rule}
    if rules:
        meta["expression_rules"] = rules
    shown = _shown(person.raw)
    if shown is not None:
        meta["first_person"] = shown
    if person.version == 0:
        gltf["VRM"] = dict(person.raw)
    meta.update(_moving(document, tree, person))


def _moving(document: Document, tree: NodeTree, person: vrm.Vrm) -> dict[str, Any]:
    """Return gaze, springs and constraints, as far as the file has them, with joints by name."""

    def named(node: Any) -> Any:
        return tree.names[node] if _is_index(node, len(tree.names)) else node

    if person.version == 0:
        look_at = vrm0.gaze(person.raw)
        spring = vrm0.springs(person.raw, tree.children, named)
    else:
        look_at = person.raw.get("lookAt")
        raw_spring = document.extension("VRMC_springBone")
        spring = None if raw_spring is None else mapped_nodes(raw_spring, named)
    constraints = {}
    for i, node in enumerate(document.items("nodes")):
        constraint = node.get("extensions", {}).get(_CONSTRAINT)
        if isinstance(constraint, dict):
            constraints[tree.names[i]] = mapped_nodes(constraint, named)
    found = {"look_at": look_at, "spring_bones": spring, "constraints": constraints or None}
    return {key: value for key, value in found.items() if value is not None}


def refers(value: Any) -> bool:
    """Return whether JSON of an unknown extension points at entries of its file by number."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            listed = isinstance(item, list) and any(isinstance(x, int) for x in item)
            if key in _INDEXED and (listed or isinstance(item, int)):
                return True
        return any(refers(item) for item in value.values())
    return isinstance(value, list) and any(refers(item) for item in value)


def _kept_of_nodes(document: Document, tree: NodeTree) -> dict[str, dict[str, Any]]:
    """Return extras and unknown extensions by node name, those that point nowhere else."""
    kept: dict[str, dict[str, Any]] = {}
    for name, node in zip(tree.names, document.items("nodes"), strict=True):
        others = {
            key: value
            for key, value in node.get("extensions", {}).items()
            if key != _CONSTRAINT and not refers(value)
        }
        entry = {"extensions": others} if others else {}
        if node.get("extras"):
            entry["extras"] = node["extras"]
        if entry:
            kept[name] = entry
    return kept


def _with_names(rule: Mapping[str, Any], built: BuiltMesh) -> dict[str, Any]:
    """Return an expression's rest with materials by name; binds to unused ones are left out."""
    names = {
        source: material.name
        for source, material in zip(built.material_sources, built.mesh.materials, strict=False)
    }
    out = dict(rule)
    for key in ("materialColorBinds", "textureTransformBinds"):
        if key in rule:
            out[key] = [
                {**bind, "material": names[bind["material"]]}
                for bind in rule[key]
                if bind.get("material") in names
            ]
    return out


def _shown(raw: Mapping[str, Any]) -> str | None:
    """Return how all meshes are shown to the wearer, None where they differ or nothing is said."""
    person = raw.get("firstPerson", {})
    kinds = {
        str(entry.get("type", entry.get("firstPersonFlag", "")))
        for entry in person.get("meshAnnotations", [])
    }
    kind = kinds.pop() if len(kinds) == 1 else ""
    kind = kind[:1].lower() + kind[1:]
    return kind if kind in _SHOWN_AS else None


def _is_index(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count
