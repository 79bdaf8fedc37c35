"""Faces of VRM files in ARKit's 52: by name where they are there, from presets where not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Morphs
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.formats.mesh_read import BuiltMesh
from twinsdk.formats.vrm import Binding, Vrm

__all__ = ["arkit_name", "with_expressions"]

# A face that only knows presets still blinks and opens its mouth: ARKit name -> preset.
_FROM_PRESET: Mapping[str, str] = {
    "jawOpen": "aa",
    "mouthFunnel": "oh",
    "mouthPucker": "ou",
    "eyeBlinkLeft": "blinkLeft",
    "eyeBlinkRight": "blinkRight",
}


def _spellings() -> dict[str, str]:
    table = {}
    for name in EXPRESSION_NAMES:
        table[name.lower()] = name
        for side in ("Left", "Right"):
            if name.endswith(side):
                table[f"{name.removesuffix(side)}_{side[0]}".lower()] = name
                table[f"{name.removesuffix(side)}{side[0]}".lower()] = name
    return table


_SPELLINGS = _spellings()


def arkit_name(name: str) -> str | None:
    """Return the ARKit expression that `name` spells ("EyeBlink_L"), None for anything else."""
    return _SPELLINGS.get(name.rsplit(".", 1)[-1].lower())


def with_expressions(built: BuiltMesh, person: Vrm, notes: list[str]) -> Morphs:
    """Return the morphs, extended so that as many of the 52 as the face knows are among them.

    Args:
        built: The merged mesh with the file's own morph targets.
        person: Its expressions.
        notes: Gets a line for what was made from presets.
    """
    morphs = built.morphs
    names = _renamed(morphs.names)
    added: dict[str, F32] = {}
    offsets = morphs.offsets

    def sum_of(bindings: Iterable[Binding]) -> F32:
        total = np.zeros(offsets.shape[1:], np.float32)
        for bind in bindings:
            name = built.targets.get((bind.mesh, bind.target))
            if name in morphs.names:
                total += np.float32(bind.weight) * offsets[morphs.names.index(name)]
        return total

    for expression, bindings in person.expressions.items():
        spelled = arkit_name(expression)
        if spelled is not None and spelled not in names and spelled not in added and bindings:
            added[spelled] = sum_of(bindings)
    made = []
    for name, preset in _FROM_PRESET.items():
        bindings = person.expressions.get(preset, ())
        if name not in names and name not in added and bindings:
            added[name] = sum_of(bindings)
            made.append(f"{name} from {preset}")
    both = person.expressions.get("blink", ())
    for side, sign in (("Left", 1), ("Right", -1)):
        name = f"eyeBlink{side}"
        if both and name not in names and name not in added:
            # The person's left is +X: a blink of both eyes is cut at the middle.
            half = (sign * built.mesh.vertices[:, :1] > 0).astype(np.float32)
            added[name] = sum_of(both) * half
            made.append(f"{name} from half of blink")
    if made:
        notes.append(f"expressions made from presets: {', '.join(made)}")
    if not added:
        return Morphs(names=tuple(names), offsets=offsets)
    return Morphs(
        names=(*names, *added), offsets=np.concatenate([offsets, np.stack([*added.values()])])
    )


def _renamed(names: tuple[str, ...]) -> list[str]:
    fresh = list(names)
    for i, name in enumerate(names):
        spelled = arkit_name(name)
        if spelled is not None and spelled not in fresh:
            fresh[i] = spelled
    return fresh
