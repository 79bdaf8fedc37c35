"""Keys of the preview: what they are called and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twinsdk.errors import TwinError
from twinsdk.session.live import Session
from twinsdk.session.takes import Takes

__all__ = ["Key", "Keys", "session_keys"]


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key.

    Attributes:
        letter: What is pressed.
        says: What it is for, in a word or two.
        does: Called when it is pressed; returns what is to be shown of it, "" for nothing.
    """

    letter: str
    says: str
    does: Callable[[], str]


class Keys:
    """The keys there are, each letter once."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.letter in self._keys:
                raise ValueError(f"key {key.letter!r}: taken by {self._keys[key.letter].says!r}")
            self._keys[key.letter] = key

    def press(self, letter: str) -> str:
        """Do what a key is for and return what is to be shown; "" for a key that does nothing.

        What goes wrong is shown, too: a run does not end for it.
        """
        key = self._keys.get(letter.lower())
        if key is None:
            return ""
        try:
            return key.does()
        except TwinError as error:
            return str(error)

    def lines(self) -> list[str]:
        """Return a line a key."""
        return [f"{key.letter}  {key.says}" for key in self._keys.values()]


def session_keys(session: Session, takes: Takes) -> list[Key]:
    """Return the keys by which a running session is told what to do."""

    def calibrate() -> str:
        session.calibrate()
        return "hold your face at rest; lengths are learnt anew"

    def to_middle() -> str:
        session.to_middle()
        return "back to the middle"

    def express() -> str:
        session.expressive = not session.expressive
        return f"expressions {'on' if session.expressive else 'off'}"

    return [
        Key(letter="c", says="calibrate: face at rest, lengths", does=calibrate),
        Key(letter="r", says="record, or stop recording", does=takes.toggle),
        Key(letter="x", says="back to the middle", does=to_middle),
        Key(letter="e", says="expressions on or off", does=express),
    ]
