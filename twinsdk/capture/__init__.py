"""Pixels to observations: sources of frames, trackers of people, and the models they need."""

from __future__ import annotations

from twinsdk.capture.cameras import CameraInfo, list_cameras
from twinsdk.capture.models import (
    ModelPaths,
    ModelStatus,
    fetch_official,
    model_status,
    resolve_models,
)
from twinsdk.capture.sample import SAMPLE_NAMES, sample_path, self_sample_path, self_truth_path
from twinsdk.capture.source import FrameSource, SourceStatus, open_source
from twinsdk.capture.tracker import Tracker, open_tracker, register_tracker, tracker_names
from twinsdk.capture.tracker_config import MODES, TrackerConfig, tracker_config

__all__ = [
    "MODES",
    "SAMPLE_NAMES",
    "CameraInfo",
    "FrameSource",
    "ModelPaths",
    "ModelStatus",
    "SourceStatus",
    "Tracker",
    "TrackerConfig",
    "fetch_official",
    "list_cameras",
    "model_status",
    "open_source",
    "open_tracker",
    "register_tracker",
    "resolve_models",
    "sample_path",
    "self_sample_path",
    "self_truth_path",
    "tracker_config",
    "tracker_names",
]
