"""Film whose truth is known: our own avatar, rendered moving, with pose and face beside the video.

The file `self.mp4` in the sample cache shows head, hands and a talking mouth from close by, which
clips of real people that may be passed on do not; `self.npz` beside it says what is shown.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from twinsdk.avatar import load_avatar
from twinsdk.capture import self_sample_path, self_truth_path
from twinsdk.core.avatar import Avatar
from twinsdk.core.clip import MotionClip
from twinsdk.core.files import atomic_path
from twinsdk.render import Camera, Renderer, VideoWriter
from twinsdk.retarget import Retargeter
from twinsdk.session.choreography import close_up
from twinsdk.skinning import Skinner

__all__ = ["ensure_self_sample", "film_with_truth"]

_SIZE_PX = (640, 480)


def ensure_self_sample(*, progress: bool = True) -> Path:
    """Return the path of the rendered sample, making it first if it is not in the cache.

    Raises:
        DependencyError: Open3D or anny is not installed.
    """
    path, truth = self_sample_path(), self_truth_path()
    clip, avatar = close_up(), load_avatar("default")
    if not (path.exists() and _content_of(truth) == _content(clip, avatar)):
        film_with_truth(clip, avatar, path, progress=progress)
    return path


def film_with_truth(
    clip: MotionClip,
    avatar: Avatar,
    path: str | Path,
    *,
    camera: Camera | None = None,
    size_px: tuple[int, int] = _SIZE_PX,
    progress: bool = False,
) -> Path:
    """Render `clip` on `avatar` to a video and write its truth as .npz beside it; return the path.

    The truth file holds `content` (a hash of motion and avatar), `fps`, `names` and `rotations`
    (T, 55, 4) of the canonical pose, `root_translations` (T, 3), `expressions` (T, 52),
    `joint_names`, `joint_positions` (T, J, 3) of the avatar in metres and `joint_pixels` (T, J, 2).

    Args:
        clip: On the canonical skeleton.
        avatar: Who is shown.
        path: The video, .mp4 or .webm.
        camera: Where it is filmed from; default: head and chest from the front.
        size_px: Width and height.
        progress: Whether to show a progress bar.

    Raises:
        OutputError: It cannot be written.
    """
    from tqdm import tqdm

    target = Path(path)
    moved = Retargeter(clip.skeleton, avatar).clip(clip)
    skinner, renderer = Skinner(avatar), Renderer(avatar.mesh, *size_px, antialias=2)
    camera = camera or bust_camera(avatar, size_px)
    _, joints = moved.world()
    # The truth goes first: a film without it would be taken for a whole sample.
    with atomic_path(target.with_suffix(".npz")) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            content=_content(clip, avatar),
            fps=clip.fps,
            names=np.array(clip.skeleton.names),
            rotations=clip.rotations,
            root_translations=clip.root_translations,
            expressions=np.zeros((len(clip), 52)) if clip.expressions is None else clip.expressions,
            joint_names=np.array(avatar.skeleton.names),
            joint_positions=joints,
            joint_pixels=camera.project(joints, size_px)[..., :2],
        )
    bar = tqdm(total=len(clip), desc=f"rendering {target.name}", disable=None if progress else True)
    with VideoWriter(target, clip.fps, size_px) as video, bar:
        for t in range(len(clip)):
            face = None if clip.expressions is None else clip.expressions[t]
            vertices, normals = skinner.vertices_and_normals(moved[t], face)
            video.write(renderer.draw(vertices, normals, camera))
            bar.update()
    return target


def bust_camera(avatar: Avatar, size_px: tuple[int, int]) -> Camera:
    """Return the camera of a person sitting at a webcam: head, chest and raised hands."""
    roles = avatar.roles()
    _, positions = avatar.skeleton.rest_world()
    head = positions[avatar.skeleton.joint(roles["head"])]
    hips = positions[avatar.skeleton.joint(roles["hips"])]
    length = float(head[1] - hips[1])
    corners = np.array(
        [
            [-0.62 * length, head[1] - 0.62 * length, 0],
            [0.62 * length, head[1] + 0.48 * length, 0],
        ]
    )
    return Camera.framing(corners, 1.0, pitch_deg=0.0, fov_deg=45.0, aspect=size_px[0] / size_px[1])


def _content(clip: MotionClip, avatar: Avatar) -> str:
    """Return a hash of what a film shows, so that a changed avatar or motion is filmed anew."""
    digest = hashlib.sha256()
    for array in (clip.rotations, clip.root_translations, clip.expressions, avatar.mesh.vertices):
        digest.update(b"none" if array is None else array.tobytes())
    for material in avatar.mesh.materials:
        digest.update(repr(material.base_color).encode() + (material.texture or b""))
    return digest.hexdigest()[:16]


def _content_of(truth: Path) -> str | None:
    """Return the hash a truth file carries; None when it is not there or cannot be read."""
    try:
        with np.load(truth, allow_pickle=False) as arrays:
            return str(arrays["content"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
