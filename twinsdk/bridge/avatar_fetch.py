"""AvatarFetch: a receiver's side of an avatar file, one request in flight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twinsdk.bridge.avatar_file import FileChunk, FileFetch
from twinsdk.bridge.messages import AvatarEntry, pack
from twinsdk.core.clock import Clock
from twinsdk.errors import EndpointError

__all__ = ["AvatarFetch"]

_AGAIN_NS = 500_000_000
_MAX_OFFERS = 256


class AvatarFetch:
    """Knows which files a stream gives away and fetches one at a time.

    Args:
        tell: Sends a state message.
        clock: Monotonic nanoseconds.
    """

    def __init__(self, tell: Callable[[bytes], None], clock: Clock) -> None:
        self._tell, self._clock = tell, clock
        self._offers: dict[int, tuple[bytes, int] | None] = {}
        self._fetch: FileFetch | None = None
        self._of: tuple[bytes, int] | None = None
        self._asked_ns = 0

    def offer(self, entry: AvatarEntry) -> None:
        """Note what a WELCOME says of an avatar's file."""
        if entry.avatar in self._offers or len(self._offers) < _MAX_OFFERS:
            offered = None if entry.file is None else (entry.file, entry.file_bytes)
            self._offers[entry.avatar] = offered

    def keep(self, chunk: FileChunk) -> None:
        """Keep a chunk that came and ask for the next.

        Raises:
            WireError: The file is whole and not what was offered.
            OutputError: It cannot be written.
        """
        fetch = self._fetch
        if fetch is not None and fetch.add(chunk) and not fetch.is_done:
            self._ask(fetch)

    def step(self, avatar_id: int | None, deadline_ns: int, endpoint: str) -> Path | None:
        """Do what is due and return the file once it is here and whole.

        Raises:
            EndpointError: The stream gives no such file away, or it did not come by the deadline.
            WireError: The offer makes no sense.
        """
        chosen = next(iter(self._offers), None) if avatar_id is None else avatar_id
        now = self._clock()
        if chosen in self._offers:
            offered = self._offers[chosen]
            if offered is None:
                raise EndpointError(
                    f"avatar: the stream gives no file of avatar {chosen} away; start it with "
                    f"Publisher(avatar_file=...), or pass the file to this side: {endpoint}"
                )
            if self._fetch is None or self._of != offered:
                self._fetch, self._of, self._asked_ns = FileFetch(*offered), offered, 0
            if self._fetch.is_done:
                return self._fetch.path
            if now - self._asked_ns > _AGAIN_NS:
                self._ask(self._fetch)
        if now >= deadline_ns:
            what = "it is not whole yet, what came is kept" if self._fetch else "nobody offered it"
            raise EndpointError(f"avatar: the file did not come in time; {what}: {endpoint}")
        return None

    def _ask(self, fetch: FileFetch) -> None:
        self._asked_ns = self._clock()
        self._tell(pack(fetch.request))
