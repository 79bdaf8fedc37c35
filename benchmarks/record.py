"""Timing that survives a busy machine, and result files that say where they come from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

RESULTS = Path(__file__).parent / "results"


def timed(calls: Mapping[str, Callable[[], object]], seconds: float = 2.0) -> dict[str, Any]:
    """Return {name: {min_us, median_us, p99_us, count}}, the calls taking turns.

    Turns make ratios fair under a changing load: a burst of others' work hits all alike. The
    minimum is what a quiet machine gives, the median what this one gave.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end = perf_counter() + seconds * len(calls)
    while perf_counter() < end or min(map(len, samples.values())) < 3:
        for name, call in calls.items():
            call()  # brings its own data back into the cache
            start = perf_counter()
            call()
            samples[name].append((perf_counter() - start) * 1e6)
    return {
        name: {
            "min_us": round(min(times), 3),
            "median_us": round(median(times), 3),
            "p99_us": round(sorted(times)[int(0.99 * (len(times) - 1))], 3),
            "count": len(times),
        }
        for name, times in samples.items()
    }


def provenance() -> dict[str, Any]:
    """Return the commit, machine, load and versions of this run."""
    root = Path(__file__).parents[1]

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    versions = {"python": platform.python_version()}
    for package in ("twinsdk", "numpy", "torch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "commit": git("rev-parse", "--short", "HEAD") or "unknown",
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "load": [round(load, 1) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": versions,
    }


def save(name: str, results: Mapping[str, Any]) -> Path:
    """Write `results` with their provenance to benchmarks/results/`name`.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"provenance": provenance(), "results": results}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _gpu() -> str | None:
    torch = sys.modules.get("torch")  # what does not use torch uses no GPU
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(provenance(), indent=1) + "\n")
