"""Motion in glTF files: every animation of a .glb, .gltf, .vrm or .vrma as a MotionClip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS
from twinsdk.errors import FormatError
from twinsdk.formats import glb, vrm
from twinsdk.formats.accessors import AccessorReader
from twinsdk.formats.build import Builder
from twinsdk.formats.extras import EXTRAS_KEY
from twinsdk.formats.face import arkit_name
from twinsdk.formats.gltf_write import GENERATOR, joint_nodes
from twinsdk.formats.guard import reading
from twinsdk.formats.nodes import JointSpace, NodeTree, joint_space
from twinsdk.formats.rest import carry_translations
from twinsdk.formats.sampling import Track, frame_rate, moved_nodes, read_tracks, sampled

__all__ = ["AnimationFile", "read_clip", "read_clips", "write_clip"]

EXTENSION = "VRMC_vrm_animation"
_MAX_VALUES = 1 << 28  # 1 GiB of rotations
# Eyes are turned by VRMA's lookAt and may not stand among its bones; ours keep them in extras.
_NOT_IN_VRMA = ("leftEye", "rightEye")


class AnimationFile:
    """The animations of one file, each turned into a clip when asked for.

    Attributes:
        names: Of the animations, made unique.
        humanoid: Joint name -> VRM name, as far as the file says.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with reading(path, "glTF"):
            self._document = glb.load(path)
            self._tree = NodeTree.of(self._document)
            self._accessors = AccessorReader(self._document)
            self._animations = self._document.items("animations")
            self.names = _unique([str(a.get("name") or "animation") for a in self._animations])
            person = vrm.read(self._document)
            self._spec = self._document.extension(EXTENSION) or {}
            self._roles = dict(person.humanoid) if person else self._vrma_roles()
            self._turned = person is not None and person.version == 0
            self._tracks: dict[int, list[Track]] = {}
            self._space: JointSpace | None = None

    def clip(self, which: int = 0) -> MotionClip:
        """Return animation number `which`, sampled at its own frame rate.

        Raises:
            FormatError: There is no such animation, or it is malformed.
        """
        with reading(self._path, "glTF"):
            if not self._animations:
                raise FormatError("expected an animation, got a file without any")
            where = f"animation {which} ({self.names[which]})"
            tracks = self._read(which)
            space = self._joints()
            return self._sampled(which, tracks, space, where)

    @property
    def humanoid(self) -> dict[str, str]:
        """Joint name -> VRM name, as far as the file says."""
        with reading(self._path, "glTF"):
            space = self._joints()
            names, joint_of = space.skeleton.names, space.joint_of()
            return {names[joint_of[n]]: role for n, role in self._roles.items() if n in joint_of}

    def _read(self, which: int) -> list[Track]:
        if which not in self._tracks:
            where = f"animation {which} ({self.names[which]})"
            self._tracks[which] = read_tracks(
                self._animations[which], self._accessors, len(self._tree.names), where
            )
        return self._tracks[which]

    def _joints(self) -> JointSpace:
        """Humanoid bones and skin joints; without skins, all that any animation moves as well."""
        if self._space is None:
            count = len(self._tree.names)
            wanted = [
                glb.whole(node, count, "skin: joints")
                for skin in self._document.items("skins")
                for node in skin.get("joints", [])
            ]
            skinned = bool(wanted)
            wanted += list(self._roles)
            if not skinned:
                apart = {node for _, node in self._faces()}
                moved = [node for a in self._animations for node in moved_nodes(a, count)]
                wanted += [node for node in dict.fromkeys(moved) if node not in apart]
            self._space = joint_space(self._tree, wanted, turned=self._turned)
        return self._space

    def _vrma_roles(self) -> dict[int, str]:
        bones = dict(self._spec.get("humanoid", {}).get("humanBones", {}))
        own = self._document.json["asset"].get("extras")
        own = own.get(EXTRAS_KEY) if isinstance(own, dict) else None
        if isinstance(own, dict) and isinstance(own.get("humanBones"), dict):
            bones = {**own["humanBones"], **bones}
        count = len(self._tree.names)
        return {
            glb.whole(bone.get("node"), count, f"humanBones: {role}"): role
            for role, bone in bones.items()
            if role in HUMANOID_NAMES
        }

    def _faces(self) -> list[tuple[str, int]]:
        """Return (expression, node) of what the file animates as node translations."""
        count = len(self._tree.names)
        found = []
        for group in ("preset", "custom"):
            for name, entry in self._spec.get("expressions", {}).get(group, {}).items():
                found.append((str(name), glb.whole(entry.get("node"), count, f"expression {name}")))
        gaze = self._spec.get("lookAt")
        if isinstance(gaze, dict) and "node" in gaze:
            found.append(("", glb.whole(gaze["node"], count, "lookAt")))
        return found

    def _sampled(
        self, which: int, tracks: list[Track], space: JointSpace, where: str
    ) -> MotionClip:
        faces = self._faces()
        moving = {node for _, node in faces} | set(space.nodes)
        tracks = [track for track in tracks if track.node in moving]
        if not tracks:
            raise FormatError(f"{where}: expected channels that move joints, got none")
        skeleton = space.skeleton
        fps, grid = self._grid(which, tracks, len(skeleton), where)
        rotations = np.repeat(skeleton.rest_rotations[None], len(grid), 0)
        places = np.repeat(skeleton.rest_translations[None], len(grid), 0)
        joint_of = space.joint_of()
        by_node: dict[int, F32] = {}
        turned: list[int] = []
        for track in tracks:
            values = sampled(track, grid)
            joint = joint_of.get(track.node)
            if joint is None:
                if track.path == "translation":
                    by_node[track.node] = values[:, 0]
            elif track.path == "rotation":
                rotations[:, joint] = values
                turned.append(joint)
            else:
                places[:, joint] = space.local_translations(joint, values)
        length = np.linalg.norm(rotations, axis=-1, keepdims=True)
        if (np.abs(length - 1) > 0.1).any():
            raise FormatError(f"{where}: expected unit quaternions")
        rotations[:, turned] = space.local_rotations(turned, (rotations / length)[:, turned])
        carried = carry_translations(skeleton, rotations, places)
        return MotionClip(
            skeleton=carried.on(skeleton),
            fps=fps,
            rotations=rotations,
            root_translations=carried.root_translations,
            expressions=_weights(faces, by_node, len(grid)),
        )

    def _grid(self, which: int, tracks: list[Track], joints: int, where: str) -> tuple[float, F64]:
        extras = self._animations[which].get("extras")
        stated = extras.get("fps") if isinstance(extras, dict) else None
        usable = isinstance(stated, (int, float)) and 0.01 <= stated <= 10_000
        fps = float(stated) if usable and stated is not None else frame_rate(tracks)
        start = min(float(track.times[0]) for track in tracks)
        end = max(float(track.times[-1]) for track in tracks)
        frames = round((end - start) * fps) + 1
        if frames * joints * 4 > _MAX_VALUES:
            raise FormatError(f"{where}: {frames} frames of {joints} joints are too many")
        return fps, start + np.arange(frames) / fps


def read_clip(path: str | Path) -> MotionClip:
    """Return the first animation of a file; `AnimationFile` has the others.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not glTF, has no animation, or is malformed.
    """
    return AnimationFile(path).clip(0)


def read_clips(path: str | Path) -> dict[str, MotionClip]:
    """Return every animation of a file by name.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is not glTF, or is malformed.
    """
    file = AnimationFile(path)
    return {name: file.clip(i) for i, name in enumerate(file.names)}


def write_clip(
    clip: MotionClip, path: str | Path, *, humanoid: Mapping[str, str] | None = None
) -> None:
    """Write a clip as a .glb of bare nodes and one animation, losslessly.

    Expressions travel as VRMC_vrm_animation says: the x translation of a node each.

    Args:
        clip: The motion.
        path: Where to.
        humanoid: Joint name -> VRM name; left out where joints have VRM's names or none fit.

    Raises:
        OutputError: The file cannot be written.
    """
    if humanoid is None:
        humanoid = {name: name for name in clip.skeleton.names if name in HUMANOID_NAMES}
        if not set(REQUIRED_JOINTS) <= set(humanoid):
            humanoid = {}  # a "head" alone makes no VRM humanoid
    write_motion(clip, path, humanoid)


def write_motion(clip: MotionClip, path: str | Path, humanoid: Mapping[str, str]) -> None:
    """Write nodes, one animation and the VRMA extension; see `write_clip`."""
    builder, skeleton = Builder(), clip.skeleton
    count = len(clip)
    times = (np.arange(count) / clip.fps).astype(np.float32)
    every = builder.accessor(times, bounds=True)
    once = builder.accessor(times[:1], bounds=True) if count > 1 else every
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def animate(node: int, path_name: str, values: F32) -> None:
        # What does not move needs one key; the root carries the clip's length.
        still = node != 0 and count > 1 and not np.ptp(values, axis=0).any()
        samplers.append(
            {
                "input": once if still else every,
                "output": builder.accessor(values[:1] if still else values),
            }
        )
        target = {"node": node, "path": path_name}
        channels.append({"sampler": len(samplers) - 1, "target": target})

    nodes = joint_nodes(skeleton)
    rotations = quat.continuous(clip.rotations).astype(np.float64)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    animate(0, "translation", clip.root_translations)
    for j in range(len(skeleton)):
        animate(j, "rotation", rotations[:, j].astype(np.float32))
    roots = [0]
    custom: dict[str, dict[str, int]] = {}
    if clip.expressions is not None:
        for e, name in enumerate(EXPRESSION_NAMES):
            custom[name] = {"node": len(nodes)}
            values = np.zeros((count, 3), np.float32)
            values[:, 0] = clip.expressions[:, e]
            roots.append(len(nodes))
            animate(len(nodes), "translation", values)
            nodes.append({"name": f"expression.{name}"})
    bones = {role: {"node": skeleton.joint(name)} for name, role in humanoid.items()}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "animations": [
            {
                "name": "motion",
                "channels": channels,
                "samplers": samplers,
                "extras": {"fps": clip.fps},
            }
        ],
    }
    spec: dict[str, Any] = {"specVersion": "1.0"}
    if bones:
        spec["humanoid"] = {"humanBones": {r: b for r, b in bones.items() if r not in _NOT_IN_VRMA}}
        document["asset"]["extras"] = {EXTRAS_KEY: {"humanBones": bones}}
    if custom:
        spec["expressions"] = {"custom": custom}
    if len(spec) > 1:
        document["extensions"] = {EXTENSION: spec}
        document["extensionsUsed"] = [EXTENSION]
    builder.finish(document)
    glb.write_glb(path, document, builder.binary)


def _weights(faces: list[tuple[str, int]], by_node: Mapping[int, F32], frames: int) -> F32 | None:
    """Return (T, 52): names that spell ARKit's as they are, presets by what they are made of."""
    weights = np.zeros((frames, EXPRESSION_COUNT), np.float32)
    known = False
    for name, node in faces:
        values = by_node.get(node)
        if values is None:
            continue
        spelled = arkit_name(name)
        made_of = {spelled: 1.0} if spelled else vrm.EXPRESSION_PRESETS.get(name, {})
        for part, share in made_of.items():
            weights[:, EXPRESSION_NAMES.index(part)] += np.float32(share) * values
            known = True
    return np.clip(weights, 0, 1) if known else None


def _unique(names: list[str]) -> list[str]:
    result: list[str] = []
    taken: set[str] = set()
    for name in names:
        unique, n = name, 1
        while unique in taken:
            n += 1
            unique = f"{name}_{n}"
        taken.add(unique)
        result.append(unique)
    return result
