"""The camera's pitch is told by how a body is held: a leaning person is no leaning camera."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.motion import BodyFitter
from twinsdk.motion.fitting.body import POINTS
from twinsdk.motion.fitting.gravity import CameraPitch, features

STEP_S = 1 / 30


def hanging(person):
    return {"leftUpperArm": person.rotation(z=-1.25), "rightUpperArm": person.rotation(z=1.25)}


def sitting(person):
    bent = {
        f"{side}{part}": person.rotation(x=angle)
        for side in ("left", "right")
        for part, angle in (("UpperLeg", -1.5), ("LowerLeg", 1.5))
    }
    return hanging(person) | bent


def bending(person):
    """Return somebody who leans forward by 40 degrees on straight legs."""
    lean = np.radians(40)
    straight = {f"{side}UpperLeg": person.rotation(x=-lean) for side in ("left", "right")}
    return hanging(person) | straight | {"hips": person.rotation(x=lean)}


def learnt_deg(person, pose, pitch_deg, seconds=2.0):
    fitter = BodyFitter()
    turn = person.rotation(x=np.radians(pitch_deg))
    for k in range(round(seconds / STEP_S)):
        fitter.step(person.observation(pose, k * STEP_S, turn=turn))
    return fitter.learnt().camera_pitch_deg


@pytest.mark.parametrize("pitch_deg", [0, 20])
@pytest.mark.parametrize("posture", [hanging, sitting])
def test_who_stands_or_sits_tells_the_pitch(person, posture, pitch_deg):
    assert learnt_deg(person, posture(person), pitch_deg) == pytest.approx(pitch_deg, abs=6)


def test_who_leans_forward_is_not_taken_for_a_camera_that_looks_down(person):
    assert abs(learnt_deg(person, bending(person), 0)) < 10


def test_many_frames_outweigh_the_pitch_of_another_session(person):
    points = person.body_points(hanging(person)) @ person.rotation(x=np.radians(20)).T
    pitch = CameraPitch(fixed_deg=None)
    pitch.begin_with(np.radians(-5))
    assert pitch.learnt == pytest.approx(np.radians(-5))
    for _ in range(600):
        pitch.add(points - (0, 0, 3), np.ones(33), STEP_S, height_m=1.7)
    assert np.degrees(pitch.radians) == pytest.approx(20, abs=6)


def test_somebody_who_does_not_move_is_not_tilted(person):
    points = person.body_points(hanging(person)) @ person.rotation(x=np.radians(20)).T
    pitch = CameraPitch(fixed_deg=None)
    pitch.add(points, np.ones(33), STEP_S, height_m=1.7)
    pitch.start()
    first = pitch.radians
    for _ in range(60):
        pitch.add(points, np.ones(33), STEP_S, height_m=1.7, moving=False)
    assert pitch.radians == first


def test_the_network_is_told_the_same_however_the_body_faces(person):
    points = person.body_points(sitting(person))[POINTS]
    told, facing = features(points, np.ones(len(POINTS)))
    turned, other = features(points @ person.rotation(y=0.7).T, np.ones(len(POINTS)))
    np.testing.assert_allclose(turned[:-2], told[:-2], atol=1e-9)
    assert other - facing == pytest.approx(0.7)
