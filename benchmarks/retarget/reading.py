"""Reading BVH and GLB beside the Python libraries that can: least processor time of a few runs.

    pip install pybvh bvhio pygltflib        # what is not installed is left out
    python benchmarks/retarget/reading.py    # writes results/retarget_reading.json

BVH: 31 joints, 5134 frames, of joint rotations and a root that moves (made here). GLB: 76
animations of 66 joints, 3.4 MB. twinsdk's row ends with float32 quaternions, metres and checked
skeletons; pybvh's with Euler angles, bvhio's with its own transforms, pygltflib's with JSON objects
whose numbers are still bytes. Processor seconds are what a loaded machine still tells; the memory
and cache of neighbours slow all rows alike.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from twinsdk.formats import load_clip
from twinsdk.formats.animation import read_clips
from twinsdk.retarget.evaluation.speeds import write_library, write_table

RESULT = Path(__file__).parents[1] / "results" / "retarget_reading.json"
FRAMES = 5134


def bvh_readers():
    """Return {library: call with a path}."""
    readers = {"twinsdk": load_clip}
    if find_spec("pybvh"):
        from pybvh import read_bvh_file

        readers["pybvh"] = read_bvh_file
    if find_spec("bvhio"):
        import bvhio

        readers["bvhio"] = bvhio.readAsBvh
    return readers


def glb_readers():
    """Return {library: call with a path}."""
    readers = {"twinsdk, every clip": read_clips}
    if find_spec("pygltflib"):
        from pygltflib import GLTF2

        readers["pygltflib, JSON alone"] = lambda path: GLTF2().load(str(path))
    return readers


def least(call, repeats):
    """Return the smallest processor time of a few calls, seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main():
    """Measure, print, write JSON."""
    result = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, shared",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "bvh": {},
        "glb": {},
        "versions": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        bvh, glb = Path(folder) / "a.bvh", Path(folder) / "a.glb"
        write_table(bvh, FRAMES)
        write_library(glb)
        for name, read in bvh_readers().items():
            seconds = least(lambda read=read: read(str(bvh)), 9 if name == "twinsdk" else 3)
            result["bvh"][name] = {
                "seconds": round(seconds, 4),
                "frames_s": round(FRAMES / seconds),
            }
        for name, read in glb_readers().items():
            repeats = 9 if name.startswith("twinsdk") else 1
            result["glb"][name] = round(least(lambda read=read: read(glb), repeats), 4)
        result["megabytes"] = {p.suffix: round(p.stat().st_size / 1e6, 2) for p in (bvh, glb)}
    for name in ("numpy", "pybvh", "bvhio", "pygltflib"):
        if find_spec(name):
            result["versions"][name] = metadata.version(name)
    print(json.dumps(result, indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
