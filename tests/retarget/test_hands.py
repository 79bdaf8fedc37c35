"""Hands that touch one another or the body still do so on bodies of other proportions."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton
from twinsdk.retarget import RetargetConfig, Retargeter
from twinsdk.retarget.ik import two_bone

SIDES = ("left", "right")
SHAPES = {"long arms": (1.3, 1.0, 1.0), "narrow": (1.0, 0.75, 0.8), "wide": (0.85, 1.3, 1.25)}


def shaped(canon, arms, shoulders, hips):
    """Return the canonical skeleton with other arms, shoulder and hip width."""
    offsets = canon.rest_translations.copy()
    for side in SIDES:
        offsets[canon.joint(f"{side}LowerArm")] *= arms
        offsets[canon.joint(f"{side}Hand")] *= arms
        offsets[canon.joint(f"{side}UpperArm"), 0] *= shoulders
        offsets[canon.joint(f"{side}Shoulder"), 0] *= shoulders
        offsets[canon.joint(f"{side}UpperLeg"), 0] *= hips
    return Skeleton(
        names=canon.names,
        parents=canon.parents,
        rest_translations=offsets,
        rest_rotations=canon.rest_rotations,
    )


def reaching(skeleton, goals):
    """Return a clip of arms that go from the T-pose to wrist `goals` {side: (3,)} and back."""
    count = 90
    amount = np.clip(1.5 * np.sin(np.linspace(0, np.pi, count)), 0, 1)[:, None]
    amount = amount**2 * (3 - 2 * amount)
    pose = np.tile(skeleton.rest_rotations.astype(np.float64), (count, 1, 1))
    rest = skeleton.rest_world()[1].astype(np.float64)
    for side, goal in goals.items():
        upper, lower, hand = (skeleton.joint(side + p) for p in ("UpperArm", "LowerArm", "Hand"))
        at = [np.tile(rest[j], (count, 1)) for j in (upper, lower, hand)]
        middle = np.array([0.3 if side == "left" else -0.3, 1.2, 0.35])
        way = rest[hand] + amount * (middle - rest[hand])
        way = way + amount**2 * (np.asarray(goal) - way)
        hinge = np.tile([0.0, -1.0 if side == "left" else 1.0, 0.0], (count, 1))
        first, second, _ = two_bone(*at, way, hinge)
        pose[:, upper] = first
        pose[:, lower] = quat.multiply(quat.conjugate(first), second)
    roots = np.tile(skeleton.rest_translations[0], (count, 1))
    return MotionClip(skeleton=skeleton, fps=30, rotations=pose, root_translations=roots)


def at(clip, name):
    return clip.world()[1][:, clip.skeleton.joint(name)].astype(np.float64)


def both(clip, target):
    """Return the clip on `target` with and without kept touch."""
    return [
        Retargeter(clip.skeleton, target, RetargetConfig(keep_touch=keep)).clip(clip)
        for keep in (True, False)
    ]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_clap_stays_a_clap(canon, shape):
    clip = reaching(canon, {"left": [0.05, 1.25, 0.35], "right": [-0.05, 1.25, 0.35]})
    kept, free = both(clip, shaped(canon, *shape))
    wanted = np.linalg.norm(at(clip, "leftHand") - at(clip, "rightHand"), axis=-1).min() * shape[0]
    gaps = [np.linalg.norm(at(c, "leftHand")[45] - at(c, "rightHand")[45]) for c in (kept, free)]
    assert abs(gaps[0] - wanted) < 0.02
    assert abs(gaps[1] - wanted) > 0.04


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_hands_on_the_hips_stay_there(canon, shape):
    clip = reaching(canon, {"left": [0.17, 0.98, 0.05], "right": [-0.17, 0.98, 0.05]})
    target = shaped(canon, *shape)
    off = []
    for made in both(clip, target):
        away = (at(made, "leftHand") - at(made, "hips"))[45]
        source = (at(clip, "leftHand") - at(clip, "hips"))[45]
        off.append(np.linalg.norm(away - source * [shape[2], 1, 1]))
    assert off[0] < 0.03
    assert off[0] < 0.6 * off[1]


@pytest.mark.parametrize("shape", [SHAPES["long arms"], SHAPES["wide"]])
def test_a_hand_on_the_head_stays_there(canon, shape):
    head = at(reaching(canon, {}), "head")[0]
    clip = reaching(canon, {"right": head + np.array([-0.12, 0.1, 0.02])})
    off = []
    for made in both(clip, shaped(canon, *shape)):
        away = (at(made, "rightHand") - at(made, "head"))[45]
        off.append(np.linalg.norm(away - (at(clip, "rightHand") - at(clip, "head"))[45]))
    assert off[0] < 0.03
    assert off[0] < 0.6 * off[1]


def test_the_same_body_and_a_scaled_one_are_left_alone(canon, bodies):
    clip = reaching(canon, {"left": [0.05, 1.25, 0.35], "right": [-0.17, 0.98, 0.05]})
    for target in (canon, bodies.other_rig(seed=3, scale=0.6).skeleton):
        kept, free = both(clip, target)
        assert np.degrees(quat.angle(kept.rotations, free.rotations)).max() < 0.1


def test_hands_away_from_everything_are_left_alone(canon):
    clip = reaching(canon, {"left": [0.45, 1.2, 0.4]})
    kept, free = both(clip, shaped(canon, 1.3, 1.2, 1.0))
    np.testing.assert_array_equal(kept.rotations, free.rotations)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_arms_that_hang_beside_the_body_are_left_alone(canon, shape):
    clip = reaching(canon, {"left": [0.2, 0.88, 0.02], "right": [-0.2, 0.88, 0.02]})
    kept, free = both(clip, shaped(canon, *shape))
    off = np.degrees(quat.angle(kept.rotations[45], free.rotations[45])).max()
    assert off < 0.5


def test_a_hand_that_passes_the_hip_is_carried_by_angles(canon):
    clip = reaching(canon, {"left": [0.18, 1.0, 0.1]})
    fast = MotionClip(
        skeleton=canon,
        fps=30,
        rotations=clip.rotations[::9],
        root_translations=clip.root_translations[::9],
    )
    target = shaped(canon, *SHAPES["wide"])
    moved = []
    for made in (clip, fast):
        kept, free = both(made, target)
        moved.append(np.degrees(quat.angle(kept.rotations, free.rotations)).max())
    assert moved[0] > 2
    assert moved[1] < 0.5 * moved[0]  # even this hand rests for a moment, where it turns back
