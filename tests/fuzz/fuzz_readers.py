"""Throw spoilt files at every reader and count what happens; not part of the test suite.

    nice python tests/fuzz/fuzz_readers.py --executions 100000 --seconds 1500 --out fuzz.json

A reader may return a value or raise one of our errors. Anything else, a run of more than
--slow seconds or more than --memory GiB of address space is a finding: its input is kept in --keep.
Run it on an idle core; a reader that starts a process a file (USD) is left out unless named.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.kernel import parse_numbers
from twinsdk.core.skeleton import matrices
from twinsdk.errors import TwinError
from twinsdk.formats import load_avatar, load_clip, save_avatar, save_clip
from twinsdk.formats.journal import JournalWriter

HERE = Path(__file__).parent
ODD = [b"-1", b"0", b"1e308", b"nan", b"inf", b"-inf", b"4294967295", b"2147483647", b"-2147483648",
       b"99999999999999999999", b"{", b"}", b"[", b"]", b'"', b"null", b"\x00", b"\xff\xff\xff\xff",
       b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\n", b" ", b"1,5", b"\xef\xbb\xbf"]  # fmt: skip


class TooSlowError(Exception):
    """A reader did not come back."""


def sibling(name):
    """Return a test module of tests/formats, whose makers of small files are used."""
    path = HERE.parent / "formats" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_clip(frames=3):
    canon = humanoid_skeleton()
    rng = np.random.default_rng(0)
    return MotionClip(
        skeleton=canon,
        fps=30,
        rotations=quat.from_rotation_vector(rng.normal(size=(frames, len(canon), 3)) * 0.2),
        root_translations=rng.normal(size=(frames, 3)),
        expressions=np.full((frames, 52), 0.25),
    )


def small_avatar():
    canon = humanoid_skeleton()
    turns, places = canon.rest_world()
    return Avatar(
        skeleton=canon,
        mesh=Mesh(
            vertices=[[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]],
            normals=np.tile([0, 0, 1.0], (3, 1)),
            uvs=np.zeros((3, 2)),
            triangles=[[0, 1, 2]],
        ),
        skin=Skin(
            joints=np.zeros((3, 2), np.uint16),
            weights=np.full((3, 2), 0.5),
            inverse_bind=np.linalg.inv(matrices(turns, places)),
        ),
        morphs=Morphs(names=("jawOpen",), offsets=np.full((1, 3, 3), 0.01)),
        humanoid={name: name for name in canon.names},
        meta={"name": "fuzz"},
    )


def seeds(folder):
    """Return {kind: (suffix, reader, [bytes])} of small valid files."""
    out = {}

    def add(kind, suffix, data, reader=load_clip):
        out.setdefault(kind, (suffix, reader, []))[2].append(data)

    clip, avatar = small_clip(), small_avatar()
    for suffix in (".bvh", ".npz", ".glb", ".gltf", ".vrma", ".trc"):
        save_clip(clip, folder / f"a{suffix}")
        add(suffix[1:], suffix, (folder / f"a{suffix}").read_bytes())
    save_clip(clip, folder / "a.bvh.gz")
    add("bvh.gz", ".bvh.gz", (folder / "a.bvh.gz").read_bytes())
    for kind, suffix in (("vrm avatar", ".vrm"), ("glb avatar", ".glb"), ("npz avatar", ".npz")):
        save_avatar(avatar, folder / f"b{suffix}")
        add(kind, suffix, (folder / f"b{suffix}").read_bytes(), load_avatar)
    with JournalWriter(folder / "a.twinclip", clip.skeleton) as journal:
        for k in range(len(clip)):
            journal.append(clip[k], clip.expressions[k], k * 33_000_000)
    add("twinclip", ".twinclip", (folder / "a.twinclip").read_bytes())
    fbx, markers = sibling("test_fbx"), sibling("test_markers")
    amass, acclaim = sibling("test_amass"), sibling("test_acclaim")
    add("fbx", ".fbx", fbx.binary(fbx.arm()))
    add("fbx", ".fbx", fbx.binary(fbx.arm(), 7700, compress=False))
    add("fbx text", ".fbx", fbx.ascii_(fbx.arm()))
    add("c3d", ".c3d", markers.c3d(markers.labelled(markers.walking(3))))
    add("amass", ".npz", amass.save(folder / "c.npz").read_bytes())
    (folder / "01.asf").write_text(acclaim.ASF)
    add("amc", ".amc", acclaim.AMC.encode())

    def read_asf(path):
        (path.parent / "02.asf").write_bytes(path.read_bytes())
        (path.parent / "02_01.amc").write_text(acclaim.AMC)
        return load_clip(path.parent / "02_01.amc")

    add("asf", ".asf_", acclaim.ASF.encode(), read_asf)
    return out


def spoil(data, rng):
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
            piece = out[at : at + rng.randrange(1, 64)]
            out[at:at] = piece
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
    if rng.random() < 0.5:
        return spoil(data, rng)
    return gzip.compress(spoil(gzip.decompress(data), rng), 1)


def fuzz(kind, suffix, reader, files, args, folder):
    """Return counts of one reader."""
    rng = random.Random(f"{kind}{args.seed}")
    path = folder / f"spoilt{suffix}"
    row = {"executions": 0, "read": 0, "refused": 0, "findings": [], "slowest_s": 0.0}
    begun = time.monotonic()
    while row["executions"] < args.executions and time.monotonic() - begun < args.seconds:
        chosen = rng.choice(files)
        data = inside_gzip(chosen, rng) if suffix.endswith(".gz") else spoil(chosen, rng)
        path.write_bytes(data)
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, args.slow)
        try:
            reader(path)
            row["read"] += 1
        except TwinError:
            row["refused"] += 1
        except BaseException as error:  # whatever it is, it is a finding
            if isinstance(error, KeyboardInterrupt):
                raise
            words = f"{type(error).__name__}: {str(error)[:200]}"
            if words not in row["findings"] and len(row["findings"]) < 20:
                row["findings"].append(words)
                args.keep.mkdir(parents=True, exist_ok=True)
                kept = f"{kind.replace(' ', '-')}-{len(row['findings'])}{suffix}"
                (args.keep / kept).write_bytes(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        row["slowest_s"] = round(max(row["slowest_s"], time.monotonic() - start), 3)
        row["executions"] += 1
    row["seconds"] = round(time.monotonic() - begun, 1)
    return row


def fuzz_native(args):
    """Return counts of the native number parser, called from memory."""
    rng = random.Random(args.seed)
    text = b" ".join(b"%.6f" % rng.uniform(-1000, 1000) for _ in range(24)) + b"\n1e-5 .5 -0 7\n"
    row = {"executions": 0, "read": 0, "refused": 0, "findings": []}
    begun = time.monotonic()
    while row["executions"] < args.native and time.monotonic() - begun < args.seconds:
        data = spoil(text, rng)
        try:
            found = parse_numbers(data, rng.choice((None, None, 28)))
            row["read"] += 1
            if not np.isfinite(found).all():
                row["findings"].append(f"not finite: {data!r}")
        except TwinError:
            row["refused"] += 1
        row["executions"] += 1
    row["seconds"] = round(time.monotonic() - begun, 1)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=2000, help="a reader")
    parser.add_argument("--native", type=int, default=20_000, help="of the native parser")
    parser.add_argument("--seconds", type=float, default=60.0, help="at most, a reader")
    parser.add_argument("--slow", type=float, default=5.0, help="seconds that are a finding")
    parser.add_argument("--memory", type=float, default=4.0, help="GiB of address space")
    parser.add_argument("--only", nargs="*", help="kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    limit = int(args.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def late(*_):
        raise TooSlowError(f"more than {args.slow} s")

    signal.signal(signal.SIGALRM, late)
    result = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = {k: v for k, v in seeds(folder).items() if not args.only or k in args.only}
        if not args.only or "numbers" in args.only:
            result["numbers (native)"] = fuzz_native(args)
            print("numbers (native)", result["numbers (native)"], flush=True)
        for kind, (suffix, reader, files) in kinds.items():
            result[kind] = fuzz(kind, suffix, reader, files, args, folder)
            print(kind, result[kind], flush=True)
            if args.out:
                args.out.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if any(row["findings"] for row in result.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
