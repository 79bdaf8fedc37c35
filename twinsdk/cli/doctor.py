"""`twinsdk doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from importlib import metadata

from twinsdk.errors import TwinError

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Check cameras, models, GPU, native kernel, ports and versions."
EXAMPLES = """examples:
  twinsdk doctor
  twinsdk doctor --xr                 what a headset sends, and what is wrong with it
"""

Finding = tuple[str, str, str]  # state ("ok", "note" or "fault"), what was found, what to do

_PACKAGES = ("numpy", "scipy", "torch", "mediapipe", "pyzmq", "flatbuffers", "trimesh", "aiohttp")
_OPTIONAL = {"open3d": "pictures and films"}
# What MediaPipe and Open3D load at run time and a bare Debian lacks.
_LIBRARIES = {"EGL": "libegl1", "GLESv2": "libgles2", "GL": "libgl1", "X11": "libx11-6"}
_PORTS = (5560, 5561)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `doctor`."""
    from twinsdk.cli.capture import DEFAULT_ENDPOINT

    parser.add_argument(
        "--xr",
        nargs="?",
        const=DEFAULT_ENDPOINT,
        metavar="ENDPOINT",
        help="check the headset that comes to this stream instead (default: %(const)s)",
    )
    parser.add_argument(
        "--axes",
        choices=("webxr", "openxr", "unity"),
        default="webxr",
        help="of the headset's client (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run `doctor` and return its exit code: 0 when nothing is at fault, else 2."""
    checks = _CHECKS
    if args.xr is not None:
        from twinsdk.cli.doctor_xr import check as check_xr

        checks = {"headset": lambda: check_xr(args.xr, args.axes)}
    faults = 0
    for title, check in checks.items():
        for state, found, advice in _safely(check):
            faults += state == "fault"
            mark = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}[state]
            print(f"{mark} {title:<14}{found}", flush=True)
            if advice:
                print(f"{'':<20}{advice}")
    print("everything needed works" if not faults else f"{faults} to put right")
    return 2 if faults else 0


def _safely(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except TwinError as error:
        yield "fault", str(error), ""
    except Exception as error:  # a broken package must not stop the other checks
        yield "fault", f"{type(error).__name__}: {error}", "reinstall it, or report this"


def _versions() -> Iterator[Finding]:
    import twinsdk

    yield "ok", f"twinsdk {twinsdk.__version__}, Python {platform.python_version()}", ""
    found = {distribution.metadata["Name"] for distribution in metadata.distributions()}
    for package in _PACKAGES:
        if package in found:
            yield "ok", f"{package} {metadata.version(package)}", ""
        else:
            yield "fault", f"{package} is not installed", f"pip install {package}"
    for package, use in _OPTIONAL.items():
        if package in found:
            yield "ok", f"{package} {metadata.version(package)}", ""
        else:
            yield "note", f"{package} is not installed ({use})", "pip install 'twinsdk[avatar]'"
    copies = sorted(name for name in found if name and name.lower().startswith("opencv"))
    if len(copies) > 1:
        keep = "opencv-contrib-python"
        others = " ".join(name for name in copies if name != keep)
        yield "fault", f"several OpenCVs: {', '.join(copies)}", f"pip uninstall {others}"


def _libraries() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return
    missing = [
        package for name, package in _LIBRARIES.items() if not ctypes.util.find_library(name)
    ]
    if missing:
        yield "fault", f"missing {' '.join(missing)}", f"apt-get install {' '.join(missing)}"
    else:
        yield "ok", "EGL, GLESv2, GL and X11 are here", ""


def _kernel() -> Iterator[Finding]:
    from twinsdk.core import kernel

    if kernel.is_native():
        yield "ok", f"compiled, uses {kernel.isa()}", ""
    else:
        yield (
            "note",
            "not compiled: NumPy does its work, slower",
            "install a C++ compiler, then pip install .",
        )


def _gpu() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        yield "ok", torch.cuda.get_device_name(0), ""
    else:
        yield "ok", "none; everything runs on the processor", ""


def _models() -> Iterator[Finding]:
    from twinsdk.capture.models import model_status

    for model in model_status():
        if model.state == "ready":
            yield "ok", f"{model.name}: {model.path}", ""
        elif model.needed:
            yield "note", f"{model.name}: {model.state}", "twinsdk models --fetch"


def _cameras() -> Iterator[Finding]:
    from twinsdk.capture import list_cameras

    cameras = list_cameras()
    for camera in cameras:
        yield "ok", f"{camera.index}: {camera.name}", ""
    if not cameras:
        yield "note", "none found", "a video works too: twin-capture --video FILE, or --sample"


def _ports() -> Iterator[Finding]:
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                yield "note", f"{port} is in use", "stream elsewhere: --stream tcp://127.0.0.1:6000"
            else:
                yield "ok", f"{port} is free", ""


def _profiles() -> Iterator[Finding]:
    from twinsdk.session.profile import Profile, profiles

    kept = profiles()
    for path in kept:
        try:
            height_m = Profile.load(path).height_m
        except TwinError as error:
            yield "note", str(error), ""
        else:
            yield "ok", f"{path.stem}: {100 * height_m:.0f} cm, {path}", ""
    if not kept:
        yield "ok", "none yet; twin-capture --profile NAME keeps what is learnt of a person", ""


_CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "versions": _versions,
    "libraries": _libraries,
    "native kernel": _kernel,
    "GPU": _gpu,
    "models": _models,
    "cameras": _cameras,
    "profiles": _profiles,
    "ports": _ports,
}
