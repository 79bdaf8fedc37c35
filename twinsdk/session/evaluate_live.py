"""What a live run over filmed takes gives: frames a second out of the whole session."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from twinsdk.capture import FrameSource
from twinsdk.render.footage import FootageWriter
from twinsdk.session.live import Session, SessionConfig
from twinsdk.session.source import open_source
from twinsdk.session.truth_film import prepare
from twinsdk.session.truth_scene import Scene

__all__ = ["film_footage", "live_rates"]


def film_footage(scene: Scene, path: Path) -> Path:
    """Return the path of a scene's pictures as Motion-JPEG."""
    made = prepare(scene)
    with FootageWriter(path, size_px=scene.size_px) as writer:
        for image, _ in made.pictures():
            writer.write(image.pixels)
    return path


def live_rates(scene: Scene, *, mode: str = "balanced") -> dict[str, float]:
    """Return frames a second that a session gives over a scene's film, played as a camera gives it.

    Returns:
        "output rate, fps": twin frames; "fresh rate, fps": those with a new observation behind.
    """
    with tempfile.TemporaryDirectory() as folder:
        film = film_footage(scene, Path(folder) / "take.avi")
        with open_source(film, realtime=True) as source:
            return _rates(source, mode)


def _rates(source: FrameSource, mode: str) -> dict[str, float]:
    frames = fresh = 0
    with Session(source, "default", config=SessionConfig(mode=mode)) as session:
        start = 0.0
        for step in session.steps():
            if not start:  # models are loaded and warm from the first frame on
                start = time.perf_counter()
                continue
            frames += bool(step.frames)
            fresh += bool(step.observations) and not step.filled
        seconds = time.perf_counter() - start
    return {"output rate, fps": frames / seconds, "fresh rate, fps": fresh / seconds}
