"""What a session learns of a person and their camera, to begin another one with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.errors import ValueRangeError
from twinsdk.motion.fitting.body import SEGMENTS
from twinsdk.motion.fitting.lengths import SessionLengths

__all__ = ["Learnt"]

_DEVIATION = 0.1  # of the log of a length that nothing is known of


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What `BodyFitter.learnt` tells and `BodyFitter.begin_with` takes.

    Attributes:
        lengths: By the names of `SEGMENTS`: the length over that of the mean person of the same
            height, and the relative standard deviation of it. Names left out are as usual.
        camera_pitch_deg: How far the camera looks down; None where nothing has told it.

    Raises:
        ValueRangeError: A name that is none, or a value no person or camera has.
    """

    lengths: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    camera_pitch_deg: float | None = None

    def __post_init__(self) -> None:
        for name, (ratio, deviation) in self.lengths.items():
            if name not in SEGMENTS:
                raise ValueRangeError(f"lengths: expected {', '.join(SEGMENTS)}, got {name!r}")
            if not 0.75 <= ratio <= 1.3:
                raise ValueRangeError(f"{name}: expected 0.75 to 1.3 of the mean, got {ratio}")
            if not 0 < deviation <= 1:
                raise ValueRangeError(f"{name}: expected a deviation in (0, 1], got {deviation}")
        if self.camera_pitch_deg is not None and not abs(self.camera_pitch_deg) <= 60:
            raise ValueRangeError(
                f"camera_pitch_deg: expected -60 to 60, got {self.camera_pitch_deg}"
            )

    @staticmethod
    def of(lengths: SessionLengths, pitch: float | None) -> Learnt:
        """Return what is known now; `pitch` in radians."""
        ratios, deviations = np.exp(lengths.logs).tolist(), lengths.deviations().tolist()
        return Learnt(
            lengths=dict(zip(SEGMENTS, zip(ratios, deviations, strict=True), strict=True)),
            camera_pitch_deg=None if pitch is None else float(np.degrees(pitch)),
        )

    def logs(self) -> tuple[Array, Array]:
        """Return the logs (K,) of the ratios and their deviations (K,)."""
        pairs = [self.lengths.get(name, (1.0, _DEVIATION)) for name in SEGMENTS]
        ratios, deviations = np.array(pairs).T
        return np.log(ratios), deviations
