"""FBX motion: the skeleton of a file and its first animation. Reading only.

The axes and the unit that the file states are applied: +Y up, metres. Rest is the pose of the node
properties, which for a file of motion alone is whatever its maker left there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError
from twinsdk.formats import fbx_tree
from twinsdk.formats.fbx_scene import Curve, FbxModel, FbxScene, read_scene
from twinsdk.formats.guard import read_bytes, reading
from twinsdk.formats.nodes import JointSpace, NodeTree, joint_space
from twinsdk.formats.rest import carry_translations
from twinsdk.formats.units import REACH_OF_HEIGHT, guess_unit

__all__ = ["FbxFile", "read", "read_clip"]

_ORDERS = ("XYZ", "XZY", "YZX", "YXZ", "ZXY", "ZYX")
_BONES = ("LimbNode", "Limb", "Root")
_DEFAULT_FPS = 30.0
_MAX_VALUES = 1 << 28
_PLAUSIBLE_REACH_M = (0.1, 10.0)
_MAX_SECONDS = 24 * 3600.0
_CENTIMETRE_M = 0.01
_SCALE_NOT_INHERITED = 2  # "Rrs": a child takes its parent's scale without the parent's own


@dataclass(frozen=True, kw_only=True)
class FbxFile:
    """An FBX read.

    Attributes:
        clip: The first animation; one frame of rest where there is none.
        takes: Names of the animations there are.
        unit_m: Metres in one unit of the file.
        unit_reason: "stated by the file", or why that was not believed.
        dropped_translation_m: Largest joint translation that a clip cannot hold, metres.
    """

    clip: MotionClip
    takes: tuple[str, ...]
    unit_m: float
    unit_reason: str
    dropped_translation_m: float


def read_clip(path: str | Path) -> MotionClip:
    """Read the first animation of an .fbx; see `read`."""
    return read(path).clip


def read(path: str | Path) -> FbxFile:
    """Read an .fbx, binary or ASCII, version 6 or 7.

    Raises:
        FileMissingError: There is no such file.
        FormatError: It is no FBX, has no bones, or is malformed.
    """
    with reading(path, "FBX"):
        root, version = fbx_tree.parse(read_bytes(path, what="FBX"))
        if not 6000 <= version < 9000:
            raise FormatError(f"expected FBX version 6 or 7, got {version}")
        scene = read_scene(root, version)
        bones = [i for i, model in enumerate(scene.models) if model.kind in _BONES]
        if not bones:
            raise FormatError(f"expected bones, got {len(scene.models)} models without any")
        unit = scene.settings.get("UnitScaleFactor", (1.0,))[0] * _CENTIMETRE_M
        if not 1e-6 < unit < 1e6:
            raise FormatError(f"UnitScaleFactor: expected a positive number, got {unit:g}")
        space, reason = joint_space(_tree(scene, unit), bones), "stated by the file"
        reach = _reach(space.skeleton)
        low, high = _PLAUSIBLE_REACH_M
        if reach > 0 and not low < reach < high:
            # Exporters that mix up metres and centimetres make people of 2 cm or 170 m.
            factor, _ = guess_unit(reach)
            if low < reach * factor < high:
                height, believed = reach / REACH_OF_HEIGHT, reach * factor / REACH_OF_HEIGHT
                reason = f"{believed:.2f} m tall; as the file states it: {height:.3g} m"
                unit *= factor
                space = joint_space(_tree(scene, unit), bones)
        return _built(scene, space, unit, reason)


def _tree(scene: FbxScene, unit_m: float) -> NodeTree:
    """Return the models and, as the last node and above all, the way into our axes and metres."""
    count = len(scene.models)
    children: list[list[int]] = [[] for _ in range(count + 1)]
    for i, model in enumerate(scene.models):
        children[model.parent if model.parent >= 0 else count].append(i)
    tree = NodeTree([*(model.name for model in scene.models), "fbx axes"], children)
    for i, model in enumerate(scene.models):
        rest = _Local(model)
        tree.rotations[i] = rest.rotations(None)[0]
        tree.translations[i] = rest.translations(None, tree.rotations[i : i + 1])[0]
        tree.scales[i] = _own_scale(model)
        if int(model.properties.get("InheritType", (1.0,))[0]) == _SCALE_NOT_INHERITED:
            above = scene.models[model.parent] if model.parent >= 0 else None
            tree.scales[i] /= 1.0 if above is None else _own_scale(above)
    tree.rotations[count] = quat.from_matrix(_axes(scene))
    tree.scales[count] = unit_m
    tree.place()
    return tree


def _own_scale(model: FbxModel) -> F64:
    scale = np.array(model.properties.get("Lcl Scaling", (1.0, 1.0, 1.0))[:3])
    if np.abs(scale).min() < 1e-12:
        raise FormatError(f"model {model.name!r}: expected a scale, got {scale.tolist()}")
    return scale


def _axes(scene: FbxScene) -> F64:
    """Return the rotation (3, 3) that takes the file's right, up and front onto +X, +Y, +Z."""
    rows = np.zeros((3, 3))
    for row, (name, usual) in enumerate((("Coord", 0), ("Up", 1), ("Front", 2))):
        axis = int(scene.settings.get(f"{name}Axis", (usual,))[0])
        sign = scene.settings.get(f"{name}AxisSign", (1.0,))[0]
        rows[row, axis % 3] = 1.0 if sign >= 0 else -1.0
    if abs(np.linalg.det(rows) - 1) > 1e-6:
        return np.eye(3)  # a left-handed or nonsensical statement: the data itself is right-handed
    return rows


class _Local:
    """One model's local transform at rest or over time.

    Local = T Roff Rp Rpre R Rpost^-1 Rp^-1 Soff Sp S Sp^-1.
    """

    def __init__(self, model: FbxModel) -> None:
        self._model = model
        order = int(model.properties.get("RotationOrder", (0.0,))[0])
        self._order = _ORDERS[order] if 0 <= order < len(_ORDERS) else "XYZ"

    def rotations(self, seconds: F64 | None) -> F64:
        """Return (T, 4) at `seconds`, or (1, 4) at rest."""
        turn = _fixed(self._values("R", "Lcl Rotation", 0.0, seconds), self._order)
        if self._model.properties.get("RotationSpaceForLimitOnly", (0.0,))[0]:
            return turn  # MotionBuilder: pre- and post-rotation then serve the joint limits alone
        before = _fixed(self._vector("PreRotation"), "XYZ")
        after = quat.conjugate(_fixed(self._vector("PostRotation"), "XYZ"))
        return quat.multiply(quat.multiply(before, turn), after)

    def translations(self, seconds: F64 | None, rotations: F64) -> F64:
        """Return (T, 3) at `seconds`, or (1, 3) at rest."""
        place = self._values("T", "Lcl Translation", 0.0, seconds)
        pivot, scale_pivot = self._vector("RotationPivot"), self._vector("ScalingPivot")
        scale = self._values("S", "Lcl Scaling", 1.0, seconds)
        inner = self._vector("ScalingOffset") + scale_pivot - scale * scale_pivot - pivot
        moved = place + self._vector("RotationOffset") + pivot
        return moved + quat.rotate(rotations, inner)

    def _vector(self, name: str) -> F64:
        values = self._model.properties.get(name, (0.0, 0.0, 0.0))
        return np.array(values[:3])[None]

    def _values(self, part: str, name: str, usual: float, seconds: F64 | None) -> F64:
        rest = np.array(self._model.properties.get(name, (usual,) * 3)[:3])
        if seconds is None:
            return rest[None]
        out = np.repeat(rest[None], len(seconds), 0)
        for axis in range(3):
            curve = self._model.curves.get((part, axis))
            if curve is not None:
                out[:, axis] = _evaluated(curve, seconds)
        return out


def _evaluated(curve: Curve, seconds: F64) -> F64:
    times, values = curve.times, curve.values
    if len(times) == 1:
        return np.full(len(seconds), values[0])
    left = np.clip(np.searchsorted(times, seconds + 1e-7, "right") - 1, 0, len(times) - 2)
    span = times[left + 1] - times[left]
    t = np.clip((seconds - times[left]) / span, 0, 1)
    start, end = values[left], values[left + 1]
    mode = curve.modes[left]
    straight = start + (end - start) * t
    out, into = curve.slopes[left, 0] * span, curve.slopes[left, 1] * span
    eased = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * out
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * into
    )
    held = np.where(t >= 1, end, start)
    return np.where((mode & 2) > 0, held, np.where((mode & 8) > 0, eased, straight))


def _fixed(degrees: F64, order: str) -> F64:
    """Return the rotation about fixed axes in the order named: "XYZ" turns about X first."""
    columns = ["XYZ".index(letter) for letter in reversed(order)]
    return quat.from_euler(np.radians(degrees[..., columns]), order[::-1])


def _built(scene: FbxScene, space: JointSpace, unit_m: float, reason: str) -> FbxFile:
    fps, seconds = _grid(scene, space)
    skeleton = space.skeleton
    rotations = np.repeat(skeleton.rest_rotations[None], len(seconds), 0)
    places = np.repeat(skeleton.rest_translations[None], len(seconds), 0)
    for j, node in enumerate(space.nodes):
        if not 0 <= node < len(scene.models):
            continue
        model = scene.models[node]
        if any(part in ("T", "R") for part, _ in model.curves):
            local = _Local(model)
            turns = local.rotations(seconds)
            rotations[:, j] = space.local_rotations([j], turns[:, None])[:, 0]
            places[:, j] = space.local_translations(j, local.translations(seconds, turns))
    carried = carry_translations(skeleton, rotations, places)
    clip = MotionClip(
        skeleton=carried.on(skeleton),
        fps=fps,
        rotations=rotations,
        root_translations=carried.root_translations,
    )
    return FbxFile(
        clip=clip,
        takes=scene.takes,
        unit_m=unit_m,
        unit_reason=reason,
        dropped_translation_m=carried.residual_m,
    )


def _reach(skeleton: Skeleton) -> float:
    """Return the longest way along bones from the root to a leaf, metres."""
    length = np.zeros(len(skeleton))
    bones = np.linalg.norm(skeleton.rest_translations, axis=1)
    for j in range(1, len(skeleton)):
        length[j] = length[skeleton.parents[j]] + bones[j]
    return float(length.max())


def _grid(scene: FbxScene, space: JointSpace) -> tuple[float, F64]:
    inside = [scene.models[n] for n in space.nodes if 0 <= n < len(scene.models)]
    curves = [c for model in inside for c in model.curves.values() if len(c.times) > 1]
    if not curves:
        return scene.fps or _DEFAULT_FPS, np.zeros(1)
    start = min(float(c.times[0]) for c in curves)
    end = max(float(c.times[-1]) for c in curves)
    longest = max(curves, key=lambda c: len(c.times))
    gaps = np.diff(longest.times)
    even = np.ptp(gaps) < 1e-3 * float(gaps.mean())
    fps = 1 / float(gaps.mean()) if even and gaps.mean() < 0.1 else scene.fps or _DEFAULT_FPS
    fps = float(round(fps)) if abs(fps - round(fps)) < 5e-4 * fps else fps
    if not 0 <= end - start <= _MAX_SECONDS:
        raise FormatError(f"expected an animation of at most {_MAX_SECONDS:g} s, got {end - start}")
    frames = round((end - start) * fps) + 1
    if frames * len(space.nodes) * 4 > _MAX_VALUES:
        raise FormatError(f"{frames} frames of {len(space.nodes)} joints are too many")
    return fps, start + np.arange(frames) / fps
