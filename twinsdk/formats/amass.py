"""Motion of the SMPL family as AMASS keeps it: .npz of axis-angles. No body model is needed.

Bone lengths depend on a body model that may not be shipped, so the skeleton has the proportions of
our canonical humanoid at 1.70 m, under SMPL's joint names; rotations are exact. SMPL's rest pose is
a T-pose with world-aligned frames, facing +Z; AMASS's world is Z-up and is turned to +Y up.
Source: Mahmood et al. 2019, "AMASS"; Loper et al. 2015, "SMPL"; Pavlakos et al. 2019, "SMPL-X".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError
from twinsdk.formats.guard import reading
from twinsdk.formats.npz import member_names, read_arrays

__all__ = ["is_amass", "read_clip"]

_BODY = (
    ("pelvis", None, "hips"),
    ("left_hip", "pelvis", "leftUpperLeg"),
    ("right_hip", "pelvis", "rightUpperLeg"),
    ("spine1", "pelvis", "spine"),
    ("left_knee", "left_hip", "leftLowerLeg"),
    ("right_knee", "right_hip", "rightLowerLeg"),
    ("spine2", "spine1", "chest"),
    ("left_ankle", "left_knee", "leftFoot"),
    ("right_ankle", "right_knee", "rightFoot"),
    ("spine3", "spine2", "upperChest"),
    ("left_foot", "left_ankle", "leftToes"),
    ("right_foot", "right_ankle", "rightToes"),
    ("neck", "spine3", "neck"),
    ("left_collar", "spine3", "leftShoulder"),
    ("right_collar", "spine3", "rightShoulder"),
    ("head", "neck", "head"),
    ("left_shoulder", "left_collar", "leftUpperArm"),
    ("right_shoulder", "right_collar", "rightUpperArm"),
    ("left_elbow", "left_shoulder", "leftLowerArm"),
    ("right_elbow", "right_shoulder", "rightLowerArm"),
    ("left_wrist", "left_elbow", "leftHand"),
    ("right_wrist", "right_elbow", "rightHand"),
)
_FACE = (("jaw", "head", "jaw"), ("left_eye", "head", "leftEye"), ("right_eye", "head", "rightEye"))
_PALMS = (
    ("left_hand", "left_wrist", "leftMiddleProximal"),
    ("right_hand", "right_wrist", "rightMiddleProximal"),
)
_FINGERS = (("index", "Index"), ("middle", "Middle"), ("pinky", "Little"), ("ring", "Ring"))
# Where SMPL's mean body has its pelvis, metres from its origin; `trans` moves the origin.
_PELVIS_M = np.array([-0.0018, -0.2233, 0.0282])
_MAX_FRAMES = 10_000_000
_WANTED = frozenset(
    {
        "poses", "trans", "mocap_framerate", "mocap_frame_rate", "root_orient", "pose_body",
        "pose_hand", "pose_jaw", "pose_eye",
    }
)  # fmt: skip


def is_amass(path: str | Path) -> bool:
    """Return whether an .npz has the members of an AMASS file.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no zip archive.
    """
    names = member_names(path)
    return "trans" in names and ("poses" in names or {"root_orient", "pose_body"} <= names)


def read_clip(path: str | Path) -> MotionClip:
    """Read an AMASS .npz of SMPL (24 or 22 joints), SMPL-H (52) or SMPL-X (55).

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no such file, or malformed.
    """
    with reading(path, "AMASS"):
        arrays = read_arrays(path, _WANTED)
        poses, translations = _poses(arrays), np.asarray(arrays["trans"], np.float64)
        rate = arrays.get("mocap_framerate", arrays.get("mocap_frame_rate"))
        if rate is None or rate.size != 1:
            raise FormatError("expected one mocap_framerate, got none")
        count = len(poses)
        if translations.shape != (count, 3) or not 1 <= count <= _MAX_FRAMES:
            raise FormatError(f"trans: expected shape ({count}, 3), got {translations.shape}")
        skeleton = _skeleton(poses.shape[1])
        rotations = quat.from_rotation_vector(poses)
        upright = quat.from_axis_angle(np.array([1.0, 0.0, 0.0]), -np.pi / 2)
        rotations[:, 0] = quat.multiply(np.broadcast_to(upright, (count, 4)), rotations[:, 0])
        return MotionClip(
            skeleton=skeleton,
            fps=float(rate.reshape(-1)[0]),
            rotations=quat.positive(rotations).astype(np.float32),
            root_translations=quat.rotate(
                np.broadcast_to(upright, (count, 4)), translations + _PELVIS_M
            ).astype(np.float32),
        )


def _poses(arrays: dict[str, Array]) -> F64:
    """Return axis-angles (T, J, 3)."""
    if "poses" in arrays:
        flat = np.asarray(arrays["poses"], np.float64)
    else:
        parts = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
        given = [np.asarray(arrays[name], np.float64) for name in parts if name in arrays]
        flat = np.concatenate(given, axis=1)
    if flat.ndim != 2 or flat.shape[1] % 3 or not len(flat):
        raise FormatError(f"poses: expected shape (T, 3 J), got {flat.shape}")
    if not np.isfinite(flat).all():
        raise FormatError("poses: expected finite numbers, got NaN or infinity")
    return flat.reshape(len(flat), -1, 3)


def _skeleton(count: int) -> Skeleton:
    hands = tuple(joint for side in ("left", "right") for joint in _hand(side))
    kinds = {
        22: _BODY,
        24: (*_BODY, *_PALMS),
        52: (*_BODY, *hands),
        55: (*_BODY, *_FACE, *hands),
    }
    if count not in kinds:
        raise FormatError(f"poses: expected {sorted(kinds)} joints, got {count}")
    joints = kinds[count]
    canonical = humanoid_skeleton()
    _, places = canonical.rest_world()
    names = [name for name, _, _ in joints]
    world = np.stack([places[canonical.joint(role)] for _, _, role in joints])
    parents = np.array([-1 if above is None else names.index(above) for _, above, _ in joints])
    offsets = world.copy()
    offsets[1:] -= world[parents[1:]]
    return Skeleton(
        names=tuple(names),
        parents=parents.astype(np.int32),
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (count, 1)),
    )


def _hand(side: str) -> list[tuple[str, str, str]]:
    joints = []
    segments = ("Proximal", "Intermediate", "Distal")
    thumb = ("thumb", "Thumb", ("Metacarpal", "Proximal", "Distal"))
    for ours, theirs, parts in (*((a, b, segments) for a, b in _FINGERS), thumb):
        above = f"{side}_wrist"
        for i, part in enumerate(parts, 1):
            joints.append((f"{side}_{ours}{i}", above, f"{side}{theirs}{part}"))
            above = f"{side}_{ours}{i}"
    return joints
