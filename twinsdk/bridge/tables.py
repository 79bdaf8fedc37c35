"""What the writers and readers of state messages share, and the descriptor's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.bridge.descriptor import AvatarDescriptor, content_hash
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.skeleton import MAX_JOINTS, Skeleton
from twinsdk.errors import WireError

__all__ = ["MAX_LIST", "count_of", "offsets_of", "read_descriptor", "word_of", "write_descriptor"]

MAX_LIST = 4096
_MAX_NAME_BYTES = 512


def count_of(name: str, length: int, most: int) -> int:
    """Return a length that a stranger told.

    Raises:
        WireError: It is more than `most`.
    """
    if length > most:
        raise WireError(f"state message: expected at most {most} {name}, got {length}")
    return length


def word_of(value: bytes | None) -> str:
    """Return a text field, "" where it is absent.

    Raises:
        WireError: It is too long.
    """
    if value is None:
        return ""
    if len(value) > _MAX_NAME_BYTES:
        raise WireError(
            f"state message: expected names of up to {_MAX_NAME_BYTES} bytes, got {len(value)}"
        )
    return bytes(value).decode()


def offsets_of(builder: Any, start: Callable[[Any, int], int], items: Sequence[int]) -> int:
    """Write a vector of tables or texts and return its offset."""
    start(builder, len(items))
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def write_descriptor(builder: Any, message: AvatarDescriptor) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    skeleton = message.skeleton
    joints = []
    for j, joint in enumerate(skeleton.names):
        name = builder.CreateString(joint)
        role = message.humanoid.get(joint)
        shared = builder.CreateSharedString(role) if role else None
        fb.JointStart(builder)
        fb.JointAddName(builder, name)
        fb.JointAddParent(builder, int(skeleton.parents[j]))
        fb.JointAddTranslation(
            builder, fb.CreateVec3(builder, *skeleton.rest_translations[j].tolist())
        )
        fb.JointAddRotation(builder, fb.CreateQuat(builder, *skeleton.rest_rotations[j].tolist()))
        if shared is not None:
            fb.JointAddRole(builder, shared)
        joints.append(int(fb.JointEnd(builder)))
    joint_list = offsets_of(builder, fb.AvatarDescriptorStartJointsVector, joints)
    expressions = offsets_of(
        builder,
        fb.AvatarDescriptorStartExpressionsVector,
        [builder.CreateSharedString(name) for name in message.expressions],
    )
    morphs = offsets_of(
        builder,
        fb.AvatarDescriptorStartMorphsVector,
        [builder.CreateSharedString(name) for name in message.morphs],
    )
    name = builder.CreateString(message.name)
    fb.AvatarDescriptorStart(builder)
    fb.AvatarDescriptorAddHash(builder, message.hash)
    fb.AvatarDescriptorAddName(builder, name)
    fb.AvatarDescriptorAddJoints(builder, joint_list)
    fb.AvatarDescriptorAddExpressions(builder, expressions)
    fb.AvatarDescriptorAddMorphs(builder, morphs)
    fb.AvatarDescriptorAddAxes(builder, fb.Axes.RightHandedYUpFacingZMetres)
    return int(fb.AvatarDescriptorEnd(builder))


def read_descriptor(table: Any) -> AvatarDescriptor:
    """Return the descriptor in a table, its hash proven.

    Raises:
        WireError: It makes no sense, or its content has another hash.
        ShapeError, ValueRangeError: Its skeleton makes no sense.
    """
    if table.Axes() != fb.Axes.RightHandedYUpFacingZMetres:
        raise WireError(f"descriptor: expected glTF axes (1), got axes {table.Axes()}")
    joints = [table.Joints(j) for j in range(count_of("joints", table.JointsLength(), MAX_JOINTS))]
    names = [word_of(joint.Name()) for joint in joints]
    roles = [word_of(joint.Role()) for joint in joints]
    unknown = sorted(set(roles) - {"", *HUMANOID_NAMES})
    if unknown:
        raise WireError(f"descriptor: expected VRM humanoid roles, got {unknown[:3]}")
    parents = np.array([joint.Parent() for joint in joints], np.int32)
    places = [joint.Translation() for joint in joints]
    turns = [joint.Rotation() for joint in joints]
    translations = np.array([(v.X(), v.Y(), v.Z()) for v in places], np.float32)
    rotations = np.array([(q.X(), q.Y(), q.Z(), q.W()) for q in turns], np.float32)
    expressions = tuple(
        word_of(table.Expressions(i))
        for i in range(count_of("expressions", table.ExpressionsLength(), MAX_LIST))
    )
    morphs = tuple(
        word_of(table.Morphs(i)) for i in range(count_of("morphs", table.MorphsLength(), MAX_LIST))
    )
    # Over the numbers as they came: a Skeleton renormalises its rotations.
    value = content_hash(
        names=names,
        parents=parents,
        translations=translations,
        rotations=rotations,
        roles=roles,
        expressions=expressions,
        morphs=morphs,
    )
    if value != table.Hash():
        raise WireError(
            f"descriptor: expected hash {table.Hash():016x}, its content has {value:016x}"
        )
    return AvatarDescriptor(
        name=word_of(table.Name()),
        skeleton=Skeleton(
            names=tuple(names),
            parents=parents,
            rest_translations=translations,
            rest_rotations=rotations,
        ),
        humanoid={name: role for name, role in zip(names, roles, strict=True) if role},
        expressions=expressions,
        morphs=morphs,
        hash=value,
    )
