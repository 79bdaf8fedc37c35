"""Stills with truth: many poses of many generated people, each photographed and tracked once.

A take has one person, one camera and one motion; what a tracker gets wrong depends on all three.
Stills have the same truth without their likeness from frame to frame. The tracker looks in its
image mode.

    python benchmarks/capture_stills.py MOTION.npz... --out stills/ --people 0 60 --each 240

One .npz a person, N stills, J = 55 joints, camera axes +X right, +Y up, +Z towards the camera:
`joints` (N, J, 3) metres from the camera; `rotations` (N, J, 4) the pose on the canonical skeleton,
the hips' camera_from_hips; what the tracker saw, in its own axes: `uv` (N, 33, 2), `depth` (N, 33),
`world` (N, 33, 3), `visibility` (N, 33); `fov_deg` (N,) horizontal; `size_px` (N, 2); `height_m`,
`lengths` (J,); `kind` (N,), `shot` (N,); `kept`: whether they are kept to judge by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from still_poses import SKIPPED, captured, designed

from twinsdk.avatar import generate_avatar
from twinsdk.capture.mediapipe_models import BodyFinder, FoundBody
from twinsdk.capture.models import resolve_models
from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.render import Camera, Renderer
from twinsdk.retarget import RetargetConfig, Retargeter
from twinsdk.session.truth_film import lights_of
from twinsdk.session.truth_motion import perform
from twinsdk.session.truth_room import Sensor, room_picture
from twinsdk.session.truth_scene import scene_of
from twinsdk.skinning import Skinner

KEPT = {"35", "16", "02", "004", "011"}  # motions of the people that are kept
KEPT_EVERY = 8
FIRST = 1000  # of the dev split's people: takes are filmed of those before
SIZES = ((480, 360), (480, 360), (400, 400), (360, 480))
SHOTS = ("full", "knees", "waist", "bust")
BARE = RetargetConfig(plant_feet=False, keep_touch=False)
KINDS = {"captured": 0.4, "gestures": 0.1, "seated": 0.05, "designed": 0.45}
SHARED = 6  # stills before one room


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, nargs=3, default=(0, 60, 1), help="from, to, step")
    parser.add_argument("--each", type=int, default=240)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    frames = {
        kept: captured(args.motion, lambda s, k=kept: s not in SKIPPED and (s in KEPT) == k)
        for kept in (False, True)
    }
    finder = BodyFinder(resolve_models(), 0.5, people=1)
    for number in range(*args.people):
        path = args.out / f"{number:03d}.npz"
        if path.is_file():
            continue
        kept = number % KEPT_EVERY == 0
        arrays = photograph(number, frames[kept], args.each, finder)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, kept=kept, **arrays)
        print(path, len(arrays["uv"]), flush=True)
    finder.close()


def photograph(number: int, frames: np.ndarray, count: int, finder: BodyFinder) -> dict:
    """Return the arrays of one person's stills; those in which nobody is found are left out."""
    rng = np.random.default_rng((77, number))
    spec = scene_of("dev", FIRST + number).spec
    avatar = generate_avatar(spec, progress=False)
    clip, kinds = poses(rng, frames, count)
    motion = Retargeter(clip.skeleton, avatar, BARE).clip(clip)
    pose = Retargeter(avatar.skeleton, humanoid_skeleton(spec.height_m), BARE).clip(motion)
    order = [motion.skeleton.names.index(name) for name in HUMANOID_NAMES]
    joints = motion.world()[1][:, order]
    skinner = Skinner(avatar)
    rows: dict[str, list] = {}
    for t in range(count):
        if t % SHARED == 0:
            size = SIZES[int(rng.integers(len(SIZES)))]
            fov = float(rng.uniform(42, 80))
            camera = framed(avatar, joints[t], "full", size, fov, rng)
            renderer = Renderer(
                avatar.mesh,
                *size,
                scenery=room_picture(camera, size, rng),
                lights=lights_of(camera, rng),
                shadows=False,
            )
            sensor = Sensor(size, rng)
        shot = str(rng.choice(SHOTS, p=(0.42, 0.2, 0.2, 0.18)))
        camera = framed(avatar, joints[t], shot, size, fov, rng)
        vertices, normals = skinner.vertices_and_normals(motion[t], None)
        picture = sensor.expose(renderer.draw(vertices, normals, camera))
        if rng.random() < 0.12:  # a desk, or whatever hides what is low
            top = round(size[1] * rng.uniform(0.6, 0.95))
            picture[top:] = rng.integers(20, 230, 3)
        found = finder(picture)
        if not found:
            continue
        one = frame_of(found[0], joints[t], pose.rotations[t], camera)
        one |= {"fov_deg": fov, "size_px": size, "kind": kinds[t], "shot": shot}
        for name, value in one.items():
            rows.setdefault(name, []).append(value)
    rest = np.linalg.norm(motion.skeleton.rest_translations[order], axis=-1)
    return stacked(rows) | {"height_m": spec.height_m, "lengths": rest.astype(np.float32)}


def frame_of(found: FoundBody, joints: np.ndarray, rotations: np.ndarray, camera: Camera) -> dict:
    """Return what was seen in a picture and the truth behind it, see the module.

    Args:
        found: By the tracker.
        joints: (J, 3) in the world.
        rotations: (J, 4) the pose on the canonical skeleton.
        camera: Took the picture.
    """
    axes = camera.axes().astype(np.float64) * np.array([[1.0], [1.0], [-1.0]])
    rotations = rotations.astype(np.float64)
    rotations[0] = quat.multiply(quat.from_matrix(axes), rotations[0])
    return {
        "joints": (joints - camera.position) @ axes.T,
        "rotations": rotations,
        "uv": found.points[:, :2],
        "depth": found.points[:, 2],
        "world": found.world,
        "visibility": found.visibility,
    }


def stacked(rows: dict[str, list]) -> dict[str, np.ndarray]:
    arrays = {name: np.array(values) for name, values in rows.items()}
    return {k: a.astype(np.float32) if a.dtype == np.float64 else a for k, a in arrays.items()}


def poses(rng: np.random.Generator, frames: np.ndarray, count: int) -> tuple[MotionClip, list[str]]:
    """Return the poses as a clip: captured, performed and designed ones, facing +Z."""
    skeleton = humanoid_skeleton()
    rotations, kinds = np.zeros((count, len(skeleton), 4)), []
    acts = {kind: perform(kind, rng, duration_s=40.0).rotations for kind in ("gestures", "seated")}
    for t in range(count):
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        frame = frames[rng.integers(len(frames))].astype(np.float64)
        if kind in acts:
            rotations[t] = acts[kind][rng.integers(len(acts[kind]))]
        elif kind == "designed":
            rotations[t], kind = designed(rng, frame)
        else:
            rotations[t] = frame
        kinds.append(kind)
    facing = quat.rotate(rotations[:, 0], np.tile([0.0, 0.0, 1.0], (count, 1)))
    turn = np.zeros((count, 3))
    turn[:, 1] = -np.arctan2(facing[:, 0], facing[:, 2])
    rotations[:, 0] = quat.multiply(quat.from_rotation_vector(turn), rotations[:, 0])
    rotations = quat.positive(quat.normalize(rotations)).astype(np.float32)
    roots = np.zeros((count, 3), np.float32)
    clip = MotionClip(skeleton=skeleton, fps=30.0, rotations=rotations, root_translations=roots)
    roots[:, 1] = 0.02 - clip.world()[1][..., 1].min(1)
    clip = MotionClip(skeleton=skeleton, fps=30.0, rotations=rotations, root_translations=roots)
    return clip, kinds


def framed(
    avatar: Avatar,
    joints: np.ndarray,
    shot: str,
    size: tuple[int, int],
    fov: float,
    rng: np.random.Generator,
) -> Camera:
    """Return a camera with what the shot shows of the joints (..., J, 3) in view, give or take."""
    at = HUMANOID_NAMES.index
    tall = float(avatar.mesh.vertices[:, 1].max())
    crown = joints[..., at("head"), :] * 3 - joints[..., at("neck"), :] * 2
    spread = 0.12 * tall
    if shot == "full":
        rows = range(len(HUMANOID_NAMES))
    elif shot == "knees":
        rows = [j for j, n in enumerate(HUMANOID_NAMES) if not n.endswith(("Foot", "Toes"))]
    elif shot == "waist":
        rows = [at(n) for n in ("hips", "spine", "leftUpperArm", "rightUpperArm", "head")]
        spread = 0.2 * tall
    else:
        rows = [at(n) for n in ("chest", "leftUpperArm", "rightUpperArm", "head")]
    cloud = np.concatenate([joints[..., list(rows), :].reshape(-1, 3), crown.reshape(-1, 3)])
    if shot in ("waist", "bust"):
        chest = joints[..., at("upperChest"), :].reshape(-1, 3).mean(0)
        sides = chest + np.array([[spread, 0, 0], [-spread, 0, 0]])
        cloud = np.concatenate([cloud, sides])
    width, height = size
    upright = float(np.degrees(2 * np.arctan(np.tan(np.radians(fov) / 2) * height / width)))
    chance = rng.random()
    yaw = rng.normal(0, 25) if chance < 0.65 else rng.choice([-70, 70]) + rng.normal(0, 20)
    yaw = rng.uniform(-180, 180) if chance > 0.88 else yaw
    camera = Camera.framing(
        cloud,
        float(rng.uniform(1.02, 1.6) if shot in ("full", "knees") else rng.uniform(1.0, 1.4)),
        yaw_deg=float(yaw),
        pitch_deg=float(np.clip(rng.normal(5, 9), -15, 35)),
        fov_deg=upright,
        aspect=width / height,
    )
    # Nobody stands in the very middle, and no camera is quite level.
    right, up, forward = camera.axes().astype(np.float64)
    away = np.linalg.norm(np.subtract(camera.target, camera.position))
    half = np.tan(np.radians(upright) / 2)
    shift = right * rng.normal(0, 0.08) * half * width / height + up * rng.normal(0, 0.05) * half
    target = np.array(camera.position) + away * (forward + shift)
    roll = np.radians(rng.normal(0, 2.0))
    upward = np.cos(roll) * np.array(camera.up) + np.sin(roll) * right
    return Camera(
        position=camera.position,
        target=tuple(target.tolist()),
        up=tuple(upward.tolist()),
        fov_deg=upright,
    )


if __name__ == "__main__":
    main()
