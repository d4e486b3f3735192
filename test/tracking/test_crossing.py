"""Doubt whether a look-alike was taken for the target."""

import numpy as np
import pytest

from autrack_ros.tracking import Box, TrackResult
from autrack_ros.tracking.crossing import BEFORE, COURSE, Crossing

SIDE = 40
KNOWN = COURSE + BEFORE  # frames after which it is known how the target moves
DOUBT = 30


def result(x: float, second_peak: float) -> TrackResult:
    """A target at x, and a look-alike that responds so high; the target's response is 0.8."""
    box = Box(x, 100, SIDE, SIDE)
    look_alike = Box(x + 60, 100, SIDE, SIDE) if second_peak > 0.4 else None
    none = np.zeros(0)
    return TrackResult(box, 0.9, none, none, none, none, 0.8, second_peak, 50.0, look_alike)


def doubts(places: list[float], rivals: dict[int, float], frames: int = DOUBT) -> list[int]:
    """Numbers of the frames in doubt.

    Args:
        places: of the target, one a frame.
        rivals: by frame, how high a look-alike responds; elsewhere there is none.
        frames: for so many it stays in doubt.
    """
    crossing, found = Crossing(), []
    for number, x in enumerate(places):
        crossing.advance(result(x, rivals.get(number, 0.0)), frames)
        if crossing.doubtful > 0:
            found.append(number)
    return found


STANDS_THEN_GOES = [0.0] * 20 + [5.0 * step for step in range(1, 61)]
A_SIDE_AWAY = 19 + SIDE // 5  # the frame


def test_a_target_that_goes_off_with_a_look_alike_is_in_doubt_for_a_while() -> None:
    found = doubts(STANDS_THEN_GOES, {20: 0.8})
    assert found == list(range(A_SIDE_AWAY, A_SIDE_AWAY + DOUBT))


@pytest.mark.parametrize(
    "rivals",
    [{}, {20: 0.7}, {number: 0.5 for number in range(80)}],
    ids=["none", "less_high", "always_there_and_lower"],
)
def test_a_target_that_goes_off_alone_is_not(rivals: dict[int, float]) -> None:
    assert doubts(STANDS_THEN_GOES, rivals) == []


@pytest.mark.parametrize("speed", [0.0, 5.0, -12.0])
def test_a_target_that_goes_on_as_before_is_not(speed: float) -> None:
    places = [speed * number + (3.0 if number % 2 else 0.0) for number in range(80)]
    assert doubts(places, {number: 0.8 for number in range(20, 30)}) == []


def test_a_target_that_turns_long_after_the_look_alike_is_not() -> None:
    assert doubts([0.0] * 60 + [10.0 * step for step in range(20)], {20: 0.8}) == []


def test_while_the_look_alike_stays_the_target_is_expected_to_go_on_as_it_did_lately() -> None:
    """Else two that walk side by side, slower and slower, would be in doubt for good."""
    places = np.cumsum(np.linspace(5, 0, 100)).tolist()
    assert doubts(places, {number: 0.8 for number in range(100)}) == []


def test_as_long_as_its_course_is_not_known_no_target_is_in_doubt() -> None:
    places = [0.0] * KNOWN + [45.0] * 5
    for first, in_doubt in ((KNOWN - 1, []), (KNOWN, [KNOWN, KNOWN + 1])):
        assert doubts(places, {first: 0.8}, frames=2) == in_doubt


def test_doubt_passes_while_the_target_is_lost() -> None:
    crossing = Crossing()
    for number, x in enumerate(STANDS_THEN_GOES[:40]):
        crossing.advance(result(x, 0.8 if number == 20 else 0.0), DOUBT)
    left = crossing.doubtful
    for _ in range(3):
        crossing.pass_frame()
    assert crossing.doubtful == left - 3 > 5
    for _ in range(left):
        crossing.pass_frame()
    assert crossing.doubtful == 0


def test_a_target_that_was_not_followed_to_where_it_is_has_no_course_to_leave() -> None:
    for forgets, doubt in ((True, 0), (False, DOUBT)):
        crossing = Crossing()
        for number in range(25):
            crossing.advance(result(0.0, 0.8 if number == 24 else 0.0), DOUBT)
        if forgets:
            crossing.forget_course()
        crossing.advance(result(500, 0.0), DOUBT)
        assert crossing.doubtful == doubt


def test_fewer_frames_of_doubt_end_one_that_is_there() -> None:
    crossing = Crossing(doubtful=20)
    crossing.advance(result(0, 0.0), 5)
    assert crossing.doubtful == 5
    crossing.advance(result(0, 0.0), 0)
    assert crossing.doubtful == 0


def test_with_no_frames_of_doubt_there_is_none() -> None:
    assert doubts(STANDS_THEN_GOES, {20: 0.8}, frames=0) == []
