"""Folders of pictures and single pictures."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from twinsdk.capture import open_source
from twinsdk.capture.images import natural_key
from twinsdk.errors import FileMissingError, FormatError


def save(path: Path, grey: int, size: tuple[int, int] = (40, 30)) -> None:
    Pillow.new("RGB", size, (grey, grey, grey)).save(path)


def test_pictures_come_in_natural_order_at_a_constant_rate(tmp_path: Path) -> None:
    names = ["f1.png", "f2.PNG", "f9.bmp", "f10.png", "f11.tiff", "f100.webp"]
    for grey, name in enumerate(names):
        save(tmp_path / name, 40 * grey)
    save(tmp_path / ".hidden.png", 255)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    with open_source(tmp_path, fps=50) as source:
        assert source.frame_count == 6
        assert source.fps == 50
        images = list(source)
    assert [int(image.pixels[0, 0, 0]) for image in images] == pytest.approx(
        [0, 40, 80, 120, 160, 200],
        abs=3,  # webp is lossy
    )
    assert [image.timestamp_ns for image in images] == [20_000_000 * i for i in range(6)]
    assert [image.index for image in images] == list(range(6))


def test_natural_order_is_total_for_any_mix_of_digits_and_letters(
    rng: np.random.Generator,
) -> None:
    names = ["".join(rng.choice(list("a1B20_ü9٣"), size=6)) for _ in range(200)]
    ordered = sorted(names, key=natural_key)
    for first, second in pairwise(ordered):
        assert natural_key(first) <= natural_key(second)


def test_one_picture_is_a_source_of_one_frame(tmp_path: Path) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:10, :, 0] = 255
    Pillow.fromarray(pixels).save(tmp_path / "übung 1.png")
    with open_source(tmp_path / "übung 1.png") as source:
        (image,) = source
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "1"])
def test_pictures_of_other_kinds_become_rgb(tmp_path: Path, mode: str) -> None:
    Pillow.new("L", (40, 30), 255).convert(mode if mode != "I;16" else "I").convert(mode).save(
        tmp_path / "a.png"
    )
    with open_source(tmp_path) as source:
        assert next(source).pixels.shape == (30, 40, 3)


def test_the_rotation_a_telephone_notes_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, :16, 0] = 250  # a red stripe on the left
    picture = Pillow.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise: the stripe is then on top
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    with open_source(tmp_path) as source:
        assert source.size_px == (32, 48)
        shown = next(source).pixels
    assert shown.shape == (48, 32, 3)
    assert shown[:12, :, 0].min() > 200
    assert shown[24:, :, 0].max() < 50


def test_pictures_of_mixed_sizes_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "a1.png", 0)
    save(tmp_path / "a2.png", 0, size=(30, 40))
    with open_source(tmp_path) as source, pytest.raises(FormatError, match=r"got 30x40.*a2\.png"):
        list(source)
    save(tmp_path / "a3.png", 0, size=(40, 31))
    with pytest.raises(FormatError, match=r"expected 40x30 px as a1.png has, got 40x31.*a3.png"):
        open_source(tmp_path)


def test_a_folder_without_pictures_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"expected pictures.*got none"):
        open_source(tmp_path)
    with pytest.raises(FileMissingError):
        open_source(tmp_path / "nothing")


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "a1.png").write_text("not a picture")
    with pytest.raises(FormatError, match=r"header cannot be read.*a1.png"):
        open_source(tmp_path)
    save(tmp_path / "whole.png", 9)
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "a1.png").write_bytes(data[:45])
    with pytest.raises(FormatError, match=r"damaged.*a1\.png"):
        open_source(tmp_path / "a1.png")
    (tmp_path / "a1.png").write_bytes(data)
    (tmp_path / "a2.png").write_bytes(data[:45])
    (tmp_path / "whole.png").unlink()
    with open_source(tmp_path) as source:
        next(source)
        with pytest.raises(FormatError, match=r"damaged.*a2\.png"):
            next(source)


def test_a_picture_that_vanishes_midway_is_named(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        save(tmp_path / name, 0)
    with open_source(tmp_path) as source:
        next(source)
        (tmp_path / "2.png").unlink()
        with pytest.raises(FileMissingError, match=r"cannot be read any more.*2\.png"):
            next(source)


def test_pictures_of_one_pixel_and_of_absurd_size_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 0, size=(1, 1))
    with pytest.raises(FormatError, match="at least 16x16 px, got 1x1"):
        open_source(tmp_path)
    for size in ((8200, 20), (40000, 40000)):
        header = bytearray((tmp_path / "a.png").read_bytes())
        header[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
        header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
        (tmp_path / "big.png").write_bytes(header)
        with pytest.raises(FormatError, match=r"at most 8192 px|far too large"):
            open_source(tmp_path / "big.png")
