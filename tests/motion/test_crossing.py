"""Changes of source: nothing jumps or jolts, and limbs that are brought somewhere get there."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.motion.evaluation.clips import BODY_JOINTS
from twinsdk.motion.filters.inertia import Crossing
from twinsdk.motion.filters.swivel import Bends, Swivel
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.pins import Pins

STEP_S = 1 / 60


def crossed(start, speed, *, target=0.0, pace=0.0, move=8.0):
    """Return the way (T,) of a point from `start` to a target that moves on at `pace`."""
    crossing = Crossing(np.zeros(0), np.array([move]))
    crossing.begin(
        np.zeros((0, 4)), np.zeros((0, 3)), np.array([[start, 0, 0]]), np.array([[speed, 0, 0]])
    )
    way = [start - speed * STEP_S, start]
    for k in range(1, 80):
        aim = target + pace * k * STEP_S
        _, points = crossing.step(np.zeros((0, 4)), np.array([[aim, 0.0, 0.0]]), STEP_S)
        way.append(float(points[0, 0]))
    assert not crossing.busy
    return np.array(way), aim


@pytest.mark.parametrize("start", [0.05, 0.4])
@pytest.mark.parametrize("speed", [0.0, 0.8])
@pytest.mark.parametrize("pace", [0.0, -0.6])
def test_a_crossing_keeps_place_and_speed_and_is_driven_no_harder_than_told(start, speed, pace):
    way, aim = crossed(start, speed, pace=pace)
    assert way[-1] == pytest.approx(aim, abs=1e-9)
    accelerations = np.diff(way, 2) / STEP_S**2
    # Gap and speed are each allowed as much; between frames a twentieth more.
    assert np.abs(accelerations).max() < 2.1 * 8.0


def test_rotations_cross_the_short_way_and_arrive():
    crossing = Crossing(np.array([12.0]), np.zeros(0))
    start = quat.from_rotation_vector(np.array([[0.0, 2.5, 0.0]]))
    crossing.begin(start, np.zeros((1, 3)), np.zeros((0, 3)), np.zeros((0, 3)))
    angles = []
    for _ in range(80):
        turned, _ = crossing.step(quat.IDENTITY[None], np.zeros((0, 3)), STEP_S)
        angles.append(float(quat.angle(turned, quat.IDENTITY)[0]))
    assert angles[0] == pytest.approx(2.5, abs=1e-6)
    assert (np.diff(angles) < 1e-9).all()
    assert angles[-1] < 1e-9


def limbs(skeleton, rotations, root):
    rows = [
        [skeleton.joint(f"{side}{part}") for side in ("left", "right")]
        for part in ("UpperArm", "LowerArm", "Hand")
    ]
    world, places = skeleton.forward(rotations, root)
    return world[rows[0]], places[rows].astype(np.float64)


def test_limbs_reach_their_goals_and_keep_their_bones():
    skeleton = humanoid_skeleton()
    rng = np.random.default_rng(3)
    for _ in range(30):
        rotations = quat.from_rotation_vector(rng.normal(0, 0.5, (len(skeleton), 3)))
        turns, places = limbs(skeleton, rotations.astype(np.float32), np.zeros(3, np.float32))
        goals = places[0] + rng.normal(0, 0.2, (2, 3))
        bends = Bends(turns, places, goals, ahead=-1)
        upper, lower = bends.turns(bends.ways)
        middle = places[0] + quat.rotate(upper, places[1] - places[0])
        tip = middle + quat.rotate(lower, places[2] - places[1])
        longest = sum(np.linalg.norm(places[k + 1] - places[k], axis=-1) for k in (0, 1))
        far = np.linalg.norm(goals - places[0], axis=-1)
        for side in range(2):
            if far[side] < 0.999 * longest[side]:
                assert np.linalg.norm(tip[side] - goals[side]) < 2e-3
        own = Bends(turns, places, places[2], ahead=-1)
        assert quat.angle(own.turns(own.ways), quat.IDENTITY).max() < 1e-3


def test_an_elbow_goes_round_instead_of_turning_over():
    skeleton = humanoid_skeleton()
    pins, swivel = Pins(skeleton), Swivel()
    elbow = skeleton.joint("leftLowerArm")
    places = []
    for k in range(40):
        rotations = np.tile(quat.IDENTITY, (len(skeleton), 1)).astype(np.float32)
        bend = 0.6 if k < 20 else -0.6  # from one frame to the next it is to bend the other way
        for name, sign in (("leftLowerArm", 1), ("rightLowerArm", -1)):
            rotations[skeleton.joint(name)] = quat.from_rotation_vector(
                np.array([0.0, sign * bend, 0.0])
            )
        root = np.array([0, 0.93, 0], np.float32)
        hands = skeleton.forward(rotations, root)[1][
            [skeleton.joint(name) for name in ("leftHand", "rightHand")]
        ]
        hands[:, 2] = 0.0
        out = pins.hold(
            rotations,
            root,
            "Hand",
            positions=hands,
            turns=None,
            weights=np.ones(2),
            swivel=(swivel, 1 / 30),
        )
        places.append(skeleton.forward(out, root)[1][elbow])
    speed = 30 * np.linalg.norm(np.diff(places, axis=0), axis=-1)
    assert speed.max() < 3.5
    assert np.linalg.norm(places[-1] - places[19]) > 0.1  # and it does get there


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("lost_s", [0.5, 2.0])
def test_hands_lost_and_found_jolt_nobody(fps, lost_s):
    skeleton, model = humanoid_skeleton(), MotionModel.load()
    _, rest = skeleton.rest_world()
    places = []
    for k in range(round((2 + lost_s + 1.5) * fps)):
        t = k / fps
        lost = 2 <= t < 2 + lost_s
        positions = rest[[skeleton.joint(name) for name in TRACKER_NAMES]].copy()
        sway = 0.15 * np.sin(2 * t)
        positions[1:3] = [[0.35, 1.2 + sway, 0.3], [-0.35, 1.2 - sway, 0.3]]
        step = model.step(
            Trackers(
                positions=positions,
                rotations=np.tile(quat.IDENTITY, (6, 1)),
                seen=np.array([True, not lost, not lost, False, False, False]),
            ),
            1 / fps,
        )
        places.append(step.pose.world()[1])
    body = [skeleton.joint(name) for name in BODY_JOINTS]  # fingers ride on what hands do
    settled = np.array(places[fps:], np.float64)
    peaks = fps**2 * np.linalg.norm(np.diff(settled[:, body], 2, axis=0), axis=-1).max(1)
    assert peaks.max() < 20  # m/s^2: two allowances of a hand; a jump of 3 cm would show as 27
    hands = [skeleton.joint(name) for name in ("leftHand", "rightHand")]
    assert np.linalg.norm(settled[-1][hands] - positions[1:3], axis=-1).max() < 0.005
