"""The glTF 2.0 container: .glb and .gltf in, .glb out; JSON and buffers, nothing interpreted.

Nothing is fetched: a buffer is in the file, a data URI, or a file in the same folder.
Source: Khronos, glTF 2.0 specification, chapters 3.6 and 4.4.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from twinsdk.core.files import atomic_path
from twinsdk.errors import FormatError
from twinsdk.formats.guard import read_bytes

__all__ = ["Document", "load", "resource", "size", "whole", "write_glb"]

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
MAX_ITEMS = 1 << 17
_LONGEST_NAME = 255  # letters; what file systems take
# Meshes behind these cannot be read without their own decoders.
_UNREADABLE = frozenset(
    {
        "EXT_meshopt_compression",
        "KHR_draco_mesh_compression",
        "KHR_meshopt_compression",
    }
)


class Document:
    """Parsed JSON and its buffers, with checked access.

    Attributes:
        json: The whole JSON object.
        buffers: The bytes of each buffer.
        folder: Where files it names lie.
    """

    def __init__(
        self, json_object: dict[str, Any], buffers: list[memoryview], folder: Path
    ) -> None:
        self.json = json_object
        self.buffers = buffers
        self.folder = folder
        self._checked: dict[str, list[dict[str, Any]]] = {}

    def items(self, key: str) -> list[dict[str, Any]]:
        """Return a top-level array of objects, empty where the file has none.

        Raises:
            FormatError: It is something else, or unreasonably long.
        """
        known = self._checked.get(key)
        if known is not None:
            return known
        value = self.json.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise FormatError(f"{key}: expected an array of objects")
        if len(value) > MAX_ITEMS:
            raise FormatError(f"{key}: expected at most {MAX_ITEMS} entries, got {len(value)}")
        self._checked[key] = value
        return value

    def item(self, key: str, index: object, where: str) -> dict[str, Any]:
        """Return entry `index` of a top-level array; `where` names who asks for it.

        Raises:
            FormatError: There is no such entry.
        """
        entries = self.items(key)
        return entries[whole(index, len(entries), f"{where}: {key}")]

    def extension(self, name: str) -> dict[str, Any] | None:
        """Return a root extension's object, None where the file has none."""
        extensions = self.json.get("extensions", {})
        value = extensions.get(name) if isinstance(extensions, dict) else None
        return value if isinstance(value, dict) else None

    def view(self, index: object, where: str) -> tuple[memoryview, int | None]:
        """Return the bytes of a buffer view and its stride.

        Raises:
            FormatError: It reaches past its buffer.
        """
        view = self.item("bufferViews", index, where)
        buffer = self.buffers[whole(view.get("buffer"), len(self.buffers), f"{where}: buffers")]
        offset = size(view.get("byteOffset", 0), f"{where}: byteOffset")
        length = size(view.get("byteLength"), f"{where}: byteLength")
        if offset + length > len(buffer):
            raise FormatError(
                f"{where}: bufferView {index} expects bytes {offset} to {offset + length}, "
                f"the buffer has {len(buffer)}"
            )
        stride = view.get("byteStride")
        return buffer[offset : offset + length], None if stride is None else size(stride, where)


def load(path: str | Path) -> Document:
    """Read a .glb, .vrm, .vrma or .gltf file; whichever its bytes say it is.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not glTF 2.0, is cut off, or needs a mesh decoder.
    """
    data = read_bytes(path, what="glTF")
    chunk: memoryview | None = None
    if data[:4] == b"glTF":
        text, chunk = _split(data)
    else:
        text = memoryview(data)
    parsed = _parse(text)
    document = Document(parsed, [], Path(path).parent)
    for i, buffer in enumerate(document.items("buffers")):
        document.buffers.append(_buffer(buffer, i, chunk, document.folder))
    return document


def write_glb(path: str | Path, json_object: Mapping[str, Any], binary: bytes | bytearray) -> None:
    """Write a .glb with one binary chunk, or a .gltf with the same bytes inside as base64.

    Args:
        path: Its extension decides.
        json_object: The document; it must already describe the buffer.
        binary: The one buffer.

    Raises:
        OutputError: The file cannot be written.
    """
    if Path(path).suffix.lower() == ".gltf":
        _write_text(path, json_object, binary)
        return
    text = json.dumps(json_object, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    padding = b"\0" * (-len(binary) % 4)
    chunks: list[bytes | bytearray] = [struct.pack("<II", len(text), _JSON), text]
    if len(binary):
        chunks += [struct.pack("<II", len(binary) + len(padding), _BIN), binary, padding]
    total = 12 + sum(len(chunk) for chunk in chunks)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(struct.pack("<III", _MAGIC, 2, total))
        for chunk in chunks:
            stream.write(chunk)


def _write_text(
    path: str | Path, json_object: Mapping[str, Any], binary: bytes | bytearray
) -> None:
    document = dict(json_object)
    if binary:
        uri = f"data:application/octet-stream;base64,{base64.b64encode(binary).decode()}"
        document["buffers"] = [{"byteLength": len(binary), "uri": uri}]
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


def whole(value: object, count: int, where: str) -> int:
    """Return `value` as an index below `count`.

    Raises:
        FormatError: It is no such index.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise FormatError(f"{where}: expected an index below {count}, got {value!r}")
    return value


def size(value: object, where: str) -> int:
    """Return `value` as a byte or element count.

    Raises:
        FormatError: It is no such number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise FormatError(f"{where}: expected a count, got {value!r}")
    return value


def _split(data: bytes) -> tuple[memoryview, memoryview | None]:
    if len(data) < 20:
        raise FormatError(f"expected at least 20 bytes of GLB, got {len(data)}")
    _, version, length = struct.unpack_from("<III", data)
    if version != 2:
        raise FormatError(f"expected GLB version 2, got {version}")
    if length > len(data):
        raise FormatError(f"the file is cut off: expected {length} bytes, got {len(data)}")
    view, at = memoryview(data), 12
    text: memoryview | None = None
    binary: memoryview | None = None
    while at + 8 <= length:
        chunk_length, kind = struct.unpack_from("<II", data, at)
        if at + 8 + chunk_length > length:
            raise FormatError(f"a chunk at byte {at} expects {chunk_length} bytes, the file ends")
        chunk = view[at + 8 : at + 8 + chunk_length]
        if kind == _JSON and text is None:
            text = chunk
        elif kind == _BIN and binary is None:
            binary = chunk
        at += 8 + chunk_length
    if text is None:
        raise FormatError("expected a JSON chunk, got none")
    return text, binary


def _parse(text: memoryview) -> dict[str, Any]:
    try:
        parsed = json.loads(bytes(text).decode("utf-8-sig"), parse_constant=_no_constant)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected glTF JSON, got something else ({error})") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("asset"), dict):
        raise FormatError("expected a glTF object with 'asset', got none")
    version = str(parsed["asset"].get("version", ""))
    if not version.startswith("2"):
        raise FormatError(f"expected glTF 2, got version {version!r}; convert it first")
    required = parsed.get("extensionsRequired", [])
    blocked = sorted(_UNREADABLE.intersection(str(name) for name in required))
    if blocked:
        raise FormatError(f"the meshes need {', '.join(blocked)}; export without compression")
    return parsed


def _no_constant(word: str) -> NoReturn:
    raise FormatError(f"JSON: expected a finite number, got {word}")


def _buffer(
    buffer: Mapping[str, Any], index: int, chunk: memoryview | None, folder: Path
) -> memoryview:
    where = f"buffer {index}"
    uri, wanted = buffer.get("uri"), size(buffer.get("byteLength"), where)
    if uri is None:
        if index != 0 or chunk is None:
            raise FormatError(f"{where}: expected a binary chunk, got none")
        data = chunk
    else:
        data = memoryview(resource(str(uri), folder, where))
    if len(data) < wanted:
        raise FormatError(f"{where}: expected {wanted} bytes, got {len(data)}")
    return data[:wanted]


def resource(uri: str, folder: Path, where: str) -> bytes:
    """Return the bytes behind a data URI or a file beside the document.

    Raises:
        FormatError: The URI leads elsewhere, or is not base64.
        FileMissingError: The file is not there.
    """
    if uri.startswith("data:"):
        head, _, body = uri.partition(",")
        if not head.endswith(";base64"):
            raise FormatError(f"{where}: expected base64 data, got {head[:40]!r}")
        try:
            return base64.b64decode(unquote(body), validate=True)
        except binascii.Error as error:
            raise FormatError(f"{where}: expected base64 data ({error})") from None
    name = unquote(uri)
    target = (folder / name).resolve()
    inside = target.is_relative_to(folder.resolve())
    if "://" in name or not inside or len(name) > _LONGEST_NAME:
        raise FormatError(f"{where}: expected a file beside this one, got {uri[:80]!r}")
    return read_bytes(target, what=where)
