"""Which cameras there are, and why one does not answer."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CameraInfo", "camera_name", "list_cameras", "why_no_camera"]

_SYSFS = Path("/sys/class/video4linux")
_PROBED = 10
_MISSES = 2

# linux/videodev2.h: VIDIOC_QUERYCAP is _IOR('V', 0, struct v4l2_capability), 104 bytes.
_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_HAS_DEVICE_CAPS = 0x80000000
_CAPTURES = 0x00000001 | 0x00001000  # single-plane or multi-plane video capture


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """A camera that can be opened by its index.

    Attributes:
        index: What `open_source` and `--cam` take.
        name: As the driver gives it, or "camera N".
        path: Device node on Linux, else "".
    """

    index: int
    name: str
    path: str


def list_cameras() -> list[CameraInfo]:
    """Return the cameras of this machine, lowest index first.

    Linux names them from the kernel's list without opening a stream. Elsewhere OpenCV knows no
    names and each index is opened in turn, which takes about a second per camera and may light
    its lamp.
    """
    if sys.platform.startswith("linux"):
        return linux_cameras(_SYSFS, captures=_captures)
    return probed_cameras(_opens)


def linux_cameras(sysfs: Path, *, captures: Callable[[str], bool | None]) -> list[CameraInfo]:
    """Return the capturing nodes that `sysfs` lists.

    Args:
        sysfs: The folder video4linux.
        captures: Whether a device node gives pictures; None when it cannot be asked. A webcam
            has a second node for metadata, which does not.
    """
    if not sysfs.is_dir():
        return []
    found = []
    for node in sysfs.iterdir():
        number = node.name.removeprefix("video")
        if number == node.name or not number.isdecimal():
            continue  # radios, VBI and sub-devices are listed here too
        path = f"/dev/{node.name}"
        if captures(path) is False:
            continue
        try:
            name = (node / "name").read_text("utf-8", errors="replace").strip()
        except OSError:
            name = ""
        found.append(CameraInfo(index=int(number), name=name or f"camera {number}", path=path))
    return sorted(found, key=lambda camera: camera.index)


def probed_cameras(opens: Callable[[int], bool]) -> list[CameraInfo]:
    """Return the indices that open, ending after two misses in a row."""
    found: list[CameraInfo] = []
    misses = 0
    for index in range(_PROBED):
        if opens(index):
            found.append(CameraInfo(index=index, name=f"camera {index}", path=""))
            misses = 0
        else:
            misses += 1
            if misses == _MISSES:
                break
    return found


def camera_name(index: int) -> str:
    """Return "camera 0", with the driver's name behind it where that is known."""
    try:
        name = (_SYSFS / f"video{index}" / "name").read_text("utf-8", errors="replace").strip()
    except OSError:
        name = ""
    return f"camera {index} ({name})" if name else f"camera {index}"


def why_no_camera(index: int) -> str:
    """Return, in words, why a camera that did not open does not."""
    if not sys.platform.startswith("linux"):
        return (
            "it is not there, another program holds it, or the system's privacy settings do not "
            "let this program use the camera"
        )
    path = Path(f"/dev/video{index}")
    if not path.exists():
        there = [f"{camera.index} ({camera.name})" for camera in list_cameras()]
        listed = f"there are: {', '.join(there)}" if there else "this machine shows none"
        return f"there is no such camera; {listed}; plug one in or use --video or --sample"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"no permission; add yourself to the group that owns {path}, mostly 'video'"
    holders = holders_of(path)
    if holders:
        return f"it is in use by {', '.join(holders)}; close that first"
    return "it is there but gives no picture; another user's program may hold it, or replug it"


def holders_of(device: Path, *, proc: Path = Path("/proc")) -> list[str]:
    """Return "program (pid)" of the processes we may look into that hold `device` open."""
    found = []
    for process in proc.iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            handles = [handle.readlink() for handle in (process / "fd").iterdir()]
            if device in handles:
                program = (process / "comm").read_text("utf-8", errors="replace").strip()
                found.append(f"{program} ({process.name})")
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return sorted(found)


def _captures(path: str) -> bool | None:
    import fcntl

    answer = bytearray(_CAPABILITY.size)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return False  # no video4linux device at all
    finally:
        os.close(handle)
    return can_capture(bytes(answer))


def can_capture(capability: bytes) -> bool:
    """Return whether a v4l2_capability structure is that of a node which gives pictures."""
    _, _, _, _, of_driver, of_node = _CAPABILITY.unpack(capability)
    return bool((of_node if of_driver & _HAS_DEVICE_CAPS else of_driver) & _CAPTURES)


def _opens(index: int) -> bool:
    import cv2

    from twinsdk.capture.opencv import quiet_opencv

    with quiet_opencv():
        capture = cv2.VideoCapture(index)
        try:
            return bool(capture.isOpened())
        finally:
            capture.release()
