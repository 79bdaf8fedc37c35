"""From a spec to a dressed, rigged, expressive avatar, and avatars by name.

What generates and fits loads on first use: an avatar from the cache needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twinsdk.avatar.library import cached_avatar, load_avatar
from twinsdk.avatar.spec import AvatarSpec, Colors

if TYPE_CHECKING:
    from twinsdk.avatar.body_fit import MEASURES, BodyFit, fit_body, measure_body
    from twinsdk.avatar.face_bake import FacePicture, FaceView, bake_face
    from twinsdk.avatar.face_fit import FaceFit, fit_face
    from twinsdk.avatar.generate import generate_avatar

__all__ = [
    "MEASURES",
    "AvatarSpec",
    "BodyFit",
    "Colors",
    "FaceFit",
    "FacePicture",
    "FaceView",
    "bake_face",
    "cached_avatar",
    "fit_body",
    "fit_face",
    "generate_avatar",
    "load_avatar",
    "measure_body",
]

_HOMES = {
    "MEASURES": "body_fit",
    "BodyFit": "body_fit",
    "fit_body": "body_fit",
    "measure_body": "body_fit",
    "FacePicture": "face_bake",
    "FaceView": "face_bake",
    "bake_face": "face_bake",
    "FaceFit": "face_fit",
    "fit_face": "face_fit",
    "generate_avatar": "generate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'twinsdk.avatar' has no attribute {name!r}")
    value = getattr(import_module(f"twinsdk.avatar.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
