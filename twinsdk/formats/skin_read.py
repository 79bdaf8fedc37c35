"""Which joints move a vertex, and how a mesh comes to stand in the skeleton's rest world.

A file may bind several meshes by several skins, each with its own bind matrices, to nodes that
carry scales. Here all share one matrix a joint: vertices are moved into the world once, so that
`rest world x inverse bind` is the identity wherever the file's rest pose is its bind pose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.skeleton import matrices
from twinsdk.errors import FormatError
from twinsdk.formats.accessors import AccessorReader
from twinsdk.formats.glb import Document
from twinsdk.formats.nodes import JointSpace, NodeTree

__all__ = ["SkinBinder"]

_BIND_TOLERANCE = 1e-4
# Of float32 matrices that multiply to nothing: a file that we wrote is read as it stands.
_SAME = 1e-5
_HALF_TURN = np.diag([-1.0, 1.0, -1.0, 1.0])
_MAX_SETS = 16


class SkinBinder:
    """Binds one mesh after another; the first to name a joint says what its bind pose is."""

    def __init__(
        self, document: Document, accessors: AccessorReader, tree: NodeTree, space: JointSpace
    ) -> None:
        self._document, self._accessors, self._tree = document, accessors, tree
        self._joint_of = space.joint_of()
        self._turn = _HALF_TURN if space.turned else np.eye(4)
        self._rest: F64 = matrices(*space.skeleton.rest_world()).astype(np.float64)
        self._bind: dict[int, F64] = {}  # joint -> joint_from_world at bind
        self.notes: list[str] = []

    def skinning(
        self, attributes: Mapping[str, Any], node: int, count: int, where: str
    ) -> tuple[Array, F32, F64]:
        """Return joints (V, K), weights (V, K) and the way into our world, (4, 4) or (V, 4, 4).

        Raises:
            FormatError: The skin is malformed; the message begins with `where`.
        """
        skin_index = self._document.items("nodes")[node].get("skin")
        if skin_index is None or "JOINTS_0" not in attributes:
            return self._rigid(node, count)
        skin = self._document.item("skins", skin_index, where)
        members = np.array([self._joint_of[n] for n in skin["joints"]], np.int64)
        slots, weights = self._influences(attributes, count, len(members), where)
        joints = members[slots]
        inverse = np.tile(np.eye(4), (len(members), 1, 1))
        if "inverseBindMatrices" in skin:
            raw = self._accessors.floats(skin["inverseBindMatrices"], 16, f"{where}: skin")
            if len(raw) < len(members):
                raise FormatError(
                    f"{where}: skin: expected {len(members)} matrices, got {len(raw)}"
                )
            inverse = raw[: len(members)].reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
        # A node's world is the turned-back rest of its joint times the scale that was baked away.
        nodes = np.array(skin["joints"], np.int64)
        posed = self._tree.world[nodes] @ inverse  # file's world at rest from mesh
        used = np.unique(slots[weights > 0]) if count else np.zeros(0, np.int64)
        if not len(used):
            return joints, weights, self._turn @ (posed[0] if len(posed) else np.eye(4))
        first = used[np.argmin(members[used])]
        matrix = _exact(self._turn @ posed[first])
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-18:
            raise FormatError(f"{where}: skin: expected invertible bind matrices")
        # inv(rest) posed = S IBM in the turned frame; dividing by `matrix` gives joint_from_world.
        placed = self._turn @ self._tree.world[nodes[used]]
        scale = _exact(np.linalg.inv(self._rest[members[used]]) @ placed)
        bind = scale @ inverse[used] @ np.linalg.inv(matrix)
        if self._agree(members[used], bind):
            return joints, weights, matrix
        self.notes.append(f"{where}: its skin has another bind pose and was bound anew at rest")
        wanted = np.einsum("vk,vkij->vij", weights.astype(np.float64), (self._turn @ posed)[slots])
        return joints, weights, self._undone(joints, weights) @ wanted

    def _influences(
        self, attributes: Mapping[str, Any], count: int, members: int, where: str
    ) -> tuple[Array, F32]:
        columns: list[Array] = []
        shares: list[Array] = []
        n = 0
        while f"JOINTS_{n}" in attributes and f"WEIGHTS_{n}" in attributes and n < _MAX_SETS:
            name = f"JOINTS_{n}"
            slots = self._accessors.integers(attributes[name], 4, f"{where}: {name}")
            if len(slots) != count:
                raise FormatError(f"{where}: {name}: expected {count} elements, got {len(slots)}")
            columns.append(slots.astype(np.int64))
            shares.append(self._weights(attributes[f"WEIGHTS_{n}"], count, f"{where}: WEIGHTS_{n}"))
            n += 1
        if not columns or members == 0:
            raise FormatError(f"{where}: expected JOINTS_0, WEIGHTS_0 and a skin with joints")
        slots, weights = np.concatenate(columns, 1), np.maximum(np.concatenate(shares, 1), 0)
        wrong = (slots >= members) & (weights > 0)
        if wrong.any():
            v = int(np.argmax(wrong.any(1)))
            raise FormatError(
                f"{where}: expected joints below {members}, got {int(slots[v].max())} at vertex {v}"
            )
        slots = np.where(weights > 0, slots, 0)
        total = weights.sum(1, keepdims=True)
        loose = total[:, 0] <= 1e-6
        if loose.any():
            self.notes.append(f"{where}: {int(loose.sum())} vertices without weight follow joint 0")
            weights = np.where(loose[:, None], np.eye(1, weights.shape[1]), weights)
            total = weights.sum(1, keepdims=True)
        kept = max(1, int((weights > 0).any(0).nonzero()[0].max(initial=0)) + 1)
        return slots[:, :kept], (weights / total)[:, :kept].astype(np.float32)

    def _weights(self, accessor: object, count: int, where: str) -> F32:
        weights = self._accessors.floats(accessor, 4, where)
        if len(weights) != count:
            raise FormatError(f"{where}: expected {count} elements, got {len(weights)}")
        return weights

    def _rigid(self, node: int, count: int) -> tuple[Array, F32, F64]:
        joint = next((self._joint_of[n] for n in self._tree.above(node) if n in self._joint_of), 0)
        bind = np.linalg.inv(self._rest[joint])
        matrix = self._turn @ self._tree.world[node]
        if not self._agree(np.array([joint]), bind[None]):
            matrix = np.linalg.inv(self._rest[joint] @ self._bind[joint]) @ matrix
        joints = np.full((count, 1), joint, np.int64)
        return joints, np.ones((count, 1), np.float32), matrix

    def _agree(self, joints: Array, bind: F64) -> bool:
        """Take `bind` for joints that have none yet; return whether it is that of the others."""
        for j, matrix in zip(joints.tolist(), bind, strict=True):
            if not np.allclose(self._bind.get(j, matrix), matrix, atol=_BIND_TOLERANCE):
                return False
        for j, matrix in zip(joints.tolist(), bind, strict=True):
            self._bind.setdefault(j, matrix)
        return True

    def _undone(self, joints: Array, weights: F32) -> F64:
        """Return (V, 4, 4): from where a vertex stands at rest to where skinning takes it from."""
        posed = self._rest @ self.inverse_bind()
        blended = np.einsum("vk,vkij->vij", weights.astype(np.float64), posed[joints])
        return np.linalg.inv(blended).astype(np.float64)

    def inverse_bind(self) -> F64:
        """Return (J, 4, 4) joint_from_world at bind of every joint; unbound ones at rest."""
        bind = np.linalg.inv(self._rest).astype(np.float64)
        for j, matrix in self._bind.items():
            bind[j] = matrix
        return bind


def _exact(matrix: F64) -> F64:
    """Return matrices (..., 4, 4) with those that are the identity but for rounding set to it."""
    near = np.abs(matrix - np.eye(4)).max((-2, -1), keepdims=True) < _SAME
    kept: F64 = np.where(near, np.eye(4), matrix)
    return kept
