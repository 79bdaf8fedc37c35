"""AvatarSpec: everything that decides a generated avatar, as numbers a person can write down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from twinsdk.core.files import atomic_path, existing_file
from twinsdk.errors import AvatarError

__all__ = ["SPEC_VERSION", "STYLES", "AvatarSpec", "Colors"]

SPEC_VERSION = 1
STYLES = ("casual", "smart", "sporty", "skirt")
HAIR_STYLES = ("short", "bob", "long", "shaved")
_LICENCE_CHOICES: dict[str, tuple[str, ...]] = {
    "avatar_permission": ("onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"),
    "commercial_usage": ("personalNonProfit", "personalProfit", "corporation"),
    "credit_notation": ("required", "unnecessary"),
    "modification": ("prohibited", "allowModification", "allowModificationRedistribution"),
}
_RANGES: dict[str, tuple[float, float]] = {
    "height_m": (1.2, 2.2),
    "age_years": (12.0, 90.0),
    "gender": (0.0, 1.0),
    "muscle": (0.0, 1.0),
    "weight": (0.0, 1.0),
    "proportions": (0.0, 1.0),
    "african": (0.0, 1.0),
    "asian": (0.0, 1.0),
    "caucasian": (0.0, 1.0),
    "face_variety": (0.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Colors:
    """sRGB colours, "#rrggbb".

    Attributes:
        skin: The cheek's tone in even light.
        lips: None mixes them from the skin.
        hair: Hair, brows and lashes.
        eyes: The iris.
        top, bottom, shoes: Cloth.
    """

    skin: str = "#d9a384"
    lips: str | None = None
    hair: str = "#3b2a20"
    eyes: str = "#5b7f95"
    top: str = "#3f6f8f"
    bottom: str = "#39404d"
    shoes: str = "#e6e4df"

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None and entry.name == "lips":
                continue
            digits = value[1:] if isinstance(value, str) else ""
            good = isinstance(value, str) and value.startswith("#") and len(digits) == 6
            if not good or any(c not in "0123456789abcdefABCDEF" for c in digits):
                raise AvatarError(f"colors.{entry.name}: expected '#rrggbb', got {value!r}")


@dataclass(frozen=True, kw_only=True)
class AvatarSpec:
    """A person to generate; equal specs give equal avatars, byte for byte.

    Attributes:
        height_m: From the ground to the crown, shoes on, hair not counted.
        age_years: 25 is the young adult of the base, 90 the old one.
        gender: 0 feminine, 1 masculine.
        muscle, weight, proportions: 0.5 is average; proportions 1 is the sculptor's ideal.
        african, asian, caucasian: Relative shares of the base's three regional shapes.
        local: Shape slider of the base -> [-1, 1], e.g. {"nose/nose-hump-incr": 0.4}.
        face_variety: How far `seed` moves the face from the average one.
        seed: Decides the face variety and nothing else.
        style: The clothes, one of `STYLES`.
        hair: The cut: "short", "bob", "long" or "shaved".
        colors: See `Colors`.
        name, author: For the file's meta data.
        licence_url: The licence document; VRM's own by default.
        avatar_permission, commercial_usage, credit_notation, modification: VRM 1.0's choices.
        consent: Reference of the person's consent where the avatar is somebody's likeness.
        version: Of this format.

    Raises:
        AvatarError: A value is of the wrong kind or out of its range.
    """

    height_m: float = 1.72
    age_years: float = 27.0
    gender: float = 0.35
    muscle: float = 0.5
    weight: float = 0.45
    proportions: float = 0.75
    african: float = 1.0
    asian: float = 1.0
    caucasian: float = 1.0
    local: Mapping[str, float] = field(default_factory=dict)
    face_variety: float = 0.35
    seed: int = 2
    style: str = "casual"
    hair: str = "short"
    colors: Colors = field(default_factory=Colors)
    name: str = "twin"
    author: str = "twinsdk"
    licence_url: str = "https://vrm.dev/licenses/1.0/"
    avatar_permission: str = "everyone"
    commercial_usage: str = "corporation"
    credit_notation: str = "unnecessary"
    modification: str = "allowModificationRedistribution"
    consent: str | None = None
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        if self.version != SPEC_VERSION:
            raise AvatarError(f"version: expected {SPEC_VERSION}, got {self.version!r}")
        for name, (low, high) in _RANGES.items():
            object.__setattr__(self, name, _number(name, getattr(self, name), low, high))
        if self.african + self.asian + self.caucasian <= 0:
            raise AvatarError("african, asian, caucasian: expected one above 0, got none")
        if not isinstance(self.local, Mapping):
            raise AvatarError(f"local: expected slider -> number, got {self.local!r}")
        local = {str(k): _number(f"local.{k}", v, -1.0, 1.0) for k, v in sorted(self.local.items())}
        object.__setattr__(self, "local", local)
        if (
            isinstance(self.seed, bool)
            or not isinstance(self.seed, int)
            or not 0 <= self.seed < 2**32
        ):
            raise AvatarError(f"seed: expected an integer in [0, 2^32), got {self.seed!r}")
        if isinstance(self.colors, Mapping):
            object.__setattr__(self, "colors", _build(Colors, self.colors, "colors"))
        if not isinstance(self.colors, Colors):
            raise AvatarError(f"colors: expected a table of colours, got {self.colors!r}")
        _choice("style", self.style, STYLES)
        _choice("hair", self.hair, HAIR_STYLES)
        for name, choices in _LICENCE_CHOICES.items():
            _choice(name, getattr(self, name), choices)
        for name in ("name", "author", "licence_url"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise AvatarError(f"{name}: expected a text, got {getattr(self, name)!r}")
        if self.consent is not None and not isinstance(self.consent, str):
            raise AvatarError(f"consent: expected a text or nothing, got {self.consent!r}")

    def to_json(self) -> str:
        """Return the spec as JSON text, keys in a fixed order."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> AvatarSpec:
        """Return the spec a JSON text describes; what it leaves out takes the default.

        Raises:
            AvatarError: The text is no JSON object, a key is unknown or a value out of range.
        """
        try:
            table = json.loads(text)
        except json.JSONDecodeError as error:
            raise AvatarError(
                f"avatar spec: expected JSON, got an error in line {error.lineno}: {error.msg}"
            ) from error
        return _build(AvatarSpec, table, "avatar spec")

    def save(self, path: str | Path) -> None:
        """Write the spec as a JSON file.

        Raises:
            OutputError: It cannot be written.
        """
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> AvatarSpec:
        """Return the spec in a JSON file.

        Raises:
            FileMissingError, AvatarError: No such file, or it is no spec.
        """
        file = existing_file(path, what="avatar spec")
        try:
            return AvatarSpec.from_json(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise AvatarError(
                f"avatar spec: expected UTF-8 text, got other bytes: {file}"
            ) from error
        except AvatarError as error:
            raise AvatarError(f"{error}: {file}") from error

    def digest(self) -> str:
        """Return the SHA-256 of the JSON text, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _build(kind: Any, table: Any, what: str) -> Any:
    if not isinstance(table, Mapping):
        raise AvatarError(f"{what}: expected a JSON object, got {type(table).__name__}")
    known = {entry.name for entry in fields(kind)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise AvatarError(f"{what}: unknown {unknown}; there are {sorted(known)}")
    return kind(**table)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AvatarError(f"{name}: expected a number in [{low:g}, {high:g}], got {value!r}")
    return float(value)


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise AvatarError(f"{name}: expected one of {list(choices)}, got {value!r}")
