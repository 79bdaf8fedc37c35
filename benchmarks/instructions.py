"""Instructions each kernel executes, counted by callgrind: the same on every run of one compiler.

    python benchmarks/instructions.py [--save]

Without `--save` the counts are compared with benchmarks/results/instructions.json; more than 2 %
above is an error. AVX-512 is not counted: valgrind does not know it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from record import RESULTS, save

CSRC = Path(__file__).parents[1] / "csrc"
FLAGS = ("-std=c++17", "-O3", "-g", "-Wno-psabi", "-ffp-contract=fast", "-fno-math-errno",
         "-fno-trapping-math", "-pthread")  # fmt: skip
KERNELS = {
    "linear": ("base", "avx2"),
    "dual": ("base", "avx2"),
    "fused": ("base", "avx2"),
    "normals": ("base", "avx2"),
    "kinematics": ("base",),
    "encode": ("base",),
    "parse": ("base",),
}
ALLOWED = 1.02


def count(program: Path, kernel: str, isa: str) -> int:
    """Return the instructions of one run of a kernel."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         "--toggle-collect=*Counted*", str(program), kernel, isa],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"callgrind: no count in {done.stderr[-200:]!r}")
    return int(found[1])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--save", action="store_true", help="make these the recorded counts")
    chosen = options.parse_args()
    missing = [tool for tool in ("g++", "valgrind") if shutil.which(tool) is None]
    if missing:
        print(f"not counted: {' and '.join(missing)} not installed")
        return 0
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True)
    version = compiler.stdout.splitlines()[0]
    counts = {"compiler": version}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "count_kernels"
        sources = [*sorted(CSRC.glob("src/*.cpp")), CSRC / "tests" / "count_kernels.cpp"]
        subprocess.run(
            ["g++", *FLAGS, f"-I{CSRC / 'include'}", *sources, "-o", program], check=True
        )
        for kernel, isas in KERNELS.items():
            for isa in isas:
                counts[f"{kernel}, {isa}"] = count(program, kernel, isa)
    path = RESULTS / "instructions.json"
    before = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}
    worse = False
    for name, now in counts.items():
        if isinstance(now, int):
            then = before.get(name)
            comparable = then is not None and before["compiler"] == version
            risen = comparable and now > ALLOWED * then
            worse = worse or risen
            change = f"{100 * (now / then - 1):+6.1f} %" if comparable else ""
            print(f"  {name:20s} {now:12d} {change} {'MORE THAN RECORDED' if risen else ''}")
    if chosen.save:
        print(f"written: {save('instructions', counts)}")
        return 0
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
