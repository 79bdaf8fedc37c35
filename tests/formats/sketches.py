"""glTF files made by hand, byte by byte, and what the specification says they look like."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton

_DTYPES = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def half_turn() -> np.ndarray:
    return np.diag([-1.0, 1.0, -1.0])


class Sketch:
    """JSON and bytes of a file in the making."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
            "meshes": [],
            "skins": [],
            "accessors": [],
            "bufferViews": [],
            "buffers": [{"byteLength": 0}],
        }

    def view(self, data: bytes, stride: int | None = None) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        entry = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        if stride:
            entry["byteStride"] = stride
        self.binary += data
        self.json["bufferViews"].append(entry)
        return len(self.json["bufferViews"]) - 1

    def accessor(self, values: np.ndarray, *, gap: int = 0, normalized: bool = False) -> int:
        values = np.asarray(values)
        width = 1 if values.ndim == 1 else values.shape[1]
        rows = [row.tobytes() + b"\xcd" * gap for row in values]
        stride = values.dtype.itemsize * width + gap if gap else None
        entry = {
            "bufferView": self.view(b"".join(rows), stride),
            "componentType": {v: k for k, v in _DTYPES.items()}[values.dtype.str.replace("|", "<")],
            "count": len(values),
            "type": {v: k for k, v in _WIDTHS.items()}[width],
        }
        if normalized:
            entry["normalized"] = True
        self.json["accessors"].append(entry)
        return len(self.json["accessors"]) - 1

    def save(self, path: Path) -> Path:
        out = dict(self.json)
        stated = out["buffers"][0]["byteLength"]
        out["buffers"] = [{"byteLength": stated or len(self.binary)}]
        out = {key: value for key, value in out.items() if value != []}
        if path.suffix == ".gltf":
            if path.stem == "inside":
                data = base64.b64encode(self.binary).decode()
                uri = f"data:application/octet-stream;base64,{data}"
            else:
                uri = f"{path.stem} data.bin"
                (path.parent / uri).write_bytes(self.binary)
            out["buffers"][0]["uri"] = uri
            path.write_text(json.dumps(out))
            return path
        text = json.dumps(out).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self.binary) + b"\0" * (-len(self.binary) % 4)
        total = 28 + len(text) + len(binary)
        path.write_bytes(
            struct.pack("<III", 0x46546C67, 2, total)
            + struct.pack("<II", len(text), 0x4E4F534A)
            + text
            + struct.pack("<II", len(binary), 0x004E4942)
            + binary
        )
        return path

    @classmethod
    def random(cls, seed: int) -> Sketch:
        """An armature turned and scaled, scaled joints, two skins, a rigid part, odd encodings."""
        rng = np.random.default_rng(seed)
        sketch = cls()
        nodes = sketch.json["nodes"]
        nodes.append({"name": "Armature", "rotation": _turn(rng), "scale": [0.25] * 3,
                      "translation": rng.normal(size=3).tolist()})  # fmt: skip
        sketch.json["scenes"][0]["nodes"].append(0)
        count = 6
        for j in range(count):
            nodes.append(
                {
                    "name": f"joint{j}",
                    "rotation": _turn(rng),
                    "translation": rng.normal(size=3).tolist(),
                    "scale": [float(rng.uniform(0.5, 2))] * 3,
                }
            )
            above = 0 if j == 0 else 1 + int(rng.integers(0, j))
            nodes[above].setdefault("children", []).append(1 + j)
        world = world_matrices(sketch.json)
        bind = world[1 : 1 + count].copy()
        if seed % 2:  # bound in another pose than the one at rest
            bind = bind @ np.stack([_rigid(rng) for _ in range(count)])
        for part in range(2):
            placed = _rigid(rng)
            order = rng.permutation(count)
            inverse = np.linalg.inv(bind) @ placed
            matrices = inverse[order].transpose(0, 2, 1).reshape(-1, 16).astype("<f4")
            points = rng.normal(size=(9, 3)).astype("<f4")
            where_root = int(np.flatnonzero(order == 0)[0])
            slots = np.stack([rng.permutation(count)[:4] for _ in range(9)])
            slots[0] = [where_root, *[s for s in range(count) if s != where_root][:3]]
            weights = rng.uniform(0.2, 1, (9, 4))
            weights /= weights.sum(1, keepdims=True)
            attributes = {"POSITION": sketch.accessor(points, gap=4 if part else 0)}
            if part:
                bytes_ = np.round(weights * 255).astype("<u1")
                bytes_[:, 0] += (255 - bytes_.sum(1)).astype("u1")
                attributes["WEIGHTS_0"] = sketch.accessor(bytes_, normalized=True)
                attributes["JOINTS_0"] = sketch.accessor(slots.astype("<u1"))
            else:
                attributes["WEIGHTS_0"] = sketch.accessor(weights.astype("<f4"))
                attributes["JOINTS_0"] = sketch.accessor(slots.astype("<u2"))
            indices = sketch.accessor(np.arange(9).astype("<u2" if part else "<u1"))
            sketch.json["skins"].append(
                {
                    "joints": [1 + int(k) for k in order],
                    "inverseBindMatrices": sketch.accessor(matrices),
                }
            )
            sketch._mesh(attributes, indices, {"skin": part})
            sketch.json["scenes"][0]["nodes"].append(len(nodes) - 1)
        points = rng.normal(size=(3, 3)).astype("<f4")
        sketch._mesh({"POSITION": sketch.accessor(points)}, None,
                     {"translation": [1, 2, 3], "scale": [1, 2, 0.5]})  # fmt: skip
        nodes[count].setdefault("children", []).append(len(nodes) - 1)
        return sketch

    @classmethod
    def person(cls, *, version: int) -> Sketch:
        """The canonical joints with a triangle each, two morph targets, and VRM 0 or 1 beside."""
        sketch = cls()
        skeleton = humanoid_skeleton()
        names = list(HUMANOID_NAMES)
        turn = half_turn() if version == 0 else np.eye(3)
        heads = skeleton.rest_world()[1].astype(float) @ turn
        for j, name in enumerate(names):
            above = HUMANOID_PARENTS[name]
            local = heads[j] - (heads[names.index(above)] if above else 0)
            called = name
            if version == 0:
                called = name.replace("ThumbMetacarpal", "Thumb0").replace(
                    "ThumbProximal", "Thumb1"
                )
            sketch.json["nodes"].append({"name": called, "translation": local.tolist()})
            if above:
                sketch.json["nodes"][names.index(above)].setdefault("children", []).append(j)
        corners = np.array([[0, 0, 0], [0.02, 0, 0], [0, 0.02, 0]])
        points = (heads[:, None] + corners).reshape(-1, 3).astype("<f4")
        count = len(points)
        slots = np.zeros((count, 4), "<u1")
        slots[:, 0] = np.repeat(np.arange(len(names)), 3)
        weights = np.zeros((count, 4), "<f4")
        weights[:, 0] = 1
        inverse = np.tile(np.eye(4), (len(names), 1, 1))
        inverse[:, :3, 3] = -heads
        moved = np.full((count, 3), 0.01, "<f4")
        attributes = {
            "POSITION": sketch.accessor(points),
            "JOINTS_0": sketch.accessor(slots),
            "WEIGHTS_0": sketch.accessor(weights),
        }
        matrices = inverse.transpose(0, 2, 1).reshape(-1, 16).astype("<f4")
        sketch.json["skins"].append(
            {
                "joints": list(range(len(names))),
                "inverseBindMatrices": sketch.accessor(matrices),
            }
        )
        indices = sketch.accessor(np.arange(count).astype("<u2"))
        sketch._mesh(attributes, indices, {"skin": 0})
        figure = len(sketch.json["nodes"]) - 1
        primitive = sketch.json["meshes"][0]["primitives"][0]
        primitive["targets"] = [{"POSITION": sketch.accessor(moved)} for _ in range(2)]
        sketch.json["meshes"][0]["extras"] = {"targetNames": ["mouth", "lids"]}
        sketch.json["scenes"][0]["nodes"] = [0, figure]
        sketch.json["extensions"] = _vrm_1(names, figure) if version else _vrm_0(names)
        return sketch

    def _mesh(self, attributes: dict[str, int], indices: int | None, node: dict[str, Any]) -> None:
        primitive: dict[str, Any] = {"attributes": attributes}
        if indices is not None:
            primitive["indices"] = indices
        self.json["meshes"].append({"primitives": [primitive]})
        self.json["nodes"].append({"mesh": len(self.json["meshes"]) - 1, **node})


def _vrm_1(names: list[str], figure: int) -> dict[str, Any]:
    bind = [{"node": figure, "index": 0, "weight": 1.0}]
    return {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": {"name": "New one", "authors": ["A", "B"]},
            "humanoid": {"humanBones": {name: {"node": j} for j, name in enumerate(names)}},
            "expressions": {"preset": {"aa": {"morphTargetBinds": bind}}},
        }
    }


def _vrm_0(names: list[str]) -> dict[str, Any]:
    def old(name: str) -> str:
        name = name.replace("ThumbProximal", "ThumbIntermediate")
        return name.replace("ThumbMetacarpal", "ThumbProximal")

    bind = [{"mesh": 0, "index": 1, "weight": 100}]
    return {
        "VRM": {
            "specVersion": "0.0",
            "meta": {"title": "Old one", "author": "Somebody", "commercialUssageName": "Disallow"},
            "humanoid": {
                "humanBones": [{"bone": old(name), "node": j} for j, name in enumerate(names)]
            },
            "blendShapeMaster": {
                "blendShapeGroups": [{"name": "Blink", "presetName": "blink", "binds": bind}]
            },
        }
    }


def world_matrices(
    raw: dict[str, Any], rotations: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    nodes = raw["nodes"]
    world: list[np.ndarray | None] = [None] * len(nodes)
    parents = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}

    def of(i: int) -> np.ndarray:
        if world[i] is None:
            node = nodes[i]
            turn = (rotations or {}).get(node.get("name"), node.get("rotation", [0, 0, 0, 1]))
            local = np.eye(4)
            local[:3, :3] = _matrix(turn) @ np.diag(node.get("scale", [1, 1, 1]))
            local[:3, 3] = node.get("translation", [0, 0, 0])
            world[i] = of(parents[i]) @ local if i in parents else local
        return world[i]

    return np.stack([of(i) for i in range(len(nodes))])


def reference_vertices(path: Path, rotations: dict[str, np.ndarray]) -> np.ndarray:
    """World vertices as glTF 2.0, 3.7.3 defines them; skinned nodes first."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    raw, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    world = world_matrices(raw, rotations)
    held = [i for i, node in enumerate(raw["nodes"]) if "mesh" in node]
    pieces = []
    for i in sorted(held, key=lambda i: "skin" not in raw["nodes"][i]):
        node = raw["nodes"][i]
        attributes = raw["meshes"][node["mesh"]]["primitives"][0]["attributes"]
        points = _decoded(raw, binary, attributes["POSITION"])
        points = np.concatenate([points, np.ones((len(points), 1))], 1)
        if "skin" not in node:
            pieces.append((points @ world[i].T)[:, :3])
            continue
        skin = raw["skins"][node["skin"]]
        inverse = _decoded(raw, binary, skin["inverseBindMatrices"])
        inverse = inverse.reshape(-1, 4, 4).transpose(0, 2, 1)
        slots = _decoded(raw, binary, attributes["JOINTS_0"]).astype(int)
        weights = _decoded(raw, binary, attributes["WEIGHTS_0"])
        for v, point in enumerate(points):
            blended = sum(
                weights[v, k] * world[skin["joints"][slots[v, k]]] @ inverse[slots[v, k]]
                for k in range(4)
            )
            pieces.append((blended @ point)[None, :3])
    return np.concatenate(pieces)


def _decoded(raw: dict[str, Any], binary: bytes, index: int) -> np.ndarray:
    accessor = raw["accessors"][index]
    view = raw["bufferViews"][accessor["bufferView"]]
    dtype, width = np.dtype(_DTYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    step = view.get("byteStride", dtype.itemsize * width)
    rows = [
        np.frombuffer(binary, dtype, width, view["byteOffset"] + i * step)
        for i in range(accessor["count"])
    ]
    values = np.stack(rows).astype(float)
    return values / 255 if accessor.get("normalized") else values


def _turn(rng: np.random.Generator) -> list[float]:
    turn = rng.normal(size=4)
    return (turn / np.linalg.norm(turn)).tolist()


def _matrix(turn: Any) -> np.ndarray:
    x, y, z, w = np.asarray(turn, float) / np.linalg.norm(turn)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _rigid(rng: np.random.Generator) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = _matrix(_turn(rng))
    out[:3, 3] = rng.normal(size=3) * 0.3
    return out
