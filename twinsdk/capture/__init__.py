"""Pixels to observations: sources of frames, trackers of people, and the models they need."""

from __future__ import annotations

from twinsdk.capture.cameras import CameraInfo, list_cameras
from twinsdk.capture.sample import SAMPLE_NAMES, sample_path, self_sample_path, self_truth_path
from twinsdk.capture.source import FrameSource, SourceStatus, open_source

__all__ = [
    "SAMPLE_NAMES",
    "CameraInfo",
    "FrameSource",
    "SourceStatus",
    "list_cameras",
    "open_source",
    "sample_path",
    "self_sample_path",
    "self_truth_path",
]
