"""A source and a tracker whose every frame is known, so that only the loop is under test."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core.clock import now_ns
from twinsdk.core.landmarks import BODY_NAMES

SIZE_PX = (64, 48)


class CountedSource:
    """Frames numbered in their pixels; live ones carry the monotonic time and the newest wins."""

    def __init__(self, count, *, live=False, spacing_s=1 / 30, fails_at=None):
        self.count, self.live, self.spacing_s, self.fails_at = count, live, spacing_s, fails_at
        self.dropped = 0
        self.closed = threading.Event()
        self._next = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self._next == self.fails_at:
            raise tw.errors.DeviceLostError("camera 0: unplugged")
        if self._next >= self.count or self.closed.is_set():
            raise StopIteration
        index, self._next = self._next, self._next + 1
        stamp = round(index * self.spacing_s * 1e9)
        if self.live:
            time.sleep(self.spacing_s)
            stamp = now_ns()
        pixels = np.full((SIZE_PX[1], SIZE_PX[0], 3), index % 256, np.uint8)
        return tw.Image(pixels=pixels, timestamp_ns=stamp, index=index)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed.set()


class ScriptedTracker:
    """Sees a person standing in T-pose in the frames of `seen`, nobody elsewhere."""

    def __init__(self, seen=range(10**9), delay_s=0.0):
        self.seen, self.delay_s = seen, delay_s
        self.timings = {"pose": 1.0}
        self.tracked = []
        self.closed = False

    def track(self, image):
        if self.delay_s:
            time.sleep(self.delay_s)
        self.tracked.append(image.index)
        return [standing(image.timestamp_ns)] if image.index in self.seen else []

    def close(self):
        self.closed = True


def standing(timestamp_ns):
    """Return what a tracker sees of a person in T-pose, two and a half metres away."""
    points = np.zeros((len(BODY_NAMES), 3), np.float32)
    at = dict(zip(tw.HUMANOID_NAMES, tw.humanoid_skeleton().rest_world()[1], strict=True))
    hip = (at["leftUpperLeg"] + at["rightUpperLeg"]) / 2
    for side in ("left", "right"):
        out = 1 if side == "left" else -1
        places = {
            "Shoulder": at[f"{side}UpperArm"],
            "Elbow": at[f"{side}LowerArm"],
            "Wrist": at[f"{side}Hand"],
            "Pinky": at[f"{side}LittleProximal"],
            "Index": at[f"{side}IndexProximal"],
            "Thumb": at[f"{side}ThumbDistal"],
            "Hip": at[f"{side}UpperLeg"],
            "Knee": at[f"{side}LowerLeg"],
            "Ankle": at[f"{side}Foot"],
            "Heel": at[f"{side}Foot"] + [0, -0.05, -0.05],
            "FootIndex": at[f"{side}Toes"] + [0, 0, 0.06],
            "Ear": at["head"] + [0.07 * out, 0.08, 0],
            "Eye": at[f"{side}Eye"],
            "EyeInner": at[f"{side}Eye"] - [0.015 * out, 0, 0],
            "EyeOuter": at[f"{side}Eye"] + [0.015 * out, 0, 0],
        }
        for part, place in places.items():
            points[BODY_NAMES.index(side + part)] = place
        points[BODY_NAMES.index("mouth" + side.capitalize())] = at["head"] + [0.025 * out, 0, 0.09]
    points[BODY_NAMES.index("nose")] = at["head"] + [0, 0.05, 0.11]
    depth = 2.5 - points[:, 2]
    focal = 0.9  # of the image height
    uv = np.stack(
        [
            0.5 + focal * points[:, 0] / depth * SIZE_PX[1] / SIZE_PX[0],
            0.5 - focal * (points[:, 1] - 0.9) / depth,
        ],
        axis=-1,
    )
    sure = np.full(len(points), 0.99)
    return tw.Observation(
        timestamp_ns=timestamp_ns,
        body=tw.Landmarks(names=BODY_NAMES, positions=points - hip, visibility=sure),
        image_body=tw.ImageLandmarks(names=BODY_NAMES, uv=uv, size_px=SIZE_PX, visibility=sure),
        expressions=np.linspace(0, 1, 52),
    )


@pytest.fixture
def make_source():
    return CountedSource


@pytest.fixture
def make_tracker():
    return ScriptedTracker
