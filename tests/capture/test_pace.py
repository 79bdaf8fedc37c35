"""Hands and face are looked for less often on a slow machine, on a quick one in every frame."""

from twinsdk.capture.pace import Pace


def run(pace: Pace, frames: int, body_ms: float, parts_ms: float) -> list[int]:
    """A machine where the body takes so long, hands and face so long when they are due."""
    chosen = []
    for frame in range(frames):
        pace.add(body_ms + (parts_ms if frame % pace.every == 0 else 0.0))
        chosen.append(pace.every)
    return chosen


def test_a_machine_that_keeps_up_looks_in_every_frame():
    assert set(run(Pace(), 300, 20, 12)) == {1}


def test_a_slow_machine_settles_where_it_keeps_up_and_stays_there():
    chosen = run(Pace(), 600, 25, 40)
    assert chosen[-1] > 1
    assert len(set(chosen[300:])) == 1  # no going to and fro
    assert 25 + 40 / chosen[-1] < 50


def test_a_busy_moment_changes_nothing():
    pace = Pace()
    run(pace, 100, 20, 10)
    pace.add(400)
    assert set(run(pace, 200, 20, 10)) == {1}


def test_when_the_load_goes_everything_is_looked_at_again():
    pace = Pace()
    assert run(pace, 300, 60, 60)[-1] == 4
    assert run(pace, 300, 12, 8)[-1] == 1
