"""twinsdk's own file: a clip or an avatar as a zip of plain arrays and one JSON header.

Layout: member `header` holds UTF-8 JSON (`format`, `version`, names, meta) as bytes; every other
member is one array of `np.lib.format`. No object arrays, so nothing is ever unpickled. The same
content gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import json
import math
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.avatar import Avatar, Material, Mesh, Morphs, Skin
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path, existing_file
from twinsdk.core.skeleton import MAX_JOINTS, Skeleton
from twinsdk.errors import FormatError
from twinsdk.formats.guard import reading

__all__ = ["member_names", "read_arrays", "read_avatar", "read_clip", "write_avatar", "write_clip"]

VERSION = 1
MAX_TOTAL_BYTES = 4 << 30
_MAX_HEADER_BYTES = 64 << 20
_KINDS = "fiub"


def write_clip(clip: MotionClip, path: str | Path) -> None:
    """Write `clip` losslessly.

    Raises:
        OutputError: The file cannot be written.
    """
    header = {"format": "twinsdk.clip", "fps": clip.fps, **_skeleton_header(clip.skeleton)}
    arrays = {
        **_skeleton_arrays(clip.skeleton),
        "rotations": clip.rotations,
        "root_translations": clip.root_translations,
    }
    if clip.expressions is not None:
        arrays["expressions"] = clip.expressions
    _write(path, header, arrays)


def read_clip(path: str | Path) -> MotionClip:
    """Read a clip that `write_clip` wrote.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not such a file, is of a newer version or damaged.
    """
    with reading(path, "npz clip"):
        header, arrays = _read(path, "twinsdk.clip")
        return MotionClip(
            skeleton=_skeleton(header, arrays),
            fps=float(header["fps"]),
            rotations=arrays["rotations"],
            root_translations=arrays["root_translations"],
            expressions=arrays.get("expressions"),
        )


def write_avatar(avatar: Avatar, path: str | Path) -> None:
    """Write `avatar` losslessly; textures stay encoded, bytes in `meta` are kept.

    Raises:
        OutputError: The file cannot be written, or `meta` holds what JSON cannot.
    """
    mesh = avatar.mesh
    header = {
        "format": "twinsdk.avatar",
        **_skeleton_header(avatar.skeleton),
        "materials": [_material_header(m, i) for i, m in enumerate(mesh.materials)],
        "morphs": list(avatar.morphs.names),
        "humanoid": dict(avatar.humanoid),
        "meta": _plain(avatar.meta),
    }
    arrays = {
        **_skeleton_arrays(avatar.skeleton),
        "vertices": mesh.vertices,
        "normals": mesh.normals,
        "uvs": mesh.uvs,
        "triangles": mesh.triangles,
        "triangle_materials": mesh.triangle_materials,
        "skin_joints": avatar.skin.joints,
        "skin_weights": avatar.skin.weights,
        "inverse_bind": avatar.skin.inverse_bind,
        **_sparse_morphs(avatar.morphs.offsets),
    }
    for i, material in enumerate(mesh.materials):
        if material.texture is not None:
            arrays[f"texture_{i}"] = np.frombuffer(material.texture, np.uint8)
    _write(path, header, arrays)


def read_avatar(path: str | Path) -> Avatar:
    """Read an avatar that `write_avatar` wrote.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not such a file, is of a newer version or damaged.
    """
    with reading(path, "npz avatar"):
        header, arrays = _read(path, "twinsdk.avatar")
        vertices = arrays["vertices"]
        return Avatar(
            skeleton=_skeleton(header, arrays),
            mesh=Mesh(
                vertices=vertices,
                normals=arrays["normals"],
                uvs=arrays["uvs"],
                triangles=arrays["triangles"],
                materials=tuple(
                    _material(entry, arrays.get(f"texture_{i}"))
                    for i, entry in enumerate(header["materials"])
                ),
                triangle_materials=arrays["triangle_materials"],
            ),
            skin=Skin(
                joints=arrays["skin_joints"],
                weights=arrays["skin_weights"],
                inverse_bind=arrays["inverse_bind"],
            ),
            morphs=Morphs(
                names=tuple(header["morphs"]),
                offsets=_dense_morphs(arrays, len(header["morphs"]), len(vertices)),
            ),
            humanoid={str(k): str(v) for k, v in header["humanoid"].items()},
            meta=_rich(header["meta"]),
        )


def member_names(path: str | Path) -> frozenset[str]:
    """Return the names of the arrays in an .npz file without reading them.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no zip archive.
    """
    with reading(path, "npz"), _open(path) as archive:
        return frozenset(info.filename.removesuffix(".npy") for info in archive.infolist())


def read_arrays(path: str | Path, wanted: frozenset[str] | None = None) -> dict[str, Array]:
    """Return the numeric arrays of an .npz file by name, sizes checked before allocation.

    Args:
        path: The file.
        wanted: Read only these; None is all of them.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is damaged, holds objects, or claims more than `MAX_TOTAL_BYTES`.
    """
    with reading(path, "npz"), _open(path) as archive:
        total, arrays = 0, {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if wanted is not None and name not in wanted:
                continue
            total += info.file_size
            if total > MAX_TOTAL_BYTES:
                raise FormatError(f"expected at most {MAX_TOTAL_BYTES} bytes, got more in {name!r}")
            arrays[name] = _read_array(archive, info, name)
        return arrays


def _open(path: str | Path) -> zipfile.ZipFile:
    file = existing_file(path, what="npz")
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise FormatError(f"expected a zip archive, got something else ({error})") from error


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise FormatError(f"array {name!r}: expected npy version 1 or 2, got {version}")
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(stream)
            if dtype.kind not in _KINDS or dtype.hasobject:
                raise FormatError(f"array {name!r}: expected numbers, got dtype {dtype}")
            wanted = math.prod(shape) * dtype.itemsize
            if min(shape, default=0) < 0 or wanted > info.file_size:
                raise FormatError(
                    f"array {name!r}: expected {shape} {dtype} to fit {info.file_size} bytes"
                )
            data = stream.read(wanted)
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError) as error:
        raise FormatError(f"array {name!r}: damaged ({error})") from error
    except (SyntaxError, tokenize.TokenError) as error:  # of NumPy's second try at a header
        raise FormatError(f"array {name!r}: its header is damaged") from error
    if len(data) != wanted:
        raise FormatError(f"array {name!r}: expected {wanted} bytes, got {len(data)}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _read(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    arrays = read_arrays(path)
    raw = arrays.pop("header", None)
    if raw is None or raw.dtype != np.uint8 or raw.nbytes > _MAX_HEADER_BYTES:
        raise FormatError(f"expected a header of twinsdk, got only arrays {sorted(arrays)[:8]}")
    header = json.loads(raw.tobytes().decode())
    if header.get("format") != kind:
        raise FormatError(f"expected a {kind!r}, got {header.get('format')!r}")
    if not 1 <= int(header["version"]) <= VERSION:
        raise FormatError(
            f"expected version {VERSION} or older, got {header['version']}; update twinsdk"
        )
    return header, arrays


def _write(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    text = json.dumps({**header, "version": VERSION}, sort_keys=True, allow_nan=False).encode()
    members = {"header": np.frombuffer(text, np.uint8), **arrays}
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
    ):
        for name, array in members.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            # ZipInfo's default date makes the bytes depend on the content alone.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, stream.getvalue(), compresslevel=4)


def _skeleton_header(skeleton: Skeleton) -> dict[str, Any]:
    return {"joints": list(skeleton.names)}


def _skeleton_arrays(skeleton: Skeleton) -> dict[str, Array]:
    return {
        "parents": skeleton.parents,
        "rest_translations": skeleton.rest_translations,
        "rest_rotations": skeleton.rest_rotations,
    }


def _skeleton(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Skeleton:
    names = header["joints"]
    if len(names) > MAX_JOINTS:
        raise FormatError(f"expected at most {MAX_JOINTS} joints, got {len(names)}")
    return Skeleton(
        names=tuple(names),
        parents=arrays["parents"],
        rest_translations=arrays["rest_translations"],
        rest_rotations=arrays["rest_rotations"],
    )


def _sparse_morphs(offsets: Array) -> dict[str, Array]:
    # A face moves few vertices: an order of magnitude smaller than the dense array.
    morph, vertex = np.nonzero(np.abs(offsets).max(-1) if offsets.size else np.zeros((0, 0)))
    return {
        "morph_index": morph.astype(np.uint16),
        "morph_vertex": vertex.astype(np.uint32),
        "morph_offset": offsets[morph, vertex],
    }


def _dense_morphs(arrays: Mapping[str, Array], count: int, vertices: int) -> Array:
    if count * vertices * 12 > MAX_TOTAL_BYTES:
        raise FormatError(f"expected fewer morphs, got {count} of {vertices} vertices")
    dense = np.zeros((count, vertices, 3), np.float32)
    dense[arrays["morph_index"], arrays["morph_vertex"]] = arrays["morph_offset"]
    return dense


def _material_header(material: Material, index: int) -> dict[str, Any]:
    return {
        "name": material.name,
        "base_color": list(material.base_color),
        "double_sided": material.double_sided,
        "alpha_mode": material.alpha_mode,
        "roughness": material.roughness,
        "texture": None if material.texture is None else f"texture_{index}",
    }


def _material(entry: Mapping[str, Any], texture: Array | None) -> Material:
    r, g, b, a = (float(c) for c in entry["base_color"])
    return Material(
        name=str(entry["name"]),
        base_color=(r, g, b, a),
        texture=None if texture is None else texture.tobytes(),
        double_sided=bool(entry["double_sided"]),
        alpha_mode=str(entry["alpha_mode"]),
        roughness=float(entry["roughness"]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
        return {key: _rich(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rich(item) for item in value]
    return value
