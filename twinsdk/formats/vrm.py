"""VRM: which nodes are a person's joints, how faces are called, and who may do what with the model.

Reads VRM 0.x and 1.0 into one form, that of 1.0; the original is kept for the way back.
Source: vrm-c/vrm-specification, VRMC_vrm-1.0 and 0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.errors import FormatError
from twinsdk.formats.glb import Document, whole

__all__ = ["EXPRESSION_PRESETS", "META_DEFAULTS", "VISEMES", "Binding", "Vrm", "read"]

LICENSE_URL = "https://vrm.dev/licenses/1.0/"
# A new file permits nothing beyond what VRM's licence does by itself.
META_DEFAULTS: Mapping[str, Any] = {
    "licenseUrl": LICENSE_URL,
    "avatarPermission": "onlyAuthor",
    "allowExcessivelyViolentUsage": False,
    "allowExcessivelySexualUsage": False,
    "commercialUsage": "personalNonProfit",
    "allowPoliticalOrReligiousUsage": False,
    "allowAntisocialOrHateUsage": False,
    "creditNotation": "required",
    "allowRedistribution": False,
    "modification": "prohibited",
}
META_TEXT = (
    "name",
    "version",
    "copyrightInformation",
    "contactInformation",
    "thirdPartyLicenses",
    "otherLicenseUrl",
)
META_LISTS = ("authors", "references")

_UNPAIRED = (
    *("jawOpen", "tongueOut", "mouthFunnel", "mouthPucker"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugUpper"),
)
# What each preset is made of, in ARKit's 52.
EXPRESSION_PRESETS: Mapping[str, Mapping[str, float]] = {
    "aa": {"jawOpen": 0.7},
    "ih": {"jawOpen": 0.25, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5},
    "ou": {"mouthPucker": 0.8, "jawOpen": 0.15},
    "ee": {"jawOpen": 0.3, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4},
    "oh": {"mouthFunnel": 0.7, "jawOpen": 0.4},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "happy": {
        "mouthSmileLeft": 0.9,
        "mouthSmileRight": 0.9,
        "cheekSquintLeft": 0.5,
        "cheekSquintRight": 0.5,
    },
    "angry": {
        "browDownLeft": 1.0,
        "browDownRight": 1.0,
        "noseSneerLeft": 0.5,
        "noseSneerRight": 0.5,
    },
    "sad": {
        "browInnerUp": 0.9,
        "mouthFrownLeft": 0.8,
        "mouthFrownRight": 0.8,
    },
    "relaxed": {
        "mouthSmileLeft": 0.4,
        "mouthSmileRight": 0.4,
        "eyeSquintLeft": 0.3,
        "eyeSquintRight": 0.3,
    },
    "surprised": {"eyeWideLeft": 1.0, "eyeWideRight": 1.0, "jawOpen": 0.4, "browInnerUp": 0.7},
    "lookUp": {"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0},
    "lookDown": {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    "neutral": {},
}

# The 15 mouth shapes of speech under Oculus' names, as lip-sync programs send them.
VISEMES: Mapping[str, Mapping[str, float]] = {
    f"viseme_{name}": {
        side_name: weight
        for morph, weight in mix.items()
        for side_name in ((morph,) if morph in _UNPAIRED else (f"{morph}Left", f"{morph}Right"))
    }
    for name, mix in {
        "sil": {},
        "PP": {"mouthPress": 0.5, "mouthRollLower": 0.5, "mouthRollUpper": 0.35},
        "FF": {"mouthRollLower": 0.7, "mouthUpperUp": 0.4, "jawOpen": 0.05},
        "TH": {"jawOpen": 0.18, "tongueOut": 0.35, "mouthUpperUp": 0.15},
        "DD": {"jawOpen": 0.15, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15},
        "kk": {"jawOpen": 0.22, "mouthLowerDown": 0.2, "mouthStretch": 0.15},
        "CH": {"jawOpen": 0.1, "mouthFunnel": 0.55, "mouthPucker": 0.2},
        "SS": {"jawOpen": 0.05, "mouthStretch": 0.35, "mouthLowerDown": 0.25},
        "nn": {"jawOpen": 0.16, "mouthLowerDown": 0.2, "mouthShrugUpper": 0.1},
        "RR": {"jawOpen": 0.15, "mouthPucker": 0.4, "mouthFunnel": 0.2},
        "aa": {"jawOpen": 0.7},
        "E": {"jawOpen": 0.35, "mouthSmile": 0.25, "mouthStretch": 0.2},
        "ih": {"jawOpen": 0.25, "mouthStretch": 0.4, "mouthSmile": 0.15},
        "oh": {"jawOpen": 0.45, "mouthFunnel": 0.6},
        "ou": {"jawOpen": 0.15, "mouthPucker": 0.8},
    }.items()
}

_ROLE_OF_0 = {
    f"{side}Thumb{old}": f"{side}Thumb{new}"
    for side in ("left", "right")
    for old, new in (("Proximal", "Metacarpal"), ("Intermediate", "Proximal"))
}
_PRESET_OF_0 = {
    "a": "aa",
    "i": "ih",
    "u": "ou",
    "e": "ee",
    "o": "oh",
    "joy": "happy",
    "angry": "angry",
    "sorrow": "sad",
    "fun": "relaxed",
    "blink": "blink",
    "blink_l": "blinkLeft",
    "blink_r": "blinkRight",
    "lookup": "lookUp",
    "lookdown": "lookDown",
    "lookleft": "lookLeft",
    "lookright": "lookRight",
    "neutral": "neutral",
}
_USER_OF_0 = {
    "OnlyAuthor": "onlyAuthor",
    "ExplicitlyLicensedPerson": "onlySeparatelyLicensedPerson",
    "Everyone": "everyone",
}


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One morph target's part in an expression."""

    mesh: int
    target: int
    weight: float


@dataclass(frozen=True, kw_only=True)
class Vrm:
    """What a file says beyond glTF.

    Attributes:
        version: 0 or 1.
        humanoid: Node index -> VRM 1.0 humanoid name.
        expressions: Name (VRM 1.0 preset or custom) -> morph bindings.
        rules: Name -> what else an expression says: binary, overrides, material binds.
        meta: VRM 1.0 meta fields, as text, flags and lists.
        thumbnail: Image index, or None.
        raw: The extension object itself.
    """

    version: int
    humanoid: Mapping[int, str]
    expressions: Mapping[str, tuple[Binding, ...]]
    rules: Mapping[str, Mapping[str, Any]]
    meta: Mapping[str, Any]
    thumbnail: int | None
    raw: Mapping[str, Any] = field(repr=False)


def read(document: Document) -> Vrm | None:
    """Return the VRM part of a document, None where it has none.

    Raises:
        FormatError: It is malformed.
    """
    one, zero = document.extension("VRMC_vrm"), document.extension("VRM")
    if one is not None:
        return _read_1(document, one)
    return None if zero is None else _read_0(document, zero)


def _read_1(document: Document, raw: dict[str, Any]) -> Vrm:
    nodes = document.items("nodes")
    bones = raw["humanoid"]["humanBones"]
    humanoid: dict[int, str] = {}
    for role, bone in bones.items():
        node = whole(bone.get("node"), len(nodes), f"humanBones: {role}")
        if role in HUMANOID_NAMES:
            humanoid[node] = role
    expressions: dict[str, tuple[Binding, ...]] = {}
    rules: dict[str, Mapping[str, Any]] = {}
    groups = raw.get("expressions", {})
    for kind in ("preset", "custom"):
        for name, expression in groups.get(kind, {}).items():
            binds = []
            for bind in expression.get("morphTargetBinds", []):
                holder = document.item("nodes", bind.get("node"), f"expression {name}")
                if "mesh" in holder:
                    weight = float(bind.get("weight", 1.0))
                    mesh = holder["mesh"]
                    binds.append(_binding(document, mesh, bind.get("index"), weight, name))
            expressions[str(name)] = tuple(binds)
            rules[str(name)] = {k: v for k, v in expression.items() if k != "morphTargetBinds"}
    meta = {key: value for key, value in raw.get("meta", {}).items() if key != "thumbnailImage"}
    return Vrm(
        version=1,
        humanoid=humanoid,
        expressions=expressions,
        rules=rules,
        meta=meta,
        thumbnail=raw.get("meta", {}).get("thumbnailImage"),
        raw=raw,
    )


def _read_0(document: Document, raw: dict[str, Any]) -> Vrm:
    nodes = document.items("nodes")
    humanoid: dict[int, str] = {}
    for bone in raw["humanoid"]["humanBones"]:
        role = _ROLE_OF_0.get(bone["bone"], bone["bone"])
        if bone.get("node") == -1:  # how UniVRM 0 says "none"
            continue
        node = whole(bone.get("node"), len(nodes), f"humanBones: {role}")
        if role in HUMANOID_NAMES:
            humanoid[node] = role
    expressions: dict[str, tuple[Binding, ...]] = {}
    rules: dict[str, Mapping[str, Any]] = {}
    for group in raw.get("blendShapeMaster", {}).get("blendShapeGroups", []):
        preset = str(group.get("presetName", "unknown")).lower()
        name = _PRESET_OF_0.get(preset, str(group.get("name", "")))
        if not name:
            continue
        expressions[name] = tuple(
            _binding(document, bind["mesh"], bind["index"], float(bind["weight"]) / 100, name)
            for bind in group.get("binds", [])
            if bind.get("mesh", -1) != -1
        )
        rules[name] = {"isBinary": bool(group.get("isBinary", False))}
    old = raw.get("meta", {})
    textures = document.items("textures")
    picture = old.get("texture")
    pictured = isinstance(picture, int) and 0 <= picture < len(textures)
    return Vrm(
        version=0,
        humanoid=humanoid,
        expressions=expressions,
        rules=rules,
        meta=_meta_of_0(old),
        thumbnail=textures[picture].get("source") if pictured else None,
        raw=raw,
    )


def _binding(document: Document, mesh: object, target: object, weight: float, name: str) -> Binding:
    where = f"expression {name}"
    index = whole(mesh, len(document.items("meshes")), f"{where}: meshes")
    primitives = document.items("meshes")[index].get("primitives", [])
    targets = max((len(p.get("targets", [])) for p in primitives), default=0)
    if not -10 <= weight <= 10:
        raise FormatError(f"{where}: expected a weight in [0, 1], got {weight:g}")
    return Binding(mesh=index, target=whole(target, targets, f"{where}: targets"), weight=weight)


def _meta_of_0(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return VRM 0 meta in the words of 1.0, never more permissive than the original."""

    def allowed(key: str) -> bool:
        return str(old.get(key, "Disallow")) == "Allow"

    licence = str(old.get("licenseName", "Redistribution_Prohibited"))
    free = licence.startswith(("CC0", "CC_BY")) and "ND" not in licence
    redistribute = licence.startswith(("CC0", "CC_BY"))
    commercial = allowed("commercialUssageName")
    meta = {
        "name": str(old.get("title", "") or "untitled"),
        "version": str(old.get("version", "")),
        "authors": [str(old.get("author", "") or "unknown")],
        "contactInformation": str(old.get("contactInformation", "")),
        "references": [str(old["reference"])] if old.get("reference") else [],
        "licenseUrl": LICENSE_URL,
        "avatarPermission": _USER_OF_0.get(str(old.get("allowedUserName")), "onlyAuthor"),
        "allowExcessivelyViolentUsage": allowed("violentUssageName"),
        "allowExcessivelySexualUsage": allowed("sexualUssageName"),
        "commercialUsage": "corporation" if commercial else "personalNonProfit",
        "allowRedistribution": redistribute,
        "modification": "allowModificationRedistribution" if free else "prohibited",
        "creditNotation": "unnecessary" if licence == "CC0" else "required",
        "otherLicenseUrl": str(old.get("otherLicenseUrl", "")),
    }
    return {key: value for key, value in meta.items() if value not in ("", [])}
