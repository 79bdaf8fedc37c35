"""A skirt: rings around hips and thighs that widen towards the hem, on chains that swing."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import ConvexHull

from twinsdk.avatar.base import Base
from twinsdk.avatar.parts import Chain, Part, vertex_normals
from twinsdk.avatar.rig import TPose
from twinsdk.avatar.springs import chain_weights, strongest
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Material
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["skirt_part"]

_COLUMNS = 96
_ROWS = 26
_CHAINS = tuple(22.5 + 45 * k for k in range(8))  # none between the legs
_JOINTS = 4
_EASE_M = 0.018
_FLARE_M = 0.055  # more at the hem than the body asks for
_WAVES = 9
# The share the chains have at the hem. They hang on the thighs, which have the rest: cloth lies on
# the lap of somebody who sits.
_FREE = 0.35


def skirt_part(base: Base, pose: TPose, length: float, material: Material) -> Part:
    """Return a skirt from the waist down.

    Args:
        base: The base.
        pose: The body in T-pose.
        length: Along the leg: 1 is the knee, 2 the ankle.
        material: Of the cloth.
    """
    hip, knee, ankle = (
        float(pose.joint(f"left{part}")[1]) for part in ("UpperLeg", "LowerLeg", "Foot")
    )
    top, hem = hip + 0.085, float(np.interp(length, [0, 1, 2], [hip, knee, ankle]))
    levels = np.linspace(top, hem, _ROWS)
    angles = np.linspace(0, 2 * np.pi, _COLUMNS + 1)  # from the front towards the left
    shell = _shell(base, pose, levels, angles)
    down = (top - levels) / (top - hem)
    weights, chains = _rig(shell, down, angles)
    return _part(shell, weights, chains, pose, material)


def _shell(base: Base, pose: TPose, levels: F64, angles: F64) -> F64:
    """Return (rows, columns, 3): the body's convex outline, never narrower than the row above."""
    body = pose.vertices[np.unique(base.quads[base.group("body")])].astype(np.float64)
    arms = np.abs(body[:, 0]) > np.abs(pose.joint("leftUpperArm")[0])
    body = body[~arms]
    middle = pose.joint("hips")[[0, 2]].astype(np.float64)
    directions = np.stack([np.sin(angles), np.cos(angles)], -1)
    reach = np.zeros((len(levels), len(angles)))
    for row, level in enumerate(levels):
        ring = body[np.abs(body[:, 1] - level) < 0.022][:, [0, 2]] - middle
        reach[row] = _outline(ring[ConvexHull(ring).vertices], directions)
    hanging = np.maximum.accumulate(reach, axis=0)
    share = (levels[0] - levels) / (levels[0] - levels[-1])
    out = hanging + _EASE_M + (_FLARE_M * share**1.3)[:, None]
    out += (0.010 * share**1.5)[:, None] * np.cos(_WAVES * angles)
    flat = middle + out[..., None] * directions
    y = np.broadcast_to(levels[:, None], out.shape)
    return np.stack([flat[..., 0], y, flat[..., 1]], -1)


def _outline(hull: F64, directions: F64) -> F64:
    """Return how far a convex polygon around the origin reaches in unit directions (N, 2)."""
    after = np.roll(hull, -1, axis=0)
    edge = after - hull
    outward = np.stack([edge[:, 1], -edge[:, 0]], -1)  # counter-clockwise polygons
    off = (outward * hull).sum(1)
    along = directions @ outward.T
    return np.asarray(np.where(along > 1e-9, off / np.maximum(along, 1e-9), np.inf).min(1))


def _rig(shell: F64, down: F64, angles: F64) -> tuple[Array, tuple[Chain, ...]]:
    """Return weights (rows, columns, 55 and the chains' joints) and the chains."""
    plain = np.zeros((*shell.shape[:2], len(HUMANOID_NAMES)))
    # The thigh on whose side it hangs; in the middle both, so that the cloth spans the gap.
    left = 0.5 + 0.5 * np.clip(shell[..., 0] / 0.05, -1, 1)
    thigh = np.clip((down - 0.10) / 0.24, 0, 1)[:, None]
    plain[..., HUMANOID_NAMES.index("leftUpperLeg")] = left * thigh
    plain[..., HUMANOID_NAMES.index("rightUpperLeg")] = (1 - left) * thigh
    plain[..., HUMANOID_NAMES.index("hips")] = 1 - thigh
    rows = np.linspace(len(down) // 5, len(down) - 1, _JOINTS).round().astype(int)
    columns = [round(a / 360 * _COLUMNS) for a in _CHAINS]
    chains = tuple(
        Chain(
            name=f"skirt{k}_",
            above="leftUpperLeg" if _CHAINS[k] < 180 else "rightUpperLeg",
            places=shell[rows, column],
            radius_m=0.02,
            stiffness=0.7,
            gravity=0.3,
            drag=0.5,
        )
        for k, column in enumerate(columns)
    )
    along = np.clip((down - down[rows[0]]) / (1 - down[rows[0]]), 0, 1)
    flat_along, flat_angles = (
        a.ravel() for a in np.broadcast_arrays(along[:, None], angles[None, :])
    )
    swinging = chain_weights(flat_angles, flat_along, _CHAINS, _JOINTS)
    swinging = swinging.reshape(*shell.shape[:2], -1)
    free = (_FREE * along)[:, None, None]
    return np.concatenate([plain * (1 - free), swinging * free], axis=-1), chains


def _part(
    shell: F64, weights: Array, chains: tuple[Chain, ...], pose: TPose, material: Material
) -> Part:
    """Return the shell with a turned-in hem."""
    inner = shell[-1:] - 0.006 * _flat_unit(shell[-1:] - shell[-1:].mean(1, keepdims=True))
    shell = np.concatenate([shell, shell[-1:], inner])
    weights = np.concatenate([weights, weights[-1:], weights[-1:]])
    rows, columns = shell.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    quads = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2)
    quads = np.delete(quads, rows - 3, axis=0)  # between the hem and its copy lies nothing
    triangles = quads.reshape(-1, 3)
    vertices = shell.reshape(-1, 3)
    normals = vertex_normals(vertices, triangles).reshape(rows, columns, 3)
    seam = normals[:, 0] + normals[:, -1]  # both ends of a row are the same place
    normals[:, 0] = normals[:, -1] = seam / np.linalg.norm(seam, axis=1, keepdims=True)
    flat = strongest(weights.reshape(rows * columns, -1))
    return Part(
        name="skirt",
        material=material,
        vertices=vertices,
        normals=normals.reshape(-1, 3),
        uvs=np.zeros((rows * columns, 2)),
        triangles=triangles.astype(np.int32),
        weights=flat,
        mix=sparse.csr_matrix((rows * columns, len(pose.vertices))),
        chains=chains,
    )


def _flat_unit(vectors: F64) -> F64:
    flat = vectors * [1.0, 0.0, 1.0]
    return np.asarray(flat / np.linalg.norm(flat, axis=-1, keepdims=True))
