"""The samples: fetched once, checked, healed; cut to one person."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from twinsdk.capture import open_source, sample, sample_path, self_sample_path
from twinsdk.capture.window import FollowingWindow
from twinsdk.errors import ModelMissingError

WIDTH, HEIGHT, FRAMES = 1768, 994, 230


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path))
    return tmp_path / "samples"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Stand in for the wheel of PyPI with one of our own and its checksums."""
    path, clip = tmp_path / "wheel", b"a clip of two people " * 1000
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Sports2D/other.py", "print('never run')")
        archive.writestr(sample._MEMBER, clip)
    member = tmp_path / "member"
    member.write_bytes(clip)
    monkeypatch.setattr(sample, "_WHEEL_SHA256", sample.sha256_of(path))
    monkeypatch.setattr(sample, "_MEMBER_SHA256", sample.sha256_of(member))
    monkeypatch.setattr(sample, "_MEMBER_BYTES", len(clip))
    return path.read_bytes()


class Internet:
    """A fetch_wheel that hands out bytes and counts, or is cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: bytes | None) -> None:
        self.asked, self._data = 0, data
        monkeypatch.setattr(sample, "fetch_wheel", self)

    def __call__(self, _: str, target: Path, **__: object) -> Path:
        self.asked += 1
        if self._data is None:
            raise ModelMissingError("cannot download (Name or service not known)")
        target.write_bytes(self._data)
        return target


def test_the_clip_is_fetched_once_and_nothing_else_is_kept(
    cache: Path, wheel: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    internet = Internet(monkeypatch, wheel)
    first, second = sample_path(), sample_path()
    assert first == second
    assert internet.asked == 1
    assert list(cache.iterdir()) == [first]


def test_a_damaged_clip_heals_itself(
    cache: Path, wheel: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    internet = Internet(monkeypatch, wheel)
    whole = sample_path().read_bytes()
    sample_path().write_bytes(whole[:100] + b"?" + whole[101:])
    assert sample_path().read_bytes() == whole
    assert internet.asked == 2


def test_without_internet_the_message_says_which_file_to_put_where_and_that_works(
    cache: Path, wheel: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    Internet(monkeypatch, None)
    with pytest.raises(ModelMissingError) as caught:
        open_source("sample")
    words = str(caught.value)
    place = Path(words.rsplit("here: ", 1)[1])
    assert place.name == "sports2d-0.8.34-py3-none-any.whl"
    assert "pip download sports2d==0.8.34 " in words
    assert "\n" not in words
    place.write_bytes(wheel)
    assert sample_path().read_bytes().startswith(b"a clip")
    assert place.exists()  # what the user put there is theirs


def test_a_wrong_wheel_put_there_by_hand_is_not_unpacked(
    cache: Path, wheel: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    Internet(monkeypatch, None)
    cache.mkdir()
    (cache / "sports2d-0.8.34-py3-none-any.whl").write_bytes(wheel[:-30])
    with pytest.raises(ModelMissingError, match="cannot be fetched"):
        sample_path()
    with pytest.raises(ModelMissingError, match="fetching was not allowed"):
        sample_path(fetch=False)
    assert not any(cache.glob("*.mp4"))


def test_the_rendered_sample_says_how_to_make_it_while_it_is_missing(cache: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"twinsdk models --fetch.*self\.mp4"):
        open_source("self")
    assert self_sample_path() == cache / "self.mp4"


def test_the_window_stays_inside_the_picture_and_its_size_never_changes() -> None:
    window = FollowingWindow()
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for index in range(FRAMES):
        x, y = window.corner(index, WIDTH, HEIGHT)
        assert 0 <= x <= WIDTH - 512
        assert 0 <= y <= HEIGHT - 512
        if index % 23 == 0:
            assert window(index, frame).shape == (640, 640, 3)


def test_the_window_stands_still_for_the_jumps_and_then_moves_without_a_jolt() -> None:
    window = FollowingWindow()
    corners = np.array([window.corner(index, WIDTH, HEIGHT) for index in range(FRAMES)])
    assert (corners[:96] == corners[0]).all()
    speed = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    # He falls about 40 px a frame; a cut between two people would be hundreds.
    assert speed.max() < 45
    assert np.abs(np.diff(speed)).max() < 12


@pytest.mark.slow
def test_the_real_sample_is_230_frames_of_640_px() -> None:
    with open_source("sample") as source:
        assert source.name == "sample"
        assert source.size_px == (640, 640)
        assert source.fps == pytest.approx(30)
        images = list(source)
    assert len(images) == FRAMES
    times = np.array([image.timestamp_ns for image in images]) * 1e-9
    np.testing.assert_allclose(times, np.arange(FRAMES) / 30, atol=1e-6)
    assert images[0].pixels.mean() > 60  # daylight
