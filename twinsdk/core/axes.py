"""The one convention and every way in and out of it.

Inside: glTF 2.0 / VRM 1.0: right-handed, +Y up, the person faces +Z and their left is +X, metres,
quaternions (x, y, z, w). See CONVENTIONS.md. Each map below is a proper or improper signed
permutation; improper ones (Unity, Unreal) also turn triangle winding around.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array

__all__ = [
    "gltf_from_mediapipe",
    "gltf_from_openxr",
    "gltf_from_openxr_quat",
    "gltf_from_unity",
    "gltf_from_unity_quat",
    "gltf_from_unreal",
    "gltf_from_unreal_quat",
    "gltf_from_z_up",
    "openxr_from_unity",
    "openxr_from_unity_quat",
    "unity_from_gltf",
    "unity_from_gltf_quat",
    "unreal_from_gltf",
    "unreal_from_gltf_quat",
]


def gltf_from_mediapipe(points: Array) -> Array:
    """Return points (..., 3) of MediaPipe's world axes (x right, y down, z away) in ours."""
    return np.asarray(points) * np.array([1, -1, -1], np.asarray(points).dtype)


def gltf_from_z_up(points: Array) -> Array:
    """Return points (..., 3) of a Z-up scene facing -Y (Blender, anny) in ours: (x, z, -y)."""
    p = np.asarray(points)
    return np.stack([p[..., 0], p[..., 2], -p[..., 1]], axis=-1)


def gltf_from_openxr(points: Array) -> Array:
    """Return points (..., 3) of OpenXR's and WebXR's spaces (forward is -Z) in ours: (-x, y, -z).

    It is half a turn about +Y: somebody who faces forward there faces +Z here.
    """
    return np.asarray(points) * np.array([-1, 1, -1], np.asarray(points).dtype)


def gltf_from_openxr_quat(q: Array) -> Array:
    """Return rotations (..., 4) of OpenXR's axes in ours: (-x, y, -z, w)."""
    return np.asarray(q) * np.array([-1, 1, -1, 1], np.asarray(q).dtype)


def openxr_from_unity(points: Array) -> Array:
    """Return points (..., 3) of Unity's XR (left-handed, forward +Z) in OpenXR's: (x, y, -z)."""
    return np.asarray(points) * np.array([1, 1, -1], np.asarray(points).dtype)


def openxr_from_unity_quat(q: Array) -> Array:
    """Return rotations (..., 4) of Unity's axes in OpenXR's: (-x, -y, z, w)."""
    return np.asarray(q) * np.array([-1, -1, 1, 1], np.asarray(q).dtype)


def unity_from_gltf(points: Array) -> Array:
    """Return points (..., 3) in Unity's left-handed, Y-up metres: (-x, y, z)."""
    return np.asarray(points) * np.array([-1, 1, 1], np.asarray(points).dtype)


def unity_from_gltf_quat(q: Array) -> Array:
    """Return rotations (..., 4) in Unity's axes: (x, -y, -z, w)."""
    return np.asarray(q) * np.array([1, -1, -1, 1], np.asarray(q).dtype)


gltf_from_unity = unity_from_gltf  # the map is its own inverse
gltf_from_unity_quat = unity_from_gltf_quat


def unreal_from_gltf(points: Array) -> Array:
    """Return points (..., 3) in Unreal's left-handed, Z-up centimetres: 100 (z, -x, y)."""
    p = np.asarray(points)
    return 100 * np.stack([p[..., 2], -p[..., 0], p[..., 1]], axis=-1)


def unreal_from_gltf_quat(q: Array) -> Array:
    """Return rotations (..., 4) in Unreal's axes: (-z, x, -y, w)."""
    q = np.asarray(q)
    return np.stack([-q[..., 2], q[..., 0], -q[..., 1], q[..., 3]], axis=-1)


def gltf_from_unreal(points: Array) -> Array:
    """Return Unreal points (..., 3), centimetres, in our metres."""
    p = np.asarray(points)
    return np.stack([-p[..., 1], p[..., 2], p[..., 0]], axis=-1) / 100


def gltf_from_unreal_quat(q: Array) -> Array:
    """Return Unreal rotations (..., 4) in our axes."""
    q = np.asarray(q)
    return np.stack([q[..., 1], -q[..., 2], -q[..., 0], q[..., 3]], axis=-1)
