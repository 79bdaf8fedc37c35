"""Files to and from core types: motion clips and avatars, by extension."""

from twinsdk.formats.dispatch import load_avatar, load_clip, save_avatar, save_clip

__all__ = ["load_avatar", "load_clip", "save_avatar", "save_clip"]
