"""Batch: many motion files onto one avatar; one bad file never stops the others."""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from twinsdk.core.avatar import Avatar
from twinsdk.core.files import atomic_path
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FileMissingError, OutputError, TwinError, UsageError
from twinsdk.formats import load_clip, save_clip
from twinsdk.formats.dispatch import CLIP_READERS, CLIP_WRITERS, extension
from twinsdk.retarget.measure import measure
from twinsdk.retarget.retargeter import RetargetConfig, Retargeter

__all__ = ["FileReport", "find_sources", "retarget_file", "retarget_files", "save_report"]


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What became of one file.

    Attributes:
        source, target: Paths.
        status: "done", "skipped" (it was there already) or "failed".
        error: One line for people where it failed.
        frames, fps, seconds: Of the motion.
        scale: Avatar leg length over source leg length.
        roles, confidence: The joint map of the source.
        notes: What was found out about the source.
        measures: See `ClipMeasures`.
    """

    source: str
    target: str
    status: str
    error: str | None = None
    frames: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    scale: float = 0.0
    roles: dict[str, str] = field(default_factory=dict)
    confidence: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measures: dict[str, float | None] = field(default_factory=dict)


def find_sources(patterns: Iterable[str | Path]) -> list[tuple[Path, Path]]:
    """Return (file, its path below what was named) for files, folders and globs, sorted.

    A folder gives all motion files in it and below. What was named as a file is taken whatever
    its extension, so that the error can name it.

    Raises:
        FileMissingError: Something named is not there, or nothing was found at all.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = [f for f in sorted(path.rglob("*")) if _is_motion(f)]
            found.update({file: file.relative_to(path) for file in inside})
        elif path.exists():
            found.setdefault(path, Path(path.name))
        else:
            # Path.glob refuses absolute patterns.
            names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
            matches = sorted(Path(name) for name in names)
            if not matches:
                raise FileMissingError(f"retarget: no such file, folder or pattern: {pattern}")
            found.update({file: Path(file.name) for file in matches if _is_motion(file)})
    if not found:
        raise FileMissingError(f"retarget: found no motion files ({' '.join(CLIP_READERS)})")
    return sorted(found.items())


def retarget_file(
    source: str | Path,
    avatar: Avatar | Skeleton,
    target: str | Path,
    config: RetargetConfig | None = None,
) -> FileReport:
    """Retarget one file and write the result.

    Raises:
        TwinError: The file cannot be read, is no humanoid, or the result cannot be written.
    """
    clip = load_clip(source)
    made = Retargeter(clip.skeleton, avatar, config, sample=clip)
    result = made.clip(clip)
    humanoid = {made.target.skeleton.names[j]: role for role, j in made.target.roles.items()}
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    save_clip(result, target, humanoid=humanoid)
    names = made.source.skeleton.names
    confidence = {} if made.source_map is None else dict(made.source_map.confidence)
    return FileReport(
        source=str(source),
        target=str(target),
        status="done",
        frames=len(clip),
        fps=clip.fps,
        seconds=clip.duration_s,
        scale=made.scale,
        roles={role: names[j] for role, j in made.source.roles.items()},
        confidence=confidence,
        notes=made.notes,
        measures=asdict(measure(made, clip, result)),
    )


def retarget_files(
    sources: Iterable[str | Path],
    avatar: Avatar | Skeleton,
    output: str | Path,
    *,
    suffix: str | None = None,
    config: RetargetConfig | None = None,
    workers: int = 1,
    ray: str | None = None,
    resume: bool = False,
    on_done: Callable[[FileReport], None] | None = None,
) -> list[FileReport]:
    """Retarget files, folders and globs; results are in the order of the sources.

    Args:
        sources: See `find_sources`.
        avatar: What to put the motion on.
        output: A file for a single source where it ends in a motion extension, else a folder.
        suffix: Extension of the results (".bvh"); that of `output`, or ".vrma", where None.
        config: How to retarget.
        workers: Processes; 1 works in this one.
        ray: Address of a Ray cluster to work on instead, "local" for one of `workers` processes.
        resume: Leave results alone that are there and newer than their source.
        on_done: Called in this process with each report as it comes.

    Raises:
        FileMissingError: A source is not there.
        UsageError: Two sources would have one result, the suffix is unknown, or workers < 1.
        DependencyError, EndpointError: Ray is not installed, or not at that address.
    """
    if workers < 1:
        raise UsageError(f"workers: expected at least 1, got {workers}")
    jobs = plan(find_sources(sources), Path(output), suffix)
    reports: dict[int, FileReport] = {}

    def take(index: int, report: FileReport) -> None:
        reports[index] = report
        if on_done is not None:
            on_done(report)

    todo = []
    for index, (source, target) in enumerate(jobs):
        if resume and _is_newer(target, source):
            take(index, FileReport(source=str(source), target=str(target), status="skipped"))
        else:
            todo.append((index, source, target))
    if ray is not None and todo:
        for index, report in _on_cluster(todo, avatar, config, ray, workers):
            take(index, report)
    elif workers == 1 or len(todo) < 2:
        for index, source, target in todo:
            take(index, _attempt(source, target, avatar, config))
    else:
        for index, report in _in_processes(todo, avatar, config, min(workers, len(todo))):
            take(index, report)
    return [reports[index] for index in sorted(reports)]


def plan(
    found: Sequence[tuple[Path, Path]], output: Path, suffix: str | None
) -> list[tuple[Path, Path]]:
    """Return (source, target) pairs.

    Raises:
        UsageError: Two sources would have one result, or the suffix is unknown.
        OutputError: The output is a file where a folder is needed.
    """
    as_file = extension(output) in CLIP_WRITERS and not output.is_dir()
    wanted = suffix or (extension(output) if as_file else ".vrma")
    wanted = wanted if wanted.startswith(".") else f".{wanted}"
    if wanted not in CLIP_WRITERS:
        raise UsageError(f"format: expected one of {' '.join(CLIP_WRITERS)}, got {wanted}")
    if len(found) == 1 and as_file:
        return [(found[0][0], output)]
    if output.is_file() or as_file:
        raise OutputError(f"output: expected a folder for {len(found)} files, got a file: {output}")
    targets: dict[Path, Path] = {}
    for source, below in found:
        name = below.name[: -len(extension(below))] + wanted
        target = output / below.with_name(name)
        if target in targets:
            raise UsageError(f"output: {targets[target]} and {source} would both become {target}")
        targets[target] = source
    return [(source, target) for target, source in targets.items()]


def save_report(path: str | Path, reports: Sequence[FileReport]) -> None:
    """Write reports as JSON, whole or not at all.

    Raises:
        OutputError: The path cannot be written.
    """
    data = {
        "files": [asdict(report) for report in reports],
        "done": sum(report.status == "done" for report in reports),
        "skipped": sum(report.status == "skipped" for report in reports),
        "failed": sum(report.status == "failed" for report in reports),
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _attempt(
    source: Path, target: Path, avatar: Avatar | Skeleton, config: RetargetConfig | None
) -> FileReport:
    try:
        return retarget_file(source, avatar, target, config)
    except TwinError as error:
        words = str(error)
        named = str(source) in words or str(target) in words
        return _failed(source, target, words if named else f"{words}: {source}")
    except OSError as error:
        return _failed(source, target, f"{error.strerror or error}: {source}")
    except Exception as error:  # a fault of ours, too, must not cost the other files
        return _failed(source, target, f"unexpected {type(error).__name__} ({error}): {source}")


def _failed(source: Path, target: Path, error: str) -> FileReport:
    return FileReport(source=str(source), target=str(target), status="failed", error=error)


_DIED = "the worker process died on this file"
_worker: dict[str, Any] = {}  # what each worker process was started with


def _start_worker(avatar: Avatar | Skeleton, config: RetargetConfig | None) -> None:
    _worker.update(avatar=avatar, config=config)


def _work(source: Path, target: Path) -> FileReport:
    return _attempt(source, target, _worker["avatar"], _worker["config"])


Job = tuple[int, Path, Path]


def _on_cluster(
    jobs: list[Job],
    avatar: Avatar | Skeleton,
    config: RetargetConfig | None,
    address: str,
    workers: int,
) -> Iterator[tuple[int, FileReport]]:
    from twinsdk.retarget.cluster import in_ray

    whole = [(index, source.resolve(), target.absolute()) for index, source, target in jobs]
    named = {index: (str(source), str(target)) for index, source, target in jobs}
    work = partial(_attempt, avatar=avatar, config=config)
    notes = Path(os.path.commonpath([target.parent for _, _, target in whole]))
    for index, report in in_ray(whole, work, address=address, workers=workers, notes=notes):
        source, target = named[index]
        if report is None:
            yield index, _failed(Path(source), Path(target), f"{_DIED}: {source}")
        else:
            yield index, replace(report, source=source, target=target)


def _in_processes(
    jobs: list[Job], avatar: Avatar | Skeleton, config: RetargetConfig | None, workers: int
) -> Iterator[tuple[int, FileReport]]:
    """Yield reports as workers finish.

    When a worker dies, the few files that were at work are tried once more, each alone, and the
    rest goes on with new workers.
    """
    waiting = deque(jobs)
    while waiting:
        suspects = yield from _pool(waiting, avatar, config, workers)
        for job in suspects:
            if (yield from _pool(deque([job]), avatar, config, 1)):
                index, source, target = job
                yield index, _failed(source, target, f"{_DIED}: {source}")


def _pool(
    waiting: deque[Job], avatar: Avatar | Skeleton, config: RetargetConfig | None, workers: int
) -> Generator[tuple[int, FileReport], None, list[Job]]:
    """Work on `waiting` until it is empty or a worker dies; return the files then at work."""
    # Spawned, not forked: threads of numerical libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    running: dict[Future[FileReport], Job] = {}
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(avatar, config)
    ) as pool:
        try:
            while waiting or running:
                # One more than there are workers, so that none waits for us.
                while waiting and len(running) <= workers:
                    job = waiting[0]
                    running[pool.submit(_work, job[1], job[2])] = job
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    report = future.result()
                    yield running.pop(future)[0], report
        except BrokenProcessPool:
            finished = [f for f in running if f.done() and f.exception() is None]
            for future in finished:
                yield running.pop(future)[0], future.result()
            return list(running.values())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return []


def _is_motion(path: Path) -> bool:
    return extension(path) in CLIP_READERS and path.is_file()


def _is_newer(target: Path, source: Path) -> bool:
    return target.is_file() and target.stat().st_mtime >= source.stat().st_mtime
