"""The bare surface of an avatar, for programs that know no rigs: Wavefront .obj and binary .ply.

Source: Wavefront Advanced Visualizer manual, appendix B1; Turk 1994, The PLY polygon file format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar, Material, Mesh
from twinsdk.core.files import atomic_path
from twinsdk.errors import AvatarError
from twinsdk.formats.images import image_type

__all__ = ["write_obj", "write_ply"]


def write_obj(avatar: Avatar, path: str | Path) -> None:
    """Write the bind pose as .obj, with an .mtl and the textures beside it, named after it.

    Raises:
        AvatarError: There is no triangle.
        OutputError: A file cannot be written.
    """
    target, mesh = Path(path), _solid(avatar.mesh)
    names = _names(mesh.materials, target.stem)
    library = target.with_name(f"{target.stem}.mtl")
    entries = []
    for name, material in zip(names, mesh.materials, strict=True):
        kind = image_type(material.texture) if material.texture else None
        picture = None
        if material.texture and kind:
            picture = target.with_name(f"{name}.{'png' if kind == 'image/png' else 'jpg'}")
            with atomic_path(picture) as temporary:
                temporary.write_bytes(material.texture)
        entries.append(_mtl_entry(name, material, picture))
    with atomic_path(library) as temporary:
        temporary.write_text("\n".join(entries), encoding="utf-8")
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(_obj_lines(mesh, names, library.name))


def write_ply(avatar: Avatar, path: str | Path) -> None:
    """Write the bind pose as binary .ply with normals and texture coordinates (s, t).

    Raises:
        AvatarError: There is no triangle.
        OutputError: The file cannot be written.
    """
    mesh = _solid(avatar.mesh)
    head = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            "comment metres, +Y up, facing +Z",
            f"element vertex {len(mesh.vertices)}",
            *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz", "s", "t")),
            f"element face {len(mesh.triangles)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    rows = np.concatenate([mesh.vertices, mesh.normals, _upward(mesh)], axis=1).astype("<f4")
    faces = np.zeros(len(mesh.triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.triangles
    with atomic_path(path) as temporary:
        temporary.write_bytes(head.encode() + rows.tobytes() + faces.tobytes())


def _solid(mesh: Mesh) -> Mesh:
    if not len(mesh.triangles):
        raise AvatarError("avatar: expected at least one triangle, got none")
    return mesh


def _upward(mesh: Mesh) -> F32:
    """Return texture coordinates with v upwards, as both formats have it."""
    return np.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], axis=-1)


def _names(materials: tuple[Material, ...], stem: str) -> list[str]:
    """Return names that are safe as file names and in both formats, each once."""
    safe = [re.sub(r"[^\w-]+", "_", f"{stem}_{m.name}") for m in materials]
    return [f"{name}_{i}" if safe.count(name) > 1 else name for i, name in enumerate(safe)]


def _mtl_entry(name: str, material: Material, picture: Path | None) -> str:
    linear = np.clip(material.base_color[:3], 0, 1)
    bent = 1.055 * linear ** (1 / 2.4) - 0.055
    red, green, blue = np.where(linear <= 0.0031308, 12.92 * linear, bent)
    lines = [f"newmtl {name}", f"Kd {red:.4f} {green:.4f} {blue:.4f}"]
    lines.append(f"d {material.base_color[3]:.4f}")
    if picture is not None:
        lines.append(f"map_Kd {picture.name}")
    return "\n".join([*lines, ""])


def _obj_lines(mesh: Mesh, names: list[str], library: str) -> Iterator[str]:
    yield f"# metres, +Y up, facing +Z\nmtllib {library}\n"
    for key, rows in (("v", mesh.vertices), ("vt", _upward(mesh)), ("vn", mesh.normals)):
        for row in rows.tolist():
            yield f"{key} {' '.join(f'{x:.6g}' for x in row)}\n"
    for part, name in enumerate(names):
        yield f"usemtl {name}\n"
        own = mesh.triangles[mesh.triangle_materials == part].astype(np.int64) + 1
        for corners in own.tolist():
            yield f"f {' '.join(f'{c}/{c}/{c}' for c in corners)}\n"
