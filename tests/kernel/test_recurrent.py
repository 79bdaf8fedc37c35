"""The recurrent network's step: every variant agrees with the definition."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import kernel
from twinsdk.core._recurrent_reference import layer_sizes, unpacked
from twinsdk.core.recurrent import RecurrentNetwork, bfloat16, packed
from twinsdk.errors import ShapeError

SIZES = {"width": 37, "hidden": 48, "layers": 2, "heads": 70}


def weights(seed=3, **sizes):
    rng = np.random.default_rng(seed)
    shapes = layer_sizes(**{**SIZES, **sizes})
    layers = [
        (rng.normal(0, i**-0.5, (o, i)).astype("f4"), rng.normal(0, 0.3, o).astype("f4"))
        for i, o in shapes
    ]
    matrices, biases = packed(layers)
    width = shapes[0][0]
    return layers, {
        "matrices": matrices,
        "biases": biases,
        "mean": rng.normal(0, 1, width).astype("f4"),
        "scale": rng.uniform(0.5, 2, width).astype("f4"),
    }


def run(network, frames=20, people=3, seed=5):
    rng = np.random.default_rng(seed)
    state = network.fresh_state(people)
    out = []
    for _ in range(frames):
        rows = rng.normal(0, 3, (people, network.sizes["width"])).astype("f4")
        out.append(network.step(rows, rng.uniform(0.2, 3, people).astype("f4"), state))
    return np.stack(out), state


def test_packing_keeps_every_weight_to_bfloat16():
    layers, arrays = weights()
    back = unpacked(layer_sizes(**SIZES), arrays["matrices"], arrays["biases"])
    for (matrix, bias), (own, own_bias) in zip(layers, back, strict=True):
        np.testing.assert_allclose(own, matrix, rtol=2**-8)  # 8 bits of mantissa
        np.testing.assert_array_equal(own_bias, bias)


def test_rounding_to_bfloat16_is_to_the_nearest_and_ties_go_to_even():
    ulp = 2.0**-7
    values = np.array([1.0, 1 + 0.49 * ulp, 1 + 0.51 * ulp, 1 + 0.5 * ulp, 1 + 1.5 * ulp], "f4")
    bits = (bfloat16(values).astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(bits, np.array([1, 1, 1 + ulp, 1, 1 + 2 * ulp], "f4"))


@pytest.mark.parametrize("isa", [name for name in kernel.isas() if name != "numpy"])
def test_every_variant_agrees_with_the_reference(isa):
    _, arrays = weights()
    wanted, state = run(RecurrentNetwork(SIZES, **arrays, isa="numpy"))
    got, own = run(RecurrentNetwork(SIZES, **arrays, isa=isa))
    # float32 sums of 48 terms in another order, over 20 frames
    np.testing.assert_allclose(got, wanted, atol=2e-4, rtol=1e-4)
    np.testing.assert_allclose(own, state, atol=2e-4, rtol=1e-4)


def test_people_do_not_see_each_other():
    _, arrays = weights()
    network = RecurrentNetwork(SIZES, **arrays)
    rng = np.random.default_rng(1)
    rows, ticks = rng.normal(size=(4, 37)).astype("f4"), np.ones(4, "f4")
    together = network.step(rows, ticks, network.fresh_state(4))
    for k in range(4):
        alone = network.step(rows[k : k + 1], ticks[:1], network.fresh_state(1))
        np.testing.assert_allclose(alone[0], together[k], atol=1e-5)


def test_no_time_leaves_the_state_alone():
    _, arrays = weights()
    network = RecurrentNetwork(SIZES, **arrays)
    state = network.fresh_state(1) + 0.5
    network.step(np.ones((1, 37), "f4"), np.zeros(1, "f4"), state)
    np.testing.assert_allclose(state, 0.5, atol=1e-6)


def test_inputs_beyond_all_bounds_stay_finite():
    _, arrays = weights()
    network = RecurrentNetwork(SIZES, **arrays)
    state = network.fresh_state(2)
    rows = np.full((2, 37), 1e30, "f4")
    for _ in range(50):
        assert np.isfinite(network.step(rows, np.full(2, 100.0, "f4"), state)).all()
    assert np.isfinite(state).all()


def test_weights_of_other_sizes_or_not_finite_are_refused():
    _, arrays = weights()
    with pytest.raises(ShapeError, match="matrices: expected shape"):
        RecurrentNetwork({**SIZES, "hidden": 64}, **arrays)
    broken = arrays["matrices"].copy()
    broken[5] = 0x7FC0
    with pytest.raises(ShapeError, match="finite"):
        RecurrentNetwork(SIZES, **{**arrays, "matrices": broken})
    network = RecurrentNetwork(SIZES, **arrays)
    with pytest.raises(ShapeError, match="rows, state"):
        network.step(np.zeros((1, 36), "f4"), np.ones(1, "f4"), network.fresh_state(1))
