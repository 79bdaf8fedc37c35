"""Where the solver catches up with a pose it had lost, the fit shows a move and no jump."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from twinsdk.core import quat
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.fitting.body import ROWS


def raised(puppet, angle):
    return {"leftUpperArm": puppet.rotation(z=angle), "rightUpperArm": puppet.rotation(z=-angle)}


def followed(person, poses):
    fitter = BodyFitter(FitConfig(height_m=1.70, camera_pitch_deg=0.0))
    fits, leaps = [], []
    for k, pose in enumerate(poses):
        fits.append(fitter.step(person.observation(pose, k / 30, hands=False)))
        leaps.append(fitter._estimator.leap.copy())
    return fits, np.array(leaps)


def test_what_moves_as_people_do_hardly_leaps(person):
    _, leaps = followed(person, [person.moving_pose(k / 30) for k in range(60)])
    assert leaps.max() < 0.2
    assert leaps.mean() < 0.01


def test_arms_that_are_suddenly_elsewhere_leap_and_arrive_soon(person):
    before, after = raised(person, -1.2), raised(person, 1.0)
    fits, leaps = followed(person, [before] * 30 + [after] * 45)
    assert leaps[30:36].max() > 0.2
    assert leaps[:, ROWS == 0].max() < leaps.max()  # the hips stay
    assert leaps[-1].max() < 0.02
    turned = [
        np.degrees(quat.angle(a.pose.rotations[ROWS], b.pose.rotations[ROWS])).max()
        for a, b in pairwise(fits)
    ]
    assert max(turned) < 60  # of the 126 degrees
    late = quat.angle(fits[45].pose.rotations[ROWS], fits[-1].pose.rotations[ROWS])
    assert np.degrees(late).max() < 8
