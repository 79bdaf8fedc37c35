"""Two-bone inverse kinematics: what it must reach, keep and never do."""

import numpy as np
import pytest

from twinsdk.core import _kernel_reference as reference
from twinsdk.core import kernel, quat
from twinsdk.errors import ShapeError, ValueRangeError


def random_limbs(count, seed=1):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(count, 3))
    middle = root + rng.normal(size=(count, 3))
    tip = middle + rng.normal(size=(count, 3))
    return rng, root, middle, tip


def solved(root, middle, tip, target, pole, softness=0.0):
    upper, lower = kernel.two_bone(root, middle, tip, targets=target, poles=pole, softness=softness)
    new_middle = root + quat.rotate(upper.astype(np.float64), middle - root)
    return (
        upper,
        lower,
        new_middle,
        new_middle + quat.rotate(lower.astype(np.float64), tip - middle),
    )


def lengths(root, middle, tip):
    return np.linalg.norm(middle - root, axis=-1), np.linalg.norm(tip - middle, axis=-1)


def test_a_target_within_reach_is_reached():
    rng, root, middle, tip = random_limbs(2000)
    a, b = lengths(root, middle, tip)
    direction = rng.normal(size=root.shape)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    distance = np.abs(a - b) + rng.uniform(0.01, 0.99, len(a)) * (a + b - np.abs(a - b))
    target = root + distance[:, None] * direction
    *_, new_tip = solved(root, middle, tip, target, rng.normal(size=root.shape))
    # Turns are float32: an ulp of a metre, times the lengths.
    np.testing.assert_allclose(new_tip, target, atol=4e-6)


def test_a_target_out_of_reach_is_pointed_at_with_a_straight_limb():
    rng, root, middle, tip = random_limbs(200)
    a, b = lengths(root, middle, tip)
    target = root + 50 * rng.normal(size=root.shape)
    *_, new_tip = solved(root, middle, tip, target, rng.normal(size=root.shape))
    aim = (target - root) / np.linalg.norm(target - root, axis=-1, keepdims=True)
    np.testing.assert_allclose(new_tip, root + (a + b)[:, None] * aim, atol=1e-5)


def test_the_middle_bends_towards_the_pole():
    rng, root, middle, tip = random_limbs(500)
    a, b = lengths(root, middle, tip)
    pole = rng.normal(size=root.shape)
    target = root + 0.7 * (a + b)[:, None] * np.array([0, -1, 0])
    _, _, new_middle, _ = solved(root, middle, tip, target, pole)
    reachable = 0.7 * (a + b) > np.abs(a - b)
    across = (pole - pole * [0, 1, 0])[reachable]
    bend = (new_middle - root)[reachable] * [1, 0, 1]
    cosine = (
        (across * bend).sum(-1) / np.linalg.norm(across, axis=-1) / np.linalg.norm(bend, axis=-1)
    )
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_a_limb_already_there_does_not_turn():
    _, root, middle, tip = random_limbs(500)
    aim = (tip - root) / np.linalg.norm(tip - root, axis=-1, keepdims=True)
    pole = (middle - root) - ((middle - root) * aim).sum(-1, keepdims=True) * aim
    upper, lower, *_ = solved(root, middle, tip, tip, pole)
    np.testing.assert_allclose(quat.angle(upper, quat.IDENTITY), 0, atol=1e-3)
    np.testing.assert_allclose(quat.angle(lower, quat.IDENTITY), 0, atol=1e-3)


def test_turning_and_moving_the_whole_problem_turns_the_solution():
    rng, root, middle, tip = random_limbs(300)
    target, pole = rng.normal(size=(2, *root.shape))
    spin = quat.normalize(rng.normal(size=4))
    shift = rng.normal(size=3)
    upper, lower, *_ = solved(root, middle, tip, target, pole)
    moved = [quat.rotate(spin, point) + shift for point in (root, middle, tip, target)]
    upper2, lower2, *_ = solved(*moved, quat.rotate(spin, pole))
    for before, after in ((upper, upper2), (lower, lower2)):
        expected = quat.multiply(quat.multiply(spin, before), quat.conjugate(spin))
        np.testing.assert_allclose(quat.angle(expected, after), 0, atol=2e-3)


def test_a_soft_limb_approaches_full_extension_smoothly_and_never_reaches_it():
    distance = np.linspace(0.5, 3, 500)
    zeros = np.zeros((500, 3))
    root, middle, tip = zeros, np.add(zeros, [0, -0.5, 0.1]), np.add(zeros, [0, -1, 0])
    limb = np.linalg.norm([0, -0.5, 0.1]) * 2
    target = zeros + distance[:, None] * [0, -1, 0]
    *_, new_tip = solved(root, middle, tip, target, np.add(zeros, [0, 0, 1]), softness=0.1)
    reached = -new_tip[:, 1]
    near = distance < 0.9 * limb
    np.testing.assert_allclose(reached[near], distance[near], atol=2e-6)
    assert (reached <= limb + 1e-6).all()
    step = np.diff(reached) / np.diff(distance)
    assert step.min() > -1e-3
    assert step.max() < 1.01
    assert np.abs(np.diff(step)).max() < 0.15  # no snap: the slope itself changes slowly


@pytest.mark.parametrize("softness", [0.0, 0.05])
def test_the_kernel_agrees_with_the_reference(softness):
    rng, root, middle, tip = random_limbs(400, seed=5)
    target, pole = rng.normal(size=(2, *root.shape)) * 2
    middle[0] = root[0]  # no length
    target[1] = root[1]  # no direction
    pole[2] = 0  # no pole
    middle[3] = (root[3] + tip[3]) / 2  # straight
    pole[4] = target[4] - root[4]  # a pole along the limb
    given = {
        "roots": root.astype(np.float32),
        "middles": middle.astype(np.float32),
        "tips": tip.astype(np.float32),
        "targets": target.astype(np.float32),
        "poles": pole.astype(np.float32),
    }
    expected = np.zeros((2, 400, 4), np.float32)
    reference.two_bone(**given, softness=softness, upper=expected[0], lower=expected[1])
    points = [given.pop(name) for name in ("roots", "middles", "tips")]
    found = kernel.two_bone(*points, **given, softness=softness)
    for got, want in zip(found, expected, strict=True):
        # Both are doubles rounded once; a half turn may come out with either sign.
        np.testing.assert_allclose(quat.angle(got, want), 0, atol=2e-3)
        np.testing.assert_allclose((got * got).sum(-1), 1, atol=1e-6)


def test_what_cannot_be_solved_is_refused_by_name():
    points = np.zeros((3, 3))
    with pytest.raises(ShapeError, match=r"tips: expected shape \(3, 3\), got \(2, 3\)"):
        kernel.two_bone(points, points, points[:2], targets=points, poles=points)
    with pytest.raises(ValueRangeError, match="targets: expected finite"):
        kernel.two_bone(points, points, points, targets=points + np.inf, poles=points)
    with pytest.raises(ValueRangeError, match=r"softness: expected a number in \[0, 0.5\]"):
        kernel.two_bone(points, points, points, targets=points, poles=points, softness=2)
