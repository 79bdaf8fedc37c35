"""The body solver in NumPy: definition of `csrc/src/body_solver.cpp`, and its oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array

__all__ = ["placed", "solve_body"]

_RETRIES = 6
_MOST_TURN = 0.5  # radians a joint may turn in one step: beyond, the linear model says nothing


def solve_body(model: Any, problem: Any, rotations: F64, root: F64) -> tuple[Array, Array, Array]:
    """Move `rotations` (N, 4) and `root` (3,) in place; return residuals, information, gradient.

    See `twinsdk.core.body_solver` for what the arguments hold and what comes back.
    """
    bias, damping = 0.0, problem.damping
    state = (rotations.copy(), root.copy(), bias)
    system = _system(model, problem, *state)
    for _ in range(problem.iterations):
        normal, gradient, cost = system[:3]
        for _ in range(_RETRIES):
            damped = normal + np.diag(damping * np.diag(normal) + 1e-9)
            step = -np.linalg.solve(damped, gradient)
            moved = _moved(model, *state, step)
            trial = _system(model, problem, *moved)
            if trial[2] <= cost:
                break
            damping = max(damping, 1e-3) * 8
        else:
            break
        state, system, damping = moved, trial, damping * 0.3
    rotations[:], root[:] = state[0], state[1]
    return system[3], *_information(model, problem, *state)


def placed(model: Any, problem: Any, rotations: F64, root: F64) -> tuple[Array, Array]:
    """Return camera_from_joint (N, 3, 3) and where the points lie (P, 3)."""
    world, places = _world(model, problem.offsets, rotations, root)
    carried = world[model.point_joints] @ problem.points[..., None]
    return world, places[model.point_joints] + carried[..., 0]


def _world(model: Any, offsets: Array, rotations: Array, root: Array) -> tuple[Array, Array]:
    local = quat.to_matrix(rotations)
    world, places = np.zeros_like(local), np.zeros((len(local), 3))
    for j, parent in enumerate(model.parents):
        if parent < 0:
            world[j], places[j] = local[j], root
        else:
            world[j] = world[parent] @ local[j]
            places[j] = places[parent] + world[parent] @ offsets[j]
    return world, places


def _point_columns(model: Any, world: Array, places: Array, points: Array) -> Array:
    """Return how every point moves with every unknown (P, 3, D)."""
    count, unknowns = len(points), model.unknowns
    columns = np.zeros((count, 3, unknowns))
    columns[:, :, :3] = np.eye(3)
    for p, joint in enumerate(model.point_joints):
        j = int(joint)
        while j >= 0:
            for axis in range(3):
                unknown = model.unknown[j, axis]
                if unknown >= 0:
                    lever = np.cross(world[j][:, axis], points[p] - places[j])
                    columns[p, :, unknown] += model.share[j, axis] * lever
            j = int(model.parents[j])
    return columns


def _measured(problem: Any, points: Array, root: Array, bias: float) -> tuple[Array, Array, Array]:
    """Return per point the residuals (P, 6), their rows by place (P, 6, 3), robust weights (P, 2).

    Order: image right, image up, depth, anchor x, y, z; all in standard deviations.
    """
    x, y, z = points.T
    away = np.maximum(-z, 0.05)
    seen = problem.seen
    rays, weight = seen[:, :2], seen[:, 2]
    residuals, rows = np.zeros((len(points), 6)), np.zeros((len(points), 6, 3))
    residuals[:, 0] = weight * (x / away - rays[:, 0])
    residuals[:, 1] = weight * (y / away - rays[:, 1])
    rows[:, 0, 0] = rows[:, 1, 1] = weight / away
    rows[:, 0, 2] = weight * x / away**2
    rows[:, 1, 2] = weight * y / away**2
    residuals[:, 2] = seen[:, 4] * (z - root[2] - bias - seen[:, 3])
    rows[:, 2, 2] = seen[:, 4]
    residuals[:, 3:] = problem.anchors[:, 3:] * (points - problem.anchors[:, :3])
    rows[:, [3, 4, 5], [0, 1, 2]] = problem.anchors[:, 3:]
    robust = np.ones((len(points), 3))
    for k, part, scale in (
        (0, residuals[:, :2], problem.ray_scale),
        (1, residuals[:, 2:3], problem.depth_scale),
        (2, residuals[:, 3:], problem.anchor_scale),
    ):
        square = (part * part).sum(-1) / scale**2
        robust[:, k] = 1 / (1 + square) ** 2  # Geman-McClure 1987
    return residuals, rows, robust


def _robust_cost(residuals: Array, problem: Any) -> float:
    total = 0.0
    for part, scale in (
        (residuals[:, :2], problem.ray_scale),
        (residuals[:, 2:3], problem.depth_scale),
        (residuals[:, 3:], problem.anchor_scale),
    ):
        square = (part * part).sum(-1)
        total += float((square / (1 + square / scale**2)).sum())
    return total


def _system(
    model: Any, problem: Any, rotations: Array, root: Array, bias: float
) -> tuple[Array, Array, float, Array]:
    """Return the normal matrix (D, D), the gradient (D,), the cost and the residuals (P, 6)."""
    world, places = _world(model, problem.offsets, rotations, root)
    points = places[model.point_joints] + np.einsum(
        "pij,pj->pi", world[model.point_joints], problem.points
    )
    columns = _point_columns(model, world, places, points)
    residuals, rows, robust = _measured(problem, points, root, bias)
    jacobian = np.einsum("prk,pkd->prd", rows, columns)
    # Depth is told against the root, and all depths together may be off.
    jacobian[:, 2, 2] -= rows[:, 2, 2]
    jacobian[:, 2, 3] -= rows[:, 2, 2]
    weights = np.repeat(robust, (2, 1, 3), axis=1)
    normal = np.einsum("prd,pr,pre->de", jacobian, weights, jacobian)
    gradient = np.einsum("prd,pr->d", jacobian, weights * residuals)
    cost = _robust_cost(residuals, problem)

    normal[3, 3] += problem.bias_weight**2
    gradient[3] += problem.bias_weight**2 * bias
    cost += (problem.bias_weight * bias) ** 2
    behind = root - problem.root
    square = problem.root_weights**2
    normal[[0, 1, 2], [0, 1, 2]] += square
    gradient[:3] += square * behind
    cost += float(square @ behind**2)
    for j in range(len(rotations)):
        cost += _joint_terms(model, problem, j, rotations[j], normal, gradient)
    return normal, gradient, cost, residuals


def _joint_terms(
    model: Any, problem: Any, j: int, rotation: Array, normal: Array, gradient: Array
) -> float:
    """Add a joint's pull to its forecast, to its neutral, and back within its limits."""
    forecast = _vector(quat.multiply(quat.conjugate(problem.forecast[j]), rotation))
    own = _vector(rotation)
    beyond = np.minimum(own - model.low[j], 0) + np.maximum(own - model.high[j], 0)
    cost = 0.0
    for vector, value, weight in (
        (forecast, forecast, problem.forecast_weights[j]),
        (own, own - problem.neutral[j], problem.neutral_weights[j]),
        (own, beyond, np.where(beyond != 0, problem.limit_weight, 0.0)),
    ):
        if not weight.any():
            continue
        rows = np.zeros((3, model.unknowns))
        turn = _right_inverse(vector)
        for axis in range(3):
            unknown = model.unknown[j, axis]
            if unknown >= 0:
                rows[:, unknown] += weight * turn[:, axis] * model.share[j, axis]
        residual = weight * value
        normal += rows.T @ rows
        gradient += rows.T @ residual
        cost += float(residual @ residual)
    return cost


def _moved(
    model: Any, rotations: Array, root: Array, bias: float, step: Array
) -> tuple[Array, Array, float]:
    turned = np.where(model.unknown >= 0, step[model.unknown], 0.0) * model.share
    largest = np.abs(turned).max()
    if largest > _MOST_TURN:
        step = step * (_MOST_TURN / largest)
        turned = turned * (_MOST_TURN / largest)
    moved = quat.multiply(rotations, quat.from_rotation_vector(turned))
    return quat.normalize(moved), root + step[:3], bias + float(step[3])


def _information(
    model: Any, problem: Any, rotations: Array, root: Array, bias: float
) -> tuple[Array, Array]:
    """Return what the frame says of the segments' log lengths: information (K, K), gradient (K,).

    The pose is marginalised out with nothing but its limits and the neutral known of it, so that
    frames count once. `gradient` points downhill: the lengths' step is information^-1 gradient.
    """
    count = int(model.segment.max()) + 1
    world, places = _world(model, problem.offsets, rotations, root)
    points = places[model.point_joints] + np.einsum(
        "pij,pj->pi", world[model.point_joints], problem.points
    )
    grow = np.zeros((len(points), 3, count))
    for p, joint in enumerate(model.point_joints):
        j = int(joint)
        while j > 0:
            segment, parent = int(model.segment[j]), int(model.parents[j])
            if segment >= 0:
                grow[p, :, segment] += world[parent] @ problem.offsets[j]
            j = parent
    columns = np.concatenate([_point_columns(model, world, places, points), grow], axis=2)
    residuals, rows, robust = _measured(problem, points, root, bias)
    jacobian = np.einsum("prk,pkd->prd", rows[:, :3], columns)
    jacobian[:, 2, 2] -= rows[:, 2, 2]
    jacobian[:, 2, 3] -= rows[:, 2, 2]
    weights = np.repeat(robust[:, :2], (2, 1), axis=1)
    normal = np.einsum("prd,pr,pre->de", jacobian, weights, jacobian)
    gradient = np.einsum("prd,pr->d", jacobian, weights * residuals[:, :3])
    d = model.unknowns
    pose = normal[:d, :d]
    pose[3, 3] += problem.bias_weight**2
    gradient[3] += problem.bias_weight**2 * bias
    pose[np.arange(d), np.arange(d)] += problem.loose
    for j in range(len(rotations)):
        _joint_terms(model, _Without(problem), j, rotations[j], pose, gradient[:d])
    mixed = np.linalg.solve(pose, normal[:d, d:])
    information = normal[d:, d:] - normal[d:, :d] @ mixed
    return information, -(gradient[d:] - mixed.T @ gradient[:d])


class _Without:
    """A problem without forecast."""

    def __init__(self, problem: Any) -> None:
        self.__dict__.update(vars(problem))
        self.forecast_weights = np.zeros_like(problem.forecast_weights)


def _vector(rotation: Array) -> Array:
    """Return the rotation vector (3,) of a unit quaternion (4,), the short way round."""
    q = -rotation if rotation[3] < 0 else rotation
    sine = float(np.sqrt(q[:3] @ q[:3]))
    return q[:3] * (2.0 if sine < 1e-9 else 2 * np.arctan2(sine, q[3]) / sine)


def _right_inverse(v: Array) -> Array:
    """Return how the rotation vector `v` changes with a turn about the joint's own axes (3, 3).

    Source: Chirikjian 2012, "Stochastic models, information theory, and Lie groups" 2, eq. 10.86.
    """
    square = float(v @ v)
    x, y, z = v
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if square < 1e-8:
        return np.eye(3) + skew / 2
    angle = float(np.sqrt(square))
    half = angle / 2
    factor = (1 - half / np.tan(half)) / square
    return np.eye(3) + skew / 2 + factor * skew @ skew
