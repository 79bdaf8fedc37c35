"""How long a step of the motion model takes: the network alone, and all of a step by source.

OMP_NUM_THREADS=1 python benchmarks/motion/step.py
"""

from __future__ import annotations

import platform
import time

import numpy as np

from twinsdk.core.clip import clip_of
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
from twinsdk.motion.evaluation.simulated import trackers_of, webcam_take
from twinsdk.motion.fitting.fit import BodyFitter
from twinsdk.motion.model import MotionModel, Webcam

REPEATS = 400
COLD_BYTES = 64 << 20  # more than the caches hold


def timed(step, *, cold=False):
    """Return the times of many calls, microseconds; `cold` empties the caches before each."""
    flush = np.zeros(COLD_BYTES // 8) if cold else None
    times = []
    for k in range(REPEATS // 4 if cold else REPEATS):
        if flush is not None:
            flush += 1
        start = time.perf_counter()
        step(k)
        times.append(1e6 * (time.perf_counter() - start))
    return np.array(times)


def show(name, times):
    p50, p99 = np.percentile(times, [50, 99])
    print(f"{name:34s} min {times.min():7.0f}  p50 {p50:7.0f}  p99 {p99:7.0f} us  n {len(times)}")


def main():
    model = MotionModel.load()
    network = model.weights.network
    print(f"{platform.processor() or platform.machine()}, one thread, {network.sizes}")
    state, ticks = network.fresh_state(1), np.ones(1, np.float32)
    row = np.zeros((1, network.sizes["width"]), np.float32)
    show("network", timed(lambda _: network.step(row, ticks, state)))
    show("network, cold caches", timed(lambda _: network.step(row, ticks, state), cold=True))
    clip = clip_of([rest_pose(humanoid_skeleton())] * 60, fps=30)
    worn = trackers_of(clip)
    show("step, headset and controllers", timed(lambda k: model.step(worn[k % 60], 1 / 30)))
    foresee = model.step(worn[0], 1 / 30).foresee
    show("what comes next", timed(lambda _: foresee()))
    fitter, model = BodyFitter(), MotionModel.load()
    seen = webcam_take(clip, seed=1, legs=False).observations
    fits = [fitter.step(one) for one in seen]
    pairs = [Webcam(observation=o, fit=f) for o, f in zip(seen, fits, strict=True)]
    show("step, webcam without legs", timed(lambda k: model.step(pairs[k % 60], 1 / 30)))
    show("step, nothing (idling)", timed(lambda _: model.step(None, 1 / 30)))


if __name__ == "__main__":
    main()
