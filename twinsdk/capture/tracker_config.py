"""How a tracker works: plain settings, and three ready-made sets of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twinsdk.errors import UsageError

__all__ = ["CHOICES", "MODES", "MOST_PEOPLE", "TrackerConfig", "parse_choice", "tracker_config"]

CHOICES = ("largest", "nearest", "left", "right")
MOST_PEOPLE = 4


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
        adaptive: Whether hands and face are looked for less often while the machine does not keep
            up; for live sources, since results then depend on its load.
        people: How many people are followed at most.
        follow: Whom to take where there are more: "largest", "nearest", "left", "right", or "X,Y",
            a place in fractions of the picture. None takes whom the model finds, which is quickest.
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
    adaptive: bool = False
    people: int = 1
    follow: str | None = None
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
        if not 1 <= self.people <= MOST_PEOPLE:
            raise UsageError(f"people: expected 1 to {MOST_PEOPLE}, got {self.people}")
        if self.follow is not None:
            parse_choice(self.follow)
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


def parse_choice(text: str) -> str | tuple[float, float]:
    """Return who is meant: a word of `CHOICES`, or a place "X,Y" in fractions of the picture.

    Raises:
        UsageError: It is neither.
    """
    if text in CHOICES:
        return text
    try:
        x, y = (float(part) for part in text.split(","))
        if 0 <= x <= 1 and 0 <= y <= 1:
            return x, y
    except ValueError:
        pass
    raise UsageError(f"follow: expected {', '.join(CHOICES)} or X,Y in [0, 1], got {text!r}")
