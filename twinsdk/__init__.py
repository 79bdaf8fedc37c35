"""twinsdk: one webcam in, a live digital twin out.

The names below load on first use, so that `import twinsdk` costs numpy alone. See README.md.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

_HOMES: dict[str, str] = {
    "Avatar": "twinsdk.core.avatar",
    "AvatarSpec": "twinsdk.avatar",
    "EXPRESSION_NAMES": "twinsdk.core.expressions",
    "HUMANOID_NAMES": "twinsdk.core.humanoid",
    "Image": "twinsdk.core.image",
    "ImageLandmarks": "twinsdk.core.landmarks",
    "Landmarks": "twinsdk.core.landmarks",
    "Material": "twinsdk.core.avatar",
    "Mesh": "twinsdk.core.avatar",
    "Morphs": "twinsdk.core.avatar",
    "MotionClip": "twinsdk.core.clip",
    "MotionModel": "twinsdk.motion.model",
    "Observation": "twinsdk.core.observation",
    "Pose": "twinsdk.core.pose",
    "Publisher": "twinsdk.bridge",
    "Retargeter": "twinsdk.retarget",
    "Session": "twinsdk.session",
    "Skeleton": "twinsdk.core.skeleton",
    "Skin": "twinsdk.core.avatar",
    "Skinner": "twinsdk.skinning",
    "Subscriber": "twinsdk.bridge",
    "Tracker": "twinsdk.capture",
    "Trackers": "twinsdk.core.trackers",
    "TrackingState": "twinsdk.core.frame",
    "TwinError": "twinsdk.errors",
    "TwinFrame": "twinsdk.core.frame",
    "generate_avatar": "twinsdk.avatar",
    "humanoid_map": "twinsdk.retarget",
    "humanoid_skeleton": "twinsdk.core.humanoid",
    "load_avatar": "twinsdk.avatar",
    "load_clip": "twinsdk.formats",
    "open_source": "twinsdk.session",
    "retarget": "twinsdk.retarget",
    "save_avatar": "twinsdk.formats",
    "save_clip": "twinsdk.formats",
}

__all__ = [*_HOMES, "errors"]  # noqa: PLE0604  # checked in tests/test_public_api.py

try:
    __version__ = version("twinsdk")
except PackageNotFoundError:  # a checkout on PYTHONPATH
    __version__ = "0.0.0"

if TYPE_CHECKING:
    from twinsdk import errors as errors
    from twinsdk.avatar import AvatarSpec as AvatarSpec
    from twinsdk.avatar import generate_avatar as generate_avatar
    from twinsdk.avatar import load_avatar as load_avatar
    from twinsdk.bridge import Publisher as Publisher
    from twinsdk.bridge import Subscriber as Subscriber
    from twinsdk.capture import Tracker as Tracker
    from twinsdk.core.avatar import Avatar as Avatar
    from twinsdk.core.avatar import Material as Material
    from twinsdk.core.avatar import Mesh as Mesh
    from twinsdk.core.avatar import Morphs as Morphs
    from twinsdk.core.avatar import Skin as Skin
    from twinsdk.core.clip import MotionClip as MotionClip
    from twinsdk.core.expressions import EXPRESSION_NAMES as EXPRESSION_NAMES
    from twinsdk.core.frame import TrackingState as TrackingState
    from twinsdk.core.frame import TwinFrame as TwinFrame
    from twinsdk.core.humanoid import HUMANOID_NAMES as HUMANOID_NAMES
    from twinsdk.core.humanoid import humanoid_skeleton as humanoid_skeleton
    from twinsdk.core.image import Image as Image
    from twinsdk.core.landmarks import ImageLandmarks as ImageLandmarks
    from twinsdk.core.landmarks import Landmarks as Landmarks
    from twinsdk.core.observation import Observation as Observation
    from twinsdk.core.pose import Pose as Pose
    from twinsdk.core.skeleton import Skeleton as Skeleton
    from twinsdk.core.trackers import Trackers as Trackers
    from twinsdk.errors import TwinError as TwinError
    from twinsdk.formats import load_clip as load_clip
    from twinsdk.formats import save_avatar as save_avatar
    from twinsdk.formats import save_clip as save_clip
    from twinsdk.motion.model import MotionModel as MotionModel
    from twinsdk.retarget import Retargeter as Retargeter
    from twinsdk.retarget import humanoid_map as humanoid_map
    from twinsdk.retarget import retarget as retarget
    from twinsdk.session import Session as Session
    from twinsdk.session import open_source as open_source
    from twinsdk.skinning import Skinner as Skinner


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("twinsdk.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'twinsdk' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
