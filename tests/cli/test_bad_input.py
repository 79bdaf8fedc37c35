"""What the user got wrong: one clear line, exit code 2, nothing half-written."""

import os
import socket
import wave
import zipfile

import cv2
import numpy as np
import pytest


def video(path, size=(64, 48), frames=8):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, size)
    for value in range(frames):
        writer.write(np.full((size[1], size[0], 3), value, np.uint8))
    writer.release()
    return path


def capture(twinsdk, beads, *arguments):
    return twinsdk("capture", "--avatar", beads, "--no-stream", "--quiet", *arguments)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "nothing.mp4", "no such"),
        (lambda p: p, "picture"),  # a folder without pictures
        (lambda p: (p / "text.mp4").write_text("not a film") and p / "text.mp4", "text.mp4"),
        (lambda p: (p / "empty.mp4").touch() or p / "empty.mp4", "empty"),
        (lambda p: video(p / "small.mp4", (2, 2)), "small.mp4"),
        (lambda p: video(p / "none.mp4", frames=0), "none.mp4"),
    ],
)
def test_videos_that_are_none_are_refused_in_one_line(twinsdk, beads, tmp_path, make, words):
    path = make(tmp_path)
    outcome = capture(twinsdk, beads, "--video", path, "--record", tmp_path / "out.bvh")
    assert outcome.code == 2
    assert words in outcome.line
    assert not list(tmp_path.glob("out*"))


def test_a_video_cut_off_before_its_index_is_refused(twinsdk, beads, tmp_path):
    whole = video(tmp_path / "whole.mp4", (320, 240), 60).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])  # mp4v keeps its index at the end
    outcome = capture(twinsdk, beads, "--video", cut)
    assert outcome.code == 2
    assert "cut.mp4" in outcome.line


def test_sound_without_pictures_is_refused(twinsdk, beads, tmp_path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    outcome = capture(twinsdk, beads, "--video", path)
    assert outcome.code == 2
    assert "sound.wav" in outcome.line


def test_a_camera_that_is_not_there(twinsdk, beads):
    outcome = capture(twinsdk, beads, "--cam", 97)
    assert outcome.code == 2
    assert "camera 97" in outcome.line


def test_listing_cameras_without_any_says_what_else_works(twinsdk):
    outcome = twinsdk("capture", "--list-cameras")
    assert outcome.code == 0
    assert outcome.out.strip()


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--record", "take.txt", "expected one of"),
        ("--record", "no/take.bvh", "no such folder"),
        ("--render", "film.avi", "expected .mp4 or .webm"),
        ("--render", "no/film.mp4", "no such folder"),
        ("--sheet", "sheet.jpg", "expected .png"),
        ("--report", "no/report.json", "no such folder"),
    ],
)
def test_outputs_are_checked_before_the_first_frame(twinsdk, beads, tmp_path, option, name, words):
    clip = video(tmp_path / "clip.mp4")
    outcome = capture(twinsdk, beads, "--video", clip, option, tmp_path / name)
    assert outcome.code == 2
    assert words in outcome.line
    assert sorted(tmp_path.iterdir()) == [clip]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(twinsdk, beads, tmp_path):
    tmp_path.chmod(0o500)
    outcome = capture(twinsdk, beads, "--sample", "--record", tmp_path / "take.bvh")
    tmp_path.chmod(0o700)
    assert outcome.code == 2


def test_a_port_in_use_is_named(twinsdk, beads, tmp_path):
    clip = video(tmp_path / "clip.mp4")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        endpoint = f"tcp://127.0.0.1:{holder.getsockname()[1]}"
        outcome = twinsdk(
            "capture", "--avatar", beads, "--video", clip, "--stream", endpoint, "--quiet"
        )
    assert outcome.code == 2
    assert "in use" in outcome.line
    assert endpoint in outcome.line


@pytest.mark.parametrize("name", ["nobody.vrm", "notes.txt"])
def test_avatars_that_are_none(twinsdk, tmp_path, name):
    outcome = twinsdk("avatar", "info", tmp_path / name)
    assert outcome.code == 2
    assert name in outcome.line


def test_a_mesh_without_a_humanoid_is_refused_as_avatar(twinsdk, tmp_path):
    import trimesh

    path = tmp_path / "box.glb"
    path.write_bytes(trimesh.creation.box().export(file_type="glb"))
    outcome = twinsdk("avatar", "info", path)
    assert outcome.code == 2
    assert "box.glb" in outcome.line


def test_numbers_out_of_range_are_refused(twinsdk, beads, tmp_path):
    assert capture(twinsdk, beads, "--sample", "--max-frames", 0).code == 2
    outcome = twinsdk("avatar", "new", "--height", 20, "-o", tmp_path / "dwarf.vrm")
    assert outcome.code == 2
    assert "height" in outcome.line


def test_unknown_options_and_commands_are_refused(twinsdk):
    assert twinsdk("capture", "--no-such-option").code == 2
    assert twinsdk("no-such-command").code == 2
    assert twinsdk().code == 2


@pytest.mark.parametrize("command", ["capture", "avatar", "models", "doctor"])
def test_help_shows_examples(twinsdk, command):
    outcome = twinsdk(command, "--help")
    assert outcome.code == 0
    assert f"twinsdk {command}" in outcome.out


def test_without_network_the_first_run_says_which_file_to_put_where(
    twinsdk, beads, tmp_path, monkeypatch
):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path / "cache"))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    clip = video(tmp_path / "clip.mp4")
    outcome = capture(twinsdk, beads, "--video", clip)
    assert outcome.code == 2
    last = outcome.err.strip().splitlines()[-1]
    assert str(tmp_path / "cache") in last
    assert "mediapipe-0.10.21" in last


def test_a_truncated_avatar_file_is_refused_by_name(tmp_path, monkeypatch, bead_avatar):
    from twinsdk.errors import TwinError
    from twinsdk.formats import load_avatar, save_avatar

    path = tmp_path / "beads.npz"
    save_avatar(bead_avatar, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TwinError, match=r"beads\.npz"):
        load_avatar(path)
    assert not zipfile.is_zipfile(path)
