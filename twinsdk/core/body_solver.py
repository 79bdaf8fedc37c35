"""The pose of a joint tree from points on an image: the door to the native solver.

Unknown are the root's place, the common error of all depths, and turns of joints about their own
axes. Minimised, robustly, are the distances of points from their rays, of depths from the told
ones, of anchored points from their anchors, and of joints from forecast, neutral and limits. The
definition is `_body_reference`; the compiled one is `csrc/src/body_solver.cpp`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinsdk.core import _body_reference as reference
from twinsdk.core import kernel
from twinsdk.core.arrays import F64, I32, as_array
from twinsdk.errors import ShapeError, ValueRangeError

__all__ = ["FIRST_TURN", "BodyModel", "BodyProblem", "BodySolution", "BodySolver"]

FIRST_TURN = 4
"""The first unknown that turns a joint; before it come the root and the depths' common error."""
_MOST_UNKNOWNS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class BodyModel:
    """What does not change from frame to frame, of N joints and P points.

    Attributes:
        parents: (N,) below the joint's own, -1 for joint 0.
        unknown: (N, 3) which unknown turns the joint about each of its own axes, -1 none.
        share: (N, 3) radians of that axis for one of the unknown.
        low, high: (N, 3) bounds of the joint's rotation vector, radians.
        segment: (N,) which length scales the joint's offset, -1 none.
        point_joints: (P,) the joint that carries each point.
    """

    parents: I32
    unknown: I32
    share: F64
    low: F64
    high: F64
    segment: I32
    point_joints: I32

    def __post_init__(self) -> None:
        n = len(self.parents)
        shapes = {
            "parents": ((n,), np.int32),
            "unknown": ((n, 3), np.int32),
            "share": ((n, 3), np.float64),
            "low": ((n, 3), np.float64),
            "high": ((n, 3), np.float64),
            "segment": ((n,), np.int32),
            "point_joints": ((len(self.point_joints),), np.int32),
        }
        for name, (shape, dtype) in shapes.items():
            object.__setattr__(self, name, as_array(name, getattr(self, name), shape, dtype))
        if n == 0 or self.parents[0] != -1 or (self.parents[1:] >= np.arange(1, n)).any():
            raise ValueRangeError(f"parents: expected -1, then joints before, got {self.parents}")
        if self.unknowns + self.segments > _MOST_UNKNOWNS:
            raise ValueRangeError(
                f"unknown, segment: expected at most {_MOST_UNKNOWNS} together, "
                f"got {self.unknowns + self.segments}"
            )

    @property
    def unknowns(self) -> int:
        """How many unknowns a frame has."""
        return max(FIRST_TURN, int(self.unknown.max()) + 1)

    @property
    def segments(self) -> int:
        """How many lengths a frame tells of."""
        return int(self.segment.max()) + 1


@dataclass(kw_only=True, eq=False)
class BodyProblem:
    """One frame; camera axes (+X right, +Y up, -Z ahead), metres; weights are 1 / deviation.

    Attributes:
        offsets: (N, 3) parent_from_joint; row 0 is not used.
        points: (P, 3) in their joints' frames.
        seen: (P, 5) the ray's right and up at depth 1 and its weight; z against the root and its
            weight.
        anchors: (P, 6) where the point is held, and the weights by axis.
        forecast: (N, 4) xyzw local rotations.
        forecast_weights: (N, 3).
        neutral: (N, 3) rotation vectors.
        neutral_weights: (N, 3).
        root: (3,) forecast.
        root_weights: (3,).
        limit_weight: Per radian beyond the model's bounds.
        bias_weight: Of the depths' common error.
        ray_scale, depth_scale, anchor_scale: Deviations at which a residual is half believed.
        loose: Added to the pose's diagonal where lengths are told apart from it.
        damping: Of the first step.
        iterations: At most so many steps.
    """

    offsets: F64
    points: F64
    seen: F64
    anchors: F64
    forecast: F64
    forecast_weights: F64
    neutral: F64
    neutral_weights: F64
    root: F64
    root_weights: F64
    limit_weight: float = 30.0
    bias_weight: float = 30.0
    ray_scale: float = 5.0
    depth_scale: float = 3.0
    anchor_scale: float = 3.0
    loose: float = 1e-3
    damping: float = 1e-4
    iterations: int = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class BodySolution:
    """What came of a frame.

    Attributes:
        rotations: (N, 4) xyzw local.
        root: (3,) metres.
        residuals: (P, 6) in deviations: image right and up, depth, anchor x, y and z.
        information: (K, K) what the frame tells of the log lengths, the pose marginalised out.
        downhill: (K,) information times the step to the lengths that fit best.
        world: (N, 3, 3) camera_from_joint.
        points: (P, 3) where the points lie, camera axes.
    """

    rotations: F64
    root: F64
    residuals: F64
    information: F64
    downhill: F64
    world: F64
    points: F64


@dataclass(eq=False)
class BodySolver:
    """Solves frames of one `BodyModel`.

    Args:
        model: See there.
        isa: "numpy" takes the reference; None what runs best.
    """

    model: BodyModel
    isa: str | None = None
    _native: object = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        module = kernel.implementation(kernel.checked_isa(self.isa))
        if not hasattr(module, "BodySolver"):
            return
        m = self.model
        self._native = module.BodySolver(
            unknowns=m.unknowns,
            segments=m.segments,
            parents=m.parents,
            unknown=m.unknown,
            share=m.share,
            low=m.low,
            high=m.high,
            segment=m.segment,
            point_joints=m.point_joints,
        )

    def solve(self, problem: BodyProblem, rotations: F64, root: F64) -> BodySolution:
        """Return the solution found from the start `rotations` (N, 4), `root` (3,).

        Raises:
            ShapeError: An array of the problem or the start has another shape.
        """
        p, n, count = problem, len(self.model.parents), len(self.model.point_joints)
        turned, moved = np.array(rotations, np.float64), np.array(root, np.float64)
        for name, array, shape in (
            ("offsets", p.offsets, (n, 3)),
            ("points", p.points, (count, 3)),
            ("seen", p.seen, (count, 5)),
            ("anchors", p.anchors, (count, 6)),
            ("forecast", p.forecast, (n, 4)),
            ("forecast_weights", p.forecast_weights, (n, 3)),
            ("neutral", p.neutral, (n, 3)),
            ("neutral_weights", p.neutral_weights, (n, 3)),
            ("rotations", turned, (n, 4)),
        ):
            if array.shape != shape:
                raise ShapeError(f"{name}: expected shape {shape}, got {array.shape}")
        segments = self.model.segments
        residuals = np.zeros((count, 6))
        information, downhill = np.zeros((segments, segments)), np.zeros(segments)
        world, places = np.zeros((n, 3, 3)), np.zeros((count, 3))
        if self._native is None:
            residuals, information, downhill = reference.solve_body(self.model, p, turned, moved)
            world, places = reference.placed(self.model, p, turned, moved)
        else:
            self._native.solve(  # type: ignore[attr-defined]
                offsets=p.offsets,
                points=p.points,
                seen=p.seen,
                anchors=p.anchors,
                forecast=p.forecast,
                forecast_weights=p.forecast_weights,
                neutral=p.neutral,
                neutral_weights=p.neutral_weights,
                root_forecast=p.root,
                root_weights=p.root_weights,
                numbers=np.array(
                    [
                        p.limit_weight,
                        p.bias_weight,
                        p.ray_scale,
                        p.depth_scale,
                        p.anchor_scale,
                        p.loose,
                        p.damping,
                    ]
                ),
                iterations=p.iterations,
                rotations=turned,
                root=moved,
                residuals=residuals,
                information=information,
                downhill=downhill,
                world=world,
                places=places,
            )
        return BodySolution(
            rotations=turned,
            root=moved,
            residuals=residuals,
            information=information,
            downhill=downhill,
            world=world,
            points=places,
        )
