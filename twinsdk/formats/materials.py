"""What glTF materials look like in the terms of `Material`: base colour, its texture, roughness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Material
from twinsdk.formats.glb import Document
from twinsdk.formats.images import image_bytes, image_type
from twinsdk.formats.nodes import vector

__all__ = ["MaterialReader"]


class MaterialReader:
    """Hands out one Material per glTF material that a mesh really uses.

    Attributes:
        materials: In order of first use.
        sources: Index in the file of each, None for glTF's default material.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._index: dict[int | None, int] = {}
        self._maps: list[Mapping[str, Any]] = []
        self._names: set[str] = set()
        self.materials: list[Material] = []
        self.sources: list[int | None] = []

    def of(self, primitive: Mapping[str, Any], where: str) -> int:
        """Return the index in `materials` of a primitive's material.

        Raises:
            FormatError: It is malformed.
        """
        source = primitive.get("material")
        if source not in self._index:
            entry = {} if source is None else self._document.item("materials", source, where)
            self._index[source] = len(self.materials)
            self.sources.append(source)
            self.materials.append(self._read(entry, where))
        return self._index[source]

    def uv_key(self, index: int) -> str:
        """Return a key equal for materials whose texture coordinates are equal."""
        texture = self._maps[index]
        return f"{self.uv_set(index)} {texture.get('extensions', {}).get('KHR_texture_transform')}"

    def uv_set(self, index: int) -> int:
        """Return which TEXCOORD the base colour texture uses."""
        texture = self._maps[index]
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        return int(moved.get("texCoord", texture.get("texCoord", 0)))

    def moved_uvs(self, index: int, uvs: F32) -> F32:
        """Return `uvs` (V, 2) with the texture's own transform baked in.

        Source: KHR_texture_transform.
        """
        transform = self._maps[index].get("extensions", {}).get("KHR_texture_transform")
        if transform is None:
            return uvs
        offset = vector(transform.get("offset", (0, 0)), 2, "KHR_texture_transform")
        scale = vector(transform.get("scale", (1, 1)), 2, "KHR_texture_transform")
        angle = float(transform.get("rotation", 0))
        c, s = np.cos(angle), np.sin(angle)
        matrix = np.array([[c, s], [-s, c]]) * scale
        moved: F32 = (uvs @ matrix.T + offset).astype(np.float32)
        return moved

    def _read(self, entry: Mapping[str, Any], where: str) -> Material:
        surface = entry.get("pbrMetallicRoughness", {})
        texture = surface.get("baseColorTexture", {})
        self._maps.append(texture)
        r, g, b, a = vector(surface.get("baseColorFactor", (1, 1, 1, 1)), 4, where).tolist()
        mode = str(entry.get("alphaMode", "OPAQUE"))
        return Material(
            name=self._name(str(entry.get("name", "") or "material")),
            base_color=(r, g, b, a),
            texture=self._texture(texture, where),
            double_sided=bool(entry.get("doubleSided", False)),
            alpha_mode=mode if mode in ("OPAQUE", "MASK", "BLEND") else "OPAQUE",
            roughness=min(max(float(surface.get("roughnessFactor", 1.0)), 0.0), 1.0),
        )

    def _name(self, name: str) -> str:
        unique, n = name, 1
        while unique in self._names:
            n += 1
            unique = f"{name}_{n}"
        self._names.add(unique)
        return unique

    def _texture(self, texture: Mapping[str, Any], where: str) -> bytes | None:
        if "index" not in texture:
            return None
        source = self._document.item("textures", texture["index"], where).get("source")
        if source is None:  # only an extension's image (WebP, Basis), which we do not decode
            return None
        data = image_bytes(self._document, source, where)
        return data if image_type(data) else None
