"""Joint rotations, root and bone lengths of one person, frame by frame, by the body solver.

The image is believed: points lie on their rays within a centimetre. Depth is a weak hint. What
the two leave open is settled by fixed bone lengths, limits of joints and the forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import Array
from twinsdk.core.body_solver import BodyProblem, BodySolution, BodySolver
from twinsdk.core.landmarks import ImageLandmarks
from twinsdk.core.turning import turned, turns_between
from twinsdk.motion.filters.smooth import blend_amount
from twinsdk.motion.fitting.body import (
    JOINTS,
    MODEL,
    NEUTRAL_WEIGHTS,
    OFFSETS,
    POINT_OFFSETS,
    POINTS,
    ROWS,
    row,
)
from twinsdk.motion.fitting.depth import depth_hints, line_of_sight_frame
from twinsdk.motion.fitting.lengths import SessionLengths
from twinsdk.motion.fitting.limb_errors import LIMB_OF_JOINT, LIMBS, cost, misfit
from twinsdk.motion.fitting.planted import PlantedFeet
from twinsdk.motion.fitting.points import BODY
from twinsdk.motion.fitting.root import hips_in_camera
from twinsdk.motion.fitting.solve import Palms, complete, solve
from twinsdk.motion.fitting.stillness import Stillness
from twinsdk.motion.vectors import matrix_of

__all__ = ["BodyEstimate", "BodyEstimator", "EstimatorConfig"]

_COUNT, _SEEN = len(JOINTS), len(POINTS)
_COLLARS = [row("leftShoulder"), row("rightShoulder")]
_ARMS = [row("leftUpperArm"), row("rightUpperArm")]
_RAISE, _LOWER, _FORWARD = 0.35, 0.05, 0.16  # radians a collar follows its arm at full reach
_FAR_OFF = 8.0  # mean square of a limb's residuals beyond which another start is tried
_LEAP_RAD, _LEAPT, _LEAP_S = 0.4, 0.5, 0.1  # of a whole leap; most of `leap`; when it is forgotten
_PATIENCE_S = 0.1  # how long a limb is far off before that: a single frame may be wrong
_LEAST_SEEN = 0.1
_USUAL_M = 3.0
_UP = np.array([0.0, 1.0, 0.0])
_TRUNK = [BODY[f"{side}{part}"] for part in ("Shoulder", "Hip") for side in ("left", "right")]
_STIFF = (MODEL.unknown < 0).all(1)


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig:
    """How far what is measured and what is forecast are believed.

    Attributes:
        across_m: Least deviation of a point across its ray.
        depth_share: How far depths are believed: factor on the deviations they claim.
        turn_rad: Deviation of a joint's forecast at rest after 1/30 s.
        turn_gain: And what a radian a second adds to it.
        at_rest: How much surer the forecast of a limb is at most that has long been at rest.
        root_m, root_gain: The same of the root's place across the line of sight.
        away_m, away_gain: And along it.
    """

    across_m: float = 0.010
    depth_share: float = 0.4
    turn_rad: float = 0.03
    turn_gain: float = 0.03
    at_rest: float = 15.0
    root_m: float = 0.01
    root_gain: float = 0.03
    away_m: float = 0.01
    away_gain: float = 0.03


@dataclass(frozen=True, kw_only=True, eq=False)
class BodyEstimate:
    """A frame's result in the camera's axes.

    Attributes:
        rotations: (N, 4) xyzw local, in the order of `JOINTS`; the hips' own is camera_from_hips.
        root: (3,) metres, the hips joint before the camera.
        residuals: (P, 6) in deviations.
        world: (N, 3, 3) camera_from_joint.
        points: (33, 3) where the tracker's points should lie, zeros where none is of the body.
        sight: (3, 3) camera_from_sight: the axes in which the tracker gives points in space.
    """

    rotations: Array
    root: Array
    residuals: Array
    world: Array
    points: Array
    sight: Array


class BodyEstimator:
    """Follows one person.

    Attributes:
        lengths: What is known of their bones.
        feet: Which of their feet stand.
        stillness: Which of their limbs move.
        leap: (N,) by what share each joint should be followed less, since the solver caught up.

    Args:
        height_m: Of the person.
        config: See there.
    """

    def __init__(self, *, height_m: float, config: EstimatorConfig | None = None) -> None:
        self._config = config or EstimatorConfig()
        self._scale = height_m / 1.70
        self._solver = BodySolver(MODEL)
        self._points = POINT_OFFSETS * self._scale
        self.lengths = SessionLengths()
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self.lengths.reset()
        self.forget_pose()

    def forget_pose(self) -> None:
        """Forget how the person stood; their lengths stay."""
        self._last: BodyEstimate | None = None
        self._turning = np.zeros((_COUNT, 3))
        self._moving = np.zeros(3)
        self.feet = PlantedFeet()
        self.stillness = Stillness()
        self.leap = np.zeros(_COUNT)
        self._lost_s = np.zeros(len(LIMBS) + 1)
        self._up = _UP

    def offsets(self) -> Array:
        """Return parent_from_joint (N, 3) of the person as known so far, metres."""
        return self.lengths.stretched(OFFSETS) * self._scale

    def step(
        self,
        points: Array,
        image: ImageLandmarks,
        seen: Array,
        *,
        focal_px: float,
        step_s: float,
        measured: bool = False,
        up: Array = _UP,
    ) -> BodyEstimate:
        """Return where the person is.

        Args:
            points: (33, 3) the tracker's points in space, its own axes.
            image: The same on the image.
            seen: (33,) in [0, 1].
            focal_px: Focal length.
            step_s: Seconds since the last frame.
            measured: Whether `points` are measured, in the camera's axes, and not a guess.
            up: (3,) away from the ground, the camera's axes.
        """
        self._up = up
        first = self._last is None
        ray = _trunk_ray(image, seen, focal_px)
        sight = np.eye(3) if measured else line_of_sight_frame(ray)

        def start() -> tuple[Array, Array]:
            return self._start(points @ sight.T, image, seen, focal_px)

        rotations, root = start() if self._last is None else self._forecast(self._last, step_s)
        problem = self._problem(points, image, seen, rotations, root, focal_px, step_s, measured)
        if first:
            solution = self._begin(problem, rotations, root)
        else:
            solution = self._solver.solve(problem, rotations, root)
        if not first:
            first_try, solution = solution, self._caught_up(problem, solution)
            solution, anew = self._second_try(problem, solution, start, step_s)
            self.leap *= np.exp(-step_s / _LEAP_S)
            if solution is not first_try:
                far = turns_between(first_try.rotations, solution.rotations)
                far = np.sqrt((far * far).sum(-1)) / _LEAP_RAD
                self.leap = np.maximum(self.leap, np.minimum(far, _LEAPT))
            self._remember(solution, anew, step_s)
        self.lengths.add(solution, step_s)
        shown = np.zeros((33, 3))
        shown[POINTS] = solution.points
        self._last = BodyEstimate(
            rotations=solution.rotations,
            root=solution.root,
            residuals=solution.residuals,
            world=solution.world,
            points=shown,
            sight=sight,
        )
        return self._last

    def _start(
        self, points: Array, image: ImageLandmarks, seen: Array, focal_px: float
    ) -> tuple[Array, Array]:
        """Return rotations (N, 4) and root (3,) by the closed form, without a memory."""
        rotations, _ = complete(
            solve(points, seen),
            points,
            (None, None),
            head=None,
            expressions=None,
            palms=Palms(shown=np.zeros(2, bool)),
        )
        placed = hips_in_camera(points * self._scale, image, seen, focal_px)
        if placed is None:
            ray = _trunk_ray(image, seen, focal_px)
            placed = _USUAL_M * np.array([ray[0], ray[1], -1.0])
        vectors = np.where(MODEL.unknown >= 0, quat.to_rotation_vector(rotations[ROWS]), 0.0)
        return quat.from_rotation_vector(vectors), placed

    def _anchors(self, seen: Array, step_s: float) -> Array:
        if self._last is None:
            return np.zeros((_SEEN, 6))
        last, sure = self._last.points[POINTS], (seen[:, 2] > 0) * 1.0
        return self.feet.anchors(seen[:, :2], sure, last, step_s, self._up)

    def _begin(self, problem: BodyProblem, rotations: Array, root: Array) -> BodySolution:
        """Return the solution that owes nothing to the past: from coarse to fine."""
        free = replace(
            problem,
            forecast_weights=np.full((_COUNT, 3), 0.5),
            root_weights=np.zeros(3),
            iterations=10,
            ray_scale=20 * problem.ray_scale,
        )
        coarse = self._solver.solve(free, rotations, root)
        fine = replace(free, ray_scale=problem.ray_scale, forecast=coarse.rotations)
        return self._solver.solve(fine, coarse.rotations, coarse.root)

    def _forecast(self, last: BodyEstimate, step_s: float) -> tuple[Array, Array]:
        # What rests does not go on: a forecast believed that much would drift.
        haste = self.stillness.haste
        turning = (LIMB_OF_JOINT @ (haste * step_s))[:, None] * self._turning
        rotations = turned(last.rotations, turning)
        return rotations, last.root + haste[-1] * self._moving * step_s

    def _problem(
        self,
        points: Array,
        image: ImageLandmarks,
        seen: Array,
        rotations: Array,
        root: Array,
        focal_px: float,
        step_s: float,
        measured: bool,
    ) -> BodyProblem:
        c = self._config
        width, height = image.size_px
        sure = seen[POINTS]
        rays = (image.uv[POINTS] - 0.5) * (width / focal_px, -height / focal_px)
        away = max(-float(root[2]), 0.2)
        if measured:
            # Doubt of what is measured is the same in all directions.
            weight = (sure > _LEAST_SEEN) / c.across_m
            table = np.column_stack([rays, weight * away, points[POINTS, 2], weight])
        else:
            hints = depth_hints(rays, points[POINTS], sure, away_m=away)
            table = hints.weighed(sure, away_m=away, across_m=c.across_m, depth_share=c.depth_share)
        late = np.sqrt(max(step_s, 1e-3) * 30)
        speed = np.abs(self._turning)
        haste = self._haste(points, image, seen, away / focal_px, step_s)
        calm = 1 / np.maximum(haste, 1 / c.at_rest)
        forecast_weights = (LIMB_OF_JOINT @ calm)[:, None] / (
            late * (c.turn_rad + c.turn_gain * speed)
        )
        moving = np.abs(self._moving)
        least, gain = (c.root_m, c.root_m, c.away_m), (c.root_gain, c.root_gain, c.away_gain)
        root_weights = calm[-1] / (late * (np.array(least) + np.array(gain) * moving))
        return BodyProblem(
            offsets=self.offsets(),
            points=self._points,
            seen=table,
            anchors=self._anchors(table, step_s),
            forecast=rotations,
            forecast_weights=forecast_weights,
            neutral=_neutral(rotations),
            neutral_weights=NEUTRAL_WEIGHTS,
            root=root,
            root_weights=root_weights,
            bias_weight=10.0,
            anchor_scale=8.0,
        )

    def _haste(
        self, points: Array, image: ImageLandmarks, seen: Array, metres: float, step_s: float
    ) -> Array:
        across = image.uv * (metres * np.array(image.size_px))
        return self.stillness.step(across, points, seen > _LEAST_SEEN, step_s)

    def _caught_up(self, problem: BodyProblem, first: BodySolution) -> BodySolution:
        """Return the better of `first` and a search that begins coarsely, where it is far off.

        What has moved further than a robust weight reaches would be left behind as an outlier.
        """
        if misfit(first).max() < _FAR_OFF:
            return first
        coarse = replace(
            problem,
            ray_scale=8 * problem.ray_scale,
            forecast_weights=0.3 * problem.forecast_weights,
            root_weights=0.3 * problem.root_weights,
            anchors=np.zeros((_SEEN, 6)),
            iterations=6,
        )
        near = self._solver.solve(coarse, first.rotations, first.root)
        fine = self._solver.solve(
            replace(problem, forecast=near.rotations, root=near.root), near.rotations, near.root
        )
        return fine if cost(fine, problem) < 0.9 * cost(first, problem) else first

    def _second_try(
        self,
        problem: BodyProblem,
        first: BodySolution,
        start: Callable[[], tuple[Array, Array]],
        step_s: float,
    ) -> tuple[BodySolution, Array]:
        """Return the better of `first` and what begins without memory where `first` is far off.

        And which joints (N,) begin without memory.

        A limb that has passed the plane of the image is a local minimum: it leans to the camera
        where it should lean away, or the other way round.
        """
        self._lost_s = np.where(misfit(first) > _FAR_OFF, self._lost_s + step_s, 0.0)
        late = self._lost_s > _PATIENCE_S
        none = np.zeros(_COUNT, bool)
        if not late.any():
            return first, none
        self._lost_s[late] = 0.0
        rotations, root = start()
        if late[-1]:  # the trunk: nothing can be kept
            whole = self._begin(problem, rotations, root)
            better = cost(whole, problem) < 0.8 * cost(first, problem)
            return (whole, ~none) if better else (first, none)
        lost = (LIMB_OF_JOINT @ late) > 0
        rotations = np.where(lost[:, None], rotations, first.rotations)
        free = replace(
            problem,
            forecast=rotations,
            forecast_weights=np.where(lost[:, None], 0.5, problem.forecast_weights),
        )
        second = self._solver.solve(free, rotations, first.root)
        better = cost(second, problem) < 0.8 * cost(first, problem)
        return (second, lost) if better else (first, none)

    def _remember(self, solution: BodySolution, anew: Array, step_s: float) -> None:
        """Learn how fast joints turn and the root moves; what began anew is not known to move."""
        if self._last is None or step_s <= 0:
            return
        between = turns_between(self._last.rotations, solution.rotations)
        share = blend_amount(4.0, step_s)
        self._turning += share * (between / step_s - self._turning)
        self._turning[anew | _STIFF] = 0.0
        if anew[0]:
            self._moving[:] = 0.0
            return
        self._moving += share * ((solution.root - self._last.root) / step_s - self._moving)


def _trunk_ray(image: ImageLandmarks, seen: Array, focal_px: float) -> Array:
    sure = np.maximum(seen[_TRUNK], 1e-3)
    u, v = sure @ image.uv[_TRUNK] / sure.sum()
    width, height = image.size_px
    return np.array([(u - 0.5) * width, (0.5 - v) * height]) / focal_px


def _neutral(rotations: Array) -> Array:
    """Return neutral rotation vectors (N, 3): a collar bone follows its upper arm."""
    neutral = np.zeros((_COUNT, 3))
    along = matrix_of(rotations[_ARMS])[:, :, 0] * np.array([[1.0], [-1.0]])
    along = (matrix_of(rotations[_COLLARS]) @ along[..., None])[..., 0]
    side = np.array([1.0, -1.0])
    raised = np.where(along[:, 1] > 0, _RAISE, _LOWER) * along[:, 1] * side
    neutral[_COLLARS, 1] = -_FORWARD * along[:, 2] * side
    neutral[_COLLARS, 2] = raised
    return neutral
