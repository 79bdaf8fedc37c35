"""Video files: every frame, the container's times, and what is refused."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from twinsdk.capture import SourceStatus, open_source, video
from twinsdk.capture.container import inspect_mp4
from twinsdk.capture.opencv import check_size
from twinsdk.errors import FileMissingError, FormatError, UsageError

FPS = 25
COUNT = 12


def grey_of(index: int) -> int:
    return 20 + 18 * index


def write_clip(path: Path, size: tuple[int, int] = (64, 48), code: str = "mp4v") -> Path:
    """Each frame is one grey that tells its index; the upper left quarter is white."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), FPS, size)
    assert writer.isOpened()
    for index in range(COUNT):
        frame = np.full((size[1], size[0], 3), grey_of(index), np.uint8)
        frame[: size[1] // 2, : size[0] // 2] = (0, 0, 255)  # red in BGR
        writer.write(frame)
    writer.release()
    return path


def replace_bytes(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) >= 1
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.mark.parametrize(("suffix", "code"), [("mp4", "mp4v"), ("mp4", "vp09"), ("webm", "VP80")])
def test_every_frame_comes_once_in_order_at_its_time(
    tmp_path: Path, suffix: str, code: str
) -> None:
    path = write_clip(tmp_path / f"clip.{suffix}", code=code)
    with open_source(path) as source:
        assert source.size_px == (64, 48)
        assert source.fps == pytest.approx(FPS)
        assert source.frame_count == pytest.approx(COUNT, abs=1)
        assert not source.live
        images = list(source)
    assert [image.index for image in images] == list(range(COUNT))
    # WebM counts in milliseconds.
    expected_ms = np.arange(COUNT) * 1000 / FPS
    np.testing.assert_allclose([i.timestamp_ns / 1e6 for i in images], expected_ms, atol=0.51)
    middle = [float(image.pixels[36:44, 44:60].mean()) for image in images]
    np.testing.assert_allclose(middle, [grey_of(i) for i in range(COUNT)], atol=6)  # lossy codec


def test_pixels_are_rgb_with_row_zero_at_the_top(clip: Path) -> None:
    with open_source(clip) as source:
        corner = next(source).pixels[4:16, 4:24].reshape(-1, 3).mean(0)
    assert corner[0] > 200
    assert corner[1:].max() < 60


def test_two_readings_of_one_file_are_identical(clip: Path) -> None:
    with open_source(clip) as first, open_source(clip) as second:
        for one, two in zip(first, second, strict=True):
            assert one.timestamp_ns == two.timestamp_ns
            np.testing.assert_array_equal(one.pixels, two.pixels)


def test_times_of_a_variable_rate_file_are_those_of_its_table(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "variable.mp4"
    path.write_bytes(clip.read_bytes())
    ticks, each = make_variable(path)
    with open_source(path) as source:
        times = [image.timestamp_ns for image in source]
    starts = np.concatenate([[0], np.cumsum(ticks)[:-1]]) * each
    np.testing.assert_allclose(np.array(times) * 1e-9, starts, atol=1e-6)
    assert len(set(np.diff(times))) > 1


def make_variable(path: Path) -> tuple[list[int], float]:
    """Give an mp4 of constant rate a time table of three rates; return ticks and seconds a tick.

    See ISO 14496-12, section 8.6.1.2, for the table `stts`.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"edts")
    data[at : at + 4] = b"free"  # the edit list would end the picture at its old length
    at = data.index(b"stts") - 4
    size, _, _, entries, count, delta = struct.unpack(">I4sIIII", data[at : at + 24])
    assert (size, entries, count) == (24, 1, COUNT)
    scale_at = data.index(b"mdhd") + 4 + 4 + 8
    (scale,) = struct.unpack(">I", data[scale_at : scale_at + 4])
    runs = [(4, delta), (5, 3 * delta), (3, 2 * delta)]
    table = b"".join(struct.pack(">II", *run) for run in runs)
    new = struct.pack(">I4sII", 16 + len(table), b"stts", 0, len(runs)) + table
    data[at : at + 24] = new
    grow(data, OUTWARD, len(new) - 24)
    assert data.index(b"mdat") < data.index(b"moov")  # so no chunk offset moves
    path.write_bytes(data)
    return [d for n, d in runs for _ in range(n)], 1 / scale


OUTWARD = (b"stbl", b"minf", b"mdia", b"trak", b"moov")


def grow(data: bytearray, boxes: tuple[bytes, ...], by: int) -> None:
    for box in boxes:
        start = data.rindex(box) - 4
        (old,) = struct.unpack(">I", data[start : start + 4])
        data[start : start + 4] = struct.pack(">I", old + by)


def test_rotation_metadata_turns_the_picture(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(clip.read_bytes())
    one, w = 0x00010000, 0x40000000
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, w)
    quarter = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, w)  # 90 degrees clockwise
    data = bytearray(path.read_bytes())
    at = data.index(upright, data.index(b"tkhd"))
    data[at : at + 36] = quarter
    path.write_bytes(data)
    with open_source(path) as source:
        assert source.size_px == (48, 64)
        pixels = next(source).pixels
    assert pixels.shape == (64, 48, 3)
    red = pixels.astype(int)[..., 0] - pixels[..., 1] > 100
    rows, columns = np.nonzero(red)
    # Upper left, turned clockwise, is upper right.
    assert rows.max() < 34
    assert columns.min() > 20


def test_pixels_that_are_not_square_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "anamorphic.mp4", code="vp09")
    data = bytearray(path.read_bytes())
    end = data.rindex(b"vp09") - 4  # the sample entry; the first is the brand of the file
    end += struct.unpack(">I", data[end : end + 4])[0]
    data[end:end] = pasp = struct.pack(">I4sII", 16, b"pasp", 3, 2)
    grow(data, (b"vp09", b"stsd", *OUTWARD), len(pasp))
    path.write_bytes(data)
    with open_source(path) as source:
        assert source.size_px == (96, 48)
        assert next(source).size_px == (96, 48)


class Clockless:
    """A capture of a bare stream or a broken file: its times are those of the test."""

    times_ms: tuple[float, ...] = ()

    def __init__(self, *arguments: object) -> None:
        self._inner = REAL_CAPTURE(*arguments)
        self._at = -1

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def grab(self) -> bool:
        self._at += 1
        return self._inner.grab()

    def get(self, prop: int) -> float:
        return self.times_ms[self._at] if prop == cv2.CAP_PROP_POS_MSEC else self._inner.get(prop)


REAL_CAPTURE = cv2.VideoCapture


@pytest.mark.parametrize(
    ("times_ms", "expected_ms"),
    [
        ([0.0] * COUNT, np.arange(COUNT) * 40.0),  # no times at all: the stated rate
        ([float("nan")] * COUNT, np.arange(COUNT) * 40.0),
        ([-1.0] * COUNT, np.arange(COUNT) * 40.0),
        (  # one frame repeats its time, and time starts anew in the middle
            [0, 40, 40, 120, 160, 200, 0, 40, 80, 400, 440, 480],
            [0, 40, 80, 120, 160, 200, 240, 280, 320, 400, 440, 480],
        ),
    ],
)
def test_time_moves_on_whatever_the_file_says(
    clip: Path, monkeypatch: pytest.MonkeyPatch, times_ms: list[float], expected_ms: list[float]
) -> None:
    monkeypatch.setattr(Clockless, "times_ms", tuple(times_ms))
    monkeypatch.setattr(cv2, "VideoCapture", Clockless)
    with open_source(clip) as source:
        times = [image.timestamp_ns * 1e-6 for image in source]
    np.testing.assert_allclose(times, expected_ms, atol=1e-3)


def test_frames_are_scaled_down_to_fit_and_never_enlarged(clip: Path) -> None:
    with open_source(clip, width=32) as source:
        assert source.size_px == (32, 24)
        assert next(source).size_px == (32, 24)
    with open_source(clip, width=640, height=24) as source:
        assert source.size_px == (32, 24)
    with open_source(clip, width=640) as source:
        assert source.size_px == (64, 48)


def test_a_lower_rate_leaves_frames_out_evenly(clip: Path) -> None:
    with open_source(clip, fps=FPS / 2) as source:
        assert source.fps == FPS / 2
        assert [image.index for image in source] == list(range(0, COUNT, 2))
    with open_source(clip, fps=1000) as source:
        assert source.fps == FPS
        assert len(list(source)) == COUNT


def test_max_frames_ends_the_source(clip: Path) -> None:
    with open_source(clip, max_frames=3) as source:
        assert len(list(source)) == 3
        assert source.status is SourceStatus.ENDED
        assert source.read() is None


def test_a_closed_source_ends_and_may_be_closed_again(clip: Path) -> None:
    source = open_source(clip)
    next(source)
    source.close()
    source.close()
    assert source.status is SourceStatus.CLOSED
    assert list(source) == []


def test_paths_with_spaces_percent_signs_colons_and_letters_of_any_script_open(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "übung 映像 %02d"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("tänzer in %03d.mp4", "http:clip.mp4", "-.mp4"):
        Path(name).write_bytes(clip.read_bytes())
        with open_source(name) as source:
            assert len(list(source)) == COUNT


def test_a_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"no such path.*nothing.mp4"):
        open_source(tmp_path / "nothing.mp4")
    with pytest.raises(FileMissingError):
        open_source("")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(FileMissingError, match="empty"):
        open_source(tmp_path / "empty.mp4")


@pytest.mark.parametrize("spec", ["x" * 5000, "a\0b", "  ", "clip.mp4/inside.mp4"])
def test_impossible_paths_are_missing_files(
    clip: Path, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    with pytest.raises(FileMissingError):
        open_source(spec)


def test_a_file_that_may_not_be_read_is_told_in_words(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(video, "inspect_mp4", refuse)
    with pytest.raises(FileMissingError, match=r"cannot be read \(Permission denied\): .*clip.mp4"):
        open_source(clip)


def test_text_with_the_name_of_a_video_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("Dear diary, today I recorded nothing.\n", "utf-8")
    with pytest.raises(FormatError, match="it is text"):
        open_source(path)


def test_opencv_and_ffmpeg_write_nothing_themselves(clip: Path, tmp_path: Path) -> None:
    text, cut, damaged = (tmp_path / name for name in ("text.mp4", "cut.mp4", "damaged.mp4"))
    text.write_text("hello")
    data = bytearray(clip.read_bytes())
    cut.write_bytes(data[:500])
    payload = data.index(b"mdat") + 60
    data[payload : payload + 300] = b"\xa5" * 300
    damaged.write_bytes(data)
    code = (
        "import sys\n"
        "from twinsdk.capture import open_source\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        list(open_source(path))\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    # A process of its own, since FFmpeg's level is set by the first video a process opens.
    done = subprocess.run(
        [sys.executable, "-c", code, text, cut, damaged], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


def test_a_recording_cut_off_before_its_index_is_refused(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    path = tmp_path / "cut.mp4"
    for size in (40, len(data) // 2, data.index(b"moov") + 50):
        path.write_bytes(data[:size])
        with pytest.raises(FormatError, match=r"cut off.*index"):
            open_source(path)


def index_first(data: bytes) -> bytes:
    """Return an mp4 with its moov box before mdat, as made for streaming."""
    mdat, moov = data.index(b"mdat") - 4, data.index(b"moov") - 4
    assert mdat < moov
    (size,) = struct.unpack(">I", data[moov : moov + 4])
    box = bytearray(data[moov : moov + size])
    at = box.index(b"stco") + 8
    (count,) = struct.unpack(">I", box[at : at + 4])
    for entry in range(at + 4, at + 4 + 4 * count, 4):
        (offset,) = struct.unpack(">I", box[entry : entry + 4])
        box[entry : entry + 4] = struct.pack(">I", offset + size)
    return data[:mdat] + bytes(box) + data[mdat:moov] + data[moov + size :]


def test_a_file_cut_off_behind_its_index_plays_as_far_as_it_goes_and_says_so(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "streamed.mp4"
    data = index_first(clip.read_bytes())
    path.write_bytes(data)
    with open_source(path) as source:
        assert len(list(source)) == COUNT
    assert not caplog.records
    payload = data.index(b"mdat") + 4
    path.write_bytes(data[: payload + (len(data) - payload) * 2 // 3])
    with open_source(path) as source:
        assert 0 < len(list(source)) < COUNT
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cut off" in caplog.text
    path.write_bytes(data[: payload + 4])
    with pytest.raises(FormatError, match=r"at least one frame.*cut off"):
        open_source(path)


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (64, 48))
    writer.release()
    with pytest.raises(FormatError):
        open_source(path)


def test_sound_without_picture_is_told_apart(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    path.write_bytes(clip.read_bytes())
    replace_bytes(path, b"vide", b"soun")
    boxes = inspect_mp4(path)
    assert boxes is not None
    assert boxes.tracks == ("soun",)
    with pytest.raises(FormatError, match="no picture, only sound"):
        open_source(path)
    wave = tmp_path / "sound.wav"
    wave.write_bytes(
        struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 236, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
        + struct.pack("<4sI", b"data", 200)
        + bytes(200)
    )
    with pytest.raises(FormatError, match="sound only"):
        open_source(wave)


def test_pictures_too_small_are_refused(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mp4", size=(8, 8))
    with pytest.raises(FormatError, match="at least 16x16 px, got 8x8 px"):
        open_source(small)


def test_sizes_are_accepted_up_to_the_limits_and_no_further() -> None:
    check_size("video", 16, 8192, "a.mp4")
    for size in ((15, 100), (100, 15), (8193, 100), (100, 8193), (2**31, 2**31)):
        with pytest.raises(FormatError, match=f"got {size[0]}x{size[1]} px.*a.mp4"):
            check_size("video", *size, "a.mp4")


@pytest.mark.parametrize(
    "options",
    [{"width": 0}, {"height": -1}, {"fps": 0.0}, {"fps": float("nan")}, {"max_frames": 0}],
)
def test_options_without_sense_are_refused(clip: Path, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        open_source(clip, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", [True, None, 1.5, -1])
def test_what_is_no_source_is_refused(spec: object) -> None:
    with pytest.raises(UsageError, match="source: expected a camera index"):
        open_source(spec)  # type: ignore[arg-type]
