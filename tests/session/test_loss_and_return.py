"""A person leaves and comes back: the twin rests and rises without a jolt, and follows at once."""

from __future__ import annotations

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.session import SessionConfig

FPS = 30
AWAY = range(4 * FPS, 9 * FPS)
END = 13 * FPS
SWING_HZ, MIDDLE, SWING = 1.0, np.radians(-55), np.radians(30)
SWUNG = ("Elbow", "Wrist", "Pinky", "Index", "Thumb")


def swung(seen, seconds):
    """Return the observation with both arms swung up and down, hands still before the camera."""
    angle = MIDDLE + SWING * np.sin(2 * np.pi * SWING_HZ * seconds)
    names = list(seen.body.names)
    points = seen.body.positions.copy()
    for side, sign in (("left", 1), ("right", -1)):
        shoulder = points[names.index(f"{side}Shoulder")].copy()
        turn = quat.from_rotation_vector(np.array([0, 0, sign * angle], np.float32))
        for part in SWUNG:
            row = names.index(side + part)
            points[row] = shoulder + quat.rotate(turn, points[row] - shoulder)
    moved = points - seen.body.positions
    depth = 2.5 - points[:, 2]
    width, height = seen.image_body.size_px
    uv = seen.image_body.uv + 0.9 * moved[:, :2] / depth[:, None] * (height / width, -1)
    body = tw.Landmarks(names=seen.body.names, positions=points, visibility=seen.body.visibility)
    image = tw.ImageLandmarks(
        names=seen.image_body.names,
        uv=uv,
        size_px=seen.image_body.size_px,
        visibility=seen.image_body.visibility,
    )
    return tw.Observation(timestamp_ns=seen.timestamp_ns, body=body, image_body=image)


def followed(make_source, make_tracker, avatar, *, away=AWAY, motion_model=False):
    tracker = make_tracker([k for k in range(END) if k not in away])
    track = tracker.track
    tracker.track = lambda image: [swung(seen, image.index / FPS) for seen in track(image)]
    config = SessionConfig(motion_model=motion_model)
    with tw.Session(make_source(END), avatar, tracker=tracker, config=config) as session:
        return [step.frames[0] for step in session.steps()]


def accelerations(frames):
    """Return the largest angular acceleration of any joint, rad/s2, at each frame but two."""
    turns = np.array([f.pose.rotations for f in frames])
    between = quat.multiply(turns[1:], quat.conjugate(turns[:-1]))
    speeds = quat.to_rotation_vector(between) * FPS
    return np.linalg.norm(np.diff(speeds, axis=0) * FPS, axis=-1).max(-1)


def elevations(frames):
    """Return how far up the left arm points in each frame, degrees."""
    arm = frames[0].pose.skeleton.joint("leftUpperArm")
    along = [quat.rotate(f.pose.world()[0][arm], np.array([1, 0, 0], np.float32)) for f in frames]
    return np.degrees([np.arctan2(y, x) for x, y, _ in along])


@pytest.fixture(scope="module")
def runs(bead_avatar):
    from tests.session.conftest import CountedSource, ScriptedTracker

    def run(away):
        return followed(CountedSource, ScriptedTracker, bead_avatar, away=away)

    return run(AWAY), run(range(0))


def test_leaving_and_coming_back_is_a_movement_not_a_jolt(runs):
    left, stayed = runs
    # Half a radian in a quarter of a second takes 50 rad/s2 at least; the swing itself 21.
    assert accelerations(left)[2 * FPS :].max() < 95
    assert accelerations(stayed)[2 * FPS :].max() < 35


def test_the_twin_follows_again_within_a_third_of_a_second(runs):
    left, stayed = runs
    k = AWAY.stop + round(0.3 * FPS)
    assert left[k].state == "tracking"
    apart = np.abs(elevations(left) - elevations(stayed))
    assert apart[AWAY.stop - FPS : AWAY.stop].max() > 15  # there was something to make up for
    assert apart[k : k + 2 * FPS].max() < 8


def test_states_say_that_nobody_is_seen(runs):
    left, _ = runs
    states = [frame.state.value for frame in left]
    assert set(states[60 : AWAY.start]) <= {"tracking", "partial"}
    assert set(states[AWAY.start + 2 : AWAY.stop]) == {"holding", "idle"}
    assert left[AWAY.stop - 1].confidence < 0.1
