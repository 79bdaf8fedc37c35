"""Keys of the preview: each does what it says, with a window or without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.formats import load_clip
from twinsdk.session.keys import Key, Keys, session_keys
from twinsdk.session.takes import Takes


@pytest.fixture
def takes(bead_avatar, tmp_path):
    with Takes([], avatar=bead_avatar, folder=tmp_path / "recordings") as takes:
        yield takes


def pressed_at(moments, session, takes):
    """Return the frames of a session during which keys are pressed, {frame: letter}, and words."""
    keys = Keys(session_keys(session, takes))
    frames, words = [], []
    for k, step in enumerate(session.steps()):
        if k in moments:
            words.append(keys.press(moments[k]))
        frames += step.frames
        for frame in step.frames:
            takes.add(frame, step.media_ns)
    return frames, words


def test_r_records_what_comes_until_it_is_pressed_again(
    takes, make_source, make_tracker, bead_avatar, tmp_path
):
    with tw.Session(make_source(40), bead_avatar, tracker=make_tracker()) as session:
        _, words = pressed_at({10: "r", 20: "r", 25: "R"}, session, takes)
    assert takes.running
    takes.close()
    files = sorted((tmp_path / "recordings").iterdir())
    assert [file.suffix for file in files] == [".bvh", ".bvh"]
    assert sorted(len(load_clip(file)) for file in files) == [10, 15]
    assert takes.count == 25
    assert words[0].startswith("recording ")
    assert words[1] == f"recorded {words[0].removeprefix('recording ')}"


def test_the_first_take_has_the_name_that_was_asked_for(bead_avatar, tmp_path, make_source):
    path = tmp_path / "dance.npz"
    rotations = np.tile(np.float32([0, 0, 0, 1]), (len(bead_avatar.skeleton), 1))
    pose = tw.Pose(skeleton=bead_avatar.skeleton, rotations=rotations, root_translation=[0, 0.9, 0])
    frame = tw.TwinFrame(avatar_id=0, sequence=0, timestamp_ns=0, pose=pose)
    with Takes([path], avatar=bead_avatar) as takes:
        assert takes.running
        takes.add(frame, 0)
        takes.toggle()
        assert not takes.running
        takes.add(frame, 1)
        takes.toggle()
        takes.add(frame, 2)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names[-1] == "dance.npz"
    assert len(names) == 2
    assert names[0].startswith("dance-")


def test_a_folder_that_cannot_be_written_is_said_and_the_run_goes_on(
    bead_avatar, tmp_path, make_source, make_tracker
):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    takes = Takes([], avatar=bead_avatar, folder=blocked)
    with tw.Session(make_source(5), bead_avatar, tracker=make_tracker()) as session:
        frames, words = pressed_at({2: "r"}, session, takes)
    assert len(frames) == 5
    assert "cannot make the folder" in words[0]


def test_x_puts_the_twin_in_the_middle_at_the_height_it_has(
    takes, make_source, make_tracker, bead_avatar
):
    tracker = make_tracker()
    track = tracker.track

    def away(image):
        (seen,) = track(image)
        moved = seen.image_body.uv + np.float32([0.004 * min(image.index, 40), 0])
        body = tw.ImageLandmarks(
            names=seen.image_body.names,
            uv=moved,
            size_px=seen.image_body.size_px,
            visibility=seen.image_body.visibility,
        )
        return [tw.Observation(timestamp_ns=seen.timestamp_ns, body=seen.body, image_body=body)]

    tracker.track = away
    with tw.Session(make_source(90), bead_avatar, tracker=tracker) as session:
        frames, words = pressed_at({80: "x"}, session, takes)
    before, after = (frame.pose.root_translation for frame in (frames[80], frames[81]))
    assert abs(before[0]) > 0.05
    assert abs(after[[0, 2]]).max() < 0.02
    assert after[1] == pytest.approx(before[1], abs=0.02)
    assert words == ["back to the middle"]


def test_e_stills_the_face_and_wakes_it(takes, make_source, make_tracker, bead_avatar):
    with tw.Session(make_source(30), bead_avatar, tracker=make_tracker()) as session:
        frames, words = pressed_at({10: "e", 20: "e"}, session, takes)
    moves = [bool(frame.expressions.any()) for frame in frames]
    assert moves == [True] * 11 + [False] * 10 + [True] * 9
    assert words == ["expressions off", "expressions on"]


def test_c_has_the_tracker_take_the_face_for_neutral(takes, make_source, make_tracker, bead_avatar):
    tracker = make_tracker()
    asked = []
    tracker.calibrate = lambda: asked.append(True)
    with tw.Session(make_source(9), bead_avatar, tracker=tracker) as session:
        pressed_at({4: "c"}, session, takes)
    assert asked == [True]


def test_a_letter_has_one_meaning_and_others_do_nothing():
    keys = Keys([Key(letter="a", says="greet", does=lambda: "hello")])
    assert keys.press("a") == keys.press("A") == "hello"
    assert keys.press("b") == keys.press("") == ""
    assert keys.lines() == ["a  greet"]
    with pytest.raises(ValueError, match="'a': taken"):
        Keys([Key(letter="a", says=says, does=str) for says in ("one", "two")])


ROOT = Path(__file__).parents[2]
WINDOW = """
    import sys
    sys.path.append(sys.argv[1])  # last: twinsdk is the installed one
    import twinsdk as tw
    from tests.conftest import bead_avatar
    from tests.session.conftest import CountedSource, ScriptedTracker
    from twinsdk.session.figures import figures_of
    from twinsdk.session.keys import Key
    from twinsdk.session.preview import Preview

    avatar = bead_avatar.__wrapped__() if hasattr(bead_avatar, "__wrapped__") else bead_avatar()
    source = CountedSource(10**6, live=True)
    session = tw.Session(source, avatar, tracker=ScriptedTracker())
    heard = Key(letter="k", says="tell", does=lambda: print("heard", flush=True) or "heard")
    figures = lambda step: [figures_of(session, step).line()]
    with session, Preview(avatar, keys=[heard], figures=figures) as window:
        print("open", flush=True)
        for step in session.steps():
            if not window.show(step):
                print("closed", flush=True)
                break
"""


def test_keys_pressed_in_the_window_are_heard_and_q_closes_it(tmp_path):
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not here: no window can be tried")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            display = f":{told.readline().strip()}"
        environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
        program = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WINDOW), str(ROOT)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        try:
            assert program.stdout.readline() == "open\n"
            for letter, answer in (("k", "heard\n"), ("h", None), ("q", "closed\n")):
                find = ["search", "--sync", "--name", "twinsdk", "windowfocus", "--sync"]
                subprocess.run(
                    ["xdotool", *find, "key", letter], env=environment, check=True, timeout=60
                )
                if answer is not None:
                    assert program.stdout.readline() == answer
            assert program.wait(timeout=60) == 0
        finally:
            program.kill()
            program.communicate()
    finally:
        server.terminate()
        server.wait(timeout=20)
