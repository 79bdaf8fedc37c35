"""The motion model: one small causal network that tracks, completes, predicts and performs."""

from __future__ import annotations

from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.model.motion_model import MotionModel, MotionState
from twinsdk.motion.model.step import Future, MotionStep, Webcam

__all__ = [
    "TRACKER_NAMES",
    "Future",
    "MotionModel",
    "MotionState",
    "MotionStep",
    "Trackers",
    "Webcam",
]
