"""Palms, forearm twist and fingers.

Right hands are mirrored into left ones, solved in one stack and mirrored back. A palm's frame comes
from the wrist and the knuckles; what it turns about the forearm is shared half and half between
lowerArm and hand. Fingers: the first joint swings without twist, the next two are hinges; a thumb
swings at each of its joints. Angles outside a hand's range are cut to it.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.motion.fitting.points import HAND, REST
from twinsdk.motion.vectors import (
    arc_angle_vector,
    columns,
    cross,
    dot,
    rotation_of,
    smoothstep,
    unit,
)

__all__ = [
    "CHAINS",
    "FINGERS",
    "HIGH",
    "LOW",
    "PALM_NUMBERS",
    "REST_PALMS",
    "STRAIGHT",
    "choose_palms",
    "palm_rotations",
    "relaxed_fingers",
    "share_twist",
    "solve_fingers",
    "twist_about_x",
]

FINGERS: tuple[str, ...] = ("Thumb", "Index", "Middle", "Ring", "Little")
_TWIST_SHARE = 0.5
# A forearm turns about 90 degrees each way from the T-pose's palm down; more is noise.
_TWIST_LIMIT = 1.85
_SMALL_HAND_TRUST = 0.8
_AGREEMENT = (-0.5, 0.2)  # cosines of the turn between a hand's own palm and the body's
_LARGE_PX = (30.0, 80.0)  # palms that are small and large on the image
_POSSIBLE = (1.85, 2.45)  # radians: what a palm can be twisted against its forearm, and cannot
PALM_NUMBERS = (_TWIST_SHARE, _TWIST_LIMIT, _SMALL_HAND_TRUST, *_AGREEMENT, *_LARGE_PX, *_POSSIBLE)
"""Those numbers, as the compiled kernel takes them."""

_WRIST = REST["leftHand"]
_INDEX = REST["leftIndexProximal"] - _WRIST
_MIDDLE = REST["leftMiddleProximal"] - _WRIST
_LITTLE = REST["leftLittleProximal"] - _WRIST
_MIRROR = np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])

CHAINS = np.array(
    [
        [HAND[f"{finger}{joint}"] for joint in joints]
        for finger, joints in (
            ("thumb", ("Cmc", "Mcp", "Ip", "Tip")),
            ("index", ("Mcp", "Pip", "Dip", "Tip")),
            ("middle", ("Mcp", "Pip", "Dip", "Tip")),
            ("ring", ("Mcp", "Pip", "Dip", "Tip")),
            ("little", ("Mcp", "Pip", "Dip", "Tip")),
        )
    ]
)

_THUMB = unit(REST["leftThumbProximal"] - REST["leftThumbMetacarpal"])
STRAIGHT = np.stack([_THUMB, *([np.array([1.0, 0.0, 0.0])] * 4)])  # (5, 3) rest directions

# Rotation vectors, radians, left hand: curling turns about -Z, spreading about Y. Index 0 is the
# thumb, which is given a box about its own rest direction.
_THUMB_BOX = np.array([[0.8, 0.8, 0.8], [0.6, 0.9, 0.6], [0.6, 1.2, 0.6]])
LOW = np.zeros((3, 5, 3))
HIGH = np.zeros((3, 5, 3))
LOW[:, 0], HIGH[:, 0] = -_THUMB_BOX, _THUMB_BOX
LOW[0, 1:], HIGH[0, 1:] = (0.0, -0.4, -1.75), (0.0, 0.4, 0.5)
LOW[1, 1:], HIGH[1, 1:] = (0.0, 0.0, -1.95), (0.0, 0.0, 0.1)
LOW[2, 1:], HIGH[2, 1:] = (0.0, 0.0, -1.4), (0.0, 0.0, 0.2)

# A hand that hangs at rest, radians about -Z: first, second and third joint.
_RELAXED = {
    "Index": (0.25, 0.40, 0.20),
    "Middle": (0.32, 0.48, 0.25),
    "Ring": (0.38, 0.52, 0.27),
    "Little": (0.42, 0.52, 0.27),
}
_RELAXED_THUMB = ((0.25, -0.10, -0.15), (0.0, -0.15, 0.0), (0.0, -0.25, 0.0))


def palm_frame(along: Array, across: Array) -> Array:
    """Return the frames (..., 3, 3) with X along the palm and Z across it, thumb side."""
    x = unit(along)
    y = unit(cross(across, x))
    return columns(x, y, cross(x, y))


# Of a palm told by the body's points, and by a hand's own.
REST_PALMS = (
    palm_frame((_INDEX + _LITTLE) / 2, _INDEX - _LITTLE).T,
    palm_frame(_MIDDLE, _INDEX - _LITTLE).T,
)


def palm_rotations(wrist: Array, index: Array, little: Array, middle: Array | None) -> Array:
    """Return the world rotations (2, 3, 3) of both hands, left then right.

    Args:
        wrist: (2, 3) metres.
        index: (2, 3) metres, the index finger's knuckle.
        little: (2, 3) metres, the little finger's knuckle.
        middle: (2, 3) the middle knuckle; None where only the body tracker saw the hand.
    """
    across = (index - little) * _MIRROR
    if middle is None:
        along, rest = (index + little) / 2 - wrist, REST_PALMS[0]
    else:
        along, rest = middle - wrist, REST_PALMS[1]
    mirrored = palm_frame(along * _MIRROR, across) @ rest
    return _mirrored_back(mirrored)


def choose_palms(forearms: Array, body: Array, hands: Array, size_px: Array) -> tuple[Array, Array]:
    """Return the palms (2, 3, 3) to be shown and how far each hand's own points are to be believed.

    A hand of few pixels is often turned over by its tracker; the body tracker's palm is coarse but
    keeps its side. So a small hand does not count against the body's palm, and none counts beyond
    what a forearm can twist.

    Args:
        forearms: (2, 3, 3) world rotations, untwisted.
        body: (2, 3, 3) palms from the body's points.
        hands: (2, 3, 3) palms from the hands' own points.
        size_px: (2,) length of each palm on the image; 0 for a hand without points of its own.
    """
    large = smoothstep(size_px, *_LARGE_PX)
    # trace = 1 + 2 cos(angle between)
    together = ((body * hands).sum((-1, -2)) - 1) / 2
    agree = smoothstep(together, *_AGREEMENT) * (size_px > 0)
    possible = 1 - smoothstep(np.abs(twist_about_x(forearms, hands)), *_POSSIBLE)
    trust = (large + (1 - large) * _SMALL_HAND_TRUST * agree) * possible
    share = trust[:, None, None]
    mixed = body + share * (hands - body)
    x = unit(mixed[:, :, 0])
    y = mixed[:, :, 1]
    y = unit(y - dot(x, y)[:, None] * x)
    return columns(x, y, cross(x, y)), trust


def twist_about_x(forearms: Array, palms: Array) -> Array:
    """Return how far each palm (2, 3, 3) is turned about its forearm, (2,) radians in (-pi, pi]."""
    relative = np.swapaxes(forearms, -1, -2) @ palms
    # The twist is that of the quaternion's x and w alone.
    trace = relative[:, 0, 0] + relative[:, 1, 1] + relative[:, 2, 2]
    twist: Array = 2 * np.arctan2(relative[:, 2, 1] - relative[:, 1, 2], 1 + trace)
    return twist


def share_twist(forearms: Array, palms: Array) -> Array:
    """Return the forearms (2, 3, 3) turned by their share of the palms' twist.

    Args:
        forearms: (2, 3, 3) world rotations, untwisted.
        palms: (2, 3, 3) world rotations of the hands.
    """
    twist = twist_about_x(forearms, palms)
    # Beyond the limit the share falls back to 0 at a half turn, where it would change sign.
    size = np.abs(twist)
    size = np.minimum(size, (np.pi - size) * (_TWIST_LIMIT / (np.pi - _TWIST_LIMIT)))
    vector = np.zeros((2, 3))
    vector[:, 0] = _TWIST_SHARE * np.copysign(size, twist)
    return forearms @ rotation_of(vector)


def solve_fingers(points: Array, palms: Array) -> Array:
    """Return the rotation vectors (2, 3, 5, 3) of finger joints: hand, joint from the palm, finger.

    They are of a left hand: a right hand's are mirrored, (x, -y, -z).

    Args:
        points: (2, 21, 3) metres, the left and the right hand.
        palms: (2, 3, 3) world rotations of the hands.
    """
    local = (points @ palms) * _MIRROR[:, None, :]
    chains = local[:, CHAINS]
    bones = unit(chains[:, :, 1:] - chains[:, :, :-1])  # (2, 5, 3 bones, 3)
    vectors = np.zeros((2, 3, 5, 3))
    frame = np.broadcast_to(np.eye(3), (2, 5, 3, 3))
    for k in range(3):
        seen = (bones[:, :, k, None, :] @ frame)[:, :, 0]
        swing = arc_angle_vector(STRAIGHT, seen)
        vectors[:, k] = np.minimum(np.maximum(swing, LOW[k]), HIGH[k])
        if k < 2:
            frame = frame @ rotation_of(vectors[:, k])
    vectors[1, ..., 1:] *= -1
    return vectors


def relaxed_fingers() -> Array:
    """Return the rotation vectors (2, 3, 5, 3) of both hands hanging at rest, slightly curled."""
    vectors = np.zeros((2, 3, 5, 3))
    vectors[:, :, 0] = _RELAXED_THUMB
    for i, finger in enumerate(FINGERS[1:], start=1):
        vectors[:, :, i, 2] = -np.array(_RELAXED[finger])
    vectors[1, ..., 1:] *= -1
    return vectors


def _mirrored_back(frames: Array) -> Array:
    # A mirror M = diag(-1, 1, 1) turns a rotation R into M R M.
    out = frames.copy()
    out[1, 0, 1:] *= -1
    out[1, 1:, 0] *= -1
    return out
