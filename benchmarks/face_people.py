"""The people whose faces are learnt from, and the channels that move together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinsdk.core.expressions import EXPRESSION_NAMES

if TYPE_CHECKING:
    from twinsdk.avatar import AvatarSpec

PAIRS = (
    *("eyeBlink", "eyeSquint", "eyeWide", "mouthSmile", "mouthFrown", "mouthDimple"),
    *("mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "browDown"),
    *("browOuterUp", "cheekSquint", "noseSneer"),
)
SINGLES = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("jawLeft", "jawRight", "jawForward", "browInnerUp", "cheekPuff", "mouthRollLower"),
    *("mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
)
GROUPS = (*((name,) for name in SINGLES), *((f"{p}Left", f"{p}Right") for p in PAIRS))
GAZES = (
    ("eyeLookUpLeft", "eyeLookUpRight"),
    ("eyeLookDownLeft", "eyeLookDownRight"),
    ("eyeLookOutLeft", "eyeLookInRight"),
    ("eyeLookInLeft", "eyeLookOutRight"),
)
INDEX = {name: i for i, name in enumerate(EXPRESSION_NAMES)}


def someone(person: int) -> AvatarSpec:
    """A person unlike the others: shape, skin, hair and eyes follow from the number."""
    from twinsdk.avatar import AvatarSpec
    from twinsdk.avatar.spec import Colors

    rng = np.random.default_rng(100 + person)
    shares = rng.dirichlet((0.6, 0.6, 0.6))
    skins = ("#f2d3bf", "#d9a384", "#b98058", "#8d5a3b", "#5c3a26", "#e5b897")
    return AvatarSpec(
        seed=person + 100,
        face_variety=0.8,
        gender=float(rng.random()),
        age_years=float(rng.uniform(16, 75)),
        weight=float(rng.uniform(0.2, 0.8)),
        african=float(shares[0]),
        asian=float(shares[1]),
        caucasian=float(shares[2]),
        hair=("short", "bob", "long", "shaved")[person % 4],
        colors=Colors(skin=skins[person % 6], eyes=("#5b7f95", "#4a3020", "#6b5a30")[person % 3]),
    )
