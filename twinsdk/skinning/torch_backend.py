"""TorchSkinner: vertices of an avatar as a differentiable function of pose and expressions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twinsdk.core.arrays import F32, I32, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.rig import Rig
from twinsdk.errors import ShapeError
from twinsdk.skinning.torch_op import blended, linear_blend_skin, register

__all__ = ["TorchSkinner"]


class TorchSkinner(torch.nn.Module):
    """An avatar's mesh, moved by batches of poses and expressions, on any device.

    Gradients flow to rotations, root translations and expressions. On the CPU in float32 the skin
    runs in C++, elsewhere in torch operations; `.to(device)` and `.double()` work as usual.

    Args:
        avatar: What is skinned.
    """

    vertices: Tensor
    normals: Tensor
    offsets: Tensor
    joints: Tensor
    weights: Tensor
    inverse_bind: Tensor
    rest_translations: Tensor
    ancestors: Tensor
    quadratics: Tensor

    def __init__(self, avatar: Avatar) -> None:
        super().__init__()
        mesh, skin, skeleton = avatar.mesh, avatar.skin, avatar.skeleton
        names = avatar.morphs.names
        self._expression_rows = [EXPRESSION_NAMES.index(n) for n in names if n in EXPRESSION_NAMES]
        driven = [row for row, name in enumerate(names) if name in EXPRESSION_NAMES]
        offsets = avatar.morphs.offsets[driven].reshape(len(driven), len(mesh.vertices) * 3)
        used = skin.weights.max(0, initial=0) > 0
        weights = skin.weights[:, used] / skin.weights.sum(1, keepdims=True)
        self._rig = Rig(
            vertices=mesh.vertices,
            joints=skin.joints[:, used],
            weights=weights,
            joint_count=len(skeleton),
        )
        inverse_bind = skin.inverse_bind.copy()
        inverse_bind[:, 3] = 0, 0, 0, 1  # a file's last row is not read anywhere
        self._number = register(self._rig)
        for name, value in {
            "vertices": mesh.vertices,
            "normals": mesh.normals,
            "offsets": offsets,
            "joints": skin.joints[:, used].astype(np.int64),
            "weights": weights,
            "inverse_bind": inverse_bind,
            "rest_translations": skeleton.rest_translations,
        }.items():
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(value)))
        for name, value in {
            "ancestors": _ancestors(skeleton.parents),
            "quadratics": _quadratics(),
        }.items():
            self.register_buffer(name, torch.tensor(value), persistent=False)

    def forward(
        self, rotations: Tensor, root_translations: Tensor, expressions: Tensor | None = None
    ) -> Tensor:
        """Return the vertices (T, V, 3), metres, world.

        Args:
            rotations: (T, J, 4) xyzw parent_from_joint; normalised here.
            root_translations: (T, 3) metres, world.
            expressions: (T, 52), or None for the face at rest.

        Raises:
            ShapeError: A shape differs.
        """
        matrices = self.matrices(rotations, root_translations)
        points = self._points(expressions, len(matrices))
        return linear_blend_skin(
            points, matrices, self.joints, self.weights, self._number, points is self.vertices
        )

    def vertices_and_normals(
        self, rotations: Tensor, root_translations: Tensor, expressions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return vertices and unit normals (T, V, 3), in torch operations on every device.

        Raises:
            ShapeError: A shape differs.
        """
        matrices = self.matrices(rotations, root_translations)
        points = self._points(expressions, len(matrices))
        transforms = blended(matrices, self.joints, self.weights)
        moved = (transforms[..., :3] @ points[..., None])[..., 0] + transforms[..., 3]
        turned = (transforms[..., :3] @ self.normals[..., None])[..., 0]
        return moved, torch.nn.functional.normalize(turned, dim=-1)

    def matrices(self, rotations: Tensor, root_translations: Tensor) -> Tensor:
        """Return the skinning matrices (T, J, 3, 4) of a batch of poses.

        Raises:
            ShapeError: A shape differs.
        """
        count = len(self.rest_translations)
        if rotations.dim() != 3 or rotations.shape[1:] != (count, 4):
            raise ShapeError(
                f"rotations: expected shape (T, {count}, 4), got {tuple(rotations.shape)}"
            )
        if root_translations.shape != (rotations.shape[0], 3):
            raise ShapeError(
                f"root_translations: expected shape ({rotations.shape[0]}, 3), "
                f"got {tuple(root_translations.shape)}"
            )
        q = torch.nn.functional.normalize(rotations, dim=-1)
        pairs = (q[..., :, None] * q[..., None, :]).flatten(2)
        turns = (pairs @ self.quadratics).view(len(q), count, 3, 3)
        rest = self.rest_translations[1:].expand(len(rotations), -1, -1)
        places = torch.cat([root_translations[:, None], rest], 1)
        unmoved = torch.eye(4, dtype=places.dtype, device=places.device).expand(len(rest), 1, 4, 4)
        world = torch.cat([turns, places[..., None]], -1)
        world = torch.cat([world, unmoved[..., 3:, :].expand(-1, count, -1, -1)], 2)
        world = torch.cat([world, unmoved], 1)
        for row in self.ancestors:  # a joint in its ancestor 1, 2, 4... above: few operations
            world = world.index_select(1, row) @ world
        return world[:, :-1, :3] @ self.inverse_bind

    def _points(self, expressions: Tensor | None, frames: int) -> Tensor:
        if expressions is None or not self._expression_rows:
            return self.vertices
        if expressions.shape != (frames, EXPRESSION_COUNT):
            raise ShapeError(
                f"expressions: expected shape ({frames}, {EXPRESSION_COUNT}), "
                f"got {tuple(expressions.shape)}"
            )
        moved = expressions[:, self._expression_rows] @ self.offsets
        return self.vertices + moved.view(frames, -1, 3)


def _ancestors(parents: I32) -> Array:
    """Return each joint's ancestor 1, 2, 4... above (S, J + 1); past the root it is J, unmoved."""
    above = np.append(np.where(parents < 0, len(parents), parents), len(parents))
    rows = []
    while (above < len(parents)).any():
        rows.append(above)
        above = above[above]
    return np.array(rows, np.int64).reshape(-1, len(parents) + 1)


def _quadratics() -> F32:
    """Return the table (16, 9) by which products of a quaternion's numbers make its matrix.

    One product instead of thirty operations: what a GPU waits for, and gradients twice.
    """
    table = np.zeros((4, 4, 3, 3), np.float32)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        table[range(4), range(4), i, i] = [1 if a in (i, 3) else -1 for a in range(4)]
        table[i, j, [i, j], [j, i]] = 2
        table[k, 3, [i, j], [j, i]] = -2, 2
    return table.reshape(16, 9)
