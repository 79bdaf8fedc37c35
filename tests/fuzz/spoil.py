"""Ways to spoil a file: anywhere in its bytes, or inside, so that the outer checks still pass."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib

import numpy as np

ODD = [b"-1", b"0", b"1e308", b"nan", b"inf", b"-inf", b"4294967295", b"2147483647", b"-2147483648",
       b"99999999999999999999", b"{", b"}", b"[", b"]", b'"', b"null", b"\x00", b"\xff\xff\xff\xff",
       b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\n", b" ", b"1,5", b"\xef\xbb\xbf"]  # fmt: skip
ODD_VALUES = [-1, 0, 1, 2, 3, 255, 65536, 2**31 - 1, 2**32, 2**63, -(2**63), 10**30, 0.5, -0.0,
              1e-30, 1e30, 1e308, True, False, None, "", "a", "VEC4", "MAT4", 5121, 5125, 5126,
              [], {}, [0], [[]], {"a": 1}, [1e30] * 4, [0, 0, 0, 0], "\x00", "../../x"]  # fmt: skip


class RefusedError(Exception):
    """What was read is refused by number, not by an exception of ours."""


def anywhere(data, rng):
    """Return `data` with one to four places changed."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind, size = rng.randrange(8), max(len(out), 1)
        at = rng.randrange(size)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.randrange(256)
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 64)]
        elif kind == 5:
            out[at:at] = rng.choice(ODD)
        elif kind == 6:
            odd = rng.choice(ODD)
            out[at : at + len(odd)] = odd
        else:  # a number in the text
            digits = [i for i in range(at, min(at + 200, len(out))) if 48 <= out[i] <= 57]
            if digits:
                out[digits[0] : digits[0] + 1] = rng.choice(ODD[:10])
    return bytes(out)


def inside_gzip(data, rng):
    """Return a spoilt text in a sound gzip, or a spoilt gzip."""
    if rng.random() < 0.2:
        return anywhere(data, rng)
    return gzip.compress(anywhere(gzip.decompress(data), rng), 1)


def inside_zip(data, rng):
    """Return a sound zip with one member spoilt, left out or twice there, or a spoilt zip."""
    if rng.random() < 0.2:
        return anywhere(data, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        chosen, how = rng.choice(names), rng.random()
        for name in names:
            body = old.read(name)
            if name == chosen:
                if how < 0.05:
                    continue
                body = _member(body, rng)
            new.writestr(zipfile.ZipInfo(name), body)
    return stream.getvalue()


def _member(body, rng):
    """Return an .npy whose text, shape, type or numbers are changed; any other bytes spoilt."""
    if not body.startswith(b"\x93NUMPY") or rng.random() < 0.2:
        return anywhere(body, rng)
    start = 10 + struct.unpack_from("<H", body, 8)[0]
    head, values = body[:start], body[start:]
    if rng.random() < 0.3:
        return anywhere(head, rng)[: start + 40].ljust(start) + values
    if values.startswith(b"{"):  # our own header, JSON as bytes
        text = inside_json(values, rng)
        array = np.frombuffer(text, np.uint8)
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array, allow_pickle=False)
        return stream.getvalue()
    changed = anywhere(values, rng)
    return head + changed.ljust(len(values), b"\0")[: len(values)]


def inside_json(text, rng):
    """Return JSON with one to three of its values or keys changed, or its text spoilt."""
    if rng.random() < 0.2:
        return anywhere(text, rng)
    try:
        value = json.loads(text)
    except ValueError:
        return anywhere(text, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _twist(value, rng)
    return json.dumps(value).encode()


def _twist(value, rng):
    places = []

    def walk(node):
        keys = node.keys() if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    if isinstance(value, (dict, list)):
        walk(value)
    if not places:
        return
    node, key = rng.choice(places)
    how = rng.randrange(6)
    if how == 0:
        del node[key]
    elif how == 1:
        other, where = rng.choice(places)
        node[key] = json.loads(json.dumps(other[where])) if _has(other, where) else None
    elif how == 2 and isinstance(node[key], (int, float)) and not isinstance(node[key], bool):
        node[key] += rng.choice((-1, 1, 4, 1000, -1000))
    elif how == 3 and isinstance(node[key], list) and len(node[key]) < 1000:
        node[key] = node[key] * 2
    else:
        node[key] = json.loads(json.dumps(rng.choice(ODD_VALUES)))


def _has(node, key):
    return key in node if isinstance(node, dict) else key < len(node)


def inside_gltf(data, rng):
    """Return a .gltf with its JSON or its embedded bytes changed."""
    if rng.random() < 0.5:
        return inside_json(data, rng)
    value = json.loads(data)
    for buffer in value.get("buffers", []):
        head, _, body = str(buffer.get("uri", "")).partition(",")
        if head.startswith("data:"):
            raw = anywhere(base64.b64decode(body), rng).ljust(buffer["byteLength"], b"\0")
            buffer["uri"] = f"{head},{base64.b64encode(raw).decode()}"
    return json.dumps(value).encode()


def inside_glb(data, rng):
    """Return a sound container with JSON or binary chunk changed, or a spoilt container."""
    if rng.random() < 0.1:
        return anywhere(data, rng)
    (length,) = struct.unpack_from("<I", data, 12)
    text, binary = data[20 : 20 + length], data[28 + length :]
    if rng.random() < 0.3:
        binary = anywhere(binary, rng).ljust(len(binary), b"\0")
    else:
        text = inside_json(text, rng)
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def inside_journal(data, rng):
    """Return a journal changed inside, with checksums that are right, or spoilt anywhere."""
    if rng.random() < 0.2:
        return anywhere(data, rng)
    magic, version, frame, size = struct.unpack_from("<8sHII", data)
    header, body = data[18 : 18 + size], data[22 + size :]
    if rng.random() < 0.5:
        header = inside_json(header, rng)
    frames = [body[i : i + frame - 4] for i in range(0, len(body) - frame + 1, frame)]
    if rng.random() < 0.5 and frames:
        i = rng.randrange(len(frames))
        frames[i] = anywhere(frames[i], rng).ljust(frame - 4, b"\0")[: frame - 4]
    start = struct.pack("<8sHII", magic, version, frame, len(header)) + header
    start += struct.pack("<I", zlib.crc32(header))
    return start + b"".join(f + struct.pack("<I", zlib.crc32(f)) for f in frames)


def inside_usdz(data, rng):
    """Return a package with its one layer spoilt and laid out as USD wants it, or a spoilt zip."""
    if rng.random() < 0.3:
        return anywhere(data, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name)
            # Stored members begin at multiples of 64 bytes.
            gap = -(stream.tell() + 30 + len(name) + 4) % 64
            info.extra = struct.pack("<HH", 0x1986, gap) + bytes(gap)
            new.writestr(info, anywhere(old.read(name), rng))
    return stream.getvalue()
