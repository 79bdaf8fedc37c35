"""Motion to measure with: random limbs, a walk whose feet stand still, hands at the body."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.retarget.ik import two_bone

__all__ = ["near_the_body", "random_clip", "walk"]


def random_clip(frames: int = 300, *, seed: int = 1, smooth: float = 0) -> MotionClip:
    """Return random poses, limbs anywhere; flowing into one another over `smooth` frames."""
    canon = humanoid_skeleton()
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(frames, len(canon), 3)) * 0.5
    roots = rng.normal(size=(frames, 3)) * 0.3 + [0, 0.9, 0]
    if smooth:
        spread = (2 * smooth * np.sqrt(np.pi)) ** 0.5  # what the filter takes away
        vectors = gaussian_filter1d(vectors, smooth, axis=0) * spread
        roots = gaussian_filter1d(roots, smooth, axis=0)
    turns = quat.from_rotation_vector(vectors)
    return MotionClip(
        skeleton=canon, fps=30, rotations=turns, root_translations=roots.astype(np.float32)
    )


def walk(seconds: float = 10.0, *, speed_m_s: float = 0.7, fps: float = 60) -> MotionClip:
    """Return a walk made from feet that stand exactly still for 55 % of each stride."""
    canon = humanoid_skeleton()
    count = int(seconds * fps)
    t, period = np.arange(count) / fps, 1.1
    pose = np.tile(canon.rest_rotations.astype(float), (count, 1, 1))
    roots = np.stack([0 * t, 0 * t + canon.rest_translations[0, 1] - 0.08, speed_m_s * t], -1)
    for side, phase in (("left", 0.0), ("right", 0.5)):
        whole, part = np.floor(t / period + phase), (t / period + phase) % 1
        swing = np.clip((part - 0.55) / 0.45, 0, 1)
        z = speed_m_s * period * (whole - phase + 0.275 + swing**2 * (3 - 2 * swing))
        upper, lower, foot = (canon.joint(side + p) for p in ("UpperLeg", "LowerLeg", "Foot"))
        hip = roots + canon.rest_translations[upper]
        knee = hip + canon.rest_translations[lower]
        ankle = knee + canon.rest_translations[foot]
        goal = np.stack([ankle[:, 0], 0.075 + 0.08 * np.sin(np.pi * swing) ** 2, z], axis=-1)
        first, second, _ = two_bone(hip, knee, ankle, goal, np.tile([1.0, 0, 0], (count, 1)))
        pose[:, upper] = first
        pose[:, lower] = quat.multiply(quat.conjugate(first), second)
        pose[:, foot] = quat.conjugate(second)
        _hang(pose, side, 12 * np.cos(2 * np.pi * (t / period + phase)))
    return MotionClip(
        skeleton=canon, fps=fps, rotations=pose, root_translations=roots.astype(np.float32)
    )


def near_the_body(seconds: float = 6.0, *, fps: float = 60) -> MotionClip:
    """Return arms that hang and swing close by, then hands that come to lie on a slim belly."""
    canon = humanoid_skeleton()
    count = int(seconds * fps)
    t = np.arange(count) / fps
    pose = np.tile(canon.rest_rotations.astype(float), (count, 1, 1))
    share = np.clip(2.4 * t / seconds - 0.8, 0, 1)[:, None]
    share = share * share * (3 - 2 * share)
    places = np.tile(canon.rest_world()[1].astype(float), (count, 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper, lower, hand = (canon.joint(side + p) for p in ("UpperArm", "LowerArm", "Hand"))
        shoulder, elbow, wrist = (places[:, j] for j in (upper, lower, hand))
        swing = 0.1 * np.sin(2 * np.pi * t) * sign
        hanging = np.stack([0 * t + 0.21 * sign, 0 * t + 0.93, swing], -1)
        goal = hanging * (1 - share) + np.array([0.08 * sign, 1.04, 0.11]) * share
        hinge = np.tile([0.0, -sign, 0], (count, 1))
        first, second, _ = two_bone(shoulder, elbow, wrist, goal, hinge)
        pose[:, upper] = first
        pose[:, lower] = quat.multiply(quat.conjugate(first), second)
    roots = np.tile(canon.rest_translations[0].astype(float), (count, 1))
    return MotionClip(
        skeleton=canon, fps=fps, rotations=pose, root_translations=roots.astype(np.float32)
    )


def _clip(fps: float, rotations: Array, roots: F64) -> MotionClip:
    return MotionClip(
        skeleton=humanoid_skeleton(),
        fps=fps,
        rotations=rotations,
        root_translations=roots.astype(np.float32),
    )


def _hang(pose: F64, side: str, swing_deg: F64) -> None:
    """Let an arm hang from a T-pose, swinging forward by `swing_deg` (T,)."""
    sign = -1.0 if side == "left" else 1.0
    down = quat.from_axis_angle(np.array([0, 0, sign]), np.radians(80.0))
    swing = quat.from_axis_angle(np.array([-1.0, 0, 0]), np.radians(swing_deg))
    pose[:, humanoid_skeleton().joint(f"{side}UpperArm")] = quat.multiply(swing, down)
