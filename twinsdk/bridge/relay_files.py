"""RelayFiles: the avatar files that pass through a relay, each fetched from above once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twinsdk.bridge.avatar_file import CHUNK_BYTES, FileChunk, FileFetch, FileRequest
from twinsdk.bridge.messages import AvatarEntry, pack
from twinsdk.core.clock import Clock
from twinsdk.errors import OutputError, WireError

__all__ = ["RelayFiles"]

_AGAIN_NS = 500_000_000
_MAX_FILES = 256


class RelayFiles:
    """Fetches what the sources offer, one file at a time, and gives it away from the cache.

    Args:
        clock: Monotonic nanoseconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wanted: dict[bytes, tuple[int, Callable[[bytes], None]]] = {}
        self._here: dict[bytes, Path] = {}
        self._fetch: FileFetch | None = None
        self._request: Callable[[bytes], None] | None = None
        self._asked_ns = 0

    def want(self, entry: AvatarEntry, request: Callable[[bytes], None]) -> None:
        """Note a file that a source offers.

        Args:
            entry: What the source's WELCOME says of a twin.
            request: Sends a state message to that source.
        """
        if entry.file is None or entry.file in self._here:
            return
        if entry.file in self._wanted or len(self._wanted) < _MAX_FILES:
            self._wanted[entry.file] = (entry.file_bytes, request)

    def step(self) -> None:
        """Ask for what is due.

        Raises:
            WireError: An offer makes no sense; it is forgotten.
        """
        if self._fetch is None and self._wanted:
            sha256, (size, self._request) = next(iter(self._wanted.items()))
            try:
                self._fetch, self._asked_ns = FileFetch(sha256, size), 0
            except WireError:
                del self._wanted[sha256]
                raise
        if self._fetch is None:
            return
        if self._fetch.is_done:
            sha256 = self._fetch.request.sha256
            self._wanted.pop(sha256, None)
            if len(self._here) >= _MAX_FILES:
                del self._here[next(iter(self._here))]
            self._here[sha256] = self._fetch.path
            self._fetch = None
        elif self._clock() - self._asked_ns > _AGAIN_NS:
            if self._asked_ns and len(self._wanted) > 1:  # silent: others get their turn
                sha256 = self._fetch.request.sha256
                self._wanted[sha256] = self._wanted.pop(sha256)
                self._fetch = None
            else:
                self._ask()

    def keep(self, chunk: FileChunk) -> None:
        """Keep a chunk that came from above.

        Raises:
            WireError: The file is whole and not what was offered; it is asked for anew.
        """
        if self._fetch is None:
            return
        try:
            if self._fetch.add(chunk) and not self._fetch.is_done:
                self._ask()
        except OutputError as error:  # a full disk must not end the relay
            raise WireError(str(error)) from error

    def chunk(self, request: FileRequest) -> bytes | None:
        """Return the packed chunk, None where nobody offers it, nothing while it is on its way.

        May be called from another thread.
        """
        path = self._here.get(request.sha256)
        if path is None:
            return b"" if request.sha256 in self._wanted else None
        try:
            with path.open("rb") as file:
                file.seek(request.offset)
                data = file.read(CHUNK_BYTES)
        except (OSError, ValueError, OverflowError):
            data = b""
        if not data:  # removed from the cache meanwhile, or an offset beyond the end
            return None
        return pack(FileChunk(sha256=request.sha256, offset=request.offset, data=data))

    def _ask(self) -> None:
        if self._fetch is not None and self._request is not None:
            self._asked_ns = self._clock()
            self._request(pack(self._fetch.request))
