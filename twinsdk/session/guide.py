"""The words that lead a person at the camera through being measured, one step after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["GUIDE", "Guide", "Stage"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One thing to do.

    Attributes:
        words: What the person is asked.
        counts: The name in `Surveyor.found`.
        enough: How many frames of it suffice.
        patience_s: After which the next one follows.
    """

    words: str
    counts: str
    enough: int
    patience_s: float = 20.0


GUIDE: tuple[Stage, ...] = (
    Stage(
        words="stand back until all of you is in the picture, arms a little away from the body",
        counts="body",
        enough=40,
        patience_s=30.0,
    ),
    Stage(
        words="lift your elbows to your shoulders' height, hands up, as if you gave up",
        counts="arms_bent",
        enough=20,
    ),
    Stage(
        words="stand wide and sink down, knees out to the sides, until your thighs are level",
        counts="knees_bent",
        enough=15,
    ),
    Stage(words="come near and look into the camera, mouth closed", counts="near", enough=25),
    Stage(words="turn your head slowly to your left", counts="left_seen", enough=12),
    Stage(words="turn your head slowly to your right", counts="right_seen", enough=12),
    Stage(words="look into the camera and open your mouth wide", counts="mouth_open", enough=6),
)


class Guide:
    """Walks through the stages as frames come.

    Args:
        say: Takes each stage's words when it begins.
        stages: What is asked.
    """

    def __init__(self, say: Callable[[str], None], stages: tuple[Stage, ...] = GUIDE) -> None:
        self._say = say
        self._stages = stages
        self._at = -1
        self._began_s = 0.0
        self._before = 0

    def step(self, found: dict[str, int], now_s: float) -> bool:
        """Take the counts after a frame; return False once all stages are over."""
        if self._at < 0:
            self._begin(found, now_s)
        stage = self._stages[self._at]
        done = found.get(stage.counts, 0) - self._before >= stage.enough
        if done or now_s - self._began_s > stage.patience_s:
            if self._at + 1 == len(self._stages):
                return False
            self._begin(found, now_s)
        return True

    def _begin(self, found: dict[str, int], now_s: float) -> None:
        self._at += 1
        self._began_s = now_s
        stage = self._stages[self._at]
        self._before = found.get(stage.counts, 0)
        self._say(stage.words)
