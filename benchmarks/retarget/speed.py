"""How fast retargeting is: frames a second of a clip, microseconds a live frame.

    python benchmarks/retarget/speed.py [walk.bvh] [--to default] [--seconds 60]

Without a file a body of 31 joints sways, folds its arms and walks on the spot, at 120 Hz. One
thread where OMP_NUM_THREADS=1 says so. Clips are timed in seconds of the processor, which a shared
machine disturbs less, frames by the clock.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton
from twinsdk.retarget import RetargetConfig, Retargeter, load_figure

KEPT_FINGERS = ("ThumbMetacarpal", "IndexProximal", "IndexIntermediate", "IndexDistal")
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
NOTHING = {
    "plant_feet": False,
    "keep_touch": False,
    "keep_arms_out": False,
    "keep_legs_apart": False,
}
WAYS = {
    "transfer alone": NOTHING,
    "with contacts and IK": {**NOTHING, "plant_feet": True},
    "and hands": {**NOTHING, "plant_feet": True, "keep_touch": True},
    "and arms out, legs apart (the default)": {},
    "and all joints limited": {"limit_joints": True},
}


def body():
    """Return the canonical body with 31 joints."""
    canon = humanoid_skeleton()
    kept = [
        name
        for name in HUMANOID_NAMES
        if not name.endswith("Eye")
        and (name.endswith(KEPT_FINGERS) or not any(finger in name for finger in FINGERS))
    ]
    places = canon.rest_world()[1]
    parents = [-1 if not HUMANOID_PARENTS[n] else kept.index(HUMANOID_PARENTS[n]) for n in kept]
    at = np.array([places[canon.joint(name)] for name in kept])
    offsets = np.where(np.array(parents)[:, None] < 0, at, at - at[np.maximum(parents, 0)])
    return tw.Skeleton(
        names=kept,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(kept), 1)),
    )


def motion(seconds, fps=120):
    """Return a clip of that body: it sways, folds its arms and lifts one foot after the other."""
    skeleton = body()
    count = round(seconds * fps)
    t = np.arange(count) / fps
    rng = np.random.default_rng(1)
    turns = 0.1 * np.sin(t[:, None, None] * rng.uniform(0.5, 4, (len(skeleton), 3)))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = np.maximum(np.sin(2 * t) * sign, 0)
        turns[:, skeleton.joint(f"{side}UpperLeg"), 0] -= 0.9 * lift
        turns[:, skeleton.joint(f"{side}LowerLeg"), 0] += 1.6 * lift
        turns[:, skeleton.joint(f"{side}UpperArm"), 2] -= 1.2 * sign
        turns[:, skeleton.joint(f"{side}LowerArm"), 1] -= sign * 1.8 * np.sin(0.7 * t) ** 2
    return tw.MotionClip(
        skeleton=skeleton,
        fps=fps,
        rotations=quat.from_rotation_vector(turns),
        root_translations=np.tile(skeleton.rest_translations[0], (count, 1)),
    )


def times(run, least=7, least_s=1.0):
    """Return (best, median) processor seconds of a call."""
    found, start = [], time.perf_counter()
    while len(found) < least or time.perf_counter() - start < least_s:
        before = time.process_time()
        run()
        found.append(time.process_time() - before)
    return min(found), float(np.median(found))


def main():
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="?")
    parser.add_argument("--to", default="default")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    clip = tw.load_clip(args.clip) if args.clip else motion(args.seconds)
    avatar = load_figure(args.to) if "." in args.to else tw.load_avatar(args.to)
    joints = len(getattr(avatar, "skeleton", avatar))
    poses = list(clip[: min(len(clip), 1200)])
    print(f"{len(clip)} frames, {len(clip.skeleton)} to {joints} joints, load {os.getloadavg()[0]}")
    print(
        "| | clip, frames a processor second, best (median) | live, us a frame, median (p99) |\n"
        "|---|---|---|"
    )
    for name, options in WAYS.items():
        made = Retargeter(clip.skeleton, avatar, RetargetConfig(**options), sample=clip)
        made.clip(clip)
        best, median = times(lambda made=made: made.clip(clip))
        found = []
        for pose in poses:
            before = time.perf_counter_ns()
            made.step(pose, 1 / clip.fps)
            found.append((time.perf_counter_ns() - before) / 1e3)
        live = f"{np.median(found):.1f} ({np.percentile(found, 99):.1f})"
        print(f"| {name} | {len(clip) / best:,.0f} ({len(clip) / median:,.0f}) | {live} |")


if __name__ == "__main__":
    main()
