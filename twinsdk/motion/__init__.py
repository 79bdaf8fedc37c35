"""Observations to poses: the closed-form fit and its filters."""

from __future__ import annotations

from twinsdk.motion.filters.smooth import OneEuroConfig, PointFilter, RotationFilter
from twinsdk.motion.fitting.fit import BodyFitter, Fit, FitConfig
from twinsdk.motion.fitting.solve import fit_landmarks

__all__ = [
    "BodyFitter",
    "Fit",
    "FitConfig",
    "OneEuroConfig",
    "PointFilter",
    "RotationFilter",
    "fit_landmarks",
]
