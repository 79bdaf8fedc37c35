"""Laws of the body solver: exact points give the pose back, and C++ is NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core import _body_reference as reference
from twinsdk.core import kernel, quat
from twinsdk.core.body_solver import BodyModel, BodyProblem, BodySolver
from twinsdk.errors import ShapeError, ValueRangeError
from twinsdk.motion.fitting.body import JOINTS, MODEL, OFFSETS, POINT_OFFSETS, SEGMENTS, row

COUNT, SEEN = len(JOINTS), len(MODEL.point_joints)
ROOT = np.array([0.2, -0.1, -3.0])


def pose(rng, size=0.4):
    vectors = rng.normal(0, size, (COUNT, 3)) * (MODEL.unknown >= 0)
    vectors[row("hips")] = (0.1, rng.uniform(-2, 2), 0.1)
    vectors = np.clip(vectors, MODEL.low, MODEL.high)
    for lead, follower, share in (
        ("spine", "chest", 1.0),
        ("spine", "upperChest", 1.0),
        ("neck", "head", 1.5),
    ):
        vectors[row(follower)] = share * vectors[row(lead)]
    return quat.from_rotation_vector(vectors)


def places(rotations, root, offsets=OFFSETS):
    world, joints = reference._world(MODEL, offsets, rotations, root)
    carried = world[MODEL.point_joints] @ POINT_OFFSETS[..., None]
    return joints[MODEL.point_joints] + carried[..., 0]


def problem(points, start, root, **changes):
    seen = np.zeros((SEEN, 5))
    seen[:, :2] = points[:, :2] / -points[:, 2:]
    seen[:, 2] = 300
    seen[:, 3], seen[:, 4] = points[:, 2] - root[2], 15
    plain = BodyProblem(
        offsets=OFFSETS,
        points=POINT_OFFSETS,
        seen=seen,
        anchors=np.zeros((SEEN, 6)),
        forecast=start,
        forecast_weights=np.full((COUNT, 3), 0.1),
        neutral=np.zeros((COUNT, 3)),
        neutral_weights=np.zeros((COUNT, 3)),
        root=root,
        root_weights=np.zeros(3),
        iterations=40,
    )
    return replace(plain, **changes)


def disturbed(rotations, rng, size=0.15):
    step = rng.normal(0, size, MODEL.unknowns)
    return reference._moved(MODEL, rotations, ROOT, 0.0, step)[0]


def test_exact_points_give_the_joints_back():
    rng = np.random.default_rng(1)
    solver = BodySolver(MODEL)
    for _ in range(20):
        truth = pose(rng)
        points = places(truth, ROOT)
        start = disturbed(truth, rng)
        solved = solver.solve(problem(points, start, ROOT), start, ROOT + 0.05)
        # Depth is a shallow valley.
        assert np.abs(places(solved.rotations, solved.root) - points).max() < 1.5e-2
        np.testing.assert_allclose(np.linalg.norm(solved.rotations, axis=1), 1, atol=1e-12)


def test_the_gradient_is_that_of_the_cost():
    rng = np.random.default_rng(2)
    truth = pose(rng)
    anchors = np.zeros((SEEN, 6))
    anchors[-1] = (*places(truth, ROOT)[-1], 10, 20, 30)
    start = disturbed(truth, rng)
    given = problem(
        places(truth, ROOT) + rng.normal(0, 0.01, (SEEN, 3)),
        disturbed(truth, rng),
        ROOT,
        anchors=anchors,
        forecast_weights=rng.uniform(0, 5, (COUNT, 3)),
        neutral_weights=rng.uniform(0, 5, (COUNT, 3)),
        root_weights=np.ones(3),
    )
    gradient = reference._system(MODEL, given, start, ROOT, 0.01)[1]
    for unknown in range(MODEL.unknowns):
        step = np.zeros(MODEL.unknowns)
        step[unknown] = 1e-5
        ahead = reference._system(MODEL, given, *reference._moved(MODEL, start, ROOT, 0.01, step))
        back = reference._system(MODEL, given, *reference._moved(MODEL, start, ROOT, 0.01, -step))
        assert gradient[unknown] == pytest.approx((ahead[2] - back[2]) / 4e-5, rel=1e-4, abs=1e-3)


@pytest.mark.skipif(not kernel.is_native(), reason="nothing was compiled")
def test_the_compiled_solver_is_the_reference():
    rng = np.random.default_rng(3)
    native, plain = BodySolver(MODEL), BodySolver(MODEL, "numpy")
    for _ in range(5):
        truth = pose(rng)
        start = disturbed(truth, rng, 0.4)
        given = problem(
            places(truth, ROOT) + rng.normal(0, 0.03, (SEEN, 3)),
            start,
            ROOT,
            forecast_weights=rng.uniform(0, 5, (COUNT, 3)),
            neutral_weights=rng.uniform(0, 5, (COUNT, 3)),
            root_weights=np.ones(3),
            iterations=4,
        )
        a, b = native.solve(given, start, ROOT), plain.solve(given, start, ROOT)
        for name in ("rotations", "root", "residuals", "information", "downhill"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-6, atol=1e-7)


def test_a_point_far_off_its_place_is_left_out():
    rng = np.random.default_rng(4)
    truth = pose(rng)
    points = places(truth, ROOT)
    wrong = points.copy()
    wrong[-3] += (0.5, 0.4, 0.0)
    solved = BodySolver(MODEL).solve(problem(wrong, truth, ROOT), truth, ROOT)
    kept = np.delete(places(solved.rotations, solved.root) - points, -3, axis=0)
    assert np.abs(kept).max() < 0.03


def test_no_knee_bends_forward_whatever_the_points_say():
    straight = np.tile([0.0, 0.0, 0.0, 1.0], (COUNT, 1))
    bent = straight.copy()
    for side in ("left", "right"):
        bent[row(f"{side}LowerLeg")] = quat.from_rotation_vector(np.array([-0.6, 0, 0]))
    solved = BodySolver(MODEL).solve(problem(places(bent, ROOT), straight, ROOT), straight, ROOT)
    knees = quat.to_rotation_vector(solved.rotations)[[row("leftLowerLeg"), row("rightLowerLeg")]]
    assert knees[:, 0].min() > -0.2


def test_lengths_step_towards_those_behind_the_points():
    rng = np.random.default_rng(5)
    solver = BodySolver(MODEL)
    arm, total = SEGMENTS.index("upperArm"), np.zeros((len(SEGMENTS), len(SEGMENTS)))
    sums = np.zeros(len(SEGMENTS))
    longer = np.where((MODEL.segment == arm)[:, None], 1.1, 1.0) * OFFSETS
    for _ in range(20):
        truth = pose(rng)
        points = places(truth, ROOT, longer)
        given = problem(points, truth, ROOT)
        solved = solver.solve(given, truth, ROOT)
        total += solved.information
        sums += solved.downhill
        assert np.linalg.eigvalsh(solved.information).min() > -1e-6
    # The whole person may as well be larger and farther away: that is held.
    step = np.linalg.solve(total + np.eye(len(SEGMENTS)) * 30, sums)
    assert 0.5 < step[arm] / np.log(1.1) < 1.5  # the first step of a search
    assert np.abs(np.delete(step, arm)).max() < 0.06


def test_arrays_of_another_size_are_refused():
    straight = np.tile([0.0, 0.0, 0.0, 1.0], (COUNT, 1))
    given = problem(places(straight, ROOT), straight, ROOT, anchors=np.zeros((SEEN, 3)))
    with pytest.raises(ShapeError, match="anchors: expected shape"):
        BodySolver(MODEL).solve(given, straight, ROOT)
    with pytest.raises(ValueRangeError, match="parents"):
        BodyModel(
            parents=np.array([0, 1]),
            unknown=np.full((2, 3), -1),
            share=np.zeros((2, 3)),
            low=np.zeros((2, 3)),
            high=np.zeros((2, 3)),
            segment=np.array([-1, 0]),
            point_joints=np.array([0]),
        )
