"""Overlay: what the tracker saw, drawn onto the picture it saw it in, and lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from twinsdk.core.arrays import F32, U8
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES, ImageLandmarks
from twinsdk.core.observation import Observation

__all__ = ["draw_hud", "draw_label", "draw_observation"]

Rgb = tuple[int, int, int]

_BODY_LINES = (
    ("leftShoulder", "rightShoulder"),
    ("leftHip", "rightHip"),
    *(
        (f"{side}{a}", f"{side}{b}")
        for side in ("left", "right")
        for a, b in (
            ("Shoulder", "Hip"),
            ("Shoulder", "Elbow"),
            ("Elbow", "Wrist"),
            ("Hip", "Knee"),
            ("Knee", "Ankle"),
            ("Ankle", "Heel"),
            ("Heel", "FootIndex"),
            ("Ankle", "FootIndex"),
        )
    ),
    ("nose", "leftEye"),
    ("leftEye", "leftEar"),
    ("nose", "rightEye"),
    ("rightEye", "rightEar"),
    ("mouthLeft", "mouthRight"),
)
_HAND_LINES = (
    *(("wrist", f"{finger}") for finger in ("thumbCmc", "indexMcp", "littleMcp")),
    ("indexMcp", "middleMcp"),
    ("middleMcp", "ringMcp"),
    ("ringMcp", "littleMcp"),
    *((f"thumb{a}", f"thumb{b}") for a, b in (("Cmc", "Mcp"), ("Mcp", "Ip"), ("Ip", "Tip"))),
    *(
        (f"{finger}{a}", f"{finger}{b}")
        for finger in ("index", "middle", "ring", "little")
        for a, b in (("Mcp", "Pip"), ("Pip", "Dip"), ("Dip", "Tip"))
    ),
)
_FACE_EVERY = 4  # of the mesh's points; all of the irises
_FACE_MESH = 468
_LEFT: Rgb = (255, 158, 44)  # the person's left is warm, their right is cool
_RIGHT: Rgb = (52, 172, 255)
_MIDDLE: Rgb = (240, 240, 240)
_FACE: Rgb = (120, 255, 190)
_IRIS: Rgb = (255, 255, 255)
_UNSURE: Rgb = (150, 40, 60)
_RED, _YELLOW, _GREEN = (230, 50, 50), (240, 210, 60), (70, 220, 90)
_LEAST = 0.15  # visibility below which a point is not drawn


def draw_observation(picture: U8, observation: Observation | None) -> U8:
    """Return a copy of an RGB picture (H, W, 3) with the landmarks of an observation drawn on it.

    The person's left is drawn warm, their right cool; the less sure a point is, the darker and
    redder its line; below 0.15 it is left out. Joints of the body are green where they are seen
    surely, yellow where half, red where badly.
    """
    out = np.array(picture, np.uint8, order="C")
    if observation is None:
        return out
    thick = max(1, round(min(out.shape[:2]) / 240))
    if observation.image_face is not None:
        _face(out, observation.image_face, thick)
    if observation.image_body is not None:
        _lines(out, observation.image_body, BODY_NAMES, _BODY_LINES, None, thick)
    for hand, color in (
        (observation.image_left_hand, _LEFT),
        (observation.image_right_hand, _RIGHT),
    ):
        if hand is not None:
            _lines(out, hand, HAND_NAMES, _HAND_LINES, color, max(1, thick - 1))
    return out


def draw_label(picture: U8, text: str) -> U8:
    """Return a copy of an RGB picture with `text` on a bar along its lower edge."""
    import cv2

    out = np.array(picture, np.uint8, order="C")
    height, width = out.shape[:2]
    bar = min(height, max(14, height // 14))
    out[height - bar :] = out[height - bar :] // 3
    scale = bar / 34
    (across, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, (width - 8) / max(across, 1))
    at = (6, height - round(bar * 0.3))
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, _MIDDLE, 1, cv2.LINE_AA)
    return out


def draw_hud(picture: U8, lines: Mapping[str, object] | Iterable[str]) -> U8:
    """Return a copy of an RGB picture with lines of text in its upper left corner.

    Args:
        picture: (H, W, 3) uint8 RGB.
        lines: Lines, or names and values ("fps": 29.8), one a line; floats get one decimal.
    """
    import cv2

    if isinstance(lines, Mapping):
        texts = [f"{name}: {_words(value)}" for name, value in lines.items()]
    else:
        texts = list(lines)
    out = np.array(picture, np.uint8, order="C")
    if not texts:
        return out
    scale = max(0.35, out.shape[0] / 1000)
    step = round(32 * scale)
    widest = max(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] for text in texts)
    box = out[: step * len(texts) + step // 2, : widest + step]
    box[:] = (box * 0.45).astype(np.uint8)
    for i, text in enumerate(texts):
        at = (step // 2, step * (i + 1))
        cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, _MIDDLE, 1, cv2.LINE_AA)
    return out


def _words(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _face(out: U8, face: ImageLandmarks, thick: int) -> None:
    import cv2

    points = _pixels(face, out)
    for i, (x, y) in enumerate(points):
        if i < _FACE_MESH and i % _FACE_EVERY:
            continue
        color = _FACE if i < _FACE_MESH else _IRIS
        cv2.circle(out, (int(x), int(y)), max(1, thick - 1), color, -1, cv2.LINE_AA)


def _lines(
    out: U8,
    marks: ImageLandmarks,
    names: tuple[str, ...],
    pairs: Iterable[tuple[str, str]],
    color: Rgb | None,
    thick: int,
) -> None:
    import cv2

    index = {name: i for i, name in enumerate(marks.names or names)}
    points = _pixels(marks, out)
    for a, b in pairs:
        if a not in index or b not in index:
            continue
        i, j = index[a], index[b]
        sure = float(min(marks.visibility[i], marks.visibility[j]))
        if sure < _LEAST:
            continue
        own = color or _side(a, b)
        ends = [(int(x), int(y)) for x, y in (points[i], points[j])]
        cv2.line(out, ends[0], ends[1], _mixed(_UNSURE, own, sure), thick, cv2.LINE_AA)
    for i in index.values():
        sure = float(marks.visibility[i])
        if sure >= _LEAST:
            at = (int(points[i, 0]), int(points[i, 1]))
            shade = _mixed(_UNSURE, color, sure) if color else _confidence(sure)
            cv2.circle(out, at, thick + 1, shade, -1, cv2.LINE_AA)


def _confidence(sure: float) -> Rgb:
    """Return red, yellow and green for what is seen badly, half and surely."""
    if sure < 0.5:
        return _mixed(_RED, _YELLOW, 2 * sure)
    return _mixed(_YELLOW, _GREEN, 2 * sure - 1)


def _pixels(marks: ImageLandmarks, out: U8) -> F32:
    height, width = out.shape[:2]
    points = marks.uv * np.array([width, height], np.float32)
    # OpenCV draws with 32-bit integers; what lies far outside is cut by it, but must be finite.
    clipped: F32 = np.clip(points, -4 * max(width, height), 4 * max(width, height))
    return np.round(clipped)


def _side(a: str, b: str) -> Rgb:
    sides = {
        "left" if "left" in name.lower() else "right" if "right" in name.lower() else ""
        for name in (a, b)
    } - {""}
    if len(sides) != 1:
        return _MIDDLE
    return _LEFT if sides == {"left"} else _RIGHT


def _mixed(low: Rgb, high: Rgb, t: float) -> Rgb:
    r, g, b = (round(x + (y - x) * t) for x, y in zip(low, high, strict=True))
    return r, g, b
