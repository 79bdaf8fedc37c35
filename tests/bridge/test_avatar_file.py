"""The avatar's file reaches a receiver whole, once, and only when it is given away."""

from __future__ import annotations

import hashlib
import os
import threading

import numpy as np
import pytest

from twinsdk.bridge import Publisher, Subscriber, avatar_file
from twinsdk.bridge.avatar_file import (
    CHUNK_BYTES,
    MAX_FILE_BYTES,
    AvatarFile,
    FileChunk,
    FileFetch,
    FileRequest,
)
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.errors import EndpointError, FileMissingError, FormatError, WireError


@pytest.fixture
def vrm(tmp_path):
    noise = np.random.default_rng(3).bytes(5 * CHUNK_BYTES + 777)
    file = tmp_path / "me.vrm"
    file.write_bytes(b"glTF" + noise)
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TWINSDK_CACHE", str(folder))
    return folder / "avatars" / "received"


def test_a_receiver_gets_the_file_that_was_given(vrm, cache, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(9)
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor, avatar_file=vrm) as publisher:
        publisher.send(frame_on(descriptor, 1))
        with Subscriber(publisher.endpoint) as subscriber:
            path = subscriber.avatar(timeout_s=20)
            assert path.read_bytes() == vrm.read_bytes()
            assert path.parent == cache
            assert path.stem == hashlib.sha256(vrm.read_bytes()).hexdigest()
            written = path.stat().st_mtime_ns
        with Subscriber(publisher.endpoint) as subscriber:
            assert subscriber.avatar(3, timeout_s=20) == path
        assert path.stat().st_mtime_ns == written
        assert [file.name for file in cache.iterdir()] == [path.name]


def test_receivers_at_once_get_one_whole_file(vrm, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(4)
    got = []
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor, avatar_file=vrm) as publisher:
        publisher.send(frame_on(descriptor, 1))

        def fetch():
            with Subscriber(publisher.endpoint) as subscriber:
                got.append(subscriber.avatar(timeout_s=20))

        threads = [threading.Thread(target=fetch) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(got) == 3
    assert len(set(got)) == 1
    assert got[0].read_bytes() == vrm.read_bytes()


def test_a_paired_receiver_gets_it_and_a_stranger_does_not(
    vrm, tmp_path, descriptor_of_size, frame_on
):
    descriptor = descriptor_of_size(4)
    keys = make_server_keys(tmp_path / "keys")
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor, avatar_file=vrm, keys=keys) as publisher:
        publisher.send(frame_on(descriptor, 1))
        token = pair("quest", endpoint=publisher.endpoint, folder=tmp_path / "keys")
        with (
            Subscriber(publisher.endpoint) as stranger,
            pytest.raises(EndpointError, match="nobody offered"),
        ):
            stranger.avatar(timeout_s=0.5)
        with Subscriber(str(token)) as subscriber:
            assert subscriber.avatar(timeout_s=20).read_bytes() == vrm.read_bytes()


def test_no_file_is_given_away_unasked(descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(4)
    with Publisher("tcp://127.0.0.1:*", avatar=descriptor) as publisher:
        publisher.send(frame_on(descriptor, 1))
        with (
            Subscriber(publisher.endpoint) as subscriber,
            pytest.raises(EndpointError, match="gives no file of avatar 3 away"),
        ):
            subscriber.avatar(timeout_s=20)


def test_a_cut_transfer_goes_on_where_it_stopped(vrm):
    file = AvatarFile(vrm)
    first = FileFetch(file.sha256, len(file))
    for _ in range(2):
        assert first.add(file.chunk(first.request))
    again = FileFetch(file.sha256, len(file))
    assert again.request.offset == 2 * CHUNK_BYTES
    while not again.is_done:
        assert again.add(file.chunk(again.request))
    assert again.path.read_bytes() == vrm.read_bytes()
    assert FileFetch(file.sha256, len(file)).is_done


def test_other_bytes_are_thrown_away_and_never_reach_the_name(vrm, cache):
    file = AvatarFile(vrm)
    fetch = FileFetch(file.sha256, len(file))

    def lie():
        while True:
            honest = file.chunk(fetch.request)
            data = bytes([honest.data[0] ^ 1]) + honest.data[1:]
            fetch.add(FileChunk(sha256=honest.sha256, offset=honest.offset, data=data))

    with pytest.raises(WireError, match="ask again"):
        lie()
    assert list(cache.iterdir()) == []


def test_chunks_nobody_asked_for_are_ignored(vrm):
    file = AvatarFile(vrm)
    fetch = FileFetch(file.sha256, len(file))
    right = file.chunk(fetch.request)
    for wrong in (
        FileChunk(sha256=bytes(32), offset=0, data=right.data),
        FileChunk(sha256=file.sha256, offset=CHUNK_BYTES, data=right.data),
        FileChunk(sha256=file.sha256, offset=0, data=right.data[:-1]),
    ):
        assert not fetch.add(wrong)
    assert fetch.request.offset == 0


def test_a_damaged_copy_in_the_cache_is_fetched_anew(vrm):
    file = AvatarFile(vrm)
    FileFetch(file.sha256, len(file)).path.write_bytes(b"glTF, and cut")
    fetch = FileFetch(file.sha256, len(file))
    assert not fetch.is_done
    while not fetch.is_done:
        fetch.add(file.chunk(fetch.request))
    assert fetch.path.read_bytes() == vrm.read_bytes()


def test_what_makes_no_sense_is_refused_in_words(vrm, tmp_path):
    file = AvatarFile(vrm)
    assert file.chunk(FileRequest(sha256=bytes(32), offset=0)) is None
    assert file.chunk(FileRequest(sha256=file.sha256, offset=len(file))) is None
    for sha256, size in ((bytes(31), 100), (bytes(32), 0), (bytes(32), MAX_FILE_BYTES + 1)):
        with pytest.raises(WireError, match="256 MiB"):
            FileFetch(sha256, size)
    with pytest.raises(FileMissingError):
        AvatarFile(tmp_path / "none.vrm")
    (tmp_path / "me.bvh").write_text("HIERARCHY")
    with pytest.raises(FormatError, match=r"expected a \.vrm or \.glb"):
        AvatarFile(tmp_path / "me.bvh")


def test_the_files_longest_unused_make_room_for_new_ones(cache, monkeypatch):
    monkeypatch.setattr(avatar_file, "MAX_CACHE_BYTES", 2500)
    files = [b"glTF" + bytes([i]) * 996 for i in range(4)]
    paths = []
    for number, content in enumerate(files):
        fetch = FileFetch(hashlib.sha256(content).digest(), len(content))
        assert fetch.add(FileChunk(sha256=fetch.request.sha256, offset=0, data=content))
        os.utime(fetch.path, ns=(number, number))
        paths.append(fetch.path)
        if number == 1:  # the first one is used again
            FileFetch(hashlib.sha256(files[0]).digest(), len(files[0]))
    assert [path.exists() for path in paths] == [True, False, False, True]
    assert sum(file.stat().st_size for file in cache.iterdir()) <= 2500
