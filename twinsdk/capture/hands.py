"""Which found hand is the left and which the right: by the body's wrists, then by the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinsdk.capture.followers import Found
from twinsdk.capture.regions import body_scale
from twinsdk.core.arrays import F32
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks

__all__ = ["SIDES", "Wrists", "apart", "assign", "settle", "wrists_of"]

SIDES = ("left", "right")
_SAME_HAND = 0.35  # two finds closer than this part of a hand's extent are one hand
_NEAR_M = 0.30  # a hand is a side's when its wrist is within this of the body's
_SEEN = 0.5
_LARGE = 0.15  # of the picture's shorter side: then the model's label is to be believed


@dataclass(frozen=True, kw_only=True)
class Wrists:
    """Where the body model sees the wrists.

    Attributes:
        pixels: "left" and "right", those that are seen, (2,) each.
        scale: Pixels a metre.
    """

    pixels: dict[str, F32]
    scale: float

    def distance_m(self, side: str, hand: Found, size_px: tuple[int, int]) -> float:
        """Return how far the hand's wrist is from the side's, infinite when that is unseen."""
        if side not in self.pixels:
            return float("inf")
        wrist = hand.uv[0] * np.asarray(size_px, np.float32)
        return float(np.linalg.norm(wrist - self.pixels[side])) / self.scale


def wrists_of(body: Landmarks | None, image_body: ImageLandmarks | None) -> Wrists:
    """Return the wrists that are seen; none without a body."""
    if body is None or image_body is None:
        return Wrists(pixels={}, scale=1.0)
    scale = body_scale(body, image_body)
    if scale is None:
        return Wrists(pixels={}, scale=1.0)
    pixels = image_body.pixels()
    index = {side: BODY_NAMES.index(f"{side}Wrist") for side in SIDES}
    seen = {s: pixels[i] for s, i in index.items() if image_body.visibility[i] >= _SEEN}
    return Wrists(pixels=seen, scale=scale)


def apart(a: Found, b: Found, size_px: tuple[int, int]) -> float:
    """Return how far two hands lie apart, in units of the larger one's extent."""
    first, second = (hand.uv * np.asarray(size_px, np.float32) for hand in (a, b))
    extent = max(float(np.ptp(first, axis=0).max()), float(np.ptp(second, axis=0).max()), 1.0)
    return float(np.linalg.norm(first - second, axis=1).mean()) / extent


def settle(
    left: Found | None, right: Found | None, wrists: Wrists, size_px: tuple[int, int]
) -> tuple[Found | None, Found | None]:
    """Return (left, right) with a hand found twice given to one side, and swapped sides put right.

    Two followers may end on the same hand, or change hands where arms cross.
    """
    if left is not None and right is not None:
        straight = wrists.distance_m("left", left, size_px) + wrists.distance_m(
            "right", right, size_px
        )
        crossed = wrists.distance_m("right", left, size_px) + wrists.distance_m(
            "left", right, size_px
        )
        if apart(left, right, size_px) < _SAME_HAND:
            return (left, None) if _side_of(left, wrists, size_px) == "left" else (None, right)
        return (right, left) if crossed < 0.5 * straight else (left, right)
    if left is not None and _side_of(left, wrists, size_px, "left") == "right":
        return None, left
    if right is not None and _side_of(right, wrists, size_px, "right") == "left":
        return right, None
    return left, right


def assign(
    hands: list[Found],
    left: Found | None,
    right: Found | None,
    wrists: Wrists,
    size_px: tuple[int, int],
) -> tuple[Found | None, Found | None]:
    """Return (left, right) with the sides that are None filled from `hands` where one fits."""
    sides = {"left": left, "right": right}
    for hand in hands:
        known = [other for other in sides.values() if other is not None]
        side = _side_of(hand, wrists, size_px)
        if sides[side] is None and all(apart(hand, o, size_px) >= _SAME_HAND for o in known):
            sides[side] = hand
    return sides["left"], sides["right"]


def _side_of(hand: Found, wrists: Wrists, size_px: tuple[int, int], followed: str = "") -> str:
    """Return the side a hand belongs to.

    Of a hand close to the camera the model's label is right and the body often a hallucination;
    of a small one the body's wrists tell better. A followed hand keeps its side until another is
    clearly nearer.
    """
    pixels = hand.uv * np.asarray(size_px, np.float32)
    if hand.label and float(np.ptp(pixels, axis=0).max()) > _LARGE * min(size_px):
        return hand.label
    distance = {side: wrists.distance_m(side, hand, size_px) for side in SIDES}
    nearest = min(SIDES, key=lambda side: distance[side])
    if followed and not (distance[nearest] < _NEAR_M / 2 and distance[followed] > _NEAR_M):
        return followed
    return nearest if distance[nearest] < _NEAR_M else (hand.label or nearest)
