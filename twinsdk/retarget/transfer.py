"""Transfer: a pose of one rig as the same posture of another, compiled once, applied often.

With T_s and T_t the T-pose rotations of a joint in source and target (`anatomy`), the posture of
the body is N = W G_s T_s^-1, with G_s the joint's world rotation and W the source world's turn into
ours, and the target takes G_t = N T_t. Written for local rotations this needs no forward
kinematics: each target joint is constant * (the source joints between it and its parent's
counterpart) * constant, and a product with constants on both sides is one 4x4 matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget.anatomy import TPose, parent_role

__all__ = ["Rig", "Transfer", "TrunkBend"]

_TRUNK = ("spine", "chest", "upperChest")
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
_IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])
_BLOCK = 1024  # frames worked on at once: what stays in the cache


@dataclass(frozen=True)
class Rig:
    """A skeleton, what its joints are, and how it stands in the T-pose.

    Attributes:
        skeleton: The joints.
        roles: Canonical joint -> joint index.
        tpose: See `virtual_tpose`.
    """

    skeleton: Skeleton
    roles: Mapping[str, int]
    tpose: TPose


class Transfer:
    """Maps local rotations of `source` to local rotations of `target`.

    Args:
        source, target: The two rigs.
        world: (4,) ours_from_source: turns the world the motion is in upright; identity where None.

    Attributes:
        rest: (Jt, 4) what joints that never move are turned by.
        moving: (M,) target joints that do.
        chains: For each of them the source joints to multiply, True where inverted; joints from
            the source's number on are those of `trunk`.
        matrices: (M, 4, 4) what makes of such a product the joint's rotation.
        trunk: Bends a spine of another number of joints, None where they are alike.
    """

    def __init__(self, source: Rig, target: Rig, world: Array | None = None) -> None:
        self._turn = _IDENTITY if world is None else np.asarray(world, np.float64)
        self.trunk = TrunkBend.between(source, target)
        self._source_joints = len(source.skeleton)
        parents, tpose, roles = _with_virtual(source, self.trunk)
        constant = _constants(target, roles)
        self.rest = _constant_locals(target, constant).astype(np.float32)
        moving = [j for j, fixed in enumerate(constant) if not fixed]
        role_of = {joint: role for role, joint in target.roles.items()}
        chains, left, right = [], [], []
        for j in moving:
            role = role_of[j]
            before, above = self._before(target, j, constant)
            if above is None:
                path = [(i, False) for i in _lineage(parents, roles[role])]
                left.append(quat.multiply(quat.conjugate(before), self._turn))
            else:
                other = role_of[above]
                path = _path(parents, roles[other], roles[role])
                start = quat.multiply(
                    quat.conjugate(quat.multiply(target.tpose.world[above], before)),
                    tpose[roles[other]],
                )
                left.append(start)
            chains.append(path)
            right.append(quat.multiply(quat.conjugate(tpose[roles[role]]), target.tpose.world[j]))
        self.moving = np.array(moving)
        self.matrices = _two_sided(np.array(left), np.array(right)).astype(np.float32)
        self.chains = chains
        self._steps = _steps(chains, len(parents))

    def __call__(self, rotations: F32) -> F32:
        """Return target local rotations (..., Jt, 4) of source ones (..., Js, 4), w >= 0."""
        lead = rotations.shape[:-2]
        frames = rotations.reshape(-1, self._source_joints, 4)
        out = np.broadcast_to(self.rest, (len(frames), *self.rest.shape)).copy()
        for start in range(0, len(frames), _BLOCK):
            block = frames[start : start + _BLOCK]
            out[start : start + _BLOCK, self.moving] = self._block(block)
        return out.reshape(*lead, *self.rest.shape)

    def _block(self, frames: F32) -> F32:
        sources = [frames]
        if self.trunk is not None:
            sources.append(self.trunk.rotations(frames))
        extended = np.concatenate(sources, axis=1) if len(sources) > 1 else frames
        first, signs = self._steps[0][1:]
        product = extended[:, first] * signs
        for rows, joints, signs in self._steps[1:]:
            product[:, rows] = quat.multiply(product[:, rows], extended[:, joints] * signs)
        turned = np.matmul(self.matrices, product[..., None])[..., 0]
        positive: F32 = np.where(turned[..., 3:] < 0, -turned, turned)
        return positive

    def _before(self, target: Rig, j: int, constant: list[bool]) -> tuple[F64, int | None]:
        """Return the rotation of j's parent within the nearest moving ancestor, and that ancestor.

        Without a moving ancestor the rotation is in the world.
        """
        locals_ = _constant_locals(target, constant)
        turn = _IDENTITY
        above = int(target.skeleton.parents[j])
        while above >= 0 and constant[above]:
            turn = quat.multiply(locals_[above], turn)
            above = int(target.skeleton.parents[above])
        return turn, (None if above < 0 else above)


class TrunkBend:
    """Bends a spine of another number of joints: equal shares of the way, ends matched.

    Attributes:
        paths: Source joints from the hips to each of its H trunk joints.
        right: (H, 4) constants after their products.
        low, share: (W,) which two of the H + 1 marks, hips first, each wanted joint is between.
    """

    def __init__(self, source: Rig, have: list[str], want: list[str]) -> None:
        self.roles = want
        self.hips = source.roles["hips"]
        parents = source.skeleton.parents
        tpose = source.tpose.world
        paths = [_path(parents, self.hips, source.roles[role]) for role in have]
        self.paths = paths
        self._steps = _steps(paths, len(parents))
        self.right = np.array(
            [
                quat.multiply(quat.conjugate(tpose[source.roles[role]]), tpose[self.hips])
                for role in have
            ]
        ).astype(np.float32)
        place = np.arange(1, len(want) + 1) / len(want) * len(have)  # in source joints; 0 is hips
        self.low = np.minimum(np.floor(place - 1e-9).astype(int), len(have) - 1)
        self.share = (place - self.low).astype(np.float32)

    @classmethod
    def between(cls, source: Rig, target: Rig) -> TrunkBend | None:
        """Return what bends one spine like the other, None where they are alike."""
        have = [role for role in _TRUNK if role in source.roles]
        want = [role for role in _TRUNK if role in target.roles]
        return None if have == want or not have or not want else cls(source, have, want)

    def rotations(self, frames: F32) -> F32:
        """Return (T, W, 4): each wanted joint's rotation as a child of the source's hips."""
        first, signs = self._steps[0][1:]
        bent = frames[:, first] * signs
        for rows, joints, signs in self._steps[1:]:
            bent[:, rows] = quat.multiply(bent[:, rows], frames[:, joints] * signs)
        # The T-pose of a virtual joint is that of the hips, so that no bend is the identity.
        bent = quat.multiply(bent, self.right)
        still = np.broadcast_to(_IDENTITY.astype(np.float32), bent[:, :1].shape)
        marks = np.concatenate([still, bent], axis=1)
        out: F32 = quat.slerp(marks[:, self.low], marks[:, self.low + 1], self.share)
        return out.astype(np.float32, copy=False)


def _with_virtual(source: Rig, trunk: TrunkBend | None) -> tuple[Array, F64, dict[str, int]]:
    """Return parents, T-pose rotations and roles of the source with the trunk's joints added."""
    parents, tpose = source.skeleton.parents, source.tpose.world
    roles = dict(source.roles)
    if trunk is None:
        return parents, tpose, roles
    count = len(parents)
    for role in _TRUNK:
        roles.pop(role, None)
    roles.update({role: count + i for i, role in enumerate(trunk.roles)})
    extra = len(trunk.roles)
    parents = np.concatenate([parents, np.full(extra, trunk.hips)])
    return parents, np.concatenate([tpose, np.tile(tpose[trunk.hips], (extra, 1))]), roles


def _constants(target: Rig, roles: Mapping[str, int]) -> list[bool]:
    fixed = [True] * len(target.skeleton)
    for role, joint in target.roles.items():
        fixed[joint] = role not in roles
    return fixed


def _constant_locals(target: Rig, constant: list[bool]) -> F64:
    """Return (J, 4): how joints that the source has not are turned within their parent.

    Fingers keep the curl they were made with; everything else keeps its place in the T-pose.
    """
    locals_ = target.skeleton.rest_rotations.astype(np.float64)
    for role, joint in target.roles.items():
        if (
            constant[joint]
            and not any(finger in role for finger in _FINGERS)
            and parent_role(role, target.roles) is not None
        ):
            locals_[joint] = target.tpose.local[joint]
    return locals_


def _lineage(parents: Array, joint: int) -> list[int]:
    line = []
    while joint >= 0:
        line.append(joint)
        joint = int(parents[joint])
    return line[::-1]


def _path(parents: Array, start: int, end: int) -> list[tuple[int, bool]]:
    """Return the joints whose local rotations lead from `start` to `end`, True where inverted."""
    up, down = _lineage(parents, start), _lineage(parents, end)
    shared = 0
    while shared < min(len(up), len(down)) and up[shared] == down[shared]:
        shared += 1
    return [(j, True) for j in up[shared:][::-1]] + [(j, False) for j in down[shared:]]


def _steps(chains: list[list[tuple[int, bool]]], count: int) -> list[tuple[Array, Array, Array]]:
    """Return, for each place along the chains, the rows that reach it, their joints and signs."""
    steps = []
    for k in range(max(map(len, chains), default=0)):
        rows = np.array([i for i, chain in enumerate(chains) if len(chain) > k])
        joints = np.array([chains[i][k][0] for i in rows])
        inverted = np.array([chains[i][k][1] for i in rows])
        signs = np.where(inverted[:, None], [-1, -1, -1, 1], [1, 1, 1, 1]).astype(np.float32)
        steps.append((rows, joints, signs))
    if not steps or len(steps[0][0]) != len(chains):
        raise ValueError(f"every chain needs a joint, of {count}")
    return steps


def _two_sided(left: F64, right: F64) -> F64:
    """Return matrices (N, 4, 4) with M q = left * q * right."""
    basis = np.eye(4)
    columns = [quat.multiply(quat.multiply(left, basis[i]), right) for i in range(4)]
    return np.stack(columns, axis=-1)
