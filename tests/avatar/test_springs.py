"""Hair and skirts swing on joints of their own, which change nothing for the humanoid ones."""

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.avatar import AvatarSpec, generate_avatar
from twinsdk.avatar.springs import chain_weights
from twinsdk.core import quat
from twinsdk.formats import load_avatar, save_avatar
from twinsdk.retarget import RetargetConfig

HUMANOID = len(tw.HUMANOID_NAMES)


@pytest.fixture(scope="module", params=["hair", "skirt"])
def swinging(request, base):
    given = {"hair": "long"} if request.param == "hair" else {"style": "skirt"}
    return generate_avatar(AvatarSpec(**given), progress=False)


def test_the_default_avatar_has_the_humanoid_joints_alone(avatar):
    assert avatar.skeleton.names == tw.HUMANOID_NAMES
    assert "spring_bones" not in avatar.meta


def test_springs_stand_after_the_humanoid_and_leave_it_as_it_was(avatar, swinging):
    assert swinging.skeleton.names[:HUMANOID] == tw.HUMANOID_NAMES
    extra = swinging.skeleton.names[HUMANOID:]
    springs = swinging.meta["spring_bones"]["springs"]
    assert [j["node"] for s in springs for j in s["joints"]] == list(extra)
    np.testing.assert_array_equal(
        swinging.skeleton.rest_translations[:HUMANOID], avatar.skeleton.rest_translations
    )
    assert set(swinging.humanoid) == set(tw.HUMANOID_NAMES)


def test_every_joint_but_a_chains_end_moves_something_of_its_own_alone(swinging):
    weight = np.zeros(len(swinging.skeleton))
    np.add.at(weight, swinging.skin.joints.astype(int), swinging.skin.weights)
    last = [s["joints"][-1]["node"] for s in swinging.meta["spring_bones"]["springs"]]
    for name in swinging.skeleton.names[HUMANOID:]:
        moved = weight[swinging.skeleton.joint(name)]
        assert (moved == 0) == (name in last), name
    used = swinging.skin.weights * (swinging.skin.joints >= HUMANOID)
    materials = {
        swinging.mesh.materials[m].name
        for m in np.unique(
            swinging.mesh.triangle_materials[used.sum(1)[swinging.mesh.triangles].max(1) > 0]
        )
    }
    assert len(materials) == 1


def test_colliders_sit_on_joints_and_are_as_large_as_a_body(swinging):
    springs = swinging.meta["spring_bones"]
    for collider in springs["colliders"]:
        assert collider["node"] in tw.HUMANOID_NAMES
        (shape,) = collider["shape"].values()
        assert 0.03 < shape["radius"] < 0.15
        for end in ("offset", "tail"):
            assert np.linalg.norm(shape.get(end, [0, 0, 0])) < 0.6
    groups = springs["colliderGroups"]
    assert all(g < len(groups) for s in springs["springs"] for g in s["colliderGroups"])
    assert all(c < len(springs["colliders"]) for g in groups for c in g["colliders"])


def test_a_motion_moves_the_humanoid_joints_as_without_springs(avatar, swinging, rng):
    skeleton = tw.humanoid_skeleton()
    turns = quat.from_axis_angle(rng.normal(size=(HUMANOID, 3)), rng.uniform(-0.5, 0.5, HUMANOID))
    pose = tw.Pose(
        skeleton=skeleton, rotations=turns, root_translation=skeleton.rest_translations[0]
    )
    # Trousers and skirt are not equally wide: what keeps legs apart would tell them apart.
    config = RetargetConfig(keep_legs_apart=False)
    plain, more = (tw.retarget(pose, each, config) for each in (avatar, swinging))
    np.testing.assert_allclose(more.world()[1][:HUMANOID], plain.world()[1], atol=1e-6)
    np.testing.assert_allclose(
        more.rotations[HUMANOID:], np.tile([0, 0, 0, 1], (len(more.rotations) - HUMANOID, 1))
    )
    assert np.isfinite(tw.Skinner(swinging).vertices(more)).all()


def test_springs_come_back_from_a_file(swinging, tmp_path):
    save_avatar(swinging, tmp_path / "a.vrm")
    again = load_avatar(tmp_path / "a.vrm")
    assert again.skeleton.names == swinging.skeleton.names
    assert again.meta["spring_bones"] == swinging.meta["spring_bones"]


def test_shares_among_chains_sum_to_one_and_neighbours_hand_over():
    angles = np.linspace(0, 2 * np.pi, 97)
    for at in ([95, 140, 180, 220, 265], [0, 60, 120, 180, 240, 300]):
        for along in (0.0, 0.3, 0.7, 1.0):
            weights = chain_weights(angles, np.full(97, along), at, 4).reshape(97, len(at), 4)
            np.testing.assert_allclose(weights.sum((1, 2)), 1, atol=1e-6)
            assert weights[..., 3].max() == 0
            here = chain_weights(np.radians(at), np.full(len(at), along), at, 4)
            np.testing.assert_allclose(
                here.reshape(len(at), len(at), 4).sum(2), np.eye(len(at)), atol=1e-6
            )
    jump = np.abs(np.diff(chain_weights(angles, np.full(97, 0.5), at, 4), axis=0)).max()
    assert jump < 0.2
