"""Filming: a scene rendered, looked at by the tracker, and kept with its truth as a take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.avatar import generate_avatar
from twinsdk.capture import Tracker, TrackerConfig, open_tracker
from twinsdk.core.arrays import F32, U8, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.image import Image
from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.core.observation import Observation
from twinsdk.render import Camera, Renderer
from twinsdk.render.light import Lights
from twinsdk.retarget import RetargetConfig, Retargeter
from twinsdk.session.truth_room import Sensor, room_picture
from twinsdk.session.truth_scene import FPS, Scene, camera_of, motion_of, scene_of
from twinsdk.session.truth_take import TAKE_VERSION, Take, save_take
from twinsdk.skinning import Skinner

__all__ = ["Set", "contacts_of", "film_take", "lights_of", "prepare"]

_STANDING_M_S, _STANDING_M = 0.2, 0.05
_FEET = ("leftFoot", "leftToes", "rightFoot", "rightToes")
_JOINT_OF = {
    "Eye": "Eye",
    "Shoulder": "UpperArm",
    "Elbow": "LowerArm",
    "Wrist": "Hand",
    "Hip": "UpperLeg",
    "Knee": "LowerLeg",
    "Ankle": "Foot",
    "Pinky": "LittleProximal",
    "Index": "IndexProximal",
    "Thumb": "ThumbDistal",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Set:
    """A scene made ready: the person, the motion on them, camera, room and chip.

    Attributes:
        scene: What was asked for.
        avatar: The person.
        motion: On the avatar's skeleton, on the floor y = 0.
        camera: Stands still.
        scenery: The empty room (H, W, 3).
        present: (T,) whether the person is there.
    """

    scene: Scene
    avatar: Avatar
    motion: MotionClip
    camera: Camera
    scenery: U8
    present: Array

    def pictures(self) -> Iterator[tuple[Image, F32]]:
        """Yield every frame as the camera gives it, and the body points (33, 3) behind it."""
        rng = self.scene.rng(2)
        skinner = Skinner(self.avatar)
        renderer = Renderer(
            self.avatar.mesh,
            *self.scene.size_px,
            scenery=self.scenery,
            lights=lights_of(self.camera, rng),
            antialias=2,
            shadows=bool(rng.random() < 0.5),
        )
        sensor = Sensor(self.scene.size_px, rng)
        points = _BodyPoints(self.avatar)
        _, joints = self.motion.world()
        for t in range(len(self.motion)):
            face = None if self.motion.expressions is None else self.motion.expressions[t]
            vertices, normals = skinner.vertices_and_normals(self.motion[t], face)
            there = bool(self.present[t])
            picture = renderer.draw(vertices, normals, self.camera) if there else self.scenery
            image = Image(pixels=sensor.expose(picture), timestamp_ns=round(t * 1e9 / FPS), index=t)
            yield image, points.at(joints[t], vertices)


def prepare(scene: Scene) -> Set:
    """Return the scene made ready for filming.

    Raises:
        DependencyError: Open3D or anny is not installed.
        FormatError, NotHumanoidError: The motion file cannot be read.
    """
    avatar = generate_avatar(scene.spec, progress=False)
    clip = motion_of(scene)
    motion = Retargeter(clip.skeleton, avatar).clip(clip)
    _, joints = motion.world()
    camera = camera_of(scene, avatar, joints)
    return Set(
        scene=scene,
        avatar=avatar,
        motion=motion,
        camera=camera,
        scenery=room_picture(camera, scene.size_px, scene.rng(3)),
        present=_presence(len(motion), scene.kind.absent_s),
    )


def film_take(made: Set, tracker: Tracker) -> Take:
    """Return the take: every picture tracked, with the truth behind it.

    Args:
        made: From `prepare`.
        tracker: Starts afresh: the first timestamp is 0.
    """
    seen: list[Observation] = []
    landmarks = []
    for image, points in made.pictures():
        found = tracker.track(image)
        seen.append(found[0] if found else Observation(timestamp_ns=image.timestamp_ns))
        landmarks.append(points)
    return _take(made, tuple(seen), np.array(landmarks, np.float32))


def ensure_takes(
    folder: str | Path,
    split: str,
    count: int,
    *,
    motions: Sequence[Path] = (),
    duration_s: float = 8.0,
    progress: bool = True,
) -> list[Path]:
    """Return the paths of a split's first `count` takes in a folder, filming those that are not.

    A film of eight seconds takes half a minute on one core.

    Args:
        folder: Made where it is not there; one folder for one set of motions.
        split: "dev" or "test".
        count: How many.
        motions: Motion files to choose from; none: performances alone.
        duration_s: Seconds of motion a take.
        progress: Whether to show a bar.

    Raises:
        DependencyError: Open3D or anny is not installed.
        FormatError, NotHumanoidError: A motion file cannot be read.
        OutputError: A take cannot be written.
    """
    from tqdm import tqdm

    scenes = [
        scene_of(split, number, motions=tuple(motions), duration_s=duration_s)
        for number in range(count)
    ]
    paths = [Path(folder) / f"{scene.name}.npz" for scene in scenes]
    missing = [i for i, path in enumerate(paths) if not path.is_file()]
    if not missing:
        return paths
    Path(folder).mkdir(parents=True, exist_ok=True)
    bar = tqdm(
        total=len(missing), desc=f"filming {split} takes", disable=None if progress else True
    )
    tracker = open_tracker(config=TrackerConfig(parallel=False))
    with closing(tracker), bar:
        for i in missing:
            save_take(film_take(prepare(scenes[i]), tracker), paths[i])
            bar.update()
    return paths


def contacts_of(positions: F32, names: tuple[str, ...], fps: float) -> Array:
    """Return (T, 4) whether left foot, left toes, right foot and right toes stand.

    A joint stands where it moves slower than 0.2 m/s and is no more than 5 cm above its own lowest
    twentieth.
    """
    feet = positions[:, [names.index(name) for name in _FEET]]
    speed = np.linalg.norm(np.gradient(feet, axis=0), axis=-1) * fps if len(feet) > 1 else 0
    low = np.percentile(feet[..., 1], 5, axis=0)
    standing: Array = (speed < _STANDING_M_S) & (feet[..., 1] < low + _STANDING_M)
    return standing


def _take(made: Set, seen: tuple[Observation, ...], landmarks: F32) -> Take:
    scene, camera, motion = made.scene, made.camera, made.motion
    names = motion.skeleton.names
    order = [names.index(name) for name in HUMANOID_NAMES]
    _, joints = motion.world()
    joints = joints[:, order]
    bare = RetargetConfig(plant_feet=False, keep_touch=False)
    canonical = Retargeter(made.avatar.skeleton, humanoid_skeleton(scene.spec.height_m), bare)
    pose = canonical.clip(motion)
    rest = motion.skeleton.rest_translations[order]
    lengths = np.linalg.norm(rest, axis=-1)
    lengths[0] = 0
    known = ~np.isnan(landmarks[0, :, 0])
    return Take(
        about={
            "version": TAKE_VERSION,
            "name": scene.name,
            "split": scene.split,
            "seed": scene.number,
            "kind": scene.kind.motion,
            "shot": scene.kind.shot,
            "yaw_deg": scene.yaw_deg,
            "pitch_deg": scene.pitch_deg,
            "motion": None if scene.motion is None else scene.motion.name,
            "height_m": scene.spec.height_m,
            "spec": scene.spec.to_json(),
        },
        rotations=pose.rotations,
        root_translations=joints[:, 0],
        joint_positions=joints,
        joint_pixels=camera.project(joints, scene.size_px),
        bone_lengths=lengths,
        landmarks=landmarks,
        landmark_pixels=camera.project(landmarks, scene.size_px),
        landmark_known=known,
        expressions=np.zeros((len(motion), 52), np.float32)
        if motion.expressions is None
        else motion.expressions,
        contacts=contacts_of(joints, HUMANOID_NAMES, motion.fps),
        present=made.present,
        camera_position=np.array(camera.position, np.float32),
        camera_axes=camera.axes(),
        fov_deg=scene.fov_deg,
        size_px=scene.size_px,
        observations=seen,
    )


class _BodyPoints:
    """The tracker's 33 body points on an avatar: joints, and points of the skin for the rest."""

    def __init__(self, avatar: Avatar) -> None:
        names = avatar.skeleton.names
        self._joints = {
            i: names.index(f"{side}{joint}")
            for i, point in enumerate(BODY_NAMES)
            for side in ("left", "right")
            for part, joint in _JOINT_OF.items()
            if point == f"{side}{part}"
        }
        self._skin = _skin_points(avatar)

    def at(self, joints: F32, vertices: F32) -> F32:
        """Return the points (33, 3), NaN where there is none."""
        out = np.full((len(BODY_NAMES), 3), np.nan, np.float32)
        for i, j in self._joints.items():
            out[i] = joints[j]
        for i, v in self._skin.items():
            out[i] = vertices[v]
        return out


def _skin_points(avatar: Avatar) -> dict[int, int]:
    """Return body point -> vertex: tip of the nose, backs of the heels, tips of the shoes."""
    vertices = avatar.mesh.vertices
    names = avatar.skeleton.names
    _, joints = avatar.skeleton.rest_world()
    owner = avatar.skin.joints[np.arange(len(vertices)), avatar.skin.weights.argmax(1)]
    eyes = joints[[names.index("leftEye"), names.index("rightEye")]].mean(0)
    head = np.flatnonzero(
        (owner == names.index("head"))
        & (np.abs(vertices[:, 0]) < 0.015)
        & (vertices[:, 1] < eyes[1] - 0.01)
        & (vertices[:, 1] > eyes[1] - 0.07)
    )
    out = {BODY_NAMES.index("nose"): int(head[vertices[head, 2].argmax()])}
    for side in ("left", "right"):
        foot = np.flatnonzero(
            np.isin(owner, [names.index(f"{side}Foot"), names.index(f"{side}Toes")])
            & (vertices[:, 1] < joints[names.index(f"{side}Foot"), 1])
        )
        out[BODY_NAMES.index(f"{side}Heel")] = int(foot[vertices[foot, 2].argmin()])
        out[BODY_NAMES.index(f"{side}FootIndex")] = int(foot[vertices[foot, 2].argmax()])
    return out


def _presence(count: int, absent_s: float) -> Array:
    away = round(absent_s * FPS)
    present = np.ones(count, bool)
    if away:
        start = max((count - away) // 2, 0)
        present[start : start + away] = False
    return present


def lights_of(camera: Camera, rng: np.random.Generator) -> Lights:
    """Return the studio's lights with the key light from another side and height."""
    usual = Lights.of(camera)
    turn, lift = rng.uniform(-1.2, 1.2), rng.uniform(0.2, 1.4)
    x, z = float(usual.key[0]), float(usual.key[2])
    key = np.array([x * np.cos(turn) + z * np.sin(turn), lift, z * np.cos(turn) - x * np.sin(turn)])
    return Lights(
        key=(key / np.linalg.norm(key)).astype(np.float32), fill=usual.fill, rim=usual.rim
    )
