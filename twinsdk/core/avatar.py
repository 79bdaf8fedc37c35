"""Avatar: a rigged, expressive body: mesh, skin weights, morphs, materials, and who owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, U16, U32, as_array, as_f32
from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import AvatarError, NotHumanoidError, ShapeError, ValueRangeError

__all__ = ["Avatar", "Material", "Mesh", "Morphs", "Skin"]

_WEIGHT_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a part of the mesh looks.

    Attributes:
        name: Unique within the mesh.
        base_color: Linear RGBA in [0, 1], times the texture.
        texture: An encoded PNG or JPEG, sRGB, or None.
        double_sided: Whether back faces are drawn.
        alpha_mode: "OPAQUE", "MASK" or "BLEND".
        roughness: In [0, 1].
    """

    name: str = "material"
    base_color: tuple[float, float, float, float] = (0.8, 0.8, 0.8, 1.0)
    texture: bytes | None = None
    double_sided: bool = False
    alpha_mode: str = "OPAQUE"
    roughness: float = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Triangles at the bind pose.

    Attributes:
        vertices: (V, 3) metres.
        normals: (V, 3) unit.
        uvs: (V, 2), +v down as in glTF.
        triangles: (F, 3), counter-clockwise seen from outside.
        materials: At least one.
        triangle_materials: (F,) index into `materials`.
    """

    vertices: F32
    normals: F32
    uvs: F32
    triangles: U32
    materials: tuple[Material, ...] = (Material(),)
    triangle_materials: U16 = field(default=None)  # type: ignore[arg-type]  # zeros

    def __post_init__(self) -> None:
        vertices = as_f32("vertices", self.vertices, ("V", 3))
        count = len(vertices)
        triangles = as_array("triangles", self.triangles, ("F", 3), np.uint32)
        if triangles.size and triangles.max() >= count:
            raise ValueRangeError(
                f"triangles: expected vertex indices below {count}, got {triangles.max()}"
            )
        given = (
            np.zeros(len(triangles)) if self.triangle_materials is None else self.triangle_materials
        )
        parts = as_array(
            "triangle_materials", np.asarray(given, np.int64), (len(triangles),), np.uint16
        )
        if not self.materials:
            raise ShapeError("materials: expected at least one, got none")
        if parts.size and parts.max() >= len(self.materials):
            raise ValueRangeError(
                f"triangle_materials: expected indices below {len(self.materials)}, "
                f"got {parts.max()}"
            )
        set_ = object.__setattr__
        set_(self, "vertices", vertices)
        set_(self, "normals", as_f32("normals", self.normals, (count, 3)))
        set_(self, "uvs", as_f32("uvs", self.uvs, (count, 2)))
        set_(self, "triangles", triangles)
        set_(self, "materials", tuple(self.materials))
        set_(self, "triangle_materials", parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Skin:
    """Which joints move which vertex.

    Attributes:
        joints: (V, K) joint indices; a slot of weight 0 may name any joint.
        weights: (V, K) >= 0, rows sum to 1; any K.
        inverse_bind: (J, 4, 4) joint_from_world at bind, columns convention.

    Raises:
        ValueRangeError: A weight is negative or a row is further than 0.001 from 1.
    """

    joints: U16
    weights: F32
    inverse_bind: F32

    def __post_init__(self) -> None:
        weights = as_f32("weights", self.weights, ("V", "K"))
        joints = as_array("joints", self.joints, weights.shape, np.uint16)
        inverse_bind = as_f32("inverse_bind", self.inverse_bind, ("J", 4, 4))
        if joints.size and joints.max() >= len(inverse_bind):
            raise ValueRangeError(
                f"joints: expected indices below {len(inverse_bind)}, got {joints.max()}"
            )
        if (weights < 0).any():
            raise ValueRangeError(f"weights: expected none negative, got {weights.min()}")
        sums = weights.sum(-1)
        wrong = np.abs(sums - 1) > _WEIGHT_TOLERANCE
        if wrong.any():
            v = int(np.argmax(wrong))
            raise ValueRangeError(f"weights: expected rows that sum to 1, got {sums[v]:.4f} at {v}")
        set_ = object.__setattr__
        set_(self, "weights", weights)
        set_(self, "joints", joints)
        set_(self, "inverse_bind", inverse_bind)


@dataclass(frozen=True, kw_only=True, eq=False)
class Morphs:
    """Named vertex offsets.

    Attributes:
        names: E names; those among the 52 expressions are driven by the face.
        offsets: (E, V, 3) metres, added to the bind vertices with weight in [0, 1].
    """

    names: tuple[str, ...]
    offsets: F32

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "names", tuple(self.names))
        set_(self, "offsets", as_f32("offsets", self.offsets, (len(self.names), "V", 3)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Avatar:
    """A rigged body.

    Attributes:
        skeleton: Joints of the rig, in the bind pose.
        mesh, skin, morphs: See their types; sizes agree.
        humanoid: This skeleton's joint name -> canonical name.
        meta: Name, maker, licence, consent reference and whatever a file carried.

    Raises:
        AvatarError: Sizes disagree.
        NotHumanoidError: A required humanoid joint is not mapped.
    """

    skeleton: Skeleton
    mesh: Mesh
    skin: Skin
    morphs: Morphs
    humanoid: Mapping[str, str]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vertices = len(self.mesh.vertices)
        if len(self.skin.weights) != vertices:
            raise AvatarError(f"skin: expected {vertices} vertices, got {len(self.skin.weights)}")
        if self.morphs.offsets.shape[1] != vertices:
            raise AvatarError(
                f"morphs: expected {vertices} vertices, got {self.morphs.offsets.shape[1]}"
            )
        if len(self.skin.inverse_bind) != len(self.skeleton):
            raise AvatarError(
                f"inverse_bind: expected {len(self.skeleton)} joints, "
                f"got {len(self.skin.inverse_bind)}"
            )
        for joint, role in self.humanoid.items():
            self.skeleton.joint(joint)
            if role not in HUMANOID_NAMES:
                raise NotHumanoidError(f"humanoid: expected VRM humanoid names, got {role!r}")
        missing = sorted(set(REQUIRED_JOINTS) - set(self.humanoid.values()))
        if missing:
            raise NotHumanoidError(f"humanoid: expected all required joints, missing {missing}")

    def roles(self) -> dict[str, str]:
        """Return canonical name -> this skeleton's joint name."""
        return {role: joint for joint, role in self.humanoid.items()}
