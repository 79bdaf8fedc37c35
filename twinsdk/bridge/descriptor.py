"""AvatarDescriptor: what a receiver must know of an avatar before its poses mean anything.

It travels once, on the state plane; every pose message names it by hash.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twinsdk.core.arrays import Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.skeleton import Skeleton

__all__ = ["AvatarDescriptor", "content_hash", "describe"]

AXES = "glTF 2.0: right-handed, +Y up, facing +Z, metres"


@dataclass(frozen=True, kw_only=True, eq=False)
class AvatarDescriptor:
    """An avatar without its mesh.

    Attributes:
        name: For people; not part of the hash.
        skeleton: Joints in the order of the pose messages, with their rest pose.
        humanoid: This skeleton's joint name -> canonical name.
        expressions: Names of the expression weights, in the order of the pose messages.
        morphs: Names of the morph targets the avatar has.
        hash: Unsigned 64 bit, of all the above but the name; computed unless given.
    """

    skeleton: Skeleton
    humanoid: Mapping[str, str]
    name: str = ""
    expressions: tuple[str, ...] = EXPRESSION_NAMES
    morphs: tuple[str, ...] = ()
    hash: int = field(default=0)

    @property
    def axes(self) -> str:
        """The convention the numbers are in, in words."""
        return AXES

    def __post_init__(self) -> None:
        if not self.hash:
            roles = [self.humanoid.get(joint, "") for joint in self.skeleton.names]
            value = content_hash(
                names=self.skeleton.names,
                parents=self.skeleton.parents,
                translations=self.skeleton.rest_translations,
                rotations=self.skeleton.rest_rotations,
                roles=roles,
                expressions=self.expressions,
                morphs=self.morphs,
            )
            object.__setattr__(self, "hash", value)


def describe(avatar: Avatar | AvatarDescriptor) -> AvatarDescriptor:
    """Return the descriptor of an avatar; a descriptor is returned as it is."""
    if isinstance(avatar, AvatarDescriptor):
        return avatar
    return AvatarDescriptor(
        name=str(avatar.meta.get("name", "")),
        skeleton=avatar.skeleton,
        humanoid=dict(avatar.humanoid),
        morphs=avatar.morphs.names,
    )


def content_hash(
    *,
    names: Sequence[str],
    parents: Array,
    translations: Array,
    rotations: Array,
    roles: Sequence[str],
    expressions: Sequence[str],
    morphs: Sequence[str],
) -> int:
    """Return the first 8 bytes of a SHA-256 as a little-endian number; the rule is in docs/wire.md.

    Args:
        names: J joint names.
        parents: (J,) hashed as i16.
        translations: (J, 3) rest, hashed as f32.
        rotations: (J, 4) rest, xyzw, hashed as f32.
        roles: J canonical names, "" where a joint has none.
        expressions: Names of the weights in the pose messages.
        morphs: Names of the avatar's morph targets.
    """
    digest = hashlib.sha256(b"twin descriptor 1")
    for words in (names, roles, expressions, morphs):
        digest.update(struct.pack("<I", len(words)))
        for word in words:
            encoded = word.encode()
            digest.update(struct.pack("<H", len(encoded)) + encoded)
    digest.update(parents.astype("<i2").tobytes())
    digest.update(translations.astype("<f4").tobytes())
    digest.update(rotations.astype("<f4").tobytes())
    return int.from_bytes(digest.digest()[:8], "little")
