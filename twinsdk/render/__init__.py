"""Headless pictures and films: avatars, overlays, contact sheets, video files."""

from twinsdk.render.camera import Camera
from twinsdk.render.light import Studio
from twinsdk.render.overlay import draw_hud, draw_label, draw_observation
from twinsdk.render.renderer import Renderer
from twinsdk.render.sheet import contact_sheet, save_png, scaled, side_by_side
from twinsdk.render.springs import Springs
from twinsdk.render.video import VideoWriter

__all__ = [
    "Camera",
    "Renderer",
    "Springs",
    "Studio",
    "VideoWriter",
    "contact_sheet",
    "draw_hud",
    "draw_label",
    "draw_observation",
    "save_png",
    "scaled",
    "side_by_side",
]
