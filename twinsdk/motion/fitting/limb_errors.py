"""How far a solution is from what is measured: by limb, and as the solver counts it."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.body_solver import BodyProblem, BodySolution
from twinsdk.motion.fitting.body import JOINTS, POINTS, row
from twinsdk.motion.fitting.points import BODY

__all__ = ["LIMBS", "LIMB_OF_JOINT", "cost", "misfit"]

LIMBS = (("left", "Arm"), ("right", "Arm"), ("left", "Leg"), ("right", "Leg"))
_PARTS = {
    "Arm": (("UpperArm", "LowerArm"), ("Elbow", "Wrist")),
    "Leg": (("UpperLeg", "LowerLeg", "Foot"), ("Knee", "Ankle", "Heel", "FootIndex")),
}


def _members() -> tuple[Array, Array]:
    """Return which joints (N, 5) and which points (P, 5) are of which limb or, last, none."""
    joints, points = np.zeros((len(JOINTS), 5)), np.zeros((len(POINTS), 5))
    used = POINTS.tolist()
    for limb, (side, kind) in enumerate(LIMBS):
        for part in _PARTS[kind][0]:
            joints[row(side + part), limb] = 1
        for part in _PARTS[kind][1]:
            points[used.index(BODY[side + part]), limb] = 1
    joints[:, 4], points[:, 4] = 1 - joints[:, :4].max(1), 1 - points[:, :4].max(1)
    return joints, points


LIMB_OF_JOINT, _LIMB_OF_POINT = _members()
"""(N, 5) which joints are of which of `LIMBS` or, last, of none."""
_PER_LIMB = _LIMB_OF_POINT.sum(0)


def misfit(solution: BodySolution) -> Array:
    """Return the mean square of what is left over (5,): of each limb, then of trunk and head."""
    square = solution.residuals[:, :3] ** 2
    worst = np.maximum(square[:, 0] + square[:, 1], square[:, 2])
    return np.asarray(worst @ _LIMB_OF_POINT / _PER_LIMB)


def cost(solution: BodySolution, problem: BodyProblem) -> float:
    """Return how far a solution is from what is measured, as the solver counts it."""
    square = solution.residuals[:, :3] ** 2
    across, deep = square[:, 0] + square[:, 1], square[:, 2]
    across = across / (1 + across / problem.ray_scale**2)
    deep = deep / (1 + deep / problem.depth_scale**2)
    return float((across + deep).sum())
