"""The node tree of a glTF file, and the joints in it as one Skeleton of rigid transforms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.skeleton import MAX_JOINTS, Skeleton
from twinsdk.errors import FormatError
from twinsdk.formats.glb import Document, whole

__all__ = ["JointSpace", "NodeTree", "joint_space"]

_SCALE_TOLERANCE = 1e-3
_SYNTHETIC = -1  # the node index of a root joint that the file does not have


class NodeTree:
    """All nodes of a file: who is above whom and where.

    Attributes:
        names: Unique; unnamed nodes are numbered.
        parents: Node index above, -1 for none.
        children: Node indices below each.
        order: Every node, parents first.
        translations, rotations, scales: (N, 3), (N, 4), (N, 3) local.
        world: (N, 4, 4) world_from_node.
    """

    def __init__(self, names: list[str], children: list[list[int]]) -> None:
        count = len(names)
        self.names = _unique_names(names)
        self.children = children
        self.parents, self.order = _order(children)
        self.translations = np.zeros((count, 3))
        self.rotations = np.tile([0.0, 0.0, 0.0, 1.0], (count, 1))
        self.scales = np.ones((count, 3))
        self.world: F64 = np.tile(np.eye(4), (count, 1, 1))

    @classmethod
    def of(cls, document: Document) -> NodeTree:
        """Return the nodes of a glTF document.

        Raises:
            FormatError: A node is malformed, has two parents, or there is a cycle.
        """
        nodes = document.items("nodes")
        children = []
        for i, node in enumerate(nodes):
            below = node.get("children", [])
            if not isinstance(below, list):
                raise FormatError(f"node {i}: expected an array of children")
            children.append([whole(c, len(nodes), f"node {i}: children") for c in below])
        names = [str(node.get("name") or "") for node in nodes]
        tree = cls(names, children)
        matrices = {i: tree._take(node, i) for i, node in enumerate(nodes) if "matrix" in node}
        for i, node in enumerate(nodes):
            if i not in matrices:
                tree._take_parts(node, i)
        tree.place(matrices)
        return tree

    def place(self, matrices: Mapping[int, F64] | None = None) -> None:
        """Compute `world` from translations, rotations and scales, or a node's own matrix."""
        local = np.tile(np.eye(4), (len(self.names), 1, 1))
        local[:, :3, :3] = quat.to_matrix(self.rotations) * self.scales[:, None]
        local[:, :3, 3] = self.translations
        for i, matrix in (matrices or {}).items():
            local[i] = matrix  # which may shear
        self.world = local
        for i in self.order:
            if self.parents[i] >= 0:
                self.world[i] = self.world[self.parents[i]] @ local[i]

    def above(self, node: int) -> list[int]:
        """Return `node` and everything above it, nearest first."""
        path = [node]
        while self.parents[path[-1]] >= 0:
            path.append(self.parents[path[-1]])
        return path

    def _take(self, node: dict[str, Any], i: int) -> F64:
        where = f"node {i} ({self.names[i]})"
        matrix = vector(node["matrix"], 16, f"{where}: matrix").reshape(4, 4).T
        self._take_apart(matrix, i, where)
        return matrix

    def _take_parts(self, node: dict[str, Any], i: int) -> None:
        where = f"node {i} ({self.names[i]})"
        self.translations[i] = vector(node.get("translation", (0, 0, 0)), 3, where)
        turn = vector(node.get("rotation", (0, 0, 0, 1)), 4, where)
        length = float(np.linalg.norm(turn))
        if not 0.9 < length < 1.1:
            raise FormatError(f"{where}: expected a unit quaternion, got length {length:.4f}")
        self.rotations[i] = turn / length
        self.scales[i] = vector(node.get("scale", (1, 1, 1)), 3, where)

    def _take_apart(self, matrix: F64, i: int, where: str) -> None:
        self.translations[i] = matrix[:3, 3]
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        if scale.min() < 1e-12:
            raise FormatError(f"{where}: expected an invertible matrix, got a flat one")
        if np.linalg.det(matrix[:3, :3]) < 0:
            scale = -scale
        self.scales[i] = scale
        self.rotations[i] = quat.from_matrix(matrix[:3, :3] / scale)


@dataclass(frozen=True, kw_only=True, eq=False)
class JointSpace:
    """The joints of a file as a Skeleton, and the way from its nodes to it.

    Node scales are uniform and baked into translations; what is above the root is baked into the
    root; a model that faces -Z is turned about +Y in every joint's own frame, so that rest
    rotations that were the identity stay so.

    Attributes:
        skeleton: Rigid, metres.
        nodes: Node index of each joint; -1 for a root the file does not have.
        scales: (J,) accumulated scale of each joint's node.
        turned: Whether the model was turned from -Z to +Z.
    """

    skeleton: Skeleton
    nodes: tuple[int, ...]
    scales: F64
    turned: bool
    above: F64

    def joint_of(self) -> dict[int, int]:
        """Return node index -> joint index."""
        return {node: j for j, node in enumerate(self.nodes) if node != _SYNTHETIC}

    def local_rotations(self, joints: list[int], rotations: Array) -> F32:
        """Return the skeleton's local rotations (T, N, 4) for those of N nodes."""
        turn = np.array(rotations, np.float64)
        if 0 in joints:
            root = joints.index(0)
            above = quat.from_matrix(_rotation_of(self.above))
            turn[:, root] = quat.multiply(above, turn[:, root])
        if self.turned:
            turn *= np.array([-1, 1, -1, 1])
        return quat.positive(turn).astype(np.float32)

    def local_translations(self, joint: int, translations: Array) -> F32:
        """Return the skeleton's local translations (T, 3), metres, for a node's (T, 3)."""
        place = np.asarray(translations, np.float64)
        if joint == 0:
            place = place @ self.above[:3, :3].T + self.above[:3, 3]
        else:
            place = place * self.scales[self.skeleton.parents[joint]]
        if self.turned:
            place = place * np.array([-1, 1, -1])
        return place.astype(np.float32)


def joint_space(tree: NodeTree, wanted: Iterable[int], *, turned: bool = False) -> JointSpace:
    """Return the skeleton of `wanted` nodes and of all between them and their common root.

    Args:
        tree: The nodes.
        wanted: Joints of skins, humanoid bones, animated nodes; may be empty.
        turned: Whether the model faces -Z and is to face +Z.

    Raises:
        FormatError: A joint's scale is not uniform and positive, or there are too many joints.
    """
    nodes = _closed(tree, list(dict.fromkeys(wanted)))
    if len(nodes) > MAX_JOINTS:
        raise FormatError(f"joints: expected at most {MAX_JOINTS}, got {len(nodes)}")
    index = {node: j for j, node in enumerate(nodes)}
    root = nodes[0]
    has_parent = root != _SYNTHETIC and tree.parents[root] >= 0
    above = tree.world[tree.parents[root]] if has_parent else np.eye(4)
    outer = _uniform(np.linalg.norm(above[:3, :3], axis=0), f"above joint {tree.names[root]!r}")
    if np.linalg.det(above[:3, :3]) <= 0:
        raise FormatError(f"above joint {tree.names[root]!r}: expected no mirroring scale")
    scales, parents = np.ones(len(nodes)), np.full(len(nodes), -1)
    for j, node in enumerate(nodes):
        if node == _SYNTHETIC:
            continue
        own = _uniform(tree.scales[node], f"joint {tree.names[node]!r}")
        if j:
            parents[j] = index.get(tree.parents[node], 0)
        scales[j] = own * (scales[parents[j]] if j else outer)
    names = [("root" if node == _SYNTHETIC else tree.names[node]) for node in nodes]
    if root == _SYNTHETIC:
        while names[0] in names[1:]:
            names[0] += "_"
    space = JointSpace(
        skeleton=_placeholder(names, parents),
        nodes=tuple(nodes),
        scales=scales,
        turned=turned,
        above=above,
    )
    real = [j for j, node in enumerate(nodes) if node != _SYNTHETIC]
    chosen = [nodes[j] for j in real]
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(nodes), 1))
    translations = np.zeros((len(nodes), 3))
    rotations[real] = space.local_rotations(real, tree.rotations[None, chosen])[0]
    for j, node in zip(real, chosen, strict=True):
        translations[j] = space.local_translations(j, tree.translations[node])
    return JointSpace(
        skeleton=Skeleton(
            names=tuple(names),
            parents=parents.astype(np.int32),
            rest_translations=translations.astype(np.float32),
            rest_rotations=rotations.astype(np.float32),
        ),
        nodes=tuple(nodes),
        scales=scales,
        turned=turned,
        above=above,
    )


def vector(value: object, count: int, where: str) -> F64:
    """Return a JSON array of `count` finite numbers.

    Raises:
        FormatError: It is not that.
    """
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise FormatError(f"{where}: expected {count} numbers, got {str(value)[:40]}")
    if not all(isinstance(x, (int, float)) and abs(x) < 1e12 for x in value):
        raise FormatError(f"{where}: expected {count} finite numbers, got {str(value)[:40]}")
    return np.array(value, np.float64)


def _placeholder(names: list[str], parents: Array) -> Skeleton:
    return Skeleton(
        names=tuple(names),
        parents=parents.astype(np.int32),
        rest_translations=np.zeros((len(names), 3), np.float32),
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )


def _rotation_of(matrix: F64) -> F64:
    columns: F64 = matrix[:3, :3]
    return columns / np.linalg.norm(columns, axis=0)


def _uniform(scale: F64, where: str) -> float:
    mean = float(np.mean(scale))
    if mean <= 1e-9 or np.abs(scale - mean).max() > _SCALE_TOLERANCE * abs(mean):
        words = ", ".join(f"{s:g}" for s in scale)
        raise FormatError(f"{where}: expected a uniform positive scale, got ({words})")
    return mean


def _closed(tree: NodeTree, wanted: list[int]) -> list[int]:
    """Return the wanted nodes and all up to their nearest common ancestor, parents first."""
    if not wanted:
        return [_SYNTHETIC]
    if len(wanted) > MAX_JOINTS:
        raise FormatError(f"joints: expected at most {MAX_JOINTS}, got {len(wanted)}")
    paths = {node: tree.above(node) for node in wanted}
    shared = set(paths[wanted[0]])
    for path in paths.values():
        shared &= set(path)
    root = next((node for node in paths[wanted[0]] if node in shared), _SYNTHETIC)
    inside: set[int] = set()
    for path in paths.values():
        inside.update(path[: path.index(root) + 1] if root != _SYNTHETIC else path)
    joints = sorted(inside)  # the file's own order where that has parents first
    place = {node: i for i, node in enumerate(joints)}
    if any(place.get(tree.parents[node], -1) > i for i, node in enumerate(joints)):
        joints = [node for node in tree.order if node in inside]
    return joints if root != _SYNTHETIC else [_SYNTHETIC, *joints]


def _unique_names(given: list[str]) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    for i, name in enumerate(given):
        unique, n = name or f"node_{i}", 1
        while unique in seen:
            n += 1
            unique = f"{name or f'node_{i}'}_{n}"
        seen.add(unique)
        names.append(unique)
    return names


def _order(children: list[list[int]]) -> tuple[list[int], list[int]]:
    count = len(children)
    parents = [-1] * count
    for i, below in enumerate(children):
        for child in below:
            if parents[child] != -1 or child == i:
                raise FormatError(f"node {child}: expected one parent, got two, {i} the second")
            parents[child] = i
    order = [i for i, above in enumerate(parents) if above == -1]
    depth = [0] * count
    for i in order:  # grows while it is walked: breadth first
        for child in children[i]:
            depth[child] = depth[i] + 1
            order.append(child)
    if len(order) != count:
        missing = min(set(range(count)).difference(order))
        raise FormatError(f"node {missing}: expected a tree, got a cycle of nodes")
    if max(depth, default=0) > MAX_JOINTS:
        raise FormatError(f"nodes: expected a depth of at most {MAX_JOINTS}, got {max(depth)}")
    return parents, order
