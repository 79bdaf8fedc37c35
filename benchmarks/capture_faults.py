"""What goes wrong in a room, played to the whole session with the real tracker.

    python benchmarks/capture_faults.py              # some minutes; results/capture_faults.json
    python benchmarks/capture_faults.py darkness     # one of them
    python benchmarks/capture_faults.py long 30 15   # 30 minutes at 15 fps: memory and latency

A rendered person is filmed once in memory; every fault changes those pictures or their times. Each
row tells how many of the pictures led to a frame, the states it went through, where in the picture
the person followed is, and the largest turn of a joint from one frame to the next. Needs the
`avatar` extra.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from record import save

import twinsdk as tw
from twinsdk.capture import SourceStatus
from twinsdk.core import quat
from twinsdk.core.arrays import U8
from twinsdk.core.clock import now_ns
from twinsdk.session.truth_film import prepare
from twinsdk.session.truth_motion import resampled
from twinsdk.session.truth_scene import scene_of

FPS = 30
SECONDS = 4
Frames = list[tuple[U8, float]]


class Played:
    """A source over pictures and times, as fast as they are taken or, live, when they are due."""

    name = "played"
    frame_count = None

    def __init__(
        self, frames: Iterable[tuple[U8, float]], *, live: bool = False, fps: float = FPS
    ) -> None:
        self._frames = iter(frames)
        self.fps, self.dropped = fps, 0
        self.live = live
        self.status = SourceStatus.RUNNING
        self.size_px = (0, 0)
        self._count, self._start = 0, 0.0

    def read(self, timeout_s: float = 1.0) -> tw.Image | None:  # noqa: ARG002
        """Return the next picture, waiting until it is due where the source is live."""
        item = next(self._frames, None)
        if self.live and item is not None:
            self._start = self._start or time.perf_counter() - item[1]
            while item is not None and self._due_in(item) < -1 / self.fps:  # a camera goes on
                item = next(self._frames, None)
                self.dropped += 1
        if item is None:
            self.status = SourceStatus.ENDED
            return None
        pixels, at_s = item
        stamp = round(at_s * 1e9)
        if self.live:
            time.sleep(max(0.0, self._due_in(item)))
            stamp = now_ns()
        self.size_px = (pixels.shape[1], pixels.shape[0])
        self._count += 1
        return tw.Image(pixels=pixels, timestamp_ns=stamp, index=self._count - 1)

    def _due_in(self, item: tuple[U8, float]) -> float:
        return self._start + item[1] - time.perf_counter()

    def close(self) -> None:
        """End."""
        self.status = SourceStatus.CLOSED


def played(frames: Frames, *, live: bool = False) -> dict[str, Any]:
    """Return what a session makes of pictures and times."""
    states, poses, latencies, places = [], [], [], []
    source = Played(frames, live=live)
    with tw.Session(source, "default") as session:
        for step in session.steps():
            states.append(step.frames[0].state.value if step.frames else "nobody")
            poses += [step.frames[0].pose.rotations] if step.frames else []
            places += [across(seen) for seen in step.observations]
            if live:
                latencies.append((now_ns() - step.media_ns) / 1e6)
        dropped, lifeless = session.dropped + source.dropped, session.lifeless
    turns = [quat.angle(a, b).max() for a, b in pairwise(poses)]
    runs = [(state, len(list(run))) for state, run in groupby(states)]
    out: dict[str, Any] = {
        "pictures": len(frames),
        "steps": len(states),
        "dropped": dropped,
        "states": " ".join(f"{state}:{count}" for state, count in runs[:12]),
        "finite": bool(all(np.isfinite(pose).all() for pose in poses)),
        "across": round(float(np.median(places)), 2) if places else None,
        "never_moved": lifeless,
        "largest_turn_deg": round(float(np.degrees(max(turns, default=0))), 1),
    }
    if latencies:
        out["latency_p50_ms"], out["latency_p95_ms"] = (
            round(float(value), 1) for value in np.percentile(latencies, [50, 95])
        )
    return out


def across(seen: tw.Observation) -> float:
    """Return where the shoulders are, in fractions of the picture's width from its left."""
    assert seen.image_body is not None
    ends = [seen.image_body.index(f"{side}Shoulder") for side in ("left", "right")]
    return float(seen.image_body.uv[ends, 0].mean())


def at(pictures: Iterable[U8], fps: float = FPS, start_s: float = 0.0) -> Frames:
    return [(picture, start_s + t / fps) for t, picture in enumerate(pictures)]


def filmed(number: int = 1, fps: float = FPS, seconds: float = SECONDS) -> list[U8]:
    made = prepare(scene_of("test", number, duration_s=SECONDS))
    motion = resampled(made.motion, fps)[: round(seconds * fps)]
    made = replace(made, motion=motion, present=np.ones(len(motion), bool))
    return [image.pixels for image, _ in made.pictures()]


def enlarged(picture: U8, size_px: tuple[int, int]) -> U8:
    import cv2

    return np.asarray(cv2.resize(picture, size_px, interpolation=cv2.INTER_LINEAR))


def dark(picture: U8, light: float, rng: np.random.Generator) -> U8:
    noise = rng.normal(0, 3, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


def on_a_wall(picture: U8, poster: U8, share: float) -> U8:
    """Hang a picture of a person on the left of another picture, `share` of its height."""
    height = round(picture.shape[0] * share)
    width = round(poster.shape[1] * height / poster.shape[0])
    out = picture.copy()
    out[10 : 10 + height, 5 : 5 + width] = enlarged(poster, (width, height))
    return out


def faults(pictures: list[U8]) -> dict[str, Callable[[], dict[str, Any]]]:
    rng = np.random.default_rng(0)
    half = len(pictures) // 2
    empty = np.full_like(pictures[0], 90)

    def jumped(jump_s: float) -> Frames:
        return at(pictures[:half]) + at(pictures[half:], start_s=half / FPS + jump_s)

    def poster_alone() -> dict[str, Any]:
        room = dark(empty, 1.0, rng)
        wall = on_a_wall(room, pictures[0], 0.7)
        return played(at([dark(wall, 1.0, rng) for _ in range(120)], fps=10))

    def poster_beside() -> dict[str, Any]:
        return played(at([on_a_wall(p, pictures[0], 0.4) for p in pictures]))

    def starved() -> dict[str, Any]:
        spin = [sys.executable, "-c", "while True: pass"]
        hogs = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 2)]
        try:
            return played(at(pictures * 3), live=True)
        finally:
            for hog in hogs:
                hog.kill()

    return {
        "nothing wrong": lambda: played(at(pictures)),
        "the same picture for 4 s": lambda: played(at([pictures[0]] * len(pictures))),
        "clock 10 s back": lambda: played(jumped(-10)),
        "clock 1 h on": lambda: played(jumped(3600)),
        "7680 x 4320 px": lambda: played(at([enlarged(p, (7680, 4320)) for p in pictures[:12]])),
        "641 x 479 px": lambda: played(at([enlarged(p, (641, 479)) for p in pictures])),
        "size changes half way": lambda: played(
            at([p if t < half else enlarged(p, (333, 251)) for t, p in enumerate(pictures)])
        ),
        "5 fps": lambda: played(at(pictures[::6], fps=5)),
        "120 fps": lambda: played(at(filmed(fps=120, seconds=1), fps=120)),
        "darkness for 2 s": lambda: played(
            at([dark(p, 0.02 if 30 <= t < 90 else 1, rng) for t, p in enumerate(pictures)])
        ),
        "a poster and nobody": poster_alone,
        "a poster beside the person": poster_beside,
        "mirrored": lambda: played(at([np.ascontiguousarray(p[:, ::-1]) for p in pictures])),
        "live, quiet": lambda: played(at(pictures * 3), live=True),
        "live, two others at full load": starved,
    }


def long_run(minutes: float, fps: float) -> dict[str, Any]:
    """Return memory and latency over a live run, a row a minute."""
    pictures = filmed()

    def endless() -> Iterable[tuple[U8, float]]:
        forth = [*pictures, *reversed(pictures)]
        for t in range(round(minutes * 60 * fps)):
            yield forth[t % len(forth)], t / fps

    rows: list[dict[str, float]] = []
    latencies: list[float] = []
    begin = minute = time.perf_counter()
    source = Played(endless(), live=True, fps=fps)
    with tw.Session(source, "default") as session:
        for step in session.steps():
            latencies.append((now_ns() - step.media_ns) / 1e6)
            if time.perf_counter() - minute < 60:
                continue
            minute = time.perf_counter()
            gc.collect()
            p50, p95 = np.percentile(latencies, [50, 95])
            row = {
                "minute": round((minute - begin) / 60, 1),
                "rss_mb": round(resident_mb(), 1),
                "fps": round(len(latencies) / 60, 1),
                "dropped": source.dropped,
                "latency_p50_ms": round(float(p50), 1),
                "latency_p95_ms": round(float(p95), 1),
                "load": round(os.getloadavg()[0], 1),
            }
            rows.append(row)
            latencies.clear()
            print(row, flush=True)
    settled = rows[len(rows) // 5 :]
    memory = [row["rss_mb"] for row in settled]
    return {
        "rows": rows,
        "rss_growth_mb": round(memory[-1] - memory[0], 1) if memory else None,
    }


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    if sys.argv[1:2] == ["long"]:
        print(save("capture_long_run", long_run(*(float(word) for word in sys.argv[2:4]))))
        return
    chosen = faults(filmed())
    wanted = sys.argv[1:] or list(chosen)
    results: dict[str, Any] = {}
    print("| fault | steps of pictures | states | followed at | largest turn | latency p50, p95 |")
    print("|---|---|---|---|---|---|")
    for name in (fault for fault in chosen if any(word in fault for word in wanted)):
        row = results[name] = chosen[name]()
        late = " ".join(f"{row[k]} ms" for k in ("latency_p50_ms", "latency_p95_ms") if k in row)
        done = f"{row['steps']} of {row['pictures']} ({row['dropped']} dropped)"
        turn = f"{row['largest_turn_deg']} deg"
        states = row["states"] + (" (never moved)" if row["never_moved"] else "")
        cells = [name, done, states, str(row["across"]), turn, late or "-"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if len(results) == len(chosen):
        print(save("capture_faults", results))


if __name__ == "__main__":
    main()
