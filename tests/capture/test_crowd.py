"""Who is who: chosen by a rule, held through crossings, known again by place and colours."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.capture.crowd import Glimpse, Roster, colours_of
from twinsdk.capture.tracker import open_tracker
from twinsdk.capture.tracker_config import TrackerConfig, parse_choice
from twinsdk.errors import UsageError

SECOND = 1_000_000_000
FRAME = SECOND // 30
SIZE = (640, 480)
# A standing person: face above shoulders, arms down, legs; columns and rows in body heights.
BODY = np.zeros((33, 2), np.float32)
BODY[:11] = [0.0, 0.07]
BODY[[11, 12]] = [[0.1, 0.2], [-0.1, 0.2]]
BODY[13:23] = np.stack([np.tile([0.15, -0.15], 5), np.repeat([0.35, 0.48, 0.5, 0.51, 0.5], 2)], -1)
BODY[[23, 24]] = [[0.06, 0.5], [-0.06, 0.5]]
BODY[25:] = np.stack([np.tile([0.07, -0.07], 4), np.repeat([0.75, 0.94, 0.96, 0.98], 2)], -1)
RED, BLUE, GREY = ((200, 30, 30), (30, 40, 190), (120, 120, 120))


def person(x: float, colour: tuple[int, int, int], *, height: float = 200.0) -> Glimpse:
    pixels = BODY * height + [x, 440 - height]
    picture = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
    return Glimpse(
        pixels=pixels.astype(np.float32),
        visibility=np.ones(33, np.float32),
        colours=colours_of(picture, pixels),
    )


@pytest.mark.parametrize(
    ("choice", "x"),
    [("largest", 400), ("nearest", 400), ("left", 100), ("right", 560), ((300.0, 300.0), 250)],
)
def test_the_choice_says_whom_to_follow_first(choice, x):
    crowd = [
        person(100, RED, height=180),
        person(250, BLUE, height=150),
        person(400, GREY, height=260),
        person(560, RED, height=170),
    ]
    (chosen,) = Roster(1, choice).assign(crowd, 0).values()
    assert chosen.middle[0] == pytest.approx(x, abs=2)


def test_numbers_stay_with_people_whatever_order_they_are_found_in():
    roster, rng = Roster(3), np.random.default_rng(5)
    places = np.array([120.0, 320.0, 520.0])
    colours = [RED, BLUE, GREY]
    first = roster.assign([person(x, c) for x, c in zip(places, colours, strict=True)], 0)
    owner = {n: int(np.abs(places - g.middle[0]).argmin()) for n, g in first.items()}
    for frame in range(1, 40):
        places += rng.normal(0, 4, 3)
        order = rng.permutation(3)
        found = roster.assign([person(places[i], colours[i]) for i in order], frame * FRAME)
        for number, glimpse in found.items():
            assert glimpse.middle[0] == pytest.approx(places[owner[number]], abs=2)


def test_somebody_who_comes_back_elsewhere_is_known_by_their_colours():
    roster = Roster(2)
    roster.assign([person(100, RED), person(500, BLUE)], 0)
    roster.assign([person(500, BLUE)], SECOND)
    back = roster.assign([person(500, BLUE), person(300, RED)], 5 * SECOND)
    assert {n: round(float(g.middle[0])) for n, g in back.items()} == {0: 300, 1: 500}


def test_a_stranger_is_not_taken_for_somebody_who_left_until_they_are_forgotten():
    roster = Roster(1, forget_s=10)
    roster.assign([person(100, RED)], 0)
    assert roster.assign([person(550, BLUE)], SECOND // 2) == {}
    assert list(roster.assign([person(550, BLUE)], 11 * SECOND)) == [0]


def test_of_two_on_one_body_the_one_with_other_colours_is_lost():
    roster = Roster(2)
    roster.assign([person(200, RED), person(400, BLUE)], 0)
    assert roster.doubles({0: person(300, BLUE), 1: person(303, BLUE)}) == [0]
    assert roster.doubles({0: person(300, RED), 1: person(303, RED)}) == [1]
    assert roster.doubles({0: person(200, RED), 1: person(300, BLUE)}) == []


def test_somebody_found_twice_is_no_second_person():
    roster = Roster(2)
    roster.assign([person(200, RED)], 0)
    twice = [person(202, RED), person(212, RED, height=230)]
    assert list(roster.assign(twice, FRAME)) == [0]
    assert sorted(roster.assign([person(204, RED), person(420, RED)], 2 * FRAME)) == [0, 1]


def test_followers_who_changed_bodies_are_found_out_after_some_frames_not_at_once():
    roster = Roster(2)
    roster.assign([person(200, RED), person(400, BLUE)], 0)
    wrong = {0: person(400, BLUE), 1: person(200, RED)}
    assert [roster.swapped(wrong) for _ in range(3)] == [[], [], [(0, 1)]]
    right = {0: person(200, RED), 1: person(400, BLUE)}
    assert [roster.swapped(right) for _ in range(5)] == [[]] * 5


def test_people_dressed_alike_are_told_apart_by_place_and_never_swapped_back_and_forth():
    roster = Roster(2)
    roster.assign([person(200, GREY), person(400, GREY)], 0)
    for frame in range(1, 30):
        step = 3 * frame
        seen = {0: person(200 + step, GREY), 1: person(400 + step, GREY)}
        assert roster.swapped(seen) == []
        found = roster.assign([seen[1], seen[0]], frame * FRAME)
        assert found[0] is seen[0]
        assert found[1] is seen[1]


def test_colours_do_not_depend_on_size_or_on_what_is_outside_the_trunk():
    picture = np.full((480, 640, 3), 77, np.uint8)
    near, far = BODY * 400 + [300, 20], BODY * 100 + [300, 20]
    for pixels in (near, far):
        x0, y0 = pixels[[11, 12, 23, 24]].min(0).astype(int)
        x1, y1 = pixels[[11, 12, 23, 24]].max(0).astype(int)
        other = picture.copy()
        other[y0:y1, x0:x1] = RED
        np.testing.assert_allclose(colours_of(other, pixels), person(300, RED).colours, atol=0.02)
    assert not colours_of(picture, BODY * 100 + [2000, 20]).any()


@pytest.mark.parametrize("text", ["me", "0.5", "0.5,2", "a,b", "1,2,3"])
def test_a_choice_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="largest, nearest, left, right or X,Y"):
        parse_choice(text)


def test_more_people_than_models_can_follow_are_refused():
    with pytest.raises(UsageError, match="people: expected 1 to 4, got 9"):
        open_tracker(config=TrackerConfig(people=9))


def waving(x: float, colour: tuple[int, int, int], seconds: float) -> Glimpse:
    glimpse = person(x, colour)
    glimpse.pixels[[15, 17, 19, 21]] += (30 * np.sin(3 * seconds), -20)
    return glimpse


def trembling(x: float, colour: tuple[int, int, int], rng: np.random.Generator) -> Glimpse:
    glimpse = person(x, colour, height=260)
    glimpse.pixels[:] += rng.normal(0, 0.8, (33, 2))
    return glimpse


def followed_colours(roster: Roster, seconds: float, second: str) -> list[tuple[int, float]]:
    """Where number 0 is, in whole pixels, every half second; a large poster hangs at 150."""
    rng, out = np.random.default_rng(3), []
    for half in range(round(2 * seconds)):
        crowd = [trembling(150, RED, rng)]
        if second:
            crowd.append(waving(450, BLUE, half / 2) if second == "waves" else person(450, BLUE))
        found = roster.assign(crowd, half * SECOND // 2)
        out.append((half, float(found[0].middle[0])))
    return out


def test_a_poster_gives_way_to_somebody_who_moves_and_to_nobody_else():
    places = followed_colours(Roster(1), 15, "waves")
    assert all(x < 200 for half, x in places if half < 20)
    assert all(x > 400 for half, x in places if half > 24)
    assert all(x < 200 for _, x in followed_colours(Roster(1), 15, "stands"))


def test_somebody_who_has_moved_once_may_stand_as_still_as_they_like():
    roster = Roster(1)
    for half in range(4):
        roster.assign([waving(150, RED, half / 2)], half * SECOND // 2)
    for half in range(4, 60):
        found = roster.assign([person(150, RED), waving(450, BLUE, half / 2)], half * SECOND // 2)
        assert found[0].middle[0] < 200
    assert roster.lifeless(30 * SECOND) == []


def test_a_poster_alone_is_followed_and_said_to_be_lifeless():
    roster = Roster(1)
    places = followed_colours(roster, 15, "")
    assert all(x < 200 for _, x in places)
    assert roster.lifeless(15 * SECOND) == [0]
