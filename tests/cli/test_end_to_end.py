"""The main road on real input: the models, the sample, the twin, its files, its stream."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import twinsdk as tw

pytestmark = pytest.mark.slow

RECEIVE = Path(__file__).parents[2] / "examples" / "receive.py"


def command(*arguments):
    return [sys.executable, "-m", "twinsdk", *map(str, arguments)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of the sample with everything asked for; its folder."""
    out = tmp_path_factory.mktemp("out")
    endpoint = "tcp://127.0.0.1:5590"
    receiver = subprocess.Popen(
        [
            *(sys.executable, str(RECEIVE), endpoint, "--json", str(out / "received.json")),
            *("--ready", str(out / "ready"), "--silence", "3"),
        ],
        cwd=out,
    )
    try:
        deadline = time.monotonic() + 30
        while not (out / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        done = subprocess.run(
            command(
                *("capture", "--sample", "--max-frames", 75, "--stream", endpoint),
                *("--record", "take.bvh", "--record", "take.vrma", "--record", "take.npz"),
                *("--render", "film.mp4", "--sheet", "sheet.png", "--report", "report.json"),
            ),
            check=False,
            cwd=out,
            capture_output=True,
            text=True,
            timeout=280,
        )
        receiver.wait(timeout=60)
    finally:
        receiver.kill()
        receiver.wait()
    assert done.returncode == 0, done.stderr
    return out


def test_a_person_is_found_and_every_frame_streamed_and_recorded(run):
    report = json.loads((run / "report.json").read_text())
    assert report["frames"] == 75
    assert report["frames_with_a_person"] >= 70
    assert report["lost"] == 0
    assert report["recorded"] >= 70


def test_the_subscriber_decoded_the_stream_on_the_avatars_skeleton(run):
    received = json.loads((run / "received.json").read_text())
    assert received["received"] + received["lost"] >= 70
    assert received["received"] > 40
    assert received["avatar_hash"]
    assert set(received["states"]) <= {"tracking", "partial", "holding", "idle"}


@pytest.mark.parametrize("name", ["take.bvh", "take.vrma", "take.npz"])
def test_recordings_agree_on_the_motion(run, name):
    clip, reference = tw.load_clip(run / name), tw.load_clip(run / "take.npz")
    assert clip.duration_s == pytest.approx(75 / 30, abs=0.2)
    assert len(clip) == len(reference)
    roots = clip.root_translations - clip.root_translations[0]
    expected = reference.root_translations - reference.root_translations[0]
    assert np.abs(roots - expected).max() < 0.02


def test_the_jumping_jack_is_seen(run):
    clip = tw.load_clip(run / "take.vrma")
    _, positions = clip.world()
    names = clip.skeleton.names
    raised = positions[:, names.index("leftHand"), 1] - positions[:, names.index("head"), 1]
    assert raised.max() > 0.1  # hands above the head at the top
    assert raised.min() < -0.3
    left, right = (positions[:, names.index(f"{side}Hand"), 0] for side in ("left", "right"))
    assert np.mean(left - right) > 0.3  # facing the camera, the left is at +X


def test_the_film_plays_and_shows_both(run):
    film = cv2.VideoCapture(str(run / "film.mp4"))
    there, picture = film.read()
    assert there
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) >= 70
    height, width = picture.shape[:2]
    assert width > 1.5 * height
    assert picture[:, width // 2 :].std() > 10  # the twin's half is no blank
    film.release()
    assert cv2.imread(str(run / "sheet.png")) is not None


def test_ctrl_c_leaves_complete_files_and_exit_code_130(run, tmp_path):
    child = subprocess.Popen(
        command("capture", "--sample", "--realtime", "--no-stream", "--record", "take.bvh"),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    deadline = time.monotonic() + 60
    journal = tmp_path / "take.bvh.twinclip"
    while time.monotonic() < deadline:
        if journal.exists() and journal.stat().st_size > 20_000:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["take.bvh"]
    assert len(tw.load_clip(tmp_path / "take.bvh")) > 5
