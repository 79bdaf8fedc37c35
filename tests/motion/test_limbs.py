"""Limbs brought to goals and legs made up: the compiled kernels are the NumPy definitions."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from twinsdk.core import kernel, quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.motion.filters import limbs as limbs_module
from twinsdk.motion.filters.limbs import Limbs
from twinsdk.motion.filters.swivel import Swivel
from twinsdk.motion.model import unseen

SKELETON = humanoid_skeleton()
ORIGIN = np.zeros(3, np.float32)
compiled = pytest.mark.skipif(kernel.compiled() is None, reason="no compiled kernel")


def in_numpy(monkeypatch, end):
    with monkeypatch.context() as patch:
        patch.setattr(limbs_module.kernel, "compiled", lambda: None)
        return Limbs(SKELETON, end)


def somebody(rng, bend=0.3):
    """Return local rotations (55, 4) near the T-pose."""
    turns = np.concatenate([bend * rng.normal(size=(55, 3)), np.ones((55, 1))], 1)
    return quat.normalize(turns).astype(np.float32)


@compiled
@pytest.mark.parametrize("end", ["Hand", "Foot"])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_the_kernel_reaches_as_numpy_does(monkeypatch, end, held, turned):
    rng = np.random.default_rng(3)
    pair = Limbs(SKELETON, end), in_numpy(monkeypatch, end)
    swivels = Swivel(knees=end == "Foot"), Swivel(knees=end == "Foot")
    pose = SKELETON.rest_rotations  # limbs that are straight come first
    for frame in range(300):
        world, places = SKELETON.forward(pose, ORIGIN)
        goals = places[pair[0].rows[2]] + rng.normal(0, 0.2, (2, 3))
        ends = quat.normalize(rng.normal(size=(2, 4))) if turned else None
        if frame % 50 == 49:
            for swivel in swivels:
                swivel.forget()
        found, wanted = (pose.astype(np.float64) for _ in range(2))
        for limbs, swivel, out in zip(pair, swivels, (found, wanted), strict=True):
            kept = (swivel, 1 / 30) if held else None
            limbs.reach(out, world, places, goals, ends=ends, swivel=kept)
        np.testing.assert_allclose(found, wanted, atol=1e-9)
        for name in ("aim", "bend", "speed"):
            np.testing.assert_allclose(*(getattr(s, name) for s in swivels), atol=1e-9)
        assert swivels[0].fresh == swivels[1].fresh == (not held)
        pose = somebody(rng, bend=0.02 if frame % 2 else 0.5)


@pytest.mark.parametrize("end", ["Hand", "Foot"])
def test_tips_are_at_their_goals_turned_as_they_were_and_nothing_else_moves(end):
    rng = np.random.default_rng(4)
    limbs = Limbs(SKELETON, end)
    _, lower, tips = limbs.rows
    for _ in range(100):
        pose = somebody(rng, bend=0.5)
        world, places = SKELETON.forward(pose, ORIGIN)
        goals = places[tips] + 0.3 * (places[limbs.rows[0]] - places[tips]) + rng.normal(0, 0.02)
        out = pose.astype(np.float64)
        limbs.reach(out, world, places, goals)
        turned, there = SKELETON.forward(out.astype(np.float32), ORIGIN)
        np.testing.assert_allclose(there[tips], goals, atol=2e-5)
        assert quat.angle(turned[tips], world[tips]).max() < 1e-3
        others = np.setdiff1d(np.arange(55), limbs.rows)
        np.testing.assert_array_equal(out[others], pose[others])
        assert np.abs(there[lower] - places[lower]).max() > 1e-3


def test_a_copy_of_what_is_remembered_goes_on_alike():
    limbs, swivel = Limbs(SKELETON, "Foot"), Swivel(knees=True)
    rng = np.random.default_rng(5)
    pose = somebody(rng)
    world, places = SKELETON.forward(pose, ORIGIN)
    goals = places[limbs.rows[2]] + 0.1
    limbs.reach(pose.astype(np.float64), world, places, goals, swivel=(swivel, 0.03))
    again, kept = copy.deepcopy((limbs, swivel))
    outs = [pose.astype(np.float64) for _ in range(2)]
    limbs.reach(outs[0], world, places, goals - 0.2, swivel=(swivel, 0.03))
    again.reach(outs[1], world, places, goals - 0.2, swivel=(kept, 0.03))
    np.testing.assert_array_equal(*outs)
    assert swivel.bend is not kept.bend


@compiled
def test_the_kernel_makes_up_legs_as_numpy_does():
    rng = np.random.default_rng(6)
    legs = unseen.UnseenLegs(SKELETON)
    kept = [np.zeros((4, 2, 4)) for _ in range(2)]
    for frame in range(500):
        seen, made = (SKELETON.forward(somebody(rng, 0.8), ORIGIN)[0] for _ in range(2))
        share = np.round(rng.random((4, 2)), frame % 3)  # all, nothing, and in between
        stands = rng.random(2)
        found = somebody(rng).astype(np.float64)
        wanted = found.copy()
        both = (kernel.compiled().turn_unseen_legs, unseen._turn_unseen_legs)
        for turn, turns, out in zip(both, kept, (found, wanted), strict=True):
            given = legs._rows, legs._above, seen, made, share, stands
            turn(*given, 0.2, frame % 100 == 0, turns, out)
        np.testing.assert_allclose(found, wanted, atol=1e-9)
        np.testing.assert_allclose(*kept, atol=1e-9)


@compiled
def test_the_kernels_refuse_joints_that_are_not_there():
    module = kernel.compiled()
    limbs = Limbs(SKELETON, "Foot")
    with pytest.raises(ValueError, match="rows"):
        module.LimbPair(
            joints=3, rows=limbs.rows, above=limbs.rows[0], trunk=0, numbers=np.zeros(6)
        )
    one, legs = np.zeros((1, 4), np.float32), unseen.UnseenLegs(SKELETON)
    with pytest.raises(ValueError, match="rows"):
        module.turn_unseen_legs(
            legs._rows, legs._above, one, one, np.zeros((4, 2)), np.zeros(2), 1.0, True,
            np.zeros((4, 2, 4)), one.astype(np.float64),
        )  # fmt: skip
