"""Whatever the kind of file, what is wrong with it is one line that ends in its path."""

from __future__ import annotations

import gzip

import pytest

from twinsdk.errors import FileMissingError, FormatError, OutputError, TwinError
from twinsdk.formats import load_avatar, load_clip, save_avatar, save_clip
from twinsdk.formats.dispatch import AVATAR_READERS, AVATAR_WRITERS, CLIP_READERS, CLIP_WRITERS

USD = (".usd", ".usda", ".usdc", ".usdz")
BAD = {
    "words": b"these are words and no motion\n" * 20,
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "braces": b"{" * 100_000,
    "NaN": b"nan nan nan\n" * 50,
    "an old Mac": b"a\rb\rc\r" * 100,
    "another format": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" * 30,
    "cut gzip": gzip.compress(bytes(9999))[:-9],
}


def one_line(error, path):
    text = str(error)
    assert "\n" not in text
    assert text.endswith(path.name)
    assert len(text) < 700 + len(str(path))


def needs(suffix):
    if suffix in USD:
        pytest.importorskip("pxr", reason="usd-core is an extra")


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("suffix", [s for s in CLIP_READERS if s not in USD])
def test_no_reader_takes_what_is_not_its_kind(tmp_path, suffix, bad):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(BAD[bad])
    if suffix.startswith(".amc"):
        (tmp_path / "a.asf").write_bytes(BAD[bad])
    with pytest.raises(FormatError) as caught:
        load_clip(path)
    # The fault may be in the skeleton beside it.
    one_line(caught.value, path if str(path) in str(caught.value) else tmp_path / "a.asf")


@pytest.mark.parametrize("bad", ["words", "zeros"])
@pytest.mark.parametrize("suffix", USD)
def test_usd_too(tmp_path, suffix, bad, capfd):
    needs(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(BAD[bad])
    with pytest.raises(FormatError) as caught:
        load_clip(path)
    one_line(caught.value, path)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("suffix", AVATAR_READERS)
def test_no_avatar_reader_takes_what_is_not_its_kind(tmp_path, suffix, bad):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(BAD[bad])
    with pytest.raises(FormatError) as caught:
        load_avatar(path)
    one_line(caught.value, path)


@pytest.mark.parametrize("suffix", CLIP_READERS)
def test_what_is_missing_empty_or_a_folder_is_said_in_words(tmp_path, suffix):
    missing, empty, folder = (tmp_path / f"{name}{suffix}" for name in ("no", "empty", "folder"))
    empty.touch()
    folder.mkdir()
    for path, words in ((missing, "no such file"), (empty, "is empty"), (folder, "got a folder")):
        with pytest.raises(FileMissingError, match=words) as caught:
            load_clip(path)
        one_line(caught.value, path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [s for s in CLIP_WRITERS if s in CLIP_READERS and s not in USD])
def test_a_file_that_is_cut_off_is_refused_or_says_how_many_frames_it_has(
    tmp_path, clip, suffix, share
):
    path = tmp_path / f"a{suffix}"
    save_clip(clip, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    try:
        back = load_clip(path)
    except TwinError as error:
        one_line(error, path)
    else:  # a text whose rows are whole up to the cut
        assert suffix in (".bvh", ".trc")
        assert 0 < len(back) < len(clip)


@pytest.mark.parametrize("suffix", CLIP_WRITERS)
def test_a_motion_is_not_written_where_there_is_no_folder(tmp_path, clip, suffix):
    needs(suffix)
    path = tmp_path / "no" / f"a{suffix}"
    with pytest.raises(OutputError) as caught:
        save_clip(clip, path)
    one_line(caught.value, path)


@pytest.mark.parametrize("suffix", AVATAR_WRITERS)
def test_an_avatar_is_not_written_where_there_is_no_folder(tmp_path, avatar, suffix):
    needs(suffix)
    path = tmp_path / "no" / f"a{suffix}"
    with pytest.raises(OutputError) as caught:
        save_avatar(avatar, path)
    # Pictures of an .obj are files of their own, and come first.
    one_line(caught.value, path.with_name("a_cloth.png") if suffix == ".obj" else path)


@pytest.mark.parametrize("call", [load_clip, load_avatar])
@pytest.mark.parametrize("name", ["a.csv", "a.docx", "a", "a.obj"])
def test_an_unknown_extension_lists_what_is_known(tmp_path, call, name):
    path = tmp_path / name
    path.write_text("x")
    with pytest.raises(FormatError, match="expected one of") as caught:
        call(path)
    one_line(caught.value, path)
