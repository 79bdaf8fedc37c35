"""The 52 face weights: ARKit's names in ARKit's order, each in [0, 1].

Left and right are the person's own. Source: Apple, ARFaceAnchor.BlendShapeLocation.
"""

from __future__ import annotations

from twinsdk.errors import ExpressionNameError

__all__ = ["EXPRESSION_COUNT", "EXPRESSION_NAMES", "expression"]

EXPRESSION_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
EXPRESSION_COUNT = len(EXPRESSION_NAMES)
_INDEX = {name: index for index, name in enumerate(EXPRESSION_NAMES)}


def expression(name: str) -> int:
    """Return the index of an expression.

    Raises:
        ExpressionNameError: No such name; the error lists those there are.
    """
    try:
        return _INDEX[name]
    except KeyError:
        known = ", ".join(EXPRESSION_NAMES)
        raise ExpressionNameError(f"no expression {name!r}; there are {known}") from None
