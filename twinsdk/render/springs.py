"""Spring bones: hair and skirts that swing after the body, as runtimes of VRM move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.avatar import Avatar
from twinsdk.core.pose import Pose

__all__ = ["Springs"]

_GAP_S = 0.5
_STEP_S = 1 / 24
_SETTLING_STEPS = 48


class Springs:
    """The spring bones of one avatar, with their momentum.

    Give it every pose in order; it turns the joints that swing and leaves the others as they are.
    An avatar without spring bones gets its poses back unchanged.

    Source: VRMC_springBone-1.0: Verlet integration of every joint's tail at constant length, pulled
    to its rest direction by `stiffness`, slowed by `dragForce`, kept out of spheres and capsules.

    Args:
        avatar: Whose `meta["spring_bones"]` is VRMC_springBone with joint names for node numbers.
    """

    def __init__(self, avatar: Avatar) -> None:
        skeleton = avatar.skeleton
        block = avatar.meta.get("spring_bones") or {}
        known, root = set(skeleton.names), {skeleton.names[0]}  # which has nothing to swing from
        links = [
            link for spring in block.get("springs", ()) for link in _links(spring, known - root)
        ]
        links.sort(key=lambda link: link["level"])
        self._levels = _slices([link["level"] for link in links])
        names = [shape["node"] for shape in block.get("colliders", ())]
        shapes = [_capsule(shape["shape"]) for shape in block.get("colliders", ())]
        groups = [group["colliders"] for group in block.get("colliderGroups", ())]
        self._on = np.array([skeleton.joint(n) if n in known else -1 for n in names], np.int32)
        self._ends = np.array([ends for ends, _ in shapes], np.float64).reshape(-1, 2, 3)
        self._radii = np.array([radius for _, radius in shapes], np.float64)
        self._hits = np.zeros((len(links), len(names)), bool)
        for row, link in zip(self._hits, links, strict=True):
            row[[k for group in link["groups"] for k in groups[group] if self._on[k] >= 0]] = True
        self._heads = np.array([skeleton.joint(link["head"]) for link in links], np.int32)
        tails = np.array([skeleton.joint(link["tail"]) for link in links], np.int32)
        self._above = np.asarray(skeleton.parents)[self._heads]
        centres = [link["center"] for link in links]
        self._centres = np.array([skeleton.joint(c) if c in known else -1 for c in centres])
        turns, places = (np.asarray(x, np.float64) for x in skeleton.rest_world())
        bones = places[tails] - places[self._heads]
        self._lengths = np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
        self._axes = quat.rotate(quat.conjugate(turns[self._heads]), bones / self._lengths)
        self._rest_turns = np.asarray(skeleton.rest_rotations, np.float64)[self._heads]
        self._rest_offsets = np.asarray(skeleton.rest_translations, np.float64)[self._heads]
        self._stiffness, self._drag, self._hit_radii = (
            np.array([link["joint"].get(key, usual) for link in links], np.float64)[:, None]
            for key, usual in (("stiffness", 1.0), ("dragForce", 0.5), ("hitRadius", 0.0))
        )
        self._gravity = np.array(
            [
                np.multiply(
                    link["joint"].get("gravityDir", (0, -1, 0)),
                    link["joint"].get("gravityPower", 0.0),
                )
                for link in links
            ],
            np.float64,
        ).reshape(-1, 3)
        self._now = self._before = np.zeros((len(links), 3))  # in their centre's space
        self._last_ns: int | None = None

    def __len__(self) -> int:
        """Return the number of joints that swing."""
        return len(self._heads)

    def follow(self, pose: Pose, time_ns: int) -> Pose:
        """Return the pose with its springs as they hang at `time_ns`.

        After a gap, and at first, they hang as if the pose had been held for two seconds.
        """
        if not len(self):
            return pose
        last, self._last_ns = self._last_ns, time_ns
        step_s = None if last is None else (time_ns - last) / 1e9
        if step_s is None or not 0 <= step_s <= _GAP_S:
            self.reset(pose)
            steps, step_s = _SETTLING_STEPS, _SETTLING_STEPS * _STEP_S
        else:
            steps = max(1, int(np.ceil(step_s / _STEP_S)))
        for _ in range(steps):
            swung = self.step(pose, step_s / steps)
        return swung

    def reset(self, pose: Pose) -> None:
        """Hang the springs still in their rest directions at `pose`."""
        turns, places = (np.array(x, np.float64) for x in pose.world())
        for level in self._levels:
            head = self._heads[level]
            turns[head], places[head] = self._unswung(level, turns, places)
            tails = places[head] + quat.rotate(
                turns[head], self._axes[level] * self._lengths[level]
            )
            self._now[level] = self._into_centre(level, tails, turns, places)
        self._before = self._now.copy()

    def step(self, pose: Pose, step_s: float) -> Pose:
        """Return the pose with its springs one step of `step_s` seconds later."""
        turns, places = (np.array(x, np.float64) for x in pose.world())
        local = np.array(pose.rotations)
        for level in self._levels:
            head = self._heads[level]
            unswung, place = self._unswung(level, turns, places)
            now, before = self._now[level], self._before[level]
            ahead = now + (now - before) * (1 - self._drag[level])
            tail = self._from_centre(level, ahead, turns, places)
            tail += quat.rotate(unswung, self._axes[level]) * self._stiffness[level] * step_s
            tail += self._gravity[level] * step_s
            tail = self._outside(level, self._at_length(level, tail, place), place, turns, places)
            self._before[level], self._now[level] = (
                now,
                self._into_centre(level, tail, turns, places),
            )
            aim = quat.rotate(quat.conjugate(unswung), (tail - place) / self._lengths[level])
            turn = quat.between(self._axes[level], aim)
            local[head] = quat.multiply(self._rest_turns[level], turn)
            turns[head], places[head] = quat.multiply(unswung, turn), place
        return replace(pose, rotations=local)

    def _unswung(self, level: slice, turns: F64, places: F64) -> tuple[Array, Array]:
        above = self._above[level]
        return (
            quat.multiply(turns[above], self._rest_turns[level]),
            places[above] + quat.rotate(turns[above], self._rest_offsets[level]),
        )

    def _at_length(self, level: slice, tail: Array, place: Array) -> Array:
        bone = tail - place
        length = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
        return np.asarray(place + bone * (self._lengths[level] / length))

    def _outside(self, level: slice, tail: Array, place: Array, turns: F64, places: F64) -> Array:
        """Return the tails pushed out of the colliders, one collider after the other."""
        hits = self._hits[level]
        for k in np.flatnonzero(hits.any(0)):
            on = self._on[k]
            start, end = places[on] + quat.rotate(turns[on][None], self._ends[k])
            along = end - start
            share = np.clip((tail - start) @ along / max(along @ along, 1e-12), 0, 1)
            away = tail - start - share[:, None] * along
            distance = np.linalg.norm(away, axis=-1, keepdims=True)
            depth = self._radii[k] + self._hit_radii[level] - distance
            pushed = tail + away / np.maximum(distance, 1e-9) * depth
            inside = (depth[:, 0] > 0) & hits[:, k]
            tail = np.where(inside[:, None], self._at_length(level, pushed, place), tail)
        return tail

    def _into_centre(self, level: slice, tail: Array, turns: F64, places: F64) -> Array:
        centre = self._centres[level]
        local = quat.rotate(quat.conjugate(turns[centre]), tail - places[centre])
        return np.where(centre[:, None] < 0, tail, local)

    def _from_centre(self, level: slice, tail: Array, turns: F64, places: F64) -> Array:
        centre = self._centres[level]
        world = places[centre] + quat.rotate(turns[centre], tail)
        return np.where(centre[:, None] < 0, tail, world)


def _links(spring: Mapping[str, Any], known: set[str]) -> list[dict[str, Any]]:
    """Return one entry for every joint of a spring but its last, which is only a tail."""
    joints = [joint for joint in spring.get("joints", ()) if joint["node"] in known]
    return [
        {
            "level": level,
            "head": joint["node"],
            "tail": below["node"],
            "joint": joint,
            "groups": spring.get("colliderGroups", ()),
            "center": spring.get("center"),
        }
        for level, (joint, below) in enumerate(pairwise(joints))
    ]


def _capsule(shape: Mapping[str, Any]) -> tuple[tuple[Any, Any], float]:
    """Return both ends and the radius of a collider; a sphere's ends are one."""
    kind = shape.get("sphere") or shape.get("capsule") or {}
    offset = kind.get("offset", (0.0, 0.0, 0.0))
    return (offset, kind.get("tail", offset)), float(kind.get("radius", 0.0))


def _slices(levels: Sequence[int]) -> list[slice]:
    """Return the runs of equal numbers in a sorted list."""
    edges = [*np.flatnonzero(np.diff(levels, prepend=-1)), len(levels)]
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]
