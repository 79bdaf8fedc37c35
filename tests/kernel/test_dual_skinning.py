"""Dual-quaternion skinning: every compiled variant against the float64 reference, and its laws."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.rig import Rig
from twinsdk.errors import UsageError

TOLERANCE = 2e-5  # float32 duals of translations of a few metres


def rig_of(skin, joints, isa, **more):
    points, index, weights = skin
    return Rig(vertices=points, joints=index, weights=weights, joint_count=joints, isa=isa, **more)


def gentle(rng, count):
    """Rigid transforms with rotations below a right angle, as neighbours on a body have."""
    out = np.zeros((count, 3, 4), np.float32)
    out[..., :3] = quat.to_matrix(quat.from_rotation_vector(rng.normal(size=(count, 3)) * 0.4))
    out[..., 3] = rng.normal(size=(count, 3))
    return out


@pytest.mark.parametrize("vertices", [0, 1, 15, 16, 17, 31, 333])
@pytest.mark.parametrize("kind", ["gentle", "wild", "scaled", "mirrored"])
def test_every_variant_agrees_with_the_reference(isa, skin_of, rigid_of, vertices, kind):
    rng = np.random.default_rng(vertices)
    skin = skin_of(rng, vertices, 12, 5)
    normals = rng.normal(size=(vertices, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    matrices = rigid_of(rng, 12) if kind == "wild" else gentle(rng, 12)
    if kind == "scaled":
        matrices[::2, :, :3] *= rng.uniform(0.5, 2, (6, 1, 3)).astype(np.float32)
    if kind == "mirrored":
        matrices[..., 0] *= -1
    given = {"normals": normals} if vertices else {}
    ours, reference = (rig_of(skin, 12, name, **given) for name in (isa, "numpy"))
    out, expected_out = (np.ones((vertices, 3), np.float32) for _ in range(2))
    outs = ({"normals_out": out}, {"normals_out": expected_out}) if vertices else ({}, {})
    got = ours.skin(matrices, method="dual", **outs[0])
    expected = reference.skin(matrices, method="dual", **outs[1])
    # Blends of opposed rotations are ill conditioned; a body has none.
    wild = kind == "wild"
    np.testing.assert_allclose(got, expected, atol=2e-3 if wild else TOLERANCE)
    np.testing.assert_allclose(out, expected_out, atol=2e-3 if wild else TOLERANCE)
    np.testing.assert_allclose(ours.skin(matrices, method="dual"), got, atol=1e-6)


def test_one_rigid_motion_on_all_joints_moves_the_mesh_rigidly(isa, skin_of, rigid_of):
    rng = np.random.default_rng(2)
    skin = skin_of(rng, 100, 9, 5)
    motion = rigid_of(rng, 1)
    moved = rig_of(skin, 9, isa).skin(np.repeat(motion, 9, axis=0), method="dual")
    expected = skin[0] @ motion[0, :, :3].T + motion[0, :, 3]
    np.testing.assert_allclose(moved, expected, atol=TOLERANCE)


def test_one_joint_alone_moves_as_it_does_in_linear_skinning_scale_included(isa):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(40, 3)).astype(np.float32)
    skin = (points, np.zeros((40, 1), np.uint16), np.ones((40, 1), np.float32))
    rig = rig_of(skin, 1, isa)
    for matrix in rng.normal(size=(5, 1, 3, 4)).astype(np.float32):  # shear and mirror too
        linear, dual = rig.skin(matrix), rig.skin(matrix, method="dual")
        np.testing.assert_allclose(dual, linear, atol=5e-5)


def test_turning_the_world_by_any_angle_turns_the_result(isa, skin_of):
    # Passes through every sign of q and -q: no vertex may jump to the other side.
    rng = np.random.default_rng(4)
    skin = skin_of(rng, 200, 10, 5)
    rig = rig_of(skin, 10, isa)
    matrices = gentle(rng, 10)
    still = rig.skin(matrices, method="dual")
    for angle in np.linspace(0, 2 * np.pi, 37):
        turn = quat.to_matrix(quat.from_axis_angle(np.array([0.6, 0.0, 0.8]), angle))
        turned = (turn @ matrices).astype(np.float32)
        np.testing.assert_allclose(
            rig.skin(turned, method="dual"), still @ turn.T, atol=2 * TOLERANCE
        )


def test_a_twist_keeps_the_volume_that_linear_skinning_loses(isa):
    # A ring of radius 1 half-way between a joint at rest and one twisted by 120 degrees.
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(angle), np.zeros(16), np.sin(angle)], axis=1)
    skin = (ring.astype(np.float32), np.tile([0, 1], (16, 1)), np.full((16, 2), 0.5))
    rig = rig_of(skin, 2, isa)
    matrices = np.tile(np.eye(3, 4, dtype=np.float32), (2, 1, 1))
    twist = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), np.radians(120))
    matrices[1, :, :3] = quat.to_matrix(twist)
    radius = {m: np.linalg.norm(rig.skin(matrices, method=m), axis=1) for m in ("linear", "dual")}
    np.testing.assert_allclose(radius["linear"], np.cos(np.radians(60)), atol=1e-6)
    np.testing.assert_allclose(radius["dual"], 1, atol=1e-6)


def test_a_method_that_is_none_is_refused(skin_of):
    rig = rig_of(skin_of(np.random.default_rng(5), 3, 2, 1), 2, None)
    with pytest.raises(UsageError, match="method: expected one of linear, dual, got 'cubic'"):
        rig.skin(np.zeros((2, 3, 4), np.float32), method="cubic")
