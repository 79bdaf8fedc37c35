"""The twin as a camera: pictures of the right kind go out, and a system without one says so."""

import sys
import threading
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.cli import main
from twinsdk.errors import DependencyError, DeviceError
from twinsdk.session.virtual_camera import VirtualCamera

pytest.importorskip("open3d")


class ScriptedCamera:
    """What pyvirtualcam.Camera does, but for the device."""

    made: ClassVar[list["ScriptedCamera"]] = []

    def __init__(self, *, width, height, fps, device):
        self.shape, self.fps, self.device = (height, width, 3), fps, device or "/dev/video7"
        self.sent, self.closed, self.came = [], False, threading.Event()
        ScriptedCamera.made.append(self)

    def send(self, picture):
        assert not self.closed
        self.sent.append(picture.copy())
        self.came.set()

    def close(self):
        self.closed = True


@pytest.fixture
def pyvirtualcam(monkeypatch):
    ScriptedCamera.made.clear()
    module = SimpleNamespace(Camera=ScriptedCamera)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return module


def test_the_twin_is_painted_into_the_camera(pyvirtualcam, make_source, make_tracker, bead_avatar):
    with (
        VirtualCamera(bead_avatar, device="/dev/video9") as camera,
        tw.Session(make_source(6), bead_avatar, tracker=make_tracker()) as session,
    ):
        assert camera.device == "/dev/video9"
        (device,) = ScriptedCamera.made
        for step in session.steps():
            camera.show(step)
        assert device.came.wait(20)
    assert device.closed
    for picture in device.sent:
        assert (picture.shape, picture.dtype) == (device.shape, np.uint8)
    assert device.sent[-1].std() > 5


def test_a_system_without_one_says_what_to_do(pyvirtualcam, bead_avatar):
    def none_here(**_):
        raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found\nat all")

    pyvirtualcam.Camera = none_here
    with pytest.raises(DeviceError, match=r"has none: .*v4l2loopback.*found at all"):
        VirtualCamera(bead_avatar)


def test_the_command_ends_in_one_line_without_pyvirtualcam(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(DependencyError, match=r"pip install 'twinsdk\[camera\]'"):
        VirtualCamera(None)
    code = main(["capture", "--sample", "--no-stream", "--headless", "--virtual-camera"])
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
