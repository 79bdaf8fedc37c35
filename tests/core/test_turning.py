"""Turning rotations: the kernel is NumPy, exponential and logarithm are each other's inverse."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import kernel, quat, turning
from twinsdk.errors import ShapeError, ValueRangeError

COUNT = 40


def rotations(count=COUNT, seed=5):
    return quat.normalize(np.random.default_rng(seed).normal(size=(count, 4)))


@pytest.fixture(params=["kernel", "numpy"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(kernel, "compiled", lambda: None)
    elif kernel.compiled() is None:
        pytest.skip("no compiled kernels here")


def test_what_turns_one_to_the_other_does_so(way):
    start, end = rotations(), rotations(seed=6)
    vectors = turning.turns_between(start, end)
    assert np.linalg.norm(vectors, axis=1).max() <= np.pi + 1e-9
    assert quat.angle(turning.turned(start, vectors), end).max() < 1e-7


def test_small_and_no_turns_are_exact(way):
    start = rotations(3)
    vectors = np.array([[0.0, 0, 0], [1e-12, 0, 0], [0, 1e-7, 0]])
    found = turning.turns_between(start, turning.turned(start, vectors))
    np.testing.assert_allclose(found, vectors, atol=1e-15)


def glided(steps, damping=1.0):
    state = {
        "at": rotations(1).repeat(COUNT, 0),
        "velocity": np.zeros((COUNT, 3)),
        "speed": np.zeros(COUNT),
    }
    start = state["at"].copy()
    spin = np.linspace(-3, 3, 3 * COUNT).reshape(COUNT, 3)
    for k in range(steps):
        turning.glide(
            turning.turned(start, spin * (k + 1) / 30),
            step_s=1 / 30,
            rates_hz=(1.0, 0.75, 1.5),
            damping=damping,
            haste=np.linspace(0.2, 1, COUNT),
            max_speed=np.full(COUNT, 4.0),
            **state,
        )
    return state, turning.turned(start, spin * steps / 30), spin


def test_a_steady_turn_is_followed_without_delay_and_none_faster_than_allowed(way):
    state, goal, spin = glided(300)
    slow = np.linalg.norm(spin, axis=1) < 3.9
    assert quat.angle(state["at"], goal)[slow].max() < 0.01
    assert np.linalg.norm(state["velocity"], axis=1).max() <= 4.0 + 1e-9


@pytest.mark.skipif(kernel.compiled() is None, reason="no compiled kernels here")
@pytest.mark.parametrize("damping", [1.0, 0.7])
def test_the_kernel_glides_as_numpy_does(monkeypatch, damping):
    compiled, _, _ = glided(20, damping)
    monkeypatch.setattr(kernel, "compiled", lambda: None)
    plain, _, _ = glided(20, damping)
    for name, value in compiled.items():
        np.testing.assert_allclose(value, plain[name], atol=1e-12)


def test_arrays_that_do_not_go_together_are_told():
    with pytest.raises(ShapeError, match="vectors: expected shape"):
        turning.turned(rotations(3), np.zeros((2, 3)))
    with pytest.raises(ValueRangeError, match="step_s"):
        turning.glide(
            rotations(1),
            at=rotations(1),
            velocity=np.zeros((1, 3)),
            speed=np.zeros(1),
            step_s=0.0,
            rates_hz=(1, 1, 1),
            damping=1.0,
            haste=np.ones(1),
            max_speed=np.ones(1),
        )
