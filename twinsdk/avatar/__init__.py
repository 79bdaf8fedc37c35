"""From a spec to a dressed, rigged, expressive avatar, and avatars by name."""

from twinsdk.avatar.body_fit import MEASURES, BodyFit, fit_body, measure_body
from twinsdk.avatar.face_bake import FacePicture, FaceView, bake_face
from twinsdk.avatar.face_fit import FaceFit, fit_face
from twinsdk.avatar.generate import generate_avatar
from twinsdk.avatar.library import cached_avatar, load_avatar
from twinsdk.avatar.spec import AvatarSpec, Colors

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
