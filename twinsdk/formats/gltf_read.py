"""Figures out of GLB, glTF and VRM: one skeleton, one mesh, one skin, named morphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.formats import face, glb, vrm
from twinsdk.formats.accessors import AccessorReader
from twinsdk.formats.extras import meta_of, referenced_nodes
from twinsdk.formats.guard import reading
from twinsdk.formats.mesh_read import MeshReader
from twinsdk.formats.nodes import NodeTree, joint_space

__all__ = ["Rig", "read_avatar", "read_rig"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rig:
    """A figure as a file has it, humanoid or not.

    Attributes:
        skeleton: All joints of all skins, and what lies between them.
        mesh, skin, morphs: As in Avatar; all meshes of the scene in one.
        humanoid: Joint name -> VRM humanoid name; empty where the file does not say.
        meta: What the file carries beyond geometry; see `twinsdk.formats.extras`.
        notes: What was odd and how it was taken.
    """

    skeleton: Skeleton
    mesh: Mesh
    skin: Skin
    morphs: Morphs
    humanoid: Mapping[str, str]
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def avatar(self, humanoid: Mapping[str, str] | None = None) -> Avatar:
        """Return the Avatar, with `humanoid` (joint name -> VRM name) or the file's own.

        Raises:
            NotHumanoidError: A required joint is not named.
        """
        return Avatar(
            skeleton=self.skeleton,
            mesh=self.mesh,
            skin=self.skin,
            morphs=self.morphs,
            humanoid=self.humanoid if humanoid is None else humanoid,
            meta=self.meta,
        )


def read_avatar(path: str | Path, humanoid: Mapping[str, str] | None = None) -> Avatar:
    """Read a person from a .vrm, .glb or .gltf file.

    Args:
        path: The file.
        humanoid: Joint name -> VRM name where the file does not say.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not glTF, or malformed; the message names the place.
        NotHumanoidError: It does not say which joints make a person; map them from `read_rig`.
    """
    rig = read_rig(path)
    if not rig.humanoid and humanoid is None:
        names = list(rig.skeleton.names)
        raise NotHumanoidError(
            f"avatar: expected VRM humanBones, got a figure of {len(names)} joints without "
            f"({', '.join(names[:6])}, ...); name them with humanoid=: {path}"
        )
    with reading(path, "avatar"):
        return rig.avatar(humanoid)


def read_rig(path: str | Path) -> Rig:
    """Read any figure: skeleton, mesh, skin and morphs, humanoid or not.

    VRM 0.x, which faces -Z, is turned to +Z.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not glTF, or malformed; the message names the place.
    """
    with reading(path, "glTF"):
        document = glb.load(path)
        tree = NodeTree.of(document)
        person = vrm.read(document)
        wanted = [node for skin in document.items("skins") for node in _joints(skin, tree)]
        wanted += [*(person.humanoid if person else ()), *referenced_nodes(document, tree, person)]
        space = joint_space(tree, wanted, turned=person is not None and person.version == 0)
        built = MeshReader(document, AccessorReader(document), tree, space).build()
        morphs, notes = built.morphs, list(built.notes)
        if person is not None:
            morphs = face.with_expressions(built, person, notes)
        joint_of = space.joint_of()
        names = space.skeleton.names
        roles = person.humanoid if person else {}
        return Rig(
            skeleton=space.skeleton,
            mesh=built.mesh,
            skin=built.skin,
            morphs=morphs,
            humanoid={names[joint_of[node]]: role for node, role in roles.items()},
            meta=meta_of(document, tree, person, built),
            notes=tuple(notes),
        )


def _joints(skin: Mapping[str, Any], tree: NodeTree) -> list[int]:
    joints = skin.get("joints", [])
    return [glb.whole(node, len(tree.names), "skin: joints") for node in joints]
