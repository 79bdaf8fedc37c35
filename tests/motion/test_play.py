"""Laws of play: what rests stays, nothing jumps, nothing is further behind than it may be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.motion.filters.play import point_play, rotation_play

PLAY = 0.03


def wandering(seed, step):
    """A path of rotations (T, 3, 4) that goes `step` radians a frame, whichever way."""
    rng = np.random.default_rng(seed)
    at, out = quat.normalize(rng.normal(size=(3, 4))), []
    for _ in range(60):
        vectors = rng.normal(size=(3, 3))
        vectors *= step / np.linalg.norm(vectors, axis=-1, keepdims=True)
        at = quat.multiply(quat.from_rotation_vector(vectors), at)
        out.append(at * rng.choice([-1, 1]))
    return out


@given(st.integers(0, 1000), st.floats(0.001, 0.1))
def test_a_rotation_is_never_further_behind_than_its_play_nor_faster_than_what_comes(seed, step):
    path = wandering(seed, step)
    shown = path[0]
    for coming in path[1:]:
        before, shown = shown, rotation_play(shown, coming, np.full(3, PLAY))
        np.testing.assert_allclose(np.linalg.norm(shown, axis=-1), 1, atol=1e-12)
        assert quat.angle(shown, coming).max() <= PLAY * 1.001
        assert quat.angle(shown, before).max() <= step * 1.001 + 1e-9


@given(st.integers(0, 1000), st.floats(0.001, 0.1))
def test_a_point_is_never_further_behind_than_its_play_nor_faster_than_what_comes(seed, step):
    rng = np.random.default_rng(seed)
    shown = coming = np.zeros(2)
    for _ in range(60):
        way = rng.normal(size=2)
        coming = coming + step * way / np.linalg.norm(way)
        before, shown = shown, point_play(shown, coming, PLAY)
        assert np.linalg.norm(shown - coming) <= PLAY + 1e-12
        assert np.linalg.norm(shown - before) <= step + 1e-12


def test_what_stays_within_its_play_does_not_move_at_all():
    rng = np.random.default_rng(0)
    shown = start = quat.normalize(rng.normal(size=(4, 4)))
    place = np.zeros(2)
    for _ in range(50):
        vectors = rng.uniform(-0.015, 0.015, (4, 3))
        coming = quat.multiply(quat.from_rotation_vector(vectors), start)
        shown = rotation_play(shown, coming, np.full(4, PLAY))
        place = point_play(place, rng.uniform(-0.02, 0.02, 2), PLAY)
    np.testing.assert_allclose(shown, start, atol=1e-12)
    np.testing.assert_array_equal(place, 0)


def test_without_play_everything_passes_as_it_is():
    path = wandering(3, 0.2)
    np.testing.assert_allclose(
        quat.angle(rotation_play(path[0], path[1], np.zeros(3)), path[1]), 0, atol=1e-7
    )
    np.testing.assert_array_equal(point_play(np.ones(3), np.zeros(3), 0.0), 0)
