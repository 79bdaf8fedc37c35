"""Encoded images inside glTF files: found, bounded, told apart by their first bytes."""

from __future__ import annotations

from twinsdk.errors import FormatError
from twinsdk.formats.glb import Document, resource

__all__ = ["image_bytes", "image_type"]


def image_type(data: bytes) -> str | None:
    """Return "image/png" or "image/jpeg" by the bytes themselves, None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/jpeg" if data.startswith(b"\xff\xd8\xff") else None


def image_bytes(document: Document, index: object, where: str) -> bytes:
    """Return the encoded bytes of an image.

    Raises:
        FormatError: There is none, or it reaches past its buffer.
        FileMissingError: It is a file beside the document and not there.
    """
    image = document.item("images", index, where)
    if image.get("bufferView") is not None:
        view, _ = document.view(image["bufferView"], f"{where}: image {index}")
        return bytes(view)
    uri = image.get("uri")
    if not isinstance(uri, str):
        raise FormatError(f"{where}: image {index}: expected a bufferView or a uri")
    return resource(uri, document.folder, f"{where}: image {index}")
