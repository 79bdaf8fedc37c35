"""Tracker: a frame in, what was seen of each person out; and the register of trackers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from twinsdk.capture.tracker_config import TrackerConfig
from twinsdk.core.image import Image
from twinsdk.core.observation import Observation
from twinsdk.errors import UsageError

__all__ = ["Tracker", "TrackerFactory", "open_tracker", "register_tracker", "tracker_names"]


@runtime_checkable
class Tracker(Protocol):
    """Anything that finds people in frames.

    Frames come in order of time. A timestamp that goes back means another clip: a tracker then
    forgets the person it followed.

    A tracker may know a neutral face: `neutral_face`, `begin_with(face)` and `calibrate()` are used
    where it has them; see `MediaPipeTracker`.
    """

    def track(self, image: Image) -> list[Observation]:
        """Return one observation a person found, the most prominent first, or an empty list."""
        ...

    def close(self) -> None:
        """Free models and threads; calling it twice does nothing more."""
        ...


TrackerFactory = Callable[..., Tracker]


def _mediapipe(config: TrackerConfig | None = None) -> Tracker:
    if config is not None and (config.people > 1 or config.follow is not None):
        from twinsdk.capture.crowd_tracker import CrowdTracker

        return CrowdTracker(config)
    from twinsdk.capture.mediapipe_tracker import MediaPipeTracker

    return MediaPipeTracker(config)


_FACTORIES: dict[str, TrackerFactory] = {"mediapipe": _mediapipe}


def register_tracker(name: str, factory: TrackerFactory) -> None:
    """Make `open_tracker(name, **options)` call `factory(**options)`.

    Raises:
        UsageError: The name is taken or empty.
    """
    if not name or name in _FACTORIES:
        raise UsageError(f"tracker: expected a new name, got {name!r}; taken: {tracker_names()}")
    _FACTORIES[name] = factory


def open_tracker(name: str = "mediapipe", **options: Any) -> Tracker:
    """Return a new tracker of the registered kind `name`.

    Raises:
        UsageError: There is no such kind.
    """
    if name not in _FACTORIES:
        raise UsageError(f"tracker: expected one of {tracker_names()}, got {name!r}")
    return _FACTORIES[name](**options)


def tracker_names() -> list[str]:
    """Return the names of all registered trackers."""
    return sorted(_FACTORIES)
