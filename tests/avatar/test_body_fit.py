"""Bodies fitted to lengths: the skeleton of the finished body has them."""

import numpy as np
import pytest

from twinsdk.avatar import MEASURES, AvatarSpec, fit_body, measure_body
from twinsdk.avatar.body import shape_body
from twinsdk.avatar.dress import SOLE_M
from twinsdk.avatar.rig import bake_t_pose
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import AvatarError


def measured(base, spec):
    shaped = shape_body(base, spec)
    return measure_body(bake_t_pose(base, shaped, height_m=spec.height_m, sole_m=SOLE_M).skeleton)


def random_people(base, count):
    rng = np.random.default_rng(17)
    limbs = [n for n in base.locals_ if n.split("/")[0] in ("arms", "legs", "torso", "hip", "neck")]
    for seed in range(count):
        chosen = rng.choice(limbs, 20, replace=False)
        yield AvatarSpec(
            height_m=rng.uniform(1.55, 1.92),
            gender=rng.random(),
            age_years=rng.uniform(18, 80),
            muscle=rng.random(),
            weight=rng.random(),
            proportions=rng.random(),
            local={str(name): rng.uniform(-0.25, 0.25) for name in chosen},
            seed=seed,
        )


def test_the_finished_body_of_another_person_has_the_measured_lengths(base):
    for person in random_people(base, 10):
        wanted = measured(base, person)
        fit = fit_body(wanted, height_m=person.height_m)
        assert fit.warnings == ()
        found = measured(base, fit.spec)
        for name in MEASURES:
            # 0.5 mm: the height is a measure too, and the prior on the sliders has a pull
            assert abs(found[name] - wanted[name]) < 5e-4, name
        assert abs(fit.spec.height_m - person.height_m) < 1e-3


def test_what_a_fit_reports_is_what_the_body_has(base):
    person = next(random_people(base, 1))
    wanted = measured(base, person)
    fit = fit_body(wanted, height_m=person.height_m)
    found = measured(base, fit.spec)
    for name, off in fit.residuals_m.items():
        assert abs(found[name] - wanted[name] - off) < 5e-5


def test_without_a_height_the_lengths_find_it(base):
    for person in random_people(base, 4):
        fit = fit_body(measured(base, person))
        # Head and neck are not among the measures: they leave the stature some centimetres.
        assert abs(fit.spec.height_m - person.height_m) < 0.06
        assert fit.deviations["height_m"] < 0.04


def test_fewer_measures_leave_more_uncertain(base):
    lengths = measured(base, AvatarSpec())
    arm = "arms/measure-upperarm-length-incr"
    whole = fit_body(lengths, height_m=1.72)
    less = fit_body({k: v for k, v in lengths.items() if k != "upper_arm"}, height_m=1.72)
    noisy = fit_body(lengths, height_m=1.72, deviation_m=0.02)
    assert whole.deviations[arm] < noisy.deviations[arm] < less.deviations[arm] <= 0.6 + 1e-6
    assert abs(less.spec.local[arm]) < 1e-3  # nothing pulls it


def test_a_fit_keeps_the_rest_of_the_spec(base):
    spec = AvatarSpec(gender=0.9, weight=0.7, seed=5, local={"nose/nose-hump-incr": 0.5})
    fit = fit_body({"thigh": 0.42}, height_m=1.8, spec=spec)
    assert fit.spec.local["nose/nose-hump-incr"] == 0.5
    assert (fit.spec.gender, fit.spec.weight, fit.spec.seed) == (0.9, 0.7, 5)


def test_lengths_no_shape_reaches_are_said(base):
    fit = fit_body({"upper_arm": 0.45}, height_m=1.6)
    assert len(fit.warnings) == 1
    assert fit.warnings[0].startswith("upper_arm: asked for 0.450 m")


@pytest.mark.parametrize(
    ("measures", "height_m", "words"),
    [
        ({}, None, "none"),
        ({"arm": 0.3}, None, "arm"),
        ({"thigh": 42.0}, None, "thigh: expected 0.05 to 1 m"),
        ({"thigh": float("nan")}, None, "thigh"),
        ({"thigh": 0.4}, 3.0, "height_m"),
        ({"thigh": 0.6, "shin": 0.55, "trunk": 0.6}, 1.7, "check the units"),
    ],
)
def test_impossible_measures_are_refused(base, measures, height_m, words):
    with pytest.raises(AvatarError, match=words):
        fit_body(measures, height_m=height_m)


def test_measures_of_the_canonical_skeleton_grow_with_its_height():
    small, tall = (measure_body(humanoid_skeleton(h)) for h in (1.5, 1.8))
    for name in MEASURES:
        np.testing.assert_allclose(tall[name] / small[name], 1.2, rtol=1e-5)
