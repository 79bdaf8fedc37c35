"""`twinsdk avatar`: what it refuses, and what it makes of small avatars."""

import cv2
import numpy as np
import pytest

from twinsdk.formats import load_avatar


@pytest.mark.parametrize("action", ["new", "fit"])
@pytest.mark.parametrize(
    ("out", "words"), [("me.doc", "ending in"), ("no/me.vrm", "no such folder")]
)
def test_outputs_that_cannot_be_are_refused_before_any_work(twinsdk, tmp_path, action, out, words):
    source = ["--video", tmp_path / "none.mp4"] if action == "fit" else []
    outcome = twinsdk("avatar", action, *source, "-o", tmp_path / out)
    assert outcome.code == 2
    assert words in outcome.line


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--height", 1.72, "120 to 220 cm"),
        ("--style", "toga", "toga"),
        ("--hair", "mohawk", "mohawk"),
    ],
)
def test_wrong_persons_are_refused(twinsdk, tmp_path, option, value, words):
    for start in (("new",), ("fit", "--video", tmp_path / "none.mp4")):
        outcome = twinsdk("avatar", *start, option, value, "-o", tmp_path / "a.vrm")
        assert outcome.code == 2
        assert words in outcome.line
        assert not (tmp_path / "a.vrm").exists()


def test_fit_needs_one_source(twinsdk, tmp_path):
    assert twinsdk("avatar", "fit", "-o", tmp_path / "a.vrm").code == 2
    both = ("--cam", 0, "--video", "a.mp4")
    assert twinsdk("avatar", "fit", *both, "-o", tmp_path / "a.vrm").code == 2


@pytest.mark.slow
def test_a_clip_of_nobody_is_refused_naming_it(twinsdk, tmp_path):
    clip = tmp_path / "wall.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for value in range(20):
        writer.write(np.full((240, 320, 3), 60 + value, np.uint8))
    writer.release()
    outcome = twinsdk("avatar", "fit", "--video", clip, "--quiet", "-o", tmp_path / "a.vrm")
    assert outcome.code == 2
    assert "expected a face, found none in 20 frames" in outcome.line
    assert "wall.mp4" in outcome.line
    assert not (tmp_path / "a.vrm").exists()


@pytest.mark.slow
def test_a_turn_is_filmed_and_comes_round(twinsdk, beads, tmp_path):
    pytest.importorskip("open3d")
    assert twinsdk("avatar", "render", beads, "-o", tmp_path / "turn.mp4").code == 0
    film = cv2.VideoCapture(str(tmp_path / "turn.mp4"))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1].astype(float))
    film.release()
    assert len(frames) == 144
    step = [np.abs(frames[i] - frames[i - 1]).mean() for i in range(len(frames))]
    assert step[0] < 2 * np.median(step[1:])  # from the last to the first as between any two
    assert np.abs(frames[0] - frames[36]).mean() > 3 * np.median(step)


def test_info_tells_what_is_odd(twinsdk, beads, tmp_path):
    outcome = twinsdk("avatar", "info", beads)
    assert outcome.code == 0
    assert "springs     0" in outcome.out
    assert load_avatar(beads).meta["name"] in outcome.out
