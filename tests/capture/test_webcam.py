"""The camera's threads, driven by a camera that does what the test says and nothing else."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from twinsdk.capture import SourceStatus, open_source
from twinsdk.capture.webcam import WebcamConfig, WebcamSource
from twinsdk.core.clock import ManualClock
from twinsdk.errors import DeviceError, DeviceLostError

QUICK = WebcamConfig(
    failed_grabs=3, failed_wait_s=0.0, retry_first_s=0.001, retry_most_s=0.004, patience_s=20
)
LONG_S = 20.0  # a limit for what must happen, never a wait for what should not

Action = int | Callable[[], bool]


class FakeCamera:
    """A camera plugged in or not; each grab waits for the test's next action.

    An int is a frame of that grey; a callable is called and its answer is grab's. `join` returns
    when all actions were not only grabbed but also dealt with.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.actions: queue.Queue[Action] = queue.Queue()
        self.plugged = True
        self.opened = 0
        self.released_by: list[str] = []
        self.settings: list[tuple[int, float]] = []
        self.changed = threading.Condition()

    def __call__(self, _: int) -> FakeDevice:
        with self.changed:
            self.opened += 1
            self.changed.notify_all()
        return FakeDevice(self, plugged=self.plugged)

    def send(self, *actions: Action) -> None:
        for action in actions:
            self.actions.put(action)

    def join(self) -> None:
        self.actions.join()

    def wait_for_openings(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.opened >= count, LONG_S)


class FakeDevice:
    """One opening of the camera, with the calls of cv2.VideoCapture."""

    def __init__(self, camera: FakeCamera, *, plugged: bool) -> None:
        self._camera, self._plugged = camera, plugged
        self._grey = 0
        self._busy = False

    def isOpened(self) -> bool:
        return self._plugged

    def grab(self) -> bool:
        self._done()
        action = self._camera.actions.get()
        self._busy = True
        if callable(action):
            return action()
        self._grey = action
        self._camera.clock.advance(0.1)  # waiting for the exposure
        return True

    def retrieve(self) -> tuple[bool, Any]:
        self._camera.clock.advance(0.05)  # decoding
        frame = np.zeros((24, 32, 3), np.uint8)
        frame[...] = (self._grey, 0, 255)  # BGR
        return True, frame

    def get(self, prop: int) -> float:
        return 25.0 if prop == cv2.CAP_PROP_FPS else 0.0

    def set(self, prop: int, value: float) -> bool:
        self._camera.settings.append((prop, value))
        return True

    def release(self) -> None:
        self._done()
        self._camera.released_by.append(threading.current_thread().name)

    def _done(self) -> None:
        if self._busy:
            self._busy = False
            self._camera.actions.task_done()


def fails() -> bool:
    return False


def throws() -> bool:
    raise cv2.error("the driver is gone")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000)


@pytest.fixture
def camera(clock: ManualClock) -> FakeCamera:
    return FakeCamera(clock)


Opener = Callable[..., WebcamSource]


@pytest.fixture
def opened(camera: FakeCamera, clock: ManualClock) -> Iterator[Opener]:
    sources: list[WebcamSource] = []

    def opener(**options: Any) -> WebcamSource:
        options.setdefault("config", QUICK)
        source = WebcamSource(99, device=camera, clock=clock, **options)
        sources.append(source)
        return source

    yield opener
    for source in sources:
        source._closing.set()
        camera.send(fails, fails)  # a grab that waits for an action ends
        source.close()
        source._thread.join(LONG_S)
        assert not source._thread.is_alive()


def grey_of(source: WebcamSource) -> int:
    image = source.read(LONG_S)
    assert image is not None
    return int(image.pixels[0, 0, 2])


def test_frames_are_rgb_and_stamped_when_grabbed_not_when_decoded(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(7)
    source = opened()
    camera.join()  # decoding is over, so the clock stands
    first = next(source)
    camera.send(8)
    second = next(source)
    assert source.live
    assert source.size_px == first.size_px == (32, 24)
    assert source.fps == 25
    assert first.pixels[0, 0].tolist() == [255, 0, 7]
    assert first.timestamp_ns == 1_000 + 100_000_000
    assert second.timestamp_ns == 1_000 + 250_000_000  # 0.1 + 0.05 + 0.1 s
    assert [first.index, second.index] == [0, 1]


def test_a_reader_that_comes_late_gets_the_newest_and_the_others_are_counted(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    source = opened()
    camera.send(2, 3, 4)
    camera.join()
    assert source.dropped == 3
    camera.send(5)
    camera.join()
    image = source.read(LONG_S)
    assert image is not None
    assert image.pixels[0, 0, 2] == 5
    assert image.index == 4
    assert source.read(0) is None


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_single_failures_are_passed_over(camera: FakeCamera, opened: Opener) -> None:
    camera.send(fails, fails, 1)
    source = opened()
    assert grey_of(source) == 1
    camera.send(fails, fails, 2, fails, fails, 3)
    while grey_of(source) != 3:
        pass
    assert camera.opened == 1
    assert source.reopened == 0


@pytest.mark.parametrize("end", [[fails] * 3, [throws]])
def test_unplugging_is_seen_and_replugging_resumes_the_same_source(
    camera: FakeCamera, opened: Opener, end: list[Action]
) -> None:
    camera.send(1)
    source = opened()
    assert grey_of(source) == 1
    assert source.status is SourceStatus.RUNNING
    camera.plugged = False
    camera.send(*end)
    camera.wait_for_openings(4)  # it was sought three times in vain
    assert source.status is SourceStatus.LOST
    assert source.read(0) is None
    assert len(camera.released_by) >= 3
    camera.plugged = True
    camera.send(2)
    image = source.read(LONG_S)
    assert image is not None
    assert image.pixels[0, 0, 2] == 2
    assert image.index == 1
    assert source.status is SourceStatus.RUNNING
    assert source.reopened == 1


def test_the_settings_are_asked_for_again_after_replugging(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    opened(width=320, fps=60)
    asked = list(camera.settings)
    assert asked == [(cv2.CAP_PROP_FRAME_WIDTH, 320), (cv2.CAP_PROP_FPS, 60)]
    camera.send(throws, 2)
    camera.wait_for_openings(2)
    _until(lambda: camera.settings == 2 * asked)


def test_large_pictures_are_asked_for_compressed_before_their_size(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    opened(width=1280, height=720)
    assert camera.settings == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
    ]


def test_a_camera_that_freezes_counts_as_lost_until_it_goes_on(
    camera: FakeCamera, clock: ManualClock, opened: Opener
) -> None:
    camera.send(1)
    source = opened()
    assert grey_of(source) == 1
    clock.advance(QUICK.stall_s - 0.2)
    assert source.status is SourceStatus.RUNNING
    clock.advance(0.4)
    assert source.status is SourceStatus.LOST
    camera.send(2)
    assert grey_of(source) == 2
    assert source.status is SourceStatus.RUNNING


def test_a_driver_that_repeats_its_last_picture_counts_as_frozen(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    source = opened()
    assert grey_of(source) == 1
    camera.send(*[1] * 10)  # 1.5 s of the same picture: somebody may sit very still
    camera.join()
    assert source.status is SourceStatus.RUNNING
    assert grey_of(source) == 1
    camera.send(*[1] * 20)
    camera.join()
    source.read(0)
    assert source.status is SourceStatus.LOST
    camera.send(*[1] * 5)
    camera.join()
    assert source.read(0) is None
    camera.send(2)
    assert grey_of(source) == 2
    assert source.status is SourceStatus.RUNNING


def test_closing_while_a_grab_hangs_returns_and_the_grabbing_thread_lets_go(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    source = opened()
    assert grey_of(source) == 1
    begin = time.monotonic()
    source.close()
    assert time.monotonic() - begin < 5
    assert source.status is SourceStatus.CLOSED
    assert camera.released_by == []  # releasing under a running grab crashes some drivers
    camera.send(2)
    source._thread.join(LONG_S)
    assert camera.released_by == [source._thread.name]
    assert list(source) == []


def test_closing_frees_a_reader_that_waits(camera: FakeCamera, opened: Opener) -> None:
    camera.send(1)
    source = opened()
    assert grey_of(source) == 1
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(image.index for image in source))
    reader.start()
    camera.send(2)
    _until(lambda: seen == [1])
    source.close()
    reader.join(LONG_S)
    assert not reader.is_alive()
    assert seen == [1]


def test_iteration_gives_up_on_a_lost_camera_in_words_and_can_go_on(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(1)
    source = opened()
    assert next(source).index == 0
    source.patience_s = 0.01
    with pytest.raises(DeviceLostError, match=r"camera 99: no frame for 0.01 s"):
        next(source)
    source.patience_s = LONG_S
    camera.send(2)
    assert next(source).index == 1


def test_max_frames_ends_a_camera(camera: FakeCamera, opened: Opener) -> None:
    camera.send(1)
    source = opened(max_frames=1)
    assert len(list(source)) == 1
    assert source.status is SourceStatus.ENDED


def test_a_camera_that_does_not_open_is_an_error_with_its_index(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.plugged = False
    with pytest.raises(DeviceError, match="camera 99: cannot be opened: "):
        opened()


def test_a_camera_that_opens_and_gives_no_picture_is_an_error(
    camera: FakeCamera, opened: Opener
) -> None:
    camera.send(fails, fails, fails)
    with pytest.raises(DeviceError, match="camera 99: cannot be opened: "):
        opened()
    assert len(camera.released_by) == 1


def test_a_camera_that_hangs_while_opening_is_given_up(camera: FakeCamera, opened: Opener) -> None:
    with pytest.raises(DeviceError, match=r"no picture within 0.05 s"):
        opened(config=WebcamConfig(open_timeout_s=0.05))
    camera.send(fails)


def test_grey_cameras_give_rgb(
    camera: FakeCamera, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDevice, "retrieve", lambda _: (True, np.full((24, 32), 9, np.uint8)))
    camera.send(1)
    assert next(opened()).pixels[3, 3].tolist() == [9, 9, 9]


def test_the_capture_of_opencv_itself_serves_as_the_device(tmp_path: Path) -> None:
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for grey in (50, 100, 150):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    # A file that ends is like a camera that is unplugged, and opening it again like replugging.
    with WebcamSource(99, device=lambda _: cv2.VideoCapture(path), config=QUICK) as source:
        assert source.size_px == (64, 48)
        assert source.fps == 25
        images = [next(source) for _ in range(20)]
        assert source.reopened >= 1
    times = [image.timestamp_ns for image in images]
    assert times == sorted(set(times))
    assert {round(float(image.pixels.mean()) / 50) for image in images} <= {1, 2, 3}


def test_a_camera_index_that_is_not_there_is_refused_by_open_source() -> None:
    # No machine has 999 cameras; the text goes through the real OpenCV.
    with pytest.raises(DeviceError, match="camera 999"):
        open_source("999")
