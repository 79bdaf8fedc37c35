"""Names: what a joint's name says about side and part of the body; evidence, never proof.

The same word means different joints to different makers (`LeftShoulder` is a collar bone to one and
an upper arm to another), so a name gives every part it may stand for, and geometry chooses.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["finger_of", "fit", "is_helper", "parts_of", "side_of", "words_of"]

_LEFT = {"left", "l", "lft", "lt", "izquierda", "izq", "links", "gauche", "hidari", "左"}
_RIGHT = {"right", "r", "rgt", "rt", "derecha", "der", "rechts", "droite", "migi", "右"}
_HELPERS = {
    "twist", "roll", "ik", "pole", "target", "ctrl", "control", "skirt", "hair", "tail", "breast",
    "bust", "boob", "ear", "weapon", "prop", "end", "leaf", "nub", "helper", "socket", "dummy",
    "corrective", "cape", "sleeve", "hat", "physics", "spring", "pocket", "belt", "effector",
    "site", "adjust",
    "bangs", "ribbon", "tie", "wing", "fur", "brow", "lid", "cheek", "lip", "tongue", "teeth",
}  # fmt: skip
# part -> words that may stand for it, joined lower case; several parts may share a word
_WORDS: dict[str, tuple[str, ...]] = {
    "hips": ("hips", "hip", "pelvis", "cog", "waist", "センター", "下半身", "腰"),
    "spine": ("spine", "abdomen", "ab", "torso", "lowerback", "back", "stomach", "belly", "上半身"),
    "chest": ("chest", "upperchest", "ribcage", "ribs", "thorax", "spine", "torso", "上半身2"),
    "neck": ("neck", "首"),
    "head": ("head", "skull", "頭"),
    "jaw": ("jaw", "chin", "mandible", "顎", "あご"),
    "eye": ("eye", "eyeball", "目"),
    "shoulder": ("shoulder", "clavicle", "collar", "collarbone", "scapula", "clav", "肩"),
    "upperArm": (
        "upperarm", "uparm", "arm", "shldr", "shoulder", "humerus", "bicep", "armupper", "腕",
    ),
    "lowerArm": (
        "lowerarm", "loarm", "forearm", "elbow", "armlower", "radius", "ulna", "ひじ",
    ),
    "hand": ("hand", "wrist", "palm", "手首"),
    "upperLeg": (
        "upperleg", "upleg", "thigh", "leg", "hip", "femur", "legupper", "足",
    ),
    "lowerLeg": (
        "lowerleg", "loleg", "leg", "shin", "calf", "knee", "tibia", "leglower", "ひざ",
    ),
    "foot": ("foot", "ankle", "足首"),
    "toes": ("toes", "toe", "toebase", "ball", "つま先"),
}  # fmt: skip
_FINGER_WORDS: dict[str, tuple[str, ...]] = {
    "Thumb": ("thumb", "親指"),
    "Index": ("index", "pointer", "人指", "人差指"),
    "Middle": ("middle", "mid", "中指"),
    "Ring": ("ring", "薬指"),
    "Little": ("little", "pinky", "pinkie", "小指"),
}


@lru_cache(maxsize=8192)
def words_of(name: str) -> tuple[str, ...]:
    """Return the lower-case words of a joint name, its namespace cut off."""
    bare = re.split(r"[:|/]", name)[-1]
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", bare)
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", spaced)
    spaced = re.sub(r"([左右])", r" \1 ", spaced)
    return tuple(word for word in re.split(r"[\W_]+", spaced.lower()) if word)


@lru_cache(maxsize=8192)
def side_of(name: str) -> str | None:
    """Return "left" or "right" where the name says so, else None."""
    words = words_of(name)
    for word in (*words[:2], *reversed(words)):
        if word in _LEFT:
            return "left"
        if word in _RIGHT:
            return "right"
    joined = "".join(words)
    for side in ("left", "right"):
        if joined.startswith(side) or joined.endswith(side):
            return side
    # lShldr, rThigh split into words above; lshldr and rthigh do not.
    match = re.match(r"^([lr])(shldr|thigh|shin|foot|hand|fore|collar|butt|arm|leg|up|lo)", joined)
    return None if match is None else {"l": "left", "r": "right"}[match.group(1)]


@lru_cache(maxsize=8192)
def parts_of(name: str) -> frozenset[str]:
    """Return the parts of the body that the name may stand for."""
    sides = _LEFT | _RIGHT
    words = [w for w in words_of(name) if w not in sides and not w.isdigit()]
    joined = "".join(words)
    for side in ("left", "right"):
        joined = joined.removeprefix(side).removesuffix(side)
    found = set()
    for part, aliases in _WORDS.items():
        for alias in aliases:
            if (
                alias == joined
                or alias in words
                or "".join(words[-2:]) == alias
                or (len(alias) > 4 and alias in joined)
            ):
                found.add(part)
    if found & {"lowerArm", "lowerLeg"} and joined not in ("leg", "arm"):
        # "forearm" contains "arm", "lowerleg" contains "leg": the longer word is meant.
        long = {"forearm", "lowerarm", "loarm", "lowerleg", "loleg", "armlower", "leglower"}
        if any(word in joined for word in long):
            found -= {"upperArm", "upperLeg"}
    if "upleg" in joined or "upperleg" in joined:
        found -= {"lowerLeg"}
    if _finger(words, joined):
        found -= {"hand", "upperArm"}
    return frozenset(found)


@lru_cache(maxsize=8192)
def fit(name: str, part: str) -> float:
    """Return how well a name fits a part: 1 where it is all of the name, 0.5 for a part of it."""
    if part not in parts_of(name):
        return 0.0
    sides = _LEFT | _RIGHT
    joined = "".join(w for w in words_of(name) if w not in sides and not w.isdigit())
    return 1.0 if joined in _WORDS[part] else 0.5


@lru_cache(maxsize=8192)
def finger_of(name: str) -> str | None:
    """Return "Thumb" ... "Little" where the name says so, else None."""
    words = words_of(name)
    return _finger(list(words), "".join(words))


@lru_cache(maxsize=8192)
def is_helper(name: str) -> bool:
    """Return whether the name is that of a helper: twist, IK target, hair, skirt, end marker."""
    return bool(_HELPERS & set(words_of(name)))


def _finger(words: list[str], joined: str) -> str | None:
    for finger, aliases in _FINGER_WORDS.items():
        for alias in aliases:
            if alias in words or (len(alias) > 3 and alias in joined and "finger" not in alias):
                # "ring" hides in "string", "mid" in "midriff": short words must stand alone
                return finger
    return None
