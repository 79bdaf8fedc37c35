"""The generated body: T-pose, rig, morphs and clothes, by their laws."""

import numpy as np
import pytest

from twinsdk.avatar import AvatarSpec, generate_avatar
from twinsdk.core import quat
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES, mirrored
from twinsdk.errors import AvatarError

FACE = {"head", "jaw", "neck", "leftEye", "rightEye"}
OTHERS = [
    AvatarSpec(height_m=1.55, gender=0.0, weight=0.8, seed=1, style="smart"),
    AvatarSpec(height_m=1.95, gender=1.0, muscle=0.9, seed=2, style="sporty"),
    AvatarSpec(height_m=1.68, age_years=75, weight=0.15, seed=3),
]


def part(avatar, name):
    index = [m.name for m in avatar.mesh.materials].index(name)
    return np.unique(avatar.mesh.triangles[avatar.mesh.triangle_materials == index])


def bare(avatar):
    return np.union1d(part(avatar, "face"), part(avatar, "skin"))


def places(avatar):
    return dict(zip(avatar.skeleton.names, avatar.skeleton.rest_world()[1], strict=True))


@pytest.fixture(scope="session", params=range(len(OTHERS)), ids=["heavy", "tall", "old"])
def other(request, base):
    return OTHERS[request.param], generate_avatar(OTHERS[request.param], progress=False)


def check_t_pose(avatar):
    at = places(avatar)
    for side, sign in (("left", 1), ("right", -1)):
        for upper, lower in (("UpperArm", "LowerArm"), ("LowerArm", "Hand")):
            bone = at[f"{side}{lower}"] - at[f"{side}{upper}"]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), [sign, 0, 0], atol=1e-5)
        for upper, lower in (("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot")):
            bone = at[f"{side}{lower}"] - at[f"{side}{upper}"]
            np.testing.assert_allclose(bone / np.linalg.norm(bone), [0, -1, 0], atol=1e-5)
        toes = at[f"{side}Toes"] - at[f"{side}Foot"]
        assert toes[2] > 0.05
        assert abs(toes[0]) < 1e-4
        thumb = at[f"{side}ThumbDistal"] - at[f"{side}ThumbProximal"]
        np.testing.assert_allclose(
            thumb / np.linalg.norm(thumb), [sign * 0.5**0.5, 0, 0.5**0.5], atol=1e-5
        )
    assert at["leftEye"][2] > at["head"][2]  # faces +Z


def test_limbs_lie_along_the_axes(avatar):
    check_t_pose(avatar)


def test_limbs_of_other_bodies_lie_along_the_axes(other):
    check_t_pose(other[1])


def test_rest_rotations_are_identities(avatar):
    assert avatar.skeleton.names == HUMANOID_NAMES
    np.testing.assert_array_equal(avatar.skeleton.rest_rotations, np.tile([0, 0, 0, 1], (55, 1)))


def test_palms_face_down(avatar):
    at = places(avatar)
    for side in ("left", "right"):
        spread = at[f"{side}IndexProximal"] - at[f"{side}LittleProximal"]
        assert spread[2] > 0.03
        assert abs(spread[1]) < 0.25 * spread[2]


def height_of(avatar):
    y = avatar.mesh.vertices[:, 1]
    return y[bare(avatar)].max(), y.min()


def test_it_is_as_tall_as_asked_and_stands_on_the_ground(avatar, other):
    for spec, figure in ((AvatarSpec(), avatar), other):
        crown, ground = height_of(figure)
        assert abs(crown - spec.height_m) < 1e-3
        assert abs(ground) < 1e-6
        soles = figure.mesh.vertices[part(figure, "soles")]
        assert abs(soles[:, 1].min()) < 1e-6


def test_all_55_joints_are_mapped(avatar):
    assert set(avatar.humanoid.values()) == set(HUMANOID_NAMES)


def test_weights_sum_to_one_and_every_joint_moves_something(avatar):
    weights = avatar.skin.weights
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert set(avatar.skin.joints[weights > 1e-3]) == set(range(55))


def test_joints_and_skin_are_symmetric(avatar):
    at = places(avatar)
    for name, place in at.items():
        np.testing.assert_allclose(at[mirrored(name)], place * [-1, 1, 1], atol=2e-4)
    skin = avatar.mesh.vertices[bare(avatar)]
    from scipy.spatial import KDTree

    distance, _ = KDTree(skin).query(skin * [-1, 1, 1])
    assert distance.max() < 1e-3  # the base's own asymmetry


def test_inverse_bind_takes_each_joint_to_its_origin(avatar):
    joints = np.concatenate([avatar.skeleton.rest_world()[1], np.ones((55, 1))], 1)
    local = np.einsum("jab,jb->ja", avatar.skin.inverse_bind, joints)
    np.testing.assert_allclose(local, np.tile([0, 0, 0, 1], (55, 1)), atol=1e-6)


def test_every_expression_moves_the_face(avatar):
    assert avatar.morphs.names == EXPRESSION_NAMES
    largest = np.linalg.norm(avatar.morphs.offsets, axis=-1).max(1)
    assert dict(zip(EXPRESSION_NAMES, largest > 1e-3, strict=True)) == dict.fromkeys(
        EXPRESSION_NAMES, True
    )
    assert largest.max() < 0.06


def test_expressions_move_nothing_but_the_face(avatar):
    moved = np.abs(avatar.morphs.offsets).max((0, 2)) > 0
    rows, slots = np.nonzero(avatar.skin.weights > 0.5)
    heavy = {
        avatar.skeleton.names[j] for j in avatar.skin.joints[rows[moved[rows]], slots[moved[rows]]]
    }
    assert heavy <= FACE
    for name in ("top", "bottom", "shoes", "soles", "hair"):
        assert not moved[part(avatar, name)].any()


def test_left_expressions_move_the_left_side(avatar):
    for name in ("eyeBlink", "mouthSmile", "browDown", "noseSneer", "cheekSquint"):
        for side, sign in (("Left", 1), ("Right", -1)):
            offsets = avatar.morphs.offsets[EXPRESSION_NAMES.index(name + side)]
            size = np.linalg.norm(offsets, axis=1)
            assert np.average(avatar.mesh.vertices[:, 0], weights=size) * sign > 0.005


@pytest.mark.parametrize(
    ("way", "axis", "degrees"),
    [("Up", 0, -22), ("Down", 0, 22), ("Out", 1, 30), ("In", 1, -30)],
)
def test_a_gaze_turns_the_eyeballs_about_their_centres(avatar, way, axis, degrees):
    eyes = part(avatar, "eyes")
    for side, sign in (("Left", 1), ("Right", -1)):
        eye = eyes[sign * avatar.mesh.vertices[eyes, 0] > 0]
        rest = avatar.mesh.vertices[eye]
        moved = rest + avatar.morphs.offsets[EXPRESSION_NAMES.index(f"eyeLook{way}{side}"), eye]
        centre = (rest.min(0) + rest.max(0)) / 2
        u, _, vt = np.linalg.svd((moved - centre).T @ (rest - centre))
        turn = quat.to_rotation_vector(quat.from_matrix(u @ vt))
        expected = np.zeros(3)
        expected[axis] = np.radians(degrees) * (sign if axis else 1)
        np.testing.assert_allclose(turn, expected, atol=0.01)
        np.testing.assert_allclose((moved - rest).mean(0), 0, atol=1e-3)


def test_teeth_tongue_and_lashes_go_with_jaw_and_lids(avatar):
    def drop(name, expression):
        return -avatar.morphs.offsets[EXPRESSION_NAMES.index(expression)][part(avatar, name), 1]

    assert drop("teeth", "jawOpen").max() > 0.01
    assert drop("teeth", "jawOpen").min() < 1e-3  # the upper row stays
    assert drop("tongue", "jawOpen").max() > 0.01
    assert drop("lashes", "eyeBlinkLeft").max() > 0.005
    tongue = avatar.morphs.offsets[EXPRESSION_NAMES.index("tongueOut")][part(avatar, "tongue")]
    assert tongue[:, 2].max() > 0.01


def test_clothes_hide_the_trunk(avatar, other):
    for figure in (avatar, other[1]):
        at = places(figure)
        skin = figure.mesh.vertices[bare(figure)]
        trunk = (np.abs(skin[:, 0]) < 0.1) & (skin[:, 1] > at["leftUpperLeg"][1] - 0.05)
        assert not (trunk & (skin[:, 1] < at["upperChest"][1])).any()


def test_hems_are_straight(avatar):
    top = avatar.mesh.vertices[part(avatar, "top")]
    for edge in (top[:, 0].max(), -top[:, 0].min()):
        ring = top[np.abs(np.abs(top[:, 0]) - edge) < 1e-4]
        assert len(ring) >= 10
    hem = top[top[:, 1] < top[:, 1].min() + 1e-4]
    assert len(hem) >= 20


def test_equal_specs_give_equal_bytes(base):
    a, b = (generate_avatar(OTHERS[0], progress=False) for _ in range(2))
    for left, right in (
        (a.mesh.vertices, b.mesh.vertices),
        (a.mesh.triangles, b.mesh.triangles),
        (a.skin.weights, b.skin.weights),
        (a.morphs.offsets, b.morphs.offsets),
    ):
        assert left.tobytes() == right.tobytes()
    assert a.mesh.materials == b.mesh.materials


def test_another_seed_gives_another_face_on_the_same_body(base, avatar):
    other = generate_avatar(AvatarSpec(seed=8), progress=False)
    faces = [figure.mesh.vertices[part(figure, "face")] for figure in (avatar, other)]
    noses = [face[face[:, 2].argmax()] for face in faces]
    assert np.linalg.norm(noses[0] - noses[1]) > 5e-4
    at = places(avatar)
    for name, place in places(other).items():
        assert name in FACE or np.linalg.norm(place - at[name]) < 0.02


def test_a_slider_that_is_not_there_is_refused_with_those_there_are(base):
    with pytest.raises(AvatarError, match="nose-hump-incr"):
        generate_avatar(AvatarSpec(local={"nose/nose-hamp": 0.2}), progress=False)


def test_the_owner_and_licence_are_in_the_meta(avatar):
    assert avatar.meta["maker"] == "twinsdk"
    assert avatar.meta["authors"]
    assert avatar.meta["licenseUrl"].startswith("https://vrm.dev/licenses/1.0/")
    assert AvatarSpec.from_json(avatar.meta["spec"]) == AvatarSpec()
