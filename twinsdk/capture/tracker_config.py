"""How a tracker works: plain settings, and three ready-made sets of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twinsdk.errors import UsageError

__all__ = ["MODES", "TrackerConfig", "tracker_config"]


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """How a MediaPipeTracker works; `tracker_config` gives the three ready-made ones.

    Attributes:
        pose: Body model wanted, "lite", "full" or "heavy"; "full" where it is not to be had.
        long_side_px: The body model sees the picture with this longer side at most.
        hands_every: Hands are looked for in every n-th frame and held in between; 0 is never.
        face_every: The same for the face.
        min_detection: Confidence in [0, 1] a first find needs.
        min_presence: Confidence that the thing is in its square.
        min_tracking: Confidence that following succeeded.
        parallel: Whether the models run beside one another; results are the same either way.
        model_dir: A folder with bundles to be used before those of the cache.
        fetch: Whether missing models may be fetched.
    """

    pose: str = "full"
    long_side_px: int = 640
    hands_every: int = 1
    face_every: int = 1
    min_detection: float = 0.5
    min_presence: float = 0.5
    min_tracking: float = 0.5
    parallel: bool = True
    model_dir: Path | None = None
    fetch: bool = True

    def __post_init__(self) -> None:
        if self.pose not in ("lite", "full", "heavy"):
            raise UsageError(f"pose: expected lite, full or heavy, got {self.pose!r}")
        if not 64 <= self.long_side_px <= 4096:
            raise UsageError(f"long_side_px: expected 64 to 4096, got {self.long_side_px}")
        if self.hands_every < 0 or self.face_every < 0:
            raise UsageError("hands_every, face_every: expected 0 or more frames, got less")
        for name in ("min_detection", "min_presence", "min_tracking"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name}: expected 0 to 1, got {getattr(self, name)}")


MODES: dict[str, TrackerConfig] = {
    "light": TrackerConfig(pose="lite", long_side_px=480, hands_every=2, face_every=2),
    "balanced": TrackerConfig(),
    "performance": TrackerConfig(pose="heavy", long_side_px=960),
}


def tracker_config(mode: str = "balanced") -> TrackerConfig:
    """Return the configuration called "light", "balanced" or "performance".

    Raises:
        UsageError: There is no such mode.
    """
    if mode not in MODES:
        raise UsageError(f"mode: expected one of {list(MODES)}, got {mode!r}")
    return MODES[mode]
