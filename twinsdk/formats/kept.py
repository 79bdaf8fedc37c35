"""Material properties that are not modelled, carried through `Avatar.meta` from file to file.

`meta["gltf"]["materials"]` holds, by material name, the glTF entry without what `Material` says;
texture numbers in it are numbers into `meta["gltf"]["images"]`, a list of encoded images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinsdk.core.avatar import Material
from twinsdk.formats.build import Builder
from twinsdk.formats.glb import Document
from twinsdk.formats.images import image_bytes, image_type
from twinsdk.formats.mesh_read import BuiltMesh

__all__ = ["extension_names", "kept_materials", "restored"]

_MODELLED = ("name", "doubleSided", "alphaMode")
_SURFACE = ("baseColorFactor", "baseColorTexture", "roughnessFactor")
_TRANSFORM = "KHR_texture_transform"


def kept_materials(document: Document, built: BuiltMesh) -> dict[str, Any]:
    """Return `materials` and `images` for `meta["gltf"]`; empty where nothing needs keeping."""
    images: list[bytes] = []
    known: dict[int, int | None] = {}

    def image_of(texture: int) -> int | None:
        if texture not in known:
            source = document.item("textures", texture, "material").get("source")
            data = None if source is None else image_bytes(document, source, "material")
            known[texture] = None
            if data is not None and image_type(data):
                known[texture] = len(images)
                images.append(data)
        return known[texture]

    kept: dict[str, Any] = {}
    for material, source in zip(built.mesh.materials, built.material_sources, strict=False):
        if source is None:
            continue
        entry = dict(document.item("materials", source, "material"))
        surface = dict(entry.pop("pbrMetallicRoughness", {}))
        for key in _SURFACE:
            surface.pop(key, None)
        for key in _MODELLED:
            entry.pop(key, None)
        if surface:
            entry["pbrMetallicRoughness"] = surface
        rest = _textures(entry, image_of)
        if rest:
            kept[material.name] = rest
    return {"materials": kept, "images": images} if kept else {}


def restored(material: Material, gltf: Mapping[str, Any], builder: Builder) -> dict[str, Any]:
    """Return the glTF entry kept for `material`, textures added to `builder`; empty if none."""
    kept = gltf.get("materials")
    images = gltf.get("images")
    entry = kept.get(material.name) if isinstance(kept, Mapping) else None
    if not isinstance(entry, Mapping):
        return {}

    def texture_of(image: int) -> int | None:
        found = images[image] if isinstance(images, list) and 0 <= image < len(images) else None
        return builder.texture(found) if isinstance(found, bytes) else None

    result: dict[str, Any] = _textures(dict(entry), texture_of)
    return result


def extension_names(value: Any) -> set[str]:
    """Return the names of all extensions inside a JSON value."""
    names: set[str] = set()
    if isinstance(value, Mapping):
        inner = value.get("extensions")
        if isinstance(inner, Mapping):
            names.update(str(name) for name in inner)
        for item in value.values():
            names |= extension_names(item)
    elif isinstance(value, list):
        for item in value:
            names |= extension_names(item)
    return names


def _textures(value: Any, number_of: Any) -> Any:
    """Return a copy in which every texture reference is renumbered, or left out where it cannot be.

    The mesh has one set of coordinates with transforms baked in, so references to others go.
    """
    if isinstance(value, Mapping):
        out: dict[str, Any] = {}
        for key, item in value.items():
            if key in (_TRANSFORM, "texCoord"):
                continue
            if isinstance(item, Mapping) and isinstance(item.get("index"), int):
                number = number_of(item["index"])
                if number is not None:
                    out[key] = {**_textures(item, number_of), "index": number}
                continue
            changed = _textures(item, number_of)
            if not (key == "extensions" and not changed):
                out[key] = changed
        return out
    if isinstance(value, list):
        return [_textures(item, number_of) for item in value]
    return value
