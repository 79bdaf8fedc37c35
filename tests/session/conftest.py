"""A source and a tracker whose every frame is known, so that only the loop is under test."""

from __future__ import annotations

import time

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.capture.source import BaseSource
from twinsdk.core.clock import now_ns
from twinsdk.core.landmarks import BODY_NAMES

SIZE_PX = (64, 48)


class CountedSource(BaseSource):
    """Frames numbered in their pixels; live ones carry the monotonic time.

    `fails_at` raises at that frame; `silent` is a range of reads that bring none, as when a camera
    is unplugged and plugged in again.
    """

    def __init__(self, count, *, live=False, spacing_s=1 / 30, fails_at=None, silent=range(0)):
        super().__init__(name="counted", max_frames=count)
        self.live, self.spacing_s, self.fails_at, self.silent = live, spacing_s, fails_at, silent
        self.released = False
        self._reads = self._index = 0

    def _next(self, timeout_s):
        read, self._reads = self._reads, self._reads + 1
        if read in self.silent:
            time.sleep(0.02)
            return None
        index, self._index = self._index, self._index + 1
        if index == self.fails_at:
            raise tw.errors.DeviceLostError("camera 0: unplugged")
        stamp = round(index * self.spacing_s * 1e9)
        if self.live:
            time.sleep(self.spacing_s)
            stamp = now_ns()
        pixels = np.full((SIZE_PX[1], SIZE_PX[0], 3), index % 256, np.uint8)
        return tw.Image(pixels=pixels, timestamp_ns=stamp, index=index)

    def _release(self):
        self.released = True


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
