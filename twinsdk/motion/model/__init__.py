"""The motion model: one small causal network that tracks, completes, predicts and performs."""

from __future__ import annotations

from twinsdk.core.trackers import TRACKER_NAMES, Trackers

__all__ = ["TRACKER_NAMES", "Trackers"]
