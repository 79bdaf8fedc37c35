"""The compiled completion of a body by its hands, head and eyes is the NumPy one."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core import kernel, quat
from twinsdk.motion.fitting import solve as fitting
from twinsdk.motion.fitting.points import JOINT
from twinsdk.motion.fitting.solve import Palms, complete, solve

pytestmark = pytest.mark.skipif(kernel.compiled() is None, reason="no compiled kernel")


def somebody(rng):
    """Return random frames of a body, its points and both hands, as `complete` takes them."""
    points = rng.normal(0, 0.4, (33, 3))
    hands = [points[wrist] + rng.normal(0, 0.05, (21, 3)) for wrist in (15, 16)]
    return solve(points, np.ones(33)), points, hands


def in_numpy(monkeypatch, *given, **how):
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_completer", lambda: None)
        return complete(*given, **how)


@pytest.mark.parametrize("found", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("face", [True, False])
def test_the_kernel_gives_the_rotations_of_numpy(monkeypatch, found, face):
    rng = np.random.default_rng(7)
    for _ in range(50):
        world, points, both = somebody(rng)
        hands = tuple(hand if there else None for hand, there in zip(both, found, strict=True))
        head = quat.to_matrix(quat.normalize(rng.normal(size=4))) if face else None
        how = {
            "head": head,
            "expressions": rng.random(52) if face else None,
        }
        palms = {"shown": rng.random(2) < 0.8, "size_px": rng.uniform(5, 120, 2)}
        held = quat.normalize(rng.normal(size=(2, 4)))
        kept = [Palms(**palms, follow=np.array([0.3, 0.8]), held=held.copy()) for _ in range(2)]
        rotations, trust = complete(world, points, hands, palms=kept[0], **how)
        wanted, believed = in_numpy(monkeypatch, world, points, hands, palms=kept[1], **how)
        np.testing.assert_allclose(trust, believed, atol=1e-9)
        assert np.degrees(quat.angle(kept[0].held, kept[1].held)).max() < 1e-4
        assert np.degrees(quat.angle(rotations, wanted)).max() < 1e-4


def test_what_is_given_is_left_as_it_was():
    world, points, hands = somebody(np.random.default_rng(1))
    before = world.copy()
    complete(world, points, tuple(hands), head=None, expressions=None, palms=Palms())
    np.testing.assert_array_equal(world, before)


def test_fingers_of_a_hand_not_given_stay_at_rest():
    world, points, hands = somebody(np.random.default_rng(2))
    rotations, _ = complete(
        world, points, (hands[0], None), head=None, expressions=None, palms=Palms()
    )
    moved = np.degrees(quat.angle(rotations, np.array([0.0, 0, 0, 1])))
    assert moved[JOINT["leftIndexProximal"]] > 1
    assert moved[JOINT["rightIndexProximal"]] == 0


def test_a_palm_that_is_followed_goes_its_share_of_the_way():
    world, points, hands = somebody(np.random.default_rng(3))

    def against_forearm(palms):
        rotations, _ = complete(
            world, points, tuple(hands), head=None, expressions=None, palms=palms
        )
        arm = rotations[JOINT["leftLowerArm"]], rotations[JOINT["leftHand"]]
        return quat.multiply(*arm)

    still = np.tile([0.0, 0.0, 0.0, 1.0], (2, 1))
    there = against_forearm(Palms())
    held = against_forearm(Palms(follow=np.zeros(2), held=still.copy()))
    half = against_forearm(Palms(follow=np.full(2, 0.5), held=still.copy()))
    whole = np.degrees(quat.angle(held, there))
    assert whole > 20
    assert np.degrees(quat.angle(held, half)) == pytest.approx(whole / 2, rel=1e-6)
