"""The VRM 1.0 part of a written avatar: humanoid, meta, expressions, gaze, springs.

Source: vrm-c/vrm-specification, VRMC_vrm-1.0, VRMC_springBone-1.0, VRMC_node_constraint-1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.formats.build import Builder
from twinsdk.formats.extras import mapped_nodes, plain, refers
from twinsdk.formats.images import image_type
from twinsdk.formats.kept import extension_names
from twinsdk.formats.vrm import (
    EXPRESSION_PRESETS,
    META_DEFAULTS,
    META_LISTS,
    META_TEXT,
    VISEMES,
)

__all__ = ["add_vrm", "own_meta"]

_WRITTEN_ELSEWHERE = frozenset(
    {
        *META_DEFAULTS,
        *META_TEXT,
        *META_LISTS,
        "thumbnail",
        "expressions",
        "expression_rules",
        "spring_bones",
        "constraints",
        "look_at",
        "first_person",
    }
)
_MUST_BE_ONE_OF = {
    "avatarPermission": ("onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"),
    "commercialUsage": ("personalNonProfit", "personalProfit", "corporation"),
    "creditNotation": ("required", "unnecessary"),
    "modification": ("prohibited", "allowModification", "allowModificationRedistribution"),
}


def own_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `meta` has no field in VRM and goes to the file's extras."""
    own = {key: value for key, value in meta.items() if key not in _WRITTEN_ELSEWHERE}
    if isinstance(own.get("gltf"), Mapping):  # what is written as such is not written twice
        gltf = {k: v for k, v in own["gltf"].items() if k not in ("materials", "images", "nodes")}
        if isinstance(gltf.get("extensions"), Mapping):
            left = {k: v for k, v in gltf["extensions"].items() if refers(v)}
            gltf = {**gltf, "extensions": left} if left else _without(gltf, "extensions")
        own["gltf"] = gltf
    return own


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def add_vrm(document: dict[str, Any], avatar: Avatar, figure: int, builder: Builder) -> None:
    """Add the VRM extensions to a glTF document.

    Args:
        document: Its nodes are the joints in order.
        avatar: Whose humanoid, morphs and meta are written.
        figure: The node that carries the mesh.
        builder: Takes the thumbnail.
    """
    roles = avatar.roles()
    joint = avatar.skeleton.joint
    main: dict[str, Any] = {
        "specVersion": "1.0",
        "meta": _meta(avatar.meta, builder),
        "humanoid": {"humanBones": {role: {"node": joint(name)} for role, name in roles.items()}},
        "firstPerson": {
            "meshAnnotations": [{"node": figure, "type": avatar.meta.get("first_person", "auto")}]
        },
        "lookAt": _look_at(avatar, roles),
    }
    expressions = _expressions(avatar, figure)
    if expressions:
        main["expressions"] = expressions
    used = {"VRMC_vrm": main}

    def numbered(name: Any) -> Any:
        return joint(name) if isinstance(name, str) and avatar.skeleton.has(name) else name

    spring = avatar.meta.get("spring_bones")
    if isinstance(spring, Mapping):
        used["VRMC_springBone"] = mapped_nodes(spring, numbered)
    gltf = avatar.meta.get("gltf")
    kept = gltf if isinstance(gltf, Mapping) else {}
    for name, value in (kept.get("extensions") or {}).items():
        if not refers(value):
            used.setdefault(name, value)
    document["extensions"] = used
    names = list(used)
    for name, entry in (kept.get("nodes") or {}).items():
        if avatar.skeleton.has(name):
            document["nodes"][joint(name)].update(entry)
    constraints = avatar.meta.get("constraints")
    if isinstance(constraints, Mapping) and constraints:
        for name, constraint in constraints.items():
            if avatar.skeleton.has(name):
                node = document["nodes"][joint(name)]
                written = mapped_nodes(constraint, numbered)
                node["extensions"] = {
                    **node.get("extensions", {}),
                    "VRMC_node_constraint": written,
                }
    inner = extension_names(document["materials"]) | extension_names(document["nodes"])
    names += sorted(inner - set(names))
    document["extensionsUsed"] = names


def _meta(meta: Mapping[str, Any], builder: Builder) -> dict[str, Any]:
    out: dict[str, Any] = {"name": str(meta.get("name") or "avatar")}
    authors = meta.get("authors") or [meta.get("maker") or "unknown"]
    out["authors"] = [authors] if isinstance(authors, str) else [str(a) for a in authors]
    for key in META_TEXT:
        if key != "name" and meta.get(key):
            out[key] = str(meta[key])
    out.setdefault("version", "1.0")
    references = [str(r) for r in meta.get("references") or ()]
    if references:
        out["references"] = references
    for key, default in META_DEFAULTS.items():
        value = meta.get(key, default)
        allowed = _MUST_BE_ONE_OF.get(key)
        wrong = value not in allowed if allowed else not isinstance(value, type(default))
        out[key] = default if wrong else value
    picture = meta.get("thumbnail")
    if isinstance(picture, bytes) and image_type(picture):
        out["thumbnailImage"] = builder.image(picture)
    return out


def _look_at(avatar: Avatar, roles: Mapping[str, str]) -> dict[str, Any]:
    kept = avatar.meta.get("look_at")
    if isinstance(kept, Mapping):
        return dict(kept)
    eyes = {"leftEye", "rightEye"} <= set(roles)
    expressive = "eyeLookUpLeft" in avatar.morphs.names and not eyes
    # Degrees a gaze of `inputMaxValue` degrees turns the eyes, or the weight it gives.
    reach = {"inputMaxValue": 90.0, "outputScale": 1.0 if expressive else 10.0}
    return {
        "offsetFromHeadBone": _between_eyes(avatar, roles),
        "type": "expression" if expressive else "bone",
        "rangeMapHorizontalInner": dict(reach),
        "rangeMapHorizontalOuter": dict(reach),
        "rangeMapVerticalDown": dict(reach),
        "rangeMapVerticalUp": dict(reach),
    }


def _between_eyes(avatar: Avatar, roles: Mapping[str, str]) -> list[float]:
    """Return the middle of the eyes in the head's axes, metres."""
    if not {"leftEye", "rightEye"} <= set(roles):
        return [0.0, 0.06, 0.0]
    turns, places = avatar.skeleton.rest_world()
    head, *eyes = (avatar.skeleton.joint(roles[r]) for r in ("head", "leftEye", "rightEye"))
    away = places[eyes].mean(0) - places[head]
    return [round(float(x), 5) for x in quat.rotate(quat.conjugate(turns[head]), away)]


def _expressions(avatar: Avatar, figure: int) -> dict[str, Any]:
    morphs = {name: i for i, name in enumerate(avatar.morphs.names)}
    kept = avatar.meta.get("expressions")
    given: dict[str, Mapping[str, float]] = dict(kept) if isinstance(kept, Mapping) else {}
    for name, weights in EXPRESSION_PRESETS.items():
        if weights and all(morph in morphs for morph in weights):
            given.setdefault(name, weights)
    for name in EXPRESSION_NAMES:
        if name in morphs:
            given.setdefault(name, {name: 1.0})
    if all(morph in morphs for weights in VISEMES.values() for morph in weights):
        for name, weights in VISEMES.items():
            given.setdefault(name, weights)
    preset: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    kept_rules = avatar.meta.get("expression_rules")
    rules = kept_rules if isinstance(kept_rules, Mapping) else {}
    for name, weights in given.items():
        binds = [
            {"node": figure, "index": morphs[morph], "weight": min(max(float(weight), 0.0), 1.0)}
            for morph, weight in weights.items()
            if morph in morphs
        ]
        entry: dict[str, Any] = {
            "isBinary": False,
            "overrideBlink": "none",
            "overrideLookAt": "none",
            "overrideMouth": "none",
            **_numbered(rules.get(name, {}), avatar),
        }
        if binds:
            entry["morphTargetBinds"] = binds
        (preset if name in EXPRESSION_PRESETS else custom)[name] = entry
    groups = {"preset": preset, "custom": custom}
    return {key: value for key, value in groups.items() if value}


def _numbered(rule: Mapping[str, Any], avatar: Avatar) -> dict[str, Any]:
    """Return the rest of an expression with materials by number; binds to others are left out."""
    numbers = {material.name: i for i, material in enumerate(avatar.mesh.materials)}
    out: dict[str, Any] = plain(rule)
    for key in ("materialColorBinds", "textureTransformBinds"):
        if key in out:
            out[key] = [
                {**bind, "material": numbers[bind["material"]]}
                for bind in out[key]
                if bind.get("material") in numbers
            ]
    return out
