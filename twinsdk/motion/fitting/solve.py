"""Landmarks to joint rotations, closed form, without state."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import atan2, cos, pi, sin, sqrt
from typing import Any

import numpy as np

from twinsdk.core import kernel, quat
from twinsdk.core.arrays import F32, Array
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.turning import turned, turns_between
from twinsdk.errors import LandmarkError
from twinsdk.motion.fitting.hands import (
    CHAINS,
    FINGERS,
    HIGH,
    LOW,
    PALM_NUMBERS,
    REST_PALMS,
    STRAIGHT,
    choose_palms,
    palm_rotations,
    share_twist,
    solve_fingers,
)
from twinsdk.motion.fitting.head import NECK_SHARE, face_rotation, gaze_vectors, head_rotation
from twinsdk.motion.fitting.limbs import solve_feet, solve_limbs
from twinsdk.motion.fitting.points import BODY, HAND, HEAD_POINTS, JOINT, PARENTS, joints
from twinsdk.motion.fitting.torso import solve_torso
from twinsdk.motion.vectors import matrix_of, quaternion_of, quaternion_of_vector, unit

__all__ = ["Palms", "complete", "fit_landmarks", "points_of", "solve"]

_SHOULDERS = np.array([BODY["leftShoulder"], BODY["rightShoulder"]])
_HIPS = np.array([BODY["leftHip"], BODY["rightHip"]])
_WRISTS = np.array([BODY["leftWrist"], BODY["rightWrist"]])
_INDEXES = np.array([BODY["leftIndex"], BODY["rightIndex"]])
_PINKIES = np.array([BODY["leftPinky"], BODY["rightPinky"]])
_HEELS = np.array([BODY["leftHeel"], BODY["rightHeel"]])
_TOES = np.array([BODY["leftFootIndex"], BODY["rightFootIndex"]])
_ROOTS = np.array(
    [BODY[f"{side}{part}"] for part in ("Shoulder", "Hip") for side in ("left", "right")]
)
_HINGES = np.array(
    [BODY[f"{side}{part}"] for part in ("Elbow", "Knee") for side in ("left", "right")]
)
_ENDS = np.array(
    [BODY[f"{side}{part}"] for part in ("Wrist", "Ankle") for side in ("left", "right")]
)

_COLLARS = joints("leftShoulder", "rightShoulder")
_UPPER = joints("leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg")
_LOWER = joints("leftLowerArm", "rightLowerArm", "leftLowerLeg", "rightLowerLeg")
_FEET = joints("leftFoot", "rightFoot")
_TOE_JOINTS = joints("leftToes", "rightToes")
_HANDS = joints("leftHand", "rightHand")
_EYES = joints("leftEye", "rightEye")
_PALM = ("wrist", "indexMcp", "littleMcp", "middleMcp")
_FINGER_JOINTS = np.array(
    [
        [
            [JOINT[f"{side}{finger}{part}"] for finger, part in zip(FINGERS, parts, strict=True)]
            for parts in (
                ("Metacarpal", "Proximal", "Proximal", "Proximal", "Proximal"),
                ("Proximal", "Intermediate", "Intermediate", "Intermediate", "Intermediate"),
                ("Distal", "Distal", "Distal", "Distal", "Distal"),
            )
        ]
        for side in ("left", "right")
    ]
)
_COUNT = len(JOINT)
_NECK_LIMIT = 1.5  # radians that head and neck turn together against the chest, about any axis
_DOWN_TO_HANDS = np.array([j for j in range(_COUNT) if j not in set(_FINGER_JOINTS.ravel())])


@dataclass(frozen=True, kw_only=True, eq=False)
class Palms:
    """How the palms may be taken.

    Attributes:
        shown: (2,) whether each hand's palm may turn the forearm.
        size_px: (2,) length of each palm on the image; a large one is believed more.
        follow: (2,) in [0, 1], how far each palm that is shown goes on from where it is held.
        held: (2, 4) xyzw where each is held against its forearm, moved on in place; None: nowhere.
    """

    shown: Array = field(default_factory=lambda: np.ones(2, bool))
    size_px: Array = field(default_factory=lambda: np.full(2, 1e3))
    follow: Array = field(default_factory=lambda: np.ones(2))
    held: Array | None = None


def fit_landmarks(
    body: Landmarks,
    left_hand: Landmarks | None = None,
    right_hand: Landmarks | None = None,
    *,
    image_face: ImageLandmarks | None = None,
    expressions: Array | None = None,
) -> F32:
    """Return the rotations (55, 4) xyzw on the canonical skeleton whose bones lie along the points.

    What points do not decide follows a convention: see `torso` (lean, collar bones), `limbs` (roll
    of straight limbs, feet), `hands` (twist shared by lowerArm and hand), `head` (neck's share).
    Toes, jaw and, without `expressions`, eyes stay at rest; so do fingers of a hand not given.

    Args:
        body: The 33 body points.
        left_hand: The 21 points of the left hand.
        right_hand: The 21 points of the right hand.
        image_face: The 478 face points; better than the body's own eleven when given.
        expressions: (52,) weights; the eyes follow eyeLook*.

    Raises:
        LandmarkError: The names are not those of the body or of a hand.
    """
    points = points_of(body, BODY_NAMES)
    rotations, _ = complete(
        solve(points, body.visibility),
        points,
        (
            None if left_hand is None else points_of(left_hand, HAND_NAMES),
            None if right_hand is None else points_of(right_hand, HAND_NAMES),
        ),
        head=None if image_face is None else face_rotation(image_face),
        expressions=expressions,
        palms=Palms(),
    )
    return quat.positive(rotations).astype(np.float32)


def points_of(landmarks: Landmarks, names: tuple[str, ...]) -> Array:
    """Return the positions (L, 3) in the order of `names`, float64.

    Raises:
        LandmarkError: The landmarks are of another kind.
    """
    if landmarks.names != names:
        raise LandmarkError(
            f"landmarks: expected the {len(names)} points {names[0]!r}, {names[1]!r}..., "
            f"got {len(landmarks.names)}: {list(landmarks.names[:2])}..."
        )
    return landmarks.positions.astype(np.float64)


def solve(points: Array, visibility: Array) -> Array:
    """Return the world rotations (55, 3, 3) that body points (33, 3) tell, zeros elsewhere.

    Forearms have no twist yet; see `complete`.
    """
    upper = unit(points[_HINGES] - points[_ROOTS])
    lower = unit(points[_ENDS] - points[_HINGES])
    torso = solve_torso(points[_HIPS], points[_SHOULDERS], upper[:2])
    parents = np.concatenate([torso.collars, [torso.hips, torso.hips]])
    toes_ahead = points[_TOES] - points[_HEELS]
    limbs_upper, limbs_lower = solve_limbs(parents, upper, lower, toes_ahead=toes_ahead)
    world = np.zeros((_COUNT, 3, 3))
    world[JOINT["hips"]] = torso.hips
    world[JOINT["spine"]] = torso.spine
    world[JOINT["chest"]] = torso.chest
    world[JOINT["upperChest"]] = torso.upper_chest
    world[_COLLARS] = torso.collars
    world[_UPPER], world[_LOWER] = limbs_upper, limbs_lower
    world[_FEET] = solve_feet(limbs_lower[2:], toes_ahead)
    sure = np.maximum(visibility[HEAD_POINTS], 0.05)
    head = head_rotation(points[HEAD_POINTS], sure)
    world[JOINT["head"]] = torso.upper_chest if head is None else head
    return world


def complete(
    world: Array,
    points: Array,
    hands: tuple[Array | None, Array | None],
    *,
    head: Array | None,
    expressions: Array | None,
    palms: Palms,
) -> tuple[Array, Array]:
    """Return local rotations (55, 4) and how far each hand's own points are believed (2,).

    Adds to a body what hands and face tell: palms, the forearms' twist, fingers, the head and its
    share of the neck, eyes.

    Args:
        world: (55, 3, 3) of trunk, head, limbs and feet; forearms without twist.
        points: (33, 3) body points in the same axes; palms without hand points come from them.
        hands: The points (21, 3) of each hand or None, in the same axes.
        head: The head's world rotation (3, 3) where the face's own points tell it.
        expressions: (52,) weights; the eyes follow eyeLook*.
        palms: See there.
    """
    world = np.array(world, np.float64, order="C")
    gaze = None if expressions is None else gaze_vectors(np.asarray(expressions))
    completer = _completer()
    if completer is not None:
        rotations, trust = np.empty((_COUNT, 4)), np.empty(2)
        completer.complete(
            world,
            np.ascontiguousarray(points, np.float64),
            *(None if hand is None else np.ascontiguousarray(hand) for hand in hands),
            None if head is None else np.ascontiguousarray(head),
            gaze,
            np.ascontiguousarray(palms.shown, bool),
            np.ascontiguousarray(palms.size_px, np.float64),
            palms.follow,
            palms.held,
            rotations,
            trust,
        )
        return rotations, trust
    world[_TOE_JOINTS] = world[_FEET]
    forearms, shown, own, trust = _hands(points, hands, world[_LOWER[:2]], palms)
    world[_LOWER[:2]], world[_HANDS] = forearms, shown
    if head is not None:
        world[JOINT["head"]] = head
    world[JOINT["neck"]] = world[JOINT["upperChest"]]  # its share is taken below, in quaternions
    world[_EYES] = world[JOINT["head"]]
    world[JOINT["jaw"]] = world[JOINT["head"]]
    rotations = np.zeros((_COUNT, 4))
    rotations[:, 3] = 1
    parent = world[PARENTS[_DOWN_TO_HANDS]]
    parent[0] = np.eye(3)
    rotations[_DOWN_TO_HANDS] = quaternion_of(np.swapaxes(parent, -1, -2) @ world[_DOWN_TO_HANDS])
    _share_neck(rotations)
    if gaze is not None:
        rotations[_EYES] = quaternion_of_vector(gaze)
    _fingers(rotations, hands, own)
    return rotations, trust


@lru_cache(maxsize=1)
def _completer() -> Any | None:
    """Return the compiled `complete`, None where there is none and NumPy does it."""
    module = kernel.compiled()
    if module is None:
        return None

    def rows(*indices: Array) -> Array:
        return np.ascontiguousarray(np.concatenate(indices), np.int32)

    singles = joints("head", "neck", "jaw", "upperChest")
    numbers = [*PALM_NUMBERS, NECK_SHARE, _NECK_LIMIT]
    return module.Completer(
        parents=rows(PARENTS),
        body_points=rows(_WRISTS, _INDEXES, _PINKIES),
        palm_points=rows(np.array([HAND[name] for name in _PALM])),
        chains=rows(CHAINS.ravel()),
        finger_joints=rows(_FINGER_JOINTS.ravel()),
        pairs=rows(_LOWER[:2], _HANDS, _FEET, _TOE_JOINTS, _EYES),
        singles=rows(singles),
        palms=np.ascontiguousarray(REST_PALMS),
        straight=STRAIGHT,
        low=LOW,
        high=HIGH,
        numbers=np.array(numbers),
    )


def _hands(
    points: Array, hands: tuple[Array | None, Array | None], forearms: Array, palms: Palms
) -> tuple[Array, Array, Array, Array]:
    """Return twisted forearms and palms (2, 3, 3), the hands' own palms, and their trust (2,).

    A palm that is not seen follows its forearm.
    """
    body = palm_rotations(points[_WRISTS], points[_INDEXES], points[_PINKIES], None)
    given = [hand for hand in hands if hand is not None]
    own, shown, trust = body, body, np.zeros(2)
    if given:
        pair = np.stack([given[0] if hand is None else hand for hand in hands])
        own = palm_rotations(*(pair[:, HAND[name]] for name in _PALM))
        found = np.array([hand is not None for hand in hands])
        shown, trust = choose_palms(forearms, body, own, np.where(found, palms.size_px, 0.0))
        own = np.where(found[:, None, None], own, body)
    if palms.held is not None:
        seen = quaternion_of(np.swapaxes(forearms, -1, -2) @ shown)
        off = turns_between(palms.held, seen)
        palms.held[:] = turned(palms.held, np.where(palms.shown, palms.follow, 1.0)[:, None] * off)
        shown = forearms @ matrix_of(palms.held)
    keep = np.asarray(palms.shown, bool)[:, None, None]
    return (
        np.where(keep, share_twist(forearms, shown), forearms),
        np.where(keep, shown, forearms),
        own,
        trust,
    )


def _share_neck(rotations: Array) -> None:
    x, y, z, w = rotations[JOINT["head"]].tolist()
    sine = sqrt(x * x + y * y + z * z)
    if sine < 1e-9:
        return
    half = atan2(sine, w)
    half -= pi if half > pi / 2 else 0.0  # the short way round
    half = min(max(half, -_NECK_LIMIT / 2), _NECK_LIMIT / 2)
    for joint, share in (("neck", NECK_SHARE), ("head", 1 - NECK_SHARE)):
        grow = sin(half * share) / sine
        rotations[JOINT[joint]] = (x * grow, y * grow, z * grow, cos(half * share))


def _fingers(rotations: Array, hands: tuple[Array | None, Array | None], palms: Array) -> None:
    given = [hand for hand in hands if hand is not None]
    if not given:
        return
    pair = np.stack([hand if hand is not None else given[0] for hand in hands])
    vectors = solve_fingers(pair, palms)
    for side, hand in enumerate(hands):
        if hand is not None:
            rotations[_FINGER_JOINTS[side]] = quaternion_of_vector(vectors[side])
