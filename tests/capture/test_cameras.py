"""The list of cameras and the words for one that does not open."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from twinsdk.capture import CameraInfo, list_cameras
from twinsdk.capture.cameras import can_capture, holders_of, linux_cameras, probed_cameras

CAPTURE, METADATA, OUTPUT = 0x00000001, 0x00800000, 0x00000002
DEVICE_CAPS = 0x80000000


def node(sysfs: Path, number: str, name: str) -> None:
    (sysfs / number).mkdir(parents=True)
    (sysfs / number / "name").write_text(name + "\n", "utf-8")


def test_linux_cameras_are_named_and_sorted_by_number(tmp_path: Path) -> None:
    node(tmp_path, "video10", "Kamera für alle")
    node(tmp_path, "video2", "HD Pro Webcam C920")
    node(tmp_path, "video3", "HD Pro Webcam C920")  # its metadata
    node(tmp_path, "v4l-subdev0", "sensor")
    node(tmp_path, "vbi0", "teletext")
    (tmp_path / "video4").mkdir()  # without a name
    assert linux_cameras(tmp_path, captures=lambda path: path != "/dev/video3") == [
        CameraInfo(index=2, name="HD Pro Webcam C920", path="/dev/video2"),
        CameraInfo(index=4, name="camera 4", path="/dev/video4"),
        CameraInfo(index=10, name="Kamera für alle", path="/dev/video10"),
    ]


def test_a_camera_that_cannot_be_asked_is_still_listed(tmp_path: Path) -> None:
    node(tmp_path, "video0", "busy")
    assert len(linux_cameras(tmp_path, captures=lambda _: None)) == 1


def test_a_machine_without_video4linux_has_no_cameras(tmp_path: Path) -> None:
    assert linux_cameras(tmp_path / "nothing", captures=lambda _: True) == []


def test_this_machine_can_be_asked() -> None:
    for camera in list_cameras():
        assert camera.name
        assert camera.index >= 0


@pytest.mark.parametrize(
    ("of_driver", "of_node", "expected"),
    [
        (DEVICE_CAPS | CAPTURE | METADATA, CAPTURE, True),
        (DEVICE_CAPS | CAPTURE | METADATA, METADATA, False),  # the node decides, not the driver
        (DEVICE_CAPS | 0x1000, 0x1000, True),
        (CAPTURE, 0, True),  # drivers from before Linux 3.4 fill no node field
        (OUTPUT, 0, False),
    ],
)
def test_only_nodes_that_give_pictures_count(of_driver: int, of_node: int, expected: bool) -> None:
    answer = struct.pack("=16s32s32sIII12x", b"uvcvideo", b"C920", b"usb", 0, of_driver, of_node)
    assert len(answer) == 104
    assert can_capture(answer) is expected


def test_probing_ends_after_two_misses() -> None:
    asked = []

    def opens(index: int) -> bool:
        asked.append(index)
        return index in (0, 2)

    assert [camera.index for camera in probed_cameras(opens)] == [0, 2]
    assert asked == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_program_that_holds_a_camera_is_named(tmp_path: Path) -> None:
    for pid, name, target in (
        ("4211", "zoom", "/dev/video0"),
        ("17", "bash", "/dev/pts/3"),
        ("self", "us", "/dev/video0"),
    ):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "comm").write_text(name + "\n")
        (tmp_path / pid / "fd" / "5").symlink_to(target)
    assert holders_of(Path("/dev/video0"), proc=tmp_path) == ["zoom (4211)"]
