"""Mapping: which joint of a skeleton is which joint of a humanoid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError

__all__ = ["HumanoidMap", "humanoid_map"]


@dataclass(frozen=True, kw_only=True)
class HumanoidMap:
    """What the joints of a skeleton are.

    Attributes:
        roles: Canonical joint -> this skeleton's joint name.
        confidence: Canonical joint -> how sure that is, in [0, 1].
    """

    roles: Mapping[str, str]
    confidence: Mapping[str, float]


def humanoid_map(skeleton: Skeleton) -> HumanoidMap:
    """Return which joints of a skeleton are which of a humanoid.

    Raises:
        NotHumanoidError: A required joint is not found; the error says which.
    """
    roles = {name: name for name in HUMANOID_NAMES if skeleton.has(name)}
    missing = [name for name in REQUIRED_JOINTS if name not in roles]
    if missing:
        raise NotHumanoidError(f"skeleton: expected a humanoid, found no {', '.join(missing)}")
    return HumanoidMap(roles=roles, confidence=dict.fromkeys(roles, 1.0))
