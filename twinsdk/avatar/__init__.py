"""From a spec to a dressed, rigged, expressive avatar, and avatars by name."""

from twinsdk.avatar.generate import generate_avatar
from twinsdk.avatar.library import cached_avatar, load_avatar
from twinsdk.avatar.spec import AvatarSpec, Colors

__all__ = ["AvatarSpec", "Colors", "cached_avatar", "generate_avatar", "load_avatar"]
