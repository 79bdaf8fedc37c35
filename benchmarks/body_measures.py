"""Body lengths from pictures: rendered people of known measures through the tracker.

    python benchmarks/body_measures.py film people.npz 80    # render and track 80 people
    python benchmarks/body_measures.py learn people.npz      # learn from them and judge

`film` stores what the tracker saw of each person and their true measures; `learn` writes
`twinsdk/session/body_lengths.npz` and prints the errors, each person's by a map learnt without
them. Needs the `avatar` extra; ten seconds a person.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from twinsdk.avatar import MEASURES, AvatarSpec, Colors, generate_avatar, measure_body
from twinsdk.capture.mediapipe_tracker import MediaPipeTracker
from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.pose import Pose
from twinsdk.render.camera import Camera
from twinsdk.render.renderer import Renderer
from twinsdk.session import body_lengths
from twinsdk.skinning import Skinner

# What makes limbs long or short; `load_base().locals_` has many more.
SLIDERS = (
    "arms/measure-upperarm-length-incr",
    "arms/measure-lowerarm-length-incr",
    "legs/upperlegs-height-incr",
    "legs/lowerlegs-height-incr",
    "torso/measure-shoulder-dist-incr",
    "hip/hip-scale-horiz-incr",
    "torso/torso-scale-vert-incr",
    "torso/torso-scale-horiz-incr",
    "torso/torso-vshape-incr",
)
SIZE = (480, 640)
FRAMES = 12
RIDGE = 0.03
WHOLE = [
    BODY_NAMES.index(f"{side}{part}")
    for side in ("left", "right")
    for part in ("Eye", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Heel")
]
SKINS = ("#d9a384", "#f0cdb4", "#a8714f", "#6f4730", "#8d5a3c", "#e8b898")


def person(number: int) -> AvatarSpec:
    rng = np.random.default_rng(1000 + number)
    sliders = np.clip(rng.normal(0, 0.45, len(SLIDERS)), -1, 1)
    return AvatarSpec(
        height_m=float(rng.uniform(1.5, 1.95)),
        age_years=float(rng.uniform(18, 70)),
        gender=float(rng.uniform()),
        muscle=float(rng.uniform(0.3, 0.8)),
        weight=float(rng.uniform(0.2, 0.85)),
        proportions=float(rng.uniform(0.3, 1)),
        local=dict(zip(SLIDERS, sliders.tolist(), strict=True)),
        style=str(rng.choice(["casual", "smart", "sporty"])),
        colors=Colors(skin=str(rng.choice(SKINS)), top=f"#{rng.integers(0, 1 << 24):06x}"),
        seed=number,
    )


def stand(avatar: Avatar, frame: int) -> Pose:
    """Arms from hanging to level and back, knees straight."""
    skeleton = avatar.skeleton
    rotations = np.tile(quat.IDENTITY, (len(skeleton), 1)).astype(np.float32)
    down = np.radians(70) * (0.5 + 0.5 * np.cos(2 * np.pi * frame / FRAMES))
    for side, sign in (("left", -1), ("right", 1)):
        turn = quat.from_axis_angle(np.array([0, 0, 1.0]), np.array(sign * down))
        rotations[skeleton.joint(f"{side}UpperArm")] = turn
        apart = quat.from_axis_angle(np.array([0, 0, 1.0]), np.array(-sign * np.radians(5)))
        rotations[skeleton.joint(f"{side}UpperLeg")] = apart
    return Pose(
        skeleton=skeleton, rotations=rotations, root_translation=skeleton.rest_translations[0]
    )


def film(path: str, count: int) -> None:
    world, pixels, seen, truth, heights = [], [], [], [], []
    with MediaPipeTracker() as tracker:
        for number in range(count):
            avatar = generate_avatar(person(number), progress=False)
            rng = np.random.default_rng(5000 + number)
            skinner, renderer = Skinner(avatar), Renderer(avatar.mesh, *SIZE, shadows=False)
            margin, fov = rng.uniform(1.1, 1.5), rng.uniform(30, 55)
            pitch = rng.uniform(-2, 8)
            for frame in range(FRAMES):
                pose = stand(avatar, frame)
                vertices, normals = skinner.vertices_and_normals(pose)
                yaw = 10 * np.sin(2 * np.pi * frame / FRAMES + number)
                camera = Camera.framing(
                    avatar.mesh.vertices,
                    margin,
                    yaw_deg=yaw,
                    pitch_deg=pitch,
                    fov_deg=fov,
                    aspect=SIZE[0] / SIZE[1],
                )
                picture = renderer.draw(vertices, normals, camera)
                image = Image(pixels=picture, timestamp_ns=frame * 33_000_000, index=frame)
                found = tracker.track(image)
                body = found[0].body if found else None
                image_body = found[0].image_body if found else None
                if body is None or image_body is None:
                    world.append(np.full((33, 3), np.nan))
                    pixels.append(np.full((33, 2), np.nan))
                    seen.append(np.zeros(33))
                    continue
                world.append(body.positions)
                pixels.append(image_body.pixels())
                seen.append(body.visibility)
            truth.append([measure_body(avatar.skeleton)[name] for name in MEASURES])
            heights.append(person(number).height_m)
            print(number, flush=True)
            np.savez_compressed(
                path,
                world=np.reshape(world, (-1, FRAMES, 33, 3)),
                pixels=np.reshape(pixels, (-1, FRAMES, 33, 2)),
                seen=np.reshape(seen, (-1, FRAMES, 33)),
                truth=np.array(truth),
                heights=np.array(heights),
            )


def learn(path: str) -> None:
    """Write the ridge regression of joint distances on what the picture shows."""
    with np.load(path) as stored:
        pixels, seen, truth, heights = (stored[n] for n in ("pixels", "seen", "truth", "heights"))
    rows, kept = [], []
    for number, (points, sure) in enumerate(zip(pixels, seen, strict=True)):
        whole = [f for f in range(2, FRAMES) if sure[f][WHOLE].min() > 0.6]
        if len(whole) >= 5:
            shares = [body_lengths.body_features(points[f].astype(float))[0] for f in whole]
            rows.append(body_lengths.summary(np.stack(shares)))
            kept.append(number)
    x, y = np.array(rows), truth[kept] / heights[kept, None]
    errors, plain = np.zeros_like(y), np.zeros_like(y)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        mean, offset, slopes = ridge(x[others], y[others])
        errors[i] = offset + slopes @ (x[i] - mean) - y[i]
        plain[i] = offset - y[i]
    mean, offset, slopes = ridge(x, y)
    deviation = np.sqrt((errors**2).mean(0))
    np.savez_compressed(
        Path(body_lengths.__file__).with_suffix(".npz"),
        mean=mean,
        spread=x.std(0),
        offset=offset,
        slopes=slopes,
        deviation=deviation,
    )
    print(f"{len(x)} people\n| measure | mean error | 9 of 10 below | by the height alone |")
    print("|---|---|---|---|")
    relative, guess = np.abs(errors / y) * 100, np.abs(plain / y) * 100
    for m, name in enumerate(MEASURES):
        high = np.percentile(relative[:, m], 90)
        means = f"{relative[:, m].mean():.1f} % | {high:.1f} % | {guess[:, m].mean():.1f} %"
        print(f"| {name} | {means} |")


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features' mean, the outputs' mean and the slopes between them."""
    mean, spread, offset = x.mean(0), x.std(0), y.mean(0)
    z = (x - mean) / spread
    inner = z.T @ z + RIDGE * len(x) * np.eye(z.shape[1])
    return mean, offset, (np.linalg.solve(inner, z.T @ (y - offset)) / spread[:, None]).T


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "film":
        film(sys.argv[2], int(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] == "learn":
        learn(sys.argv[2])
    else:
        sys.exit(__doc__)
