"""Short clips with truth: generated people move, and the tracker follows them as it does live.

Stills show how a tracker errs, but not how it trembles, smooths and lags from frame to frame. The
tracker looks in its video mode, afresh for every clip.

    python benchmarks/capture_sequences.py MOTION.npz... --out seq/ --people 100 160 --each 5

One .npz a clip, T frames at 30 a second from the first in which somebody is found: the arrays of
`capture_stills.py`, of the frames in which somebody was found, and `frame` (T,) their numbers;
`contacts` (T, 4) bool, left foot, left toes, right foot, right toes; `kind` and `shot` of the clip.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from capture_stills import BARE, FIRST, KEPT, KEPT_EVERY, frame_of, framed, stacked
from still_poses import SKIPPED, designed, windows

from twinsdk.avatar import generate_avatar
from twinsdk.capture.mediapipe_models import BodyModel
from twinsdk.capture.models import resolve_models
from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.render import Renderer
from twinsdk.retarget import Retargeter
from twinsdk.session.truth_film import contacts_of, lights_of
from twinsdk.session.truth_motion import perform
from twinsdk.session.truth_room import Sensor, room_picture
from twinsdk.session.truth_scene import scene_of
from twinsdk.skinning import Skinner

FPS = 30
KINDS = {
    "captured": 0.55,
    "gestures": 0.10,
    "designed": 0.13,
    "seated": 0.09,
    "steps": 0.07,
    "still": 0.06,
}
SHOTS = {"full": 0.55, "knees": 0.2, "waist": 0.1, "bust": 0.15}
SURE = (0.5, 0.5, 0.5)
SIZES = ((400, 300), (400, 300), (340, 340), (300, 400))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("motion", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, nargs=2, default=(100, 160), help="from, to")
    parser.add_argument("--each", type=int, default=5, help="clips of a person")
    parser.add_argument("--frames", type=int, default=130, help="of a clip")
    parser.add_argument("--minutes", type=float, default=np.inf, help="to begin clips in")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    stretches = {
        kept: windows(
            args.motion, lambda s, k=kept: s not in SKIPPED and (s in KEPT) == k, args.frames
        )
        for kept in (False, True)
    }
    end = time.monotonic() + 60 * args.minutes
    for number in range(*args.people):
        kept = number % KEPT_EVERY == 0
        avatar = None
        for clip in range(args.each):
            path = args.out / f"{number:03d}_{clip}.npz"
            if path.is_file() or time.monotonic() > end:
                continue
            spec = scene_of("dev", FIRST + number).spec
            avatar = avatar or generate_avatar(spec, progress=False)
            rng = np.random.default_rng((78, number, clip))
            arrays = film(rng, avatar, spec.height_m, stretches[kept], args.frames)
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, kept=kept, **arrays)
            print(path, arrays["kind"], arrays["shot"], len(arrays["frame"]), flush=True)


def film(
    rng: np.random.Generator,
    avatar: Avatar,
    height_m: float,
    stretches: list[tuple[np.ndarray, np.ndarray]],
    count: int,
) -> dict:
    """Return the arrays of one clip."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    shot = str(rng.choice(list(SHOTS), p=list(SHOTS.values())))
    if kind == "seated" and shot == "full":
        shot = "knees"
    clip = _towards_camera(performed(kind, rng, stretches, count))
    motion = Retargeter(clip.skeleton, avatar, BARE).clip(clip)
    pose = Retargeter(avatar.skeleton, humanoid_skeleton(height_m), BARE).clip(motion)
    order = [motion.skeleton.names.index(name) for name in HUMANOID_NAMES]
    joints = motion.world()[1][:, order]
    size = SIZES[int(rng.integers(len(SIZES)))]
    fov = float(rng.uniform(42, 80))
    camera = framed(avatar, joints, shot, size, fov, rng)
    renderer = Renderer(
        avatar.mesh,
        *size,
        scenery=room_picture(camera, size, rng),
        lights=lights_of(camera, rng),
        shadows=False,
    )
    sensor, skinner = Sensor(size, rng), Skinner(avatar)
    desk = round(size[1] * rng.uniform(0.6, 0.95)) if rng.random() < 0.1 else size[1]
    colour = rng.integers(20, 230, 3)
    tracker = BodyModel(resolve_models(), *SURE)
    rows: dict[str, list] = {}
    for t in range(len(motion)):
        vertices, normals = skinner.vertices_and_normals(motion[t], None)
        picture = sensor.expose(renderer.draw(vertices, normals, camera))
        picture[desk:] = colour
        found = tracker(picture, round(1000 * t / FPS))
        if found is None:
            continue
        one = frame_of(found, joints[t], pose.rotations[t], camera) | {"frame": t}
        for name, value in one.items():
            rows.setdefault(name, []).append(value)
    tracker.close()
    arrays = stacked(rows) if rows else {"frame": np.zeros(0, int)}
    rest = np.linalg.norm(motion.skeleton.rest_translations[order], axis=-1)
    return arrays | {
        "contacts": contacts_of(joints, HUMANOID_NAMES, FPS)[arrays["frame"]],
        "fov_deg": np.full(len(arrays["frame"]), fov, np.float32),
        "size_px": np.tile(size, (len(arrays["frame"]), 1)),
        "height_m": height_m,
        "lengths": rest.astype(np.float32),
        "kind": kind,
        "shot": shot,
    }


def performed(
    kind: str,
    rng: np.random.Generator,
    stretches: list[tuple[np.ndarray, np.ndarray]],
    count: int,
) -> MotionClip:
    """Return the motion of a clip on the canonical skeleton."""
    if kind not in ("captured", "designed"):
        return perform(kind, rng, duration_s=count / FPS, fps=FPS)
    rotations, roots = stretches[int(rng.integers(len(stretches)))]
    if kind == "designed":
        rotations, roots = _from_pose_to_pose(rng, rotations[0], count), np.zeros((count, 3))
    return MotionClip(
        skeleton=humanoid_skeleton(),
        fps=FPS,
        rotations=quat.positive(quat.normalize(rotations)).astype(np.float32),
        root_translations=roots.astype(np.float32),
    )


def _from_pose_to_pose(rng: np.random.Generator, legs: np.ndarray, count: int) -> np.ndarray:
    """Return rotations (count, J, 4) from one designed pose to the next, with pauses."""
    out = np.empty((count, len(HUMANOID_NAMES), 4))
    at, t = designed(rng, legs)[0], 0
    held = [0] + [j for j, n in enumerate(HUMANOID_NAMES) if n.endswith(("Leg", "Foot"))]
    while t < count:
        to = designed(rng, legs)[0]
        to[held] = at[held]
        move, rest = (round(FPS * rng.uniform(*span)) for span in ((0.3, 1.1), (0.0, 0.7)))
        share = np.clip((np.arange(move + rest) + 1) / move, 0, 1)
        share = share**3 * (10 - 15 * share + 6 * share**2)  # least jerk (Flash and Hogan 1985)
        rows = min(move + rest, count - t)
        for k in range(rows):
            out[t + k] = quat.slerp(at, to, np.full(len(at), share[k]))
        at, t = to, t + rows
    return out


def _towards_camera(clip: MotionClip) -> MotionClip:
    """Return the clip facing +Z on the whole, about the origin, its feet on the floor."""
    facing = quat.rotate(clip.rotations[:, 0], np.tile([0.0, 0.0, 1.0], (len(clip), 1))).mean(0)
    turn = quat.from_rotation_vector(np.array([0.0, -np.arctan2(facing[0], facing[2]), 0.0]))
    turns = np.tile(turn, (len(clip), 1))
    rotations, roots = clip.rotations.copy(), clip.root_translations
    rotations[:, 0] = quat.positive(quat.multiply(turns, rotations[:, 0]))
    roots = quat.rotate(turns, roots - (roots.min(0) + roots.max(0)) / 2 * (1, 0, 1))

    def placed(at: np.ndarray) -> MotionClip:
        return MotionClip(
            skeleton=clip.skeleton,
            fps=clip.fps,
            rotations=rotations,
            root_translations=at.astype(np.float32),
        )

    lowest = np.percentile(placed(roots).world()[1][..., 1].min(1), 10)
    return placed(roots + np.array([0, 0.02 - lowest, 0]))


if __name__ == "__main__":
    main()
