"""A place for one frame between a thread that makes them and one that uses them."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["LatestSlot"]

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest item alone: a slow reader skips frames, it never falls behind.

    Attributes:
        dropped: Items replaced before anyone took them.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._ready = threading.Condition()
        self._item: T | None = None
        self._finished = False

    def put(self, item: T) -> None:
        """Store `item`; one that was not taken yet is dropped and counted."""
        with self._ready:
            if self._finished:
                return
            self.dropped += self._item is not None
            self._item = item
            self._ready.notify()

    def take(self, timeout_s: float) -> T | None:
        """Return the newest item, waiting up to `timeout_s`; None when there is none."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._finished, timeout_s)
            item, self._item = self._item, None
            return item

    def finish(self, *, discard: bool = False) -> None:
        """Say that nothing more comes; the item inside can still be taken unless discarded."""
        with self._ready:
            self._finished = True
            if discard:
                self._item = None
            self._ready.notify_all()

    @property
    def drained(self) -> bool:
        """Whether nothing is inside and nothing more comes."""
        with self._ready:
            return self._finished and self._item is None
