"""How a live session runs, and what follows from it for its parts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from twinsdk.capture import Tracker, open_tracker, tracker_config
from twinsdk.capture.camera_rig import CameraRig
from twinsdk.errors import UsageError, ValueRangeError
from twinsdk.motion import FitConfig
from twinsdk.session.profile import Profile

__all__ = ["SessionConfig", "settled", "tracker_for"]

_FURTHEST_S = 0.25


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """How the live loop runs.

    Attributes:
        mode: "light", "balanced" or "performance": how often hands and face are looked for.
        people: How many people are followed at most, each with a twin.
        follow: Whom to take where there are more: "largest", "nearest", "left", "right", or "X,Y",
            a place in fractions of the picture; None takes whom the tracker finds.
        calibration: Of the cameras, from `twin-capture --calibrate`; with several the body is
            measured. It also tells the angle of view, which `fit` then need not.
        max_frames: Stop after so many source frames; None: at the source's end.
        fit: How landmarks become a pose.
        motion_model: Whether somebody who left idles on, where the model's weights are here.
        predict_s: Show everybody so many seconds ahead, up to 0.25, to hide that much delay.
        fill_fps: Of live sources, how many frames a second are put out at least: what the tracker
            does not deliver in time is filled in by how joints move. None fills in nothing.
        profile: Of the person, from an earlier session; theirs is the height then. One person only.
    """

    mode: str = "balanced"
    people: int = 1
    follow: str | None = None
    calibration: CameraRig | None = None
    max_frames: int | None = None
    fit: FitConfig = field(default_factory=FitConfig)
    motion_model: bool = True
    predict_s: float = 0.0
    fill_fps: float | None = 30.0
    profile: Profile | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.predict_s <= _FURTHEST_S:
            raise ValueRangeError(f"predict_s: expected 0 to {_FURTHEST_S}, got {self.predict_s}")
        if self.fill_fps is not None and not 1 <= self.fill_fps <= 240:
            raise ValueRangeError(f"fill_fps: expected 1 to 240, got {self.fill_fps}")


def settled(config: SessionConfig) -> SessionConfig:
    """Return the configuration with what the calibration and the profile say of the fit."""
    fit = config.fit
    if config.calibration is not None:
        fit = replace(fit, fov_deg=config.calibration.cameras[0].lens.fov_deg)
    if config.profile is not None:
        if config.people > 1:
            raise UsageError(f"people: expected 1 with a profile, got {config.people}")
        fit = replace(fit, height_m=config.profile.height_m)
    return replace(config, fit=fit)


def tracker_for(config: SessionConfig, *, live: bool) -> Tracker:
    """Return the tracker of a session, or one a camera; `live` ones slow down with the machine."""
    one = replace(
        tracker_config(config.mode), people=config.people, follow=config.follow, adaptive=live
    )
    rig = config.calibration
    if rig is None or len(rig.cameras) == 1:
        return open_tracker(config=one)
    if config.people > 1:
        raise UsageError("people: expected 1 with several cameras, got more")
    from twinsdk.capture.views import ViewsTracker

    return ViewsTracker([open_tracker(config=one) for _ in rig.cameras], rig)
