"""Linear blend skinning: every compiled variant against the float64 reference, and its laws."""

import numpy as np
import pytest

from twinsdk.core.rig import Rig
from twinsdk.errors import ShapeError, UsageError, ValueRangeError

# Sums of a handful of float32 products of size about 4: a few ulp of 4.
TOLERANCE = 4e-6
SIZES = [0, 1, 15, 16, 17, 31, 32, 333]


def unit(v):
    return (v / np.linalg.norm(v, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("vertices", SIZES)
@pytest.mark.parametrize(("joints", "influences"), [(1, 1), (7, 4), (60, 9)])
@pytest.mark.parametrize("local", [True, False])
def test_every_variant_agrees_with_the_reference(
    isa, skin_of, rigid_of, vertices, joints, influences, local
):
    rng = np.random.default_rng(vertices + joints)
    points, index, weights = skin_of(rng, vertices, joints, influences, local=local)
    offsets = rng.normal(size=(5, vertices, 3)).astype(np.float32)
    offsets[:, rng.random(vertices) < 0.6] = 0
    given = {
        "vertices": points,
        "normals": unit(rng.normal(size=(vertices, 3))),
        "joints": index,
        "weights": weights,
        "joint_count": joints,
        "morph_offsets": offsets,
    }
    ours, reference = Rig(**given, isa=isa), Rig(**given, isa="numpy")
    matrices = rigid_of(rng, joints)
    morph_weights = np.array([0.5, 0, 1, 0.25, 0], np.float32)
    for morphs in (None, morph_weights):
        normals, expected_normals = np.ones_like(points), np.ones_like(points)
        plain = ours.skin(matrices, morph_weights=morphs)
        both = ours.skin(matrices, morph_weights=morphs, normals_out=normals)
        expected = reference.skin(matrices, morph_weights=morphs, normals_out=expected_normals)
        np.testing.assert_allclose(plain, expected, atol=TOLERANCE)
        np.testing.assert_allclose(both, expected, atol=TOLERANCE)
        # Normals are normalised: an opposed pair of rotations may nearly cancel.
        np.testing.assert_allclose(normals, expected_normals, atol=2e-4)


@pytest.mark.parametrize("share", [0.85, 0.89, 0.9, 0.95, 1.0])
def test_morphs_add_up_on_both_sides_of_the_dense_threshold(isa, skin_of, rigid_of, share):
    rng = np.random.default_rng(int(100 * share))
    points, index, weights = skin_of(rng, 333, 7, 4)
    moving = rng.normal(size=(100, 333, 3)).astype(np.float32)
    moving[rng.permutation(100)[round(100 * share) :]] = 0
    still = np.zeros((50, 333, 3), np.float32)  # brings every share below the threshold
    matrices = rigid_of(rng, 7)
    amounts = (rng.random(150) * (rng.random(150) < 0.4)).astype(np.float32)
    skin = {"vertices": points, "joints": index, "weights": weights, "joint_count": 7}

    def skinned(offsets, isa):
        rig = Rig(**skin, morph_offsets=offsets, isa=isa)
        return rig.skin(matrices, morph_weights=amounts[: len(offsets)])

    ours = skinned(moving, isa)
    np.testing.assert_allclose(ours, skinned(moving, "numpy"), atol=1e-4)
    np.testing.assert_array_equal(ours, skinned(np.concatenate([moving, still]), isa))


def test_identity_matrices_leave_every_vertex_in_place(isa, skin_of):
    points, index, weights = skin_of(np.random.default_rng(1), 100, 9, 5)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=9, isa=isa)
    identity = np.tile(np.eye(3, 4, dtype=np.float32), (9, 1, 1))
    # The weights sum to 1 only to float32 rounding.
    np.testing.assert_allclose(rig.skin(identity), points, rtol=1e-6, atol=1e-6)


def test_one_rigid_motion_on_all_joints_moves_the_mesh_rigidly(isa, skin_of, rigid_of):
    rng = np.random.default_rng(2)
    points, index, weights = skin_of(rng, 100, 9, 5)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=9, isa=isa)
    motion = rigid_of(rng, 1)
    moved = rig.skin(np.repeat(motion, 9, axis=0))
    expected = points @ motion[0, :, :3].T + motion[0, :, 3]
    np.testing.assert_allclose(moved, expected, atol=TOLERANCE)


def test_the_result_is_linear_in_the_weights(isa, skin_of, rigid_of):
    rng = np.random.default_rng(3)
    points, index, first = skin_of(rng, 64, 6, 4)
    second = np.roll(first, 1, axis=1)
    matrices = rigid_of(rng, 6)

    def skinned(weights):
        rig = Rig(vertices=points, joints=index, weights=weights, joint_count=6, isa=isa)
        return rig.skin(matrices)

    mixed = skinned((0.25 * first + 0.75 * second).astype(np.float32))
    expected = 0.25 * skinned(first) + 0.75 * skinned(second)
    np.testing.assert_allclose(mixed, expected, atol=TOLERANCE)


def test_the_order_of_vertices_slots_and_joints_does_not_matter(isa, skin_of, rigid_of):
    rng = np.random.default_rng(4)
    points, index, weights = skin_of(rng, 77, 8, 4)
    matrices = rigid_of(rng, 8)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=8, isa=isa)
    expected = rig.skin(matrices)
    vertices, slots, joints = rng.permutation(77), rng.permutation(4), rng.permutation(8)
    renamed = np.argsort(joints)[index]
    shuffled = Rig(
        vertices=points[vertices],
        joints=renamed[vertices][:, slots],
        weights=weights[vertices][:, slots],
        joint_count=8,
        isa=isa,
    )
    np.testing.assert_allclose(shuffled.skin(matrices[joints]), expected[vertices], atol=TOLERANCE)


def test_a_joint_named_twice_counts_with_the_sum_of_its_weights(isa, rigid_of):
    matrices = rigid_of(np.random.default_rng(5), 3)
    points = np.array([[0.1, 0.2, 0.3]], np.float32)
    twice = Rig(
        vertices=points, joints=[[2, 1, 2]], weights=[[0.25, 0.5, 0.25]], joint_count=3, isa=isa
    )
    once = Rig(vertices=points, joints=[[1, 2]], weights=[[0.5, 0.5]], joint_count=3, isa=isa)
    np.testing.assert_array_equal(twice.skin(matrices), once.skin(matrices))


def test_a_slot_of_weight_zero_may_name_any_joint(isa, rigid_of):
    matrices = rigid_of(np.random.default_rng(6), 2)
    rig = Rig(vertices=[[1, 2, 3]], joints=[[1, 60000]], weights=[[1, 0]], joint_count=2, isa=isa)
    expected = matrices[1, :, :3] @ [1, 2, 3] + matrices[1, :, 3]
    np.testing.assert_allclose(rig.skin(matrices)[0], expected, atol=TOLERANCE)


def test_weights_off_by_less_than_a_thousandth_are_made_exact(isa):
    rig = Rig(
        vertices=[[10, 0, 0]], joints=[[0, 1]], weights=[[0.5004, 0.5]], joint_count=2, isa=isa
    )
    identity = np.tile(np.eye(3, 4, dtype=np.float32), (2, 1, 1))
    np.testing.assert_allclose(rig.skin(identity), [[10, 0, 0]], rtol=1e-6)


def test_a_batch_equals_its_frames_one_by_one(isa, skin_of, rigid_of):
    rng = np.random.default_rng(7)
    points, index, weights = skin_of(rng, 5000, 20, 4)  # more blocks than a tile
    offsets = rng.normal(size=(3, 5000, 3)).astype(np.float32)
    rig = Rig(
        vertices=points,
        joints=index,
        weights=weights,
        joint_count=20,
        morph_offsets=offsets,
        isa=isa,
    )
    matrices = rigid_of(rng, 5 * 20).reshape(5, 20, 3, 4)
    morphs = rng.random((5, 3)).astype(np.float32)
    batch = rig.skin(matrices, morph_weights=morphs)
    single = [rig.skin(m, morph_weights=w) for m, w in zip(matrices, morphs, strict=True)]
    np.testing.assert_array_equal(batch, np.stack(single))


def test_block_order_holds_the_same_vertices_in_the_order_it_reports(isa, skin_of, rigid_of):
    rng = np.random.default_rng(8)
    points, index, weights = skin_of(rng, 531, 12, 4, local=False)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=12, isa=isa)
    matrices = rigid_of(rng, 12)
    user, block = rig.skin(matrices), rig.skin(matrices, block_order=True)
    order = rig.order
    assert sorted(order[order >= 0]) == list(range(531))
    assert len(order) == rig.block_rows
    np.testing.assert_array_equal(block[order >= 0], user[order[order >= 0]])


def test_out_is_filled_and_returned(isa, skin_of, rigid_of):
    rng = np.random.default_rng(9)
    points, index, weights = skin_of(rng, 40, 4, 4)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=4, isa=isa)
    matrices = rigid_of(rng, 4)
    out = np.full((40, 3), np.nan, np.float32)
    assert rig.skin(matrices, out=out) is out
    np.testing.assert_array_equal(out, rig.skin(matrices))


def test_arrays_that_have_to_be_converted_give_what_ready_ones_do(isa, skin_of, rigid_of):
    rng = np.random.default_rng(10)
    points, index, weights = skin_of(rng, 50, 6, 4)
    offsets = rng.normal(size=(3, 50, 3)).astype(np.float32)
    skin = {"vertices": points, "joints": index, "weights": weights, "joint_count": 6}
    rig = Rig(**skin, morph_offsets=offsets, isa=isa)
    matrices, amounts = rigid_of(rng, 6), np.array([0.5, 0, 1], np.float32)
    more = {"morph_weights": amounts, "points": points[::-1].copy(), "threads": 2}
    expected = rig.skin(matrices, **more)
    assert expected.flags.c_contiguous
    assert expected.dtype == np.float32
    given = {"morph_weights": amounts.tolist(), "points": points[::-1], "threads": np.int64(2)}
    for same in (matrices.astype(np.float64), matrices.tolist(), np.asfortranarray(matrices)):
        np.testing.assert_array_equal(rig.skin(same, **given), expected)
    batch = np.stack([matrices, matrices])
    of_all = {"points": np.stack([points, points])[:, ::-1], "morph_weights": [amounts] * 2}
    np.testing.assert_array_equal(rig.skin(batch, **of_all), np.stack([expected] * 2))


@pytest.mark.parametrize(
    "given",
    [
        {"morph_weights": np.array([np.nan], np.float32)},
        {"points": np.full((1, 3), np.inf, np.float32)},
        {"matrices": np.full((2, 3, 4), -np.inf, np.float32)},
    ],
)
def test_ready_arrays_with_a_number_that_is_not_finite_are_refused(isa, given):
    skin = {"vertices": [[0, 0, 0]], "joints": [[0, 1]], "weights": [[0.5, 0.5]], "joint_count": 2}
    rig = Rig(**skin, morph_offsets=np.ones((1, 1, 3)), isa=isa)
    out = np.ones((1, 3), np.float32)
    arguments = {"matrices": np.zeros((2, 3, 4), np.float32), "out": out, **given}
    with pytest.raises(ValueRangeError, match=f"{next(iter(given))}: expected finite"):
        rig.skin(arguments.pop("matrices"), **arguments)
    np.testing.assert_array_equal(out, 1)


@pytest.mark.parametrize("threads", [0, 65, -1, 2**70])
def test_a_number_of_threads_out_of_range_is_refused(isa, threads):
    rig = Rig(vertices=[[0, 0, 0]], joints=[[0]], weights=[[1]], joint_count=1, isa=isa)
    with pytest.raises(UsageError, match=r"threads: expected 1 to 64"):
        rig.skin(np.zeros((1, 3, 4), np.float32), threads=threads)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"vertices": [[0, 0, np.nan]]}, ValueRangeError, r"vertices: expected finite"),
        ({"vertices": [[0, 0]]}, ShapeError, r"vertices: expected shape \(V, 3\), got \(1, 2\)"),
        ({"joints": [[0, 2]]}, ValueRangeError, r"joints: expected indices below 2, got 2"),
        ({"joints": [[0, -1]]}, ShapeError, r"joints: expected integers"),
        ({"joints": [[0, 1, 1]]}, ShapeError, r"joints: expected shape \(1, 2\)"),
        ({"weights": [[0.5, 0.4]]}, ValueRangeError, r"weights: .* sum to 1, got 0.9000 at 0"),
        ({"weights": [[0, 0]]}, ValueRangeError, r"weights: .* sum to 1, got 0.0000 at 0"),
        ({"weights": [[1.5, -0.5]]}, ValueRangeError, r"weights: expected none negative"),
        ({"weights": [[np.inf, 0]]}, ValueRangeError, r"weights: expected finite"),
        ({"normals": [[0, 0, 1], [0, 0, 1]]}, ShapeError, r"normals: expected shape \(1, 3\)"),
        ({"morph_offsets": np.zeros((2, 3, 3))}, ShapeError, r"morph_offsets: expected shape"),
        ({"joint_count": 0}, ShapeError, r"joint_count: expected 1 to"),
        ({"parents": [-1, 0]}, ShapeError, r"rig: expected parents, rest_translations and"),
        ({"isa": "sse9"}, UsageError, r"isa: expected one of numpy"),
    ],
)
def test_what_cannot_be_bound_is_refused_by_name(change, error, words):
    given = {
        "vertices": [[0, 0, 0]],
        "joints": [[0, 1]],
        "weights": [[0.5, 0.5]],
        "joint_count": 2,
    }
    Rig(**given)
    with pytest.raises(error, match=words):
        Rig(**{**given, **change})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"matrices": np.zeros((3, 3, 4))}, r"matrices: expected shape \(2, 3, 4\)"),
        ({"matrices": np.full((2, 3, 4), np.nan)}, r"matrices: expected finite"),
        ({"matrices": np.full((2, 3, 4), "x")}, r"matrices: expected numbers"),
        (
            {"out": np.zeros((1, 3))},
            r"out: expected a float32 array of shape \(1, 3\), got float64",
        ),
        ({"out": np.zeros((2, 3), np.float32)}, r"out: expected a float32 array of shape \(1, 3\)"),
        ({"out": [[0, 0, 0]]}, r"out: expected a float32 array of shape \(1, 3\), got list"),
        ({"out": np.zeros((1, 6), np.float32)[:, ::2]}, r"out: expected a C-contiguous"),
        ({"normals_out": np.zeros((1, 3), np.float32)}, r"normals_out: expected a rig bound with"),
        ({"morph_weights": [1.0]}, r"morph_weights: expected shape \(0,\)"),
    ],
)
def test_what_cannot_be_skinned_is_refused_by_name(given, words):
    rig = Rig(vertices=[[0, 0, 0]], joints=[[0, 1]], weights=[[0.5, 0.5]], joint_count=2)
    arguments = {"matrices": np.zeros((2, 3, 4)), **given}
    with pytest.raises((ShapeError, ValueRangeError), match=words):
        rig.skin(arguments.pop("matrices"), **arguments)


def test_a_rig_without_a_skeleton_says_that_it_skins_matrices_only():
    rig = Rig(vertices=[[0, 0, 0]], joints=[[0]], weights=[[1]], joint_count=1)
    with pytest.raises(ShapeError, match="bound with a skeleton"):
        rig.pose(np.array([[0, 0, 0, 1]], np.float32), np.zeros(3, np.float32))
