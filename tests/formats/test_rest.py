"""Change of rest pose and folding of translations: joints stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton, matrices
from twinsdk.formats.rest import carry_translations, with_identity_rest


def skeleton_of(names, parents, rng):
    return Skeleton(
        names=names,
        parents=parents,
        rest_translations=rng.normal(size=(len(names), 3)),
        rest_rotations=quat.normalize(rng.normal(size=(len(names), 4))),
    )


def places_of(parents, local):
    world = local.astype(float)
    for j in range(1, len(parents)):
        world[:, j] = world[:, parents[j]] @ local[:, j]
    return world[..., :3, 3]


@given(seed=st.integers(0, 2**31), joints=st.integers(1, 15))
@settings(deadline=None, max_examples=50)
def test_identity_rest_keeps_every_joint_place_and_rests_at_the_identity(seed, joints):
    rng = np.random.default_rng(seed)
    parents = [-1, *(int(rng.integers(0, j)) for j in range(1, joints))]
    skeleton = skeleton_of([f"j{j}" for j in range(joints)], parents, rng)
    clip = MotionClip(
        skeleton=skeleton,
        fps=30,
        rotations=np.stack([skeleton.rest_rotations,
                            quat.normalize(rng.normal(size=(joints, 4)))]),
        root_translations=rng.normal(size=(2, 3)),
    )  # fmt: skip
    turned = with_identity_rest(clip)
    np.testing.assert_allclose(turned.world()[1], clip.world()[1], atol=5e-5)
    assert quat.angle(turned.rotations[0], quat.IDENTITY).max() < 1e-5


@pytest.mark.parametrize("pelvis", ["Hips", "mixamorig:Hips", "pelvis", "spine_base"])
def test_translations_along_the_trunk_are_carried_exactly(rng, pelvis):
    names = ["root", "turn", pelvis, "leg_l", "foot_l", "leg_r", "foot_r"]
    skeleton = skeleton_of(names, [-1, 0, 1, 2, 3, 2, 5], rng)
    rotations = quat.normalize(rng.normal(size=(9, 7, 4))).astype(np.float32)
    places = np.repeat(skeleton.rest_translations[None], 9, 0)
    places[:, :3] = rng.normal(size=(9, 3, 3))
    wanted = places_of(skeleton.parents, matrices(rotations, places))
    carried = carry_translations(skeleton, rotations, places)
    clip = MotionClip(
        skeleton=carried.on(skeleton),
        fps=30,
        rotations=rotations,
        root_translations=carried.root_translations,
    )
    np.testing.assert_allclose(clip.world()[1][:, 2:], wanted[:, 2:], atol=2e-5)
    assert carried.residual_m < 1e-6


def test_what_a_limb_moves_is_dropped_and_measured(rng):
    skeleton = skeleton_of(["Hips", "L_Hip", "knee"], [-1, 0, 1], rng)
    rotations = np.tile(quat.IDENTITY, (4, 3, 1))
    places = np.repeat(skeleton.rest_translations[None], 4, 0)
    places[:, 1, 0] += [0.1, -0.1, 0.1, -0.1]
    carried = carry_translations(skeleton, rotations, places)
    assert carried.residual_m == pytest.approx(0.1, abs=1e-6)
    np.testing.assert_allclose(carried.root_translations, places[:, 0])
