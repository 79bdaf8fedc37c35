"""The motion model's network in torch says what the compiled one says, one person or many."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import DependencyError, UsageError
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.weights import read_weights, weights_path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
        ],
    ),
]


@pytest.fixture(scope="module")
def network():
    return read_weights(weights_path("default")).network


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("people", [1, 7, 64])
def test_torch_steps_as_the_compiled_network_does(network, device, people):
    from twinsdk.motion.model.torch_step import TorchRecurrentNetwork

    other = TorchRecurrentNetwork(network, device)
    rng = np.random.default_rng(people)
    mine, theirs = network.fresh_state(people), other.fresh_state(people)
    for _ in range(20):
        rows = rng.normal(0, 1, (people, network.sizes["width"])).astype(np.float32)
        ticks = rng.uniform(0.25, 2, people).astype(np.float32)
        wanted, got = network.step(rows, ticks, mine), other.step(rows, ticks, theirs)
        np.testing.assert_allclose(got, wanted, atol=2e-3)
        np.testing.assert_allclose(theirs, mine, atol=2e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_steps_of_fewer_and_more_people_do_not_touch_each_other(network, device):
    from twinsdk.motion.model.torch_step import TorchRecurrentNetwork

    other = TorchRecurrentNetwork(network, device)
    rng = np.random.default_rng(4)
    mine, theirs = network.fresh_state(8), other.fresh_state(8)
    kept = []
    for people in (8, 5, 3, 7, 8):
        rows = rng.normal(0, 1, (people, network.sizes["width"])).astype(np.float32)
        ticks = np.ones(people, np.float32)
        wanted = network.step(rows, ticks, mine[:people])
        kept.append((other.step(rows, ticks, theirs[:people]), wanted))
        np.testing.assert_allclose(theirs, mine, atol=2e-3)
    for got, wanted in kept:  # what was returned is not written over later
        np.testing.assert_allclose(got, wanted, atol=2e-3)


def worn(k, person):
    turns = np.tile([0.0, 0.0, 0.0, 1.0], (len(TRACKER_NAMES), 1))
    places = np.zeros((len(TRACKER_NAMES), 3))
    sway = 0.1 * np.sin(0.2 * k + person)
    places[TRACKER_NAMES.index("head")] = (sway, 1.6, 0)
    places[TRACKER_NAMES.index("leftHand")] = (0.3 + sway, 1.0 + sway, 0.3)
    places[TRACKER_NAMES.index("rightHand")] = (-0.3, 1.1 - sway, 0.2)
    seen = np.isin(TRACKER_NAMES, ["head", "leftHand", "rightHand"])
    return Trackers(positions=places, rotations=turns, seen=seen)


@pytest.mark.parametrize("device", DEVICES)
def test_a_crowd_on_a_device_is_the_crowd_without(device):
    plain = MotionModel.load(people=5)
    there = MotionModel.load(people=5, device=device)
    for k in range(30):
        sources = [worn(k, person) for person in range(5)]
        for a, b in zip(plain.step_many(sources), there.step_many(sources), strict=True):
            np.testing.assert_allclose(b.pose.rotations, a.pose.rotations, atol=2e-3)


def test_devices_that_are_not_there_are_said_to_be():
    with pytest.raises(UsageError, match="'gpu'"):
        MotionModel.load(device="gpu")
    with pytest.raises(DependencyError, match="no CUDA GPU"):
        MotionModel.load(device="cuda:99")
    if not torch.cuda.is_available():
        with pytest.raises(DependencyError, match="no CUDA GPU"):
            MotionModel.load(device="cuda")
