"""keys, relay, record, replay and view: run as commands, against real streams."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest

from twinsdk import cli
from twinsdk.bridge import AvatarDescriptor, Publisher, Subscriber
from twinsdk.bridge.recorder import Recording
from twinsdk.core.clock import now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
from twinsdk.formats import load_avatar, save_avatar

SKELETON = humanoid_skeleton()
AVATAR = AvatarDescriptor(skeleton=SKELETON, humanoid={name: name for name in SKELETON.names})


@contextmanager
def streaming(avatar_file=None):
    stop = threading.Event()
    with Publisher("tcp://127.0.0.1:*", avatar=AVATAR, avatar_file=avatar_file) as publisher:

        def send():
            sequence = 0
            while not stop.wait(0.01):
                sequence += 1
                publisher.send(
                    TwinFrame(
                        avatar_id=0,
                        sequence=sequence,
                        timestamp_ns=now_ns(),
                        pose=rest_pose(SKELETON),
                    )
                )

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield publisher
        finally:
            stop.set()
            thread.join()


@contextmanager
def command(*words):
    """Run a command in a thread; it must end by itself with exit code 0."""
    codes = []
    thread = threading.Thread(target=lambda: codes.append(cli.main([str(w) for w in words])))
    thread.start()
    yield
    thread.join(timeout=30)
    assert codes == [0]


def free_port():
    """Return a port with a free one after it."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")


def test_a_qr_picture_holds_the_token_and_is_the_owners_alone(twinsdk, tmp_path):
    cv2 = pytest.importorskip("cv2")
    pytest.importorskip("segno")
    picture = tmp_path / "token.png"
    words = ("keys", "--folder", tmp_path, "--pair", "phone", "--at", "tcp://192.168.0.7:5560")
    token = twinsdk(*words, "--qr", picture).out.strip()
    found, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(cv2.imread(str(picture)))
    assert found == token
    if os.name == "posix":
        assert picture.stat().st_mode & 0o77 == 0
    words = [*words[:4], "tablet", *words[5:]]
    shown = twinsdk(*words, "--qr")
    assert shown.out.startswith("twin1-")
    assert "\u2588" in shown.err or "\u2580" in shown.err or "\u2584" in shown.err
    assert "ends in .png" in twinsdk(*words, "--qr", tmp_path / "token.jpg").line
    assert "no such folder" in twinsdk(*words, "--qr", tmp_path / "no" / "token.png").line
    assert "expected --pair" in twinsdk("keys", "--folder", tmp_path, "--qr").line


def test_a_paired_name_is_listed_and_a_revoked_one_is_not(twinsdk, tmp_path):
    at = ("--at", "tcp://192.168.0.7:5560")
    made = twinsdk("keys", "--folder", tmp_path, "--pair", "quest", *at)
    assert made.code == 0
    assert made.out.startswith("twin1-")
    assert len(made.out.split()) == 1
    assert "quest" in twinsdk("keys", "--folder", tmp_path).out
    assert twinsdk("keys", "--folder", tmp_path, "--revoke", "quest").code == 0
    assert "no device is paired" in twinsdk("keys", "--folder", tmp_path).out
    assert "expected --at" in twinsdk("keys", "--folder", tmp_path, "--pair", "x").line


def test_a_stream_is_recorded_and_played_again(tmp_path):
    file = tmp_path / "take.mcap"
    with (
        streaming() as publisher,
        command("record", file, "--from", publisher.endpoint, "--seconds", "0.6"),
    ):
        pass
    frames = list(Recording(file))
    assert len(frames) > 10
    port = free_port()
    with (
        Subscriber(f"tcp://127.0.0.1:{port}") as subscriber,
        command("replay", file, "--to", f"tcp://127.0.0.1:{port}", "--speed", "0.5"),
    ):
        frame = subscriber.recv(10)
        assert frame is not None
        assert subscriber.descriptor.hash == AVATAR.hash


def test_a_relay_repeats_a_stream():
    port = free_port()
    with (
        streaming() as publisher,
        command(
            "relay",
            publisher.endpoint,
            "--at",
            f"tcp://127.0.0.1:{port}",
            "--seconds",
            "2",
            "--quiet",
        ),
        Subscriber(f"tcp://127.0.0.1:{port}") as subscriber,
    ):
        assert subscriber.recv(10) is not None


def test_the_page_is_served_and_the_command_tells_how_the_stream_arrived(capsys):
    port = free_port()
    with (
        streaming() as publisher,
        command(
            "view", publisher.endpoint, "--avatar", "none", "--port", str(port), "--seconds", "2"
        ),
    ):
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    assert b"twinsdk viewer" in answer.read()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.fullmatch(r"[1-9]\d* frames  \d+ lost  age [\d.]+/[\d.]+ ms \(p50/p99\)", last)


def test_the_page_shows_the_avatar_that_the_publisher_gives_away(
    bead_avatar, tmp_path, monkeypatch
):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "me.vrm"
    save_avatar(bead_avatar, file)
    port = free_port()
    with (
        streaming(file) as publisher,
        command(
            *("view", publisher.endpoint, "--avatar", "stream", "--port", port, "--seconds", "3")
        ),
    ):
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/avatar", timeout=5) as answer:
                    served = answer.read()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    (tmp_path / "served.vrm").write_bytes(served)
    shown = load_avatar(tmp_path / "served.vrm")
    assert shown.skeleton.names == bead_avatar.skeleton.names
    assert len(shown.mesh.vertices) == len(bead_avatar.mesh.vertices)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("relay", "tcp://127.0.0.1:5", "--at", "nonsense"), "expected tcp://HOST:PORT"),
        (("record", "take.txt"), "ends with .mcap"),
        (("record", "take.mcap", "--from", "tcp://127.0.0.1:9", "--wait", "0.1"), "is it running"),
        (("replay", "none.mcap"), "no such file"),
        (("replay", "none.mcap", "--speed", "0"), "more than 0"),
        (("view", "twin1-broken", "--avatar", "none", "--port", "0"), "whole line"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(twinsdk, words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = twinsdk(*words)
    assert outcome.code == 2
    assert expected in outcome.line
    assert list(tmp_path.iterdir()) == []
