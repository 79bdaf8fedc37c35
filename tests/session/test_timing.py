"""Stage times: percentiles of the newest runs, bounded memory."""

import numpy as np
import pytest

from twinsdk.session.timing import StageTimes


def test_percentiles_are_those_of_what_was_added(rng):
    times = StageTimes()
    values = rng.uniform(0, 10, 500)
    for value in values:
        times.add("fit", value)
    stats = times.stats()["fit"]
    assert stats.count == 500
    np.testing.assert_allclose(stats.p50_ms, np.percentile(values, 50), rtol=1e-5)
    np.testing.assert_allclose(stats.p99_ms, np.percentile(values, 99), rtol=1e-5)


def test_only_the_newest_runs_are_kept():
    times = StageTimes()
    for value in range(10_000):
        times.add("fit", value)
    assert times.stats()["fit"].count == 10_000
    assert times.stats()["fit"].p50_ms > 10_000 - 4096
    assert sorted(times.recent("fit", 3)) == [9997, 9998, 9999]
    assert len(times.recent("never", 3)) == 0


def test_measure_counts_also_when_the_body_raises():
    times = StageTimes()
    with pytest.raises(ZeroDivisionError), times.measure("fit"):
        _ = 1 / 0
    assert times.stats()["fit"].count == 1
