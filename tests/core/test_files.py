"""Outputs are whole or not there."""

import hashlib
import stat

import pytest

from twinsdk import errors
from twinsdk.core.files import atomic_path, cache_dir, existing_file, existing_folder, sha256_of


def test_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "clip.bvh"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_finished_write_replaces_the_file_and_is_readable_by_others(tmp_path):
    target = tmp_path / "clip.bvh"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".bvh"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert target.stat().st_mode & stat.S_IRUSR


def test_unwritable_places_are_refused_in_words(tmp_path):
    with (
        pytest.raises(errors.OutputError, match="No such file or directory"),
        atomic_path(tmp_path / "no" / "x"),
    ):
        pass
    with pytest.raises(errors.OutputError, match="got a folder"), atomic_path(tmp_path):
        pass


def test_missing_empty_and_folder_inputs_are_told_apart(tmp_path):
    with pytest.raises(errors.FileMissingError, match="video: no such file"):
        existing_file(tmp_path / "x.mp4", what="video")
    with pytest.raises(errors.FileMissingError, match="got a folder"):
        existing_file(tmp_path, what="video")
    (tmp_path / "e").touch()
    with pytest.raises(errors.FileMissingError, match="empty"):
        existing_file(tmp_path / "e", what="video")
    assert existing_folder(tmp_path, what="takes") == tmp_path
    with pytest.raises(errors.FileMissingError, match="takes: expected a folder, got a file"):
        existing_folder(tmp_path / "e", what="takes")
    with pytest.raises(errors.FileMissingError, match="got nothing there"):
        existing_folder(tmp_path / "x", what="takes")


def test_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "c"))
    assert cache_dir("models") == tmp_path / "c" / "models"
    (tmp_path / "file").touch()
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "file"))
    with pytest.raises(errors.OutputError, match="TWINSDK_CACHE"):
        cache_dir("models")


def test_checksum_is_that_of_hashlib(tmp_path):
    (tmp_path / "x").write_bytes(b"twin" * 1_000_000)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"twin" * 1_000_000).hexdigest()
