"""TorchSkinner: vertices of an avatar as a differentiable function of pose and expressions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

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
        self._number = register(self._rig)
        self._parents = [int(parent) for parent in skeleton.parents]
        for name, value in {
            "vertices": mesh.vertices,
            "normals": mesh.normals,
            "offsets": offsets,
            "joints": skin.joints[:, used].astype(np.int64),
            "weights": weights,
            "inverse_bind": skin.inverse_bind[:, :3],
            "rest_translations": skeleton.rest_translations,
        }.items():
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(value)))

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
        count = len(self._parents)
        if rotations.dim() != 3 or rotations.shape[1:] != (count, 4):
            raise ShapeError(
                f"rotations: expected shape (T, {count}, 4), got {tuple(rotations.shape)}"
            )
        if root_translations.shape != (rotations.shape[0], 3):
            raise ShapeError(
                f"root_translations: expected shape ({rotations.shape[0]}, 3), "
                f"got {tuple(root_translations.shape)}"
            )
        local = _to_matrix(torch.nn.functional.normalize(rotations, dim=-1))
        turns, places = [local[:, 0]], [root_translations]
        for j, parent in enumerate(self._parents[1:], 1):
            turns.append(turns[parent] @ local[:, j])
            offset = (turns[parent] @ self.rest_translations[j, :, None])[..., 0]
            places.append(places[parent] + offset)
        turn, place = torch.stack(turns, 1), torch.stack(places, 1)
        linear = turn @ self.inverse_bind[..., :3]
        shift = (turn @ self.inverse_bind[..., 3:])[..., 0] + place
        return torch.cat([linear, shift[..., None]], -1)

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


def _to_matrix(q: Tensor) -> Tensor:
    x, y, z, w = q.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).view(*q.shape[:-1], 3, 3)
