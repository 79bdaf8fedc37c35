"""generate, evaluate motion, and a headset instead of a camera, as a user calls them."""

import json
import socket
import threading

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses
from twinsdk.cli import capture_xr, doctor_xr
from twinsdk.formats import load_clip


def free_port():
    """Return a port with a free neighbour, for the stream needs two."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            try:
                two.bind(("127.0.0.1", one.getsockname()[1] + 1))
            except OSError:
                continue
            return one.getsockname()[1]


class Headset:
    """A client that sends devices until it is closed."""

    def __init__(self, endpoint, *, swapped=False):
        self._stop = threading.Event()
        self._run = threading.Thread(target=self._send, args=(endpoint, swapped), daemon=True)
        self._run.start()

    def _send(self, endpoint, swapped):
        side = -1 if swapped else 1
        with tw.Subscriber(endpoint, name="headset") as stream:
            for frame in range(100_000):
                if self._stop.is_set():
                    return
                sway = 0.1 * np.sin(frame / 20)
                places = {
                    DeviceKind.HEAD: (sway, 1.6, 0.0),
                    DeviceKind.LEFT_HAND: (-0.3 * side + sway, 1.1, -0.3),
                    DeviceKind.RIGHT_HAND: (0.3 * side + sway, 1.1 + sway, -0.3),
                }
                stream.send_devices(
                    DevicePoses(
                        t_ns=frame,
                        devices=tuple(
                            Device(kind=kind, position=place, rotation=(0, 0, 0, 1))
                            for kind, place in places.items()
                        ),
                    )
                )
                stream.recv(1 / 60)

    def close(self):
        self._stop.set()
        self._run.join(timeout=5)


@pytest.fixture
def headset():
    worn = []

    def wear(endpoint, **options):
        worn.append(Headset(endpoint, **options))

    yield wear
    for one in worn:
        one.close()


def test_generate_writes_a_file_that_loads_again(twinsdk, tmp_path):
    for name in ("idle.bvh", "idle.vrma", "idle.npz"):
        outcome = twinsdk("generate", "--idle", "--seconds", 2, "-o", tmp_path / name)
        assert outcome.code == 0, outcome.err
        assert len(load_clip(tmp_path / name)) == 60
    outcome = twinsdk("generate", "--from", tmp_path / "idle.bvh", "-o", tmp_path / "on.npz")
    assert outcome.code == 0, outcome.err
    assert load_clip(tmp_path / "on.npz").duration_s == pytest.approx(10)
    drawn = tmp_path / "drawn.bvh"
    outcome = twinsdk("generate", "--by", "learned", "--seconds", 1, "-o", drawn)
    assert outcome.code == 0, outcome.err
    assert len(load_clip(drawn)) == 30
    assert "idle" in twinsdk("generate", "--styles").out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--idle"], "-o FILE"),
        (["--idle", "-o", "x.mp3"], "expected one of .bvh"),
        (["--idle", "-o", "/no/such/folder/x.bvh"], "no such folder"),
        (["--style", "moonwalk", "-o", "x.bvh"], "expected one of idle"),
        (["--idle", "--seconds", "0", "-o", "x.bvh"], "seconds"),
        (["--from", "/no/such.bvh", "-o", "x.bvh"], "/no/such.bvh"),
    ],
)
def test_generate_refuses_what_makes_no_sense_in_one_line(
    twinsdk, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    outcome = twinsdk("generate", *arguments)
    assert outcome.code == 2
    assert word in outcome.line
    assert not list(tmp_path.iterdir())


def test_evaluate_motion_prints_tables_and_writes_every_figure(twinsdk, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    twinsdk("generate", "--style", "gesture", "--seconds", 3, "-o", clips / "a.bvh")
    outcome = twinsdk(
        *("evaluate", "motion", "--data", clips, "--json", tmp_path / "all.json"),
        *("--idle-minutes", 0.5),
    )
    assert outcome.code == 0, outcome.err
    assert "1 clips of clips" in outcome.out
    assert "| analytic IK |" in outcome.out
    assert "| idle: captured |" in outcome.out
    found = json.loads((tmp_path / "all.json").read_text())
    tasks = {row["task"] for row in found["rows"]}
    assert {"headset and controllers", "webcam, all seen", "webcam, legs hidden"} <= tasks


@pytest.mark.parametrize("data", ["/no/such/folder", "empty"])
def test_evaluate_motion_refuses_data_that_is_not_there(twinsdk, tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    outcome = twinsdk("evaluate", "motion", "--data", data, "--quiet")
    assert outcome.code == 2
    assert data in outcome.line


def test_a_headset_is_recorded_without_a_camera(twinsdk, tmp_path, beads, headset):
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    headset(endpoint)
    outcome = twinsdk(
        *("capture", "--xr", "--stream", endpoint, "--avatar", beads, "--max-frames", 40),
        *("--record", tmp_path / "worn.npz"),
    )
    assert outcome.code == 0, outcome.err
    assert "T-pose" in outcome.err
    clip = load_clip(tmp_path / "worn.npz")
    assert np.ptp(clip.root_translations[:, 0]) > 1e-3


def test_a_headset_without_a_stream_or_with_a_film_is_refused(twinsdk, tmp_path):
    assert "--stream" in twinsdk("capture", "--xr", "--no-stream").line
    film = tmp_path / "x.mp4"
    assert "--render" in twinsdk("capture", "--xr", "--render", film).line
    assert capture_xr.run.__doc__


def test_doctor_says_that_controllers_are_swapped(twinsdk, headset, monkeypatch):
    monkeypatch.setattr(doctor_xr, "_WATCH_S", 1.5)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    headset(endpoint, swapped=True)
    outcome = twinsdk("doctor", "--xr", endpoint)
    assert outcome.code == 2
    assert "swapped" in outcome.out


def test_doctor_waits_for_a_headset_only_so_long(twinsdk, monkeypatch):
    monkeypatch.setattr(doctor_xr, "_WAIT_S", 0.3)
    outcome = twinsdk("doctor", "--xr", f"tcp://127.0.0.1:{free_port()}")
    assert outcome.code == 0
    assert "no headset came" in outcome.out


@pytest.mark.parametrize(
    ("option", "value"), [("--styles", "idle,yodel"), ("--idle-minutes", "0"), ("--styles", "")]
)
def test_evaluate_motion_refuses_what_it_cannot_make_before_it_measures(twinsdk, option, value):
    outcome = twinsdk("evaluate", "motion", option, value)
    assert outcome.code == 2
    assert option in outcome.line
    assert outcome.out == ""
