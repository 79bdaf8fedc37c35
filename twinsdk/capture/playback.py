"""A file played at media speed, so that everything behind it behaves as with a camera."""

from __future__ import annotations

import threading

from twinsdk.capture.slot import LatestSlot
from twinsdk.capture.source import BaseSource
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.image import Image

__all__ = ["RealtimeSource"]

_MOST_BEHIND_NS = 500_000_000
_LONGEST_GAP_NS = 10_000_000_000  # beyond it the file's times are broken, or nobody wants to wait


class RealtimeSource(BaseSource):
    """Another source, decoded in a thread and given out when each frame is due.

    Timestamps are monotonic: the instant at which a camera would have taken the frame, so that
    latency can be measured against `core.clock`. The clip starts with the first `read`, not with
    the constructor: models may load in between. When the reader is slow the newest frame wins.
    When decoding itself falls half a second behind, the clip is played slower from there on
    rather than ever later; a gap of more than 10 s between two frames is not waited for.
    """

    live = True

    def __init__(
        self, inner: BaseSource, *, max_frames: int | None = None, clock: Clock = now_ns
    ) -> None:
        """Wrap `inner`, which is closed with this source.

        Args:
            inner: A source that does not wait: video, pictures.
            max_frames: End after so many were given out.
            clock: Monotonic nanoseconds.
        """
        super().__init__(name=inner.name, max_frames=max_frames)
        self.size_px, self.fps, self.frame_count = inner.size_px, inner.fps, inner.frame_count
        self._inner, self._clock = inner, clock
        self._slot: LatestSlot[Image] = LatestSlot()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Frames that were due and replaced by a newer one before anyone read them."""
        return self._slot.dropped

    def _next(self, timeout_s: float) -> Image | None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._play, name=f"playback {self.name}", daemon=True
            )
            self._thread.start()
        image = self._slot.take(timeout_s)
        if image is None and self._slot.drained:
            self._ended = True
            if self._error is not None:
                error, self._error = self._error, None
                raise error
        return image

    def _play(self) -> None:
        start_ns: int | None = None
        try:
            for image in self._inner:
                if start_ns is None:
                    start_ns = self._clock() - image.timestamp_ns
                due_ns = start_ns + image.timestamp_ns
                early_ns = due_ns - self._clock()
                if early_ns > _LONGEST_GAP_NS:
                    start_ns, due_ns, early_ns = start_ns - early_ns, due_ns - early_ns, 0
                if early_ns > 0 and self._closing.wait(early_ns * 1e-9):
                    return
                if early_ns < -_MOST_BEHIND_NS:
                    start_ns -= early_ns
                    due_ns -= early_ns
                if self._closing.is_set():
                    return
                self._slot.put(Image(pixels=image.pixels, timestamp_ns=due_ns, index=image.index))
        except Exception as error:  # handed to the reader's thread
            self._error = error
        finally:
            self._slot.finish()

    def _release(self) -> None:
        self._slot.finish(discard=True)
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        self._inner.close()
