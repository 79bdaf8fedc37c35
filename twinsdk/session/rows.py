"""Which canonical joint an avatar's joint takes its confidence from."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core.arrays import I32
from twinsdk.core.avatar import Avatar

__all__ = ["source_rows"]


def source_rows(avatar: Avatar, names: tuple[str, ...]) -> I32:
    """Return for every avatar joint the canonical joint whose confidence it shares (J,)."""
    rows: list[int] = []
    for j, joint in enumerate(avatar.skeleton.names):
        role: Any = avatar.humanoid.get(joint)
        above = int(avatar.skeleton.parents[j])
        rows.append(names.index(role) if role in names else (rows[above] if above >= 0 else 0))
    return np.asarray(rows, np.int32)
