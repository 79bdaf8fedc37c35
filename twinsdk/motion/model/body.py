"""The 22 joints that the motion model moves, and small algebra on stacks of them.

They are the joints of the canonical skeleton that motion capture knows: no fingers, eyes or jaw.
Rotations are matrices (..., 3, 3) acting on columns, in stacks of any leading shape, float32.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, Array
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton, mirrored
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.motion import vectors

__all__ = [
    "CANONICAL_OFFSETS",
    "COUNT",
    "FEET_TOES",
    "INDEX",
    "IN_HUMANOID",
    "JOINTS",
    "LEVELS",
    "MIRROR",
    "PARENTS",
    "cross",
    "forward",
    "gram_schmidt",
    "lengths_of",
    "mean_rotation",
    "nearest_yaw",
    "offsets_on",
    "places_of",
    "rotation_from_vector",
    "rotation_vector",
    "six_of",
    "size_of",
    "turn_y",
]

_ARM = ("Shoulder", "UpperArm", "LowerArm", "Hand")
_LEG = ("UpperLeg", "LowerLeg", "Foot", "Toes")
JOINTS: tuple[str, ...] = (
    "hips",
    "spine",
    "chest",
    "upperChest",
    "neck",
    "head",
    *(f"{side}{part}" for parts in (_ARM, _LEG) for side in ("left", "right") for part in parts),
)
COUNT = len(JOINTS)
INDEX: dict[str, int] = {name: j for j, name in enumerate(JOINTS)}
PARENTS: tuple[int, ...] = tuple(
    -1 if (up := HUMANOID_PARENTS[name]) is None else INDEX[up] for name in JOINTS
)
IN_HUMANOID: Array = np.array([HUMANOID_NAMES.index(name) for name in JOINTS])
"""(22,) index of each joint among the 55."""
MIRROR: Array = np.array([INDEX[mirrored(name)] for name in JOINTS])
"""(22,) the joint on the other side."""
FEET_TOES: Array = np.array(
    [INDEX[name] for name in ("leftFoot", "leftToes", "rightFoot", "rightToes")]
)
"""(4,) the joints of the contact labels."""


def _levels() -> tuple[tuple[Array, Array], ...]:
    depth = [0] * COUNT
    for j in range(1, COUNT):
        depth[j] = depth[PARENTS[j]] + 1
    return tuple(
        (np.array(found), np.array([PARENTS[j] for j in found]))
        for d in range(1, max(depth) + 1)
        if (found := [j for j in range(COUNT) if depth[j] == d])
    )


LEVELS = _levels()
"""Joints of equal depth and their parents, from the hips outwards."""

CANONICAL_OFFSETS: F32 = np.array(
    humanoid_skeleton().rest_translations[IN_HUMANOID] * (np.arange(COUNT) > 0)[:, None], np.float32
)
"""(22, 3) metres, parent_from_joint at rest of the 1.70 m skeleton; zero for the hips."""


def offsets_on(skeleton: Skeleton) -> F32:
    """Return the offsets (22, 3) of the body's joints on a skeleton with VRM's names, metres.

    Joints between them count as straight.

    Raises:
        NotHumanoidError: A joint is missing, or rest rotations are not the identity: then the
            skeleton means something else by a rotation, and motion on it has to be retargeted.
    """
    if missing := [joint for joint in JOINTS if not skeleton.has(joint)]:
        raise NotHumanoidError(f"skeleton: expected VRM's joint names, missing {missing}")
    at = np.array([skeleton.joint(joint) for joint in JOINTS])
    turns, places = skeleton.rest_world()
    if np.abs(np.abs(turns[at, 3]) - 1).max() > 1e-3:
        raise NotHumanoidError(
            "skeleton: expected identity rest rotations; retarget to humanoid_skeleton() first"
        )
    offsets = np.zeros((COUNT, 3), np.float32)
    offsets[1:] = places[at[1:]] - places[at[list(PARENTS[1:])]]
    return offsets


def size_of(offsets: Array) -> Array:
    """Return the height of the head joint over the ankles (...) in T-pose, metres.

    It is what the model takes for a person's size: of the 1.70 m skeleton it is 1.445 m.
    """
    trunk = sum(offsets[..., INDEX[n], 1] for n in ("spine", "chest", "upperChest", "neck", "head"))
    legs = sum(
        -offsets[..., INDEX[f"{side}UpperLeg"], 1]
        + np.linalg.norm(offsets[..., INDEX[f"{side}LowerLeg"], :], axis=-1)
        + np.linalg.norm(offsets[..., INDEX[f"{side}Foot"], :], axis=-1)
        for side in ("left", "right")
    )
    size: Array = np.asarray(trunk + legs / 2)
    return size


def lengths_of(offsets: Array) -> Array:
    """Return the lengths (..., 21) of all bones but the root's, metres."""
    lengths: Array = np.linalg.norm(offsets[..., 1:, :], axis=-1)
    return lengths


def forward(local: Array, root: Array, offsets: Array) -> tuple[Array, Array]:
    """Return world rotations (..., 22, 3, 3) and positions (..., 22, 3).

    Args:
        local: (..., 22, 3, 3) parent_from_joint.
        root: (..., 3) place of the hips.
        offsets: (22, 3) or (..., 22, 3).
    """
    world = local.copy()
    for found, parents in LEVELS:
        world[..., found, :, :] = world[..., parents, :, :] @ local[..., found, :, :]
    return world, places_of(world, root, offsets)


def places_of(world: Array, root: Array, offsets: Array) -> Array:
    """Return positions (..., 22, 3) of joints whose world rotations (..., 22, 3, 3) are known."""
    offsets = np.broadcast_to(offsets, (*world.shape[:-3], COUNT, 3))
    bones = (world[..., list(PARENTS[1:]), :, :] @ offsets[..., 1:, :, None])[..., 0]
    places = np.empty((*world.shape[:-3], COUNT, 3), world.dtype)
    places[..., 0, :] = root
    for found, parents in LEVELS:
        places[..., found, :] = places[..., parents, :] + bones[..., found - 1, :]
    return places


def six_of(rotation: Array) -> Array:
    """Return the first two columns (..., 6) of matrices, column after column.

    Source: Zhou et al. 2019, "On the continuity of rotation representations".
    """
    six: Array = np.swapaxes(rotation[..., :2], -1, -2).reshape(*rotation.shape[:-2], 6)
    return six


def gram_schmidt(six: Array) -> Array:
    """Return the rotations (..., 3, 3) of two columns (..., 6) made orthonormal."""
    a, b = six[..., :3], six[..., 3:]
    x = a / np.sqrt((a * a).sum(-1, keepdims=True) + 1e-8)
    b = b - (x * b).sum(-1, keepdims=True) * x
    y = b / np.sqrt((b * b).sum(-1, keepdims=True) + 1e-8)
    out = np.empty((*six.shape[:-1], 3, 3), six.dtype)
    out[..., 0], out[..., 1], out[..., 2] = x, y, cross(x, y)
    return out


def mean_rotation(a: Array, b: Array, share: Array) -> Array:
    """Return the rotations on the way from `a` to `b` (..., 3, 3), `share` (...) of it."""
    mixed = a + share[..., None, None] * (b - a)
    return gram_schmidt(six_of(mixed))


def turn_y(radians: Array | float) -> F32:
    """Return the turns (..., 3, 3) about +Y, float32 as all the network is told."""
    return vectors.turn_y(radians).astype(np.float32)


def nearest_yaw(rotation: Array) -> Array:
    """Return the heading (...), radians about +Y, of what `rotation` (..., 3, 3) makes of +Z.

    Looking steeply down or up, where +Z shows no heading, the head's own top or chin shows it.
    """
    ahead, up = rotation[..., :, 2], rotation[..., :, 1]
    x = ahead[..., 0] - ahead[..., 1] * up[..., 0]
    z = ahead[..., 2] - ahead[..., 1] * up[..., 2]
    yaw: Array = np.arctan2(x, z)
    return yaw


def rotation_vector(rotation: Array) -> Array:
    """Return axis times angle (..., 3) of rotations (..., 3, 3); exact but at half turns."""
    skew = np.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        axis=-1,
    )
    sine = np.sqrt((skew * skew).sum(-1) + 1e-12) / 2
    trace = rotation[..., 0, 0] + rotation[..., 1, 1] + rotation[..., 2, 2]
    angle = np.arctan2(sine, (trace - 1) / 2)
    vector: Array = skew * (angle / (2 * sine))[..., None]
    return vector


def rotation_from_vector(vector: Array) -> Array:
    """Return the rotations (..., 3, 3) of axis times angle (..., 3). Source: Rodrigues 1840."""
    square = (vector * vector).sum(-1) + 1e-12
    angle = np.sqrt(square)
    sine, versine = np.sin(angle) / angle, (1 - np.cos(angle)) / square
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    out = np.empty((*vector.shape, 3), vector.dtype)
    c = np.cos(angle)
    out[..., 0, 0], out[..., 1, 1], out[..., 2, 2] = (
        c + versine * x * x,
        c + versine * y * y,
        c + versine * z * z,
    )
    xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
    out[..., 0, 1], out[..., 1, 0] = xy - sine * z, xy + sine * z
    out[..., 0, 2], out[..., 2, 0] = xz + sine * y, xz - sine * y
    out[..., 1, 2], out[..., 2, 1] = yz - sine * x, yz + sine * x
    return out


def cross(a: Array, b: Array) -> Array:
    """Return the vector products (..., 3); NumPy's own costs several times more."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out
