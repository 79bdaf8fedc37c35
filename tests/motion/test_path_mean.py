"""The mean over the last moments of a path: what passes, what is evened out, and how late it is."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.motion.filters.average import PathMean


def followed(values, steps, window_s):
    mean = PathMean(window_s)
    return np.array([mean.step(np.array([v]), s)[0] for v, s in zip(values, steps, strict=True)])


def test_what_rests_passes_as_it_is():
    np.testing.assert_allclose(followed([2.0] * 9, [0.0, *[0.01] * 8], 0.025), 2.0)


@pytest.mark.parametrize("fps", [15, 24, 30, 60, 144])
def test_steady_motion_is_late_by_half_the_window_at_any_frame_rate(fps):
    times = np.arange(20) / fps
    shown = followed(3 * times, np.diff(times, prepend=0.0), 0.05)
    late = times >= 0.05
    np.testing.assert_allclose(shown[late], 3 * (times[late] - 0.025), atol=1e-12)


def test_a_jump_is_spread_over_the_window():
    shown = followed([0, 0, 0, 1, 1, 1], [0.0, *[0.02] * 5], 0.04)
    np.testing.assert_allclose(shown, [0, 0, 0, 0.25, 0.75, 1], atol=1e-12)


def test_no_window_and_a_long_pause_show_what_is_there_now():
    np.testing.assert_allclose(followed([1, 5, 2], [0.0, 0.03, 0.03], 0.0), [1, 5, 2])
    assert followed([1, 5], [0.0, 100.0], 0.025)[1] == pytest.approx(5, abs=1e-3)


def test_trembling_jerks_less():
    noise = np.random.default_rng(1).normal(0, 1, 400)
    shown = followed(noise, [0.0, *[1 / 30] * 399], 0.025)
    assert np.abs(np.diff(shown, n=3)).mean() < 0.5 * np.abs(np.diff(noise, n=3)).mean()
