"""What an FBX file says of models: who is above whom, where they stand, how curves move them.

Version 7 files connect objects by number, version 6 by name; both come out alike here.
Source: Autodesk, FBX SDK 2020 documentation, "Computing transformation matrices", "KFCurve".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinsdk.core.arrays import F64
from twinsdk.errors import FormatError
from twinsdk.formats.fbx_tree import Record

__all__ = ["Curve", "FbxModel", "FbxScene", "read_scene"]

TICKS_PER_SECOND = 46_186_158_000
_MAX_MODELS = 1 << 17
_CONSTANT, _LINEAR = 0x2, 0x4
_PROPERTIES = {"Lcl Translation": "T", "Lcl Rotation": "R", "Lcl Scaling": "S"}
_FPS_OF_MODE = {
    1: 120.0, 2: 100.0, 3: 60.0, 4: 50.0, 5: 48.0, 6: 30.0, 7: 30.0, 8: 30000 / 1001,
    9: 30000 / 1001, 10: 25.0, 11: 24.0, 12: 1000.0, 13: 24000 / 1001, 15: 96.0, 16: 72.0,
    17: 60000 / 1001,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One animated number.

    Attributes:
        times: (K,) seconds, increasing.
        values: (K,).
        modes: (K,) 2 holds, 4 goes straight, anything else eases by slopes.
        slopes: (K, 2) leaving this key and arriving at the next, per second.
    """

    times: F64
    values: F64
    modes: np.ndarray[Any, Any]
    slopes: F64


@dataclass(kw_only=True, eq=False)
class FbxModel:
    """One node.

    Attributes:
        name: Without the class prefix.
        kind: "LimbNode", "Mesh", "Null", ...
        properties: Property -> values.
        parent: Index of the model above, -1 for none.
        curves: ("T" | "R" | "S", 0..2) -> curve.
    """

    name: str
    kind: str
    properties: dict[str, tuple[float, ...]]
    parent: int = -1
    curves: dict[tuple[str, int], Curve] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class FbxScene:
    """All models, with the curves of one animation.

    Attributes:
        models: In file order.
        settings: GlobalSettings property -> values.
        takes: Names of the animations there are.
        fps: Frame rate the scene was made in, or None.
    """

    models: list[FbxModel]
    settings: dict[str, tuple[float, ...]]
    takes: tuple[str, ...]
    fps: float | None


def read_scene(root: Record, version: int) -> FbxScene:
    """Return the models of a record tree and the curves of its first animation.

    Raises:
        FormatError: It is malformed.
    """
    objects = root.first("Objects")
    if objects is None:
        raise FormatError("expected Objects, got none")
    records = objects.every("Model")
    if len(records) > _MAX_MODELS:
        raise FormatError(f"expected at most {_MAX_MODELS} models, got {len(records)}")
    settings_record = root.first("GlobalSettings") or objects.first("GlobalSettings")
    settings = _properties(settings_record) if settings_record else {}
    models: list[FbxModel] = []
    index: dict[Any, int] = {}
    for record in records:
        key, label, kind = _identity(record, version)
        index[key] = len(models)
        models.append(FbxModel(name=label, kind=kind, properties=_properties(record)))
    links = _links(root)
    for how, child, above, _ in links:
        if how == "OO" and child in index and above in index:
            models[index[child]].parent = index[above]
    if version >= 7000:
        takes = _attach_curves(objects, links, models, index)
    else:
        takes = _attach_takes(root, models, index)
    mode = int(settings.get("TimeMode", (0,))[0])
    custom = settings.get("CustomFrameRate", (0,))[0]
    fps = custom if mode == 14 and custom > 0 else _FPS_OF_MODE.get(mode)
    return FbxScene(models=models, settings=settings, takes=takes, fps=fps)


def _identity(record: Record, version: int) -> tuple[Any, str, str]:
    values = record.values
    if version >= 7000:
        key, label, kind = values[0], str(values[1]), str(values[2])
    else:
        key, label, kind = values[0], str(values[0]), str(values[1]) if len(values) > 1 else ""
    label = label.split("\x00\x01")[0] if "\x00\x01" in label else label.removeprefix("Model::")
    return key, label, kind


def _links(root: Record) -> list[tuple[str, Any, Any, str]]:
    connections = root.first("Connections")
    if connections is None:
        return []
    links = []
    for record in connections.below:
        if record.name in ("C", "Connect") and len(record.values) >= 3:
            how, child, above = record.values[:3]
            what = str(record.values[3]) if len(record.values) > 3 else ""
            links.append((str(how), child, above, what))
    return links


def _properties(record: Record) -> dict[str, tuple[float, ...]]:
    table = record.first("Properties70") or record.first("Properties60")
    found: dict[str, tuple[float, ...]] = {}
    for entry in table.below if table else ():
        if entry.values:
            skip = 4 if entry.name == "P" else 3
            numbers = tuple(float(v) for v in entry.values[skip:] if isinstance(v, (int, float)))
            if numbers:
                found[str(entry.values[0])] = numbers
    return found


def _attach_curves(
    objects: Record,
    links: list[tuple[str, Any, Any, str]],
    models: list[FbxModel],
    index: dict[Any, int],
) -> tuple[str, ...]:
    stacks = {r.values[0]: _label(r) for r in objects.every("AnimationStack") if r.values}
    layers = [r.values[0] for r in objects.every("AnimationLayer") if r.values]
    nodes = {r.values[0]: r for r in objects.every("AnimationCurveNode") if r.values}
    curves = {r.values[0]: r for r in objects.every("AnimationCurve") if r.values}
    first_stack = next(iter(stacks), None)
    of_stack = [c for how, c, above, _ in links if above == first_stack and c in layers]
    layer = of_stack[0] if of_stack else (layers[0] if layers else None)
    member = {c for how, c, above, _ in links if c in nodes and above == layer}
    target: dict[Any, tuple[int, str]] = {}
    for how, child, above, what in links:
        if how == "OP" and child in member and above in index and what in _PROPERTIES:
            target[child] = (index[above], _PROPERTIES[what])
    for node, (model, part) in target.items():
        for axis, value in _properties(nodes[node]).items():
            if axis in ("d|X", "d|Y", "d|Z"):
                constant = _constant(value[0])
                models[model].curves.setdefault((part, "XYZ".index(axis[-1])), constant)
    for how, child, above, what in links:
        if how == "OP" and child in curves and above in target and what in ("d|X", "d|Y", "d|Z"):
            model, part = target[above]
            models[model].curves[part, "XYZ".index(what[-1])] = _curve(curves[child])
    return tuple(stacks.values())


def _label(record: Record) -> str:
    return str(record.values[1]).split("\x00")[0].removeprefix("AnimStack::")


def _constant(value: float) -> Curve:
    return Curve(
        times=np.zeros(1),
        values=np.array([value]),
        modes=np.array([_CONSTANT]),
        slopes=np.zeros((1, 2)),
    )


def _curve(record: Record) -> Curve:
    times = record.array("KeyTime") / TICKS_PER_SECOND
    values = record.array("KeyValueFloat")
    if len(times) != len(values) or not len(times):
        raise FormatError(f"a curve: expected as many times as values, got {len(times)}")
    flags = record.array("KeyAttrFlags").astype(np.int64)
    repeats = record.array("KeyAttrRefCount").astype(np.int64)
    data = record.array("KeyAttrDataFloat").reshape(-1, 4)
    modes, slopes = np.full(len(times), _LINEAR), np.zeros((len(times), 2))
    usable = len(flags) == len(repeats) == len(data) and (repeats >= 0).all()
    if usable and len(flags) and repeats.sum() == len(times):
        modes = np.repeat(flags & 0xE, repeats)
        slopes = np.repeat(data[:, :2], repeats, axis=0)
    return _ordered(times, values, modes, slopes)


def _ordered(times: F64, values: F64, modes: np.ndarray[Any, Any], slopes: F64) -> Curve:
    if not (np.isfinite(times).all() and np.isfinite(values).all()):
        raise FormatError("a curve: expected finite keys")
    _, kept = np.unique(times, return_index=True)
    return Curve(
        times=times[kept],
        values=values[kept],
        modes=modes[kept],
        slopes=np.nan_to_num(slopes[kept]),
    )


def _attach_takes(root: Record, models: list[FbxModel], index: dict[Any, int]) -> tuple[str, ...]:
    """Version 6: curves lie in Takes, by model name."""
    takes = root.first("Takes")
    every = takes.every("Take") if takes else []
    moving = [take for take in every if take.every("Model")]
    for record in moving[0].every("Model") if moving else ():
        model = index.get(record.values[0] if record.values else None)
        if model is None:
            continue
        for transform in record.every("Channel"):
            if transform.values[:1] != ["Transform"]:
                continue
            for part in transform.every("Channel"):
                for axis in part.every("Channel"):
                    which = str(axis.values[0]) if axis.values else ""
                    kind = str(part.values[0]) if part.values else ""
                    if which in ("X", "Y", "Z") and kind in ("T", "R", "S"):
                        curve = _old_curve(axis)
                        models[model].curves[kind, "XYZ".index(which)] = curve
    return tuple(str(take.values[0]) for take in every if take.values)


def _old_curve(record: Record) -> Curve:
    """Read `Key: time,value,mode,...`: how many words follow a mode depends on the mode.

    A key begins where a whole number later than the key before is followed by a number; slopes are
    never that large. The keys are joined by straight lines.
    """
    default = record.first("Default")
    key = record.first("Key")
    if key is None:
        return _constant(float(default.values[0]) if default and default.values else 0.0)
    words = key.values
    times: list[float] = []
    values: list[float] = []
    for i in range(len(words) - 1):
        time, value = words[i], words[i + 1]
        begins = i == 0 or isinstance(words[i - 1], str) or len(times) == 0
        later = isinstance(time, int) and (not times or time > times[-1])
        after_slopes = not begins and later and isinstance(time, int) and abs(time) > 1_000_000
        if later and (begins or after_slopes) and isinstance(value, (int, float)):
            times.append(float(time))
            values.append(float(value))
    if not times:
        raise FormatError("a key list: expected time and value, got neither")
    return _ordered(
        np.array(times) / TICKS_PER_SECOND,
        np.array(values),
        np.full(len(times), _LINEAR),
        np.zeros((len(times), 2)),
    )
