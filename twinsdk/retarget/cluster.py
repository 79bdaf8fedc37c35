"""The batch on a Ray cluster: Ray hands out the files, the work on each is the batch's own.

Files are read and written by the nodes themselves, so sources and results must lie where all of
them reach them under one path, and twinsdk must be installed on each. A worker that dies costs one
try of the file it was at: Ray gives it to another, twice at most. What a worker had finished it
noted beside the results, so that a file whose report was lost on the way is not done again.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twinsdk.core.files import atomic_path
from twinsdk.errors import DependencyError, EndpointError, OutputError

__all__ = ["in_ray"]

_TRIES = 3
_LOCAL = "local"


def in_ray(
    jobs: Sequence[tuple[int, Path, Path]],
    work: Callable[[Path, Path], Any],
    *,
    address: str,
    workers: int,
    notes: Path,
) -> Iterator[tuple[int, Any]]:
    """Yield (index, report) as Ray's workers finish; None is the report of one that kept dying.

    Args:
        jobs: (index, source, target); paths that every node reaches.
        work: Does one file and returns its `FileReport`; never raises.
        address: Of the cluster ("auto", "10.0.0.5:6379", "ray://head:10001"), or "local" for one
            on this machine that ends with the work.
        workers: Processes of a local one.
        notes: A folder, beside the results, for what is done; it is made and removed here.

    Raises:
        DependencyError: Ray is not installed.
        EndpointError: There is no cluster at that address.
    """
    ray = _started(address, workers)
    folder = notes / f".twinsdk-{uuid.uuid4().hex[:12]}"
    try:
        notes.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"output: cannot write there ({error.strerror}): {notes}") from error
    try:
        shared = ray.put(work)  # the avatar travels once, not with every file
        # One core a file, and a file's memory is given back before the next begins.
        task = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_noted)
        task = task.options(name="twinsdk retarget")
        waiting = {
            task.remote(shared, source, target, folder / f"{index}.json"): index
            for index, source, target in jobs
        }
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            for reference in done:
                index = waiting.pop(reference)
                try:
                    yield index, ray.get(reference)
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    yield index, None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if address == _LOCAL:
            ray.shutdown()


def _noted(work: Callable[[Path, Path], Any], source: Path, target: Path, note: Path) -> Any:
    """Do a file unless the note says that it is done; runs on a worker."""
    from twinsdk.retarget.batch import FileReport

    if note.is_file():
        told = json.loads(note.read_text("utf-8"))
        return FileReport(**{**told, "notes": tuple(told["notes"])})
    report = work(source, target)
    with atomic_path(note) as temporary:
        temporary.write_text(json.dumps(asdict(report)), "utf-8")
    return replace(report)


def _started(address: str, workers: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise DependencyError("--ray needs Ray: pip install 'twinsdk[batch]'") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a batch of ours reports to nobody
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == _LOCAL:
            ray.init(address=_LOCAL, num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, ignore_reinit_error=True, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EndpointError(f"--ray: cannot reach a Ray cluster ({reason}): {address}") from error
    return ray
