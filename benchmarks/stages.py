"""The live loop beside MediaPipe alone, over the same clip: frames a second and time of each stage.

python benchmarks/stages.py [CLIP ...]      default: the sample; results in results/stages.json
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from record import save

import twinsdk as tw
from twinsdk.capture import resolve_models
from twinsdk.core.clock import now_ns


def session(clip: str) -> dict[str, Any]:
    """Our whole road but the film: tracked, fitted, retargeted, skinned, published."""
    avatar = tw.load_avatar("default")
    skinner = tw.Skinner(avatar)
    with (
        tw.Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher,
        tw.Session(clip, avatar, publisher=publisher) as run,
    ):
        frames, cpu = 0, time.process_time()
        start = time.perf_counter()
        for step in run.steps():
            for frame in step.frames:
                with run.times.measure("skin"):
                    skinner.vertices(frame.pose, frame.expressions)
            frames += 1
        seconds = time.perf_counter() - start
        stages = {name: asdict(stats) for name, stats in run.stats().items()}
    return {
        "frames": frames,
        "fps": round(frames / seconds, 2),
        "cpu_ms_a_frame": round((time.process_time() - cpu) / frames * 1e3, 1),
        "stages_ms": {
            name: {key: round(value, 3) for key, value in stats.items()}
            for name, stats in stages.items()
        },
    }


def mediapipe_alone(clip: str, *, parallel: bool) -> dict[str, Any]:
    """The three landmarkers on whole pictures, results thrown away."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    paths = resolve_models()
    video = vision.RunningMode.VIDEO

    def options(kind: Any, path: Path, **more: Any) -> Any:
        base = BaseOptions(model_asset_path=str(path))
        return kind(base_options=base, running_mode=video, **more)

    makers = [
        (vision.PoseLandmarker, options(vision.PoseLandmarkerOptions, paths.pose)),
        (vision.HandLandmarker, options(vision.HandLandmarkerOptions, paths.hand, num_hands=2)),
        (vision.FaceLandmarker, options(vision.FaceLandmarkerOptions, paths.face)),
    ]
    models = [maker.create_from_options(given) for maker, given in makers]
    with tw.open_source(clip) as source, ThreadPoolExecutor(3) as pool:
        frames, start, cpu = 0, time.perf_counter(), time.process_time()
        for image in source:
            picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=image.pixels)
            stamp = image.timestamp_ns // 1_000_000 + frames
            calls = [partial(model.detect_for_video, picture, stamp) for model in models]
            if parallel:
                list(pool.map(lambda call: call(), calls))
            else:
                for call in calls:
                    call()
            frames += 1
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu
    for model in models:
        model.close()
    return {
        "frames": frames,
        "fps": round(frames / seconds, 2),
        "cpu_ms_a_frame": round(cpu / frames * 1e3, 1),
    }


def delivery(seconds: float = 4.0) -> dict[str, float]:
    """From `send` to decoded in this process: the part of the latency that is the bridge's."""
    avatar = tw.load_avatar("default")
    ages = []
    with (
        tw.Publisher("tcp://127.0.0.1:*", avatar=avatar) as publisher,
        tw.Subscriber(publisher.endpoint, state_endpoint=publisher.state_endpoint) as subscriber,
    ):
        rest = tw.Pose(
            skeleton=avatar.skeleton,
            rotations=avatar.skeleton.rest_rotations,
            root_translation=avatar.skeleton.rest_translations[0],
        )
        sequence, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            stamp = now_ns()
            frame = tw.TwinFrame(avatar_id=0, sequence=sequence, timestamp_ns=stamp, pose=rest)
            publisher.send(frame)
            got = subscriber.recv(timeout_s=0.05)
            if got is not None and got.sequence == sequence:
                ages.append((now_ns() - stamp) / 1e6)
            sequence += 1
            time.sleep(0.02)
    p50, p99 = np.percentile(ages, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3), "count": len(ages)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", default=["sample"])
    clips = parser.parse_args().clips
    results: dict[str, Any] = {"delivery": delivery()}
    print(f"send to decoded: {results['delivery']}")
    for clip in clips:
        rows = {
            "mediapipe alone, parallel": mediapipe_alone(clip, parallel=True),
            "twinsdk, everything": session(clip),
            "mediapipe alone, serial": mediapipe_alone(clip, parallel=False),
        }
        results[Path(clip).name] = rows
        print(f"\n{Path(clip).name}   load {os.getloadavg()[0]:.1f}")
        for name, row in rows.items():
            print(f"  {name:<28}{row['fps']:>7.1f} fps{row['cpu_ms_a_frame']:>8.1f} ms CPU a frame")
        for stage, stats in rows["twinsdk, everything"]["stages_ms"].items():
            print(f"    {stage:<20}{stats['p50_ms']:>8.2f} p50{stats['p99_ms']:>9.2f} p99")
    print(save("stages", results))


if __name__ == "__main__":
    main()
