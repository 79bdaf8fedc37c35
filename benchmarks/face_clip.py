"""Expressions end to end: a rendered clip with known weights through the whole tracker.

    python benchmarks/face_clip.py 13 15     # numbers of people the network was not trained on

Every channel goes up and down within 0.3 s while the head turns. Needs the `avatar` extra; a minute
or two for each person.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from face_people import INDEX, someone

from twinsdk.avatar import generate_avatar
from twinsdk.capture.mediapipe_tracker import MediaPipeTracker
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.image import Image
from twinsdk.render.camera import Camera
from twinsdk.render.renderer import Renderer

REST_FRAMES = 36
RAMP_FRAMES = 9
FPS = 30
MOVES = (
    *("jawOpen", "mouthClose", "eyeBlink", "mouthSmile", "mouthPucker", "mouthFunnel", "browDown"),
    *("browInnerUp", "browOuterUp", "mouthFrown", "lookLeft", "lookUp", "lookDown", "mouthLeft"),
    *("mouthStretch", "mouthUpperUp", "mouthLowerDown", "eyeWide", "eyeSquint", "noseSneer"),
    *("jawLeft", "cheekPuff", "mouthRollLower", "mouthRollUpper", "mouthShrugUpper"),
    *("mouthSmileLeft", "eyeBlinkRight"),
)
TOGETHER = {
    "lookLeft": ("eyeLookOutLeft", "eyeLookInRight"),
    "lookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "lookDown": ("eyeLookDownLeft", "eyeLookDownRight"),
}


def weights_of_clip() -> np.ndarray:
    """(T, 52): at rest for a good second, then one move after the other."""
    rows = [np.zeros(EXPRESSION_COUNT, np.float32)] * REST_FRAMES
    for move in MOVES:
        alone = (move,) if move in INDEX else (f"{move}Left", f"{move}Right")
        channels = [INDEX[name] for name in TOGETHER.get(move, alone)]
        for step in range(RAMP_FRAMES):
            row = np.zeros(EXPRESSION_COUNT, np.float32)
            row[channels] = np.sin(np.pi * step / (RAMP_FRAMES - 1))
            if move == "mouthClose":  # lips closed over an open jaw
                row[INDEX["jawOpen"]] = 0.6 * row[channels[0]]
            rows.append(row)
    return np.array(rows)


def frames(person: int, weights: np.ndarray) -> Iterator[Image]:
    avatar = generate_avatar(someone(person), progress=False)
    points = avatar.mesh.vertices
    morphs = avatar.morphs.offsets[[avatar.morphs.names.index(n) for n in EXPRESSION_NAMES]]
    renderer = Renderer(avatar.mesh, 480, 360, shadows=False)
    height = float(np.ptp(points[:, 1]))
    head = points[points[:, 1] > points[:, 1].max() - height / 7.5]
    head = head[np.abs(head[:, 0] - np.median(head[:, 0])) < height / 6]
    for index, row in enumerate(weights):
        yaw, pitch = 12 * np.sin(index / 17), 6 * np.sin(index / 11)
        camera = Camera.framing(head, 1.5, yaw_deg=yaw, pitch_deg=pitch, fov_deg=30.0, aspect=4 / 3)
        pixels = renderer.draw(points + np.tensordot(row, morphs, 1), camera=camera)
        yield Image(pixels=pixels, timestamp_ns=index * 10**9 // FPS, index=index)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, 0 where one of them never changes."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def main() -> int:
    people = [int(word) for word in sys.argv[1:]]
    if not people:
        print(__doc__)
        return 2
    want = weights_of_clip()
    got = np.zeros((len(people), *want.shape), np.float32)
    with MediaPipeTracker() as tracker:
        for row, person in enumerate(people):
            for image in frames(person, want):
                seen = tracker.track(image)
                if seen and seen[0].expressions is not None:
                    got[row, image.index] = seen[0].expressions
    want, got = want[REST_FRAMES:], got[:, REST_FRAMES:]
    print(
        "| channel | correlation | one frame later | read at 1 | read at 0 |\n|---|---|---|---|---|"
    )
    means = []
    for i, name in enumerate(EXPRESSION_NAMES):
        if want[:, i].max() == 0:
            continue
        now = np.mean([correlation(g[:, i], want[:, i]) for g in got])
        later = np.mean([correlation(g[1:, i], want[:-1, i]) for g in got])
        high, low = got[:, want[:, i] > 0.9, i].mean(), got[:, want[:, i] == 0, i].mean()
        means.append((now, later))
        print(f"| {name} | {now:.2f} | {later:.2f} | {high:.2f} | {low:.3f} |")
    print("mean: {:.3f}, one frame later {:.3f}".format(*np.mean(means, axis=0)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
