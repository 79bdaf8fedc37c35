"""The composing floor: the only place where stages meet."""

from twinsdk.session.live import Session, SessionConfig, Step
from twinsdk.session.source import open_source

__all__ = ["Session", "SessionConfig", "Step", "open_source"]
