"""Frozen, drifting and nervous motion are told from living motion."""

import numpy as np
import pytest

from twinsdk.core.clip import MotionClip
from twinsdk.errors import ShapeError
from twinsdk.motion.evaluation.alone import alone, frechet, latents, spread, windows_of
from twinsdk.motion.generation.performances import BODY, library


def taken(a, b, style="idle", **changed):
    found = library(style)
    fields = {
        "skeleton": BODY,
        "fps": found.fps,
        "rotations": found.rotations[a:b],
        "root_translations": found.roots[a:b],
    }
    return MotionClip(**{**fields, **changed})


def test_a_statue_is_still_and_motionless_all_the_time():
    clip = taken(0, 600)
    statue = taken(0, 600, rotations=clip.rotations[:1].repeat(600, 0),
                   root_translations=clip.root_translations[:1].repeat(600, 0))  # fmt: skip
    found = alone([statue])
    assert found["still_share"] == 1
    assert found["motionless_s"] == pytest.approx(599 / 30, abs=0.1)
    assert found["sway_cm"] < 1e-3
    assert alone([clip])["motionless_s"] < found["motionless_s"]


def test_somebody_who_is_carried_off_drifts_as_far_as_they_are_carried():
    clip = taken(0, 300)
    path = clip.root_translations + np.linspace(0, 1, 300)[:, None] * np.array([2.0, 0, 0])
    drift = alone([taken(0, 300, root_translations=path)])["drift_cm"]
    assert drift == pytest.approx(200, abs=40)


def test_the_distance_of_motion_from_itself_is_nothing_and_grows_with_difference():
    idle, later, walk = (
        latents([taken(0, 3000)]),
        latents([taken(3000, 6000)]),
        latents([taken(0, 3000, style="walk")]),
    )
    assert frechet(idle, idle) == pytest.approx(0, abs=1e-6)
    assert frechet(idle, walk) > 2 * frechet(idle, later)
    assert spread(np.zeros((50, 3))) == 0
    assert spread(walk) > 0


def test_windows_do_not_know_where_or_whither_somebody_faces():
    from twinsdk.core import quat

    clip = taken(0, 120, style="walk")
    turn = quat.from_axis_angle(np.array([0.0, 1.0, 0.0]), 1.3)
    rotations = clip.rotations.astype(np.float64)
    rotations[:, 0] = quat.multiply(turn, rotations[:, 0])
    moved = quat.rotate(turn, clip.root_translations.astype(np.float64)) + np.array([3, 0, 1])
    other = taken(0, 120, style="walk", rotations=rotations, root_translations=moved)
    np.testing.assert_allclose(windows_of(other), windows_of(clip), atol=2e-3)


def test_motion_at_another_rate_is_refused():
    with pytest.raises(ShapeError, match="30 frames"):
        windows_of(taken(0, 60, fps=60))
