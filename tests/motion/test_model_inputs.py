"""The motion model's closed-form start and its slots: laws they keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.motion.model import body
from twinsdk.motion.model.analytic import HEAD, Held, TrackerHold, solve_trackers
from twinsdk.motion.model.slots import MARKS, WIDTH, Seen, Source, encode, slices

TRACKED = [
    body.INDEX[n] for n in ("head", "leftHand", "rightHand", "hips", "leftFoot", "rightFoot")
]


def people(count=64, seed=5, spread=0.35):
    """Return the world rotations and places of random but human poses."""
    rng = np.random.default_rng(seed)
    local = body.rotation_from_vector(rng.normal(0, spread, (count, 22, 3)).astype(np.float32))
    turn = body.turn_y(rng.uniform(-np.pi, np.pi, count))
    local[:, 0] = turn @ local[:, 0]
    root = rng.normal(0, 2, (count, 3)).astype(np.float32)
    root[:, 1] = 0.9
    return body.forward(local, root, body.CANONICAL_OFFSETS)


def held(world, places, seen):
    seen = np.broadcast_to(np.array(seen, np.float32), (len(places), 6))
    return Held(
        positions=places[:, TRACKED],
        rotations=world[:, TRACKED],
        seen=seen,
        weights=seen,
        yaw=body.nearest_yaw(world[:, TRACKED[HEAD]]),
    )


def seen_of(given, start):
    count = len(given.yaw)
    return Seen(
        source=np.full(count, Source.TRACKERS),
        tracker_positions=given.positions,
        tracker_rotations=given.rotations,
        tracker_seen=given.seen,
        tracker_weights=given.weights,
        landmarks=np.zeros((count, len(MARKS), 3), np.float32),
        visibility=np.zeros((count, len(MARKS)), np.float32),
        start=start.local,
        start_root=start.root,
        confidence=np.zeros((count, 22), np.float32),
        yaw=given.yaw,
        origin=given.positions[:, HEAD][:, [0, 2]],
        offsets=np.broadcast_to(body.CANONICAL_OFFSETS, (count, 22, 3)),
        bones_known=np.ones(count),
        style=np.full(count, -1),
    )


def test_a_matrix_is_the_rotation_of_its_own_six_numbers_and_of_its_vector():
    world, _ = people()
    np.testing.assert_allclose(body.gram_schmidt(body.six_of(world)), world, atol=1e-5)
    back = body.rotation_from_vector(body.rotation_vector(world[:, 0] * 1.0))
    np.testing.assert_allclose(back, world[:, 0], atol=2e-3)  # half turns are badly conditioned


def test_forward_kinematics_agrees_with_the_skeleton():
    from twinsdk.core.humanoid import humanoid_skeleton

    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 0.6, (5, 22, 3)).astype(np.float32)
    rotations = np.tile(quat.IDENTITY, (5, 55, 1))
    rotations[:, body.IN_HUMANOID] = quat.from_rotation_vector(vectors)
    root = rng.normal(0, 1, (5, 3)).astype(np.float32)
    _, places = humanoid_skeleton().forward(rotations, root)
    local = body.rotation_from_vector(vectors)
    _, own = body.forward(local, root, body.CANONICAL_OFFSETS)
    np.testing.assert_allclose(own, places[:, body.IN_HUMANOID], atol=1e-5)


@pytest.mark.parametrize("seen", [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
def test_the_head_is_where_its_tracker_is(seen):
    world, places = people()
    given = held(world, places, seen)
    start = solve_trackers(given, body.CANONICAL_OFFSETS)
    turned, made = body.forward(start.local, start.root, body.CANONICAL_OFFSETS)
    head = body.INDEX["head"]
    np.testing.assert_allclose(made[:, head], places[:, head], atol=1e-4)
    np.testing.assert_allclose(turned[:, head], world[:, head], atol=1e-4)


def test_hands_within_reach_are_where_their_trackers_are():
    world, places = people()
    given = held(world, places, [1, 1, 1, 0, 0, 0])
    start = solve_trackers(given, body.CANONICAL_OFFSETS)
    _, made = body.forward(start.local, start.root, body.CANONICAL_OFFSETS)
    for side in ("left", "right"):
        hand, shoulder = body.INDEX[f"{side}Hand"], body.INDEX[f"{side}UpperArm"]
        reach = np.linalg.norm(places[:, hand] - made[:, shoulder], axis=-1)
        near = (reach < 0.52) & (reach > 0.1)  # arms are 0.527 m long
        assert near.sum() > 8
        apart = np.linalg.norm(made[near, hand] - places[near, hand], axis=-1)
        assert apart.max() < 1e-3


def test_hips_and_feet_with_trackers_of_their_own_are_exact():
    world, places = people(spread=0.2)
    given = held(world, places, [1] * 6)
    start = solve_trackers(given, body.CANONICAL_OFFSETS)
    turned, made = body.forward(start.local, start.root, body.CANONICAL_OFFSETS)
    np.testing.assert_allclose(made[:, 0], places[:, 0], atol=1e-5)
    np.testing.assert_allclose(turned[:, 0], world[:, 0], atol=1e-4)
    feet = [body.INDEX["leftFoot"], body.INDEX["rightFoot"]]
    legs = places[:, feet] - made[:, [body.INDEX["leftUpperLeg"], body.INDEX["rightUpperLeg"]]]
    near = np.linalg.norm(legs, axis=-1) < 0.82
    assert np.linalg.norm(made[:, feet] - places[:, feet], axis=-1)[near].max() < 1e-3


def test_a_lost_hand_fades_and_never_jumps():
    world, places = people(1)
    hold = TrackerHold((1,))
    positions, rotations = places[:, TRACKED], world[:, TRACKED]
    dt = np.array([1 / 60])
    weights = []
    for t in range(80):
        seen = np.array([[1, 1, t < 20, 0, 0, 0]], np.float32)
        step = hold.step(positions, rotations, seen, dt)
        weights.append(step.weights[0, 2])
        np.testing.assert_allclose(step.positions[0, 2], positions[0, 2], atol=1e-4)
    assert weights[0] == 1
    assert weights[-1] == 0
    assert np.abs(np.diff(weights)).max() < 0.06  # half a second, eased


def test_slots_do_not_see_where_in_the_room_or_which_way_a_person_stands():
    world, places = people()
    given = held(world, places, [1, 1, 1, 1, 0, 0])
    turn, shift = body.turn_y(1.3), np.array([3.0, 0.0, -2.0], np.float32)
    moved = held(turn @ world, places @ turn.T + shift, [1, 1, 1, 1, 0, 0])
    rows = []
    for trackers in (given, moved):
        now = seen_of(trackers, solve_trackers(trackers, body.CANONICAL_OFFSETS))
        rows.append(encode(now, now, np.full(64, 1 / 30)))
    assert rows[0].shape == (64, WIDTH)
    np.testing.assert_allclose(rows[0], rows[1], atol=2e-3)


def test_what_is_not_seen_is_zero_and_what_is_not_finite_never_gets_in():
    world, places = people()
    given = held(world, places, [1, 0, 0, 0, 0, 0])
    now = seen_of(given, solve_trackers(given, body.CANONICAL_OFFSETS))
    broken = now.landmarks.copy()
    broken[3] = np.nan
    row = encode(replace(now, landmarks=broken), now, np.zeros(64))
    assert np.isfinite(row).all()
    where = slices()
    hands = row[:, where["tracker_positions"]].reshape(64, 6, 3)[:, 1:]
    assert not hands.any()
    assert not row[:, where["landmarks"]].any()
