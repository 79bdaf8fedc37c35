"""Measured lengths to a body: the shape sliders whose bones have them.

Only the joints, the crown and the soles are evaluated, so that a fit takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from twinsdk.avatar.base import Base, load_base
from twinsdk.avatar.body import fixed_weights, height_slider, macro_weights
from twinsdk.avatar.dress import SOLE_M
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.core.arrays import F64, Array
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import AvatarError

__all__ = ["MEASURES", "BodyFit", "fit_body", "measure_body"]

MEASURES = ("upper_arm", "forearm", "thigh", "shin", "shoulder_width", "hip_width", "trunk")
# One slider for each measure, which moves it and nearly it alone; legs, trunk and shoulders have
# more of them, whose ranges add up.
_SLIDERS = (
    "arms/measure-upperarm-length-incr",
    "arms/measure-lowerarm-length-incr",
    "legs/upperlegs-height-incr",
    "legs/lowerlegs-height-incr",
    "torso/measure-shoulder-dist-incr",
    "hip/hip-scale-horiz-incr",
    "torso/torso-scale-vert-incr",
    "torso/torso-scale-horiz-incr",
    "torso/torso-vshape-incr",
    "legs/measure-upperleg-height-incr",
    "legs/measure-lowerleg-height-incr",
    "torso/measure-napetowaist-dist-incr",
    "torso/measure-waisttohip-dist-incr",
)
_JOINTS = ("upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
_PRIOR_SLIDER = 0.6  # standard deviation of a slider among people
_PRIOR_HEIGHT_M = 0.09  # of the stature, where it is not given
_GIVEN_HEIGHT_M = 0.0003
_PLAUSIBLE_M = (0.05, 1.0)
_STEP = 1e-3


@dataclass(frozen=True, kw_only=True)
class BodyFit:
    """A fitted body.

    Attributes:
        spec: With the sliders and the height that were found.
        residuals_m: Measure -> fitted minus measured.
        deviations: Slider (or "height_m") -> its standard deviation given the measures' own.
        warnings: What could not be met, in words; empty where all could.
    """

    spec: AvatarSpec
    residuals_m: Mapping[str, float]
    deviations: Mapping[str, float]
    warnings: tuple[str, ...]


def measure_body(skeleton: Skeleton) -> dict[str, float]:
    """Return the measures of a skeleton with the humanoid's joint names, left and right averaged.

    Raises:
        JointNameError: A joint is missing.
    """
    at = dict(zip(skeleton.names, skeleton.rest_world()[1].astype(np.float64), strict=True))
    skeleton.joint("leftUpperArm")

    def places(role: str) -> Array:
        return np.array(
            [at[skeleton.names[skeleton.joint(f"{s}{role}")]] for s in ("left", "right")]
        )

    limbs = (places(r) for r in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot"))
    return dict(zip(MEASURES, _lengths(*limbs).tolist(), strict=True))


def fit_body(
    measures: Mapping[str, float],
    *,
    height_m: float | None = None,
    spec: AvatarSpec | None = None,
    deviation_m: float | Mapping[str, float] = 0.0005,
    progress: bool = True,
) -> BodyFit:
    """Return the body whose joints lie as far apart as measured.

    Args:
        measures: Names of `MEASURES` -> metres between joint centres; those left out follow the
            prior.
        height_m: With shoes; None: found from the lengths, starting from the spec's.
        spec: Everything else about the person; its own sliders are kept, the fitted ones replaced.
        deviation_m: Standard deviation of the measures, one for all or by name.
        progress: Whether to show a bar where the base must be baked first.

    Raises:
        AvatarError: A measure is unknown, implausible or contradicts the height.

    Source: Levenberg 1944, Marquardt 1963; a Gaussian prior keeps unmeasured sliders at rest.
    """
    spec = spec or AvatarSpec()
    names = [name for name in MEASURES if name in measures]
    wanted = _checked(measures, height_m)
    deviations = np.array(
        [deviation_m[n] if isinstance(deviation_m, Mapping) else deviation_m for n in names]
    )
    if not (deviations > 0).all():
        raise AvatarError(f"deviation_m: expected numbers above 0, got {deviations.min():g}")
    figure = _figure(_probe(load_base(progress=progress)), spec)
    rows = [MEASURES.index(name) for name in names]
    start = spec.height_m if height_m is None else height_m
    height_deviation = _PRIOR_HEIGHT_M if height_m is None else _GIVEN_HEIGHT_M
    priors = np.array([_PRIOR_SLIDER] * len(_SLIDERS) + [height_deviation])

    def residual(x: F64) -> F64:
        lengths = figure.lengths(x[:-1], start + x[-1])[rows]
        return np.concatenate([(lengths - wanted) / deviations, x / priors])

    x, jacobian = _minimise(residual, np.zeros(len(_SLIDERS) + 1), start)
    found = figure.lengths(x[:-1], start + x[-1])[rows] - wanted
    spread = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    residuals = dict(zip(names, found.tolist(), strict=True))
    return BodyFit(
        spec=_with(spec, x, start),
        residuals_m=residuals,
        deviations=dict(zip([*_SLIDERS, "height_m"], spread.tolist(), strict=True)),
        warnings=tuple(
            f"{name}: asked for {measures[name]:.3f} m, the body's shape reaches "
            f"{measures[name] + off:.3f} m"
            for name, off in residuals.items()
            if abs(off) > 0.005
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Probe:
    """The base restricted to the N vertices that place joints, crown and soles."""

    base: Base
    template: F64
    targets: F64
    joints: Mapping[str, Array]
    crown: Array
    soles: Array

    def offsets(self, weights: Mapping[str, float]) -> F64:
        """Return how far weighted targets move the vertices (N, 3)."""
        known = [name for name in weights if name in self.base.targets]
        rows = [self.base.targets[name] for name in known]
        share = np.array([weights[name] for name in known])
        return np.asarray(np.tensordot(share, self.targets[rows], 1))

    def stature(self, shape: F64) -> float:
        """Return from the soles to the crown, metres."""
        return float(shape[self.crown, 1].max() - shape[self.soles, 1].min())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Figure:
    """One person on a probe: all that fitting leaves alone is summed up beforehand.

    Attributes:
        probe: The vertices.
        short, tall: (N, 3) the person at both ends of the height slider, fitted sliders at rest.
        pulls: (2, S, N, 3) what each slider does at -1 and at 1.
    """

    probe: _Probe
    short: F64
    tall: F64
    pulls: F64

    def lengths(self, sliders: F64, height_m: float) -> F64:
        """Return the measures (7,) of the finished body."""
        probe = self.probe
        chosen = self.pulls[(sliders > 0).astype(int), np.arange(len(sliders))]
        pulled = np.tensordot(np.abs(sliders), chosen, 1)
        short, tall = self.short + pulled, self.tall + pulled
        slider = height_slider(height_m, probe.stature(short), probe.stature(tall))
        shape = short + slider * (tall - short)
        limbs = [
            np.array([shape[probe.joints[f"{bone}.{side}"]].mean(0) for side in "LR"])
            for bone in _JOINTS
        ]
        lengths = _lengths(*limbs)
        # In the T-pose the legs hang straight below the hips: see `rig.bake_t_pose`.
        hip, ankle = limbs[3][:, 1].mean(), limbs[5][:, 1].mean()
        legs = lengths[MEASURES.index("thigh")] + lengths[MEASURES.index("shin")]
        standing = shape[probe.crown, 1].max() - hip + legs + ankle - shape[probe.soles, 1].min()
        return lengths * (height_m - SOLE_M) / standing


def _figure(probe: _Probe, spec: AvatarSpec) -> _Figure:
    others = {name: value for name, value in spec.local.items() if name not in _SLIDERS}
    resting = fixed_weights(probe.base, replace(spec, local=others))
    fixed = probe.template + probe.offsets(resting)
    short, tall = (fixed + probe.offsets(macro_weights(spec, end)) for end in (0.0, 1.0))
    ends = [[probe.base.locals_[name][end] for name in _SLIDERS] for end in (0, 1)]
    pulls = np.array([[probe.offsets({target: 1.0}) for target in row] for row in ends])
    return _Figure(probe=probe, short=short, tall=tall, pulls=pulls)


@lru_cache(maxsize=1)
def _probe(base: Base) -> _Probe:
    body = np.unique(base.quads[base.group("body")]).astype(np.int64)
    by_height = body[np.argsort(base.template[body, 1])]
    sets = {f"{b}.{s}": base.heads[base.bones.index(f"{b}.{s}")] for b in _JOINTS for s in "LR"}
    sets |= {"crown": by_height[-80:], "soles": by_height[:400]}
    used, rows = np.unique(np.concatenate(list(sets.values())), return_inverse=True)
    parts = dict(
        zip(sets, np.split(rows, np.cumsum([len(v) for v in sets.values()])[:-1]), strict=True)
    )
    targets = np.stack([base.target(name)[used] for name in base.targets]).astype(np.float64)
    return _Probe(
        base=base,
        template=base.template[used].astype(np.float64),
        targets=targets,
        joints=parts,
        crown=parts["crown"],
        soles=parts["soles"],
    )


def _lengths(
    upper_arm: Array, elbow: Array, wrist: Array, hip: Array, knee: Array, ankle: Array
) -> F64:
    """Return the measures (7,) of joints, each (2, 3): left and right."""

    def apart(a: Array, b: Array) -> float:
        return float(np.linalg.norm(a - b, axis=-1).mean())

    return np.array(
        [
            apart(upper_arm, elbow),
            apart(elbow, wrist),
            apart(hip, knee),
            apart(knee, ankle),
            apart(upper_arm[0], upper_arm[1]),
            apart(hip[0], hip[1]),
            apart(upper_arm.mean(0), hip.mean(0)),
        ]
    )


def _with(spec: AvatarSpec, x: F64, start: float) -> AvatarSpec:
    local = dict(spec.local) | dict(zip(_SLIDERS, x[:-1].tolist(), strict=True))
    return replace(spec, local=local, height_m=float(np.clip(start + x[-1], 1.2, 2.2)))


def _minimise(residual: Callable[[F64], F64], x: F64, start: float) -> tuple[F64, F64]:
    """Return the minimum and the Jacobian there; sliders stay within [-1, 1]."""
    low = np.array([-1.0] * len(_SLIDERS) + [1.2 - start])
    high = np.array([1.0] * len(_SLIDERS) + [2.2 - start])
    damping, r = 1e-2, residual(x)
    for _ in range(30):
        # Step towards the inside, so that both points are within the sliders' range.
        steps = np.where(x > 0.5, -_STEP, _STEP)
        columns = [
            (residual(x + s * e) - r) / s for s, e in zip(steps, np.eye(len(x)), strict=True)
        ]
        jacobian = np.stack(columns, -1)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ r
        # A slider at its end that would go on beyond it is left out of the step.
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        damped = (normal + damping * np.diag(np.diag(normal)))[np.ix_(free, free)]
        tried = x.copy()
        tried[free] -= np.linalg.solve(damped, gradient[free])
        tried = np.clip(tried, low, high)
        r_tried = residual(tried)
        if r_tried @ r_tried < r @ r:
            settled = np.abs(tried - x).max() < 1e-6
            x, r, damping = tried, r_tried, damping / 3
            if settled:
                break
        else:
            damping *= 4
            if damping > 1e8:
                break
    return x, jacobian


def _checked(measures: Mapping[str, float], height_m: float | None) -> F64:
    unknown = sorted(set(measures) - set(MEASURES))
    if unknown or not measures:
        raise AvatarError(f"measures: expected some of {list(MEASURES)}, got {unknown or 'none'}")
    low, high = _PLAUSIBLE_M
    for name, value in measures.items():
        if isinstance(value, bool) or not low <= value <= high:
            raise AvatarError(f"{name}: expected {low:g} to {high:g} m, got {value!r}")
    if height_m is not None:
        if not 1.2 <= height_m <= 2.2:
            raise AvatarError(f"height_m: expected 1.2 to 2.2, got {height_m!r}")
        parts = [measures.get(name, 0.0) for name in ("thigh", "shin", "trunk")]
        if sum(parts) > 0.9 * height_m:
            raise AvatarError(
                f"thigh, shin, trunk: expected less than 0.9 of the height {height_m:g} m, "
                f"got {sum(parts):.2f} m: check the units or the height"
            )
    return np.array([measures[name] for name in MEASURES if name in measures], np.float64)
