"""Palms are followed as far as what tells them is to be believed."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.landmarks import ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.motion import BodyFitter, FitConfig
from twinsdk.motion.fitting.palms import FollowedHands

STEP_S = 1 / 30
SHOWN = np.ones(2, bool)


def small(names, palm_px=12.0):
    uv = np.full((len(names), 2), 0.5)
    uv[1:, 0] += palm_px / 640
    return ImageLandmarks(names=names, uv=uv, size_px=(640, 480))


def test_the_first_palms_are_taken_as_they_are(person):
    seen = person.observation({}, 0)
    assert (FollowedHands().palms(seen, SHOWN, 0.0, anew=True).follow == 1).all()


def test_large_hands_are_followed_sooner_than_small_ones_and_those_than_the_body(person):
    seen = person.observation({}, 0)
    names = seen.left_hand.names
    tiny = Observation(
        timestamp_ns=0,
        body=seen.body,
        left_hand=seen.left_hand,
        image_left_hand=small(names),
        right_hand=seen.right_hand,
    )
    none = Observation(timestamp_ns=0, body=seen.body)
    little, large = FollowedHands().palms(tiny, SHOWN, STEP_S, anew=False).follow
    body = FollowedHands().palms(none, SHOWN, STEP_S, anew=False).follow
    assert body.max() < little < large < 1


def test_a_small_hand_that_flickers_does_not_shake_the_wrist(person):
    """Each frame the tracker turns the palm by 60 degrees to the other side."""
    fitter, found = BodyFitter(FitConfig(camera_pitch_deg=0)), []
    for k in range(60):
        seen = person.observation({}, k * STEP_S)
        wrist = seen.left_hand.positions[0]
        turn = person.rotation(x=np.radians(30 if k % 2 else -30))
        hand = Landmarks(
            names=seen.left_hand.names,
            positions=wrist + (seen.left_hand.positions - wrist) @ turn.T,
            visibility=np.ones(21),
        )
        fit = fitter.step(
            Observation(
                timestamp_ns=seen.timestamp_ns,
                body=seen.body,
                image_body=seen.image_body,
                left_hand=hand,
                image_left_hand=small(hand.names),
            )
        )
        arm = [
            fit.pose.rotations[HUMANOID_NAMES.index(f"left{part}")] for part in ("LowerArm", "Hand")
        ]
        found.append(quat.multiply(*arm))
    late = np.array(found[15:])
    assert np.degrees(quat.angle(late[1:], late[:-1])).max() < 6
