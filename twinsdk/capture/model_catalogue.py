"""Which tracker models there are, where they come from, and how to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "BLENDSHAPES_MEMBER",
    "BUILT_NAMES",
    "MEMBERS",
    "MEMBER_SHA256",
    "OFFICIAL_BUNDLES",
    "WHEEL_NAME",
    "WHEEL_REQUIREMENT",
    "WHEEL_SHA256",
    "RemoteFile",
]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file on the internet and how to know it.

    Attributes:
        name: File name.
        url: Where it is.
        sha256: Of its bytes, hexadecimal.
        size_bytes: Its length.
    """

    name: str
    url: str
    sha256: str
    size_bytes: int


WHEEL_REQUIREMENT = "mediapipe==0.10.21"
WHEEL_NAME = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"

_GOOGLE = "https://storage.googleapis.com/mediapipe-models"
OFFICIAL_BUNDLES: tuple[RemoteFile, ...] = (
    RemoteFile(
        name="face_landmarker.task",
        url=f"{_GOOGLE}/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size_bytes=3_758_596,
    ),
    RemoteFile(
        name="pose_landmarker_lite.task",
        url=f"{_GOOGLE}/pose_landmarker/pose_landmarker_lite/float16/1/pose_landmarker_lite.task",
        sha256="59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
        size_bytes=5_777_746,
    ),
    RemoteFile(
        name="pose_landmarker_heavy.task",
        url=f"{_GOOGLE}/pose_landmarker/pose_landmarker_heavy/float16/1/pose_landmarker_heavy.task",
        sha256="64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
        size_bytes=30_664_242,
    ),
)

# SHA-256 of the wheel's members that are used.
MEMBER_SHA256: Mapping[str, str] = {
    "pose_detection/pose_detection": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    ),
    "pose_landmark/pose_landmark_full": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
    ),
    "palm_detection/palm_detection_full": (
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54"
    ),
    "hand_landmark/hand_landmark_full": (
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3"
    ),
    "face_detection/face_detection_short_range": (
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
    ),
    "face_landmark/face_landmark_with_attention": (
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4"
    ),
}

# What a bundle must hold to be one, and the names it may have, the preferred first.
MEMBERS: Mapping[str, tuple[str, str]] = {
    "pose": ("pose_detector.tflite", "pose_landmarks_detector.tflite"),
    "hand": ("hand_detector.tflite", "hand_landmarks_detector.tflite"),
    "face": ("face_detector.tflite", "face_landmarks_detector.tflite"),
}
BUILT_NAMES: Mapping[str, str] = {
    "pose": "pose_landmarker_full.task",
    "hand": "hand_landmarker.task",
    "face": "face_landmarker_478.task",
}
BLENDSHAPES_MEMBER = "face_blendshapes.tflite"
