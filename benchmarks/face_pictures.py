"""Faces to learn from: generated people making several faces at once, seen as a webcam sees them.

    python benchmarks/face_pictures.py 200 235     # people of these numbers, kept in the cache

Each picture is a render with known expression weights: head turned up to 40 degrees, another
distance, light, chip and background, the face 20 to 120 pixels wide, looked at by the tracker's own
face model. Stills are an earlier set: without noise, turned up to 30 degrees, channel after channel
and mixtures of up to six. Needs the `avatar` extra; some 6 s a person on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from face_people import GAZES, GROUPS, INDEX, someone

from twinsdk.capture.followers import Follower
from twinsdk.capture.mediapipe_models import FaceModel
from twinsdk.capture.models import resolve_models
from twinsdk.capture.regions import Square, cut, on_image, whole
from twinsdk.core.arrays import U8
from twinsdk.core.avatar import Mesh
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.files import atomic_path, cache_dir

STILLS, DATA = 2, 3  # raised when people's faces or morphs change
# Stills of a head, its face being 0.7 as wide; most from near, some as small as on full figures.
STILL_SIDES_PX = {224: 0.55, 144: 0.25, 88: 0.2}
PICTURES = 84  # of a person
RESTS = 8  # of these at rest
SETTINGS = 4  # lights, backgrounds and sizes for each person
LEAST_SIDE_PX, MOST_SIDE_PX = 130, 240  # rendered; a face is about 0.5 as wide
SHARES = ((0.6, 1.0), (0.3, 0.6))  # of that, as seen
TILE_PX, MARGIN = 256, 1.7  # as the tracker looks


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    for person in range(int(sys.argv[1]), int(sys.argv[2])):
        film(person)
    return 0


def pictures_path(person: int) -> Path:
    return cache_dir("face_expressions") / f"pictures-{DATA}-{person}.npz"


def mixture(rng: np.random.Generator) -> np.ndarray:
    """Weights (52,) of a face: one plain expression, any few at once, or somebody speaking."""
    out = np.zeros(EXPRESSION_COUNT)
    kind = rng.random()
    if kind < 0.12:
        _put(out, rng, GROUPS[rng.integers(len(GROUPS))], rng.uniform(0.5, 1))
    elif kind < 0.6:
        for g in rng.choice(len(GROUPS), rng.integers(1, 10), replace=False):
            _put(out, rng, GROUPS[g], rng.uniform(0.05, 1))
    else:
        _speak(out, rng)
    if rng.random() < 0.6:
        for gaze in rng.choice(4, rng.integers(1, 3), replace=False):
            out[[INDEX[name] for name in GAZES[gaze]]] += rng.uniform(0.1, 1)
    if rng.random() < 0.12:
        _put(out, rng, ("eyeBlinkLeft", "eyeBlinkRight"), rng.uniform(0.2, 1))
    closed = out[INDEX["mouthClose"]]
    if closed:  # lips closed over an open jaw
        out[INDEX["jawOpen"]] = max(out[INDEX["jawOpen"]], rng.uniform(0.4, 0.9) * closed)
    return np.clip(out, 0, 1).astype(np.float32)


def _put(out: np.ndarray, rng: np.random.Generator, names: tuple[str, ...], weight: float) -> None:
    """Add an expression, mostly alike on both sides, at times on one alone."""
    if len(names) == 2 and rng.random() < 0.2:
        names = (names[rng.integers(2)],)
    for name in names:
        out[INDEX[name]] += weight * rng.uniform(0.85, 1.15)


def _speak(out: np.ndarray, rng: np.random.Generator) -> None:
    """Add a mouth that speaks, a mood and brows, each as strong as it happens to be."""

    def both(part: str, most: float, often: float = 0.5) -> float:
        weight = most * rng.random() * (rng.random() < often)
        _put(out, rng, (f"{part}Left", f"{part}Right"), weight)
        return weight

    def one(name: str, most: float, often: float = 0.5) -> None:
        out[INDEX[name]] += most * rng.random() * (rng.random() < often)

    one("jawOpen", 0.8, 0.8)
    if rng.random() < 0.5:
        rounded = rng.random()
        one("mouthFunnel", rounded, 0.8)
        one("mouthPucker", rounded, 0.8)
    else:
        both("mouthStretch", 0.7)
    one("mouthClose", 0.5, 0.15)
    for part, often in (("mouthUpperUp", 0.2), ("mouthLowerDown", 0.2), ("mouthPress", 0.15)):
        both(part, 0.6, often)
    smile = both("mouthSmile", 1.0, 0.4)
    if smile:  # a broad smile lifts the cheeks
        _put(out, rng, ("cheekSquintLeft", "cheekSquintRight"), smile * rng.uniform(0, 0.9))
    else:
        both("mouthFrown", 1.0, 0.4)
    one("browInnerUp", 1.0)
    both("browOuterUp", 1.0)
    both("browDown", 1.0, 0.4)
    both("eyeSquint", 0.8, 0.35)
    both("eyeWide", 0.8, 0.15)


def film(person: int) -> None:
    """Film one person and keep what the tracker sees, every picture in two sizes."""
    from twinsdk.avatar import generate_avatar

    if pictures_path(person).exists():
        return
    avatar = generate_avatar(someone(person), progress=False)
    rng = np.random.default_rng(5000 + person)
    model = FaceModel(resolve_models(), 0.5, 0.5)
    kept: list[tuple[Any, ...]] = []
    for _ in range(SETTINGS):
        side = int(rng.integers(LEAST_SIDE_PX, MOST_SIDE_PX))
        for picture, weights, angles in _pictures(avatar, side, rng):
            for face in _seen(picture, model, rng):
                kept.append((face, weights, angles, float(np.ptp(face[:, 0]))))
    model.close()
    names = ("points", "weights", "angles", "face_px")
    with atomic_path(pictures_path(person)) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            **{
                n: np.array(v, np.float32)
                for n, v in zip(names, zip(*kept, strict=True), strict=True)
            },
        )
    print(f"person {person}: {len(kept)} faces", flush=True)


def _pictures(
    avatar: Any, side: int, rng: np.random.Generator
) -> Iterator[tuple[U8, np.ndarray, np.ndarray]]:
    """Render in one light before one background: pictures, weights, and angles in degrees."""
    import cv2

    from twinsdk.render import Camera, Renderer
    from twinsdk.session.truth_film import lights_of

    near, mesh = _bust(avatar.mesh)
    points = mesh.vertices
    rows = [avatar.morphs.names.index(n) for n in EXPRESSION_NAMES]
    morphs = avatar.morphs.offsets[rows][:, near]
    height = float(np.ptp(avatar.mesh.vertices[:, 1]))
    head = points[points[:, 1] > points[:, 1].max() - height / 7.5]
    head = head[np.abs(head[:, 0] - np.median(head[:, 0])) < height / 6]
    middle = (head.min(0) + head.max(0)) / 2
    blotches = rng.integers(0, 256, (5, 5, 3)).astype(np.uint8)
    renderer = Renderer(
        mesh,
        side,
        side,
        scenery=cv2.resize(blotches, (side, side), interpolation=cv2.INTER_CUBIC),
        shadows=bool(rng.random() < 0.3),
        lights=lights_of(Camera.framing(head), rng),
    )
    for i in range(PICTURES // SETTINGS):
        at_rest = i < RESTS // SETTINGS
        weights = np.zeros(EXPRESSION_COUNT, np.float32) if at_rest else mixture(rng)
        widest = 10 if i < RESTS // SETTINGS // 2 else 40
        angles = rng.uniform(-1, 1, 3) * (widest, widest / 2, widest / 2)
        c, s = np.cos(np.radians(angles[2])), np.sin(np.radians(angles[2]))
        moved = points + np.tensordot(weights, morphs, 1) - middle
        camera = Camera.framing(
            head,
            float(rng.uniform(1.2, 1.5)),
            yaw_deg=float(angles[0]),
            pitch_deg=float(angles[1]),
            fov_deg=float(np.exp(rng.uniform(np.log(8), np.log(45)))),
            aspect=1.0,
        )
        tilted = middle + moved @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        yield renderer.draw(tilted, camera=camera), weights, angles


def _bust(mesh: Mesh) -> tuple[np.ndarray, Mesh]:
    """Return which vertices belong to head and shoulders, and the mesh of these alone."""
    points = mesh.vertices
    height = float(np.ptp(points[:, 1]))
    near = points[:, 1] > points[:, 1].max() - height / 4
    near &= np.abs(points[:, 0] - np.median(points[:, 0])) < height / 6
    whole_ones = near[mesh.triangles].all(1)
    bust = replace(
        mesh,
        vertices=points[near],
        normals=mesh.normals[near],
        uvs=mesh.uvs[near],
        triangles=(np.cumsum(near) - 1)[mesh.triangles[whole_ones]].astype(np.uint32),
        triangle_materials=mesh.triangle_materials[whole_ones],
    )
    return near, bust


def _seen(picture: U8, model: FaceModel, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield what the tracker sees (478, 3), pixels, from near and from far."""
    import cv2

    side = len(picture)
    follower = Follower(model, tile_px=TILE_PX, margin=MARGIN)
    if follower.find(picture, whole((side, side)), 0) is None or follower.square is None:
        return
    square = follower.square
    for least, most in SHARES:
        share = rng.uniform(least, most)
        small = round(side * share)
        shape = (small, small)
        pixels = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
        place = Square(
            x=float(square.x * small / side),
            y=float(square.y * small / side),
            side=float(square.side * small / side * rng.uniform(0.93, 1.07)),
        )
        found = model(cut(_exposed(pixels, rng), place, TILE_PX), 0)
        if found:
            uv, depth = on_image(found[0].points, place, shape)
            yield np.column_stack([uv, depth]) * small


def _exposed(picture: U8, rng: np.random.Generator) -> U8:
    """Return a picture as a cheap camera gives it: exposure, gamma, colour cast, blur, noise."""
    import cv2

    gains = rng.uniform(0.6, 1.2) * rng.uniform(0.92, 1.08, 3)
    out = 255 * np.clip(gains * (picture / 255) ** rng.uniform(0.8, 1.25), 0, 1)
    if rng.random() < 0.4:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.0))
    sigma = rng.uniform(0.0, 6.0)
    out = out + rng.normal(0, sigma, (*out.shape[:2], 1)) + rng.normal(0, 0.5 * sigma, out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def stills_path(person: int) -> Path:
    return cache_dir("face_expressions") / f"person-{STILLS}-{person}.npz"


def _wanted(person: int) -> list[tuple[np.ndarray, float, float]]:
    """(weights, camera yaw, camera pitch): rest from many sides, each channel, random mixtures."""
    rng = np.random.default_rng(1000 + person)
    rest = np.zeros(EXPRESSION_COUNT, np.float32)
    samples = [(rest, 0.0, 0.0)]
    samples += [(rest, float(rng.uniform(-35, 35)), float(rng.uniform(-18, 18))) for _ in range(15)]
    for names in (*GROUPS, *GAZES):
        one = rest.copy()
        one[[INDEX[name] for name in names]] = rng.uniform(0.7, 1.0)
        samples.append((one, float(rng.uniform(-15, 15)), float(rng.uniform(-10, 10))))
    for _ in range(150):
        mix = rest.copy()
        for g in rng.choice(len(GROUPS), rng.integers(1, 7), replace=False):
            names = GROUPS[g]
            if len(names) == 2 and rng.random() < 0.3:
                names = (names[rng.integers(2)],)
            mix[[INDEX[name] for name in names]] = rng.uniform(0.1, 1)
        if rng.random() < 0.5:
            for gaze in rng.choice(4, rng.integers(1, 3), replace=False):
                mix[[INDEX[name] for name in GAZES[gaze]]] += rng.uniform(0.2, 1)
        if mix[INDEX["mouthClose"]]:  # lips closed over an open jaw
            wide = rng.uniform(0.4, 0.9) * mix[INDEX["mouthClose"]]
            mix[INDEX["jawOpen"]] = max(mix[INDEX["jawOpen"]], wide)
        samples.append((mix, float(rng.uniform(-30, 30)), float(rng.uniform(-15, 15))))
    return samples


def film_alone(person: int) -> None:
    """Render one person in every wanted face and keep what the face model sees."""
    from twinsdk.avatar import generate_avatar
    from twinsdk.render import Camera, Renderer

    if stills_path(person).exists():
        return
    avatar = generate_avatar(someone(person), progress=False)
    rng = np.random.default_rng(2000 + person)
    points = avatar.mesh.vertices
    morphs = avatar.morphs.offsets[[avatar.morphs.names.index(n) for n in EXPRESSION_NAMES]]
    renderers = {
        side: Renderer(avatar.mesh, side, side, shadows=False, antialias=1 if side > 200 else 2)
        for side in STILL_SIDES_PX
    }
    height = float(np.ptp(points[:, 1]))
    head = points[points[:, 1] > points[:, 1].max() - height / 7.5]
    head = head[np.abs(head[:, 0] - np.median(head[:, 0])) < height / 6]
    kept: list[tuple[np.ndarray, np.ndarray, tuple[float, float], int]] = []
    model = FaceModel(resolve_models(), 0.5, 0.5)
    sizes, shares = [*STILL_SIDES_PX], [*STILL_SIDES_PX.values()]
    for weights, yaw, pitch in _wanted(person):
        straight = yaw == pitch == 0
        side = max(sizes) if straight else int(rng.choice(sizes, p=shares))
        fov = 30.0 if straight else float(rng.uniform(15, 55))
        camera = Camera.framing(head, 1.3, yaw_deg=yaw, pitch_deg=pitch, fov_deg=fov, aspect=1.0)
        picture = renderers[side].draw(points + np.tensordot(weights, morphs, 1), camera=camera)
        found = model(cut(picture, whole((side, side)), TILE_PX), 0)
        if found:
            kept.append((found[0].points, weights, (yaw, pitch), side))
    model.close()
    with atomic_path(stills_path(person)) as temporary:
        np.savez(
            temporary,
            points=np.array([k[0] for k in kept]),
            weights=np.array([k[1] for k in kept]),
            angles=np.array([k[2] for k in kept], np.float32),
            sides_px=np.array([k[3] for k in kept]),
        )
    print(f"person {person}: {len(kept)} faces", flush=True)


if __name__ == "__main__":
    sys.exit(main())
