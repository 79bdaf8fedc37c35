"""A hand of which a tracker made a body is nobody; a hand before somebody's face is theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core.frame import TrackingState
from twinsdk.core.landmarks import BODY_NAMES, FACE_NAMES, HAND_NAMES, ImageLandmarks
from twinsdk.motion import BodyFitter, FitConfig

HIPS = np.array([0.1 if "Hip" in name else 1.0 for name in BODY_NAMES])
FACE = ImageLandmarks(names=FACE_NAMES, uv=np.full((478, 2), 0.5), size_px=(640, 640))
ROOM_PX_M = 185  # of the body three metres off


def hand(palm_m):
    """A hand on the picture whose wrist and knuckles are so far apart at the body's distance."""
    uv = np.full((21, 2), 0.5)
    uv[HAND_NAMES.index("middleMcp"), 1] += palm_m * ROOM_PX_M / 640
    return ImageLandmarks(names=HAND_NAMES, uv=uv, size_px=(640, 640))


@pytest.fixture
def seen(person):
    def at(k, *, palm_m, face=False, hips=HIPS):
        observation = person.observation(person.moving_pose(1.0), k / 30, visibility=hips)
        return replace(
            observation, image_right_hand=hand(palm_m), image_face=FACE if face else None
        )

    return at


def last_of(frames):
    fitter = BodyFitter(FitConfig(camera_pitch_deg=0))
    for observation in frames:
        fit = fitter.step(observation)
    return fit


def test_a_body_smaller_than_its_hand_is_nobody(seen):
    fit = last_of(seen(k, palm_m=0.18) for k in range(30))
    assert fit.state is TrackingState.IDLE
    assert fit.confidence == 0


def test_a_body_with_a_hand_of_its_size_is_somebody(seen):
    fit = last_of(seen(k, palm_m=0.09) for k in range(30))
    assert fit.state is TrackingState.PARTIAL


def test_who_has_shown_their_face_may_hold_a_hand_to_the_camera(seen):
    faced = [seen(k, palm_m=0.09, face=True) for k in range(10)]
    near = [seen(k, palm_m=0.3) for k in range(10, 40)]
    assert last_of([*faced, *near]).state is TrackingState.PARTIAL


def test_who_is_seen_to_the_hips_may_hold_a_hand_to_the_camera(seen):
    fit = last_of(seen(k, palm_m=0.3, hips=np.ones(33)) for k in range(30))
    assert fit.state in (TrackingState.TRACKING, TrackingState.PARTIAL)


def test_a_face_found_in_a_hand_now_and_then_proves_nothing(seen):
    fit = last_of(seen(k, palm_m=0.18, face=k % 10 < 4) for k in range(60))
    assert fit.state is TrackingState.IDLE
