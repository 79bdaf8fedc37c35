"""Skeleton: names, parents and rest pose of a joint tree, and forward kinematics over it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, I32, Array, as_array, as_f32
from twinsdk.errors import JointNameError, ShapeError, ValueRangeError

__all__ = ["Skeleton", "matrices"]

MAX_JOINTS = 4096
_UNIT_TOLERANCE = 1e-3
_EXACT = 3e-7  # off unit length by no more than float32's own errors


@dataclass(frozen=True, kw_only=True, eq=False)
class Skeleton:
    """A joint tree in its rest pose.

    Attributes:
        names: J unique joint names.
        parents: (J,) parent index; `parents[j] < j`; joint 0 is the root with -1, the only one.
        rest_translations: (J, 3) metres, parent_from_joint; the root's is its place in the world.
        rest_rotations: (J, 4) xyzw, parent_from_joint.

    Raises:
        ShapeError: Array sizes disagree.
        ValueRangeError: A parent follows its child, a name repeats, a quaternion is not unit.
    """

    names: tuple[str, ...]
    parents: I32
    rest_translations: F32
    rest_rotations: F32
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        count = len(names)
        if not 1 <= count <= MAX_JOINTS:
            raise ShapeError(f"names: expected 1 to {MAX_JOINTS} joints, got {count}")
        parents = as_array("parents", self.parents, (count,), np.int32)
        index = {name: j for j, name in enumerate(names)}
        if len(index) != count:
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueRangeError(f"names: expected unique joint names, got {twice} more than once")
        if parents[0] != -1 or (parents[1:] < 0).any():
            raise ValueRangeError("parents: expected -1 for joint 0 and for no other")
        if (parents >= np.arange(count)).any():
            late = int(np.argmax(parents >= np.arange(count)))
            raise ValueRangeError(
                f"parents: expected each parent before its child, got {parents[late]} for {late}"
            )
        set_ = object.__setattr__
        set_(self, "names", names)
        set_(self, "parents", parents)
        set_(
            self,
            "rest_translations",
            as_f32("rest_translations", self.rest_translations, (count, 3)),
        )
        set_(
            self,
            "rest_rotations",
            unit_quaternions("rest_rotations", self.rest_rotations, (count, 4)),
        )
        set_(self, "_index", index)

    def __len__(self) -> int:
        return len(self.names)

    def joint(self, name: str) -> int:
        """Return the index of the joint called `name`.

        Raises:
            JointNameError: There is none; the error lists those there are.
        """
        try:
            return self._index[name]
        except KeyError:
            raise JointNameError(
                f"no joint {name!r}; this skeleton has {list(self.names)}"
            ) from None

    def has(self, name: str) -> bool:
        """Return whether there is a joint called `name`."""
        return name in self._index

    def parent(self, name: str) -> str | None:
        """Return the name of a joint's parent, None for the root."""
        above = int(self.parents[self.joint(name)])
        return None if above < 0 else self.names[above]

    def matches(self, other: Skeleton) -> bool:
        """Return whether both have the same joints, tree and rest pose (to 1e-5)."""
        return self is other or (
            self.names == other.names
            and np.array_equal(self.parents, other.parents)
            and np.allclose(self.rest_translations, other.rest_translations, atol=1e-5)
            and np.allclose(self.rest_rotations, other.rest_rotations, atol=1e-5)
        )

    def rest_world(self) -> tuple[F32, F32]:
        """Return rest rotations (J, 4) and positions (J, 3) of every joint, world_from_joint."""
        return self.forward(self.rest_rotations, self.rest_translations[0])

    def forward(self, rotations: Array, root_translation: Array) -> tuple[F32, F32]:
        """Return world rotations (..., J, 4) and positions (..., J, 3) of local `rotations`.

        Args:
            rotations: (..., J, 4) parent_from_joint, unit.
            root_translation: (..., 3) metres, world.
        """
        return kernel.forward_kinematics(
            self.parents, self.rest_translations, rotations, root_translation
        )


def matrices(rotations: Array, positions: Array) -> F32:
    """Return rigid transforms (..., 4, 4) of rotations (..., 4) and positions (..., 3)."""
    out = np.zeros((*np.shape(positions)[:-1], 4, 4), np.float32)
    out[..., :3, :3] = quat.to_matrix(rotations)
    out[..., :3, 3] = positions
    out[..., 3, 3] = 1
    return out


def unit_quaternions(name: str, value: Array, shape: tuple[int | str, ...]) -> F32:
    """Return `value` as new float32 quaternions, renormalised; doing it twice changes nothing.

    Raises:
        ValueRangeError: One is further than 0.001 from unit length.
    """
    native = kernel.compiled()
    if native is not None:  # an array that needs no word said about it; None where one does
        done: F32 | None = native.unit_quaternions(value, shape, _UNIT_TOLERANCE)
        if done is not None:
            return done
    array = as_f32(name, value, shape)
    length = np.sqrt(np.einsum("...k,...k->...", array, array))
    off = np.abs(length - 1)
    if off.size and off.max() > _UNIT_TOLERANCE:
        where = tuple(int(i) for i in np.argwhere(off > _UNIT_TOLERANCE)[0])
        raise ValueRangeError(
            f"{name}: expected unit quaternions, got length {length[where]:.4f} at {where}"
        )
    scale = np.asarray(np.where(off < _EXACT, 1, length), np.float32)
    return array / scale[..., None]
