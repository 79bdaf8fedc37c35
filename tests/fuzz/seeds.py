"""Small valid files of every kind and who reads them; small, so most changes hit something."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import spoil

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, REQUIRED_JOINTS
from twinsdk.core.skeleton import Skeleton, matrices
from twinsdk.formats import load_avatar, load_clip, save_avatar, save_clip
from twinsdk.formats.journal import JournalWriter

FORMATS = Path(__file__).parents[1] / "formats"


@dataclass
class Reader:
    """A kind of file: its extension, what reads it, how it is spoilt, and valid ones."""

    suffix: str
    run: object
    change: object = spoil.anywhere
    seeds: list[bytes] = field(default_factory=list)


def sibling(name):
    """Return a test module of tests/formats, whose makers of small files are used."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FORMATS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def skeleton(names):
    """Return joints of these humanoid names, each half a metre from the one above."""
    names = [name for name in HUMANOID_NAMES if name in names]
    parents = []
    for name in names:
        above = HUMANOID_PARENTS[name]
        while above is not None and above not in names:
            above = HUMANOID_PARENTS[above]
        parents.append(-1 if above is None else names.index(above))
    offsets = np.tile([0.1, 0.3, 0.0], (len(names), 1))
    return Skeleton(
        names=names,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )


def clip_on(joints, frames=2, *, face=False):
    rng = np.random.default_rng(0)
    return MotionClip(
        skeleton=joints,
        fps=30,
        rotations=quat.from_rotation_vector(rng.normal(size=(frames, len(joints), 3)) * 0.2),
        root_translations=rng.normal(size=(frames, 3)),
        expressions=np.full((frames, 52), 0.25) if face else None,
    )


def small_avatar():
    joints = skeleton({*REQUIRED_JOINTS, "leftEye"})
    return Avatar(
        skeleton=joints,
        mesh=Mesh(
            vertices=[[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]],
            normals=np.tile([0, 0, 1.0], (3, 1)),
            uvs=np.zeros((3, 2)),
            triangles=[[0, 1, 2]],
        ),
        skin=Skin(
            joints=np.zeros((3, 2), np.uint16),
            weights=np.full((3, 2), 0.5),
            inverse_bind=np.linalg.inv(matrices(*joints.rest_world())),
        ),
        morphs=Morphs(names=("jawOpen",), offsets=np.full((1, 3, 3), 0.01)),
        humanoid={name: name for name in joints.names},
        meta={"name": "fuzz", "gltf": {"extensions": {"EXT_other": {"a": 1}}}},
    )


def readers(folder):
    """Return {kind: Reader}."""
    out = {}

    def add(kind, suffix, data, change=spoil.anywhere, run=load_clip):
        out.setdefault(kind, Reader(suffix, run, change)).seeds.append(data)

    few = clip_on(skeleton({"hips", "spine", "head", "leftUpperArm"}))
    person = clip_on(skeleton(REQUIRED_JOINTS))
    talking = clip_on(skeleton({"hips", "head"}), face=True)
    inner = {".npz": spoil.inside_zip, ".glb": spoil.inside_glb, ".gltf": spoil.inside_gltf,
             ".vrma": spoil.inside_glb, ".bvh.gz": spoil.inside_gzip}  # fmt: skip
    # Expressions make a glTF ten times as long, so most runs are without.
    clips = {".bvh": [few], ".bvh.gz": [few], ".npz": [few, talking], ".gltf": [few],
             ".glb": [few, few, few, talking], ".vrma": [person], ".trc": [person]}  # fmt: skip
    for suffix, made in clips.items():
        for clip in made:
            save_clip(clip, folder / f"a{suffix}")
            data = (folder / f"a{suffix}").read_bytes()
            add(suffix[1:], suffix, data, inner.get(suffix, spoil.anywhere))
    _avatars(folder, add)
    with JournalWriter(folder / "a.twinclip", talking.skeleton) as journal:
        for k in range(len(talking)):
            journal.append(talking[k], talking.expressions[k], k * 33_000_000)
    data = (folder / "a.twinclip").read_bytes()
    add("twinclip", ".twinclip", data, spoil.inside_journal)
    _others(folder, add)
    _usd(folder, few, talking, add)
    return out


def _avatars(folder, add):
    avatar, sketches = small_avatar(), sibling("sketches")
    change = {".vrm": spoil.inside_glb, ".glb": spoil.inside_glb, ".npz": spoil.inside_zip}
    for suffix in (".vrm", ".glb", ".npz"):
        save_avatar(avatar, folder / f"b{suffix}")
        data = (folder / f"b{suffix}").read_bytes()
        for _ in range(6):  # to one each of the sketches below, which are four times as long
            add(f"{suffix[1:]} avatar", suffix, data, change[suffix], load_avatar)
    for version in (0, 1):
        sketch = sketches.Sketch.person(version=version)
        sketches_extras(sketch.json)
        data = sketch.save(folder / "c.vrm").read_bytes()
        add("vrm avatar", ".vrm", data, spoil.inside_glb, load_avatar)


def sketches_extras(document):
    """Add spring bones and a constraint, so that their readers are reached."""
    document["extensions"]["VRMC_springBone"] = {
        "specVersion": "1.0",
        "colliders": [{"node": 1, "shape": {"sphere": {"offset": [0, 0, 0], "radius": 0.1}}}],
        "colliderGroups": [{"colliders": [0]}],
        "springs": [{"joints": [{"node": 5}, {"node": 6}], "colliderGroups": [0], "center": 0}],
    }
    document["nodes"][3]["extensions"] = {
        "VRMC_node_constraint": {
            "specVersion": "1.0",
            "constraint": {"roll": {"source": 2, "rollAxis": "X", "weight": 0.5}},
        }
    }


def _others(folder, add):
    fbx, markers = sibling("test_fbx"), sibling("test_markers")
    amass, acclaim = sibling("test_amass"), sibling("test_acclaim")
    add("fbx", ".fbx", fbx.binary(fbx.arm()))
    add("fbx", ".fbx", fbx.binary(fbx.arm(), 7700, compress=False))
    add("fbx text", ".fbx", fbx.ascii_(fbx.arm()))
    add("c3d", ".c3d", markers.c3d(markers.labelled(markers.walking(2))))
    data = amass.save(folder / "c.npz", joints=22, frames=2).read_bytes()
    add("amass", ".npz", data, spoil.inside_zip)
    (folder / "01.asf").write_text(acclaim.ASF)
    add("amc", ".amc", acclaim.AMC.encode())

    def read_asf(path):
        (path.parent / "02.asf").write_bytes(path.read_bytes())
        (path.parent / "02_01.amc").write_text(acclaim.AMC)
        return load_clip(path.parent / "02_01.amc")

    add("asf", ".asf_", acclaim.ASF.encode(), run=read_asf)


def _usd(folder, few, talking, add):
    """Read in this process, as the product's child process does; its deaths are counted."""
    try:
        import pxr  # noqa: F401
    except ImportError:
        return
    from twinsdk.formats.guard import reading
    from twinsdk.formats.usd_read import read_here

    def run(path):
        with reading(path, "USD"):
            return read_here(path)

    for suffix in (".usda", ".usdc", ".usdz"):
        change = spoil.inside_usdz if suffix == ".usdz" else spoil.anywhere
        for clip in (few, talking):
            save_clip(clip, folder / f"a{suffix}")
            add(suffix[1:], suffix, (folder / f"a{suffix}").read_bytes(), change, run)


def native_calls():
    """Return {name: call} of parsers in C++, each called from memory with a random generator."""
    from twinsdk.bridge.layout import read_layout
    from twinsdk.bridge.wire import Codec, FrameEncoder, pose_wire
    from twinsdk.core.frame import TwinFrame
    from twinsdk.core.kernel import parse_numbers

    rng = np.random.default_rng(0)
    text = b" ".join(b"%.6f" % v for v in rng.uniform(-1000, 1000, 24)) + b"\n1e-5 .5 -0 7\n"

    def numbers(rng):
        values = parse_numbers(spoil.anywhere(text, rng), rng.choice((None, None, 28)))
        if not np.isfinite(values).all():
            raise AssertionError("a number that is not finite")

    clip = clip_on(skeleton(REQUIRED_JOINTS))
    frame = TwinFrame(
        avatar_id=1,
        sequence=2,
        timestamp_ns=3,
        pose=clip[0],
        expressions=np.full(52, 0.25, np.float32),
        confidence=1.0,
    )
    wires = []
    for codec in Codec:
        encoder = FrameEncoder(joints=len(clip.skeleton), codec=codec, session=1, descriptor=2)
        message = encoder.encode(frame)
        wires.append((message, pose_wire(read_layout(message), message)))

    def wire(rng):
        message, known = rng.choice(wires)
        changed = bytearray(message)
        for _ in range(rng.choice((1, 1, 2, 4))):
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255))
        if rng.random() < 0.1:
            del changed[rng.randrange(len(changed)) :]
        found = known.read(bytes(changed))
        if isinstance(found, int):
            raise spoil.RefusedError(found)
        if not all(np.isfinite(part).all() for part in found[8:11]):
            raise AssertionError("a pose that is not finite")

    return {"numbers (native)": numbers, "pose message (native)": wire}
