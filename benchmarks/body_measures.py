"""Body lengths from pictures: rendered people of known measures through the tracker.

    python benchmarks/body_measures.py film people.npz 80    # render and track 80 people
    python benchmarks/body_measures.py learn people.npz      # learn from them and judge

`film` stores what the tracker saw of each person and their true measures; `learn` writes
`twinsdk/session/body_lengths.npz` and prints the errors, each person's by what was learnt from the
others. Needs the `avatar` extra; ten seconds a person.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from twinsdk.avatar import MEASURES, AvatarSpec, Colors, generate_avatar, measure_body
from twinsdk.capture.mediapipe_models import BodyModel
from twinsdk.capture.models import resolve_models
from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.axes import gltf_from_mediapipe
from twinsdk.core.landmarks import BODY_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.core.pose import Pose
from twinsdk.render.camera import Camera
from twinsdk.render.renderer import Renderer
from twinsdk.session import body_lengths
from twinsdk.session.body_lengths import FEATURES, STANDING, BodyLengths, given
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
# Degrees: arms down from level, rolled about their length, elbows bent; thighs out, turned out,
# knees bent. Held one after the other, as somebody does who is guided.
POSES = (
    ((70, 0, 5), (4, 0, 2)),
    ((45, 0, 5), (4, 0, 2)),
    ((15, 0, 5), (4, 0, 2)),
    ((0, -90, 90), (4, 0, 2)),
    ((30, -90, 90), (4, 0, 2)),
    ((40, 90, 95), (4, 0, 2)),
    ((0, 90, 90), (4, 0, 2)),
    ((20, -60, 70), (4, 0, 2)),
    ((60, 0, 5), (45, 65, 60)),
    ((60, 0, 5), (35, 65, 40)),
    ((50, 0, 5), (85, 75, 85)),
    ((0, -90, 90), (75, 75, 80)),
    ((20, -90, 80), (60, 70, 60)),
)
HELD, STEP_MS = 3, 150  # looks at each pose until the tracker's smoothing is through
RIDGE = 0.02  # of the features' own variance
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


def posed(avatar: Avatar, arm: tuple[int, ...], leg: tuple[int, ...]) -> Pose:
    skeleton = avatar.skeleton
    rotations = np.tile(quat.IDENTITY, (len(skeleton), 1)).astype(np.float32)
    for side, sign in (("left", 1), ("right", -1)):
        down, roll, elbow = arm
        rotations[skeleton.joint(f"{side}UpperArm")] = quat.multiply(
            about(2, -sign * down), about(0, roll)
        )
        rotations[skeleton.joint(f"{side}LowerArm")] = about(1, -sign * elbow)
        out, turned, knee = leg
        rotations[skeleton.joint(f"{side}UpperLeg")] = quat.multiply(
            about(2, sign * out), about(1, sign * turned)
        )
        rotations[skeleton.joint(f"{side}LowerLeg")] = about(0, knee)
    return Pose(
        skeleton=skeleton, rotations=rotations, root_translation=skeleton.rest_translations[0]
    )


def about(axis: int, degrees: float) -> np.ndarray:
    return quat.from_axis_angle(np.eye(3)[axis], np.array(np.radians(degrees)))


def film(path: str, count: int) -> None:
    rows: dict[str, list] = {name: [] for name in ("world", "uv", "seen", "truth", "heights")}
    paths = resolve_models()
    for number in range(count):
        avatar = generate_avatar(person(number), progress=False)
        rng = np.random.default_rng(5000 + number)
        skinner, renderer = Skinner(avatar), Renderer(avatar.mesh, *SIZE, shadows=False)
        margin, fov, pitch = rng.uniform(1.1, 1.4), rng.uniform(30, 55), rng.uniform(-2, 8)
        model = BodyModel(paths, 0.5, 0.5, 0.5)
        found = []
        for k, (arm, leg) in enumerate(POSES):
            camera = Camera.framing(
                avatar.mesh.vertices,
                margin,
                yaw_deg=10 * np.sin(2 * np.pi * k / 10 + number),
                pitch_deg=pitch,
                fov_deg=fov,
                aspect=SIZE[0] / SIZE[1],
            )
            picture = renderer.draw(*skinner.vertices_and_normals(posed(avatar, arm, leg)), camera)
            looks = [model(picture, STEP_MS * (HELD * k + i)) for i in range(HELD)]
            found.append(looks[-1])
        model.close()
        lost = [np.full((33, 3), np.nan), np.full((33, 2), np.nan), np.zeros(33)]
        seen = [[f.world, f.points[:, :2], f.visibility] if f else lost for f in found]
        for name, values in zip(("world", "uv", "seen"), zip(*seen, strict=True), strict=True):
            rows[name].append(np.array(values, np.float32))
        lengths = measure_body(avatar.skeleton)
        rows["truth"].append([lengths[name] for name in MEASURES])
        rows["heights"].append(person(number).height_m)
        np.savez_compressed(path, **{name: np.array(values) for name, values in rows.items()})
        print(number, flush=True)


def collected(world: np.ndarray, uv: np.ndarray, seen: np.ndarray) -> BodyLengths:
    """What `avatar fit` takes from a person's frames, each held for as long as it asks for."""
    lengths = BodyLengths()
    for points, places, sure in zip(world, uv, seen, strict=True):
        if not np.isfinite(places).all():
            continue
        observation = Observation(
            timestamp_ns=0,
            body=Landmarks(
                names=BODY_NAMES, positions=gltf_from_mediapipe(points), visibility=sure
            ),
            image_body=ImageLandmarks(names=BODY_NAMES, uv=places, size_px=SIZE, visibility=sure),
        )
        for _ in range(HELD):
            lengths.add(observation)
    return lengths


def learn(path: str) -> None:
    """Write what people's lengths and the features of their pictures have in common."""
    with np.load(path) as stored:
        frames = zip(stored["world"], stored["uv"], stored["seen"], strict=True)
        x = np.array([collected(*one).features() for one in frames])
        y = np.log(stored["truth"] / stored["heights"][:, None])
    whole = np.isfinite(x).all(1)
    x, y = x[whole], y[whole]
    mean, covariance = together(x, y)
    np.savez_compressed(
        Path(body_lengths.__file__).with_suffix(".npz"), mean=mean, covariance=covariance
    )
    limited = {"all": FEATURES, "no knees": FEATURES[:-2], "standing straight": STANDING}
    errors = {name: judged(x, y, len(known)) for name, known in limited.items()}
    errors["by the height alone"] = np.abs(np.expm1(y.mean(0) - y))
    print(f"{len(x)} people; mean error in %, and what nine of ten are below")
    print("| measure | " + " | ".join(errors) + " |\n" + "|---" * (len(errors) + 1) + "|")
    for m, name in enumerate(MEASURES):
        row = [
            f"{100 * e[:, m].mean():.1f}, {np.percentile(100 * e[:, m], 90):.1f}"
            for e in errors.values()
        ]
        print(f"| {name} | " + " | ".join(row) + " |")


def judged(x: np.ndarray, y: np.ndarray, known: int) -> np.ndarray:
    """Relative errors (N, 7), the first `known` features given, of people not learnt from."""
    out = np.zeros_like(y)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        features = np.where(np.arange(x.shape[1]) < known, x[i], np.nan)
        logs, _ = given(features, *together(x[others], y[others]))
        out[i] = np.abs(np.expm1(logs - y[i]))
    return out


def together(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of features (N, 15) and measures (N, 7)."""
    both = np.concatenate([x, y], 1)
    covariance = np.cov(both.T)
    inner = np.arange(x.shape[1])
    covariance[inner, inner] *= 1 + RIDGE
    return both.mean(0), covariance


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "film":
        film(sys.argv[2], int(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] == "learn":
        learn(sys.argv[2])
    else:
        sys.exit(__doc__)
