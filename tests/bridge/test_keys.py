"""Keys: who is paired listens, who is not hears nothing, and a token is one whole line."""

from __future__ import annotations

import socket
import stat
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import zmq

from twinsdk.bridge import Publisher, Subscriber
from twinsdk.bridge.keys import (
    ClientKeys,
    Token,
    clients,
    load_server_keys,
    make_server_keys,
    pair,
    revoke,
)
from twinsdk.errors import EndpointError, FileMissingError, FormatError, UsageError


@pytest.fixture
def avatar(descriptor_of_size):
    return descriptor_of_size(5)


@pytest.fixture
def secure(avatar, frame_on, tmp_path):
    """Stream with keys until the test ends."""
    stop = threading.Event()
    with Publisher("tcp://127.0.0.1:*", avatar=avatar, keys=make_server_keys(tmp_path)) as made:

        def run():
            sequence = 0
            while not stop.wait(0.01):
                sequence += 1
                made.send(frame_on(avatar, sequence))

        thread = threading.Thread(target=run)
        thread.start()
        yield made
        stop.set()
        thread.join()


def test_a_paired_device_listens_with_its_token_alone(secure, avatar, tmp_path):
    token = str(pair("headset", endpoint=secure.endpoint, folder=tmp_path))
    assert "\n" not in token
    with Subscriber(token) as subscriber:
        assert subscriber.recv(5) is not None
        assert subscriber.descriptor.hash == avatar.hash


def test_a_stranger_hears_nothing_and_the_paired_go_on(secure, tmp_path):
    token = pair("headset", endpoint=secure.endpoint, folder=tmp_path)
    _, secret = zmq.curve_keypair()
    stranger = ClientKeys(secret=secret.decode(), server_public=token.keys.server_public)
    with (
        Subscriber(str(token)) as paired,
        Subscriber(secure.endpoint, keys=stranger) as strange,
        Subscriber(secure.endpoint) as naked,
    ):
        assert paired.recv(5) is not None
        assert strange.recv(0.4) is None
        assert naked.recv(0.2) is None
        assert strange.descriptor is None
        assert paired.recv(5) is not None
    assert secure.stats.denied >= 1


def test_a_revoked_device_is_out_at_its_next_connection(secure, tmp_path):
    token = str(pair("old-phone", endpoint=secure.endpoint, folder=tmp_path))
    with Subscriber(token) as subscriber:
        assert subscriber.recv(5) is not None
    revoke("old-phone", folder=tmp_path)
    with Subscriber(token) as subscriber:
        assert subscriber.recv(0.4) is None


def test_a_wrong_server_key_connects_to_nobody(secure, tmp_path):
    token = pair("headset", endpoint=secure.endpoint, folder=tmp_path)
    public, _ = zmq.curve_keypair()
    fooled = ClientKeys(secret=token.keys.secret, server_public=public.decode())
    with Subscriber(secure.endpoint, keys=fooled) as subscriber:
        assert subscriber.recv(0.4) is None


@contextmanager
def wiretap(endpoint):
    """Forward one TCP connection and keep what the publisher sends; yields endpoint and bytes."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    heard = bytearray()
    links = []

    def copy(source, target, kept):
        try:
            while data := source.recv(4096):
                if kept is not None:
                    kept += data
                target.sendall(data)
        except OSError:  # the other side closed first
            return

    def run():
        near, _ = door.accept()
        far = socket.create_connection((host, int(port)))
        links.extend((near, far))
        upward = threading.Thread(target=copy, args=(near, far, None))
        upward.start()
        copy(far, near, heard)
        upward.join()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{door.getsockname()[1]}", heard
        finally:
            for link in links:
                with suppress(OSError):  # closed by the other side already
                    link.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            for link in links:
                link.close()


def test_poses_are_encrypted_on_the_wire_with_keys_and_only_then(
    secure, avatar, frame_on, tmp_path
):
    keys = pair("headset", endpoint=secure.endpoint, folder=tmp_path).keys
    with (
        wiretap(secure.endpoint) as (place, heard),
        Subscriber(place, keys=keys, avatar_id=3, state_endpoint=secure.state_endpoint) as paired,
    ):
        assert paired.recv(5) is not None
        assert paired.recv(5) is not None
        assert b"CURVE" in heard
        assert b"TWNP" not in heard
    with (
        Publisher("tcp://127.0.0.1:*", avatar=avatar) as plain,
        wiretap(plain.endpoint) as (place, heard),
        Subscriber(place, avatar_id=3, state_endpoint=plain.state_endpoint) as anyone,
    ):
        end = time.monotonic() + 5
        while b"TWNP" not in heard:
            assert time.monotonic() < end
            plain.send(frame_on(avatar, 1))
            anyone.recv(0.02)


def test_with_keys_other_machines_may_be_served(avatar, tmp_path):
    with Publisher("tcp://0.0.0.0:*", avatar=avatar, keys=make_server_keys(tmp_path)) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")


def test_a_token_comes_back_as_it_went_and_hides_its_secret(tmp_path):
    token = pair("a", endpoint="tcp://192.168.0.7:5555", folder=tmp_path)
    assert Token.parse(f"  {token}\n") == token
    assert token.keys.secret not in repr(token)
    assert token.keys.public == clients(tmp_path)["a"]


def test_a_token_that_lost_or_changed_a_character_is_refused(tmp_path):
    text = str(pair("a", endpoint="tcp://192.168.0.7:5555", folder=tmp_path))
    swapped = text[:40] + ("A" if text[40] != "A" else "B") + text[41:]
    for wrong in (text[:-3], text + "x", swapped, "twin1-", "twin1-ö", text[6:]):
        with pytest.raises(EndpointError, match="whole line"):
            Token.parse(wrong)


def test_keys_are_made_once_and_kept(tmp_path):
    first = make_server_keys(tmp_path / "deep" / "folder")
    assert make_server_keys(tmp_path / "deep" / "folder") == first
    assert load_server_keys(tmp_path / "deep" / "folder") == first
    assert first.secret not in repr(first)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_only_the_owner_can_read_the_secret(tmp_path):
    made = make_server_keys(tmp_path / "keys")
    mode = (made.folder / "server.key_secret").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_pairing_lists_and_refuses_in_words(tmp_path):
    pair("b", endpoint="tcp://10.0.0.1:5555", folder=tmp_path)
    pair("a", endpoint="tcp://10.0.0.1:5555", folder=tmp_path)
    assert list(clients(tmp_path)) == ["a", "b"]
    with pytest.raises(UsageError, match="paired already"):
        pair("a", endpoint="tcp://10.0.0.1:5555", folder=tmp_path)
    with pytest.raises(UsageError, match="letters, digits"):
        pair("../a", endpoint="tcp://10.0.0.1:5555", folder=tmp_path)
    with pytest.raises(EndpointError, match="the device connects to"):
        pair("c", endpoint="tcp://0.0.0.0:5555", folder=tmp_path)
    with pytest.raises(UsageError, match=r"\['a', 'b'\], got 'c'"):
        revoke("c", folder=tmp_path)


def test_missing_and_damaged_key_files_say_so(tmp_path):
    with pytest.raises(FileMissingError, match="twinsdk keys"):
        load_server_keys(tmp_path)
    (tmp_path / "server.key_secret").write_text("nonsense")
    with pytest.raises(FormatError, match="secret-key"):
        load_server_keys(tmp_path)
