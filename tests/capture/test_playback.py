"""Files played at media speed, and the slot between two threads."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twinsdk.capture import SourceStatus, open_source
from twinsdk.capture.playback import RealtimeSource
from twinsdk.capture.slot import LatestSlot
from twinsdk.capture.source import BaseSource
from twinsdk.core.clock import now_ns
from twinsdk.core.image import Image
from twinsdk.errors import FormatError

STEP_NS = 20_000_000


class Numbers(BaseSource):
    """Frames of 50 a second that hold their number; fails at `fails_at`."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        super().__init__(name="numbers", max_frames=None)
        self.size_px, self.fps, self.frame_count = (16, 16), 50.0, count
        self._at, self._fails_at = 0, fails_at
        self.released = 0

    def _next(self, timeout_s: float) -> Image | None:
        if self._at == self._fails_at:
            raise FormatError("numbers: broken")
        if self._at == self.frame_count:
            self._ended = True
            return None
        at, self._at = self._at, self._at + 1
        return Image(
            pixels=np.full((16, 16, 3), at, np.uint8), timestamp_ns=7 + at * STEP_NS, index=at
        )

    def _release(self) -> None:
        self.released += 1


def test_frames_are_given_out_no_sooner_than_they_are_due() -> None:
    with RealtimeSource(Numbers(8)) as source:
        assert source.live
        before = now_ns()
        for image in source:
            # The first frame is due at once, the others at their distance from it.
            assert now_ns() >= image.timestamp_ns
            assert now_ns() - before >= image.index * STEP_NS
            assert int(image.pixels[0, 0, 0]) == image.index
        assert source.status is SourceStatus.ENDED


def test_timestamps_keep_the_distances_of_the_file() -> None:
    with RealtimeSource(Numbers(6)) as source:
        images = list(source)
    for one, two in pairwise(images):
        assert two.timestamp_ns - one.timestamp_ns == (two.index - one.index) * STEP_NS


def test_a_slow_reader_gets_the_newest_and_the_others_are_counted() -> None:
    with RealtimeSource(Numbers(30)) as source:
        seen = []
        for image in source:
            seen.append(image.index)
            time.sleep(0.09)  # four frames and a half come meanwhile
        assert seen == sorted(set(seen))
        assert seen[-1] == 29
        assert source.dropped == 30 - len(seen)
        assert source.dropped >= 10  # would be 0 if frames were queued


def test_the_clip_starts_with_the_first_read_not_with_the_opening() -> None:
    with RealtimeSource(Numbers(5)) as source:
        time.sleep(0.15)  # longer than the clip
        assert next(source).index == 0


def test_an_error_while_decoding_reaches_the_reader() -> None:
    source = RealtimeSource(Numbers(8, fails_at=2))
    with source, pytest.raises(FormatError, match="broken"):
        list(source)
    assert source.status is SourceStatus.CLOSED


def test_closing_frees_a_reader_that_waits_and_the_file() -> None:
    inner = Numbers(3)
    inner._at = 1
    source = RealtimeSource(inner, clock=lambda: 0)  # time stands still: only the first is due
    assert next(source).index == 1
    got: list[Image | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read(timeout_s=30)))
    reader.start()
    source.close()
    reader.join(timeout=5)
    assert not reader.is_alive()
    assert got == [None]
    assert inner.released == 1
    assert list(source) == []


def test_reading_with_no_time_to_wait_returns_at_once() -> None:
    with RealtimeSource(Numbers(2), clock=lambda: 0) as source:
        next(source)
        assert source.read(timeout_s=0) is None
        assert source.status is SourceStatus.RUNNING


def test_decoding_that_falls_behind_slows_the_clip_instead_of_piling_up_delay() -> None:
    class Sluggish(Numbers):
        def _next(self, timeout_s: float) -> Image | None:
            nonlocal time_ns
            time_ns += 10 * STEP_NS  # takes ten times the media time
            return super()._next(timeout_s)

    time_ns = 0
    late_ns = []
    with RealtimeSource(Sluggish(40), clock=lambda: time_ns) as source:
        for image in source:
            late_ns.append(time_ns - image.timestamp_ns)
    # 39 frames would be 39 * 9 * 20 ms = 7 s late; the reader may see time one decode further on.
    assert max(late_ns) <= 500_000_000 + 2 * 10 * STEP_NS


def test_an_absurd_gap_between_two_frames_is_not_waited_for() -> None:
    class Gap(Numbers):
        def _next(self, timeout_s: float) -> Image | None:
            image = super()._next(timeout_s)
            if image is None or image.index < 2:
                return image
            later_ns = image.timestamp_ns + 10**19  # three centuries
            return Image(pixels=image.pixels, timestamp_ns=later_ns, index=image.index)

    with RealtimeSource(Gap(5)) as source:
        source.patience_s = 5
        images = list(source)
    assert images[-1].index == 4
    times = [image.timestamp_ns for image in images]
    assert times == sorted(set(times))


def test_max_frames_counts_what_is_given_out(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    for index in range(9):
        Pillow.new("RGB", (20, 20)).save(tmp_path / f"{index}.png")
    with open_source(tmp_path, realtime=True, fps=100, max_frames=2) as source:
        assert len(list(source)) == 2


def test_a_slot_keeps_the_newest_alone() -> None:
    slot: LatestSlot[int] = LatestSlot()
    assert slot.take(0) is None
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.take(0) == 3
    assert slot.take(0) is None
    assert slot.dropped == 2


def test_a_finished_slot_gives_its_last_item_and_takes_no_more() -> None:
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    slot.finish()
    slot.put(2)
    assert not slot.drained
    assert slot.take(30) == 1
    assert slot.drained
    assert slot.take(30) is None  # at once: nothing can come
