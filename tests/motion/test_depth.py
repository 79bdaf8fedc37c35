"""What the depth network says: exact points are believed, wrong ones doubted, nothing jumps."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.landmarks import BODY_NAMES
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.depth import depth_hints

USED = POINTS.tolist()
AWAY_M = 3.0


def at(name):
    return USED.index(BODY_NAMES.index(name))


def arms(puppet, *, aside=0.0, ahead=0.0, bent=0.0):
    """Arms lifted from the T-pose: down by `aside`, forwards by `ahead`, elbows bent."""
    return {
        "leftUpperArm": puppet.rotation(y=-ahead) @ puppet.rotation(z=-aside),
        "rightUpperArm": puppet.rotation(y=ahead) @ puppet.rotation(z=aside),
        "leftLowerArm": puppet.rotation(y=-bent),
        "rightLowerArm": puppet.rotation(y=bent),
    }


def poses(puppet):
    seated = {f"{side}UpperLeg": puppet.rotation(x=-1.4) for side in ("left", "right")}
    seated |= {f"{side}LowerLeg": puppet.rotation(x=1.4) for side in ("left", "right")}
    return {
        "T": {},
        "A": arms(puppet, aside=0.7),
        "hanging": arms(puppet, aside=1.25),
        "forward": arms(puppet, ahead=1.4),
        "half way": arms(puppet, ahead=0.8),
        "overhead": arms(puppet, aside=-1.3),
        "crossed": arms(puppet, aside=0.9, ahead=0.5, bent=2.0),
        "seated": seated | arms(puppet, aside=1.2),
    }


def seen(puppet, local):
    """Rays (P, 2) and points (P, 3) of somebody whose trunk is in the middle of the picture."""
    points = puppet.body_points(local)[USED]
    trunk = [at(f"{side}{part}") for side in ("left", "right") for part in ("Shoulder", "Hip")]
    points = points - points[trunk].mean(0)
    return points[:, :2] / (AWAY_M - points[:, 2:]), points


@pytest.mark.parametrize("who", ["person", "puppet"])
def test_exact_points_are_believed_in_every_pose(who, request):
    somebody = request.getfixturevalue(who)
    for name, local in poses(somebody).items():
        rays, points = seen(somebody, local)
        hints = depth_hints(rays, points, np.ones(len(USED)), away_m=AWAY_M)
        off = np.abs(hints.z - points[:, 2])
        assert off.max() < 0.03, name
        assert off.mean() < 0.01, name
        assert np.abs(hints.rays - rays).mean() * AWAY_M < 0.01, name


def test_depth_errors_of_the_tracker_are_told_as_doubt(person):
    rays, points = seen(person, person.moving_pose(1.0))
    exact = depth_hints(rays, points, np.ones(len(USED)), away_m=AWAY_M)
    rng = np.random.default_rng(2)
    wrong = points + rng.normal(0, 1, points.shape) * (0.02, 0.02, 0.1)
    doubted = depth_hints(rays, wrong, np.ones(len(USED)), away_m=AWAY_M)
    assert doubted.deep.mean() > 1.3 * exact.deep.mean()


def test_fading_visibility_moves_nothing_in_a_jump(person):
    rays, points = seen(person, person.moving_pose(2.0))
    sure, last = np.ones(len(USED)), None
    for visibility in np.linspace(1, 0.02, 197):
        sure[at("rightWrist")] = visibility
        z = depth_hints(rays, points, sure, away_m=AWAY_M).z
        assert last is None or np.abs(z - last).max() < 0.02
        last = z


def test_twice_the_distance_is_twice_the_depth(person):
    rays, points = seen(person, person.moving_pose(1.0))
    points = points + np.random.default_rng(2).normal(0, 0.05, points.shape)
    near = depth_hints(rays, points, np.ones(len(USED)), away_m=AWAY_M)
    far = depth_hints(rays, 3 * points, np.ones(len(USED)), away_m=2 * AWAY_M)
    np.testing.assert_allclose(far.rays, near.rays, atol=1e-6)
    np.testing.assert_allclose(far.z, 2 * near.z, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(far.deep, 2 * near.deep, rtol=1e-3)
